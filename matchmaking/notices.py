"""What people are told of matches: managers, both sides, operators.

A notice tells one side nothing of the other: it names the match's number and the reader's own
listing. Managers and operators read both titles without names (`presenting.blind_title`), as the
mail leaves the platform.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.inbox import Choice, Group, Notification
from accounts.models import User
from accounts.navigation import Role
from accounts.notices import Kind, Notice, register
from accounts.permissions import is_certified_manager, writable_organizations
from accounts.templatetags.kq import day
from catalog.notices import due_title, is_due
from matchmaking.models import Appeal, Consent, Feedback, Inquiry, Match, Review
from matchmaking.presenting import blind_title
from matchmaking.workflow import (
    AppealStatus,
    Decision,
    InquiryStatus,
    MatchStatus,
    ReviewStatus,
    Side,
)


@dataclass(frozen=True)
class Known:
    """What one reader's notifications are about."""

    user: User
    matches: dict[int, Match]
    reviews: dict[int, Review]
    inquiries: dict[int, Inquiry]
    appeals: dict[int, Appeal]
    # (match, side) that have answered, and that have said what came of it.
    answered: set[tuple[int, str]]
    told: set[tuple[int, str]]
    writes_for: set[int]
    is_manager: bool

    def side(self, match: Match, side: str) -> bool:
        """Say whether the reader still speaks for this side."""
        return match.listing(side).owner_id in self.writes_for


def load(user: User, notifications: Sequence[Notification]) -> Known:
    """Read it with one query a table, each only if a notification asks for it."""
    ids: dict[str, set[int]] = defaultdict(set)
    for row in notifications:
        for key in ("match", "review", "inquiry", "appeal"):
            if key in row.payload:
                ids[key].add(row.payload[key])
    appeals = Appeal.objects.in_bulk(ids["appeal"]) if ids["appeal"] else {}
    inquiries = Inquiry.objects.in_bulk(ids["inquiry"]) if ids["inquiry"] else {}
    ids["review"] |= {row.review_id for row in inquiries.values()}
    reviews = Review.objects.in_bulk(ids["review"]) if ids["review"] else {}
    ids["match"] |= {row.match_id for row in appeals.values()}
    ids["match"] |= {row.match_id for row in reviews.values()}
    rows = Match.objects.select_related(
        "demand__owner", "achievement__owner", "demand_revision", "achievement_revision"
    )
    matches = rows.in_bulk(ids["match"])
    kinds = {row.kind for row in notifications}
    consents = Consent.objects.filter(match__in=matches).values_list("match", "side")
    feedback = Feedback.objects.filter(match__in=matches).values_list("match", "side")
    return Known(
        user=user,
        matches=matches,
        reviews=reviews,
        inquiries=inquiries,
        appeals=appeals,
        answered=set(consents) if kinds & {"match.approved", "match.answer_due"} else set(),
        told=set(feedback) if "feedback.asked" in kinds else set(),
        writes_for=set(writable_organizations(user).values_list("pk", flat=True)),
        is_manager=is_certified_manager(user),
    )


Written = Notice | None


# --- To managers ------------------------------------------------------------------------------


def _own_review(notification: Notification, known: Known) -> tuple[Review, Match] | None:
    """Return the reader's own review and its match."""
    review = known.reviews.get(notification.payload["review"])
    if review is None or review.manager_id != known.user.pk:
        return None
    return review, known.matches[review.match_id]


def _open_review(notification: Notification, known: Known) -> tuple[Review, Match] | None:
    found = _own_review(notification, known)
    return found if found and found[0].is_open and known.is_manager else None


def _review_url(match: Match) -> str:
    return reverse("match_review", args=[match.number])


def assigned(notification: Notification, known: Known) -> Written:
    found = _open_review(notification, known)
    if found is None:
        return None
    review, match = found
    return Notice(
        _("To review: %(match)s") % {"match": blind_title(match)},
        _("Both sides wait for the decision on %(number)s until %(day)s.")
        % {"number": match.number, "day": day(review.due_on)},
        _review_url(match),
    )


def review_due(notification: Notification, known: Known) -> Written:
    found = _open_review(notification, known)
    if found is None:
        return None
    review, match = found
    if review.paused_on is not None or not is_due(notification.payload, review.due_on):
        return None
    return Notice(
        due_title(notification.payload["stage"]) % {"subject": blind_title(match)},
        _("Both sides wait for the decision on %(number)s until %(day)s.")
        % {"number": match.number, "day": day(review.due_on)},
        _review_url(match),
    )


def review_taken(notification: Notification, known: Known) -> Written:
    found = _own_review(notification, known)
    if found is None or found[0].status in (
        ReviewStatus.ASSIGNED,
        ReviewStatus.ACCEPTED,
        ReviewStatus.SUBMITTED,
    ):
        return None
    match = found[1]
    why = {
        "no_response": _("The deadline has passed; a colleague has it now."),
        "conflict": _("A tie to one side was found; a colleague has it now."),
        "suspended": _("The certification does not hold now; a colleague has it."),
        "reassigned": _("An operator has given it to a colleague."),
        "reopened": _("An operator has reopened it; a colleague decides anew."),
    }[notification.payload["why"]]
    return Notice(
        _("No longer with you: the review of %(number)s") % {"number": match.number},
        why,
        reverse("review_log"),
    )


def review_answered(notification: Notification, known: Known) -> Written:
    inquiry = known.inquiries.get(notification.payload["inquiry"])
    if inquiry is None or inquiry.status not in (InquiryStatus.ANSWERED, InquiryStatus.EXPIRED):
        return None
    review = known.reviews[inquiry.review_id]
    if review.manager_id != known.user.pk or not review.is_open or not known.is_manager:
        return None
    match = known.matches[review.match_id]
    if inquiry.status == InquiryStatus.EXPIRED:
        return Notice(
            _("Questions not answered in time: %(match)s") % {"match": blind_title(match)},
            _("The clock of %(number)s runs again; decide with what you have until %(day)s.")
            % {"number": match.number, "day": day(review.due_on)},
            _review_url(match),
        )
    return Notice(
        _("Questions answered: %(match)s") % {"match": blind_title(match)},
        _("The clock of %(number)s runs again; decide until %(day)s.")
        % {"number": match.number, "day": day(review.due_on)},
        _review_url(match),
    )


# --- To a side --------------------------------------------------------------------------------


def _own_match(notification: Notification, known: Known) -> tuple[Match, str] | None:
    """Return the match and the side for which the reader may still speak."""
    match = known.matches.get(notification.payload["match"])
    side = notification.payload.get("side", "")
    if side not in Side.values:
        return None
    return (match, side) if match is not None and known.side(match, side) else None


def _words(match: Match, side: str) -> dict[str, str]:
    listing = match.listing(side)
    return {
        "number": match.number,
        "title": listing.title,
        "listing": listing.number,
        "day": day(match.due_on),
    }


def asked(notification: Notification, known: Known) -> Written:
    return _asked(notification, known, _("The reviewer has questions about “%(title)s”"))


def inquiry_due(notification: Notification, known: Known) -> Written:
    return _asked(notification, known, _("Questions about “%(title)s” still wait for an answer"))


def _asked(notification: Notification, known: Known, title: str) -> Written:
    inquiry = known.inquiries.get(notification.payload["inquiry"])
    if inquiry is None or inquiry.status != InquiryStatus.OPEN:
        return None
    if notification.payload.get("due_on", str(inquiry.due_on)) != str(inquiry.due_on):
        return None
    match = known.matches[known.reviews[inquiry.review_id].match_id]
    payload = notification.payload
    if not known.side(match, inquiry.side) or (
        "stage" in payload and not is_due(payload, inquiry.due_on)
    ):
        return None
    words = _words(match, inquiry.side) | {"day": day(inquiry.due_on)}
    return Notice(
        title % words,
        _("The review of %(number)s goes on once they are answered, until %(day)s.") % words,
        reverse("match_questions", args=[match.number]),
    )


def taken(notification: Notification, known: Known) -> Written:
    found = _own_match(notification, known)
    if found is None:
        return None
    words = _words(*found)
    return Notice(
        _("A technology manager looks at the matches of “%(title)s”") % words,
        _("The answer comes here."),
        reverse(f"{found[1]}_matches", args=[words["listing"]]),
    )


def _decided(notification: Notification, known: Known, decision: Decision) -> Match | None:
    """Return the match if the review still says so."""
    found = _own_match(notification, known)
    review = known.reviews.get(notification.payload["review"])
    if found is None or review is None or review.status != ReviewStatus.SUBMITTED:
        return None
    return found[0] if review.decision == decision else None


def approved(notification: Notification, known: Known) -> Written:
    match = _decided(notification, known, Decision.APPROVE)
    side = notification.payload["side"]
    if match is None or match.status != MatchStatus.APPROVED or (match.pk, side) in known.answered:
        return None
    words = _words(match, side)
    return Notice(
        _("A partner for “%(title)s”: would you like to meet?") % words,
        _("A technology manager has approved %(number)s. Answer until %(day)s.") % words,
        reverse("match_consent", args=[match.number]),
    )


def rejected(notification: Notification, known: Known) -> Written:
    match = _decided(notification, known, Decision.REJECT)
    if match is None or match.status != MatchStatus.REJECTED:
        return None
    words = _words(match, notification.payload["side"])
    return Notice(
        _("Not approved: a match of “%(title)s”") % words,
        _("The page of %(number)s says why, and how to object once.") % words,
        match.get_absolute_url(),
    )


def answer_due(notification: Notification, known: Known) -> Written:
    found = _own_match(notification, known)
    if found is None or found[0].status != MatchStatus.APPROVED:
        return None
    match, side = found
    due_on = notification.payload.get("due_on", str(match.due_on))
    if (match.pk, side) in known.answered or match.is_frozen or due_on != str(match.due_on):
        return None
    words = _words(match, side)
    return Notice(
        due_title(notification.payload["stage"])
        % {"subject": _("the answer about “%(title)s”") % words},
        _("Without an answer until %(day)s, %(number)s lapses.") % words,
        reverse("match_consent", args=[match.number]),
    )


def _approved_match(notification: Notification, known: Known) -> Match | None:
    """Return the match that the reader approved as its manager."""
    found = _own_review(notification, known) if "review" in notification.payload else None
    if found is None or found[0].status != ReviewStatus.SUBMITTED or not known.is_manager:
        return None
    return found[1]


def introduced(notification: Notification, known: Known) -> Written:
    approved = _approved_match(notification, known)
    if approved is not None and approved.status == MatchStatus.INTRODUCED:
        return Notice(
            _("Introduced: %(match)s") % {"match": blind_title(approved)},
            _("Both sides agreed to meet. Contacts are on the page of %(number)s.")
            % {"number": approved.number},
            approved.get_absolute_url(),
        )
    found = _own_match(notification, known)
    if found is None or found[0].status != MatchStatus.INTRODUCED:
        return None
    words = _words(*found)
    return Notice(
        _("Both sides agreed: “%(title)s” is introduced") % words,
        _("Names and contacts are on the page of %(number)s.") % words,
        found[0].get_absolute_url(),
    )


def declined(notification: Notification, known: Known) -> Written:
    return _ended(
        notification,
        known,
        MatchStatus.DECLINED,
        side=(
            _("A match of “%(title)s” has ended"),
            _("One side said no to %(number)s. Other matches go on."),
        ),
        manager=(
            _("Declined: %(match)s"),
            _("One side said no to %(number)s; the page says why."),
        ),
    )


def lapsed(notification: Notification, known: Known) -> Written:
    return _ended(
        notification,
        known,
        MatchStatus.LAPSED,
        side=(
            _("A match of “%(title)s” has lapsed"),
            _("Not both sides have answered %(number)s in time. Other matches go on."),
        ),
        manager=(
            _("Lapsed: %(match)s"),
            _("Not both sides of %(number)s have answered in time."),
        ),
    )


def _ended(
    notification: Notification,
    known: Known,
    status: MatchStatus,
    *,
    side: tuple[str, str],
    manager: tuple[str, str],
) -> Written:
    """Tell a side, or the manager who approved the match (`payload` has their review)."""
    match = known.matches.get(notification.payload["match"])
    if match is None or match.status != status:
        return None
    if "side" in notification.payload:
        if not known.side(match, notification.payload["side"]):
            return None
        words = _words(match, notification.payload["side"])
        return Notice(side[0] % words, side[1] % words, match.get_absolute_url())
    review = known.reviews.get(notification.payload["review"])
    if review is None or review.manager_id != known.user.pk or not known.is_manager:
        return None
    return Notice(
        manager[0] % {"match": blind_title(match)},
        manager[1] % {"number": match.number},
        _review_url(match),
    )


def appeal_decided(notification: Notification, known: Known) -> Written:
    appeal = known.appeals.get(notification.payload["appeal"])
    if appeal is None:
        return None
    match = known.matches[appeal.match_id]
    if not known.side(match, appeal.side):
        return None
    outcome = {
        AppealStatus.UPHELD: _("Another manager looked at %(number)s: the first decision stands."),
        AppealStatus.OVERTURNED: _("Another manager has decided %(number)s the other way."),
    }.get(AppealStatus(appeal.status))
    if outcome is None:
        return None
    words = _words(match, appeal.side)
    return Notice(
        _("The objection about “%(title)s” is decided") % words,
        outcome % words,
        match.get_absolute_url(),
    )


def feedback_asked(notification: Notification, known: Known) -> Written:
    found = _own_match(notification, known)
    if found is None or found[0].status != MatchStatus.INTRODUCED:
        return None
    match, side = found
    if (match.pk, side) in known.told:
        return None
    words = _words(match, side)
    return Notice(
        _("What came of the introduction for “%(title)s”?") % words,
        _("Two questions about %(number)s, answered in a minute.") % words,
        reverse("match_feedback", args=[match.number]),
    )


# --- To operators -----------------------------------------------------------------------------


def escalated(notification: Notification, known: Known) -> Written:
    match = known.matches.get(notification.payload["match"])
    if match is None or match.escalated_at is None or not known.user.is_operator:
        return None
    return Notice(
        _("Waits for an operator: %(match)s") % {"match": blind_title(match)},
        _("%(number)s: %(why)s.") % {"number": match.number, "why": match.get_escalation_display()},
        reverse("ops_reassign", args=[match.number]),
    )


def conflict_introduced(notification: Notification, known: Known) -> Written:
    review = known.reviews.get(notification.payload["review"])
    if review is None or not known.user.is_operator:
        return None
    match = known.matches[review.match_id]
    return Notice(
        _("A tie was found after the introduction: %(number)s") % {"number": match.number},
        _("The manager who decided it has a tie to one side. The sides know each other already."),
        match.get_absolute_url(),
    )


def connect() -> None:
    """Make the kinds known. Called from `ready()`."""
    todo, info = Group.TODO, Group.INFO
    operator, manager, member = Role.OPERATOR, Role.MANAGER, Role.MEMBER
    now, digest, off = Choice.NOW, Choice.DIGEST, Choice.OFF
    for code, label, role, group, mail, write in (
        ("match.approved", gettext_lazy("Partners to answer"), member, todo, now, approved),
        ("match.answer_due", gettext_lazy("Deadlines of answers"), member, todo, now, answer_due),
        ("match.asked", gettext_lazy("Questions of a reviewer"), member, todo, now, asked),
        ("inquiry.due", gettext_lazy("Deadlines of questions"), member, todo, now, inquiry_due),
        (
            "feedback.asked",
            gettext_lazy("After an introduction"),
            member,
            todo,
            digest,
            feedback_asked,
        ),
        ("match.introduced", gettext_lazy("Introductions"), member, info, now, introduced),
        ("match.taken", gettext_lazy("A manager begins"), member, info, off, taken),
        ("match.rejected", gettext_lazy("Matches not approved"), member, info, digest, rejected),
        ("match.declined", gettext_lazy("Matches declined"), member, info, digest, declined),
        ("match.lapsed", gettext_lazy("Matches lapsed"), member, info, digest, lapsed),
        ("appeal.decided", gettext_lazy("Objections decided"), member, info, now, appeal_decided),
        ("review.assigned", gettext_lazy("Matches to review"), manager, todo, digest, assigned),
        ("review.due", gettext_lazy("Deadlines of reviews"), manager, todo, digest, review_due),
        (
            "review.answered",
            gettext_lazy("Questions answered"),
            manager,
            todo,
            now,
            review_answered,
        ),
        ("review.taken", gettext_lazy("Reviews taken away"), manager, info, digest, review_taken),
        (
            "escalation.match",
            gettext_lazy("Matches nobody reviews"),
            operator,
            todo,
            digest,
            escalated,
        ),
        (
            "conflict.introduced",
            gettext_lazy("Ties found late"),
            operator,
            todo,
            now,
            conflict_introduced,
        ),
    ):
        register(Kind(code, label, role, group, mail, load, write))
