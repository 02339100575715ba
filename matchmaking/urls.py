"""Addresses of the front page and of everything about matches."""

from django.urls import path

from matchmaking.views import (
    appeals,
    audit,
    home,
    inquiries,
    matches,
    models,
    operations,
    rankers,
    reviews,
    triage,
    workbench,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("demands/<str:number>/matches/", matches.demand_matches, name="demand_matches"),
    path(
        "achievements/<str:number>/matches/",
        matches.achievement_matches,
        name="achievement_matches",
    ),
    path("my/answers/", matches.my_answers, name="my_answers"),
    path("matches/<str:number>/", matches.match_detail, name="match_detail"),
    path("matches/<str:number>/consent/", matches.match_consent, name="match_consent"),
    path("matches/<str:number>/review/", reviews.match_review, name="match_review"),
    path("matches/<str:number>/conflict/", reviews.match_conflict, name="match_conflict"),
    path("matches/<str:number>/refer/", reviews.match_refer, name="match_refer"),
    path("matches/<str:number>/ask/", inquiries.match_ask, name="match_ask"),
    path("matches/<str:number>/questions/", inquiries.match_questions, name="match_questions"),
    path("matches/<str:number>/appeal/", appeals.match_appeal, name="match_appeal"),
    path("matches/<str:number>/feedback/", appeals.match_feedback, name="match_feedback"),
    path("matches/<str:number>/undo/", reviews.match_undo, name="match_undo"),
    path("workbench/", workbench.workbench, name="workbench"),
    path("workbench/reviews/", workbench.review_log, name="review_log"),
    path("workbench/together/", triage.triage, name="triage"),
    path("workbench/views/", workbench.view_save, name="view_save"),
    path("workbench/views/<int:pk>/delete/", workbench.view_delete, name="view_delete"),
    path("ops/", operations.ops_home, name="ops_home"),
    path("ops/listings/", operations.ops_listings, name="ops_listings"),
    path("ops/unmet/", operations.ops_unmet, name="ops_unmet"),
    path("ops/assignments/", operations.ops_assignments, name="ops_assignments"),
    path("ops/assignments/<str:number>/", operations.ops_reassign, name="ops_reassign"),
    path("ops/audit/", audit.ops_audit, name="ops_audit"),
    path("ops/audit/export/", audit.ops_audit_export, name="ops_audit_export"),
    path("ops/models/", models.ops_models, name="ops_models"),
    path("ops/rankers/", rankers.ops_rankers, name="ops_rankers"),
    path("ops/rankers/fixed/", rankers.ops_ranker_fixed, name="ops_ranker_fixed"),
    path("ops/rankers/<int:version>/", rankers.ops_ranker, name="ops_ranker"),
]
