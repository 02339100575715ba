"""Each role follows every link of the site in both languages: nothing is broken or out of order."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from accounts.models import User
from tests.crawling import Crawl
from tests.fakes import Unanswered
from tests.world import World, make_world

pytestmark = pytest.mark.django_db

ROLES = ("visitor", "newcomer", "owner", "professor", "manager", "operator")


def crawl(user: User | None, language: str, *starts: str) -> Crawl:
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    done = Crawl(client, language)
    done.run(*starts)
    return done


@pytest.fixture
def world(monkeypatch, settings) -> World:
    monkeypatch.setattr("matchmaking.retrieval.searching.Question", Unanswered)
    settings.SEARCHES_PER_MINUTE = settings.EXPORTS_PER_MINUTE = 100_000
    # Half a second each; tests/matchmaking/test_reports.py makes some.
    monkeypatch.setattr("accounts.paper.pdf", lambda html, *, address: b"%PDF-")
    return make_world()


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize("role", ROLES)
def test_every_page_that_a_role_is_led_to_is_in_order(world, role, language):
    done = crawl(getattr(world, role, None), language, "/")

    assert not done.faults, "\n".join(dict.fromkeys(done.faults))
    # One that stops at the front page would find nothing wrong either.
    assert len(done.pages) > 30 and EXPECTED[role] <= done.routes()


# What each role is led to from the front page, among much else.
EXPECTED = {
    "visitor": {"demand_detail", "achievement_detail", "manager_list", "account_signup"},
    "newcomer": {"organization_new", "manager_apply", "settings_profile", "mfa_index"},
    "owner": {"demand_step", "match_consent", "organization_members", "demand_matches"},
    "professor": {"my_achievements", "achievement_matches", "match_detail", "import_new"},
    "manager": {"match_review", "listing_review", "manager_absences", "review_log"},
    "operator": {"ops_organization", "ops_manager", "ops_audit", "ops_ranker", "ops_reassign"},
}


# --- It can fail ----------------------------------------------------------------------------------

FRAME = (
    '<!DOCTYPE html><html lang="zh-hans"><head><title>页</title></head>'
    "<body><main><h1>页</h1>{}</main></body></html>"
)
BROKEN = {
    '<a href="/nowhere/at/all/">去</a>': "which is nothing",
    '<a href="/demands/XQ-2000-0001/">去</a>': "404",
    '<a href="/ops/">去</a>': "403",
    '<a href="/falls/">去</a>': "500",
    '<a href="#away">去</a>': "leads to #away",
    '<a href="/help/matching/#away">去</a>': "leads to #away",
    '<form><select name="kind"><option value="gone">去</option></select></form>': "410",
    '<div hx-get="/falls/">等</div>': "500",
    '<p id="a">一</p><p id="a">二</p>': "gives the id a twice",
    '<label for="away">一</label>': "names #away",
    '<p style="color: red">红</p>': "something inline",
    "<script>alert(1)</script>": "something inline",
    '<p onclick="go()">去</p>': "a handler",
    '<a href="javascript:go()">去</a>': "a script in a link",
    '<img src="/static/kq/app.css">': "a picture without words",
    '<script src="/static/kq/away.js"></script>': "away.js, which is not there",
    '<svg><use href="/static/vendor/icons.svg#away"/></svg>': "the sprite does not have",
    '<form method="post"><button>去</button></form>': "without protection",
    "<button>去</button>": "does nothing without a script",
    "<h1>又</h1>": "2 headings",
    "<main></main>": "no main part",
}


def _page(request):
    if request.GET.get("kind") == "gone":
        return HttpResponse(status=410)
    return HttpResponse(FRAME.format(request.META["HTTP_X_BODY"]))


def _falls(request):
    raise RuntimeError("on purpose")


class Broken:
    """The site's addresses, and two whose pages a test makes wrong."""

    def __init__(self) -> None:
        from config import urls

        self.handler500 = urls.handler500
        self.urlpatterns = [
            path("page/", _open(_page), name="page"),
            path("falls/", _open(_falls), name="falls"),
            *urls.urlpatterns,
        ]


def _open(view):
    from django.contrib.auth.decorators import login_not_required

    return login_not_required(view)


@pytest.mark.parametrize(("body", "told"), BROKEN.items(), ids=BROKEN.values())
def test_what_is_wrong_with_a_page_is_told(settings, body, told):
    settings.ROOT_URLCONF = Broken()
    client = Client(raise_request_exception=False, headers={"x-body": body})
    client.force_login(User.objects.create_user("reader@example.org", name="Reader"))
    done = Crawl(client, "zh-hans", paths=1, queries=2)
    done.run("/page/")
    faults = [fault for fault in done.faults if "/page/" in fault]
    assert len(faults) == 1 and told in faults[0], "\n".join(faults) or "nothing is told"


def test_a_page_in_the_other_language_and_without_a_policy_is_told(settings):
    settings.ROOT_URLCONF = Broken()
    settings.CONTENT_SECURITY_POLICY = {
        "DIRECTIVES": {"default-src": ["'none'"], "script-src": ["'self'", "'unsafe-inline'"]}
    }
    done = Crawl(Client(headers={"x-body": ""}), "en", paths=1)
    done.run("/page/")
    told = "\n".join(done.faults)
    assert "says that it is in zh-hans" in told
    assert "script-src 'self' 'unsafe-inline'" in told and "unsafe policy" in told
