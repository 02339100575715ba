"""What is counted, as SQL over the records: one row for each demand, clock, pair or listing.

Each source has `kind` and `id` of what its row is about, and the columns that conditions are
written over. `rows` says which condition belongs to which number.

- A demand is first handed in, and first published, by the first such step of its life; the
  decision that published it and was taken back within minutes was none. Demands from before steps
  were kept have the dates of the listing.
- An answer is a technology manager taking on or deciding one of its matches.
- A clock counts once its promised working days are over: what began this morning is neither a
  success nor a failure yet, and quick answers are not counted before slow ones of the same day.
"""

from __future__ import annotations

from matchmaking.services.insights.sql import (
    CALENDAR,
    day,
    elapsed,
    here,
    over_on,
    within,
)

# --- Demands --------------------------------------------------------------------------------------

_LIVE = "({0}.status = 'published' AND ({0}.valid_until IS NULL OR {0}.valid_until >= %(today)s))"

_DEMAND_STEPS = """
first_posted AS (
    SELECT demand_id, min(created_at) AS at FROM catalog_listingevent
    WHERE after = 'submitted' AND demand_id IS NOT NULL GROUP BY demand_id
),
first_published AS (
    SELECT e.demand_id, min(e.created_at) AS at FROM catalog_listingevent e
    WHERE e.after = 'published' AND e.demand_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM catalog_listingevent u
        WHERE u.demand_id = e.demand_id AND u.version = e.version AND u.verb = 'undone'
        AND u.before = 'published' AND u.created_at >= e.created_at
    ) GROUP BY e.demand_id
),
first_answer AS (
    SELECT m.demand_id, min(e.created_at) AS at
    FROM matchmaking_matchevent e JOIN matchmaking_match m ON m.id = e.match_id
    WHERE e.verb IN ('accepted', 'approved', 'rejected') GROUP BY m.demand_id
),
first_meeting AS (
    SELECT demand_id, min(introduced_at) AS at FROM matchmaking_match
    WHERE introduced_at IS NOT NULL GROUP BY demand_id
),
contracts AS (
    SELECT DISTINCT m.demand_id FROM matchmaking_feedback f
    JOIN matchmaking_match m ON m.id = f.match_id WHERE f.contract = 'signed'
),
dated AS (
    SELECT d.id, d.status, d.valid_until, d.money_min, d.money_max, d.industry, d.region,
        coalesce(
            first_published.at,
            CASE WHEN NOT EXISTS (
                SELECT 1 FROM catalog_listingevent e
                WHERE e.demand_id = d.id AND e.after = 'published'
            ) THEN d.published_at END
        ) AS published_at,
        coalesce(first_posted.at, first_published.at, d.submitted_at, d.published_at) AS posted_at
    FROM catalog_demand d
    LEFT JOIN first_posted ON first_posted.demand_id = d.id
    LEFT JOIN first_published ON first_published.demand_id = d.id
    WHERE {here}
),
demands AS (
    SELECT 'demand' AS kind, d.id, d.industry, d.region, d.posted_at, d.published_at,
        {live} AS live,
        a.at AS answered_at, i.at AS introduced_at,
        {within_posted} AS in_posted, {within_published} AS in_published,
        {over} AS over, coalesce({in_time}, false) AS in_time,
        {answer_days} AS answer_days, {meeting_days} AS meeting_days,
        EXISTS (SELECT 1 FROM matchmaking_match m WHERE m.demand_id = d.id) AS matched,
        EXISTS (
            SELECT 1 FROM matchmaking_match m WHERE m.demand_id = d.id
            AND m.status IN ('approved', 'introduced', 'declined', 'lapsed')
        ) AS approved,
        c.demand_id IS NOT NULL AS signed,
        coalesce(d.money_max, d.money_min) AS budget
    FROM dated d
    LEFT JOIN first_answer a ON a.demand_id = d.id
    LEFT JOIN first_meeting i ON i.demand_id = d.id
    LEFT JOIN contracts c ON c.demand_id = d.id
)
""".format(
    here=here("d.region", "d.industry"),
    live=_LIVE.format("d"),
    within_posted=within("d.posted_at"),
    within_published=within("d.published_at"),
    over=over_on("%(today)s::date", "d.published_at", "%(answer_days)s"),
    in_time=f"NOT {over_on(day('a.at'), 'd.published_at', '%(answer_days)s')}",
    answer_days=elapsed("d.published_at", "a.at"),
    meeting_days=elapsed("d.published_at", "i.at"),
)

# Columns: id, industry, region, posted_at, published_at, answered_at, introduced_at, live,
# in_posted, in_published, over, in_time, answer_days, meeting_days, matched, approved, signed,
# budget.
DEMANDS = f"WITH {CALENDAR}, {_DEMAND_STEPS} SELECT * FROM demands"

# --- Clocks ---------------------------------------------------------------------------------------
# Columns: clock, kind, id, started, ended, counted (of the period, and over), in_time, late (now,
# whenever it began), days (working days that it took).

_FIRST_ANSWER = """
SELECT 'answer' AS clock, kind, id, published_at AS started, answered_at AS ended,
    in_published AND over AS counted, in_time,
    coalesce(live AND answered_at IS NULL AND over, false) AS late, answer_days AS days
FROM demands WHERE published_at IS NOT NULL
"""

# From the owner's side: a check that went from one manager to the next is one wait. What was voided
# after it was decided is a check of its own.
_PUBLICATION = f"""
SELECT 'publication', 'publication', c.id, c.started, c.ended,
    {within("c.started")} AND {over_on("%(today)s::date", "c.started", "%(publication_days)s")},
    coalesce(NOT {over_on(day("c.ended"), "c.started", "%(publication_days)s")}, false),
    c.ended IS NULL AND {over_on("%(today)s::date", "c.started", "%(publication_days)s")},
    {elapsed("c.started", "c.ended")}
FROM (
    SELECT max(p.id) AS id,
        min(p.opened_at) FILTER (WHERE NOT (p.status = 'void' AND p.decision <> '')) AS started,
        CASE WHEN NOT bool_or(p.status = 'assigned')
            THEN max(p.closed_at) FILTER (WHERE p.status = 'submitted') END AS ended
    FROM catalog_publicationreview p
    LEFT JOIN catalog_demand d ON d.id = p.demand_id
    LEFT JOIN catalog_achievement a ON a.id = p.achievement_id
    WHERE {here("coalesce(d.region, a.region)", "coalesce(d.industry, a.industry)")}
    GROUP BY p.demand_id, p.achievement_id, p.version, p.appeal
    HAVING bool_or(p.status IN ('assigned', 'submitted'))
) c
"""

# While a side is asked the clock of a review stands still, and `due_on` has moved; a listing that
# was changed and came back starts it anew.
_REVIEWS = f"""
reviews AS (
    SELECT r.id, r.status, r.due_on, r.paused_on IS NOT NULL OR m.is_frozen AS paused,
        greatest(r.assigned_at, u.at) AS started,
        CASE WHEN r.status IN ('submitted', 'reopened') THEN r.closed_at END AS ended,
        coalesce(q.days, 0) AS asked
    FROM matchmaking_review r
    JOIN matchmaking_match m ON m.id = r.match_id
    JOIN catalog_demand d ON d.id = m.demand_id
    LEFT JOIN (
        SELECT review_id, sum({elapsed("asked_at", "coalesce(closed_at, %(now)s)")}) AS days
        FROM matchmaking_inquiry GROUP BY review_id
    ) q ON q.review_id = r.id
    LEFT JOIN LATERAL (
        SELECT max(e.created_at) AS at FROM matchmaking_matchevent e
        WHERE e.match_id = r.match_id AND e.verb = 'unfrozen'
        AND (r.closed_at IS NULL OR e.created_at < r.closed_at)
    ) u ON true
    WHERE r.status IN ('assigned', 'accepted', 'submitted', 'reopened', 'no_response')
    AND {here("d.region", "d.industry")}
)
"""
_OPEN_REVIEW = "status IN ('assigned', 'accepted')"
_REVIEW = f"""
SELECT 'review', 'review', id, started, ended,
    {within("started")} AND due_on < %(today)s AND NOT ({_OPEN_REVIEW} AND paused),
    coalesce({day("ended")} <= due_on, false),
    {_OPEN_REVIEW} AND due_on < %(today)s AND NOT paused,
    greatest(0, ({elapsed("started", "ended")}) - asked)
FROM reviews
"""
_QUICK = f"""
SELECT 'quick', 'review', id, started, ended,
    {within("started")} AND {over_on("%(today)s::date", "started", "%(quick_days)s + asked")}
        AND NOT ({_OPEN_REVIEW} AND paused),
    coalesce(NOT {over_on(day("ended"), "started", "%(quick_days)s + asked")}, false),
    false, greatest(0, ({elapsed("started", "ended")}) - asked)
FROM reviews
"""

# A match that ended because its listing did, before the sides' days were over, is nobody's silence.
_SIDES = f"""
SELECT 'sides', 'match', s.id, s.started, s.ended,
    {within("s.started")} AND {over_on("%(today)s::date", "s.started", "%(consent_days)s")}
        AND NOT s.is_frozen
        AND NOT coalesce(
            NOT {over_on(day("s.lapsed_at"), "s.started", "%(consent_days)s")}, false),
    coalesce(NOT {over_on(day("s.ended"), "s.started", "%(consent_days)s")}, false),
    coalesce(s.status = 'approved' AND s.due_on < %(today)s AND NOT s.is_frozen, false),
    {elapsed("s.started", "s.ended")}
FROM (
    SELECT m.id, m.status, m.due_on, m.is_frozen,
        greatest(m.decided_at, e.unfrozen_at) AS started, e.lapsed_at,
        CASE m.status WHEN 'introduced' THEN m.introduced_at
            WHEN 'declined' THEN e.declined_at END AS ended
    FROM matchmaking_match m
    JOIN catalog_demand d ON d.id = m.demand_id
    LEFT JOIN LATERAL (
        SELECT max(created_at) FILTER (WHERE verb = 'unfrozen') AS unfrozen_at,
            max(created_at) FILTER (WHERE verb = 'declined') AS declined_at,
            max(created_at) FILTER (WHERE verb = 'lapsed') AS lapsed_at
        FROM matchmaking_matchevent e
        WHERE e.match_id = m.id AND e.verb IN ('unfrozen', 'declined', 'lapsed')
    ) e ON true
    WHERE m.status IN ('approved', 'introduced', 'declined', 'lapsed')
    AND m.decided_at IS NOT NULL AND {here("d.region", "d.industry")}
) s
"""

# Each request and the decision that followed it. A change in between begins the clock anew, as
# `accounts.clocks` counts it.
_VERIFICATION = f"""
SELECT 'verification', 'organization', o.id, c.started, c.ended,
    {within("c.started")} AND {over_on("%(today)s::date", "c.started", "%(verify_days)s")},
    coalesce(NOT {over_on(day("c.ended"), "c.started", "%(verify_days)s")}, false),
    c.ended IS NULL AND {over_on("%(today)s::date", "c.started", "%(verify_days)s")},
    {elapsed("c.started", "c.ended")}
FROM (
    SELECT organization_id AS id, asked AS started, created_at AS ended FROM (
        SELECT organization_id, verb, created_at,
            lag(verb) OVER steps AS before, lag(created_at) OVER steps AS asked
        FROM accounts_accountevent
        WHERE organization_id IS NOT NULL AND (
            verb IN ('registered', 'verified', 'returned')
            OR (verb = 'changed' AND subject_id IS NULL)
        )
        WINDOW steps AS (PARTITION BY organization_id ORDER BY created_at, id)
    ) step
    WHERE verb IN ('verified', 'returned') AND before IN ('registered', 'changed')
    UNION ALL
    SELECT o.id, coalesce(
        (SELECT max(e.created_at) FROM accounts_accountevent e WHERE e.organization_id = o.id
            AND (e.verb = 'registered' OR (e.verb = 'changed' AND e.subject_id IS NULL))),
        o.created_at), NULL
    FROM accounts_organization o WHERE o.status = 'pending'
) c JOIN accounts_organization o ON o.id = c.id
WHERE {here("o.region")}
"""
_CERTIFICATION = f"""
SELECT 'certification', 'manager', p.id, c.started, c.ended,
    {within("c.started")} AND {over_on("%(today)s::date", "c.started", "%(verify_days)s")},
    coalesce(NOT {over_on(day("c.ended"), "c.started", "%(verify_days)s")}, false),
    c.ended IS NULL AND {over_on("%(today)s::date", "c.started", "%(verify_days)s")},
    {elapsed("c.started", "c.ended")}
FROM (
    SELECT subject_id AS id, asked AS started, created_at AS ended FROM (
        SELECT subject_id, verb, created_at,
            lag(verb) OVER steps AS before, lag(created_at) OVER steps AS asked
        FROM accounts_accountevent
        WHERE subject_id IS NOT NULL AND verb IN ('applied', 'certified', 'suspended')
        WINDOW steps AS (PARTITION BY subject_id ORDER BY created_at, id)
    ) step
    WHERE verb IN ('certified', 'suspended') AND before = 'applied'
    UNION ALL
    SELECT p.user_id, coalesce(
        (SELECT max(e.created_at) FROM accounts_accountevent e
            WHERE e.subject_id = p.user_id AND e.verb = 'applied'),
        p.created_at), NULL
    FROM accounts_managerprofile p WHERE p.status = 'pending'
) c JOIN accounts_managerprofile p ON p.user_id = c.id
WHERE (%(region)s = '' OR p.regions = '{{}}'
    OR EXISTS (SELECT 1 FROM unnest(p.regions) r WHERE left(r, 2) = %(region)s))
AND (%(industry)s = '' OR EXISTS (
    SELECT 1 FROM unnest(p.classes) k
    WHERE starts_with(k, %(industry)s) OR starts_with(%(industry)s, k)))
"""

CLOCKS = f"""
WITH {CALENDAR}, {_DEMAND_STEPS}, {_REVIEWS}
{_FIRST_ANSWER} UNION ALL {_PUBLICATION} UNION ALL {_REVIEW} UNION ALL {_QUICK}
UNION ALL {_SIDES} UNION ALL {_VERIFICATION} UNION ALL {_CERTIFICATION}
"""

# --- Pairs ----------------------------------------------------------------------------------------
# Live demands with the live achievements that a useful match joins them to: one row a pair.

PAIRS = f"""
SELECT 'demand' AS kind, d.id, left(d.industry, 1) AS industry, left(d.region, 2) AS region,
    left(a.industry, 1) AS by_industry, left(a.region, 2) AS by_region
FROM catalog_demand d
JOIN matchmaking_match m ON m.demand_id = d.id
    AND m.status IN ('suggested', 'in_review', 'approved', 'introduced')
JOIN catalog_achievement a ON a.id = m.achievement_id
WHERE {_LIVE.format("d")} AND {_LIVE.format("a")} AND {here("d.region", "d.industry")}
"""

# Live demands of the place and industry looked at, and all live achievements.
LIVE = f"""
SELECT 'demand' AS kind, d.id, left(d.industry, 1) AS industry, left(d.region, 2) AS region
FROM catalog_demand d WHERE {_LIVE.format("d")} AND {here("d.region", "d.industry")}
UNION ALL
SELECT 'achievement', a.id, left(a.industry, 1), left(a.region, 2)
FROM catalog_achievement a WHERE {_LIVE.format("a")}
"""

# --- Desks ----------------------------------------------------------------------------------------
# What lies on each manager's desk, and what was settled in the period: decided, or let go by. As
# `services.stars` counts it; whoever checks another's listing leaves no mark on that one's desk.

DESKS = f"""
SELECT 'review' AS kind, r.id, r.manager_id, r.assigned_at AS started, r.closed_at AS ended,
    NULL::integer AS days, {_OPEN_REVIEW.replace("status", "r.status")} AS open,
    {_OPEN_REVIEW.replace("status", "r.status")} AND r.due_on < %(today)s
        AND r.paused_on IS NULL AND NOT m.is_frozen AS late,
    coalesce(r.status IN ('submitted', 'reopened', 'no_response') AND {within("r.closed_at")},
        false) AS settled,
    coalesce(r.status <> 'no_response' AND {day("r.closed_at")} <= r.due_on, false) AS in_time
FROM matchmaking_review r JOIN matchmaking_match m ON m.id = r.match_id
UNION ALL
SELECT 'publication', p.id, p.manager_id, coalesce(p.assigned_at, p.opened_at), p.closed_at, NULL,
    p.status = 'assigned', p.status = 'assigned' AND p.due_on < %(today)s,
    coalesce({within("p.closed_at")} AND (p.status = 'no_response'
        OR (p.status = 'submitted' AND p.decided_by_id = p.manager_id)), false),
    coalesce(p.status <> 'no_response' AND {day("p.closed_at")} <= p.due_on, false)
FROM catalog_publicationreview p WHERE p.manager_id IS NOT NULL
"""

# --- Freshness ------------------------------------------------------------------------------------
# Live listings by the days since their owners last said that they are true.


def _fresh(kind: str, table: str) -> str:
    return f"""
        SELECT '{kind}' AS kind, l.id, CASE
            WHEN l.confirmed_at IS NULL THEN 'never'
            WHEN %(today)s - {day("l.confirmed_at")} <= 30 THEN '30'
            WHEN %(today)s - {day("l.confirmed_at")} <= 90 THEN '90'
            WHEN %(today)s - {day("l.confirmed_at")} <= 180 THEN '180'
            ELSE 'older' END AS band
        FROM {table} l WHERE {_LIVE.format("l")} AND {here("l.region", "l.industry")}
    """


FRESHNESS = f"""
{_fresh("demand", "catalog_demand")} UNION ALL {_fresh("achievement", "catalog_achievement")}
"""
