"""The operators' pages of the reasons that decisions are given with."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from accounts.http import UserRequest
from accounts.views.gate import operator_only
from catalog import reasons
from catalog.models import ReasonChange, ReasonSubject
from catalog.reason_forms import NewReasonForm, ReasonTextsForm
from catalog.services.reasons import (
    add_reason,
    restore_reason,
    retire_reason,
    reword_reason,
    texts_of,
)
from catalog.workflow import IllegalMove


@require_safe
@operator_only
def ops_reasons(request: UserRequest) -> HttpResponse:
    """List the reasons of every kind of decision, with what the owner reads."""
    subjects = []
    for subject in ReasonSubject:
        entries = reasons.entries(subject)
        subjects.append(
            {
                "key": str(subject),
                "label": subject.label,
                "decisions": [
                    (label, [one for one in entries if key in one.decisions and not one.is_retired])
                    for key, label in reasons.decisions(subject)
                ],
                "retired": [one for one in entries if one.is_retired],
            }
        )
    return render(request, "catalog/ops_reasons.html", {"subjects": subjects})


@require_http_methods(["GET", "HEAD", "POST"])
@operator_only
def ops_reason_new(request: UserRequest, subject: str) -> HttpResponse:
    """Add a reason."""
    kind = _subject(subject)
    form = NewReasonForm(request.POST if request.method == "POST" else None, subject=kind)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                add_reason(
                    actor=request.user,
                    subject=kind,
                    code=form.cleaned_data["code"],
                    decisions=form.cleaned_data["decisions"],
                    texts=form.texts,
                    needs_comment=form.cleaned_data["needs_comment"],
                )
            except ValidationError as exc:
                form.add_error(None, exc)
            else:
                messages.success(request, _("Added. It can be chosen within some seconds."))
                return redirect("ops_reasons")
    context = {"form": form, "subject": kind}
    return render(request, "catalog/ops_reason_new.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@operator_only
def ops_reason(request: UserRequest, subject: str, code: str) -> HttpResponse:
    """Show one reason; word it anew, retire it, or bring it back."""
    kind = _subject(subject)
    entry = reasons.find(kind, code)
    if entry is None:
        raise Http404
    problem, status = "", 200
    rewords = request.POST.get("step") == "reword"
    form = ReasonTextsForm(request.POST if rewords else None, initial=texts_of(kind, code))
    if request.method == "POST":
        status = 422
        try:
            if _act(request, kind, code, form):
                return redirect("ops_reason", subject=kind, code=code)
        except IllegalMove as exc:
            problem, status = str(exc), 409
    context: dict[str, Any] = {
        "entry": entry,
        "subject": kind,
        "form": form,
        "problem": problem,
        "decisions": [label for key, label in reasons.decisions(kind) if key in entry.decisions],
        "can_retire": entry.code != reasons.OTHER,
        "changes": ReasonChange.objects.filter(
            reason__subject=kind, reason__code=code
        ).select_related("actor"),
    }
    return render(request, "catalog/ops_reason.html", context, status=status)


def _act(request: UserRequest, subject: ReasonSubject, code: str, form: ReasonTextsForm) -> bool:
    """Do what was posted. Return whether it was done. Raises `IllegalMove`."""
    step = request.POST.get("step")
    if step == "retire":
        retire_reason(actor=request.user, subject=subject, code=code)
        messages.success(request, _("Retired. Old decisions keep it."))
        return True
    if step == "restore":
        restore_reason(actor=request.user, subject=subject, code=code)
        messages.success(request, _("It can be chosen again."))
        return True
    if step != "reword":
        raise IllegalMove(_("Nothing was chosen; nothing was changed."))
    if not form.is_valid():
        return False
    try:
        reword_reason(actor=request.user, subject=subject, code=code, texts=form.texts)
    except ValidationError as exc:
        form.add_error(None, exc)
        return False
    messages.success(request, _("Worded anew, also on old decisions."))
    return True


def _subject(subject: str) -> ReasonSubject:
    if subject not in ReasonSubject.values:
        raise Http404
    return ReasonSubject(subject)
