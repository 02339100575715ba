"""A manager's workbench: the queue by clock and worth, its filters and saved views, the log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from accounts.http import UserRequest
from accounts.models import User
from accounts.stars import latest_of
from accounts.text import clean_line
from catalog import checking
from matchmaking import presenting
from matchmaking.models import Match, Review, SavedView
from matchmaking.services import queues, triage
from matchmaking.services.overturning import undo_until
from matchmaking.services.queues import Due, Filters, Tally
from matchmaking.views.gates import PAGE_SIZE, require_manager
from matchmaking.workflow import Decision, ReviewStatus

RECENT = 5
MONTH_DAYS = 30
MOST_VIEWS = 20


@dataclass(frozen=True)
class Row:
    """A review as the queue shows it. It names nobody."""

    review: Review
    title: str
    grade: presenting.Grade | None
    group: Due
    url: str
    is_current: bool = False

    @property
    def is_new(self) -> bool:
        return self.review.status == ReviewStatus.ASSIGNED


def rows_of(
    user: User, keys: Iterable[int], filters: Filters, current: Review | None = None
) -> list[Row]:
    """Load the rows of one page of the queue."""
    today = timezone.localdate()
    return [
        Row(
            review=review,
            title=presenting.blind_title(review.match),
            grade=presenting.grade_of(review.match),
            group=queues.due_group(review, today),
            url=review_url(review, filters),
            is_current=current is not None and review.pk == current.pk,
        )
        for review in queues.load(user, keys)
    ]


def review_url(review: Review, filters: Filters) -> str:
    """Return the review's address within a filter: its next and previous are those shown there."""
    return review.get_absolute_url() + filters.suffix


def workbench_url(filters: Filters) -> str:
    return reverse("workbench") + filters.suffix


def grouped(rows: list[Row], tally: Tally) -> list[tuple[Due, int, list[Row]]]:
    """Return the rows by group, with how many the whole queue has of each."""
    return [(group, tally.groups[group], members) for group, members in grouped_rows(rows)]


@dataclass(frozen=True)
class Decided:
    """A decision of one's own. `until`: the time until when it can be taken back, or ""."""

    review: Review
    title: str
    until: str


def decided(review: Review) -> Decided:
    """Prepare a row of `queues.decisions`."""
    until = undo_until(review) if getattr(review, "can_undo", False) else None
    return Decided(
        review=review,
        title=presenting.blind_title(review.match),
        until=f"{timezone.localtime(until):%H:%M}" if until else "",
    )


def last_undoable(user: User) -> Decided | None:
    """Return the last decision, if it can still be taken back."""
    review = queues.decisions(user).first()
    last = decided(review) if review is not None else None
    return last if last is not None and last.until else None


def grouped_rows(rows: list[Row]) -> list[tuple[Due, list[Row]]]:
    return [(group, list(members)) for group, members in groupby(rows, key=lambda row: row.group)]


class _Pages(Paginator[int]):
    """Pages of keys whose number is known."""

    def __init__(self, keys: QuerySet[Review, int], total: int) -> None:
        super().__init__(keys, queues.PAGE_ROWS)
        self.total = total

    @cached_property
    def count(self) -> int:
        return self.total


@dataclass(frozen=True)
class Record:
    """How a manager has done of late."""

    closed: int
    in_time: int
    today: int

    @property
    def percent(self) -> int | None:
        return round(100 * self.in_time / self.closed) if self.closed else None


def record_of(user: User) -> Record:
    """Count what a manager has closed in the last 30 days, and how much of it in time.

    In time: decided by the deadline. Late: decided after it, or taken away for want of an answer.
    """
    submitted = Q(status=ReviewStatus.SUBMITTED)
    since = timezone.now() - dt.timedelta(days=MONTH_DAYS)
    found = (
        Review.objects.filter(
            manager=user,
            status__in=(ReviewStatus.SUBMITTED, ReviewStatus.NO_RESPONSE),
            closed_at__gte=since,
        )
        .alias(closed_on=TruncDate("closed_at"))
        .aggregate(
            closed=Count("pk"),
            in_time=Count("pk", filter=submitted & Q(closed_on__lte=F("due_on"))),
            today=Count("pk", filter=submitted & Q(closed_on=timezone.localdate())),
        )
    )
    return Record(**found)


@require_safe
def workbench(request: UserRequest) -> HttpResponse:
    """Show a manager's own numbers and queue, grouped by what is due when."""
    profile = require_manager(request.user)
    filters = Filters.read(request.GET)
    if wanted := clean_line(request.GET.get("number", "")):
        return _find(request, wanted, filters)
    tally = queues.tally(request.user, filters)
    keys = filters.of(queues.queue_of(request.user)).values_list("pk", flat=True)
    page = _Pages(keys, tally.shown).get_page(request.GET.get("page"))
    rows = rows_of(request.user, page.object_list, filters)
    views = list(request.user.saved_views.all())
    recent = [decided(review) for review in queues.decisions(request.user)[:RECENT]]
    context: dict[str, Any] = {
        "profile": profile,
        "absence": profile.absence_on(timezone.localdate()),
        "stars": latest_of(profile),
        "filters": filters,
        "tally": tally,
        "grades": [
            (chosen, presenting.Grade(key, None), count) for chosen, key, count in tally.grades()
        ],
        "page": page,
        "groups": grouped(rows, tally),
        "record": record_of(request.user),
        "month": MONTH_DAYS,
        "recent": recent,
        "undo": next((done for done in recent if done.until), None),
        "listings_waiting": checking.desk(request.user).count(),
        "views": views,
        "view": next((view for view in views if view.query == filters.query), None),
        "view_form": ViewForm(initial={"query": filters.query}),
        "may_save": bool(filters.query) and len(views) < MOST_VIEWS,
        "most_views": MOST_VIEWS,
        "most_ticked": triage.AT_MOST,
    }
    return render(request, "matchmaking/workbench.html", context)


def _find(request: UserRequest, number: str, filters: Filters) -> HttpResponse:
    """Open one's own review of the match with this number."""
    match = Match.objects.by_number(number.upper()).values("pk")
    review = Review.objects.open_to(request.user).filter(match__in=match).first()
    if review is None:
        messages.error(
            request,
            _("None of your reviews is of a match with the number %(number)s.")
            % {"number": number[:40]},
        )
        return redirect(workbench_url(filters))
    return redirect(review)


# --- Saved views --------------------------------------------------------------------------------


class ViewForm(forms.Form):
    """A name for the filter that is shown."""

    name = forms.CharField(label=gettext_lazy("Name of the view"), max_length=40)
    query = forms.CharField(required=False, max_length=500, widget=forms.HiddenInput)

    def clean_name(self) -> str:
        return clean_line(self.cleaned_data["name"])

    def clean_query(self) -> str:
        """Keep what is a filter, written as the workbench writes it."""
        return Filters.read(QueryDict(self.cleaned_data["query"])).query


@require_POST
def view_save(request: UserRequest) -> HttpResponse:
    """Keep the shown filter under a name. A name that exists stands for the new filter then."""
    require_manager(request.user)
    form = ViewForm(request.POST)
    filters = Filters.read(QueryDict(request.POST.get("query", "")))
    problem = ""
    if not form.is_valid():
        problem = str(next(iter(form.errors.values()))[0])
    elif not form.cleaned_data["query"]:
        problem = _("Choose a filter first; without one this is the whole queue.")
    else:
        problem = _keep(request.user, form.cleaned_data["name"], form.cleaned_data["query"])
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, _("Saved as “%(name)s”.") % form.cleaned_data)
    return redirect(workbench_url(filters))


def _keep(user: User, name: str, query: str) -> str:
    """Save a view; return the sentence for one that cannot be."""
    with transaction.atomic():
        # Held, so that two clicks do not make a view too many.
        User.objects.select_for_update().get(pk=user.pk)
        known = user.saved_views.filter(name=name)
        if known.exists():
            known.update(query=query)
        elif user.saved_views.count() >= MOST_VIEWS:
            return _("You have %(count)d views; delete one first.") % {"count": MOST_VIEWS}
        else:
            SavedView.objects.create(user=user, name=name, query=query)
    return ""


@require_POST
def view_delete(request: UserRequest, pk: int) -> HttpResponse:
    """Forget a saved view. What it showed stays."""
    require_manager(request.user)
    view = get_object_or_404(request.user.saved_views, pk=pk)
    name = view.name
    view.delete()
    messages.success(request, _("The view “%(name)s” is deleted.") % {"name": name})
    return redirect("workbench")


# --- The log ------------------------------------------------------------------------------------


def _log_filter(reviews: QuerySet[Review], shown: str) -> QuerySet[Review]:
    if shown in Decision.values:
        return reviews.filter(status=ReviewStatus.SUBMITTED, decision=shown)
    if shown == "given_back":
        return reviews.filter(status__in=(ReviewStatus.DECLINED, ReviewStatus.REFERRED))
    if shown == "missed":
        return reviews.filter(status__in=(ReviewStatus.NO_RESPONSE, ReviewStatus.CANCELLED))
    return reviews


@require_safe
def review_log(request: UserRequest) -> HttpResponse:
    """List what a manager has closed: decisions, hand-backs, missed deadlines."""
    require_manager(request.user)
    closed = Review.objects.filter(manager=request.user).exclude(
        Q(status=ReviewStatus.ASSIGNED) | Q(status=ReviewStatus.ACCEPTED)
    )
    tabs = [
        ("", _("All")),
        (str(Decision.APPROVE), _("Approved")),
        (str(Decision.REJECT), _("Not approved")),
        ("given_back", _("Handed back or referred")),
        ("missed", _("Missed or no longer needed")),
    ]
    shown = request.GET.get("shown", "")
    if shown not in {key for key, _label in tabs}:
        shown = ""
    reviews = (
        _log_filter(closed, shown)
        .select_related(
            "match__demand__owner",
            "match__achievement__owner",
            "match__demand_revision",
            "match__achievement_revision",
        )
        .order_by("-closed_at", "-pk")
    )
    page = Paginator(reviews, PAGE_SIZE).get_page(request.GET.get("page"))
    rows = [
        {
            "review": review,
            "title": presenting.blind_title(review.match),
            "reasons": presenting.reason_labels(review.reasons),
            # A review that was given away shows no more than that it was.
            "is_open": review.status == ReviewStatus.SUBMITTED,
        }
        for review in page
    ]
    return render(
        request,
        "matchmaking/review_log.html",
        {"page": page, "rows": rows, "tabs": tabs, "shown": shown},
    )
