"""What the status of a match means for one side: in plain words, what comes next, and by when.

No sentence here tells who the other side is, and none tells which manager had the match before.
Listings and matches answer alike; see `catalog.answers` for the former.
"""

from __future__ import annotations

from dataclasses import replace

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.templatetags.kq import day
from accounts.workdays import add_working_days
from catalog import reasons
from catalog.answers import Answer, Way
from catalog.models import ReasonSubject
from catalog.workflow import ListingStatus
from matchmaking import presenting
from matchmaking.models import Appeal, Consent, Feedback, Inquiry, Match, Review
from matchmaking.services.appeals import last_day
from matchmaking.workflow import (
    OPEN,
    AppealStatus,
    Decision,
    InquiryStatus,
    MatchStatus,
    ReviewStatus,
)

# Both sides are asked to meet within so many working days of their introduction.
MEETING_DAYS = 10


def status_text(match: Match, side: str) -> Answer:
    """Say to one side how a match stands.

    Reads `consents`, `reviews` with `inquiries`, `appeals` and `feedback`; a list loads them at
    once, see `views.gates.for_lists`.
    """
    if presenting.is_gone(match):
        return Answer(
            _("One of the two listings has left the platform."),
            _("Nothing is left to do."),
        )
    if match.is_frozen and match.status in OPEN:
        return _frozen(match, side)
    match MatchStatus(match.status):
        case MatchStatus.SUGGESTED | MatchStatus.IN_REVIEW:
            return _with_managers(match, side)
        case MatchStatus.APPROVED:
            return _approved(match, side)
        case MatchStatus.INTRODUCED:
            return _introduced(match, side)
        case MatchStatus.REJECTED:
            return _rejected(match, side)
        case MatchStatus.DECLINED:
            return _declined(match, side)
        case MatchStatus.LAPSED:
            return _lapsed(match, side)
    return Answer(
        _("A newer comparison found better fits."),
        _go_on(match, side),
    )


def card_of(match: Match, side: str) -> presenting.MatchCard:
    """Prepare one row of a side's list, with what its status means."""
    return replace(presenting.match_card(match, side), answer=status_text(match, side))


def rejection_reasons(match: Match) -> list[str]:
    """Return why a match was rejected, one courteous sentence for each reason."""
    rejections = [
        review
        for review in match.reviews.all()
        if review.status == ReviewStatus.SUBMITTED and review.decision == Decision.REJECT
    ]
    if not rejections:
        return []
    last = max(rejections, key=lambda one: (one.closed_at is not None, one.closed_at, one.pk))
    return [reasons.answer(ReasonSubject.MATCH, code) for code in last.reasons]


def _way(name: str, label: str, match: Match, *, primary: bool = True) -> Way:
    return Way(label, reverse(name, args=[match.number]), primary=primary)


def _go_on(match: Match, side: str) -> str:
    """Say what a side can expect once a match is over."""
    if match.listing(side).is_live:
        return _("Your listing goes on being compared; you are asked when another one fits.")
    return _("Nothing is left to do.")


# --- Status by status ---------------------------------------------------------------------------


def _frozen(match: Match, side: str) -> Answer:
    own = match.listing(side)
    if own.is_live:
        return Answer(
            _("The other side is changing its listing."),
            _("It goes on when that is published again; you need not do anything."),
        )
    goes_on = _("The match goes on, with a full new term, when it is published again.")
    if own.status == ListingStatus.NEEDS_INFO:
        way = Way(
            _("Add what is missing"), reverse(f"{own.kind}_edit", args=[own.number]), primary=True
        )
        return Answer(
            _("Your changed listing waits for you: the reviewer needs more."), goes_on, ways=(way,)
        )
    if own.status == ListingStatus.SUSPENDED:
        return Answer(_("An operator has taken your listing off the list."), goes_on)
    return Answer(_("Your changed listing is being checked."), goes_on)


def _with_managers(match: Match, side: str) -> Answer:
    inquiry = _open_inquiry(match)
    if inquiry is not None and inquiry.side == side:
        count = len(inquiry.questions)
        return Answer(
            ngettext(
                "The manager has %(count)d question for you.",
                "The manager has %(count)d questions for you.",
                count,
            )
            % {"count": count},
            _("Answer, or change your listing. Without an answer the manager decides as it is."),
            by=inquiry.due_on,
            ways=(_way("match_questions", _("Answer the questions"), match),),
        )
    if inquiry is not None:
        return Answer(
            _("The manager has asked the other side for more."),
            _("Then the manager decides, and you are told with the reason."),
            by=inquiry.due_on,
        )
    told = _("Whatever they decide, you are told with the reason.")
    review = _open_review(match)
    by = match.due_on if review is not None else None
    appeal = _appeal_of(match, side)
    if appeal is not None and appeal.status == AppealStatus.OPEN:
        if review is None:
            what = _("Your objection is recorded; the match goes to another manager.")
        else:
            what = _("Your objection is recorded; another manager looks at the match.")
        return Answer(what, told, by=by)
    if any(one.status in (ReviewStatus.REOPENED, ReviewStatus.VOID) for one in match.reviews.all()):
        return Answer(_("The match is being looked at once more, by another manager."), told, by=by)
    if match.escalated_at is not None:
        return Answer(
            _("No manager was free in time, so an operator sees to it."),
            _("An operator gives it to a manager; then you are told with the reason."),
        )
    if review is None:
        first = _("The system found it; a technology manager of the field gets it next.")
        if match.status == MatchStatus.IN_REVIEW:
            first = _("A technology manager looks at it.")
            if match.needs_second:
                first = _("Two technology managers look at it, one after the other.")
        return Answer(first, told)
    if match.needs_second:
        # The same before and after the first of them has decided: that is theirs to tell.
        first = _("Two technology managers look at it, one after the other.")
        return Answer(first, told, by=by)
    if review.status == ReviewStatus.ASSIGNED:
        return Answer(_("A technology manager has got it to look at."), told, by=by)
    return Answer(_("A technology manager has taken it on."), told, by=by)


def _approved(match: Match, side: str) -> Answer:
    consents = _consents(match)
    if side in consents:
        return Answer(
            _("You agreed to meet; it is the other side's turn."),
            _("If they agree too, you get each other's contacts; if not, the reason."),
            by=match.due_on,
        )
    agreed = _("The other side has agreed to meet; it is your turn.")
    approved = _("A technology manager has approved it; it is your turn.")
    return Answer(
        agreed if presenting.other_side(side) in consents else approved,
        _("Agree to meet, or say why it is not suitable. Without an answer it lapses."),
        by=match.due_on,
        ways=(_way("match_consent", _("Answer now"), match),),
    )


def _introduced(match: Match, side: str) -> Answer:
    assert match.introduced_at is not None
    when = timezone.localdate(match.introduced_at)
    what = _("Both sides agreed; you were introduced on %(day)s.") % {"day": day(when)}
    given = next((one for one in _feedback(match) if one.side == side), None)
    meet_by = add_working_days(when, MEETING_DAYS)
    if given is not None:
        way = _way("match_feedback", _("Change what you said"), match, primary=False)
        said = _("You have said: %(state)s. You can change that at any time.") % {
            "state": given.get_contract_display()
        }
        return Answer(what, said, ways=(way,))
    if meet_by >= timezone.localdate():
        return Answer(
            what,
            _("Contact each other and meet; the contacts are on the match's page."),
            by=meet_by,
            ways=(_way("match_feedback", _("Say what came of it"), match, primary=False),),
        )
    return Answer(
        what,
        _("Say what came of it; it takes a minute and helps whoever comes next."),
        ways=(_way("match_feedback", _("Say what came of it"), match),),
    )


def _rejected(match: Match, side: str) -> Answer:
    why = tuple(rejection_reasons(match))
    appeal = _appeal_of(match, side)
    what = _("A technology manager did not approve it.")
    if appeal is not None and appeal.status == AppealStatus.UPHELD:
        what = _("Another manager looked at it after your objection and did not approve it either.")
    until = last_day(match)
    live = match.demand.is_live and match.achievement.is_live
    if appeal is not None or until is None or until < timezone.localdate() or not live:
        return Answer(what, _go_on(match, side), reasons=why)
    return Answer(
        what,
        _("If something was overlooked, you can object once; another manager then decides anew."),
        by=until,
        reasons=why,
        ways=(_way("match_appeal", _("Object"), match, primary=False),),
    )


def _declined(match: Match, side: str) -> Answer:
    consents = _consents(match)
    no = next((one for one in consents.values() if not one.agreed), None)
    why = "" if no is None else str(no.get_reason_display())
    if no is not None and no.side == side:
        return Answer(_("You declined: %(reason)s.") % {"reason": why}, _go_on(match, side))
    what = _("The other side declined: %(reason)s.") % {"reason": why}
    return Answer(what if why else _("The other side declined."), _go_on(match, side))


def _lapsed(match: Match, side: str) -> Answer:
    consents = _consents(match)
    live = match.demand.is_live and match.achievement.is_live
    if not live:
        return Answer(
            _("A listing left the platform before both had answered."), _go_on(match, side)
        )
    if side not in consents:
        return Answer(
            _("You did not answer in time, so it has lapsed."),
            _("When you publish a new version of your listing, it is compared again."),
        )
    return Answer(
        _("You agreed, but the other side did not answer in time, so it has lapsed."),
        _go_on(match, side),
    )


# --- What is loaded -----------------------------------------------------------------------------


def _open_review(match: Match) -> Review | None:
    return next((one for one in match.reviews.all() if one.is_open), None)


def _open_inquiry(match: Match) -> Inquiry | None:
    review = _open_review(match)
    if review is None:
        return None
    return next((one for one in review.inquiries.all() if one.status == InquiryStatus.OPEN), None)


def _appeal_of(match: Match, side: str) -> Appeal | None:
    return next((one for one in match.appeals.all() if one.side == side), None)


def _consents(match: Match) -> dict[str, Consent]:
    return {one.side: one for one in match.consents.all()}


def _feedback(match: Match) -> list[Feedback]:
    return list(match.feedback.all())
