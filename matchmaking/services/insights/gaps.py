"""Demands that nothing answers and achievements that nobody asks for, and what to do about them.

Which these are says `services.unmet`: compared, and without a match that is open or introduced.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, F, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from catalog import reasons
from catalog.models import Achievement, Demand, Listing, ListingEvent, ReasonSubject
from catalog.workflow import ListingStatus
from matchmaking.models import Consent, Match, Review
from matchmaking.services.insights.rows import Figure, Queried
from matchmaking.services.insights.scope import Scope
from matchmaking.services.unmet import Progress, progress, unmatched_listings
from matchmaking.workflow import Decision, DeclineReason, MatchStatus, ReviewStatus

SHOWN = 10
ENDS = (MatchStatus.REJECTED, MatchStatus.DECLINED, MatchStatus.LAPSED)


@dataclass(frozen=True)
class Gap:
    """A listing without a partner: since how many days it has been public, why, and what next.

    `title` is as its owner wrote it, in `language` ("zh" or "en").
    """

    number: str
    title: str
    language: str
    url: str
    industry: str
    cause: str
    days: int
    step: str
    step_url: str


@dataclass(frozen=True)
class Gaps:
    """Both of all live listings of their kind, and those that have waited longest."""

    unmet: Figure
    demands: tuple[Gap, ...]
    orphans: Figure
    achievements: tuple[Gap, ...]


def gaps(scope: Scope) -> Gaps:
    """Return what has no partner; the same number of queries however many there are."""
    unmet, orphans = unmet_demands(scope), orphan_achievements(scope)
    return Gaps(
        Figure(unmet.count(), _narrowed(Demand.objects.live(), scope).count(), "unmet"),
        _first("demand", unmet),
        Figure(orphans.count(), _narrowed(Achievement.objects.live(), scope).count(), "orphans"),
        _first("achievement", orphans),
    )


def unmet_demands(scope: Scope) -> QuerySet[Any]:
    """Return the unmet demands of a place and an industry, the longest public first."""
    published = (
        ListingEvent.objects.filter(demand=OuterRef("pk"), after=ListingStatus.PUBLISHED)
        .order_by()
        .values("demand")
        .annotate(first=Min("created_at"))
        .values("first")
    )
    rows = _narrowed(unmatched_listings("demand"), scope)
    since = Coalesce(Subquery(published), F("published_at"))
    found: QuerySet[Any] = rows.annotate(public_since=since).order_by("public_since", "pk")
    return found


def orphan_achievements(scope: Scope) -> QuerySet[Any]:
    """Return the achievements that no demand wants, the longest published first."""
    rows = _narrowed(unmatched_listings("achievement"), scope)
    found: QuerySet[Any] = rows.annotate(public_since=F("published_at"))
    return found.order_by("public_since", "pk")


def _narrowed(rows: QuerySet[Any], scope: Scope) -> QuerySet[Any]:
    narrow = {"region__startswith": scope.region, "industry__startswith": scope.industry}
    return rows.filter(**{name: value for name, value in narrow.items() if value})


def rows(key: str) -> Queried | None:
    """Return the list of unmet demands or of orphan achievements; None for another key."""
    if key == "unmet":
        return Queried("demand", unmet_demands, _("Unmet demands"))
    if key == "orphans":
        return Queried("achievement", orphan_achievements, _("Achievements that nobody asks for"))
    return None


# --- Why, and what next ---------------------------------------------------------------------------


def _first(kind: str, rows: QuerySet[Any]) -> tuple[Gap, ...]:
    listings: list[Any] = list(rows.defer("body")[:SHOWN])
    keys = [one.pk for one in listings]
    found, said = progress(kind, keys), _said(kind, keys)
    today = timezone.localdate()
    result = []
    for listing in listings:
        end, count, reason = said.get(listing.pk, ("", 0, ""))
        step, url = _next(listing, end)
        result.append(
            Gap(
                listing.number,
                listing.title,
                listing.language,
                listing.get_absolute_url(),
                listing.industry_label(),
                _cause(kind, found.get(listing.pk), end, count, reason),
                max(0, (today - timezone.localdate(listing.public_since)).days),
                step,
                url,
            )
        )
    return tuple(result)


def _said(kind: str, keys: Sequence[int]) -> dict[int, tuple[str, int, str]]:
    """Return by listing how most of its matches ended, how many, and the commonest reason."""
    ends: dict[int, Counter[str]] = defaultdict(Counter)
    ended = Match.objects.filter(status__in=ENDS, **{f"{kind}__in": keys}).order_by()
    for pk, status, n in ended.values_list(kind, "status").annotate(Count("pk")):
        ends[pk][status] = n
    why: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    rejected = Review.objects.filter(
        status=ReviewStatus.SUBMITTED, decision=Decision.REJECT, **{f"match__{kind}__in": keys}
    )
    for pk, codes in rejected.values_list(f"match__{kind}", "reasons"):
        why[pk, MatchStatus.REJECTED].update(codes)
    declined = Consent.objects.filter(~Q(reason=""), agreed=False, **{f"match__{kind}__in": keys})
    for pk, code in declined.values_list(f"match__{kind}", "reason"):
        why[pk, MatchStatus.DECLINED][code] += 1
    result: dict[int, tuple[str, int, str]] = {}
    for pk, counts in ends.items():
        # A tie goes to the step that comes first.
        end = max(ENDS, key=lambda status: counts[status])
        codes = why[pk, end]
        result[pk] = (
            end,
            counts[end],
            min(codes, key=lambda code: (-codes[code], code), default=""),
        )
    return result


def _cause(kind: str, found: Progress | None, end: str, count: int, reason: str) -> str:
    said = {"count": count}
    match end:
        case MatchStatus.REJECTED:
            text = ngettext(
                "%(count)d match was not approved", "%(count)d matches were not approved", count
            )
            label = reasons.label(ReasonSubject.MATCH, reason) if reason else ""
        case MatchStatus.DECLINED:
            text = ngettext(
                "%(count)d match was declined by a side",
                "%(count)d matches were declined by a side",
                count,
            )
            label = str(dict(DeclineReason.choices).get(reason, reason))
        case MatchStatus.LAPSED:
            text, label = (
                ngettext(
                    "%(count)d match lapsed without an answer",
                    "%(count)d matches lapsed without an answer",
                    count,
                ),
                "",
            )
        case _:
            if kind == "achievement":
                return _("No demand asks for it yet")
            compared = found.compared if found else 0
            return ngettext(
                "%(count)d achievement compared, not near enough",
                "%(count)d achievements compared, none near enough",
                compared,
            ) % {"count": compared}
    return _("%(what)s: %(why)s") % {"what": text % said, "why": label} if label else text % said


def _next(listing: Listing, end: str) -> tuple[str, str]:
    """Return what an operator does next, and where."""
    kind = listing.kind
    if end == MatchStatus.REJECTED:
        return _("Read what managers said"), reverse(f"{kind}_matches", args=[listing.number])
    if end in (MatchStatus.DECLINED, MatchStatus.LAPSED):
        return _("Talk to its owner"), listing.get_absolute_url()
    words = " ".join(listing.keywords[:3]) or listing.title
    other = "achievement" if kind == "demand" else "demand"
    label = _("Look for achievements") if kind == "demand" else _("Look for demands")
    return label, f"{reverse(f'{other}_list')}?{urlencode({'q': words})}"
