"""What has changed in a match since its manager looked at it last.

`Review.seen` keeps what was on the page: which versions were compared, by which engine, the verdict
of each line that was open to the manager, and the last step of the history. It is written when the
page is shown, not when it is fetched ahead, and is compared without the texts: the queue tells
changed matches from it too (`services.queues`).

Who reloads a page, or comes back to it after asking somebody, is in the same sitting: for half an
hour the box tells the same, and what is new within it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from matchmaking import presenting
from matchmaking.models import Match, MatchEvent, Review
from matchmaking.workflow import Side

SITTING = dt.timedelta(minutes=30)

V = MatchEvent.Verb
# Steps that are news to the manager. What engine and listings did is told by versions and lines.
_NEWS = (V.ANSWERED, V.UNANSWERED, V.APPEALED, V.FROZEN, V.UNFROZEN, V.REOPENED, V.REFERRED)


@dataclass(frozen=True)
class Changes:
    """What is other than at the last look: sentences, and the steps since then."""

    since: dt.datetime
    lines: list[str]
    events: list[MatchEvent]


def changes_since(
    review: Review, rows: Sequence[presenting.GridRow], events: Iterable[MatchEvent]
) -> Changes | None:
    """Compare a match with its manager's last look. None: the first look, or nothing is new.

    `rows` are those that the manager may read; `events` the match's history.
    """
    seen = _base(review.seen, timezone.now())
    if not seen:
        return None
    before = {str(key): str(verdict) for key, verdict in seen.get("lines", {}).items()}
    now = _verdicts(rows)
    moved = {key for key, verdict in now.items() if before.get(key, verdict) != verdict}
    lines = [
        *_versions(review.match, seen),
        *_moves([(before[key], now[key]) for key in sorted(moved)]),
        *_counted(len(now.keys() - before.keys()), len(before.keys() - now.keys())),
        *_grade(review.match, seen),
    ]
    news = [
        event
        for event in events
        if event.pk > seen.get("event", 0)
        and event.verb in _NEWS
        and event.actor_id != review.manager_id
    ]
    if not lines and not news:
        return None
    return Changes(_moment(seen), lines, news)


def remember(
    review: Review, rows: Sequence[presenting.GridRow], events: Iterable[MatchEvent]
) -> None:
    """Keep what the manager sees now: one write, none if nothing is new within a sitting."""
    now = timezone.now()
    look = _look(review.match, rows, events)
    base = _base(review.seen, now)
    if base is not review.seen and look == {key: review.seen.get(key) for key in look}:
        return
    before = {key: value for key, value in base.items() if key != "before"}
    seen = look | {"at": now.isoformat()} | ({"before": before} if before else {})
    Review.objects.filter(pk=review.pk).update(seen=seen)


def _base(seen: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """Return the look to compare with: the one before this sitting."""
    if seen and now - _moment(seen) < SITTING:
        base: dict[str, Any] = seen.get("before") or {key: seen[key] for key in seen}
        return base
    return seen


def _moment(seen: dict[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(seen["at"])


def _look(
    match: Match, rows: Sequence[presenting.GridRow], events: Iterable[MatchEvent]
) -> dict[str, Any]:
    grade = presenting.grade_of(match, exact=False)
    return {
        "demand": match.demand_revision_id,
        "achievement": match.achievement_revision_id,
        "versions": {
            side: getattr(match, f"{side}_revision").version
            for side in (Side.DEMAND.value, Side.ACHIEVEMENT.value)
        },
        "engine": match.engine,
        "grade": grade.key if grade else "",
        "lines": _verdicts(rows),
        "event": max((event.pk for event in events), default=0),
    }


def _verdicts(rows: Sequence[presenting.GridRow]) -> dict[str, str]:
    return {row.key: row.verdict.key for row in rows if row.key and not row.closed}


# --- In words -----------------------------------------------------------------------------------


def _versions(match: Match, seen: dict[str, Any]) -> list[str]:
    said = []
    for side in (Side.DEMAND, Side.ACHIEVEMENT):
        then = seen.get("versions", {}).get(side.value)
        now = getattr(match, f"{side.value}_revision").version
        if then is None or then == now:
            continue
        if side == Side.DEMAND:
            text = _("Version %(now)d of the demand is compared; you saw version %(then)d.")
        else:
            text = _("Version %(now)d of the achievement is compared; you saw version %(then)d.")
        said.append(text % {"now": now, "then": then})
    return said


def _moves(moved: list[tuple[str, str]]) -> list[str]:
    """Say how many lines went from which verdict to which, the most frequent first."""
    return [
        ngettext(
            "%(count)d line changed from “%(before)s” to “%(after)s”.",
            "%(count)d lines changed from “%(before)s” to “%(after)s”.",
            count,
        )
        % {
            "count": count,
            "before": presenting.Verdict(before).label,
            "after": presenting.Verdict(after).label,
        }
        for (before, after), count in Counter(moved).most_common()
    ]


def _counted(new: int, gone: int) -> list[str]:
    said = []
    if new:
        text = ngettext(
            "%(count)d line is asked for anew.", "%(count)d lines are asked for anew.", new
        )
        said.append(text % {"count": new})
    if gone:
        text = ngettext(
            "%(count)d line is no longer asked for.",
            "%(count)d lines are no longer asked for.",
            gone,
        )
        said.append(text % {"count": gone})
    return said


def _grade(match: Match, seen: dict[str, Any]) -> list[str]:
    grade = presenting.grade_of(match, exact=False)
    now, then = grade.key if grade else "", seen.get("grade", "")
    if not now or not then or now == then:
        return []
    return [
        _("The engine now calls it “%(now)s”; it was “%(then)s”.")
        % {"now": presenting.Grade(now, None).label, "then": presenting.Grade(then, None).label}
    ]
