"""What the reader's organizations have written, and what is done to several of it at once."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode

from django import forms
from django.contrib import messages
from django.db.models import Count, F, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe
from django_stubs_ext import StrOrPromise

from accounts.http import UserRequest
from accounts.permissions import writable_organizations
from accounts.templatetags.kq import day
from catalog.answers import Answer, status_text
from catalog.ending import CloseForm, WithdrawForm
from catalog.models import Listing, ListingQuerySet
from catalog.partners import standings
from catalog.services import bulk, publishing
from catalog.services.deciding import Objection, objections_to
from catalog.services.reminding import AHEAD, PROLONGED_BY, SOON
from catalog.views.browse import PAGE_SIZE, page_of
from catalog.views.gate import MODELS, answer_due, names, read_picks
from catalog.workflow import ListingStatus

# What belongs together for an owner who asks “what have I to do?”.
GROUPS: dict[str, tuple[str, ...]] = {
    "todo": (ListingStatus.DRAFT, ListingStatus.NEEDS_INFO, ListingStatus.EXPIRED),
    "waiting": (ListingStatus.SUBMITTED,),
    "published": (ListingStatus.PUBLISHED,),
    "ended": (
        ListingStatus.FULFILLED,
        ListingStatus.TRANSFERRED,
        ListingStatus.CLOSED,
        ListingStatus.REJECTED,
        ListingStatus.SUSPENDED,
        ListingStatus.WITHDRAWN,
    ),
}
# Rows of a page: few to read, or as many as one act takes.
PER_PAGE = (PAGE_SIZE, bulk.AT_MOST)
# Not a status of the workflow: published, and its last day is near.
ENDING = "ending"
SORTS: dict[str, tuple[StrOrPromise, tuple[Any, ...]]] = {
    "changed": (gettext_lazy("Last changed"), ("-updated_at", "-pk")),
    "ends": (gettext_lazy("Runs out first"), (F("valid_until").asc(nulls_last=True), "pk")),
    "title": (gettext_lazy("Title"), ("title", "pk")),
    "oldest": (
        gettext_lazy("Unconfirmed longest"),
        (F("confirmed_at").asc(nulls_first=True), "pk"),
    ),
}
_OUTCOME = "bulk_outcome"
EXPORT = "export"


def _ending() -> Q:
    last = timezone.localdate() + dt.timedelta(days=AHEAD)
    today = timezone.localdate()
    return Q(status=ListingStatus.PUBLISHED, valid_until__gte=today, valid_until__lte=last)


@dataclass(frozen=True)
class Shown:
    """Which of the listings the page shows, and in what order."""

    group: str = ""
    status: str = ""
    sort: str = "changed"
    per: int = PAGE_SIZE

    @classmethod
    def read(cls, query: MultiValueDict[str, str]) -> Shown:
        group, status = query.get("show") or "", query.get("status") or ""
        sort, per = query.get("sort") or "", query.get("per") or ""
        return cls(
            group=group if group in GROUPS else "",
            status=status if status in (*ListingStatus.values, ENDING) else "",
            sort=sort if sort in SORTS else "changed",
            per=int(per) if per in map(str, PER_PAGE) else PAGE_SIZE,
        )

    def of(self, rows: ListingQuerySet) -> ListingQuerySet:
        if self.group:
            rows = rows.filter(status__in=GROUPS[self.group])
        if self.status:
            rows = rows.filter(_ending() if self.status == ENDING else Q(status=self.status))
        return rows.order_by(*SORTS[self.sort][1])

    def query(self, **changes: str) -> str:
        values = {"show": self.group, "status": self.status, "sort": self.sort, **changes}
        if values["sort"] == "changed":
            values["sort"] = ""
        if self.per != PAGE_SIZE:
            values["per"] = str(self.per)
        return urlencode({key: value for key, value in values.items() if value})


GROUP_LABELS: dict[str, StrOrPromise] = {
    "todo": gettext_lazy("For you to do"),
    "waiting": gettext_lazy("Waiting for the check"),
    "published": gettext_lazy("Published"),
    "ended": gettext_lazy("Ended"),
}


def group_counts(own: ListingQuerySet) -> list[tuple[str, StrOrPromise, int]]:
    """Return each group with its words and how many of `own` are in it; one query."""
    counts = own.order_by().aggregate(
        **{group: Count("pk", filter=Q(status__in=of)) for group, of in GROUPS.items()}
    )
    return [(group, label, counts[group]) for group, label in GROUP_LABELS.items()]


@require_safe
def my_listings(request: UserRequest, kind: str) -> HttpResponse:
    """List what the reader's organizations have written, in every status."""
    own = MODELS[kind].objects.owned_by(request.user)
    groups = group_counts(own)
    ending = own.filter(_ending()).count()
    shown = Shown.read(request.GET)
    rows = shown.of(own).select_related("owner").defer("body", "indicators")
    page = page_of(rows, request.GET.get("page", "1"), size=shown.per)
    found = standings(kind, [listing.pk for listing in page.object_list])
    objections = objections_to(kind, page.object_list)
    total = sum(count for _group, _label, count in groups)
    tabs: list[tuple[str, StrOrPromise, int, str]] = [
        ("", _("All"), total, shown.query(show="", status=""))
    ]
    tabs += [
        (group, label, count, shown.query(show=group, status="")) for group, label, count in groups
    ]
    return render(
        request,
        "catalog/mine.html",
        names(kind)
        | {
            "page": page,
            "rows": [
                {
                    "listing": listing,
                    "days_left": _days_left(listing),
                    "standing": found.get(listing.pk),
                    "answer": _answer(listing, objections.get(listing.pk)),
                }
                for listing in page.object_list
            ],
            "tabs": tabs,
            "shown": shown,
            "statuses": [*ListingStatus.choices, (ENDING, _("Runs out within 14 days"))],
            "per_page": [(count, count) for count in PER_PAGE],
            "sorts": [(key, label) for key, (label, _order) in SORTS.items()],
            "ending": ending,
            "ending_query": urlencode({"status": ENDING, "sort": "ends"}),
            "soon": SOON,
            "writes": writable_organizations(request.user).exists(),
            "actions": [(action.key, action.label) for action in ACTIONS.values()],
            "outcome": request.session.pop(_OUTCOME, None),
            "back": shown.query(),
        },
    )


def _answer(listing: Listing, objection: Objection | None) -> Answer:
    until = objection.until if objection is not None and not objection.refusal else None
    return status_text(listing, due_on=answer_due(listing), object_until=until)


def _days_left(listing: Listing) -> int | None:
    """Return the days to the last one, where that is near enough to say so."""
    if listing.status != ListingStatus.PUBLISHED or listing.valid_until is None:
        return None
    left = (listing.valid_until - timezone.localdate()).days
    return left if 0 <= left <= AHEAD else None


# --- Several at once ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Action:
    """What can be done to several listings. One that cannot be undone asks first, by its form."""

    key: str
    label: StrOrPromise
    form: Callable[..., forms.Form] | None = None


ACTIONS = {
    action.key: action
    for action in (
        Action("confirm", gettext_lazy("Confirm that they are still true")),
        Action("submit", gettext_lazy("Hand in for the check")),
        Action("close", gettext_lazy("Record how they ended…"), CloseForm),
        Action("withdraw", gettext_lazy("Withdraw…"), WithdrawForm),
        Action(EXPORT, gettext_lazy("Export as .xlsx")),
    )
}


@require_POST
def my_listings_bulk(request: UserRequest, kind: str) -> HttpResponse:
    """Do one thing to each of the ticked listings, and say of each what became of it."""
    data = request.POST
    shown = Shown.read(MultiValueDict(parse_qs(data.get("back", "")[:200])))
    target = reverse(names(kind)["my_url"]) + (f"?{query}" if (query := shown.query()) else "")
    action = ACTIONS.get(data.get("action", ""))
    picked = read_picks(data.getlist("pick"))
    if action is None:
        messages.error(request, _("Please choose what to do with the ticked listings."))
        return redirect(target)
    if len(picked) > bulk.AT_MOST:
        messages.error(
            request,
            _("At most %(limit)d listings at once; these are %(count)d. Nothing was changed.")
            % {"limit": bulk.AT_MOST, "count": len(picked)},
        )
        return redirect(target)
    rows = MODELS[kind].objects.owned_by(request.user).filter(pk__in=picked)
    listings = list(rows.select_related("owner").order_by("pk"))
    if not listings:
        messages.error(request, _("Tick at least one listing first."))
        return redirect(target)

    if action.key == EXPORT:
        address = reverse(f"export_{names(kind)['my_url']}")
        keys = [("pick", str(listing.pk)) for listing in listings]
        return redirect(f"{address}?{urlencode(keys)}")
    content: dict[str, Any] = {}
    if action.form is not None:
        form = action.form(data if "sure" in data else None, kind=kind)
        if not form.is_valid():
            context = names(kind) | {
                "action": action,
                "form": form,
                "listings": listings,
                "target": target,
                "back": shown.query(),
            }
            return render(request, "catalog/bulk.html", context)
        content = form.cleaned_data
    _do(request, action, listings, content)
    return redirect(target)


def _do(
    request: UserRequest, action: Action, listings: list[Listing], content: dict[str, Any]
) -> None:
    """Act, and leave what is to be said for the next page."""
    actor = request.user
    until = timezone.localdate() + dt.timedelta(days=PROLONGED_BY)
    acts: dict[str, Callable[[Listing], object]] = {
        "confirm": lambda listing: publishing.confirm_valid(
            listing=listing, actor=actor, valid_until=until
        ),
        "submit": lambda listing: bulk.submit(listing, actor),
        "close": lambda listing: publishing.close(listing=listing, actor=actor, **content),
        "withdraw": lambda listing: publishing.withdraw(listing=listing, actor=actor, **content),
    }
    outcome = bulk.apply(listings=listings, actor=actor, act=acts[action.key])
    done = len(outcome.done)
    said = {
        "confirm": ngettext(
            "%(count)d confirmed until %(day)s", "%(count)d confirmed until %(day)s", done
        ),
        "submit": ngettext(
            "%(count)d handed in for the check", "%(count)d handed in for the check", done
        ),
        "close": ngettext("%(count)d closed", "%(count)d closed", done),
        "withdraw": ngettext("%(count)d withdrawn", "%(count)d withdrawn", done),
    }[action.key] % {"count": done, "day": day(until)}
    reasons: dict[str, list[list[str]]] = defaultdict(list)
    for listing, sentence in outcome.refused:
        reasons[sentence].append([listing.number, listing.get_absolute_url()])
    request.session[_OUTCOME] = {
        "done": said if done else "",
        "refused": len(outcome.refused),
        "reasons": list(reasons.items()),
    }
