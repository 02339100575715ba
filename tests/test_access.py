"""Every address of the site, every role: who opens what, and that a refusal changes nothing.

A new address that is not in the table fails `test_every_address_is_in_the_table`.
"""

import datetime as dt
from types import SimpleNamespace

import pytest
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import URLResolver, get_resolver, reverse
from django.utils import timezone

from accounts.files.storage import private_storage
from accounts.inbox import Notification
from accounts.models import (
    AccountEvent,
    CodeChange,
    Evidence,
    ManagerProfile,
    Membership,
    Organization,
)
from accounts.notices import notify
from catalog.models import Achievement, Attachment, Demand, ImportJob, ListingEvent, SavedSearch
from matchmaking.models import AssignmentPlan, Consent, Match, MatchEvent, RankerVersion, Review
from matchmaking.workflow import MatchStatus, ReviewStatus
from tests.api import make_token
from tests.factories import (
    make_achievement,
    make_demand,
    make_manager,
    make_match,
    make_member,
    make_operator,
    make_organization,
    make_ranker_version,
    make_review,
    make_user,
)

# In the order of the table's columns. `owner` and `viewer` are of the enterprise that owns the
# demand, `university` owns the achievement, `stranger` owns another enterprise; `manager` has
# taken the match's review on, `colleague` has nothing to do with it, `tied` once worked for the
# enterprise and was given the review of `barred` all the same.
ROLES = (
    *("visitor", "plain", "owner", "viewer", "stranger"),
    *("university", "manager", "colleague", "tied", "operator"),
)
CODES = {"1": 401, "2": 200, "3": 403, "4": 404, "5": 405, "G": 410, "L": 302, "R": 302, "D": 503}

# One letter a role: 2 the page, L to the log-in, R elsewhere, 3 may not (403), 4 may not know of
# it (404), 5 no such method (405), G a link that is void (410), D a service is down, as no worker
# runs here.
TABLE = {
    # address: what it is about  GET           POST ("" where there is nothing to post)
    ("healthz", ""): ("DDDDDDDDDD", ""),
    ("set_language", ""): ("RRRRRRRRRR", ""),
    ("home", ""): ("2222222222", ""),
    ("welcome", ""): ("2222222222", ""),
    ("robots", ""): ("2222222222", ""),
    ("sitemap", ""): ("2222222222", ""),
    ("sitemap_section", "section"): ("2222222222", ""),
    ("help_how", ""): ("2222222222", ""),
    ("help_people", ""): ("2222222222", ""),
    ("help_matching", ""): ("2222222222", ""),
    ("help_visibility", ""): ("2222222222", ""),
    ("help_figures", ""): ("2222222222", ""),
    ("help_accessibility", ""): ("2222222222", ""),
    ("help_stars", ""): ("2222222222", ""),
    ("manager_list", ""): ("2222222222", ""),
    ("design", ""): ("L333333332", ""),
    # The two lists
    ("demand_list", ""): ("2222222222", ""),
    ("achievement_list", ""): ("2222222222", ""),
    ("demand_detail", "demand"): ("2222222222", ""),
    ("demand_detail", "draft"): ("4422444442", ""),
    ("demand_detail", "submitted"): ("4422442222", ""),
    ("demand_detail", "withdrawn"): ("4422444442", ""),
    ("achievement_detail", "achievement"): ("2222222222", ""),
    ("demand_new", ""): ("LR2322RRRR", "LR-3--RRRR"),
    ("achievement_new", ""): ("LR2322RRRR", "LR-3--RRRR"),
    ("demand_new_whole", ""): ("LR2322RRRR", "LR-3--RRRR"),
    ("achievement_new_whole", ""): ("LR2322RRRR", "LR-3--RRRR"),
    ("demand_edit", "demand"): ("L323333333", "L3-3333333"),
    ("demand_edit", "draft"): ("L423444443", "L4-3444443"),
    ("demand_edit", "submitted"): ("L4R3443333", "L4-3443333"),
    ("achievement_edit", "achievement"): ("L333323333", "L3333-3333"),
    ("demand_step", "demand step"): ("L3R3333333", "L3-3333333"),
    ("demand_step", "draft step"): ("L423444443", "L4-3444443"),
    ("achievement_step", "achievement step"): ("L3333R3333", "L3333-3333"),
    ("demand_preview", "demand tier"): ("L322333333", ""),
    ("demand_preview", "draft tier"): ("L422444443", ""),
    ("achievement_preview", "achievement tier"): ("L333323333", ""),
    ("demand_clone", "demand"): ("L555555555", "L3-3333333"),
    ("demand_clone", "draft"): ("L555555555", "L4-3444443"),
    ("achievement_clone", "achievement"): ("L555555555", "L3333-3333"),
    ("demand_withdraw", "demand"): ("L323333333", "L3-3333333"),
    ("demand_withdraw", "draft"): ("L423444443", "L4-3444443"),
    ("achievement_withdraw", "achievement"): ("L333323333", "L3333-3333"),
    ("demand_close", "demand"): ("L323333333", "L3-3333333"),
    ("achievement_close", "achievement"): ("L333323333", "L3333-3333"),
    ("demand_confirm", "demand"): ("L323333333", "L3-3333333"),
    ("achievement_confirm", "achievement"): ("L333323333", "L3333-3333"),
    ("demand_revisions", "demand"): ("L322333332", ""),
    ("demand_revisions", "draft"): ("L422444442", ""),
    ("demand_revisions", "submitted"): ("L422442232", ""),
    ("achievement_revisions", "achievement"): ("L333323332", ""),
    ("demand_suspend", "demand"): ("L333333332", "L33333333-"),
    ("achievement_suspend", "achievement"): ("L333333332", "L33333333-"),
    ("demand_resume", "demand"): ("L333333332", "L33333333-"),
    ("achievement_resume", "achievement"): ("L333333332", "L33333333-"),
    ("demand_appeal", "demand"): ("L3R3333333", "L3-3333333"),
    ("achievement_appeal", "achievement"): ("L3333R3333", "L3333-3333"),
    ("my_demands_bulk", ""): ("L555555555", "LRRRRRRRRR"),
    ("my_achievements_bulk", ""): ("L555555555", "LRRRRRRRRR"),
    # Links of mails: tests/catalog/test_reminders.py and test_saved_searches.py have whole ones.
    ("listing_still_true", "token"): ("GGGGGGGGGG", "GGGGGGGGGG"),
    ("saved_searches_unsubscribe", "token"): ("GGGGGGGGGG", "GGGGGGGGGG"),
    ("saved_searches", ""): ("L222222222", ""),
    ("saved_search_new", ""): ("L444444444", "L444444444"),
    ("saved_search_edit", "search"): ("L424444444", "L4-4444444"),
    ("saved_search_open", "search"): ("L555555555", "L4-4444444"),
    ("saved_search_delete", "search"): ("L555555555", "L4-4444444"),
    ("demand_files", "demand"): ("L323333333", "L3-3333333"),
    ("demand_files", "draft"): ("L423444443", "L4-3444443"),
    ("achievement_files", "achievement"): ("L333323333", "L3333-3333"),
    ("demand_file", "demand file"): ("L555555555", "L3-3333333"),
    ("achievement_file", "achievement file"): ("L555555555", "L3333-3333"),
    ("demand_file_remove", "demand file"): ("L323333333", "L3-3333333"),
    ("achievement_file_remove", "achievement file"): ("L333323333", "L3333-3333"),
    ("attachment_download", "attachment"): ("4422442442", ""),
    ("my_demands", ""): ("L222222222", ""),
    ("my_achievements", ""): ("L222222222", ""),
    ("class_search", "scheme"): ("L222222222", ""),
    # They change nothing, so that whoever may write gets an answer and the rest a refusal.
    ("listing_quality", "writing"): ("L555555555", "L3-3--3333"),
    ("find_indicators", "writing"): ("L555555555", "L3-3--3333"),
    # Files in and out
    ("import_new", ""): ("LR2322RRR2", "LR-3--RRR-"),
    ("import_template", "template"): ("L222222222", ""),
    ("import_job", "import"): ("L422444442", ""),
    ("import_confirm", "import"): ("L555555555", "L4-344444-"),
    ("import_cancel", "import"): ("L555555555", "L4-344444-"),
    ("import_report", "report"): ("L422444442", ""),
    ("export_demands", ""): ("L222222222", ""),
    ("export_achievements", ""): ("L222222222", ""),
    ("export_my_demands", ""): ("L222222222", ""),
    ("export_my_achievements", ""): ("L222222222", ""),
    ("listing_queue", ""): ("L333332222", ""),
    ("listing_review", "submitted"): ("L333332232", "L33333--3-"),
    ("listing_review", "draft"): ("L333334442", "L33333444-"),
    # Only who has decided can undo.
    ("listing_undo", "submitted"): ("L555555555", "L333334444"),
    # Matches
    ("demand_matches", "demand"): ("L322333332", ""),
    ("demand_matches", "draft"): ("L422444442", ""),
    ("achievement_matches", "achievement"): ("L333323332", ""),
    ("my_answers", ""): ("L222222222", ""),
    ("match_detail", "match"): ("L422422442", ""),
    ("match_detail", "barred"): ("L422424432", ""),
    ("demand_report", "demand"): ("L322333332", ""),
    ("demand_report_pdf", "demand"): ("L322333332", ""),
    ("demand_report", "draft"): ("L422444442", ""),
    ("demand_report_pdf", "draft"): ("L422444442", ""),
    ("achievement_report", "achievement"): ("L333323332", ""),
    ("achievement_report_pdf", "achievement"): ("L333323332", ""),
    ("match_brief", "match"): ("L422422442", ""),
    ("match_brief_pdf", "match"): ("L422422442", ""),
    ("match_brief", "barred"): ("L422424432", ""),
    ("match_brief_pdf", "barred"): ("L422424432", ""),
    ("match_consent", "match"): ("L422423443", "L4--4-3443"),
    ("match_consent", "approved"): ("L422424443", "L4-34-4443"),
    ("match_review", "match"): ("L433432443", "L43343-443"),
    ("match_review", "barred"): ("L433434433", "L433434433"),
    ("match_conflict", "match"): ("L433432443", "L43343-443"),
    ("match_conflict", "barred"): ("L433434423", "L4334344-3"),
    ("match_refer", "match"): ("L433432443", "L43343-443"),
    ("match_refer", "barred"): ("L433434433", "L433434433"),
    ("match_ask", "match"): ("L433432443", "L43343-443"),
    ("match_ask", "barred"): ("L433434433", "L433434433"),
    ("match_questions", "match"): ("L444444444", "L444444444"),
    ("match_questions", "asked"): ("L422444444", "L4-3444444"),
    ("match_appeal", "match"): ("L422423443", "L4-34-3443"),
    ("match_appeal", "rejected"): ("L422424443", "L4-34-4443"),
    ("match_feedback", "match"): ("L422423443", "L4-34-3443"),
    ("match_feedback", "introduced"): ("L422424443", "L4-34-4443"),
    ("match_undo", "match"): ("L555555555", "L43343-443"),
    ("match_undo", "barred"): ("L555555555", "L433434433"),
    ("workbench", ""): ("L333332223", ""),
    # Without a tick they lead back to the workbench with a sentence.
    ("triage", ""): ("L33333RRR3", "L33333RRR3"),
    ("view_save", ""): ("L555555555", "L33333---3"),
    ("view_delete", "view"): ("L555555555", "L33333-443"),
    ("review_log", ""): ("L333332223", ""),
    # People
    ("organization", ""): ("L222222222", ""),
    ("organization_new", ""): ("L222222222", "L---------"),
    ("organization_join", ""): ("L222222222", "L---------"),
    ("organization_edit", "organization"): ("L423444442", "L4-344444-"),
    ("organization_members", "organization"): ("L422444442", ""),
    ("member_answer", "membership"): ("L555555555", "L4-344444-"),
    ("member_role", "membership"): ("L555555555", "L4-344444-"),
    ("member_remove", "membership"): ("L423444442", "L4-344444-"),
    ("organization_verification", "organization"): ("L423444442", "L4-3444443"),
    ("organization_code", "organization"): ("L423444443", "L4-3444443"),
    ("organization_code_recall", "organization"): ("L555555555", "L4-3444443"),
    ("evidence_download", "evidence"): ("L423444442", ""),
    ("evidence_remove", "evidence"): ("L555555555", "L4-3444443"),
    ("manager_apply", ""): ("L222222222", "L---------"),
    ("manager_own", ""): ("L333332223", "L33333---3"),
    ("manager_file_add", ""): ("L555555555", "L33333---3"),
    ("manager_file", "manager file"): ("L444442442", ""),
    ("manager_file_remove", "manager file"): ("L555555555", "L44444-443"),
    ("manager_renewal", ""): ("L333332223", "L33333---3"),
    ("manager_renewal_recall", ""): ("L555555555", "L33333---3"),
    ("manager_absences", ""): ("L333332223", "L33333---3"),
    ("manager_absence_end", "absence"): ("L555555555", "L33333-443"),
    ("manager_interests", ""): ("L333332223", "L33333---3"),
    ("first_steps", ""): ("L555555555", "L---------"),
    ("settings_profile", ""): ("L222222222", "L---------"),
    ("switch_role", ""): ("L555555555", "L---------"),
    ("notifications", ""): ("L222222222", ""),
    ("notifications_read", ""): ("L555555555", "L---------"),
    ("notification_mute", ""): ("L555555555", "L444444444"),
    ("notification_open", "notification"): ("L4R4444444", ""),
    ("notification_mails_end", "token"): ("GGGGGGGGGG", "GGGGGGGGGG"),
    ("settings_notifications", ""): ("L222222222", "L---------"),
    # The API: to visitors “1” is what the log-in is to pages (401)
    ("api_schema", ""): ("2222222222", ""),
    ("api_docs", ""): ("2222222222", ""),
    ("api_nothing", "nothing"): ("4444444444", "4444444444"),
    ("api_me", ""): ("1222222222", ""),
    ("api_demand_list", ""): ("2222222222", "13-3--3333"),
    ("api_achievement_list", ""): ("2222222222", "13-3--3333"),
    ("api_demand_facets", ""): ("2222222222", ""),
    ("api_achievement_facets", ""): ("2222222222", ""),
    ("api_demand_export", ""): ("1222222222", ""),
    ("api_achievement_export", ""): ("1222222222", ""),
    ("api_demand_mine", ""): ("1222222222", ""),
    ("api_achievement_mine", ""): ("1222222222", ""),
    ("api_demand_export_mine", ""): ("1222222222", ""),
    ("api_achievement_export_mine", ""): ("1222222222", ""),
    ("api_demand_by_external_id", "external_id"): ("1422444444", ""),
    ("api_achievement_by_external_id", "external_id"): ("1444444444", ""),
    ("api_demand_detail", "demand"): ("2222222222", ""),
    ("api_demand_detail", "draft"): ("4422444442", ""),
    ("api_demand_detail", "submitted"): ("4422442222", ""),
    ("api_achievement_detail", "achievement"): ("2222222222", ""),
    **{
        (f"api_demand_{step}", "demand"): ("5555555555", "13-3333333")
        for step in ("submit", "withdraw", "close", "confirm", "clone", "appeal")
    },
    **{
        (f"api_demand_{step}", "draft"): ("5555555555", "14-3444443")
        for step in ("submit", "withdraw", "close", "confirm", "clone")
    },
    **{
        (f"api_achievement_{step}", "achievement"): ("5555555555", "13333-3333")
        for step in ("submit", "withdraw", "close", "confirm", "clone", "appeal")
    },
    ("api_demand_decide", "submitted"): ("5555555555", "143344--3-"),
    ("api_achievement_decide", "achievement"): ("5555555555", "133333----"),
    ("api_demand_events", "demand"): ("1322333332", ""),
    ("api_achievement_events", "achievement"): ("1333323332", ""),
    ("api_demand_revisions", "demand"): ("1322333332", ""),
    ("api_achievement_revisions", "achievement"): ("1333323332", ""),
    ("api_demand_changes", "demand"): ("1322333332", ""),
    ("api_achievement_changes", "achievement"): ("1333323332", ""),
    ("api_demand_files", "demand"): ("2222222222", "13-3333333"),
    ("api_achievement_files", "achievement"): ("2222222222", "13333-3333"),
    ("api_demand_file", "demand file"): ("5555555555", ""),
    ("api_achievement_file", "achievement file"): ("5555555555", ""),
    ("api_demand_file_download", "demand file"): ("4422442442", ""),
    ("api_achievement_file_download", "achievement file"): ("4444422442", ""),
    ("api_demand_assess", ""): ("1555555555", "1---------"),
    ("api_achievement_assess", ""): ("1555555555", "1---------"),
    ("api_indicators_find", ""): ("1555555555", "1---------"),
    ("api_queue", ""): ("1333332222", ""),
    ("api_review_list", ""): ("1333332223", ""),
    ("api_review", "match"): ("1433432443", ""),
    ("api_review", "barred"): ("1433434433", ""),
    **{
        (f"api_review_{step}", "match"): ("1555555555", "143343-443")
        for step in ("accept", "decide", "undo", "refer", "hand_back")
    },
    ("api_review_decide", "barred"): ("1555555555", "1433434433"),
    ("api_review_colleagues", "match"): ("1433432443", ""),
    ("api_review_ask", "match"): ("1433432443", "143343-443"),
    ("api_match_list", ""): ("1222222222", ""),
    ("api_match", "match"): ("1422423443", ""),
    ("api_match", "approved"): ("1422424443", ""),
    ("api_match_consent", "approved"): ("1555555555", "14-34-4443"),
    # Nobody is asked anything, and nobody learns that.
    ("api_match_questions", "match"): ("1444443443", "1444443443"),
    ("api_match_appeal", "match"): ("1555555555", "14-34-3443"),
    ("api_match_feedback", "match"): ("1555555555", "14-34-3443"),
    ("api_assignment_list", ""): ("1333333332", ""),
    ("api_assignment", "match"): ("1333333332", ""),
    ("api_assignment_reassign", "match"): ("1555555555", "133333333-"),
    ("api_publication_list", ""): ("1333332222", ""),
    ("api_publication", "check"): ("1333332242", ""),
    ("api_publication_decide", "check"): ("1555555555", "133333--4-"),
    ("api_publication_undo", "check"): ("1555555555", "133333--4-"),
    ("api_classes", "scheme"): ("1222222222", ""),
    ("api_classes_suggest", "scheme"): ("1555555555", "1---------"),
    ("api_import_list", ""): ("1222222222", "13-3--333-"),
    ("api_import_template", "template"): ("1222222222", ""),
    ("api_import", "import"): ("1422444442", ""),
    ("api_import_rows", "import"): ("1422444442", ""),
    ("api_import_confirm", "import"): ("1555555555", "14-344444-"),
    ("api_import_cancel", "import"): ("1555555555", "14-344444-"),
    ("api_import_report", "report"): ("1422444442", ""),
    ("api_notification_list", ""): ("1222222222", ""),
    ("api_notifications_read", ""): ("1555555555", "1---------"),
    ("api_notification", "notification"): ("1424444444", ""),
    ("api_search_list", ""): ("1222222222", "1---------"),
    ("api_search", "search"): ("1424444444", ""),
    ("settings_tokens", ""): ("L222222222", "L---------"),
    ("token_revoke", "api token"): ("L555555555", "L4-4444444"),
    # Operators
    ("results", ""): ("2222222222", ""),
    ("dashboard", ""): ("L333333332", ""),
    ("insight_rows", "figure"): ("L333333332", ""),
    ("insight_table", "table"): ("L333333332", ""),
    ("ops_home", ""): ("L333333332", ""),
    ("ops_listings", ""): ("L333333332", ""),
    ("ops_unmet", ""): ("L333333332", ""),
    ("ops_assignments", ""): ("L333333332", ""),
    ("ops_plans", ""): ("L333333332", "L33333333-"),
    ("ops_plan", "plan"): ("L333333332", "L33333333-"),
    ("ops_reassign", "match"): ("L333333332", "L33333333-"),
    ("ops_reopen", "match"): ("L433433442", "L43343344-"),
    ("ops_reasons", ""): ("L333333332", ""),
    ("ops_reason_new", "subject"): ("L333333332", "L33333333-"),
    ("ops_reason", "reason"): ("L333333332", "L33333333-"),
    ("ops_audit", ""): ("L333333332", ""),
    ("ops_audit_export", ""): ("L333333332", ""),
    ("ops_models", ""): ("L333333332", ""),
    ("ops_rankers", ""): ("L333333332", ""),
    ("ops_ranker", "ranker"): ("L333333332", "L33333333-"),
    ("ops_ranker_fixed", ""): ("L333333332", "L33333333-"),
    ("ops_organizations", ""): ("L333333332", ""),
    ("ops_organization", "organization"): ("L333333332", "L33333333-"),
    ("ops_managers", ""): ("L333333332", ""),
    ("ops_manager", "profile"): ("L333333332", "L33333333-"),
}


@pytest.fixture
def world():
    enterprise = make_organization()
    university = make_organization(kind="university")
    people = SimpleNamespace(
        visitor=None,
        plain=make_user(),
        owner=make_member(enterprise),
        viewer=make_member(enterprise, role="viewer"),
        stranger=make_member(),
        university=make_member(university),
        manager=make_manager(),
        colleague=make_manager(),
        tied=make_manager(),
        operator=make_operator(),
    )
    people.tied.manager_profile.interests.create(organization=enterprise, kind="employment")

    def pair(status):
        return make_match(
            status=status,
            demand=make_demand(owner=enterprise),
            achievement=make_achievement(owner=university),
        )

    match, barred = pair(MatchStatus.IN_REVIEW), pair(MatchStatus.IN_REVIEW)
    make_review(match=match, manager=people.manager, status=ReviewStatus.ACCEPTED)
    make_review(match=barred, manager=people.tied, status=ReviewStatus.ASSIGNED)
    waiting = make_user().memberships.create(
        organization=enterprise, role="viewer", is_active=False
    )
    job = ImportJob.objects.create(
        organization=enterprise, kind="demand", file="gone", size=1, state="checked", new=1
    )
    draft = make_demand(owner=enterprise, status="draft")
    people.arguments = {
        "import": [job.pk],
        "report": [job.pk, "csv"],
        "template": ["demand", "zh", "csv"],
        "": [],
        "scheme": ["ipc"],
        "section": ["demands"],
        "subject": ["match"],
        "figure": ["posted"],
        "table": ["funnel"],
        "reason": ["match", "off_topic"],
        "writing": ["demand", "what"],
        "demand step": [match.demand.number, "terms"],
        "achievement step": [match.achievement.number, "terms"],
        "demand tier": [match.demand.number, "introduced"],
        "achievement tier": [match.achievement.number, "introduced"],
        "demand": [match.demand.number],
        "achievement": [match.achievement.number],
        "match": [match.number],
        "barred": [barred.number],
        "approved": [pair(MatchStatus.APPROVED).number],
        "rejected": [pair(MatchStatus.REJECTED).number],
        "introduced": [pair(MatchStatus.INTRODUCED).number],
        "asked": [_asked(pair(MatchStatus.IN_REVIEW)).number],
        **{
            status: [make_demand(owner=enterprise, status=status).number]
            for status in ("draft", "submitted", "withdrawn")
        },
        "draft step": [draft.number, "terms"],
        "check": [_check_of(make_demand(owner=enterprise, status="submitted"))],
        "draft tier": [draft.number, "public"],
        "organization": [enterprise.pk],
        "demand file": [match.demand.number, 1],
        "achievement file": [match.achievement.number, 1],
        "attachment": [_file_of(Attachment, demand=match.demand, number=1, by=people.owner).pk],
        "evidence": [
            enterprise.pk,
            _file_of(Evidence, organization=enterprise, by=people.owner).pk,
        ],
        "membership": [enterprise.pk, waiting.pk],
        "profile": [people.manager.manager_profile.pk],
        "manager file": [
            people.manager.manager_profile.pk,
            _file_of(Evidence, profile=people.manager.manager_profile, by=people.manager).pk,
        ],
        "absence": [
            people.manager.manager_profile.absences.create(
                first=timezone.localdate() + dt.timedelta(days=99)
            ).pk
        ],
        "plan": [AssignmentPlan.objects.create(scope="assigned", asked_by=people.operator).pk],
        "ranker": [make_ranker_version().number],
        "token": ["no-token"],
        "nothing": ["nothing/here"],
        "notification": [_told(people.owner, enterprise)],
        "external_id": ["PLM-1"],
        "api token": [_token_of(people.owner)],
        "view": [people.manager.saved_views.create(name="急", query="show=due").pk],
        "search": [
            people.owner.saved_searches.create(kind="demand", name="淬火", query="industry=C34").pk
        ],
    }
    _file_of(Attachment, achievement=match.achievement, number=1, by=people.university)
    Demand.objects.filter(pk=match.demand.pk).update(external_id="PLM-1")
    # Right for every form at once: a refusal must not be for want of a field.
    people.form = {
        "note": "理由写在这里",
        "status": "fulfilled",
        "valid_until": timezone.localdate() + dt.timedelta(days=99),
        "decision": "publish",
        "reasons": ["measured"],
        "comment": "硬指标已有试件数据。",
        "no_interest": "on",
        "action": "accept",
        "answer": "agree",
        "to": people.colleague.manager_profile.pk,
        "role": "owner",
        "title": "被人改过的题目",
    }
    return people


def _told(person, organization):
    """Return a notification that is true and leads to a page."""
    notify(
        kind="organization.verified",
        user=person,
        key="told",
        payload={"organization": organization.pk},
    )
    return Notification.objects.get(key="told").pk


def _asked(match):
    """Have a manager asked the demand's side something."""
    review = make_review(match=match, status=ReviewStatus.ACCEPTED)
    review.inquiries.create(
        side="demand",
        questions=[{"field": "trl", "name": "成熟度", "text": "可以低一级吗？"}],
        due_on=timezone.localdate() + dt.timedelta(days=5),
    )
    return match


def _token_of(person):
    make_token(person)
    return person.auth_token_set.get().public_id


def _check_of(listing):
    return listing.publications.get().pk


def _file_of(model, *, by, **fields):
    """Return a row of a file that is really there."""
    storage = private_storage()
    name = f"access/{model.__name__}-{model.objects.count()}"
    if not storage.exists(name):
        storage.save(name, ContentFile(b"%PDF-"))
    values = {"file": name, "name": "a.pdf", "kind": "pdf", "size": 5, "sha256": "0" * 64}
    if model is Attachment:
        values |= {"title": "报告", "text_state": "empty"}
    else:
        values |= {"purpose": "licence"}
    return model.objects.create(**values, scan="unscanned", added_by=by, **fields)


def state():
    """Everything that a step of somebody's could change."""
    rows = [
        list(model.objects.order_by("pk").values())
        for model in (
            *(Demand, Achievement, ImportJob, Match, Review),
            *(Membership, Organization, ManagerProfile, SavedSearch),
            *(Attachment, Evidence, CodeChange, RankerVersion),
        )
    ]
    counts = [model.objects.count() for model in (ListingEvent, MatchEvent, AccountEvent, Consent)]
    return rows, counts


def client_of(person):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def letter(response):
    """Return the table's letter for an answer."""
    if response.status_code == 302:
        return "L" if response.url.startswith(reverse("account_login")) else "R"
    return next((key for key, code in CODES.items() if code == response.status_code), "?")


def own_addresses(patterns, outside=("allauth",)):
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from own_addresses(pattern.url_patterns)
        elif not pattern.callback.__module__.startswith(outside):
            yield pattern.name


def test_every_address_is_in_the_table():
    assert set(own_addresses(get_resolver().url_patterns)) == {name for name, _about in TABLE}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "about"), TABLE)
def test_each_role_gets_the_page_or_the_refusal_of_the_table(world, name, about):
    url = reverse(name, args=world.arguments[about])

    got = "".join(letter(client_of(getattr(world, role)).get(url)) for role in ROLES)

    assert dict(zip(ROLES, got, strict=True)) == dict(
        zip(ROLES, TABLE[name, about][0], strict=True)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "about"), [key for key, (_get, post) in TABLE.items() if post])
def test_who_may_not_post_changes_nothing(world, name, about):
    url, expected = reverse(name, args=world.arguments[about]), TABLE[name, about][1]
    before = state()

    got = "".join(
        "-" if may == "-" else letter(client_of(getattr(world, role)).post(url, world.form))
        for role, may in zip(ROLES, expected, strict=True)
    )

    assert dict(zip(ROLES, got, strict=True)) == dict(zip(ROLES, expected, strict=True))
    assert state() == before


@pytest.mark.django_db
@pytest.mark.parametrize("make", [None, make_user, make_member, make_manager, make_operator])
@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("demand_detail", "XQ-2026-9999"),
        ("demand_detail", "CG-2026-0001"),
        ("demand_detail", "XQ-0001"),
        ("achievement_detail", "XQ-2026-0001"),
        ("achievement_detail", "CG-2026-99999999999999999999"),
        ("match_detail", "M-20261109-9999"),
        ("match_detail", "M-00000000-0000"),
        ("match_consent", "1"),
        ("match_review", "M-20261109-9999"),
    ],
)
def test_a_forged_number_is_nothing_that_anybody_may_know_of(make, name, number):
    client = client_of(make() if make is not None else None)

    response = client.get(reverse(name, args=[number]))

    public = name in ("demand_detail", "achievement_detail")
    assert letter(response) == ("4" if public or make is not None else "L")
