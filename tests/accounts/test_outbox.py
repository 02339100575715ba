"""Mails that are promised in a transaction: none lost, none sent twice, none without a reason."""

import datetime as dt
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail as django_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from accounts import delivery
from accounts.delivery import Letter, deliver, forget_old, waiting
from accounts.mail import absolute, promise
from accounts.models import MailState, OutboxMail, User
from accounts.tasks import sweep_mails
from tests.factories import make_user

pytestmark = pytest.mark.django_db

SECRET = "不应写进邮件的一句话"


@pytest.fixture(autouse=True)
def writer(monkeypatch):
    """A kind of mail of the tests' own; what it returns can be changed."""
    made = {
        "letter": lambda mail: Letter(subject=_("Settings"), template="emails/base", context={})
    }
    monkeypatch.setitem(delivery._writers, "test", lambda mail: made["letter"](mail))
    return made


@pytest.fixture
def queued(monkeypatch):
    """What was handed to the broker."""
    ids = []
    monkeypatch.setattr("accounts.mail.send", lambda task, *args: ids.append(args[0]))
    monkeypatch.setattr("accounts.tasks.send", lambda task, *args: ids.append(args[0]) or True)
    return ids


def promised(user=None, key="test:1", **fields):
    promise(kind="test", user=user or make_user(), key=key, payload={})
    stored = OutboxMail.objects.get(key=key)
    OutboxMail.objects.filter(pk=stored.pk).update(**fields)
    stored.refresh_from_db()
    return stored


def refuse_with(monkeypatch, error):
    def refused(*_args):
        raise error

    monkeypatch.setattr(EmailBackend, "send_messages", refused)


def test_a_promised_mail_is_queued_when_the_transaction_ends(
    queued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        stored = promised()
        assert queued == []

    assert queued == [stored.pk]


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_takes_its_mail_with_it(queued):
    user = make_user()
    with pytest.raises(RuntimeError), transaction.atomic():
        promise(kind="test", user=user, key="test:1", payload={})
        raise RuntimeError

    assert queued == []
    assert not OutboxMail.objects.exists()


def test_the_same_reason_makes_one_mail(queued, django_capture_on_commit_callbacks):
    user = make_user()
    with django_capture_on_commit_callbacks(execute=True):
        assert promise(kind="test", user=user, key="test:1", payload={})
        assert not promise(kind="test", user=user, key="test:1", payload={})

    assert len(queued) == OutboxMail.objects.count() == 1


def test_a_mail_is_sent_once_however_often_its_message_comes(mailoutbox):
    stored = promised()

    assert deliver(mail_id=stored.pk) == MailState.SENT
    assert deliver(mail_id=stored.pk) is None

    assert len(mailoutbox) == 1
    stored.refresh_from_db()
    assert stored.sent_at is not None and stored.attempts == 1


def test_a_mail_that_a_worker_holds_is_left_to_it_until_it_must_have_died(mailoutbox):
    stored = promised(try_at=timezone.now() + delivery.HELD, attempts=1)
    assert deliver(mail_id=stored.pk) is None

    OutboxMail.objects.update(try_at=timezone.now() - dt.timedelta(seconds=1))
    assert deliver(mail_id=stored.pk) == MailState.SENT
    assert len(mailoutbox) == 1


def test_both_copies_of_a_mail_that_was_sent_twice_have_one_name(mailoutbox):
    stored = promised()
    deliver(mail_id=stored.pk)
    # The worker was killed after the server had taken it and before that was written down.
    OutboxMail.objects.update(state=MailState.WAITING, sent_at=None, try_at=timezone.now())
    deliver(mail_id=stored.pk)

    first, second = (message.extra_headers["Message-ID"] for message in mailoutbox)
    assert first == second


def test_a_mail_goes_out_in_its_receivers_language_with_both_bodies(mailoutbox):
    translation.activate("en")
    stored = promised(make_user(name="丁砥中", language="zh-hans"))

    deliver(mail_id=stored.pk)

    [message] = mailoutbox
    assert message.subject == "设置"
    assert "丁砥中，您好" in message.body
    [(html, kind)] = message.alternatives
    assert kind == "text/html" and 'lang="zh-hans"' in html
    assert translation.get_language() == "en"


def test_a_name_in_a_mail_is_text_and_no_markup_and_no_header(mailoutbox, writer):
    writer["letter"] = lambda mail: Letter("Title\r\nBcc: all@example.org", "emails/base", {})
    stored = promised(make_user(name="<b onclick=x>Eve</b>"))

    deliver(mail_id=stored.pk)

    [message] = mailoutbox
    assert message.subject == "Title Bcc: all@example.org"
    assert message.recipients() == [stored.user.email]
    assert "<b onclick" not in message.alternatives[0][0]


def test_mails_that_can_be_ended_say_where_to_people_and_to_programs(mailoutbox, writer):
    address = "https://keqiao.example/no-more/x/"
    writer["letter"] = lambda mail: Letter("News", "emails/base", {}, unsubscribe=address)

    deliver(mail_id=promised().pk)

    [message] = mailoutbox
    assert message.extra_headers["List-Unsubscribe"] == f"<{address}>"
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert address in message.body and address in message.alternatives[0][0]


def test_a_mail_whose_reason_is_gone_is_dropped(mailoutbox, writer):
    writer["letter"] = lambda mail: None

    assert deliver(mail_id=promised().pk) == MailState.DROPPED
    assert not mailoutbox and waiting() == []


def test_a_closed_account_gets_no_mail(mailoutbox):
    assert deliver(mail_id=promised(make_user(is_active=False)).pk) == MailState.DROPPED
    assert not mailoutbox


@pytest.mark.parametrize("error", [ConnectionRefusedError(), SMTPServerDisconnected("gone")])
def test_a_server_that_is_away_is_tried_again_later_and_later(monkeypatch, mailoutbox, error):
    refuse_with(monkeypatch, error)
    stored, pauses = promised(), []
    for _attempt in range(3):
        OutboxMail.objects.update(try_at=timezone.now())
        assert deliver(mail_id=stored.pk) == MailState.WAITING
        stored.refresh_from_db()
        pauses.append(round((stored.try_at - timezone.now()).total_seconds() / 60))

    assert pauses == [1, 5, 15]
    assert stored.error == type(error).__name__
    assert waiting() == []
    monkeypatch.undo()


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    refuse_with(monkeypatch, TimeoutError())
    stored = promised(attempts=len(delivery.PAUSES))

    assert deliver(mail_id=stored.pk) == MailState.FAILED


def test_an_address_that_is_refused_for_good_is_not_tried_again(monkeypatch):
    refuse_with(
        monkeypatch, SMTPRecipientsRefused({"x@example.org": (550, b"no such x@example.org")})
    )
    stored = promised()

    assert deliver(mail_id=stored.pk) == MailState.FAILED
    stored.refresh_from_db()
    # What the server said names the address: it is not kept.
    assert stored.error == "SMTPRecipientsRefused 550"


def test_an_address_that_is_busy_is_tried_again(monkeypatch):
    refuse_with(monkeypatch, SMTPRecipientsRefused({"x@example.org": (451, b"later")}))

    assert deliver(mail_id=promised().pk) == MailState.WAITING


def test_a_letter_that_cannot_be_written_holds_up_nobody(mailoutbox, writer, caplog):
    def broken(mail):
        raise KeyError(SECRET)

    good = promised(key="test:good")
    deliver(mail_id=good.pk)
    writer["letter"] = broken
    stored = promised(key="test:bad")

    assert deliver(mail_id=stored.pk) == MailState.WAITING
    stored.refresh_from_db()
    assert stored.error == "KeyError" and stored.try_at > timezone.now()
    assert len(mailoutbox) == 1


def test_the_sweep_finds_mails_whose_message_was_lost_and_those_to_be_tried_again(queued):
    lost = promised(key="test:lost")
    later = promised(key="test:later", try_at=timezone.now() + dt.timedelta(hours=1))
    sent = promised(key="test:sent", state=MailState.SENT, sent_at=timezone.now())

    sweep_mails()

    assert queued == [lost.pk]
    assert later.pk not in queued and sent.pk not in queued


def test_old_mails_are_forgotten_but_none_that_waits():
    long_ago = timezone.now() - delivery.KEPT - dt.timedelta(days=1)
    promised(key="test:1", state=MailState.SENT, sent_at=long_ago, created_at=long_ago)
    promised(key="test:2", state=MailState.DROPPED, created_at=long_ago)
    kept = promised(key="test:3", created_at=long_ago)
    fresh = promised(key="test:4", state=MailState.SENT, sent_at=timezone.now())

    forget_old()

    assert set(OutboxMail.objects.all()) == {kept, fresh}


def test_links_in_mails_begin_with_the_sites_address(settings):
    settings.SITE_URL = "https://keqiao.example"

    assert absolute("/demands/") == "https://keqiao.example/demands/"


def test_a_person_chooses_the_language_of_their_mails(client):
    user = make_user(name="周恒之")
    client.force_login(user)

    page = client.get("/settings/profile/").content.decode()
    assert "页面与邮件的语言" in page
    client.post(
        "/settings/profile/",
        {"form_name": "person", "name": "周恒之", "phone": "", "language": "en"},
    )

    assert User.objects.get(pk=user.pk).language == "en"
    assert not django_mail.outbox
