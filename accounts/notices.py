"""Telling people that something has happened, or waits for them; inside the platform and by mail.

A service calls `notify` in the transaction that is the reason. What is stored is a kind and the
keys of what it is about; title and sentence are written when somebody reads them, by the function
that the kind's app has registered. So nobody is told what is no longer true, was undone, or is
none of their business any more, and everybody reads their own language.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from accounts.inbox import (
    Choice,
    Group,
    MailHours,
    Mailing,
    Notification,
    NotificationPreference,
)
from accounts.mail import promise, promise_many
from accounts.models import MailState, Membership, MembershipRole, Organization, OutboxMail, User
from accounts.navigation import Role
from accounts.permissions import manager_profile
from accounts.quiet import awake

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django_stubs_ext import StrOrPromise

# Nobody reads older ones. Read ones go first; see `forget_old`.
READ_KEPT, UNREAD_KEPT = dt.timedelta(days=180), dt.timedelta(days=365)


@dataclass(frozen=True)
class Notice:
    """A notification in words: a title, who waits for what until when, and where to go."""

    title: str
    text: str
    url: str


# Reads at once what the writers of several kinds need to know about all rows of one reader.
Loader = Callable[[User, Sequence[Notification]], Any]
# Gets what the loader found. None: no longer true, or the reader may not know of it any more.
Writer = Callable[[Notification, Any], Notice | None]


@dataclass(frozen=True)
class Kind:
    """A kind of notification. Kinds of one app share their loader."""

    code: str
    label: StrOrPromise
    # In which of their roles people are told of it: settings show what may concern them.
    role: Role
    group: Group
    mail: Choice
    load: Loader
    write: Writer

    @property
    def choices(self) -> tuple[Choice, ...]:
        """What a person may choose: what somebody waits for is always told here."""
        always = (Choice.NOW, Choice.DIGEST, Choice.OFF)
        return always if self.group == Group.TODO else (*always, Choice.MUTED)


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Make a kind known. Called from an app's `ready()`."""
    _kinds[kind.code] = kind


def kinds() -> list[Kind]:
    """Return every kind, in the order of their registration."""
    return list(_kinds.values())


def kinds_for(user: User) -> list[Kind]:
    """Return what `user` may be told of, by the roles they hold; a newcomer is a member."""
    roles = {Role.MEMBER}
    if user.is_operator:
        roles.add(Role.OPERATOR)
    if manager_profile(user) is not None:
        roles.add(Role.MANAGER)
    return [kind for kind in kinds() if kind.role in roles]


def find_kind(code: str) -> Kind | None:
    return _kinds.get(code)


# --- Telling --------------------------------------------------------------------------------------


def notify(
    *,
    kind: str,
    user: User,
    key: str,
    payload: dict[str, Any],
    at: dt.datetime | None = None,
) -> bool:
    """Tell `user` something; call it in the transaction that is the reason.

    `at`: neither shown nor mailed before, as it may be undone until then. Return False when one
    with this key exists: nobody is told twice. Raises `KeyError` for a kind nobody registered.
    """
    known = _kinds[kind]
    now = timezone.now()
    visible_from = max(at, now) if at is not None else now
    choice = choice_of(user, known)
    mailing = _mailing(choice)
    notification, is_new = Notification.objects.get_or_create(
        key=key,
        defaults={
            "kind": kind,
            "user": user,
            "payload": payload,
            "visible_from": visible_from,
            "read_at": now if choice == Choice.MUTED else None,
            "mailing": mailing,
        },
    )
    if is_new and mailing == Mailing.NOW:
        promise(
            kind="notice",
            user=user,
            key=mail_key(notification.pk),
            payload={"notification": notification.pk},
            at=awake(visible_from, mail_hours(user)),
        )
    return is_new


def notify_many(kind: str, told: Sequence[tuple[User, str, dict[str, Any]]]) -> None:
    """Tell people of many things at once, in a handful of statements: (user, key, payload).

    As `notify`, but for keys of rows that this transaction has made: nobody else can have told of
    them. Raises `KeyError` for a kind nobody registered.
    """
    known = _kinds[kind]
    now = timezone.now()
    users = {user.pk for user, _key, _payload in told}
    chosen = dict(
        NotificationPreference.objects.filter(user__in=users, kind=kind).values_list(
            "user", "choice"
        )
    )
    choices = {pk: _allowed(known, chosen.get(pk, known.mail)) for pk in users}
    rows = Notification.objects.bulk_create(
        Notification(
            kind=kind,
            user=user,
            key=key,
            payload=payload,
            visible_from=now,
            read_at=now if choices[user.pk] == Choice.MUTED else None,
            mailing=_mailing(choices[user.pk]),
        )
        for user, key, payload in told
    )
    hours = MailHours.objects.in_bulk(users)
    promise_many(
        "notice",
        (
            (
                row.user,
                mail_key(row.pk),
                {"notification": row.pk},
                awake(now, hours.get(row.user_id) or MailHours(user=row.user)),
            )
            for row in rows
            if row.mailing == Mailing.NOW
        ),
    )


def _mailing(choice: Choice) -> Mailing:
    return {Choice.NOW: Mailing.NOW, Choice.DIGEST: Mailing.DIGEST}.get(choice, Mailing.NONE)


def mail_key(notification_id: int) -> str:
    """Return the key in the outbox of the mail about one notification."""
    return f"notice:{notification_id}"


@transaction.atomic
def take_back(*, prefix: str) -> int:
    """Forget notifications that nobody could have seen yet, by the beginning of their key.

    For what is undone before its `at`: it may happen again, and is told then. Return how many.
    """
    unseen = Notification.objects.filter(key__startswith=prefix, visible_from__gt=timezone.now())
    ids = list(unseen.select_for_update().values_list("pk", flat=True))
    OutboxMail.objects.filter(
        key__in=[mail_key(pk) for pk in ids], state=MailState.WAITING
    ).delete()
    return Notification.objects.filter(pk__in=ids).delete()[0]


def writers_of(organization: Organization | int) -> list[User]:
    """Return who may write and answer for an organization: its owners and editors."""
    rows = Membership.objects.active().filter(
        organization=organization,
        role__in=(MembershipRole.OWNER, MembershipRole.EDITOR),
        user__is_active=True,
    )
    return [member.user for member in rows.select_related("user").order_by("pk")]


def owners_of(organization: Organization | int) -> list[User]:
    """Return who answers for an organization itself, its members and its evidence."""
    rows = Membership.objects.active().filter(
        organization=organization, role=MembershipRole.OWNER, user__is_active=True
    )
    return [member.user for member in rows.select_related("user").order_by("pk")]


def operators() -> list[User]:
    return list(User.objects.filter(is_operator=True, is_active=True).order_by("pk"))


# --- Reading --------------------------------------------------------------------------------------


def visible_to(user: User) -> QuerySet[Notification]:
    """Return what `user` may be shown now; the texts are still to be written."""
    return Notification.objects.filter(
        user=user, visible_from__lte=timezone.now(), is_gone=False, kind__in=list(_kinds)
    )


def unread_count(user: User) -> int:
    return visible_to(user).filter(read_at=None).count()


def write_all(user: User, notifications: Iterable[Notification]) -> dict[int, Notice]:
    """Write what is still true and the reader's business, by the notification's key.

    Each app is asked once, whatever the number of rows. Call it in the reader's language.
    """
    by_loader: dict[Loader, list[Notification]] = defaultdict(list)
    for notification in notifications:
        kind = _kinds.get(notification.kind)
        if kind is not None:
            by_loader[kind.load].append(notification)
    written: dict[int, Notice] = {}
    for load, rows in by_loader.items():
        known = load(user, rows)
        for notification in rows:
            notice = _kinds[notification.kind].write(notification, known)
            if notice is not None:
                written[notification.pk] = notice
    return written


def settle(user: User, notifications: Sequence[Notification]) -> dict[int, Notice]:
    """Write notifications, and put away for good what is no longer true or none of the reader's."""
    written = write_all(user, notifications)
    gone = [row.pk for row in notifications if row.pk not in written]
    if gone:
        rows = Notification.objects.filter(pk__in=gone)
        rows.filter(read_at=None).update(read_at=timezone.now())
        rows.update(is_gone=True)
    return written


@dataclass(frozen=True)
class Shown:
    """A notification with its text."""

    row: Notification
    notice: Notice


def read(
    user: User, fetch: Callable[[], Sequence[Notification]], *, rounds: int = 4
) -> list[Shown]:
    """Return what `fetch` finds, with texts; it is asked again when some of it was put away.

    Not for ever: after so many rounds the page is as short as it is.
    """
    rows: Sequence[Notification] = ()
    written: dict[int, Notice] = {}
    for _round in range(rounds):
        rows = fetch()
        written = settle(user, rows)
        if len(written) == len(rows):
            break
    return [Shown(row, written[row.pk]) for row in rows if row.pk in written]


def mark_read(notifications: QuerySet[Notification]) -> int:
    """Mark what is unread among them as read. Return how many."""
    return notifications.filter(read_at=None).update(read_at=timezone.now())


def forget_old(*, limit: int = 5000) -> int:
    """Delete notifications that are read for long, or were never read. Return how many."""
    now = timezone.now()
    old: list[int] = []
    for rows in (
        Notification.objects.filter(read_at__lt=now - READ_KEPT, created_at__lt=now - READ_KEPT),
        Notification.objects.filter(created_at__lt=now - UNREAD_KEPT),
    ):
        old += rows.order_by("created_at").values_list("pk", flat=True)[:limit]
    return Notification.objects.filter(pk__in=old).delete()[0]


# --- What somebody chose --------------------------------------------------------------------------


def mail_hours(user: User) -> MailHours:
    """Return at which hours `user` wants mails; unsaved defaults for who never chose."""
    return MailHours.objects.filter(user=user).first() or MailHours(user=user)


def choice_of(user: User, kind: Kind) -> Choice:
    row = NotificationPreference.objects.filter(user=user, kind=kind.code).first()
    return _allowed(kind, row.choice if row is not None else kind.mail)


def choices_of(user: User) -> dict[str, Choice]:
    """Return how `user` is told of every kind, by its code."""
    chosen = dict(NotificationPreference.objects.filter(user=user).values_list("kind", "choice"))
    return {kind.code: _allowed(kind, chosen.get(kind.code, kind.mail)) for kind in kinds()}


def _allowed(kind: Kind, choice: str) -> Choice:
    # A kind may have become one that somebody waits for since it was muted.
    return Choice(choice) if Choice(choice) in kind.choices else Choice.OFF


@transaction.atomic
def choose(*, user: User, choices: dict[str, Choice]) -> None:
    """Keep how `user` wants to be told, by code of a kind, and let it hold for mails on their way.

    Raises `ValueError` for a choice that a kind does not offer.
    """
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    present = choices_of(user)
    for code, choice in choices.items():
        if choice not in _kinds[code].choices:
            raise ValueError(f"{code} cannot be {choice}")
        if choice == present[code]:
            continue
        NotificationPreference.objects.update_or_create(
            user=user, kind=code, defaults={"choice": choice}
        )
        waiting = Notification.objects.filter(user=user, kind=code, read_at=None)
        if choice != Choice.NOW:
            _stop_mails(waiting, Mailing.DIGEST if choice == Choice.DIGEST else Mailing.NONE)
        if choice in (Choice.OFF, Choice.MUTED):
            # Also one whose sending has failed before: it is not written again.
            waiting.exclude(mailing=Mailing.NONE).update(mailing=Mailing.NONE)
        if choice == Choice.MUTED:
            mark_read(waiting)


def stop_mails(*, user: User, kind: Kind | None) -> None:
    """Tell `user` of a kind on the page only; None: of all that goes into the daily mail."""
    choices = choices_of(user)
    if kind is None:
        ended = [code for code, choice in choices.items() if choice == Choice.DIGEST]
    else:
        # What is muted altogether stays so.
        ended = [kind.code] if choices[kind.code] in (Choice.NOW, Choice.DIGEST) else []
    choose(user=user, choices=dict.fromkeys(ended, Choice.OFF))


def _stop_mails(waiting: QuerySet[Notification], instead: Mailing) -> None:
    """Drop mails that nobody has begun to send. One that is being sent stays as it is."""
    ids = {
        mail_key(pk): pk for pk in waiting.filter(mailing=Mailing.NOW).values_list("pk", flat=True)
    }
    mails = OutboxMail.objects.select_for_update().filter(
        key__in=list(ids), state=MailState.WAITING, attempts=0
    )
    keys = list(mails.values_list("key", flat=True))
    OutboxMail.objects.filter(key__in=keys).update(state=MailState.DROPPED)
    Notification.objects.filter(pk__in=[ids[key] for key in keys]).update(mailing=instead)


def keep_hours(*, user: User, quiet_from: int, quiet_until: int, daily_at: int) -> None:
    """Keep at which hours `user` wants mails. Mails that wait already keep their time."""
    MailHours.objects.update_or_create(
        user=user,
        defaults={"quiet_from": quiet_from, "quiet_until": quiet_until, "daily_at": daily_at},
    )
