"""Both languages are complete, and agree with each other."""

import re

import pytest
from babel.messages.pofile import read_po

from tests.messages import (
    APPS,
    LOCALE,
    ROOT,
    all_messages,
    all_translations,
    catalogue_of,
    python_files,
    template_files,
    translations,
    untranslated,
)

CATALOGUES = [*(ROOT / app / LOCALE for app in APPS), ROOT / LOCALE]
CHINESE = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\u3001-\u303f\uff01-\uff5e]")
# A single character or a mark in Python is something that is looked for, not said.
WORDS = re.compile(r"[\u4e00-\u9fff]{2}")
PLACE = re.compile(r"%\(\w+\)[sd]|\{\w*\}")

# Chinese in these is data or grammar, not a text for a reader.
DATA = {
    "accounts/forms.py": "what people call a chat account",
    "accounts/regions.py": "endings of place names",
    "accounts/templatetags/kq.py": "units that stay beside their number",
    "accounts/views/design.py": "invented texts that the components show",
    "accounts/views/ops.py": "legal forms that firms have in common",
    "catalog/api/serializers.py": "an invented listing",
    "catalog/fields.py": "units that people type behind an amount",
    "catalog/indicators.py": "how people write relations",
    "catalog/leaks.py": "legal forms that firms have in common",
    "catalog/services/encodings.py": "letters that tell encodings apart",
    "catalog/services/reading.py": "headings of columns that files have",
    "catalog/services/sheet.py": "headings and values that files have, examples in templates",
    "catalog/classes.py": "words that stand in too many classes",
    "catalog/finding.py": "how people write what they want",
    "catalog/quality.py": "figures and comparisons in Chinese texts",
    "catalog/words.py": "words that say nothing",
    "catalog/units.py": "units as Chinese writers write them",
    "config/settings/base.py": "the default name of the site",
    "matchmaking/demo/": "invented listings",
    "matchmaking/management/commands/prepare_model.py": "texts that the model is checked with",
    "matchmaking/retrieval/": "words that searching leaves out, folds or splits at",
    "matchmaking/services/demonstration.py": "invented people and listings",
    "matchmaking/services/demonstration_days.py": "invented opinions",
}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-5])
def test_every_text_has_its_chinese(path):
    missing = untranslated().get(path, [])
    assert not missing, "\n".join(f"{one.path}:{one.line} {one.text!r}" for one in missing)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parts[-5])
def test_a_catalogue_can_be_read_and_has_no_fuzzy_entry(path):
    with path.open("rb") as file:
        catalog = read_po(file, locale="zh_Hans", abort_invalid=True)
    assert not [entry.id for entry in catalog if entry.id and entry.fuzzy]


def test_a_text_means_the_same_wherever_it_is_translated():
    """Django merges all catalogues into one: the same words with two meanings would collide."""
    seen: dict[tuple[str, str], tuple[str, object]] = {}
    clashes = []
    for path in CATALOGUES:
        for key, chinese in translations(path).items():
            place = str(path.relative_to(ROOT))
            if key in seen and seen[key][1] != chinese:
                clashes.append(f"{key[1]!r}: {seen[key]} and {(place, chinese)}")
            seen.setdefault(key, (place, chinese))
    assert not clashes, "\n".join(clashes)


def test_placeholders_survive_translation():
    wrong = []
    for (_context, text), chinese in all_translations().items():
        for form in (chinese,) if isinstance(chinese, str) else chinese:
            extra = set(PLACE.findall(form)) - set(PLACE.findall(text))
            lost = set(PLACE.findall(text)) - set(PLACE.findall(form))
            # A plural that says "one" in English may spell the number out.
            if extra or lost:
                wrong.append(f"{text!r} -> {form!r}")
    assert not wrong, "\n".join(wrong)


def test_the_microcopy_keeps_its_tone():
    """No exclamation marks anywhere; in the tool 你, in letters 您."""
    letters = {
        message.text
        for message in all_messages()
        if "/email/" in message.path
        or "/mails/" in message.path
        or message.path.startswith("templates/emails/")
    }
    wrong = []
    for (_context, text), chinese in all_translations().items():
        for form in (chinese,) if isinstance(chinese, str) else chinese:
            if "！" in form or ("您" in form and text not in letters):
                wrong.append(f"{text!r} -> {form!r}")
    assert not wrong, "\n".join(wrong)


def test_catalogues_hold_nothing_that_is_no_longer_used():
    used = {(message.context, message.text) for message in all_messages()}
    for app in APPS:
        path = ROOT / app / LOCALE
        left = [text for context, text in translations(path) if (context, text) not in used]
        assert not left, f"{path.relative_to(ROOT)}: {left}"


@pytest.mark.parametrize("path", template_files(), ids=lambda path: path.name)
def test_templates_are_written_in_english(path):
    assert not CHINESE.search(path.read_text(encoding="utf8"))


def _strings(path):
    """Return the string literals of a module that are not docstrings, with their lines."""
    import ast

    tree = ast.parse(path.read_text(encoding="utf8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in docstrings:
            continue
        if isinstance(node.value, str):
            yield node.lineno, node.value


def test_python_is_written_in_english():
    found = []
    for path in python_files():
        where = str(path.relative_to(ROOT))
        if where.startswith(tuple(DATA)):
            continue
        found += [f"{where}:{line} {text!r}" for line, text in _strings(path) if WORDS.search(text)]
    assert not found, "\n".join(found)


def test_every_message_belongs_to_a_catalogue():
    assert {catalogue_of(message) for message in all_messages()} <= set(CATALOGUES)
