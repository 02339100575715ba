"""The figures of the dashboards: what comes in, what becomes of it, how long it takes.

`insights` computes all that operators see, `public_insights` what everybody may. Each figure
carries the key of its rows (`rows.find`), which are counted by the same query as the figure.
"""

from matchmaking.services.insights.clocks import (
    Clock,
    Meeting,
    Week,
    answer_times,
    clocks,
    decided_in_two_days,
    first_introduction,
)
from matchmaking.services.insights.freshness import Band, freshness
from matchmaking.services.insights.funnel import Funnel, Step, funnel
from matchmaking.services.insights.gaps import Gap, Gaps, gaps
from matchmaking.services.insights.headline import Headline, headline
from matchmaking.services.insights.load import Desk, load
from matchmaking.services.insights.losses import Why
from matchmaking.services.insights.overview import Insights, insights
from matchmaking.services.insights.public import PlaceRow, PublicInsights, public_insights
from matchmaking.services.insights.rows import Figure
from matchmaking.services.insights.scope import Scope
from matchmaking.services.insights.supply import Matrix, Place, by_region, supply

__all__ = [
    "Band",
    "Clock",
    "Desk",
    "Figure",
    "Funnel",
    "Gap",
    "Gaps",
    "Headline",
    "Insights",
    "Matrix",
    "Meeting",
    "Place",
    "PlaceRow",
    "PublicInsights",
    "Scope",
    "Step",
    "Week",
    "Why",
    "answer_times",
    "by_region",
    "clocks",
    "decided_in_two_days",
    "first_introduction",
    "freshness",
    "funnel",
    "gaps",
    "headline",
    "insights",
    "load",
    "public_insights",
    "supply",
]
