"""Who has which match, why, and why nobody has it; giving one match to somebody else."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from accounts.models import AccessEvent, ManagerProfile
from accounts.permissions import Tier
from accounts.trace import record_looks
from matchmaking import permissions, presenting
from matchmaking.forms import ReassignForm
from matchmaking.models import Match, Review
from matchmaking.services.assignment import match_cases, reassign
from matchmaking.services.desks import Board, Desk, all_desks
from matchmaking.services.expertise import expertise
from matchmaking.views.gates import PAGE_SIZE, note_names, posted, require_operator
from matchmaking.views.operations import late_matches, unassigned_matches
from matchmaking.workflow import IllegalMove, MatchStatus, ReviewStatus

OPEN = (MatchStatus.SUGGESTED, MatchStatus.IN_REVIEW)


@require_safe
def ops_assignments(request: UserRequest) -> HttpResponse:
    """List matches with the manager who has each, and why; or why nobody has."""
    require_operator(request.user)
    today = timezone.localdate()
    status = request.GET.get("status", "")
    state = request.GET.get("state", "")
    manager = request.GET.get("manager", "")
    matches = Match.objects.all()
    if status in MatchStatus.values:
        matches = matches.filter(status=status)
    elif not state:
        matches = matches.filter(status__in=OPEN)
    if state == "late":
        matches = matches.filter(late_matches(today))
    elif state == "unassigned":
        matches = matches.filter(unassigned_matches())
    elif state == "escalated":
        matches = matches.filter(status__in=OPEN).exclude(escalation="")
    elif state == "frozen":
        matches = matches.filter(is_frozen=True)
    if manager.isdecimal() and len(manager) < 10:
        matches = matches.filter(
            pk__in=Review.objects.open().filter(manager=int(manager)).values("match")
        )
    page = Paginator(
        matches.with_listings()
        .defer(
            "grid",
            "pairs",
            "demand__body",
            "achievement__body",
            "demand_revision__body",
            "achievement_revision__body",
        )
        .order_by(F("due_on").asc(nulls_last=True), "-score", "pk"),
        PAGE_SIZE,
    ).get_page(request.GET.get("page"))
    reviews: dict[int, Review] = {}
    for review in (
        Review.objects.filter(match__in=[match.pk for match in page])
        .filter(status__in=(ReviewStatus.ASSIGNED, ReviewStatus.ACCEPTED, ReviewStatus.SUBMITTED))
        .select_related("manager")
        .order_by("assigned_at")
    ):
        reviews[review.match_id] = review
    record_looks(
        actor=request.user,
        kind=AccessEvent.Kind.NAMES,
        subject=AccessEvent.Subject.MATCH,
        numbers=[match.number for match in page],
    )
    waiting = [match.pk for match in page if _waits(match, reviews.get(match.pk))]
    why_not = _why_not(waiting)
    names = presenting.because_names(reviews.values())
    rows = []
    for match in page:
        held = reviews.get(match.pk)
        if held is not None:
            held.match = match
        rows.append(
            {
                "match": match,
                "review": held,
                "because": presenting.assigned_because(held, names) if held else "",
                "why_not": why_not.get(match.pk, ""),
                "escalation": match.get_escalation_display() if match.escalation else "",
                "grade": presenting.grade_of(match),
                "may_reassign": match.status in OPEN,
            }
        )
    context = {
        "page": page,
        "rows": rows,
        "status": status,
        "state": state,
        "manager": manager,
        "statuses": MatchStatus.choices,
        "states": [
            ("late", _("Past their date")),
            ("unassigned", _("Without a manager")),
            ("escalated", _("Handed to the operators")),
            ("frozen", _("Frozen while a listing is being changed")),
        ],
        "managers": ManagerProfile.objects.certified()
        .order_by("user__name")
        .values_list("user_id", "user__name"),
    }
    return render(request, "matchmaking/ops_assignments.html", context)


def _waits(match: Match, review: Review | None) -> bool:
    if match.is_frozen or match.status not in OPEN:
        return False
    return review is None or not review.is_open


def _why_not(matches: list[int]) -> dict[int, str]:
    """Say of matches that wait why nobody has them yet; as many queries for one as for all."""
    if not matches:
        return {}
    desks = all_desks()
    board = Board(list(match_cases(Match.objects.filter(pk__in=matches))), desks)
    return {case.pk: _reason(board, row) for row, case in enumerate(board.cases)}


def _reason(board: Board, row: int) -> str:
    if not any(desk.is_present for desk in board.desks):
        return _("No certified manager is on duty today.")
    counts = board.hindered(row)
    free = len(board.desks) - sum(counts.values())
    if free:
        return ngettext(
            "Its turn has not come; %(count)d manager could take it.",
            "Its turn has not come; %(count)d managers could take it.",
            free,
        ) % {"count": free}
    why = presenting.hindered_text(counts)
    if counts.get("full"):
        return _("Waits for room: %(why)s.") % {"why": why}
    return _("No manager may take it: %(why)s.") % {"why": why}


@require_http_methods(["GET", "HEAD", "POST"])
def ops_reassign(request: UserRequest, number: str) -> HttpResponse:
    """Give one match to another manager; those with a tie are not offered."""
    require_operator(request.user)
    match = get_object_or_404(Match.objects.by_number(number).with_listings())
    form = ReassignForm(posted(request), match=match)
    problem, status = "", 200
    if request.method == "POST" and form.is_valid():
        to = form.cleaned_data["to"]
        try:
            reassign(match=match, to=to, actor=request.user)
        except IllegalMove as exc:
            problem, status = str(exc), 409
            match = get_object_or_404(Match.objects.by_number(number).with_listings())
        except permissions.ConflictOfInterest:
            form.add_error("to", _("This manager has a tie to one of the sides."))
        else:
            messages.success(
                request,
                _("%(number)s is now with %(manager)s.") % {"number": match.number, "manager": to},
            )
            return redirect(f"{reverse('ops_assignments')}?status={MatchStatus.IN_REVIEW}")
    reader = presenting.Reader(
        side="", names=True, contacts=False, is_operator=True, tier=Tier.INTRODUCED
    )
    note_names(request.user, match, contacts=False)
    is_open = match.status in OPEN
    context = {
        "match": match,
        "sides": presenting.both_sides(match, reader),
        "reviews": match.reviews.select_related("manager").order_by("assigned_at"),
        "form": form,
        "choices": _choices(match, form) if is_open else [],
        "is_open": is_open,
        "problem": problem,
    }
    return render(request, "matchmaking/ops_reassign.html", context, status=status)


def _choices(match: Match, form: ReassignForm) -> list[tuple[Desk, int]]:
    """Return who may take a match, with their expertise in hundredths; the best first."""
    field: Any = form.fields["to"]
    desks = all_desks(field.queryset.values_list("user", flat=True))
    cases = list(match_cases(Match.objects.filter(pk=match.pk)))
    if not desks:
        return []
    points = [round(100 * float(value)) for value in expertise(cases, desks)[0]]
    return sorted(
        zip(desks, points, strict=True),
        key=lambda one: (-one[1], one[0].load / one[0].profile.capacity, one[0].profile.pk),
    )
