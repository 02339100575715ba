"""Every kind of page, as each role, wide and narrow, in both languages: nothing is out of order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.world import World, make_world, of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
WIDE, NARROW = 1440, 390

# Returns what is wrong with the page as it stands, one line each.
EXAMINE = """
async ([rules, part]) => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = Array.from(document.querySelectorAll("body *")).filter(
      (one) => one.getBoundingClientRect().right > root.clientWidth + 1);
    faults.push("wider than the window by " + (root.scrollWidth - root.clientWidth) + " px: "
      + wide.slice(0, 3).map((one) => one.outerHTML.slice(0, 120)).join(" | "));
  }
  const headings = document.querySelectorAll("h1").length;
  if (headings !== 1) faults.push(headings + " headings of level 1");
  const ids = Array.from(document.querySelectorAll("[id]"), (one) => one.id);
  const twice = ids.filter((id, place) => ids.indexOf(id) !== place);
  if (twice.length) faults.push("ids given twice: " + twice.join(", "));
  if (!rules.length) return faults;
  const found = await axe.run(part, {
    runOnly: { type: "tag", values: rules }, resultTypes: ["violations"], preload: false,
  });
  for (const violation of found.violations) {
    for (const node of violation.nodes) {
      faults.push(violation.id + ": " + node.html.slice(0, 160) + " (" +
        node.failureSummary.split("\\n").slice(1).join(" ").trim().slice(0, 200) + ")");
    }
  }
  return faults;
}
"""
# Filters and long texts; the menu covers what is below it, and is looked at alone.
UNFOLD = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
MENU = "details.kq-menu:visible > summary"


@pytest.fixture
def world() -> World:
    return make_world()


@dataclass(frozen=True)
class Visited:
    path: str | Callable[[World], str]
    status: int = 200
    # What is pressed before looking: a form sent empty shows its errors.
    press: str = ""

    def at(self, world: World) -> str:
        return self.path if isinstance(self.path, str) else self.path(world)


PAGES: dict[str, tuple[Visited, ...]] = {
    "visitor": (
        Visited("/"),
        Visited("/demands/"),
        Visited("/achievements/?trl=7&industry=C34"),
        Visited("/demands/?trl=9"),
        Visited(of("demand")),
        Visited(of("achievement")),
        Visited("/managers/"),
        Visited("/account/login/"),
        Visited("/account/signup/"),
        Visited("/account/password/reset/"),
        Visited("/help/matching/"),
        Visited("/help/visibility/"),
        Visited("/help/figures/"),
        Visited("/help/accessibility/"),
        Visited("/help/stars/"),
        Visited("/no-such-page/", 404),
    ),
    "newcomer": (
        Visited("/org/"),
        Visited("/org/new/"),
        Visited("/org/join/"),
        Visited("/manager/apply/"),
        Visited("/settings/profile/"),
        Visited("/account/email/"),
        Visited("/account/password/change/"),
        Visited("/account/2fa/"),
        Visited("/account/2fa/totp/activate/"),
        Visited("/ops/", 403),
    ),
    "owner": (
        Visited("/my/demands/"),
        Visited("/my/answers/"),
        Visited("/demands/new/"),
        Visited("/demands/new/all/", press="button.btn-primary[value=submit]"),
        Visited(of("draft", "edit/")),
        Visited(of("draft", "edit/indicators/"), press="button[value=find-ipc]"),
        Visited(of("draft", "edit/terms/")),
        Visited(of("draft", "edit/check/"), press="button.btn-primary[value=submit]"),
        Visited(of("draft", "preview/members/")),
        Visited(of("demand")),
        Visited(of("demand", "edit/")),
        Visited(of("demand", "withdraw/")),
        Visited(of("demand", "close/")),
        Visited(of("demand", "confirm/")),
        Visited(of("demand", "matches/")),
        Visited(of("demand", "matches/?tab=introduced")),
        Visited(of("draft")),
        Visited(of("asked")),
        Visited(of("asked", "consent/")),
        Visited(of("introduced")),
        Visited("/notifications/"),
        Visited("/notifications/?group=info"),
        Visited("/settings/notifications/"),
        Visited("/org/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/edit/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/members/"),
    ),
    "professor": (
        Visited("/my/achievements/"),
        Visited("/achievements/new/all/"),
        Visited(of("achievement", "matches/")),
        Visited(of("introduced")),
    ),
    "manager": (
        Visited("/workbench/"),
        Visited("/workbench/?show=appeal&grade=strong"),
        Visited(lambda world: f"/workbench/together/?pick={world.taken_on.reviews.get().pk}"),
        Visited("/workbench/reviews/"),
        Visited("/workbench/listings/"),
        Visited(lambda world: f"/workbench/listings/{world.submitted.number}/"),
        Visited(of("offered", "review/")),
        Visited(of("taken_on", "review/")),
        Visited(of("taken_on", "conflict/")),
        Visited(of("taken_on", "refer/")),
        Visited(of("introduced")),
        Visited("/notifications/"),
        Visited("/settings/notifications/"),
        Visited("/manager/"),
        Visited("/manager/renewal/"),
        Visited("/manager/absences/"),
        Visited("/manager/interests/"),
        Visited("/settings/profile/"),
    ),
    "operator": (
        Visited("/ops/"),
        Visited("/ops/organizations/"),
        Visited(lambda world: f"/ops/organizations/{world.enterprise.pk}/"),
        Visited("/ops/managers/"),
        Visited(lambda world: f"/ops/managers/{world.applicant.manager_profile.pk}/"),
        Visited("/ops/listings/"),
        Visited("/ops/unmet/"),
        Visited("/ops/assignments/"),
        Visited(lambda world: f"/ops/assignments/{world.offered.number}/"),
        Visited("/ops/audit/"),
        Visited("/ops/rankers/"),
        Visited("/ops/rankers/1/"),
        Visited("/ops/rankers/fixed/"),
    ),
}


def examine(page: Page, language: str) -> list[str]:
    """Look at a page wide, then narrow with everything unfolded.

    The rules are the same in both languages, and slow: in English they are asked once a page.
    """
    faults = []
    for width, rules in ((WIDE, RULES if language == "zh-hans" else []), (NARROW, RULES)):
        page.set_viewport_size({"width": width, "height": 900})
        if width == NARROW:
            page.evaluate(UNFOLD)
        faults += [f"{width} px: {fault}" for fault in page.evaluate(EXAMINE, [rules, "body"])]
    return faults


def examine_menu(page: Page) -> list[str]:
    """Look at the narrow page's menu, which holds what the wide page's top bar does."""
    page.locator(MENU).click()
    return [f"menu: {fault}" for fault in page.evaluate(EXAMINE, [RULES, ".kq-head"])]


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("role", PAGES)
def test_pages_are_in_order(visit: Any, world: World, role: str, language: str) -> None:
    if not AXE.exists():
        pytest.fail("axe-core is not installed; `make setup` does it.", pytrace=False)
    page = visit(getattr(world, role, None), language=language)
    page.add_init_script(path=AXE)
    faults = []
    for visited in PAGES[role]:
        path = visited.at(world)
        response = page.goto(path)
        if visited.press:
            page.locator(visited.press).click()
        found = []
        if response is None or response.status != visited.status:
            found.append(f"answered {response and response.status}")
        if page.locator("html").get_attribute("lang") != language:
            found.append("in another language")
        faults += [f"{path} {fault}" for fault in found + examine(page, language)]
    faults += examine_menu(page)
    assert not faults, "\n".join(dict.fromkeys(faults))
