"""The operator's pages of the ranker: its versions, what they learned, and which one is in use."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe
from django_stubs_ext import StrOrPromise

from accounts.http import UserRequest
from catalog.models import Demand
from matchmaking.models import RankerChange, RankerVersion
from matchmaking.services import rankers
from matchmaking.services.indexing import current_model
from matchmaking.views.gates import PAGE_SIZE, require_operator

# Of the history, which grows by a row for each choice.
LAST_CHANGES = 10
# What features are called together, by their names or how those begin.
GROUPS: dict[str, StrOrPromise] = {
    "fixed": gettext_lazy("Score of the fixed weights"),
    "dense": gettext_lazy("Meaning"),
    "best": gettext_lazy("Meaning"),
    "lexical": gettext_lazy("Words"),
    "indicators": gettext_lazy("Indicators"),
    "industry": gettext_lazy("Industry"),
    "trl": gettext_lazy("Maturity"),
    "money": gettext_lazy("Budget"),
    "modes": gettext_lazy("Cooperation"),
    "region": gettext_lazy("Region"),
    "title_asked": gettext_lazy("Words of both titles"),
    "title_offered": gettext_lazy("Words of both titles"),
    "rows": gettext_lazy("Requirements met"),
}
OTHERS = gettext_lazy("Lengths and language")
# What decisions come to; see `services.training`.
GRADES: dict[str, StrOrPromise] = {
    "3": gettext_lazy("Introduced"),
    "2": gettext_lazy("Approved"),
    "1": gettext_lazy("The right problem, and not enough"),
    "0": gettext_lazy("Another problem"),
}
FIGURES: dict[str, StrOrPromise] = {
    "fixed": gettext_lazy("The fixed weights"),
    "learned": gettext_lazy("Learned"),
    "difference": gettext_lazy("Difference"),
}


@dataclass(frozen=True)
class Row:
    """One version in the list; `problem` is why it cannot be used, "" if it can."""

    version: RankerVersion
    problem: str


def group_of(feature: str) -> StrOrPromise:
    """Return the words for what a feature is about."""
    return GROUPS.get(feature) or GROUPS.get(feature.partition("_")[0]) or OTHERS


@require_safe
def ops_rankers(request: UserRequest) -> HttpResponse:
    """List the versions of the ranker, the newest first, and who used which when."""
    require_operator(request.user)
    model = current_model()
    versions = RankerVersion.objects.defer("trees").order_by("-number")
    page = Paginator(versions, PAGE_SIZE).get_page(request.GET.get("page"))
    changes = RankerChange.objects.select_related("actor", "version").defer("version__trees")
    context: dict[str, Any] = {
        "page": page,
        "rows": [Row(version, rankers.refusal(version, model)) for version in page],
        "active": versions.filter(is_active=True).first(),
        "changes": list(changes[:LAST_CHANGES]),
        "least_decisions": settings.RANKER_MIN_DECISIONS,
        "least_demands": settings.RANKER_MIN_DEMANDS,
    }
    return render(request, "matchmaking/ops_rankers.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def ops_ranker(request: UserRequest, version: int) -> HttpResponse:
    """Show what a version learned and how it compared; let it rank."""
    require_operator(request.user)
    # Larger numbers than a column of the database holds are nobody's version either.
    rows = RankerVersion.objects.defer("trees").filter(number=min(version, 2**31 - 1))
    return _choose(request, get_object_or_404(rows))


@require_http_methods(["GET", "HEAD", "POST"])
def ops_ranker_fixed(request: UserRequest) -> HttpResponse:
    """Say what going back to the fixed weights does, and do it."""
    require_operator(request.user)
    return _choose(request, None)


def _choose(request: UserRequest, version: RankerVersion | None) -> HttpResponse:
    problem, status = "", 200
    if request.method == "POST":
        try:
            changed = rankers.use(version=version, actor=request.user)
        except rankers.RankerRefused as error:
            problem, status = str(error), 409
        else:
            if changed:
                messages.success(
                    request, _("Done. All demands are being compared again, which takes a while.")
                )
            return redirect("ops_rankers")
    active = RankerVersion.objects.filter(is_active=True).values_list("number", flat=True).first()
    report: dict[str, Any] = {} if version is None else version.report
    shares: Counter[str] = Counter()
    for feature, share in report.get("gains", {}).items():
        shares[str(group_of(feature))] += 100 * share
    context = {
        "version": version,
        "figures": [(label, report[key]) for key, label in FIGURES.items() if key in report],
        "grades": [
            (label, report["grades"].get(key, 0)) for key, label in GRADES.items() if report
        ],
        "is_active": active == (version.number if version else None),
        "refusal": rankers.refusal(version, current_model()) if version else "",
        "gains": [
            {"label": label, "share": round(share), "shown": round(share)}
            for label, share in shares.most_common()
            if share >= 0.5
        ],
        "demands": Demand.objects.live().count(),
        "problem": problem,
    }
    return render(request, "matchmaking/ops_ranker.html", context, status=status)
