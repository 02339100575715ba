"""Addresses of the API about matches and reviews, under /api/v1/ beside those of the lists."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern, path

from matchmaking.api import problems
from matchmaking.api.assignments import AssignmentViewSet
from matchmaking.api.matches import MatchViewSet
from matchmaking.api.reviews import ReviewViewSet

problems.install()


def _at(address: str, views: Any, name: str, **actions: str) -> URLPattern:
    found: URLPattern = path(address, views.as_view(actions), name=f"api_{name}")
    return found


_REVIEW, _MATCH, _ASSIGNMENT = (
    f"{plural}/<str:number>/" for plural in ("reviews", "matches", "assignments")
)

urlpatterns = [
    _at("reviews/", ReviewViewSet, "review_list", get="list"),
    _at(_REVIEW, ReviewViewSet, "review", get="retrieve"),
    *(
        _at(f"{_REVIEW}{step}/", ReviewViewSet, f"review_{step}", post=step)
        for step in ("accept", "decide", "undo", "refer")
    ),
    _at(f"{_REVIEW}hand-back/", ReviewViewSet, "review_hand_back", post="hand_back"),
    _at(f"{_REVIEW}colleagues/", ReviewViewSet, "review_colleagues", get="colleagues"),
    _at(f"{_REVIEW}ask/", ReviewViewSet, "review_ask", get="lines", post="ask", delete="take_back"),
    _at("matches/", MatchViewSet, "match_list", get="list"),
    _at(_MATCH, MatchViewSet, "match", get="retrieve"),
    _at(f"{_MATCH}answer/", MatchViewSet, "match_consent", post="consent"),
    _at(f"{_MATCH}questions/", MatchViewSet, "match_questions", get="questions", post="answer"),
    _at(f"{_MATCH}appeal/", MatchViewSet, "match_appeal", post="appeal"),
    _at(f"{_MATCH}feedback/", MatchViewSet, "match_feedback", post="feedback"),
    _at("assignments/", AssignmentViewSet, "assignment_list", get="list"),
    _at(_ASSIGNMENT, AssignmentViewSet, "assignment", get="retrieve"),
    _at(f"{_ASSIGNMENT}reassign/", AssignmentViewSet, "assignment_reassign", post="reassign"),
]
