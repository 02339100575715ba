"""What a reviewer decides of a submitted listing; undone at once, or objected to by its owner."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.notices import notify, writers_of
from accounts.permissions import Tier, has_tie
from catalog.models import (
    APPEAL_LIMIT,
    Attachment,
    AttachmentEvent,
    Listing,
    ListingEvent,
    PublicationReview,
)
from catalog.reasons import reasons_for
from catalog.remarks import REMARK_LIMIT, fields_of
from catalog.services.moving import L, OwnSide, lock, move
from catalog.services.publication import (
    TARGETS,
    appeal_until,
    back_to_check,
    current_check,
    last_decided,
    notice_key,
    open_check,
    take_back_notices,
)
from catalog.touched import touched_since
from catalog.workflow import (
    HIGHEST,
    LOWEST,
    EventVerb,
    IllegalMove,
    ListingDecision,
    ListingStatus,
    PublicationCriterion,
    PublicationStatus,
)

APPEAL_LEAST = 10
KINDS = {
    ListingDecision.PUBLISH: "listing.published",
    ListingDecision.NEEDS_INFO: "listing.needs_info",
    ListingDecision.REJECT: "listing.rejected",
}


class JudgedBefore(Exception):
    """Whoever rejected a listing does not decide on what its owner objects."""


# --- Deciding -------------------------------------------------------------------------------------


@transaction.atomic
def decide(
    *,
    listing: L,
    actor: User,
    decision: str,
    no_interest: bool,
    reason: str = "",
    note: str = "",
    questions: Mapping[str, str] | None = None,
    criteria: Mapping[str, int | None] | None = None,
    version: int | None = None,
) -> L:
    """Publish a submitted listing, ask for more, or refuse it.

    `version` is the one that was read: another one must not be published unseen. `questions` are
    by field of the form, `criteria` points by `PublicationCriterion`, `no_interest` the statement
    that the reviewer has none in the owner.

    Raises `OwnSide` for a person with a tie to the owner, `JudgedBefore` for who rejected what is
    objected to, `ValidationError` by field for what is missing or out of bounds, `IllegalMove` when
    somebody was faster.
    """
    listing = lock(listing)
    if has_tie(actor, [listing.owner_id]):
        raise OwnSide
    if listing.status != ListingStatus.SUBMITTED:
        raise IllegalMove(
            _("This listing has been handled meanwhile: it is “%(status)s” now.")
            % {"status": listing.get_status_display()}
        )
    if version is not None and listing.version != version:
        raise IllegalMove(
            _(
                "Version %(version)d has just been submitted. Please read it; your note is "
                "still in the form."
            )
            % {"version": listing.version}
        )
    row = current_check(listing)
    if rejected_before(row, actor):
        raise JudgedBefore
    if decision == ListingDecision.PUBLISH:
        reason = ""
    asked = {name: text.strip() for name, text in (questions or {}).items() if text.strip()}
    points = {name: value for name, value in (criteria or {}).items() if value is not None}
    _check(listing, decision, reason, note, asked, points, no_interest=no_interest)

    now = timezone.now()
    row.move_to(PublicationStatus.SUBMITTED)
    row.decided_by, row.decision, row.reason, row.note = actor, decision, reason, note.strip()
    row.questions, row.criteria, row.stated_at = asked, points, now
    if decision == ListingDecision.PUBLISH:
        listing = _publish(listing, actor=actor, note=note)
    else:
        listing = move(
            listing, TARGETS[ListingDecision(decision)], actor=actor, reason=reason, note=note
        )
    # Whatever changes the listing later than this was somebody's act on the decision.
    row.closed_at = timezone.now()
    row.save(
        update_fields=(
            *("status", "decided_by", "decision", "reason", "note", "questions", "criteria"),
            *("stated_at", "closed_at"),
        )
    )
    _tell(listing, row)
    return listing


def _check(
    listing: Listing,
    decision: str,
    reason: str,
    note: str,
    questions: Mapping[str, str],
    criteria: Mapping[str, int],
    *,
    no_interest: bool,
) -> None:
    """Raise `ValidationError` by field for everything that is missing or out of bounds."""
    if decision not in ListingDecision.values:
        raise ValidationError({"decision": _("Please choose a decision.")})
    found: dict[str, str] = {}
    if decision != ListingDecision.PUBLISH:
        entries = {entry.code: entry for entry in reasons_for("listing", decision)}
        if reason not in entries:
            found["reason"] = _("Please choose a reason.")
        elif entries[reason].needs_comment and not note.strip():
            found["note"] = _("Please say the reason in a sentence.")
    if decision == ListingDecision.NEEDS_INFO and not questions and not note.strip():
        found.setdefault(
            "note", _("Please ask a question at a field, or say here what is missing.")
        )
    for name, text in questions.items():
        if name not in fields_of(listing.kind):
            found["questions"] = _("“%(name)s” is no field of this list's form.") % {
                "name": name[:40]
            }
        elif len(text) > REMARK_LIMIT:
            found["questions"] = _("At most %(limit)d characters; this has %(count)d.") % {
                "limit": REMARK_LIMIT,
                "count": len(text),
            }
    for criterion, value in criteria.items():
        if criterion not in PublicationCriterion.values:
            found["criteria"] = _("“%(name)s” is none of the criteria.") % {"name": criterion[:40]}
        elif type(value) is not int or not LOWEST <= value <= HIGHEST:
            found["criteria"] = _("Please give %(lowest)d to %(highest)d points.") % {
                "lowest": LOWEST,
                "highest": HIGHEST,
            }
    if no_interest is not True:
        found["no_interest"] = _(
            "Please state that you have no interest in the organization that wrote this listing."
        )
    if found:
        raise ValidationError(found)


def rejected_before(row: PublicationReview, actor: User) -> bool:
    """Say whether `actor` made the rejection that this check's owner objects to."""
    if not row.appeal:
        return False
    events = ListingEvent.objects.filter(
        demand=row.demand_id, achievement=row.achievement_id, after=ListingStatus.REJECTED
    )
    return events.filter(actor=actor).exists()


def _publish(listing: L, *, actor: User, note: str) -> L:
    """Make a locked, submitted listing live."""
    if listing.valid_until is not None and listing.valid_until < timezone.localdate():
        raise ValidationError(_("It is valid until a day that has passed; it cannot be published."))
    listing.published_at = timezone.now()
    # The files that could be read while it was decided. What is for an introduced side alone was
    # not among them, nor what waits for the virus scan.
    files = Attachment.objects.of(listing).served().filter(checked_at=None)
    files.filter(tier__lte=Tier.MANAGERS).update(checked_at=listing.published_at)
    return move(listing, ListingStatus.PUBLISHED, actor=actor, note=note, save=("published_at",))


def _tell(listing: Listing, row: PublicationReview) -> None:
    """Tell the owner's side, once the minutes are over in which it can be undone."""
    assert row.closed_at is not None
    for user in writers_of(listing.owner):
        notify(
            kind=KINDS[ListingDecision(row.decision)],
            user=user,
            # Undone and decided anew it is another one.
            key=f"{notice_key(row)}{row.closed_at:%Y%m%d%H%M%S%f}:{user.pk}",
            payload={"kind": listing.kind, "listing": listing.pk},
            at=row.closed_at + dt.timedelta(minutes=settings.UNDO_MINUTES),
        )


# --- Undoing --------------------------------------------------------------------------------------


def undo_until(row: PublicationReview) -> dt.datetime | None:
    """Return until when a decision can be undone, None for a check that is not decided."""
    if row.status != PublicationStatus.SUBMITTED or row.closed_at is None:
        return None
    return row.closed_at + dt.timedelta(minutes=settings.UNDO_MINUTES)


def why_final(row: PublicationReview, listing: Listing) -> str:
    """Say in a sentence why a decision cannot be undone now, "" where it can."""
    until = undo_until(row)
    if until is None:
        return _("There is no decision to undo.")
    if timezone.now() > until:
        return _("A decision can be undone for %(minutes)d minutes; they are over.") % {
            "minutes": settings.UNDO_MINUTES
        }
    assert row.closed_at is not None
    acted = (
        listing.version != row.version
        or listing.status != TARGETS[ListingDecision(row.decision)]
        or listing.updated_at > row.closed_at
        or AttachmentEvent.objects.filter(
            **{listing.kind: listing}, created_at__gt=row.closed_at
        ).exists()
    )
    if acted:
        return _("The owner has acted on this decision; it cannot be undone any more.")
    if row.decision == ListingDecision.PUBLISH and touched_since(
        listing.kind, listing.pk, row.closed_at
    ):
        return _("Somebody has acted on one of its matches; it cannot be undone any more.")
    return ""


@transaction.atomic
def undo(*, publication: PublicationReview, actor: User) -> PublicationReview:
    """Take one's own decision back while nobody has acted on it: the listing is submitted again.

    What was written stays in the row, for the form to begin from; the owner is not told of
    either. Raises `OwnSide` for a tie that has come up meanwhile, `IllegalMove` when it is too late
    or was not this person's decision.
    """
    listing = lock(publication.listing)
    row = PublicationReview.objects.select_for_update(of=("self",)).get(pk=publication.pk)
    if row.decided_by_id != actor.pk or row.status != PublicationStatus.SUBMITTED:
        raise IllegalMove(_("There is no decision to undo."))
    if sentence := why_final(row, listing):
        raise IllegalMove(sentence)
    if has_tie(actor, [listing.owner_id]):
        raise OwnSide
    row.move_to(PublicationStatus.ASSIGNED)
    row.decided_by = row.closed_at = row.stated_at = None
    row.save(update_fields=("status", "decided_by", "closed_at", "stated_at"))
    take_back_notices(row)
    back_to_check(listing, actor=actor, verb=EventVerb.UNDONE)
    setattr(row, row.kind, listing)
    return row


def undone_by(row: PublicationReview) -> int | None:
    """Return who undid the decision that an open check holds, None for one that holds none."""
    if not row.decision:
        return None
    events = ListingEvent.objects.filter(
        demand=row.demand_id, achievement=row.achievement_id, verb=EventVerb.UNDONE
    )
    return events.order_by("-pk").values_list("actor", flat=True).first()


# --- Objecting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objection:
    """Whether the owner of a rejected listing can still object, and until when."""

    until: dt.date
    # Why not, "" where they can.
    refusal: str


def objection_to(listing: Listing) -> Objection | None:
    """Return how it stands with an objection; None for a listing that is not rejected."""
    return objections_to(listing.kind, [listing]).get(listing.pk)


def objections_to(kind: str, listings: Iterable[Listing]) -> dict[int, Objection]:
    """Return the same for the rejected ones of a list of listings, by their key; one query."""
    rejected = [one.pk for one in listings if one.status == ListingStatus.REJECTED]
    if not rejected:
        return {}
    last: dict[int, PublicationReview] = {}
    objected: set[int] = set()
    rows = PublicationReview.objects.filter(**{f"{kind}__in": rejected})
    for row in rows.order_by(F("closed_at").asc(nulls_first=True), "pk"):
        pk: int = getattr(row, f"{kind}_id")
        if row.appeal:
            objected.add(pk)
        if row.status == PublicationStatus.SUBMITTED:
            last[pk] = row
    found = {pk: _objection(row, objected=pk in objected) for pk, row in last.items()}
    return {pk: one for pk, one in found.items() if one is not None}


def _objection(row: PublicationReview, *, objected: bool) -> Objection | None:
    if row.decision != ListingDecision.REJECT:
        return None
    until = appeal_until(row)
    refusal = ""
    if objected:
        refusal = _("It was looked at a second time after your objection. This decision is final.")
    elif until < timezone.localdate():
        refusal = _("The time for an objection is over.")
    return Objection(until, refusal)


@transaction.atomic
def appeal(*, listing: L, actor: User, text: str) -> L:
    """Object once to a rejection: somebody else looks at the same version again.

    Raises `ValidationError` by field for a text that is too short or too long, `IllegalMove` when
    it is not rejected, was objected to before, or the time is over.
    """
    listing = lock(listing)
    objection = objection_to(listing)
    if objection is None:
        raise IllegalMove(
            _("This listing is “%(status)s”; there is nothing to object to.")
            % {"status": listing.get_status_display()}
        )
    if objection.refusal:
        raise IllegalMove(objection.refusal)
    text = text.strip()
    if not APPEAL_LEAST <= len(text) <= APPEAL_LIMIT:
        raise ValidationError(
            {
                "text": _("Please write %(least)d to %(most)d characters.")
                % {"least": APPEAL_LEAST, "most": APPEAL_LIMIT}
            }
        )
    listing.submitted_at = timezone.now()
    move(
        listing,
        ListingStatus.SUBMITTED,
        actor=actor,
        verb=EventVerb.APPEALED,
        note=text,
        save=("submitted_at",),
    )
    open_check(listing, appeal=text)
    return listing


def asked_of(listing: Listing) -> PublicationReview | None:
    """Return the check whose questions the owner has before them, None where nothing is asked."""
    if listing.status not in (ListingStatus.NEEDS_INFO, ListingStatus.REJECTED):
        return None
    row = last_decided(listing)
    return row if row is not None and row.version == listing.version else None


def asked_before(listing: Listing) -> PublicationReview | None:
    """Return the check that sent an earlier version back, for who checks what came of it."""
    rows = PublicationReview.objects.of(listing).filter(
        status=PublicationStatus.SUBMITTED,
        decision=ListingDecision.NEEDS_INFO,
        version__lt=listing.version,
    )
    return rows.order_by("-pk").first()
