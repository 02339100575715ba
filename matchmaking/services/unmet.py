"""Which listings have found a partner, and which demands are still unmet: what a region lacks.

A demand is unmet when its present version was compared with all achievements and no match of it is
open or introduced: nothing was near enough, or all that was found has ended.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.templatetags.kq import day
from catalog import partners
from matchmaking.models import Match, Unmatchable, index_model
from matchmaking.services.indexing import LISTINGS
from matchmaking.workflow import MatchStatus

# A match that may still bring two together, or has.
USEFUL = (
    MatchStatus.SUGGESTED,
    MatchStatus.IN_REVIEW,
    MatchStatus.APPROVED,
    MatchStatus.INTRODUCED,
)


class Progress(NamedTuple):
    """How far the engine is with one live listing."""

    state: partners.State
    useful: int
    ended: int
    compared: int
    matched_at: dt.datetime | None
    problem: str


def unmatched_listings(kind: str) -> QuerySet[Any]:
    """Return live listings that were compared and have no open or introduced match."""
    done = index_model(kind).objects.filter(
        listing=OuterRef("pk"), matched_version=OuterRef("version"), problem=""
    )
    useful = Match.objects.filter(status__in=USEFUL, **{kind: OuterRef("pk")})
    return LISTINGS[kind].objects.live().filter(Exists(done), ~Exists(useful))


def unmet_by(unmet: QuerySet[Any], field: str, letters: int) -> list[tuple[str, int]]:
    """Return how many demands begin with each code of a field, the most first."""
    counts = (
        unmet.order_by()
        .annotate(code=Left(field, letters))
        .values_list("code")
        .annotate(count=Count("pk"))
    )
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def unreadable_listings(kind: str) -> QuerySet[Any]:
    """Return live listings whose text cannot be compared."""
    broken = index_model(kind).objects.filter(listing=OuterRef("pk"), version=OuterRef("version"))
    return LISTINGS[kind].objects.live().filter(Exists(broken.exclude(problem="")))


def progress(kind: str, ids: Sequence[int]) -> dict[int, Progress]:
    """Return how far the engine is with the live ones of these listings; three queries."""
    live = dict(LISTINGS[kind].objects.live().filter(pk__in=ids).values_list("pk", "version"))
    rows = index_model(kind).objects.filter(pk__in=live, version=F("listing__version"))
    indexes = {row.pk: row for row in rows.defer("terms", "member_terms", "public_terms")}
    counts: dict[int, Counter[str]] = {pk: Counter() for pk in live}
    found = (
        Match.objects.filter(**{f"{kind}__in": list(live)})
        # What a run replaced before anybody looked at it was never told.
        .exclude(status=MatchStatus.SUPERSEDED, is_touched=False)
        .order_by()
        .values(kind)
        .annotate(useful=Count("pk", filter=Q(status__in=USEFUL)), all=Count("pk"))
    )
    for row in found:
        counts[row[kind]].update(useful=row["useful"], ended=row["all"] - row["useful"])
    result: dict[int, Progress] = {}
    for pk, version in live.items():
        index, count = indexes.get(pk), counts[pk]
        done = index is not None and index.matched_version == version
        state: partners.State = "pending"
        if index is not None and index.problem:
            state = "problem"
        elif done:
            state = "found" if count["useful"] else "unmet"
        result[pk] = Progress(
            state=state,
            useful=count["useful"],
            ended=count["ended"],
            compared=index.compared if index is not None else 0,
            matched_at=index.matched_at if done and index is not None else None,
            problem=index.problem if index is not None else "",
        )
    return result


def standings(kind: str, ids: Sequence[int]) -> dict[int, partners.Standing]:
    """Say in words how far the engine is with these listings; see `catalog.partners`."""
    return {pk: _standing(kind, one) for pk, one in progress(kind, ids).items()}


def _standing(kind: str, one: Progress) -> partners.Standing:
    match one.state:
        case "pending":
            text = _("It is being compared; this takes a few seconds.")
            return partners.Standing("pending", "loader-2", "unk", _("Being compared"), text)
        case "problem":
            text = _("This text cannot be compared: %(problem)s") % {
                "problem": problem_text(one.problem)
            }
            label = _("Cannot be compared")
            return partners.Standing("problem", "alert-triangle", "unmet", label, text)
        case "unmet":
            return partners.Standing(
                "unmet", "circle-dashed", "part", _unmet_label(kind), unmet_text(kind, one)
            )
    label = ngettext("%(count)d match", "%(count)d matches", one.useful) % {"count": one.useful}
    return partners.Standing("found", "sparkles", "met", label, "")


def _unmet_label(kind: str) -> str:
    return _("No partner yet") if kind == "demand" else _("No demand for it yet")


def unmet_text(kind: str, one: Progress) -> str:
    """Say that nothing near enough was found, among how many and when."""
    when = day(timezone.localdate(one.matched_at)) if one.matched_at else ""
    said = {"count": one.compared, "day": when, "ended": one.ended}
    if kind != "demand":
        return _(
            "No demand asks for this yet. New demands are compared as they arrive, and you are "
            "asked when one fits."
        )
    if one.ended:
        return (
            ngettext(
                "Compared with %(count)d achievement on %(day)s. What was found has ended, and no "
                "other is near enough; it is compared with each new one.",
                "Compared with %(count)d achievements on %(day)s. What was found has ended, and no "
                "other is near enough; it is compared with each new one.",
                one.compared,
            )
            % said
        )
    return (
        ngettext(
            "Compared with %(count)d achievement on %(day)s; it is not near enough. Each new one "
            "will be compared with it.",
            "Compared with %(count)d achievements on %(day)s; none is near enough. Each new one "
            "will be compared with it.",
            one.compared,
        )
        % said
    )


def problem_text(problem: str) -> str:
    """Say why a text cannot be compared, and what to do about it."""
    return str(dict(Unmatchable.choices).get(problem, problem))
