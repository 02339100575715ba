"""What the pages ask of static/vendor is there, and a new build makes the same again."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from accounts.templatetags.kq import STATUS_LOOK

ROOT = Path(__file__).resolve().parent.parent.parent
VENDOR = ROOT / "static" / "vendor"
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


def test_a_new_build_makes_the_same_files_as_the_last(tmp_path):
    # `make setup` installs Node into the virtual environment where the machine has none.
    places = os.pathsep.join((os.environ["PATH"], str(Path(sys.executable).parent)))
    node = shutil.which("node", path=places)
    assert node, "Node is missing; `make setup` installs it."

    subprocess.run(
        [node, ROOT / "scripts" / "build_assets.mjs", tmp_path / "vendor"], check=True, cwd=tmp_path
    )

    built = {path.name: path.read_bytes() for path in (tmp_path / "vendor").iterdir()}
    assert built == {path.name: path.read_bytes() for path in VENDOR.iterdir()}


def test_the_chart_bundle_builds_no_code_from_text():
    # The content security policy has no unsafe-eval: such code would fail in the browser.
    bundle = (VENDOR / "echarts.min.js").read_text()

    assert bundle.startswith("/*! Apache ECharts 6.")
    assert not re.search(r"\beval\s*\(|\bFunction\s*\(", bundle)
