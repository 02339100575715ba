"""Every kind of page, as each role, wide and narrow, in both languages: nothing is out of order."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.urls import resolve, reverse_lazy

from tests.browser.looking import AXE, examine, examine_menu
from tests.test_access import TABLE
from tests.world import World, make_world, of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


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
        return self.path(world) if callable(self.path) else str(self.path)


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
        Visited("/welcome/"),
        Visited("/results/"),
        Visited(reverse_lazy("help_how")),
        Visited(reverse_lazy("help_people")),
        Visited(reverse_lazy("api_docs")),
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
        Visited(of("demand", "files/")),
        Visited(of("demand", "revisions/")),
        Visited(of("demand", "report/")),
        Visited(of("demand", "matches/")),
        Visited(of("demand", "matches/?tab=introduced")),
        Visited(of("draft")),
        Visited(of("asked")),
        Visited(of("asked", "consent/")),
        Visited(of("introduced")),
        Visited(of("introduced", "feedback/")),
        Visited(of("introduced", "brief/")),
        Visited(of("rejected", "appeal/")),
        Visited(of("questioned", "questions/")),
        Visited("/my/searches/"),
        Visited(lambda world: f"/my/searches/{world.search.pk}/"),
        Visited(lambda world: f"/my/imports/{world.job.pk}/"),
        Visited("/settings/tokens/"),
        Visited("/notifications/"),
        Visited("/notifications/?group=info"),
        Visited("/settings/notifications/"),
        Visited("/org/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/edit/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/members/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/members/{world.colleague.pk}/remove/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/verification/"),
        Visited(lambda world: f"/org/{world.enterprise.pk}/code/"),
    ),
    "professor": (
        Visited("/my/achievements/"),
        Visited("/achievements/new/all/"),
        Visited("/my/imports/new/"),
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
        Visited(of("taken_on", "ask/")),
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
        Visited("/dashboard/"),
        Visited("/dashboard/rows/posted/"),
        Visited("/design/"),
        Visited("/ops/models/"),
        Visited("/ops/reasons/"),
        Visited("/ops/reasons/match/"),
        Visited("/ops/reasons/match/off_topic/"),
        Visited("/ops/assignments/plan/"),
        Visited(lambda world: f"/ops/assignments/plan/{world.plan.pk}/"),
        Visited(lambda world: f"/ops/matches/{world.rejected.number}/reopen/"),
        Visited(of("demand", "suspend/")),
        Visited("/ops/unmet/"),
        Visited("/ops/assignments/"),
        Visited(lambda world: f"/ops/assignments/{world.offered.number}/"),
        Visited("/ops/audit/"),
        Visited("/ops/rankers/"),
        Visited("/ops/rankers/1/"),
        Visited("/ops/rankers/fixed/"),
    ),
}


# What answers with a file, a fragment or data; and pages whose form is that of another's.
NO_PAGE = re.compile(
    r"^api_(?!docs)|export|download|_pdf$|_template$|_report$(?<!demand_report)|^robots|^sitemap"
    r"|^attachment|^manager_file|^insight_table|^class_search|_resume$|_file_remove$"
)


def test_every_page_of_the_site_is_looked_at(world: World) -> None:
    """Demands and achievements share their pages: one of the two is enough."""

    def alike(names: set[str]) -> set[str]:
        return {name.replace("achievement", "demand") for name in names}

    there = {
        name
        for (name, _about), (read, _write) in TABLE.items()
        if "2" in read and not NO_PAGE.search(name)
    }
    looked = {
        resolve(visited.at(world).partition("?")[0]).view_name
        for pages in PAGES.values()
        for visited in pages
        if visited.status != 404
    }
    assert alike(there) - alike(looked) == set()


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
