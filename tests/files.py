"""Files that tests upload: honest ones, and some that only look so."""

from __future__ import annotations

import io
import struct
import zipfile

from django.core.files.uploadedfile import SimpleUploadedFile
from docx import Document
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

RELS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def make_pdf(text: str = "Roundness 0.30 mm after quenching", **metadata: str) -> bytes:
    """Return a PDF of one page with a line of Latin text."""
    writer = PdfWriter()
    page = writer.add_blank_page(300, 200)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): writer._add_object(font)})}
    )
    content = DecodedStreamObject()
    content.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode("latin-1"))
    page[NameObject("/Contents")] = writer._add_object(content)
    if metadata:
        writer.add_metadata({f"/{name}": value for name, value in metadata.items()})
    return written(writer)


def written(writer: PdfWriter) -> bytes:
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def make_docx(*lines: str, author: str = "") -> bytes:
    document = Document()
    for line in lines or ("试件淬火后圆度偏差 0.30 mm。",):
        document.add_paragraph(line)
    document.core_properties.author = author
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def changed_zip(data: bytes, *, add: dict[str, bytes] | None = None, drop: str = "") -> bytes:
    """Return a ZIP archive with other parts."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            if name != drop and name not in (add or {}):
                new.writestr(name, old.read(name))
        for name, content in (add or {}).items():
            new.writestr(name, content)
    return file.getvalue()


def make_image(kind: str = "PNG", size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, format=kind, **options)
    return file.getvalue()


def make_photo() -> bytes:
    """Return a JPEG that says where and by whom it was taken."""
    exif = Image.Exif()
    exif[0x013B] = "Zhang San"  # Artist
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    exif.get_ifd(0x8825)[2] = (30.0, 15.0, 7.0)
    return make_image("JPEG", exif=exif, comment=b"Zhang San")


def png_of(width: int, height: int) -> bytes:
    """Return a small file that says it is a picture of this size."""
    import zlib

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack("!L", zlib.crc32(name + data))
        return struct.pack("!L", len(data)) + name + data + crc

    head = chunk(b"IHDR", struct.pack("!LLBBBBB", width, height, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + head + body + chunk(b"IEND", b"")


def upload(data: bytes, name: str) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)
