"""The one style sheet: no rule that nothing uses, no class without a rule, colours by token."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHEET = re.sub(r"/\*.*?\*/", "", (ROOT / "static/kq/app.css").read_text("utf8"), flags=re.DOTALL)
TOKENS, RULES = SHEET.split("}", 1)
PAPER = (ROOT / "static/kq/paper.css").read_text("utf8")
SCRIPTS = "\n".join(path.read_text("utf8") for path in (ROOT / "static/kq").glob("*.js"))
SOURCES = [
    path
    for pattern in ("templates/**/*.html", "static/kq/*.js", "*/**/*.py")
    for path in ROOT.glob(pattern)
    if path.relative_to(ROOT).parts[0]
    in ("templates", "static", "accounts", "catalog", "matchmaking")
]
SAID = "\n".join(path.read_text("utf8") for path in SOURCES)
# Made by Django, by htmx, by Swagger UI, or put together from a word (for-approve, kq-lv3).
MADE_ELSEWHERE = {"errorlist", "htmx-request", "wrapper", "for-approve", "for-reject", "js"}
CLASS_ATTRIBUTE = re.compile(r'class="((?:[^"{]|\{%.*?%\}|\{\{.*?\}\})*)"', re.DOTALL)


def _defined() -> set[str]:
    # Paper has a sheet of its own: what is printed there is no page of the site.
    selectors = " ".join(re.findall(r"([^{}]+)\{", RULES + PAPER))
    return set(re.findall(r"\.([a-zA-Z][\w-]*)", selectors))


def test_every_class_of_the_sheet_is_used():
    words = set(re.findall(r"[\w-]+", SAID))
    stems = {word for word in re.findall(r"(kq-[a-z]+)\{\{", SAID)}
    dead = {
        name
        for name in _defined() - words - MADE_ELSEWHERE
        if not any(re.fullmatch(rf"{stem}\d", name) for stem in stems)
    }
    assert not dead


def test_every_class_of_the_templates_is_in_the_sheet():
    used: dict[str, str] = {}
    for path in (ROOT / "templates").rglob("*.html"):
        if "emails" in path.parts or "mails" in path.parts:
            continue  # mails carry their own
        for attribute in CLASS_ATTRIBUTE.findall(path.read_text("utf8")):
            plain = re.sub(r"\{%.*?%\}|(\S*)\{\{.*?\}\}", " ", attribute)
            for name in re.findall(r"(?<![\w-])kq-[\w-]+", plain):
                used[name] = str(path.relative_to(ROOT))
    undefined = {
        name: where
        for name, where in used.items()
        # A script may look for a class that has no look.
        if name not in _defined() and name not in SCRIPTS
    }
    assert not undefined


def test_colours_are_tokens():
    stray = re.findall(r"#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch)\(", RULES)
    # `#facets` and the like are identifiers; a colour stands behind a colon.
    values = re.findall(r":[^;{}]*?(#[0-9a-fA-F]{3,8}\b|\b(?:rgb|rgba|hsl|hsla|oklch)\()", RULES)
    assert not values, stray


def test_no_selector_stands_twice_outside_of_media_queries():
    """What stands in two places is changed in one."""
    top, depth, start = [], 0, 0
    for place, sign in enumerate(RULES):
        if sign == "{":
            depth += 1
            if depth == 1:
                top.append(" ".join(RULES[start:place].split()))
        elif sign == "}":
            depth -= 1
        if sign in "}{" and depth == 0:
            start = place + 1
    seen, twice = set(), set()
    for selectors in top:
        if selectors.startswith("@"):
            continue
        (twice if selectors in seen else seen).add(selectors)
    assert not twice


def test_pages_carry_no_styles_of_their_own():
    for path in (ROOT / "templates").rglob("*.html"):
        if "emails" in path.parts or "mails" in path.parts:
            continue
        text = path.read_text("utf8")
        assert "<style" not in text and not re.search(r"\sstyle=", text), path
