"""Stops files that are too large while they arrive, before they fill a disk."""

from __future__ import annotations

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, SkipFile


class BoundedUpload(FileUploadHandler):
    """Drops a file that is too large; `request.META["TOO_LARGE"]` names the fields it was for.

    The other fields arrive, so the page can say what was wrong in its own words.
    """

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        if start + len(raw_data) > settings.UPLOAD_BYTES_AT_MOST:
            if self.request is not None:
                self.request.META.setdefault("TOO_LARGE", set()).add(self.field_name)
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> None:
        return None
