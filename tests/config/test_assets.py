"""Every icon that a page names is in the sprite; a missing one shows nothing and says nothing."""

import re
from pathlib import Path

from accounts.templatetags.kq import STATUS_LOOK

ROOT = Path(__file__).resolve().parent.parent.parent
# {% icon "x" %}, {% chip "x" … %}, and use elements that name the sprite themselves.
NAMED = re.compile(r"""(?:\bicon|\bchip)\s+["']([a-z0-9-]+)["']|icons\.svg["'] %}#([a-z0-9-]+)""")


def listed_icons() -> list[str]:
    lines = (ROOT / "scripts" / "icons.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_templates_name_only_icons_of_the_sprite():
    named = {
        first or second
        for template in (ROOT / "templates").rglob("*.html")
        for first, second in NAMED.findall(template.read_text())
    }

    assert named, "no template names an icon: has the tag changed its name?"
    assert named - set(listed_icons()) - {"kq"} == set()


def test_every_status_has_an_icon_of_the_sprite():
    assert {icon for icon, _ in STATUS_LOOK.values()} - set(listed_icons()) == set()


def test_the_icon_list_is_sorted_and_without_repeats():
    assert listed_icons() == sorted(set(listed_icons()))
