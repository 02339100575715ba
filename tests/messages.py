"""Every text of the site that people read: where it is written, and what is not translated.

python -m tests.messages            what is missing, by catalogue
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.extract import extract_javascript
from babel.messages.pofile import read_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "catalog", "matchmaking")
LOCALE = Path("locale/zh_Hans/LC_MESSAGES/django.po")

_PLAIN = {"_", "gettext", "gettext_lazy", "gettext_noop"}
_PLURAL = {"ngettext", "ngettext_lazy"}
_CONTEXT = {"pgettext", "pgettext_lazy"}


@dataclass(frozen=True)
class Message:
    """A text to translate. `plural` and `context` are empty for most."""

    text: str
    plural: str
    context: str
    path: str
    line: int


def python_files() -> list[Path]:
    files = (path for app in (*APPS, "config") for path in (ROOT / app).rglob("*.py"))
    return sorted(path for path in files if "migrations" not in path.parts)


def template_files() -> list[Path]:
    return sorted(
        path for ending in ("html", "txt") for path in (ROOT / "templates").rglob(f"*.{ending}")
    )


def _constant(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def in_python(path: Path) -> Iterator[Message]:
    where = str(path.relative_to(ROOT))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        texts = [_constant(argument) for argument in node.args]
        if name in _PLAIN and texts and texts[0]:
            yield Message(texts[0], "", "", where, node.lineno)
        elif name in _PLURAL and len(texts) > 1 and texts[0] and texts[1]:
            yield Message(texts[0], texts[1], "", where, node.lineno)
        elif name in _CONTEXT and len(texts) > 1 and texts[0] and texts[1]:
            yield Message(texts[1], "", texts[0], where, node.lineno)


def in_template(path: Path) -> Iterator[Message]:
    """Find the texts as Django's own makemessages does: through its pseudo-code of a template.

    That code is no Python (it has no lines to indent), but its calls read like JavaScript's.
    """
    where = str(path.relative_to(ROOT))
    code = templatize(path.read_text(encoding="utf8"), origin=where)
    # templatize writes Python's own literals, such as u'…' or '…'.
    code = re.sub(r"\bu(?=['\"])", "", code)
    keywords = {"gettext": None, "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
    found = extract_javascript(BytesIO(code.encode()), keywords, [], {"encoding": "utf8"})
    for line, name, given, _comments in found:
        texts: Any = given  # one text, or a tuple with None for what is no text
        parts = [str(part) for part in ([texts] if isinstance(texts, str) else texts) if part]
        if name == "pgettext":
            yield Message(parts[1], "", parts[0], where, line)
        elif name == "ngettext":
            yield Message(parts[0], parts[1], "", where, line)
        else:
            yield Message(parts[0], "", "", where, line)


def all_messages() -> list[Message]:
    found = [message for path in python_files() for message in in_python(path)]
    found += [message for path in template_files() for message in in_template(path)]
    return found


def catalogue_of(message: Message) -> Path:
    """Return the .po file that a text belongs to: its app's, or the top one."""
    parts = Path(message.path).parts
    app = parts[1] if parts[0] == "templates" and len(parts) > 2 else parts[0]
    return (ROOT / app / LOCALE) if app in APPS else ROOT / LOCALE


def translations(path: Path) -> dict[tuple[str, str], str | tuple[str, ...]]:
    """Return what a .po file translates, by context and text."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        catalog = read_po(file, locale="zh_Hans")
    found: dict[tuple[str, str], str | tuple[str, ...]] = {}
    for entry in catalog:
        if entry.id and not entry.fuzzy:
            text = entry.id if isinstance(entry.id, str) else entry.id[0]
            chinese = entry.string or ""
            found[entry.context or "", text] = (
                chinese if isinstance(chinese, str) else tuple(chinese)
            )
    return found


def all_translations() -> dict[tuple[str, str], str | tuple[str, ...]]:
    """Return every translation that Django will find, whichever catalogue has it."""
    found: dict[tuple[str, str], str | tuple[str, ...]] = {}
    for path in (*(ROOT / app / LOCALE for app in APPS), ROOT / LOCALE):
        found |= {key: text for key, text in translations(path).items() if text and all(text)}
    return found


def untranslated() -> dict[Path, list[Message]]:
    known = all_translations()
    missing: dict[Path, list[Message]] = {}
    for message in all_messages():
        if (message.context, message.text) not in known:
            missing.setdefault(catalogue_of(message), []).append(message)
    return missing


if __name__ == "__main__":
    for path, messages in untranslated().items():
        print(f"{path.relative_to(ROOT)}: {len(messages)}")
        for message in messages:
            print(f"  {message.path}:{message.line}  {message.text!r}")
