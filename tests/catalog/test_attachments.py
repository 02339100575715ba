"""Files of a listing: attaching, who gets them, what is compared, and what is left when they go."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import ProgrammingError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.files import scanning
from accounts.files.scanning import Finding, ScannerDown, ScanState
from accounts.files.storage import names_in, private_storage
from accounts.permissions import Tier
from catalog.models import Attachment, AttachmentEvent, TextState
from catalog.services import attaching, deciding, publishing, reading_files
from catalog.signals import listings_published
from catalog.workflow import IllegalMove, ListingStatus
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_review,
    make_user,
)
from tests.files import make_docx, make_image, make_pdf, upload

pytestmark = pytest.mark.django_db
# Made once: a document says when it was made, and two are never the same file.
DOCX = make_docx()


@pytest.fixture(autouse=True)
def kept(settings, tmp_path):
    """A store of this test's own."""
    settings.STORAGES = settings.STORAGES | {
        "private": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": tmp_path},
        }
    }
    return tmp_path


@pytest.fixture
def owner():
    return make_member(make_organization(name="华东轴承有限公司"))


@pytest.fixture
def demand(owner):
    return make_demand(owner=owner.organizations.get())


def attach(listing, *, data=None, name="报告.docx", read=True, **fields):
    data = data if data is not None else DOCX
    values = {"title": "试验报告", "tier": Tier.MANAGERS, **fields}
    actor = values.pop("actor", None) or listing.owner.users.first() or make_member(listing.owner)
    attachment = attaching.attach(
        listing=listing, actor=actor, upload=upload(data, name), name=name, **values
    )
    if read:
        reading_files.read(attachment_id=attachment.pk)
    attachment.refresh_from_db()
    return attachment


def check(attachment):
    """Have a reviewer seen it."""
    Attachment.objects.filter(pk=attachment.pk).update(checked_at=timezone.now())
    return attachment


def page(listing, name="files", *more):
    return reverse(f"{listing.kind}_{name}", args=[listing.number, *more])


def form(data=None, name="报告.docx", **fields):
    values = {"title": "试验报告", "tier": Tier.MANAGERS.value, **fields}
    return {**values, "file": upload(data if data is not None else make_docx(), name)}


def get(person, attachment):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client.get(reverse("attachment_download", args=[attachment.pk]))


def stored():
    return list(names_in("attachments"))


# --- Attaching ------------------------------------------------------------------------------------


def test_an_owner_attaches_a_file_and_managers_are_the_default(client, owner, demand):
    client.force_login(owner)

    response = client.post(page(demand), form(), follow=True)

    attachment = Attachment.objects.get()
    assert response.redirect_chain
    assert "试验报告" in response.content.decode()
    assert (attachment.number, attachment.kind, attachment.tier) == (1, "docx", Tier.MANAGERS)
    assert not attachment.joins_text
    assert attachment.scan == ScanState.UNSCANNED
    assert attachment.events.get().verb == "added"
    assert len(stored()) == 1


def test_the_stored_name_says_nothing_and_lies_outside_of_what_is_served(settings, demand):
    attachment = attach(demand, name="华东轴承-张三.docx")

    assert "张三" not in attachment.file and attachment.file.startswith("attachments/")
    path = private_storage().path(attachment.file)
    assert not path.startswith(str(settings.MEDIA_ROOT))


def test_htmx_gets_the_panel_alone(client, owner, demand):
    client.force_login(owner)

    response = client.post(page(demand), form(), headers={"HX-Request": "true"})

    text = response.content.decode()
    assert response.status_code == 200
    assert text.lstrip().startswith('<div id="panel">') and "试验报告" in text


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (make_pdf(), "a.docx", "PDF"),
        (b"<svg xmlns='x'><script/></svg>", "a.svg", "SVG"),
        (b"", "a.pdf", "空"),
    ],
)
def test_a_file_that_is_not_taken_gets_a_sentence_and_leaves_nothing(
    client, owner, demand, data, name, words
):
    client.force_login(owner)

    response = client.post(page(demand), form(data, name))

    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Attachment.objects.exists() and not stored()


def test_a_form_without_a_file_says_so(client, owner, demand):
    client.force_login(owner)

    response = client.post(page(demand), {"title": "x", "tier": "2"})

    assert response.status_code == 422
    assert "请选择文件" in response.content.decode()


def test_a_file_that_is_too_large_is_dropped_while_it_arrives(client, owner, demand, settings):
    settings.UPLOAD_BYTES_AT_MOST = 1000
    client.force_login(owner)

    response = client.post(page(demand), form(b"%PDF-" + b"x" * 200_000, "a.pdf"))

    assert response.status_code == 422
    assert "20 MB" in response.content.decode()


def test_the_number_of_files_of_a_listing_is_bounded(demand, settings):
    settings.ATTACHMENTS_PER_LISTING = 1
    attach(demand, read=False)

    with pytest.raises(Exception, match="最多有 1 个文件"):
        attach(demand, data=make_docx("另一个"), read=False)


def test_the_files_of_an_organization_have_a_quota_over_both_lists(demand, settings):
    attach(demand, read=False)
    settings.ORGANIZATION_QUOTA_BYTES = attaching.used_bytes(demand.owner_id) + 100
    achievement = make_achievement(owner=demand.owner)

    with pytest.raises(Exception, match="MB"):
        attach(achievement, data=make_docx("另一个"), read=False)
    assert len(stored()) == 1


def test_the_same_file_twice_is_one(demand):
    attach(demand, read=False)

    with pytest.raises(Exception, match="已经附上"):
        attach(demand, read=False)
    assert len(stored()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_double_click_attaches_one_file(demand, kept):
    actor = demand.owner.users.first()

    def again(_number):
        try:
            attach(demand, actor=actor, read=False)
            return 1
        except Exception:
            return 0
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(again, range(3))) == 1
    assert Attachment.objects.count() == 1 and len(stored()) == 1


@pytest.mark.parametrize(
    "title", ["华东轴承有限公司报告", "电话 13812345678", "见 www.example.com"]
)
def test_a_title_that_names_the_owner_is_refused(client, owner, demand, title):
    client.force_login(owner)

    response = client.post(page(demand), form(title=title))

    assert response.status_code == 422
    assert not Attachment.objects.exists() and not stored()


@pytest.mark.parametrize("status", ["submitted", "withdrawn", "suspended", "rejected"])
def test_while_it_is_checked_or_after_its_end_nothing_is_attached(client, owner, demand, status):
    type(demand).objects.filter(pk=demand.pk).update(status=status)
    client.force_login(owner)

    response = client.post(page(demand), form())

    assert response.status_code == 409
    assert not Attachment.objects.exists() and not stored()


def test_the_sweep_of_attachments_finds_what_was_not_read(demand, monkeypatch):
    attachment = attach(demand, read=False)
    Attachment.objects.filter(pk=attachment.pk).update(text_state="waiting")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE catalog_attachment SET added_at = %s", [timezone.now() - dt.timedelta(hours=1)]
        )

    assert reading_files.unread() == [attachment.pk]


# --- Viruses --------------------------------------------------------------------------------------


def infected(file):
    return Finding(ScanState.INFECTED, "Eicar-Test")


def away(file):
    raise ScannerDown


def clean(file):
    return Finding(ScanState.CLEAN)


@pytest.fixture
def scanner(settings):
    def use(name):
        settings.VIRUS_SCANNER = f"{__name__}.{name}"

    return use


def test_a_virus_is_refused_with_a_sentence_and_a_row(client, owner, demand, scanner):
    scanner("infected")
    client.force_login(owner)

    response = client.post(page(demand), form())

    assert response.status_code == 422
    assert "Eicar-Test" in response.content.decode()
    event = AttachmentEvent.objects.get()
    assert (event.verb, event.actor, event.attachment) == ("infected", owner, None)
    assert not Attachment.objects.exists() and not stored()


def test_without_an_answer_of_the_scanner_a_file_is_held_back(owner, demand, scanner):
    scanner("away")
    attachment = attach(demand, tier=Tier.PUBLIC)

    assert attachment.scan == ScanState.HELD
    assert attachment.text_state == TextState.WAITING
    assert get(owner, attachment).status_code == 404

    scanner("clean")
    reading_files.rescan(attachment_id=attachment.pk)
    reading_files.read(attachment_id=attachment.pk)

    attachment.refresh_from_db()
    assert attachment.scan == ScanState.CLEAN and attachment.text_state == TextState.READY
    assert get(owner, attachment).status_code == 200


def test_a_virus_found_later_takes_the_file_away(
    demand, scanner, django_capture_on_commit_callbacks
):
    scanner("away")
    attachment = attach(demand, read=False)
    scanner("infected")

    with django_capture_on_commit_callbacks(execute=True):
        reading_files.rescan(attachment_id=attachment.pk)

    attachment.refresh_from_db()
    assert attachment.removed_at is not None and not stored()
    assert [event.verb for event in attachment.events.all()] == ["added", "infected"]


class Clamd:
    """Answers as ClamAV's daemon does, and keeps what it was sent."""

    def __init__(self, answer):
        import socket
        import threading

        self.server = socket.create_server(("127.0.0.1", 0))
        self.answer, self.got = answer, b""
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def address(self):
        return f"tcp://127.0.0.1:{self.server.getsockname()[1]}"

    def _serve(self):
        connection, _ = self.server.accept()
        with connection:
            while not self.got.endswith(b"\0\0\0\0"):
                self.got += connection.recv(65536)
            connection.sendall(self.answer)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (b"stream: OK\0", ScanState.CLEAN),
        (b"stream: Win.Test.EICAR_HDB-1 FOUND\0", ScanState.INFECTED),
        (b"INSTREAM size limit exceeded. ERROR\0", ScanState.HELD),
        (b"", ScanState.HELD),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ScanState.HELD),
    ],
)
def test_clamd_is_asked_in_its_own_words(settings, answer, state):
    import io

    daemon = Clamd(answer)
    settings.CLAMD_ADDRESS = daemon.address
    settings.VIRUS_SCANNER = "accounts.files.scanning.clamd"

    finding = scanning.scan(io.BytesIO(b"abc"))

    assert finding.state == state
    assert daemon.got == b"zINSTREAM\0\0\0\0\x03abc\0\0\0\0"
    assert finding.virus == ("Win.Test.EICAR_HDB-1" if state == ScanState.INFECTED else "")


def test_a_clamd_that_is_not_there_holds_files_back(settings, tmp_path):
    import io

    settings.CLAMD_ADDRESS = f"unix://{tmp_path}/nobody.sock"
    settings.VIRUS_SCANNER = "accounts.files.scanning.clamd"

    assert scanning.scan(io.BytesIO(b"abc")).state == ScanState.HELD


# --- Who gets it ----------------------------------------------------------------------------------


@pytest.fixture
def people(demand, owner):
    """Everybody who may or may not get a file of the demand."""
    provider = make_organization(kind="university")
    achievement = make_achievement(owner=provider)
    manager = make_manager()
    make_match(demand=demand, achievement=achievement, status=MatchStatus.IN_REVIEW)
    review = make_review(
        match=make_match(
            demand=demand,
            achievement=make_achievement(owner=provider),
            status=MatchStatus.IN_REVIEW,
        ),
        manager=manager,
        status=ReviewStatus.ACCEPTED,
    )
    asked = make_manager()
    make_review(
        match=make_match(
            demand=demand, achievement=make_achievement(), status=MatchStatus.IN_REVIEW
        ),
        manager=asked,
        status=ReviewStatus.ASSIGNED,
    )
    met = make_organization(kind="university")
    make_match(
        demand=demand, achievement=make_achievement(owner=met), status=MatchStatus.INTRODUCED
    )
    unverified = make_organization(status="pending", verified_at=None)
    make_match(
        demand=demand, achievement=make_achievement(owner=unverified), status=MatchStatus.INTRODUCED
    )
    return {
        "visitor": None,
        "newcomer": make_user(),
        "member": make_member(),
        "side": make_member(provider),
        "asked manager": asked,
        "other manager": make_manager(),
        "manager": review.manager,
        "introduced": make_member(met),
        "introduced, unverified": make_member(unverified),
        "operator": make_operator(),
        "owner": owner,
        "viewer": make_member(demand.owner, role="viewer"),
    }


_INSIDE = {"operator", "owner", "viewer"}
_MEMBERS = {"member", "side", "asked manager", "other manager", "manager", "introduced"}


@pytest.mark.parametrize(
    ("tier", "who"),
    [
        (Tier.PUBLIC, {"visitor", "newcomer", "introduced, unverified"} | _MEMBERS | _INSIDE),
        (Tier.MEMBERS, _MEMBERS | _INSIDE),
        (Tier.MANAGERS, {"manager", "introduced"} | _INSIDE),
        (Tier.INTRODUCED, {"introduced"} | _INSIDE),
    ],
)
def test_each_tier_is_for_its_readers_and_there_is_no_such_file_for_others(
    demand, people, tier, who
):
    attachment = check(attach(demand, tier=tier, read=False))

    answers = {name: get(person, attachment).status_code for name, person in people.items()}

    assert {name for name, code in answers.items() if code == 200} == who
    assert {code for name, code in answers.items() if name not in who} <= {404}


@pytest.mark.parametrize("tier", [Tier.PUBLIC, Tier.MEMBERS])
def test_what_no_reviewer_has_seen_is_for_its_own_side_alone(demand, people, tier):
    attachment = attach(demand, tier=tier, read=False)

    got = {name for name, person in people.items() if get(person, attachment).status_code == 200}

    assert got == _INSIDE


def test_who_checks_a_listing_gets_what_it_is_about(demand, owner):
    attachments = [
        attach(demand, tier=tier, data=make_docx(tier.name), read=False)
        for tier in (Tier.PUBLIC, Tier.MANAGERS, Tier.INTRODUCED)
    ]
    publishing.submit(listing=demand, actor=owner, files=True)
    reviewer, tied = make_manager(), make_manager()
    tied.manager_profile.interests.create(organization=demand.owner, kind="employment")

    assert [get(reviewer, one).status_code for one in attachments] == [200, 200, 404]
    assert [get(tied, one).status_code for one in attachments] == [404, 404, 404]
    client = Client()
    client.force_login(reviewer)
    text = client.get(reverse("listing_review", args=[demand.number])).content.decode()
    assert "附件 1（DOCX" in text and "上次审核后新增" in text


def test_publishing_makes_the_files_known_to_their_readers(demand, owner):
    attachment = attach(demand, tier=Tier.MEMBERS, read=False)
    later = attach(demand, tier=Tier.INTRODUCED, data=make_docx("另"), read=False)
    publishing.submit(listing=demand, actor=owner, files=True)
    demand.refresh_from_db()
    assert demand.status == ListingStatus.SUBMITTED and demand.version == 2

    deciding.decide(
        no_interest=True,
        listing=demand,
        actor=make_manager(),
        decision="publish",
        version=demand.version,
    )

    attachment.refresh_from_db()
    later.refresh_from_db()
    assert attachment.checked_at is not None and later.checked_at is None
    assert get(make_member(), attachment).status_code == 200


def test_a_member_of_an_unpublished_listing_gets_nothing(demand, people):
    attachment = check(attach(demand, tier=Tier.PUBLIC, read=False))
    type(demand).objects.filter(pk=demand.pk).update(status="withdrawn")

    got = {name for name, person in people.items() if get(person, attachment).status_code == 200}

    # Whom a match has brought together keep what they have seen of each other.
    assert got == _INSIDE | {"introduced", "manager"}


def test_of_a_suspended_listing_nobody_else_gets_anything(demand, people):
    attachment = check(attach(demand, tier=Tier.PUBLIC, read=False))
    type(demand).objects.filter(pk=demand.pk).update(status="suspended")

    got = {name for name, person in people.items() if get(person, attachment).status_code == 200}

    assert got == _INSIDE


def test_others_never_learn_the_name_of_the_file(demand, owner):
    attachment = check(attach(demand, name="华东轴承-张三.docx", tier=Tier.PUBLIC))
    stranger = Client()

    response = get(None, attachment)
    text = stranger.get(demand.get_absolute_url()).content.decode()

    assert "张三" not in text and "附件 1（DOCX" in text
    assert f"{demand.number}-1.docx" in response["Content-Disposition"]
    assert "%E5%BC%A0" in get(owner, attachment)["Content-Disposition"]


def test_a_download_cannot_run_be_framed_or_be_kept(demand):
    response = get(None, check(attach(demand, tier=Tier.PUBLIC, data=make_pdf(), name="a.pdf")))

    assert response["Content-Disposition"].startswith("attachment;")
    assert response["Content-Type"] == "application/pdf"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert response["Cache-Control"] == "private, no-store"
    assert b"".join(response.streaming_content).startswith(b"%PDF-")


def test_each_opening_by_another_side_leaves_a_row(demand, people):
    secret = attach(demand, read=False)
    public = check(attach(demand, tier=Tier.PUBLIC, data=make_docx("另"), read=False))
    for name in ("manager", "introduced", "owner", "member"):
        get(people[name], secret)
        get(people[name], public)

    opened = AttachmentEvent.objects.filter(verb="opened")

    assert [(event.actor, event.attachment) for event in opened] == [
        (people["manager"], secret),
        (people["introduced"], secret),
    ]


def test_asking_for_the_head_alone_opens_nothing(demand, people):
    attachment = attach(demand, read=False)
    client = Client()
    client.force_login(people["manager"])

    assert client.head(reverse("attachment_download", args=[attachment.pk])).status_code == 200
    assert not AttachmentEvent.objects.filter(verb="opened").exists()


def test_a_file_that_the_store_has_lost_is_not_found(demand, owner):
    attachment = attach(demand)
    private_storage().delete(attachment.file)

    assert get(owner, attachment).status_code == 404


def test_the_page_of_a_match_lists_the_other_sides_files(demand, people):
    attach(demand, title="图纸", read=False)
    attach(demand, title="见面以后再看", tier=Tier.INTRODUCED, data=make_docx("另"), read=False)
    match = demand.matches.get(reviews__manager=people["manager"])
    url = reverse("match_detail", args=[match.number])

    def read(name):
        client = Client()
        client.force_login(people[name])
        return client.get(url).content.decode()

    assert "图纸" in read("manager") and "见面以后再看" not in read("manager")
    assert "图纸" not in read("side") and "还有 1 个文件" in read("side")


# --- Changing and removing ------------------------------------------------------------------------


def test_more_readers_wait_for_the_check_and_fewer_do_not(client, owner, demand):
    attachment = check(attach(demand, read=False))
    client.force_login(owner)

    client.post(page(demand, "file", 1), {"title": "试验报告", "tier": "1"})
    attachment.refresh_from_db()
    assert attachment.tier == Tier.MEMBERS and attachment.waits_for_check
    assert "送审" in client.get(page(demand)).content.decode()

    check(attachment)
    client.post(page(demand, "file", 1), {"title": "试验报告", "tier": "3"})
    attachment.refresh_from_db()
    assert attachment.tier == Tier.INTRODUCED and attachment.checked_at is not None


def test_handing_the_files_in_makes_a_new_version(client, owner, demand):
    attach(demand, tier=Tier.MEMBERS, read=False)
    client.force_login(owner)

    client.post(page(demand), {"action": "submit"})

    demand.refresh_from_db()
    assert (demand.status, demand.version) == ("submitted", 2)
    assert client.post(page(demand), {"action": "submit"}).status_code == 409


def test_a_file_for_managers_needs_no_check_of_the_listing(client, owner, demand):
    client.force_login(owner)
    client.post(page(demand), form())

    demand.refresh_from_db()
    assert demand.status == "published"
    assert "送审" not in client.get(page(demand)).content.decode()


def test_while_it_is_checked_a_file_gets_fewer_readers_at_most(owner, demand):
    attachment = attach(demand, read=False)
    type(demand).objects.filter(pk=demand.pk).update(status="submitted")
    values = {"attachment": attachment, "actor": owner, "joins_text": False}

    with pytest.raises(IllegalMove):
        attaching.change(**values, title="试验报告", tier=Tier.PUBLIC)
    with pytest.raises(IllegalMove):
        attaching.change(**values, title="别的题目", tier=Tier.MANAGERS)
    attaching.change(**values, title="试验报告", tier=Tier.INTRODUCED)

    attachment.refresh_from_db()
    assert attachment.tier == Tier.INTRODUCED
    assert attachment.events.last().note == "managers → introduced"


@pytest.mark.parametrize(
    "posted",
    [
        {"title": "", "tier": "2"},
        {"title": "x", "tier": "9"},
        {"title": "x" * 101, "tier": "2"},
        {},
    ],
)
def test_a_wrong_change_gets_a_sentence_and_changes_nothing(client, owner, demand, posted):
    attachment = attach(demand, read=False)
    client.force_login(owner)

    response = client.post(page(demand, "file", 1), posted)

    assert response.status_code == 422
    attachment.refresh_from_db()
    assert (attachment.title, attachment.tier) == ("试验报告", Tier.MANAGERS)


def test_removing_deletes_the_file_and_keeps_the_row(
    client, owner, demand, django_capture_on_commit_callbacks
):
    attachment = attach(demand)
    client.force_login(owner)
    assert "删除这个文件" in client.get(page(demand, "file_remove", 1)).content.decode()

    with django_capture_on_commit_callbacks(execute=True):
        client.post(page(demand, "file_remove", 1))

    attachment.refresh_from_db()
    assert attachment.removed_by == owner and attachment.text == ""
    assert not stored()
    assert get(owner, attachment).status_code == 404
    assert client.post(page(demand, "file_remove", 1)).status_code == 404
    again = attach(demand, read=False)
    assert again.number == 2


def test_what_was_removed_is_told_to_who_checks_next(demand, owner):
    attachment = check(attach(demand, read=False))
    attaching.remove(attachment=attachment, actor=owner)
    publishing.submit(listing=demand, actor=owner, files=True)
    client = Client()
    client.force_login(make_manager())

    text = client.get(reverse("listing_review", args=[demand.number])).content.decode()

    assert "“试验报告”已于" in text


def test_neither_content_nor_events_of_files_can_be_rewritten(demand):
    attachment = attach(demand)

    for change in (
        lambda: Attachment.objects.filter(pk=attachment.pk).update(sha256="0" * 64),
        lambda: Attachment.objects.filter(pk=attachment.pk)._raw_delete("default"),
        lambda: attachment.events.update(note="x"),
        lambda: attachment.events.first().delete(),
    ):
        with pytest.raises(ProgrammingError), transaction.atomic():
            change()


# --- What is compared -----------------------------------------------------------------------------


def test_the_text_is_read_and_the_owner_is_warned_of_names_in_it(client, owner, demand):
    attach(demand, data=make_docx("华东轴承有限公司 2026 年试验", author="张三"))
    client.force_login(owner)

    text = client.get(page(demand)).content.decode()

    assert "这份文件写出了你们是谁" in text and "华东轴承有限公司" in text


@pytest.mark.parametrize(
    ("data", "name", "state"),
    [
        (make_docx("圆度"), "a.docx", TextState.READY),
        (make_docx(" "), "a.docx", TextState.EMPTY),
        (make_image(), "a.png", TextState.NONE),
    ],
)
def test_how_far_the_reading_is_is_told(demand, data, name, state):
    assert attach(demand, data=data, name=name).text_state == state


def test_a_document_that_cannot_be_read_is_marked_once(demand, monkeypatch):
    monkeypatch.setattr(reading_files, "read_text", lambda file, kind: None)

    assert attach(demand).text_state == TextState.FAILED
    assert reading_files.unread() == []


def test_a_text_joins_what_is_compared_only_where_its_owner_allows_it(demand):
    attach(demand, data=make_docx("不给比对"), tier=Tier.PUBLIC)
    check(attach(demand, data=make_docx("感应器功率"), tier=Tier.MEMBERS, joins_text=True))
    attach(demand, data=make_docx("还没审"), tier=Tier.PUBLIC, joins_text=True)
    attach(demand, data=make_docx("见面再说"), tier=Tier.INTRODUCED, joins_text=True)

    assert reading_files.joined_texts(demand) == [
        (Tier.MEMBERS, "感应器功率"),
        (Tier.MANAGERS, "还没审"),
    ]


def test_what_names_the_owner_is_not_compared(demand):
    attach(
        demand,
        data=make_docx("华东轴承有限公司的圆度，电话 13812345678"),
        tier=Tier.MANAGERS,
        joins_text=True,
    )

    [(_tier, text)] = reading_files.joined_texts(demand)

    assert "华东轴承" not in text and "13812345678" not in text and "圆度" in text


def test_a_changed_text_is_announced_once_it_is_stored(
    owner, demand, django_capture_on_commit_callbacks
):
    heard = []

    def listen(*, kind, ids, **_):
        heard.append((kind, ids))

    listings_published.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            attachment = attach(demand, read=False)
        assert heard == []
        with django_capture_on_commit_callbacks(execute=True):
            attaching.change(
                attachment=attachment,
                actor=owner,
                title=attachment.title,
                tier=Tier.MANAGERS,
                joins_text=True,
            )
            reading_files.read(attachment_id=attachment.pk)
            reading_files.read(attachment_id=attachment.pk)
        assert ("demand", [demand.pk]) in heard
        heard.clear()
        with django_capture_on_commit_callbacks(execute=True):
            attaching.remove(attachment=attachment, actor=owner)
        assert heard == [("demand", [demand.pk])]
    finally:
        listings_published.disconnect(listen)


# --- Tidying up -----------------------------------------------------------------------------------


def test_files_that_belong_to_nothing_are_deleted_after_a_day(demand, kept, monkeypatch):
    import os

    attachment = attach(demand, read=False)
    folder = kept / "attachments" / "ab"
    folder.mkdir(parents=True, exist_ok=True)
    for name, age in (("old", 2), ("new", 0)):
        (folder / name).write_bytes(b"x")
        then = (timezone.now() - dt.timedelta(days=age)).timestamp()
        os.utime(folder / name, (then, then))
    then = (timezone.now() - dt.timedelta(days=9)).timestamp()
    os.utime(kept / attachment.file, (then, then))

    assert reading_files.tidy_up() == 1
    assert not (folder / "old").exists() and (folder / "new").exists()
    assert (kept / attachment.file).exists()


# --- Cost -----------------------------------------------------------------------------------------


def test_ten_files_cost_no_more_queries_than_one(client, demand, django_assert_num_queries):
    from django.test.utils import CaptureQueriesContext

    def cost(url):
        client.get(url)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(url).status_code == 200
        return len(queries)

    client.force_login(make_member())
    check(attach(demand, tier=Tier.PUBLIC, read=False))
    one = cost(demand.get_absolute_url())
    for number in range(9):
        check(attach(demand, tier=Tier.PUBLIC, data=make_docx(f"第 {number}"), read=False))

    assert cost(demand.get_absolute_url()) == one


def test_the_settings_name_a_bucket_or_a_folder(monkeypatch, tmp_path):
    from config import env

    assert env.private_storage(tmp_path)["OPTIONS"]["location"] == tmp_path
    for name, value in {
        "AWS_STORAGE_BUCKET_NAME": "keqiao",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_S3_ENDPOINT_URL": "http://127.0.0.1:9000",
        "AWS_S3_ADDRESSING_STYLE": "path",
    }.items():
        monkeypatch.setenv(name, value)
    from django.core.files.storage.handler import StorageHandler

    storage = StorageHandler({"private": env.private_storage(tmp_path)})["private"]

    assert type(storage).__name__ == "S3Storage"
    assert (storage.bucket_name, storage.endpoint_url) == ("keqiao", "http://127.0.0.1:9000")
    assert not storage.file_overwrite and storage.default_acl is None
