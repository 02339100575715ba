"""Re-assignment of many matches: what it would do first, then the same when it is confirmed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.http import UserRequest
from accounts.models import User
from matchmaking import presenting
from matchmaking.forms import PlanForm
from matchmaking.models import AssignmentPlan, Match
from matchmaking.services.planning import apply_plan, ask_for_plan, drop_plan
from matchmaking.views.gates import PAGE_SIZE, posted, require_operator
from matchmaking.workflow import IllegalMove

# Plans that the page lists.
RECENT = 10


@require_http_methods(["GET", "HEAD", "POST"])
def ops_plans(request: UserRequest) -> HttpResponse:
    """Have a re-assignment worked out; nothing is moved by that."""
    require_operator(request.user)
    form = PlanForm(posted(request), initial={"scope": AssignmentPlan.Scope.ASSIGNED})
    if request.method == "POST" and form.is_valid():
        profile = form.cleaned_data["manager"]
        plan = ask_for_plan(
            scope=form.cleaned_data["scope"],
            manager=profile.user if profile is not None else None,
            actor=request.user,
        )
        return redirect(plan)
    plans = AssignmentPlan.objects.select_related("asked_by", "manager").defer("moves", "stuck")
    context = {"form": form, "plans": plans[:RECENT]}
    return render(request, "matchmaking/ops_plans.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def ops_plan(request: UserRequest, pk: int) -> HttpResponse:
    """Show what a re-assignment would do, or has done; confirm it or put it away."""
    require_operator(request.user)
    plan = get_object_or_404(
        AssignmentPlan.objects.select_related("asked_by", "closed_by", "manager"), pk=pk
    )
    problem, status = "", 200
    if request.method == "POST":
        try:
            if request.POST.get("action") == "apply":
                plan = apply_plan(plan=plan, actor=request.user)
                messages.success(request, _moved(plan.result["moved"]))
            else:
                drop_plan(plan=plan, actor=request.user)
        except IllegalMove as exc:
            problem, status = str(exc), 409
        else:
            return redirect(plan)
    template = "matchmaking/ops_plan.html"
    if request.htmx:
        template += "#plan"
    context = {"plan": plan, "problem": problem} | _context(plan, request.GET.get("page"))
    return render(request, template, context, status=status)


def _moved(count: int) -> str:
    return ngettext("%(count)d match moved.", "%(count)d matches moved.", count) % {"count": count}


def _context(plan: AssignmentPlan, number: str | None) -> dict[str, Any]:
    """Prepare a plan for its page: a handful of queries for any number of moves."""
    page = Paginator(plan.moves, PAGE_SIZE).get_page(number)
    stuck = plan.stuck[:PAGE_SIZE]
    skipped = plan.result.get("skipped", [])[:PAGE_SIZE]
    before, after = plan.figures.get("before", {}), plan.figures.get("after", {})
    loads = plan.figures.get("loads", [])
    wanted = [row["match"] for row in (*page, *stuck)] + [pk for pk, _why in skipped]
    wanted += [side["match"] for side in (before, after) if "match" in side]
    matches = (
        Match.objects.select_related("demand_revision", "achievement_revision")
        .only("created_at", "demand_revision__title", "achievement_revision__title")
        .in_bulk(wanted)
    )
    people = {row.get(end) for row in (*page, *stuck) for end in ("from", "to")}
    people |= {user for user, *_load in loads}
    names = dict(User.objects.filter(pk__in=people - {None}).values_list("pk", "name"))
    return {
        "page": page,
        "moves": [
            {
                "match": matches.get(move["match"]),
                "from": names.get(move["from"], ""),
                "to": names.get(move["to"], ""),
                "before": move["before"],
                "after": move["after"],
                "because": presenting.because_text(move["because"]),
                "others": presenting.hindered_text(move["because"].get("others", {})),
            }
            for move in page
        ],
        "stuck": [
            {
                "match": matches.get(row["match"]),
                "from": names.get(row["from"], ""),
                "why": presenting.hindered_text(row["others"]),
            }
            for row in stuck
        ],
        "stuck_total": len(plan.stuck),
        "skipped": [(matches.get(pk), _why_skipped(why)) for pk, why in skipped],
        "skipped_total": len(plan.result.get("skipped", [])),
        "before": before | {"match": matches.get(before.get("match"))},
        "after": after | {"match": matches.get(after.get("match"))},
        "loads": [(names.get(user, ""), *load) for user, *load in loads],
        "refusal": _refusal(plan),
    }


def _refusal(plan: AssignmentPlan) -> str:
    """Say why a plan that was worked out moves nothing, "" where it does."""
    if plan.state == AssignmentPlan.State.RUNNING or plan.moves:
        return ""
    if not plan.figures.get("cases"):
        return _("There is nothing to assign.")
    if not plan.figures.get("present"):
        return _("No certified manager is on duty today.")
    if plan.stuck:
        return _("No manager can take any of these matches. The reasons are below.")
    return _("Nothing would be better than it is.")


def _why_skipped(why: str) -> str:
    reasons = {
        "changed": _("somebody else has it meanwhile, or is working on it right now"),
        "accepted": _("its manager has taken it on meanwhile"),
        "away": _("the manager is away, or certified no more"),
        "tie": _("the manager has a tie to one of the sides"),
        "tried": _("the manager has had it before"),
        "full": _("the manager has no room any more"),
        "share": _("enough matches of its demand are in review meanwhile"),
    }
    return reasons.get(why, why)
