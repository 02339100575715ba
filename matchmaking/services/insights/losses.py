"""Why demands did not get past a step of the funnel, by the reasons that people gave.

A demand counts once for each reason that it met with, so the reasons need not add up to the loss.
Where nobody gave a reason, how it stands is the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext as _

from catalog import reasons
from catalog.models import ReasonSubject
from catalog.workflow import EndReason, ListingStatus
from matchmaking.services.insights.rows import REACHED, STEPS, Figure, Selected, up_to
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.sources import DEMANDS
from matchmaking.services.insights.sql import fetch, parameters
from matchmaking.workflow import ContractState, DeclineReason, MatchStatus

SHOWN = 3

# By step: the reasons of a lost demand `l`, as "group.code"; no row where nobody gave any.
_GIVEN = {
    "published": """
        SELECT l.id, CASE WHEN e.after = 'withdrawn' THEN 'end.' ELSE 'listing.' END || e.reason
        FROM lost l JOIN catalog_listingevent e ON e.demand_id = l.id
        WHERE e.after IN ('needs_info', 'rejected', 'withdrawn') AND e.reason <> ''
    """,
    "suggested": """
        SELECT l.id, CASE WHEN i.problem <> '' THEN 'engine.problem' ELSE 'engine.nothing' END
        FROM lost l JOIN catalog_demand d ON d.id = l.id
        JOIN matchmaking_demandindex i ON i.listing_id = d.id AND i.version = d.version
        WHERE i.problem <> '' OR i.matched_version = d.version
    """,
    "approved": """
        SELECT l.id, 'match.' || unnest(r.reasons) FROM lost l
        JOIN matchmaking_match m ON m.demand_id = l.id AND m.status = 'rejected'
        JOIN matchmaking_review r ON r.match_id = m.id
        WHERE r.status = 'submitted' AND r.decision = 'reject'
    """,
    "introduced": """
        SELECT l.id, 'decline.' || c.reason FROM lost l
        JOIN matchmaking_match m ON m.demand_id = l.id
        JOIN matchmaking_consent c ON c.match_id = m.id
        WHERE NOT c.agreed AND c.reason <> ''
    """,
    "signed": """
        SELECT l.id, 'contract.' || f.contract FROM lost l
        JOIN matchmaking_match m ON m.demand_id = l.id
        JOIN matchmaking_feedback f ON f.match_id = m.id
    """,
}
# How a lost demand stands for which nobody gave a reason.
_STANDS = {
    "published": "SELECT 'status.' || d.status FROM catalog_demand d WHERE d.id = l.id",
    "suggested": "SELECT 'engine.waiting'",
    "approved": """
        SELECT 'pair.' || m.status FROM matchmaking_match m WHERE m.demand_id = l.id
        ORDER BY array_position(
            '{in_review,suggested,rejected,superseded}'::text[], m.status::text) LIMIT 1
    """,
    "introduced": """
        SELECT 'pair.' || m.status FROM matchmaking_match m WHERE m.demand_id = l.id
        AND m.status IN ('approved', 'declined', 'lapsed')
        ORDER BY array_position('{approved,declined,lapsed}'::text[], m.status::text) LIMIT 1
    """,
    "signed": "SELECT 'contract.none'",
}


@dataclass(frozen=True)
class Why:
    """A reason in words, and how many of the demands that were lost at the step met with it."""

    label: str
    figure: Figure


def _source(step: str) -> str:
    before = up_to(STEPS[STEPS.index(step) - 1])
    return f"""
        WITH lost AS (
            SELECT id FROM ({DEMANDS}) source WHERE {before} AND NOT ({REACHED[step]})
        ),
        given (id, reason) AS ({_GIVEN[step]})
        SELECT 'demand' AS kind, id, reason FROM given
        UNION
        SELECT 'demand', l.id, ({_STANDS[step]}) FROM lost l
        WHERE NOT EXISTS (SELECT 1 FROM given g WHERE g.id = l.id)
    """


def why(scope: Scope, step: str) -> tuple[Why, ...]:
    """Return the commonest reasons why demands did not reach a step; one query."""
    query = f"""
        SELECT reason, count(DISTINCT id), (SELECT count(DISTINCT id) FROM found)
        FROM found GROUP BY reason ORDER BY 2 DESC, 1 LIMIT {SHOWN}
    """
    found = fetch(f"WITH found AS ({_source(step)}) {query}", parameters(scope))
    return tuple(
        Why(_label(reason), Figure(n, lost, f"lost-{step}-{reason}")) for reason, n, lost in found
    )


def rows(key: str) -> Selected | None:
    """Return the demands that were lost at a step, or for one reason; None for another key."""
    found = re.fullmatch(r"lost-([a-z]+)(?:-([a-z]+\.[a-z0-9_]{1,24}))?", key)
    if found is None or found[1] not in _GIVEN:
        return None
    step, reason = found[1], found[2]
    if reason is None:
        label = _("Demands that did not get to this step")
        return Selected(_source(step), "true", label)
    label = _("Demands that were held up: %(reason)s") % {"reason": _label(reason)}
    return Selected(_source(step), "reason = %(reason)s", label, params={"reason": reason})


def _label(reason: str) -> str:
    """Say a reason in words; one of another installation says its code."""
    group, _dot, code = reason.partition(".")
    match group:
        case "listing":
            return reasons.label(ReasonSubject.LISTING, code)
        case "match":
            return reasons.label(ReasonSubject.MATCH, code)
        case "end":
            return str(dict(EndReason.choices).get(code, code))
        case "decline":
            return str(dict(DeclineReason.choices).get(code, code))
        case "status":
            return str(dict(ListingStatus.choices).get(code, code))
        case "pair":
            return str(dict(MatchStatus.choices).get(code, code))
    own = {
        "engine.problem": _("Its text cannot be compared"),
        "engine.nothing": _("No achievement is near enough"),
        "engine.waiting": _("Not compared yet"),
        "contract.none": _("No side has said yet"),
    }
    return own.get(reason) or str(dict(ContractState.choices).get(code, code))
