"""For each of the main texts one good example and one poor one, and what makes the difference.

All are invented. The Chinese ones stand in the catalogue of translations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


@dataclass(frozen=True)
class Example:
    good: StrOrPromise
    poor: StrOrPromise
    why: StrOrPromise


EXAMPLES: dict[str, dict[str, Example]] = {
    "demand": {
        "title": Example(
            _("Distortion control in hardening large wind-power bearing rings"),
            _("Advanced heat treatment technology wanted"),
            _("The good one names the part, the process and what goes wrong."),
        ),
        "summary": Example(
            _(
                "Bearing rings of 2–4 m distort by up to 0.6 mm in hardening; we look for a "
                "process that keeps it below 0.35 mm at 12 rings a day."
            ),
            _("We are a leading maker and look for an excellent partner to raise our quality."),
            _("The good one says how bad it is and how good it must become, and names nobody."),
        ),
        "body": Example(
            _(
                "Of 40 rings a month 7 are ground twice because the roundness is out by more than "
                "0.5 mm; that costs 3 hours each. Steel 42CrMo4, wall 60–110 mm, one shift; a new "
                "line may stand in the old hall (18 m by 40 m)."
            ),
            _("Our hardening is unstable, costs are high, and customers complain."),
            _("A stranger can tell from figures, material and site whether they could help."),
        ),
        "process": Example(
            _(
                "We harden in segments at 8 kHz, 14 segments a ring, 55 minutes; the joint stays "
                "soft over 25 mm."
            ),
            _("We use an ordinary induction line."),
            _("Equipment, steps and time show what would have to change."),
        ),
        "tried": Example(
            _(
                "Flexible supports (2024) took off 0.1 mm, not enough. Straightening after "
                "hardening cracked 2 of 30 rings."
            ),
            _("We tried many things without success."),
            _("What was tried, what it brought, and why it was given up."),
        ),
    },
    "achievement": {
        "title": Example(
            _("Synchronous double-inductor hardening without a soft zone"),
            _("An internationally leading hardening technology"),
            _("The good one says how it works and what comes of it."),
        ),
        "summary": Example(
            _(
                "Two inductors meet without a soft zone; a ring of 3.2 m kept its roundness "
                "within 0.41 mm. Tried on a pilot line."
            ),
            _("Our team has ten years of experience, many papers and high-level awards."),
            _("The good one gives a result with a figure, and names nobody."),
        ),
        "body": Example(
            _(
                "Both inductors start at one point, run in opposite directions and meet after "
                "180°; a pre-heater closes the joint. Measured on 46 rings of 1.8–3.2 m on a "
                "pilot line. Rings above 4 m have not been tried."
            ),
            _("The technology is mature, has wide prospects and remarkable benefits."),
            _("How it works, on what it was measured, and what is still missing."),
        ),
        "novelty": Example(
            _(
                "Segment hardening leaves 12–14 soft joints of 20–30 mm in a ring. This leaves "
                "none, and takes 22 minutes in place of 55."
            ),
            _("It fills a gap and reaches the international level."),
            _("Name the best alternative, then the difference in figures."),
        ),
        "advantages": Example(
            _(
                "Energy 310 kWh a ring (segment hardening: 420); roundness 0.41 mm (0.6 mm); one "
                "operator in place of two."
            ),
            _("Saves energy, efficient, environmentally friendly."),
            _("Every advantage with its figure, its unit and the figure of the alternative."),
        ),
        "scenarios": Example(
            _(
                "Slewing bearings for wind turbines and tunnel machines, 42CrMo4 and 50Mn, "
                "diameter 1–4 m, batches from 20."
            ),
            _("Suits all kinds of machinery."),
            _("Products, materials, sizes and batches, so that a user recognizes their own case."),
        ),
        "trl_evidence": Example(
            _(
                "Pilot line at a user's site, 46 rings in five months; report of an accredited "
                "laboratory, March 2026."
            ),
            _("Experts agree that it is mature."),
            _("What was run, how long, who measured it. Leave names out; numbers may follow."),
        ),
    },
}
