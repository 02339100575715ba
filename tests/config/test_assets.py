"""Every icon a template names is in the sprite; a missing one shows nothing and says nothing."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_icon_list_is_sorted_and_without_repeats():
    names = (ROOT / "scripts" / "icons.txt").read_text().splitlines()
    names = [name for name in names if name and not name.startswith("#")]

    assert names == sorted(set(names))
