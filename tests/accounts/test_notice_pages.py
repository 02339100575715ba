"""The page of notifications, the bell, the settings, and the link that ends mails."""

import re

import pytest
from django.core import mail as django_mail
from django.test import Client
from django.urls import reverse

from accounts import delivery, notices
from accounts.inbox import Choice, MailHours, Notification
from accounts.letters import DAILY, mute_link
from accounts.models import OrganizationStatus
from accounts.tasks import deliver_mail
from tests.factories import make_manager, make_member, make_operator, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_broker(queued):
    """Mails stay in the outbox."""


@pytest.fixture
def owner_client(client, office):
    client.force_login(office.owner)
    return client


def page(client, query=""):
    response = client.get(f"/notifications/{query}")
    assert response.status_code == 200
    return response.content.decode()


def bell(html):
    found = re.search(r'<a class="kq-bell".*?</a>', html, re.DOTALL)[0]
    number = re.search(r'class="kq-n">(\d+\+?)', found)
    return number[1] if number else ""


def test_the_bell_counts_what_is_unread(owner_client, office, clock):
    assert bell(page(owner_client)) == ""
    office.tell()
    office.tell()
    assert bell(page(owner_client)) == "2"
    assert bell(owner_client.get("/settings/profile/").content.decode()) == "2"


def test_the_bell_of_somebody_without_any_organization_rings_as_well(client, office, clock):
    newcomer = make_user()
    make_member(office.organization, role="viewer")
    client.force_login(newcomer)
    notices.notify(
        kind="organization.verified", user=newcomer, key="k", payload={"organization": 1}
    )

    assert bell(client.get("/settings/profile/").content.decode()) == "1"


def test_more_than_99_are_99_plus(owner_client, office, clock):
    Notification.objects.bulk_create(
        Notification(
            user=office.owner,
            kind="organization.verified",
            key=f"k{number}",
            payload={"organization": office.organization.pk},
        )
        for number in range(100)
    )
    clock.move(days=1)

    assert bell(owner_client.get("/settings/profile/").content.decode()) == "99+"


def test_what_waits_and_what_is_to_know_are_two_lists_by_day(owner_client, office, clock):
    clock.on("2026-11-24")
    office.tell()
    clock.on("2026-11-25")
    office.tell()

    assert "没有等你处理的事" in page(owner_client)
    html = page(owner_client, "?group=info").replace("\xa0", " ")
    days = re.findall(r'<h2 class="kq-noticeday">(.*?)</h2>', html)
    assert days == ["11 月 25 日", "11 月 24 日"]
    assert html.count("宁远轴承有限公司 已通过核验") == 2


def test_nobody_reads_anybody_elses(client, office, clock):
    office.tell()
    other = make_member(office.organization, role="editor")
    client.force_login(other)

    assert "已通过核验" not in page(client, "?group=info")
    row = Notification.objects.get()
    assert client.get(f"/notifications/{row.pk}/open/").status_code == 404
    row.refresh_from_db()
    assert row.read_at is None


@pytest.mark.parametrize("query", ["?group=nonsense", "?kind=nonsense", "?page=x", "?page=999"])
def test_any_query_shows_a_page(owner_client, office, clock, query):
    office.tell()
    page(owner_client, query)


def test_one_kind_alone_can_be_listed(owner_client, office, clock):
    office.tell()
    notices.notify(kind="evidence.refused", user=office.owner, key="k", payload={"evidence": 1})

    html = page(owner_client, "?kind=organization.verified")

    assert html.count("kq-noticetext") == 1


def test_long_lists_have_pages(owner_client, office, clock):
    for _ in range(31):
        office.tell()

    assert page(owner_client, "?group=info").count("kq-noticetext") == 30
    assert page(owner_client, "?group=info&page=2").count("kq-noticetext") == 1


def test_what_is_settled_makes_room_for_what_is_not(owner_client, office, clock):
    for _ in range(5):
        office.tell()
        clock.move(minutes=1)
    for _ in range(40):
        notices.notify(
            kind="organization.verified",
            user=office.owner,
            key=f"gone:{_}",
            payload={"organization": 0},
        )

    assert page(owner_client, "?group=info").count("kq-noticetext") == 5
    assert bell(page(owner_client)) == "5"


def test_opening_marks_as_read_and_leads_to_the_page(owner_client, office, clock):
    office.tell()
    row = Notification.objects.get()

    response = owner_client.get(f"/notifications/{row.pk}/open/")

    assert response["Location"] == reverse("organization")
    assert bell(page(owner_client)) == ""
    assert page(owner_client, "?group=info").count("kq-noticetext") == 1


def test_opening_what_is_settled_says_so(owner_client, office, clock):
    office.tell()
    office.organization.status = OrganizationStatus.PENDING
    office.organization.save(update_fields=("status",))
    row = Notification.objects.get()

    response = owner_client.get(f"/notifications/{row.pk}/open/", follow=True)

    assert response.redirect_chain == [("/notifications/", 302)]
    assert "已经处理完" in response.content.decode()


def test_what_is_not_visible_yet_cannot_be_opened(owner_client, office, clock):
    office.tell(at=notices.timezone.now() + notices.dt.timedelta(minutes=10))
    row = Notification.objects.get()

    assert owner_client.get(f"/notifications/{row.pk}/open/").status_code == 404


def test_all_are_marked_as_read_but_what_came_since(owner_client, office, clock):
    office.tell()
    newest = re.search(r'name="newest" value="(\d+)"', page(owner_client, "?group=info"))[1]
    office.tell()

    response = owner_client.post("/notifications/read/", {"newest": newest})

    assert response.status_code == 302
    assert bell(page(owner_client)) == "1"
    assert owner_client.get("/notifications/read/").status_code == 405


def test_what_was_kept_back_until_after_the_page_was_made_stays_unread(owner_client, office, clock):
    office.tell(at=notices.timezone.now() + notices.dt.timedelta(minutes=10))
    office.tell()
    html = page(owner_client, "?group=info")
    fields = re.findall(r'name="(newest|made_at)" value="([^"]+)"', html)
    clock.move(minutes=11)

    owner_client.post("/notifications/read/", dict(fields))

    assert notices.unread_count(office.owner) == 1


@pytest.mark.parametrize("made_at", ["", "x", "9" * 40, "2026-01-01T00:00:00", "<script>"])
def test_a_forged_moment_is_none(owner_client, office, clock, made_at):
    office.tell()

    sent = {"newest": str(Notification.objects.get().pk), "made_at": made_at}
    assert owner_client.post("/notifications/read/", sent).status_code == 302
    assert notices.unread_count(office.owner) == 0


@pytest.mark.parametrize("newest", ["", "x", "9" * 40, "-1", "１"])
def test_a_forged_number_marks_at_most_what_is_ones_own(owner_client, office, clock, newest):
    office.tell()
    other = make_member(office.organization, role="editor")
    office.tell(user=other)

    assert owner_client.post("/notifications/read/", {"newest": newest}).status_code == 302
    assert notices.unread_count(other) == 1


def test_a_kind_can_be_muted_with_one_press(owner_client, office, clock):
    office.tell()
    assert 'name="kind" value="organization.verified"' in page(owner_client, "?group=info")

    owner_client.post("/notifications/mute/", {"kind": "organization.verified"})

    assert notices.choices_of(office.owner)["organization.verified"] == Choice.MUTED
    owner_client.post("/notifications/mute/", {"kind": "organization.returned"})
    assert notices.choices_of(office.owner)["organization.returned"] == Choice.OFF
    assert owner_client.post("/notifications/mute/", {"kind": "x"}).status_code == 404


def test_the_page_asks_as_often_for_ten_as_for_one(
    owner_client, office, clock, django_assert_num_queries
):
    office.tell()
    # session and person; the page's count and rows; memberships with their organizations; counts
    # by kind; the top bar: unread, memberships, the manager's profile, and what waits for an
    # answer.
    with django_assert_num_queries(10):
        page(owner_client, "?group=info")
    for _ in range(9):
        office.tell()
    with django_assert_num_queries(10):
        page(owner_client, "?group=info")


def test_names_cannot_break_out_of_the_page(owner_client, office, clock):
    office.organization.name = '<script>alert(1)</script>"公司'
    office.organization.save(update_fields=("name",))
    office.tell()

    html = page(owner_client, "?group=info")

    assert "<script>alert" not in html
    assert "&lt;script&gt;alert" in html


def test_a_hostile_name_stays_one_line_of_a_mails_head(office, clock):
    office.organization.name = "甲\r\nBcc: x@example.org"
    office.organization.save(update_fields=("name",))
    office.tell()
    for pk in delivery.waiting():
        deliver_mail(pk)

    [message] = django_mail.outbox
    assert "\n" not in message.subject
    assert message.recipients() == [office.owner.email]


# --- Settings -----------------------------------------------------------------------------------


def form_of(client):
    form = client.get("/settings/notifications/").context["form"]
    return {name: form[name].value() for name in form.fields}


def test_everybody_chooses_what_concerns_them(client, office):
    def kinds(user):
        client.force_login(user)
        return set(form_of(client))

    member = kinds(office.owner)
    assert {"match.approved", "listing.published"} <= member
    assert not {"review.assigned", "escalation.match"} & member
    assert "review.assigned" in kinds(make_manager())
    assert "escalation.match" in kinds(make_operator())


def test_choices_and_hours_are_kept(owner_client, office):
    values = form_of(owner_client)
    values |= {"match.approved": "digest", "match.introduced": "muted"}
    values |= {"quiet_from": 20, "quiet_until": 7, "daily_at": 9}

    response = owner_client.post("/settings/notifications/", values)

    assert response.status_code == 302
    assert form_of(owner_client) == values
    hours = MailHours.objects.get()
    assert (hours.quiet_from, hours.quiet_until, hours.daily_at) == (20, 7, 9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("match.approved", "muted"),  # somebody waits for it
        ("match.approved", "nonsense"),
        ("match.approved", ""),
        ("quiet_from", "24"),
        ("quiet_until", "-1"),
        ("daily_at", "x"),
    ],
)
def test_what_is_not_offered_is_refused_and_nothing_changes(owner_client, office, name, value):
    values = form_of(owner_client)

    response = owner_client.post("/settings/notifications/", values | {name: value})

    assert response.status_code == 200
    assert name in response.context["form"].errors
    assert form_of(owner_client) == values
    assert not MailHours.objects.exists()


def test_the_settings_lead_there(owner_client):
    assert "/settings/notifications/" in owner_client.get("/settings/profile/").content.decode()


# --- The link in mails --------------------------------------------------------------------------


@pytest.fixture
def anybody():
    """A mail program: no log-in, and CSRF is checked."""
    return Client(enforce_csrf_checks=True)


def path_of(link):
    return link.replace("http://localhost:8000", "")


def test_one_press_in_a_mail_program_ends_a_kind(office, anybody, clock):
    office.tell()
    for pk in delivery.waiting():
        deliver_mail(pk)
    [message] = django_mail.outbox
    headers = message.message()
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = path_of(headers["List-Unsubscribe"].strip("<>"))

    assert anybody.get(path).status_code == 200
    assert notices.choices_of(office.owner)["organization.verified"] == Choice.NOW
    response = anybody.post(path, {"List-Unsubscribe": "One-Click"})

    assert response.status_code == 200
    assert notices.choices_of(office.owner)["organization.verified"] == Choice.OFF
    assert notices.choices_of(office.owner)["match.approved"] == Choice.NOW
    assert anybody.post(path).status_code == 200  # twice is once


def test_the_link_of_the_daily_mail_ends_all_that_goes_into_it(office, anybody):
    assert notices.choices_of(office.owner)["match.rejected"] == Choice.DIGEST

    anybody.post(path_of(mute_link(office.owner, DAILY)))

    choices = notices.choices_of(office.owner)
    assert Choice.DIGEST not in choices.values()
    assert choices["match.approved"] == Choice.NOW


def test_what_is_muted_altogether_stays_so(office, anybody):
    notices.choose(user=office.owner, choices={"match.introduced": Choice.MUTED})

    anybody.post(path_of(mute_link(office.owner, "match.introduced")))

    assert notices.choices_of(office.owner)["match.introduced"] == Choice.MUTED


@pytest.mark.parametrize("token", ["x", "WzEsImRhaWx5Il0:1:forged", "WzEsImRhaWx5Il0"])
def test_a_link_that_is_not_whole_changes_nothing(office, anybody, token):
    for method in (anybody.get, anybody.post):
        response = method(f"/notifications/mails/{token}/")
        assert response.status_code == 410
        assert "不完整" in response.content.decode()


def test_a_link_made_for_another_purpose_is_none(office, anybody):
    from catalog.links import unsubscribe_link

    token = unsubscribe_link(office.owner).rstrip("/").rpartition("/")[2]
    assert anybody.post(f"/notifications/mails/{token}/").status_code == 410
