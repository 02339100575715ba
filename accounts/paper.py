"""Pages on paper: HTML set as a PDF by WeasyPrint, with the fonts in the file.

WeasyPrint is loaded with the first PDF of a process and stays; docs/operations.md has what that
takes. It draws with system libraries (Pango, HarfBuzz) and a Chinese font: where one of them is
missing `lacking` says so, and nobody gets a PDF with boxes for letters.
"""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from django.contrib.staticfiles import finders

if TYPE_CHECKING:
    from weasyprint.text.fonts import FontConfiguration

Lack = Literal["", "libraries", "font"]

_LIBRARIES = (
    "libpango-1.0.{}",
    "libpangoft2-1.0.{}",
    "libharfbuzz-subset.{}",
)
_ENDING = "0.dylib" if sys.platform == "darwin" else "so.0"
# Seconds. The first call of a machine builds the cache of its fonts.
_FONTS_TIMEOUT = 30

_setting = threading.Lock()


class PaperLacks(Exception):
    """This machine cannot set a PDF; `lack` says what it has not got."""

    def __init__(self, lack: Lack) -> None:
        super().__init__(lack)
        self.lack = lack


@lru_cache(maxsize=1)
def lacking() -> Lack:
    """Return what this machine lacks for a PDF in Chinese, "" if nothing. Loads no WeasyPrint."""
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(name.format(_ENDING))
        except OSError:
            return "libraries"
    try:
        found = subprocess.run(
            ["fc-list", ":lang=zh-cn", "family"],  # comes with Pango
            capture_output=True,
            timeout=_FONTS_TIMEOUT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "libraries"
    return "" if found.stdout.strip() else "font"


def pdf(html: str, *, address: str) -> bytes:
    """Set a whole HTML document as a PDF, tagged for screen readers.

    `address`: of the site, for links; nothing is ever fetched, from there or anywhere else.
    Raises `PaperLacks`.
    """
    if lack := lacking():
        raise PaperLacks(lack)
    from weasyprint import CSS, HTML

    with _setting:
        fonts = _fonts()
        document = HTML(string=html, base_url=address, url_fetcher=_closed())
        return bytes(
            document.write_pdf(
                stylesheets=[CSS(string=sheet(), font_config=fonts)],
                font_config=fonts,
                pdf_tags=True,
            )
        )


@lru_cache(maxsize=1)
def _fonts() -> FontConfiguration:
    """Return one configuration for all documents: each new one keeps 60 MB of fonts for a while."""
    from weasyprint.text.fonts import FontConfiguration

    return FontConfiguration()


@lru_cache(maxsize=1)
def _closed() -> Any:
    """Return what fetches nothing: a text that names a file or an address gets neither."""
    from weasyprint.urls import URLFetcher

    return URLFetcher(allowed_protocols=(), allow_redirects=False)


def sheet() -> str:
    """Return the style of paper: the colours of the pages, and kq/paper.css.

    No other rule of the pages is wanted, and to match them all would take a second more.
    """
    colours = re.search(r":root.*?\{(.*?)\}", _static("kq/app.css"), re.DOTALL)
    assert colours is not None
    return f":root {{{colours[1]}}}\n{_static('kq/paper.css')}"


def _static(path: str) -> str:
    found = finders.find(path)
    assert isinstance(found, str), path
    return Path(found).read_text(encoding="utf-8")
