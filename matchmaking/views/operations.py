"""The operator's pages: what is where, what is late, who has what, and who did what."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Value
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from accounts.models import (
    ManagerProfile,
    ManagerStatus,
    Organization,
    OrganizationStatus,
)
from accounts.regions import province_choices, province_name
from accounts.workdays import unknown_year
from catalog.industries import section_choices
from catalog.models import Achievement, Demand, Listing
from catalog.workflow import ListingStatus
from matchmaking.models import Match, index_model
from matchmaking.navigation import escalated
from matchmaking.services.unmet import (
    progress,
    unmatched_listings,
    unmet_by,
    unmet_text,
    unreadable_listings,
)
from matchmaking.views.gates import PAGE_SIZE, require_operator
from matchmaking.workflow import MatchStatus

# --- What is behind -----------------------------------------------------------------------------


def late_matches(today: dt.date) -> Q:
    """Matches whose present turn has ended without a decision or an answer."""
    return Q(
        status__in=(MatchStatus.IN_REVIEW, MatchStatus.APPROVED), due_on__lt=today, is_frozen=False
    )


def unassigned_matches() -> Q:
    return Q(status=MatchStatus.SUGGESTED, is_frozen=False)


def stale_listings(kind: str) -> QuerySet[Any]:
    """Live listings whose present version the engine has not compared yet."""
    model = Demand if kind == "demand" else Achievement
    done = index_model(kind).objects.filter(
        listing=OuterRef("pk"), version=OuterRef("version"), matched_version=OuterRef("version")
    )
    return model.objects.live().filter(~Exists(done))


@dataclass(frozen=True)
class Figure:
    label: str
    count: int
    url: str
    bad: bool = False


def _url(name: str, **query: str) -> str:
    from urllib.parse import urlencode

    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)


@require_safe
def ops_home(request: UserRequest) -> HttpResponse:
    """Show the state of the platform; every number links to exactly its rows."""
    require_operator(request.user)
    today = timezone.localdate()
    by_status: Counter[str] = Counter(
        dict(Match.objects.order_by().values_list("status").annotate(Count("pk")))
    )
    listings = {
        kind: Counter(dict(model.objects.order_by().values_list("status").annotate(Count("pk"))))
        for kind, model in (("demand", Demand), ("achievement", Achievement))
    }
    urgent = [
        Figure(
            _("Reviews and answers past their date"),
            Match.objects.filter(late_matches(today)).count(),
            _url("ops_assignments", state="late"),
            bad=True,
        ),
        Figure(
            _("Matches without a manager"),
            Match.objects.filter(unassigned_matches()).count(),
            _url("ops_assignments", state="unassigned"),
        ),
        Figure(
            _("Matches handed to the operators"),
            escalated().count(),
            _url("ops_assignments", state="escalated"),
            bad=True,
        ),
        Figure(
            _("Listings not compared yet"),
            stale_listings("demand").count() + stale_listings("achievement").count(),
            _url("ops_listings", state="stale"),
        ),
        Figure(
            _("Texts that cannot be compared"),
            sum(unreadable_listings(kind).count() for kind in ("demand", "achievement")),
            _url("ops_listings", state="problem"),
        ),
        Figure(
            _("Unmet demands"),
            unmatched_listings("demand").count(),
            _url("ops_unmet"),
        ),
    ]
    waiting = [
        Figure(
            _("Listings to check"),
            sum(counts[ListingStatus.SUBMITTED] for counts in listings.values()),
            _url("listing_queue"),
        ),
        Figure(
            _("Organizations to verify"),
            Organization.objects.filter(status=OrganizationStatus.PENDING).count(),
            _url("ops_organizations"),
        ),
        Figure(
            _("Managers to certify"),
            ManagerProfile.objects.filter(status=ManagerStatus.PENDING).count(),
            _url("ops_managers"),
        ),
    ]
    context = {
        "urgent": urgent,
        "waiting": waiting,
        "matches": [
            Figure(str(status.label), by_status[status], _url("ops_assignments", status=status))
            for status in MatchStatus
        ],
        "match_total": sum(by_status.values()),
        "listing_rows": [
            (
                str(status.label),
                [
                    Figure(
                        "", listings[kind][status], _url("ops_listings", kind=kind, status=status)
                    )
                    for kind in ("demand", "achievement")
                ],
            )
            for status in ListingStatus
            if listings["demand"][status] or listings["achievement"][status]
        ],
        "as_of": timezone.now(),
        # Deadlines are counted without its festivals until somebody names them.
        "unknown_year": unknown_year(),
    }
    return render(request, "matchmaking/ops_home.html", context)


def busiest(count: int) -> list[ManagerProfile]:
    """Return so many certified managers with their reviews open and late, the busiest first."""
    today = timezone.localdate()
    is_open = Q(user__reviews__status__in=("assigned", "accepted"))
    return list(
        ManagerProfile.objects.certified()
        .select_related("user")
        .annotate(
            load=Count("user__reviews", filter=is_open),
            late=Count("user__reviews", filter=is_open & Q(user__reviews__due_on__lt=today)),
        )
        .order_by("-late", "-load", "user__name", "pk")[:count]
    )


# --- Listings -----------------------------------------------------------------------------------


@require_safe
def ops_listings(request: UserRequest) -> HttpResponse:
    """List listings of any status: the rows behind the overview's numbers."""
    require_operator(request.user)
    kind = request.GET.get("kind", "")
    status = request.GET.get("status", "")
    state = request.GET.get("state", "")
    kinds = [kind] if kind in ("demand", "achievement") else ["demand", "achievement"]
    found: list[QuerySet[Any]] = []
    for one in kinds:
        if state == "stale":
            rows = stale_listings(one)
        elif state == "unmatched":
            rows = unmatched_listings(one)
        elif state == "problem":
            rows = unreadable_listings(one)
        else:
            rows = (Demand if one == "demand" else Achievement).objects.all()
        if status in ListingStatus.values:
            rows = rows.filter(status=status)
        found.append(
            rows.order_by()
            .annotate(kind_of=Value(one, output_field=CharField()))
            .values_list("updated_at", "kind_of", "pk")
        )
    ordered = found[0].union(*found[1:], all=True).order_by("-updated_at", "kind_of", "pk")
    page = Paginator(ordered, PAGE_SIZE).get_page(request.GET.get("page"))
    rows_of: dict[tuple[str, int], Listing] = {}
    for one, model in (("demand", Demand), ("achievement", Achievement)):
        wanted = [pk for _at, found_kind, pk in page if found_kind == one]
        for listing in model.objects.select_related("owner").defer("body").filter(pk__in=wanted):
            rows_of[one, listing.pk] = listing
    context = {
        "page": page,
        "rows": [rows_of[found_kind, pk] for _at, found_kind, pk in page],
        "kind": kind,
        "status": status,
        "state": state,
        "kinds": [("demand", _("Demands")), ("achievement", _("Achievements"))],
        "statuses": ListingStatus.choices,
        "states": [
            ("stale", _("Not compared yet")),
            ("unmatched", _("Without a match")),
            ("problem", _("Cannot be compared")),
        ],
    }
    return render(request, "matchmaking/ops_listings.html", context)


@require_safe
def ops_unmet(request: UserRequest) -> HttpResponse:
    """List the demands that nothing answers, by industry and region: what the region lacks.

    Those that wait longest come first. The counts beside the list are of all unmet demands, each a
    filter.
    """
    require_operator(request.user)
    sections, provinces = dict(section_choices()), dict(province_choices())
    section, province = request.GET.get("industry", ""), request.GET.get("region", "")
    unmet = unmatched_listings("demand")
    rows = unmet
    if section in sections:
        rows = rows.filter(industry__startswith=section)
    if province in provinces:
        rows = rows.filter(region__startswith=province[:2])
    ordered = rows.select_related("owner").defer("body").order_by("published_at", "pk")
    page = Paginator(ordered, PAGE_SIZE).get_page(request.GET.get("page"))
    found = progress("demand", [demand.pk for demand in page])
    context = {
        "page": page,
        "rows": [
            (demand, unmet_text("demand", found[demand.pk]))
            for demand in page
            if demand.pk in found
        ],
        "section": section if section in sections else "",
        "province": province if province in provinces else "",
        "by_section": [
            (code, sections.get(code, _("No industry named")), count)
            for code, count in unmet_by(unmet, "industry", 1)
        ],
        "by_province": [
            (f"{code}0000" if code else "", province_name(code) or _("No region named"), count)
            for code, count in unmet_by(unmet, "region", 2)
        ],
        "total": unmet.count(),
        "of": Demand.objects.live().count(),
    }
    return render(request, "matchmaking/ops_unmet.html", context)
