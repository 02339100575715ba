"""The operator's page of the language models: which one is in use, and how far another is."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from accounts.http import UserRequest
from matchmaking.models import EmbeddingModel
from matchmaking.services import upgrading
from matchmaking.services.upgrading import Progress
from matchmaking.views.gates import require_operator
from matchmaking.workflow import ModelState

COMMAND = "manage.py embedding_models"
# Removed ones are told of by their matches alone; of the others there are two or three.
SHOWN = 10


@dataclass(frozen=True)
class Row:
    """One model. `left`: how long a build still takes, "" where none is going on."""

    model: EmbeddingModel
    progress: Progress
    left: str
    command: str

    @property
    def rate(self) -> str:
        return f"{self.progress.rate:.1f}"


@require_safe
def ops_models(request: UserRequest) -> HttpResponse:
    """Show the models and what to type next. Nothing is changed from here: the steps take minutes
    to hours, and need the machine that has the model."""
    require_operator(request.user)
    models = EmbeddingModel.objects.exclude(state=ModelState.REMOVED).order_by("-pk")[:SHOWN]
    rows = [_row(model) for model in models]
    former = upgrading.former()
    context = {
        "current": next((row for row in rows if row.model.state == ModelState.CURRENT), None),
        "others": [row for row in rows if row.model.state != ModelState.CURRENT],
        "setting": settings.EMBEDDING_MODEL if upgrading.setting_differs() else "",
        "former": former,
        "command": COMMAND,
        "as_of": timezone.now(),
    }
    return render(request, "matchmaking/ops_models.html", context)


def _row(model: EmbeddingModel) -> Row:
    seen = upgrading.progress(model)
    is_built_now = model.state in (ModelState.BUILDING, ModelState.READY) and bool(seen.missing)
    left = _time(seen.seconds_left) if is_built_now and seen.seconds_left is not None else ""
    step = {
        ModelState.BUILDING: "build",
        ModelState.READY: "build" if seen.missing else "switch",
        ModelState.RETIRED: "remove",
    }.get(ModelState(model.state), "")
    return Row(model, seen, left, f"{COMMAND} {step} {model.pk}" if step else "")


def _time(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 120:
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = round(minutes / 60)
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
