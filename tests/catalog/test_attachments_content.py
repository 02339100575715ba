"""What may be attached: told by the content, whatever the name says."""

import io
import zipfile

import pytest
from django.core.exceptions import ValidationError
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from accounts.files import inspecting
from accounts.files.inspecting import FileKind, inspected, read_text
from tests.files import (
    RELS,
    changed_zip,
    make_docx,
    make_image,
    make_pdf,
    make_photo,
    png_of,
    written,
)

LIMIT = 20 * 1024 * 1024


def external(kind):
    """Return the relations of a document that points elsewhere."""
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return (
        f'<?xml version="1.0"?><Relationships xmlns="{space}"><Relationship Id="x1" '
        f'Type="{RELS}/{kind}" Target="http://example.org/x" TargetMode="External"/>'
        "</Relationships>"
    ).encode()


def check(data, name):
    with inspected(io.BytesIO(data), name=name, limit=LIMIT) as found:
        return found, found.path.read_bytes()


def refused(data, name):
    """Return the code of the one sentence with which a file is refused."""
    with pytest.raises(ValidationError) as caught:
        check(data, name)
    assert len(caught.value.messages) == 1 and len(caught.value.messages[0]) >= 8
    return caught.value.code


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (make_pdf(), "报告.pdf", FileKind.PDF),
        (make_docx(), "说明.docx", FileKind.DOCX),
        (make_image("PNG"), "图.PNG", FileKind.PNG),
        (make_image("JPEG"), "图.jpeg", FileKind.JPEG),
        (make_image("WEBP"), "图.webp", FileKind.WEBP),
    ],
)
def test_an_honest_file_is_taken(data, name, kind):
    found, kept = check(data, name)

    assert found.kind == kind
    assert found.size == len(kept)


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.pdf", "empty"),
        (b"Just some words.", "a.txt", "kind"),
        (b"MZ" + b"\0" * 100, "a.pdf", "kind"),
        (make_pdf(), "a.docx", "ending"),
        (make_docx(), "a.pdf", "ending"),
        (make_image("PNG"), "a.jpg", "ending"),
        (make_pdf(), "a", "ending"),
        (b'<?xml version="1.0"?><svg xmlns="x"><script>1</script></svg>', "a.svg", "svg"),
        (b"\xef\xbb\xbf <SVG onload='x'/>", "a.png", "svg"),
        (b"GIF89a" + b"\0" * 50, "a.gif", "kind"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a.docx", "old_office"),
        (b"%PDF-1.7 and then nothing", "a.pdf", "broken_pdf"),
        (make_pdf()[:-200] + b"%%EOF", "a.pdf", "broken_pdf"),
        (make_pdf() + make_docx(), "a.pdf", "two_things"),
        (make_pdf() + b"\n" * 3000, "a.pdf", "two_things"),
        (b"junk" + make_pdf(), "a.pdf", "kind"),
        (make_docx()[: len(make_docx()) // 2], "a.docx", "broken_docx"),
        (make_docx() + b"%PDF-1.4", "a.docx", "two_things"),
        (make_image("PNG")[:60], "a.png", "broken_image"),
        (png_of(30_000, 30_000), "a.png", "pixels"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_gets_one_sentence(data, name, code):
    assert refused(data, name) == code


def test_a_file_over_the_limit_is_refused_by_what_really_comes():
    large = io.BytesIO(b"%PDF-" + b"x" * 2**20)

    with (
        pytest.raises(ValidationError, match="1 MB"),
        inspected(large, name="a.pdf", limit=2**20),
    ):
        pass


# --- PDF ----------------------------------------------------------------------------------------


def test_a_pdf_with_a_password_is_refused():
    writer = PdfWriter(clone_from=io.BytesIO(make_pdf()))
    writer.encrypt("secret")

    assert refused(written(writer), "a.pdf") == "encrypted"


def test_a_pdf_that_runs_a_program_is_refused():
    writer = PdfWriter(clone_from=io.BytesIO(make_pdf()))
    script = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject("x")}
    writer._root_object[NameObject("/OpenAction")] = DictionaryObject(script)

    assert refused(written(writer), "a.pdf") == "active_pdf"


def test_a_pdf_that_carries_files_is_refused():
    writer = PdfWriter(clone_from=io.BytesIO(make_pdf()))
    writer.add_attachment("virus.exe", b"MZ")

    assert refused(written(writer), "a.pdf") == "active_pdf"


def test_a_pdf_without_a_page_is_refused():
    assert refused(written(PdfWriter()), "a.pdf") == "pages"


def test_a_pdf_that_unpacks_to_gigabytes_kills_only_its_own_process():
    import zlib

    writer = PdfWriter(clone_from=io.BytesIO(make_pdf()))
    content = writer.pages[0]["/Contents"].get_object()
    content.set_data(b"")
    content._data = zlib.compress(b" " * 120_000_000, 9)
    content[NameObject("/Filter")] = NameObject("/FlateDecode")
    found = read_text(io.BytesIO(written(writer)), kind="pdf")

    assert found is None or found.text.strip() == ""


# --- DOCX ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("add", "code"),
    [
        ({"word/vbaProject.bin": b"x"}, "macros"),
        ({"word/activeX/activeX1.xml": b"<x/>"}, "macros"),
        ({"word/embeddings/oleObject1.bin": b"x"}, "embedded"),
        ({"word/_rels/document.xml.rels": external("attachedTemplate")}, "external"),
        ({"word/_rels/settings.xml.rels": external("image")}, "external"),
        ({"../../etc/passwd": b"x"}, "broken_docx"),
        ({"word/document.xml": b"<not closed"}, "broken_docx"),
        ({"word/document.xml": b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'}, "broken_docx"),
        ({f"word/media/{number}.bin": b"x" for number in range(5001)}, "bomb"),
    ],
)  # fmt: skip
def test_a_word_document_with_more_than_words_is_refused(add, code):
    assert refused(changed_zip(make_docx(), add=add), "a.docx") == code


def test_links_in_a_word_document_are_no_reason_to_refuse_it():
    rels = external("hyperlink")

    assert check(changed_zip(make_docx(), add={"word/_rels/footer.xml.rels": rels}), "a.docx")


def test_a_macro_document_under_another_name_is_refused():
    data = make_docx()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        types = archive.read("[Content_Types].xml").replace(
            b"wordprocessingml.document.main", b"ms-word.document.macroEnabled.main"
        )

    assert refused(changed_zip(data, add={"[Content_Types].xml": types}), "a.docx") == "macros"


def test_another_archive_is_told_from_a_word_document():
    other = changed_zip(make_docx(), drop="word/document.xml")

    assert refused(other, "a.docx") == "not_docx"
    assert refused(other, "a.zip") == "not_docx"


def test_a_zip_bomb_is_not_unpacked():
    bomb = changed_zip(make_docx(), add={"word/media/big.bin": b"\0" * (210 * 1024 * 1024)})
    assert len(bomb) < 1024 * 1024

    assert refused(bomb, "a.docx") == "bomb"


def test_an_encrypted_part_is_refused():
    data = bytearray(make_docx())
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        start = archive.start_dir
    data[start + 8] |= 1  # the flag of the first entry in the central directory

    assert refused(bytes(data), "a.docx") == "encrypted"


# --- Pictures -----------------------------------------------------------------------------------


def test_a_picture_is_stored_without_place_and_names():
    photo = make_photo()
    assert b"Zhang San" in photo

    _found, kept = check(photo, "a.jpg")

    with Image.open(io.BytesIO(kept)) as image:
        assert image.size == (40, 30)
        assert not image.getexif() and "comment" not in image.info
    assert b"Zhang San" not in kept


def test_a_picture_stands_upright_after_its_turn_is_taken_out():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter

    _found, kept = check(make_image("JPEG", exif=exif), "a.jpg")

    with Image.open(io.BytesIO(kept)) as image:
        assert image.size == (30, 40)


def test_what_is_hidden_behind_a_picture_is_gone():
    _found, kept = check(make_image("PNG") + make_docx(), "a.png")

    assert b"PK\x03\x04" not in kept


# --- Reading ------------------------------------------------------------------------------------


def test_the_text_of_a_pdf_is_read():
    found = read_text(io.BytesIO(make_pdf("Ring of 2 m", Author="Zhang San")), kind="pdf")

    assert "Ring of 2 m" in found.text
    assert "Zhang San" in found.about


def test_the_text_of_a_word_document_is_read_in_order():
    data = make_docx("第一段 0.30 mm", "第二段", author="张三")

    found = read_text(io.BytesIO(data), kind="docx")

    assert found.text == "第一段 0.30 mm\n第二段"
    assert "张三" in found.about


def test_a_text_is_read_up_to_a_bound():
    found = read_text(io.BytesIO(make_docx(*(["长" * 5000] * 20))), kind="docx")

    assert len(found.text) == inspecting.TEXT_AT_MOST


def test_what_cannot_be_read_is_no_error():
    assert read_text(io.BytesIO(b"%PDF-1.7 nothing"), kind="pdf") is None


def test_a_child_that_loops_is_stopped(monkeypatch, tmp_path):
    loop = tmp_path / "loop.py"
    loop.write_text("while True: pass")
    monkeypatch.setattr(inspecting, "CHILD", loop)
    monkeypatch.setattr(inspecting, "WALL_SECONDS", 1)

    assert refused(make_pdf(), "a.pdf") == "too_long"


def test_a_child_that_crashes_is_an_answer(monkeypatch, tmp_path):
    crash = tmp_path / "crash.py"
    crash.write_text("import os; os.kill(os.getpid(), 11)")
    monkeypatch.setattr(inspecting, "CHILD", crash)

    assert refused(make_pdf(), "a.pdf") == "unreadable"


def test_the_child_gets_none_of_our_secrets(monkeypatch, tmp_path):
    tell = tmp_path / "tell.py"
    tell.write_text(
        "import json, os\n"
        "print(json.dumps({'ok': True, 'text': ' '.join(os.environ), 'about': ''}))"
    )
    monkeypatch.setattr(inspecting, "CHILD", tell)
    monkeypatch.setenv("SECRET_KEY", "x")

    assert "SECRET_KEY" not in read_text(io.BytesIO(b"x"), kind="pdf").text


def test_the_limits_hold_in_the_child(tmp_path):
    """A PDF whose page tree is a ring, and one nested a thousand deep, end in a sentence."""
    writer = PdfWriter(clone_from=io.BytesIO(make_pdf()))
    pages = writer._root_object["/Pages"]
    pages["/Kids"].append(writer._root_object.raw_get("/Pages"))
    pages[NameObject("/Title")] = TextStringObject("ring")
    ring = written(writer)

    try:
        check(ring, "a.pdf")
    except ValidationError as error:
        assert error.code in ("broken_pdf", "unreadable", "too_much", "too_long", "pages")
    assert PdfReader(io.BytesIO(make_pdf())).pages  # and we are still here
