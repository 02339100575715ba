"""Sending a private file to somebody who may read it."""

from __future__ import annotations

from django.http import FileResponse, Http404

from accounts.files.inspecting import CONTENT_TYPES
from accounts.files.storage import logger, private_storage


def private_file(stored: str, *, kind: str, name: str) -> FileResponse:
    """Return a stored file as a download that no browser runs, frames or keeps.

    It is read through this process, also from a bucket: an address that opens it for everybody
    who has it never leaves the server.
    """
    try:
        file = private_storage().open(stored)
    except FileNotFoundError:
        logger.error("file_missing", name=stored)
        raise Http404 from None
    response = FileResponse(
        file, as_attachment=True, filename=name, content_type=CONTENT_TYPES[kind]
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, no-store"
    return response
