"""Looking at one's own listing through the eyes of others, and copying it."""

import datetime as dt
import threading

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from catalog.disclosure import RULES, TIER_NAMES, tier_of
from catalog.models import CONTENT_FIELDS, Achievement, Demand, ListingEvent
from catalog.workflow import ListingStatus
from tests.catalog.form_data import STEPS, address, send
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_member,
    make_operator,
    make_organization,
)

pytestmark = pytest.mark.django_db

TIERS = list(TIER_NAMES)


@pytest.fixture
def owner():
    return make_organization(name="临江理工大学", kind="university", contact_name="唐晓晴")


@pytest.fixture
def writer(client, owner):
    user = make_member(owner, role="editor")
    client.force_login(user)
    return user


def text_of(response):
    return response.content.decode()


SECRETS = {
    "body": {"body": "正文里的话"},
    "novelty": {"novelty": "新颖之处"},
    "advantages": {"advantages": "优势数字"},
    "scenarios": {"scenarios": "适用场景文"},
    "trl_evidence": {"trl_evidence": "证据报告"},
    "encumbrances": {"encumbrances": "已有独占许可"},
    "expert": {"lead_expert": "陆知远"},
    "ip_items": {
        "ip_items": [{"kind": "invention", "number": "ZL2024", "status": "granted", "family": ""}]
    },
}
SAID = {key: next(iter(values.values())) for key, values in SECRETS.items()} | {
    "ip_items": "ZL2024"
}


def full(owner, **fields):
    content = {name: value for values in SECRETS.values() for name, value in values.items()}
    return make_achievement(owner=owner, **{**content, **fields})


@pytest.mark.parametrize("tier", TIERS)
def test_a_preview_shows_what_readers_of_a_tier_may_read(client, writer, owner, tier):
    listing = full(owner, status=ListingStatus.DRAFT)
    page = text_of(client.get(f"{listing.get_absolute_url()}preview/{tier}/"))
    assert "预览：" in page
    main = page[page.index("<main") : page.index("</main")]
    for key, said in SAID.items():
        allowed = tier_of("achievement", key, {}) <= TIER_NAMES[tier]
        # Managers read what names the owner once they know the owner.
        if RULES["achievement"][key].names and tier != "introduced":
            allowed = False
        assert (said in main) == allowed, key
    assert owner.name not in main
    assert "修改成果" not in main


def test_a_preview_follows_the_choices(client, writer, owner):
    listing = full(owner, disclosure={"body": "public", "novelty": "introduced"})
    page = text_of(client.get(f"{listing.get_absolute_url()}preview/public/"))
    assert SAID["body"] in page
    assert SAID["novelty"] not in page
    assert SAID["novelty"] not in text_of(
        client.get(f"{listing.get_absolute_url()}preview/managers/")
    )


def test_choices_are_previewed_before_they_are_saved(client, writer, owner):
    listing = full(owner, status=ListingStatus.DRAFT)
    data = {"disclosure_body": "public"}

    page = text_of(send(client, address(listing, "check"), data, "preview-public"))

    assert SAID["body"] in page
    assert "没有保存" in page
    listing.refresh_from_db()
    assert listing.disclosure == {}
    assert SAID["body"] not in text_of(client.get(f"{listing.get_absolute_url()}preview/public/"))


def test_a_change_of_what_is_published_is_previewed_before_it_is_sent(client, writer, owner):
    listing = full(owner)
    data = {**STEPS["achievement"]["what"], "title": "改过还没提交的标题"}
    page = text_of(send(client, address(listing, "all"), data, "preview-members"))
    assert "改过还没提交的标题" in page
    listing.refresh_from_db()
    assert listing.title != "改过还没提交的标题"
    assert listing.status == ListingStatus.PUBLISHED


@pytest.mark.parametrize("tier", ["nobody", "PUBLIC", "0", "%00"])
def test_a_tier_that_is_none_is_not_found(client, writer, owner, tier):
    listing = make_achievement(owner=owner)
    assert client.get(f"{listing.get_absolute_url()}preview/{tier}/").status_code == 404


@pytest.mark.parametrize("make", [make_member, make_manager, make_operator])
def test_only_ones_own_listing_is_previewed(client, owner, make):
    listing = full(owner)
    client.force_login(make())
    response = client.get(f"{listing.get_absolute_url()}preview/introduced/")
    assert response.status_code == 403
    assert "陆知远" not in text_of(response)


def test_a_visitor_logs_in_first(client, owner):
    listing = full(owner)
    response = client.get(f"{listing.get_absolute_url()}preview/introduced/")
    assert response.status_code == 302


def test_a_strangers_draft_has_no_preview(client, owner):
    listing = full(owner, status=ListingStatus.DRAFT)
    client.force_login(make_member())
    assert client.get(f"{listing.get_absolute_url()}preview/public/").status_code == 404


def test_a_preview_writes_nothing(client, writer, owner):
    full(owner)
    before = list(Achievement.objects.values())
    for tier in TIERS:
        client.get(f"{Achievement.objects.get().get_absolute_url()}preview/{tier}/")
    assert list(Achievement.objects.values()) == before


# --- Copies ---------------------------------------------------------------------------------------


def copy(client, listing, nonce="a" * 32):
    return client.post(f"{listing.get_absolute_url()}clone/", {"nonce": nonce})


@pytest.mark.parametrize(
    "status", [ListingStatus.DRAFT, ListingStatus.PUBLISHED, ListingStatus.WITHDRAWN]
)
def test_a_copy_is_a_draft_with_the_same_content(client, writer, owner, status):
    listing = full(
        owner, status=status, external_id="A-17", ipc=["C21D"], disclosure={"body": "public"}
    )
    response = copy(client, listing)

    made = Achievement.objects.exclude(pk=listing.pk).get()
    assert response["Location"] == f"{made.get_absolute_url()}edit/"
    assert made.status == ListingStatus.DRAFT
    assert made.owner == owner
    assert made.created_by == writer
    assert made.version == 0
    assert made.external_id != "A-17"
    for name in (*CONTENT_FIELDS["achievement"], "valid_until"):
        assert getattr(made, name) == getattr(listing, name), name
    assert ListingEvent.objects.filter(achievement=made).count() == 1
    before = Achievement.objects.get(pk=listing.pk)
    assert (before.status, before.updated_at) == (status, listing.updated_at)


def test_days_that_have_passed_stay_behind(client, writer, owner):
    gone = timezone.localdate() - dt.timedelta(days=1)
    soon = timezone.localdate() + dt.timedelta(days=9)
    expired = make_demand(
        owner=owner, status=ListingStatus.EXPIRED, valid_until=gone, deadline=soon
    )
    copy(client, expired)
    made = Demand.objects.exclude(pk=expired.pk).get()
    assert made.valid_until is None
    assert made.deadline == soon


def test_the_button_on_the_page_copies_once(client, writer, owner):
    listing = make_demand(owner=owner)
    page = client.get(listing.get_absolute_url())
    nonce = page.context["nonce"]
    assert f'action="{listing.get_absolute_url()}clone/"' in text_of(page)
    first, second = copy(client, listing, nonce), copy(client, listing, nonce)
    assert first["Location"] == second["Location"]
    assert Demand.objects.count() == 2
    assert client.get(listing.get_absolute_url()).context["nonce"] != nonce


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_copy_once(owner):
    listing = make_demand(owner=owner)
    user = make_member(owner)
    ready = threading.Barrier(2)
    answers = []

    def click():
        browser = Client()
        browser.force_login(user)
        ready.wait()
        try:
            answers.append(copy(browser, listing)["Location"])
        finally:
            connection.close()

    clicks = [threading.Thread(target=click) for _number in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()
    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert Demand.objects.count() == 2


def test_only_post_copies_and_only_for_those_who_write(client, writer, owner):
    listing = make_demand(owner=owner)
    assert client.get(f"{listing.get_absolute_url()}clone/").status_code == 405
    client.force_login(make_member(owner, role="viewer"))
    assert copy(client, listing).status_code == 403
    client.force_login(make_member())
    assert copy(client, listing).status_code == 403
    assert Demand.objects.count() == 1
