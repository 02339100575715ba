"""Certified technology managers: application, certification, renewal, suspension, expiry.

Every function locks the profile, checks, saves, leaves an `AccountEvent`, and tells whoever has to
act on it by `managers_changed` after the commit. It raises `Refused` with a sentence for the person
when the step is not possible now.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from typing import IO, Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.conflicts import announce
from accounts.evidence import FOLDER, note_virus, remove, store
from accounts.files.taking import VirusFound, taken_in
from accounts.models import (
    AccountEvent,
    Evidence,
    EvidenceKind,
    ManagerProfile,
    ManagerStatus,
    Membership,
    Organization,
    Renewal,
    RenewalStatus,
    User,
)
from accounts.notices import notify
from accounts.services import Refused, add_past_employment, record
from accounts.signals import managers_changed, tell

Verb = AccountEvent.Verb
# What stands on the certificate, and where the manager works.
CERTIFICATE_FIELDS = ("grade", "certificate_no", "issuer", "valid_from", "valid_until")
SCOPE_FIELDS = ("classes", "regions")
MANAGER_FIELDS = (*CERTIFICATE_FIELDS, *SCOPE_FIELDS, "capacity")
# Days before a certificate runs out at which its manager is reminded.
REMIND_DAYS = 30


def fingerprint(profile: ManagerProfile) -> str:
    """Say in a few characters what an operator has seen of a manager: entries, files, renewal."""
    seen = [str(getattr(profile, name)) for name in MANAGER_FIELDS]
    files = profile.evidence.present().order_by("pk").values_list("pk", flat=True)
    renewals = profile.renewals.filter(status=RenewalStatus.OPEN).values_list("pk", flat=True)
    text = "\x1f".join([profile.status, *seen, str(list(files)), str(list(renewals))])
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _certificate_taken() -> Refused:
    return Refused(_("This certificate number belongs to another technology manager here."))


def _lock(profile: ManagerProfile) -> ManagerProfile:
    return (
        ManagerProfile.objects.select_for_update(of=("self",))
        .select_related("user")
        .get(pk=profile.pk)
    )


# --- Application ----------------------------------------------------------------------------------


@transaction.atomic
def apply_as_manager(*, actor: User, content: Mapping[str, Any]) -> ManagerProfile:
    """Apply for certification, or correct an application that is not decided yet.

    Organizations that the person was a member of before become past employers by themselves.
    """
    User.objects.select_for_update().get(pk=actor.pk)
    profile = ManagerProfile.objects.select_for_update().filter(user=actor).first()
    if profile is not None and profile.status in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED):
        raise Refused(_("You are a certified technology manager already."))
    if profile is not None and profile.status == ManagerStatus.SUSPENDED and profile.certified_at:
        raise Refused(
            _(
                "Your certification is suspended. Only an operator can lift that; "
                "please write to us."
            )
        )
    if profile is None:
        profile = ManagerProfile(user=actor)
    for name in MANAGER_FIELDS:
        setattr(profile, name, content[name])
    profile.status, profile.status_reason = ManagerStatus.PENDING, ""
    try:
        with transaction.atomic():
            profile.save()
    except IntegrityError:
        raise _certificate_taken() from None
    record(Verb.APPLIED, actor=actor, subject=actor, note=profile.certificate_no)

    once = AccountEvent.objects.filter(
        subject=actor, verb__in=(Verb.JOINED, Verb.REGISTERED), organization__isnull=False
    ).values("organization")
    now = Membership.objects.filter(user=actor).values("organization")
    for organization in Organization.objects.filter(pk__in=once).exclude(pk__in=now):
        add_past_employment(profile, organization)
    announce(users=[actor.pk])
    return profile


# --- Evidence -------------------------------------------------------------------------------------


def add_certificate_file(
    *, profile: ManagerProfile, actor: User, purpose: str, upload: IO[bytes], name: str
) -> Evidence:
    """Check a file and keep it for the operators; the manager's own act.

    Raises `ValidationError` with one sentence.
    """
    try:
        with taken_in(upload, name=name, folder=FOLDER) as kept, transaction.atomic():
            profile = _lock_own(profile, actor)
            return store(profile, kept, actor=actor, purpose=purpose)
    except VirusFound as found:
        note_virus(profile, actor, found, name)
        raise


def _lock_own(profile: ManagerProfile, actor: User) -> ManagerProfile:
    profile = _lock(profile)
    if profile.user_id != actor.pk:
        raise Refused(_("Only the technology manager does this."))
    return profile


@transaction.atomic
def remove_certificate_file(*, evidence: Evidence, actor: User) -> None:
    """Delete a file that nobody was certified by; its row stays.

    What an operator has certified by is kept: later on somebody may ask what was seen.
    """
    assert evidence.profile is not None  # the caller found it through its profile
    profile = _lock_own(evidence.profile, actor)
    found = profile.evidence.present().select_related("renewal").filter(pk=evidence.pk).first()
    if found is None:
        raise Refused(_("This file has just been removed."))
    if why := why_kept(found, profile):
        raise Refused(why)
    remove(found, actor=actor)


def why_kept(evidence: Evidence, profile: ManagerProfile) -> str:
    """Say in a sentence why the manager cannot remove a file of theirs, "" where they can."""
    renewal = evidence.renewal
    if renewal is not None and renewal.status == RenewalStatus.OPEN:
        return _("This file belongs to an open request. Withdraw the request first.")
    if renewal is not None:
        certified_by = renewal.status == RenewalStatus.CONFIRMED
    else:
        certified_by = (
            profile.certified_at is not None and evidence.added_at <= profile.certified_at
        )
    return _("You were certified by this file, so it stays.") if certified_by else ""


# --- Certification --------------------------------------------------------------------------------


def _decidable(profile: ManagerProfile, actor: User, seen: str | None = None) -> ManagerProfile:
    """Lock the profile and make sure that `actor` may decide on what they have seen."""
    profile = _lock(profile)
    if not actor.is_operator:
        raise Refused(_("Only operators certify technology managers."))
    if profile.user_id == actor.pk:
        raise Refused(_("Nobody decides on themselves; another operator has to."))
    if seen is not None and seen != fingerprint(profile):
        raise Refused(
            _(
                "These entries have changed since you opened the page, or another operator has "
                "answered. Nothing was saved; please look again."
            )
        )
    return profile


def _check_days(first: dt.date, last: dt.date) -> None:
    if last < first:
        raise Refused(_("The last day is before the first one."))
    if last < timezone.localdate():
        raise Refused(_("This certificate has expired already."))


@transaction.atomic
def certify_manager(
    *, profile: ManagerProfile, actor: User, seen: str, content: Mapping[str, Any]
) -> ManagerProfile:
    """Certify an applicant with what the certificate shows.

    `content` has the `CERTIFICATE_FIELDS` and the capacity, as the operator read them; `seen` is
    the `fingerprint` of what was shown.
    """
    profile = _decidable(profile, actor)
    if profile.status in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED):
        raise Refused(_("This technology manager is certified already."))
    if profile.status == ManagerStatus.SUSPENDED and profile.certified_at:
        raise Refused(_("This technology manager is suspended; lift the suspension instead."))
    profile = _decidable(profile, actor, seen)
    _check_days(content["valid_from"], content["valid_until"])
    for name in (*CERTIFICATE_FIELDS, "capacity"):
        setattr(profile, name, content[name])
    profile.status, profile.status_reason = ManagerStatus.CERTIFIED, ""
    profile.certified_at = timezone.now()
    _save(profile, *CERTIFICATE_FIELDS, "capacity", "status", "status_reason", "certified_at")
    record(Verb.CERTIFIED, actor=actor, subject=profile.user, note=_grade_and_days(profile))
    _tell_certified(profile)
    tell(managers_changed, [profile.user_id])
    return profile


def _save(profile: ManagerProfile, *fields: str) -> None:
    """Save the fields; a certificate number that somebody else has is refused."""
    try:
        with transaction.atomic():
            profile.save(update_fields=fields)
    except IntegrityError:
        raise _certificate_taken() from None


def _grade_and_days(profile: ManagerProfile | Renewal) -> str:
    return f"{profile.get_grade_display()} · {profile.valid_from} – {profile.valid_until}"


def _tell_certified(profile: ManagerProfile) -> None:
    notify(
        kind="manager.certified",
        user=profile.user,
        key=f"manager.certified:{profile.pk}:{timezone.now().isoformat()}",
        payload={"profile": profile.pk},
    )


@transaction.atomic
def suspend_manager(*, profile: ManagerProfile, actor: User, reason: str) -> ManagerProfile:
    """Suspend a certified manager, or turn an application down. They read the reason."""
    profile = _decidable(profile, actor)
    if profile.status == ManagerStatus.SUSPENDED:
        raise Refused(_("This technology manager is suspended already."))
    if not reason:
        raise Refused(_("Please write the reason; the technology manager reads it."))
    profile.status, profile.status_reason = ManagerStatus.SUSPENDED, reason
    profile.save(update_fields=("status", "status_reason"))
    record(Verb.SUSPENDED, actor=actor, subject=profile.user, note=reason)
    notify(
        kind="manager.suspended",
        user=profile.user,
        key=f"manager.suspended:{profile.pk}:{timezone.now().isoformat()}",
        payload={"profile": profile.pk},
    )
    tell(managers_changed, [profile.user_id])
    return profile


@transaction.atomic
def lift_suspension(*, profile: ManagerProfile, actor: User, note: str) -> ManagerProfile:
    """Let a suspended manager work again. `note`, why, stays in the history."""
    profile = _decidable(profile, actor)
    if profile.status != ManagerStatus.SUSPENDED or profile.certified_at is None:
        raise Refused(_("This technology manager is not suspended."))
    if not note:
        raise Refused(_("Please write why the suspension is lifted."))
    expired = profile.valid_until is not None and profile.valid_until < timezone.localdate()
    profile.status = ManagerStatus.EXPIRED if expired else ManagerStatus.CERTIFIED
    profile.status_reason = ""
    profile.save(update_fields=("status", "status_reason"))
    record(Verb.LIFTED, actor=actor, subject=profile.user, note=note)
    if not expired:
        _tell_certified(profile)
    tell(managers_changed, [profile.user_id])
    return profile


@transaction.atomic
def set_capacity(*, profile: ManagerProfile, actor: User, capacity: int) -> ManagerProfile:
    """Change how many reviews a manager has at once: their own act, or an operator's."""
    profile = _lock(profile) if profile.user_id == actor.pk else _decidable(profile, actor)
    if profile.capacity == capacity:
        return profile
    before, profile.capacity = profile.capacity, capacity
    profile.save(update_fields=("capacity",))
    record(
        Verb.CHANGED,
        actor=actor,
        subject=profile.user,
        note=_("Open reviews at most: %(before)d → %(after)d")
        % {"before": before, "after": capacity},
    )
    tell(managers_changed, [profile.user_id])
    return profile


# --- Renewal --------------------------------------------------------------------------------------


def ask_renewal(
    *,
    profile: ManagerProfile,
    actor: User,
    content: Mapping[str, Any],
    upload: IO[bytes],
    name: str,
) -> Renewal:
    """Ask for what a newer certificate says, with the certificate. Until then the old one holds.

    `content` has the `CERTIFICATE_FIELDS` and `SCOPE_FIELDS`. Raises `ValidationError` for a file
    that is not taken.
    """
    _check_renewable(profile, content)
    try:
        with taken_in(upload, name=name, folder=FOLDER) as kept, transaction.atomic():
            profile = _lock_own(profile, actor)
            _check_renewable(profile, content)
            renewal = Renewal.objects.create(
                profile=profile,
                **{name: content[name] for name in (*CERTIFICATE_FIELDS, *SCOPE_FIELDS)},
            )
            store(profile, kept, actor=actor, purpose=EvidenceKind.CERTIFICATE, renewal=renewal)
            record(Verb.RENEW_ASKED, actor=actor, subject=actor, note=_grade_and_days(renewal))
            return renewal
    except VirusFound as found:
        note_virus(profile, actor, found, name)
        raise


def _check_renewable(profile: ManagerProfile, content: Mapping[str, Any]) -> None:
    if profile.status not in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED):
        raise Refused(_("Only a certified technology manager renews a certificate."))
    if profile.renewals.filter(status=RenewalStatus.OPEN).exists():
        raise Refused(_("You have asked for a renewal already; it is being checked."))
    _check_days(content["valid_from"], content["valid_until"])
    others = ManagerProfile.objects.exclude(pk=profile.pk)
    if others.filter(certificate_no=content["certificate_no"]).exists():
        raise _certificate_taken()


@transaction.atomic
def recall_renewal(*, renewal: Renewal, actor: User) -> Renewal:
    """Withdraw one's request, and its files, which may then be handed in again."""
    profile = _lock_own(renewal.profile, actor)
    renewal = _open(renewal)
    for file in profile.evidence.present().filter(renewal=renewal):
        remove(file, actor=actor)
    _settle(renewal, RenewalStatus.RECALLED, actor=actor, answer="")
    record(Verb.RENEW_RECALLED, actor=actor, subject=profile.user, note=_grade_and_days(renewal))
    return renewal


@transaction.atomic
def confirm_renewal(*, renewal: Renewal, actor: User, seen: str) -> Renewal:
    """Give the manager what the newer certificate says. An operator's act, not of themselves."""
    profile = _decidable(renewal.profile, actor)
    renewal = _open(renewal)
    profile = _decidable(profile, actor, seen)
    if profile.status not in (ManagerStatus.CERTIFIED, ManagerStatus.EXPIRED):
        raise Refused(_("This technology manager is suspended; lift the suspension first."))
    _check_days(renewal.valid_from, renewal.valid_until)
    fields = (*CERTIFICATE_FIELDS, *SCOPE_FIELDS)
    certified_from = _certified_from(profile, renewal)
    for name in fields:
        setattr(profile, name, getattr(renewal, name))
    profile.valid_from = certified_from
    profile.status = ManagerStatus.CERTIFIED
    profile.certified_at = timezone.now()
    _save(profile, *fields, "status", "certified_at")
    _settle(renewal, RenewalStatus.CONFIRMED, actor=actor, answer="")
    record(Verb.RENEWED, actor=actor, subject=profile.user, note=_grade_and_days(renewal))
    _tell_renewal(renewal)
    tell(managers_changed, [profile.user_id])
    return renewal


def _certified_from(profile: ManagerProfile, renewal: Renewal) -> dt.date | None:
    """Return the first day of both certificates, where the newer one follows without a gap.

    It is often confirmed before it begins, and its manager is certified all that time.
    """
    last = profile.valid_until
    if last is not None and last + dt.timedelta(days=1) < renewal.valid_from:
        return renewal.valid_from
    return profile.valid_from and min(profile.valid_from, renewal.valid_from)


@transaction.atomic
def refuse_renewal(*, renewal: Renewal, actor: User, reason: str) -> Renewal:
    """Keep to the old certificate, with a reason that the manager reads."""
    profile = _decidable(renewal.profile, actor)
    renewal = _open(renewal)
    if not reason:
        raise Refused(_("Please write the reason; the technology manager reads it."))
    _settle(renewal, RenewalStatus.REFUSED, actor=actor, answer=reason)
    record(Verb.RENEW_REFUSED, actor=actor, subject=profile.user, note=reason)
    _tell_renewal(renewal)
    return renewal


def _open(renewal: Renewal) -> Renewal:
    """Read the request again. The caller holds its profile."""
    rows = Renewal.objects.select_related("profile__user")
    found = rows.filter(pk=renewal.pk, status=RenewalStatus.OPEN).first()
    if found is None:
        raise Refused(_("This request has been answered or withdrawn meanwhile."))
    return found


def _settle(renewal: Renewal, status: RenewalStatus, *, actor: User, answer: str) -> None:
    renewal.status, renewal.decided_by, renewal.answer = status, actor, answer
    renewal.decided_at = timezone.now()
    renewal.save(update_fields=("status", "decided_by", "decided_at", "answer"))


def _tell_renewal(renewal: Renewal) -> None:
    notify(
        kind="manager.renewal",
        user=renewal.profile.user,
        key=f"manager.renewal:{renewal.pk}",
        payload={"profile": renewal.profile_id, "renewal": renewal.pk},
    )


# --- Run by tasks ---------------------------------------------------------------------------------


def watch_certificates(*, today: dt.date | None = None) -> int:
    """Remind of certificates that run out within `REMIND_DAYS`, and close those that have.

    Each is reminded of once; a manager who has asked for a renewal is not. A certificate that is
    over counts for nothing from midnight on; this is when its reviews are taken to others. Also
    told again are those that have begun today. Safe to run as often as you like; return how many
    were closed.
    """
    today = today or timezone.localdate()
    rows = ManagerProfile.objects.filter(status=ManagerStatus.CERTIFIED, user__is_active=True)
    soon = rows.filter(
        valid_until__gte=today, valid_until__lte=today + dt.timedelta(days=REMIND_DAYS)
    ).exclude(renewals__status=RenewalStatus.OPEN)
    for profile in soon.select_related("user").order_by("pk"):
        with transaction.atomic():
            notify(
                kind="manager.expiring",
                user=profile.user,
                key=f"manager.expiring:{profile.pk}:{profile.valid_until}",
                payload={"profile": profile.pk, "valid_until": str(profile.valid_until)},
            )
    closed = 0
    over = ManagerProfile.objects.filter(status=ManagerStatus.CERTIFIED, valid_until__lt=today)
    for pk in over.order_by("pk").values_list("pk", flat=True):
        closed += _close(pk, today)
    begun = rows.filter(valid_from=today).values_list("user", flat=True)
    tell(managers_changed, begun)
    return closed


@transaction.atomic
def _close(pk: int, today: dt.date) -> bool:
    rows = ManagerProfile.objects.select_for_update(of=("self",)).select_related("user")
    profile = rows.filter(pk=pk, status=ManagerStatus.CERTIFIED, valid_until__lt=today).first()
    if profile is None:  # renewed or closed meanwhile
        return False
    profile.status = ManagerStatus.EXPIRED
    profile.save(update_fields=("status",))
    record(Verb.EXPIRED, actor=None, subject=profile.user, note=str(profile.valid_until))
    notify(
        kind="manager.expiring",
        user=profile.user,
        key=f"manager.expired:{profile.pk}:{profile.valid_until}",
        payload={"profile": profile.pk, "valid_until": str(profile.valid_until)},
    )
    tell(managers_changed, [profile.user_id])
    return True
