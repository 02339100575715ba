"""What is wanted and what is offered: demands and achievements, their revisions and events."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

import pghistory
import pgtrigger
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Organization, User
from accounts.regions import region_name
from catalog.indicators import Indicator
from catalog.industries import industry_name
from catalog.workflow import (
    EDITABLE,
    MOVES,
    EventVerb,
    IllegalMove,
    ListingStatus,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    from catalog.disclosure import Hidden

# One window of the encoder holds some 360 Chinese characters; a body of 20,000 is 56 of them.
BODY_LIMIT = 20_000
SUMMARY_LIMIT = 600
TITLE_LIMIT = 200
# Characters of each of the shorter texts beside the description.
DETAIL_LIMIT = 4_000
CLASS_LIMIT = 8


class CooperationMode(models.TextChoices):
    DEVELOPMENT = "development", _("Joint development")
    TRANSFER = "transfer", _("Transfer")
    LICENSE = "license", _("Licence")
    CONSULTING = "consulting", _("Consulting")
    SERVICE = "service", _("Technical service")
    EQUITY = "equity", _("Equity contribution")
    JOINT = "joint", _("Joint laboratory")


class ListingLanguage(models.TextChoices):
    ZH = "zh", _("Chinese")
    EN = "en", _("English")


class Exclusivity(models.TextChoices):
    """Whether the enterprise must be the only user."""

    NONE = "none", _("Not needed")
    FIELD = "field", _("Within our field of use")
    FULL = "full", _("Exclusive")


class IpExpectation(models.TextChoices):
    """Who is to own what the cooperation brings forth."""

    OWN = "own", _("Owned by us")
    SHARED = "shared", _("Owned jointly")
    LICENSED = "licensed", _("Owned by the provider, licensed to us")
    OPEN = "open", _("Open to negotiation")


class OwnershipMode(models.TextChoices):
    """Who holds the rights in a job-related achievement, under the reforms since 2020."""

    UNIT = "unit", _("Held by the organization")
    EMPOWERED = "empowered", _("Inventors empowered: shared or long-term right of use")
    SEPARATE = "separate", _("Managed separately as an asset")


class AchievementNeed(models.TextChoices):
    """What an achievement still needs on its way into use."""

    PROOF = "proof", _("Proof of concept")
    PILOT = "pilot", _("Pilot scale-up")
    FINANCE = "finance", _("Financing")


# What every revision keeps. A change of anything but the tiers is material.
COMMON_FIELDS = (
    "title",
    "summary",
    "body",
    "indicators",
    "industry",
    "keywords",
    "region",
    "modes",
    "trl",
    "money_min",
    "money_max",
    "language",
    "ipc",
    "emerging",
    "disclosure",
)
DEMAND_FIELDS = (
    "process",
    "tried",
    "deadline",
    "funded",
    "exclusivity",
    "ip_expectation",
    "partners",
)
ACHIEVEMENT_FIELDS = (
    "novelty",
    "advantages",
    "scenarios",
    "trl_evidence",
    "ip_items",
    "ownership",
    "publicity_from",
    "publicity_until",
    "encumbrances",
    "needs",
    "lead_expert",
    "orcid",
)
CONTENT_FIELDS = {
    "demand": (*COMMON_FIELDS, *DEMAND_FIELDS),
    "achievement": (*COMMON_FIELDS, *ACHIEVEMENT_FIELDS),
}


class ListingQuerySet(models.QuerySet[Any]):
    def live(self, day: dt.date | None = None) -> Self:
        """Return what is published and not expired on `day` (today)."""
        day = day or timezone.localdate()
        return self.filter(status=ListingStatus.PUBLISHED).filter(
            Q(valid_until__isnull=True) | Q(valid_until__gte=day)
        )

    def visible_to(self, user: User | Any) -> Self:
        """Return what `user` (or a visitor) may know of: live ones, and their own side's.

        Operators see every listing, certified managers also those that await a review.
        """
        live = self.live()
        if not user.is_authenticated:
            return live
        if user.is_operator:
            return self
        mine = Q(owner__memberships__user=user, owner__memberships__is_active=True)
        seen = Q(pk__in=live.values("pk")) | Q(pk__in=self.filter(mine).values("pk"))
        profile = getattr(user, "manager_profile", None)
        if profile is not None and profile.is_certified:
            seen |= Q(status=ListingStatus.SUBMITTED)
        return self.filter(seen)

    def by_number(self, number: str) -> Self:
        """Return the listing with this public number, or nothing: also when it is malformed."""
        match = re.fullmatch(rf"{self.model.NUMBER_PREFIX}-(\d{{4}})-(\d{{4,18}})", number)
        if match is None:
            return self.none()
        year, pk = int(match[1]), int(match[2])
        # The canonical spelling only: one listing, one address.
        if pk == 0 or not 2000 <= year <= 2999 or match[2] != f"{pk:04d}":
            return self.none()
        return self.filter(pk=pk, created_at__year=year)

    def owned_by(self, user: User) -> Self:
        """Return the listings of organizations that `user` is an active member of."""
        return self.filter(
            pk__in=self.filter(
                owner__memberships__user=user, owner__memberships__is_active=True
            ).values("pk")
        )


class Listing(models.Model):
    """What a demand and an achievement have in common.

    `trl` is what a demand requires or an achievement has reached (GB/T 22900-2022, 1 to 9);
    `money_min` to `money_max` is the budget or the price in whole CNY.
    """

    NUMBER_PREFIX = ""
    # What a reader's copy lacks, by key; see `catalog.disclosure.shown`.
    hidden: Mapping[str, Hidden] = MappingProxyType({})

    owner = models.ForeignKey(Organization, models.PROTECT, related_name="%(class)ss")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    # The key in the owner's own system; an import with the same one updates this row.
    external_id = models.CharField(max_length=100, blank=True)
    title = models.CharField(_("title"), max_length=TITLE_LIMIT)
    summary = models.CharField(_("public summary"), max_length=SUMMARY_LIMIT, blank=True)
    body = models.TextField(_("description"), max_length=BODY_LIMIT, blank=True)
    indicators = models.JSONField(_("indicators"), default=list, blank=True)
    industry = models.CharField(_("industry"), max_length=5, blank=True)
    keywords = ArrayField(
        models.CharField(max_length=40), verbose_name=_("keywords"), default=list, blank=True
    )
    region = models.CharField(_("region"), max_length=6, blank=True)
    modes = ArrayField(
        models.CharField(max_length=11, choices=CooperationMode),
        verbose_name=_("cooperation modes"),
        default=list,
        blank=True,
    )
    trl = models.PositiveSmallIntegerField(
        _("technology readiness level"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(9)],
    )
    money_min = models.BigIntegerField(null=True, blank=True, validators=[MinValueValidator(0)])
    money_max = models.BigIntegerField(null=True, blank=True, validators=[MinValueValidator(0)])
    valid_until = models.DateField(_("valid until"), null=True, blank=True)
    language = models.CharField(
        _("language"), max_length=2, choices=ListingLanguage, default=ListingLanguage.ZH
    )
    # IPC subclasses ("C21D") and strategic emerging industries ("1.2"), beside GB/T 4754.
    ipc = ArrayField(
        models.CharField(max_length=4),
        verbose_name=_("patent classes"),
        default=list,
        blank=True,
        size=CLASS_LIMIT,
    )
    emerging = ArrayField(
        models.CharField(max_length=6),
        verbose_name=_("strategic emerging industries"),
        default=list,
        blank=True,
        size=CLASS_LIMIT,
    )
    # What the owner chose other than the default, see `catalog.disclosure`.
    disclosure = models.JSONField(_("who may read what"), default=dict, blank=True)
    status = models.CharField(
        max_length=11, choices=ListingStatus, default=ListingStatus.DRAFT, editable=False
    )
    # 0 to 100, see `catalog.quality`; queues are ordered by it.
    quality = models.PositiveSmallIntegerField(default=0, editable=False)
    # When its owner last said that it is true: by submitting it or by confirming it.
    confirmed_at = models.DateTimeField(null=True, editable=False)
    # Counts submitted contents; the revision with this number is what is judged and matched.
    version = models.PositiveIntegerField(default=0, editable=False)
    submitted_at = models.DateTimeField(null=True, editable=False)
    published_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ListingQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ("-published_at", "-pk")
        constraints = [
            # An import that is sent twice must not list everything twice.
            models.UniqueConstraint(
                fields=("owner", "external_id"),
                condition=~Q(external_id=""),
                name="%(class)s_external_id_once",
            ),
            models.CheckConstraint(
                condition=Q(trl__isnull=True) | Q(trl__gte=1, trl__lte=9),
                name="%(class)s_trl_1_to_9",
            ),
            models.CheckConstraint(
                condition=Q(money_min__isnull=True)
                | Q(money_max__isnull=True)
                | Q(money_min__lte=F("money_max")),
                name="%(class)s_money_in_order",
            ),
            # A published row without a revision could not say what was judged.
            models.CheckConstraint(
                condition=~Q(status=ListingStatus.PUBLISHED)
                | Q(version__gte=1, published_at__isnull=False),
                name="%(class)s_published_has_version",
            ),
        ]
        indexes = [
            models.Index(fields=("status", "-published_at", "-id"), name="%(class)s_recent"),
            models.Index(fields=("status", "industry"), name="%(class)s_industry"),
            models.Index(fields=("status", "region"), name="%(class)s_region"),
            models.Index(fields=("status", "trl"), name="%(class)s_trl"),
            # What `catalog.snapshot` looks for once a second.
            models.Index(
                fields=("updated_at",),
                condition=Q(published_at__isnull=False),
                name="%(class)s_changed",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def number(self) -> str:
        """The number that people quote: prefix, year, running number."""
        return f"{self.NUMBER_PREFIX}-{timezone.localtime(self.created_at):%Y}-{self.pk:04d}"

    @property
    def kind(self) -> str:
        return self._meta.model_name or ""

    @property
    def is_live(self) -> bool:
        return self.status == ListingStatus.PUBLISHED and (
            self.valid_until is None or self.valid_until >= timezone.localdate()
        )

    @property
    def is_editable(self) -> bool:
        return self.status in EDITABLE

    def indicator_rows(self) -> list[Indicator]:
        return [Indicator.from_json(row) for row in self.indicators]

    def industry_label(self) -> str:
        return industry_name(self.industry)

    def region_label(self) -> str:
        return region_name(self.region)

    def mode_labels(self) -> list[StrOrPromise]:
        return [CooperationMode(mode).label for mode in self.modes]

    def get_absolute_url(self) -> str:
        return reverse(f"{self.kind}_detail", args=[self.number])

    def move_to(self, status: ListingStatus) -> None:
        """Change the status in memory. The caller holds the row lock, and saves.

        Raises `IllegalMove` with a sentence.
        """
        if status not in MOVES.get(self.status, set()):
            raise IllegalMove(
                gettext("A listing that is “%(before)s” cannot become “%(after)s”.")
                % {"before": self.get_status_display(), "after": status.label}
            )
        self.status = status


@pghistory.track(
    pghistory.ManualEvent("revision"),  # type: ignore[no-untyped-call]
    model_name="DemandRevision",
    fields=["version", *CONTENT_FIELDS["demand"]],
    obj_field=pghistory.ObjForeignKey(related_name="revisions"),
    append_only=True,
    meta={
        "constraints": [
            models.UniqueConstraint(fields=("pgh_obj", "version"), name="demand_revision_once")
        ]
    },
)
class Demand(Listing):
    """What somebody wants solved: `body` says the problem, `trl` is the least level that helps."""

    NUMBER_PREFIX = "XQ"

    process = models.TextField(_("current process"), max_length=DETAIL_LIMIT, blank=True)
    tried = models.TextField(_("what was tried"), max_length=DETAIL_LIMIT, blank=True)
    deadline = models.DateField(_("needed by"), null=True, blank=True)
    # None: not said.
    funded = models.BooleanField(_("funding is secured"), null=True, blank=True)
    exclusivity = models.CharField(_("exclusivity"), max_length=5, choices=Exclusivity, blank=True)
    ip_expectation = models.CharField(
        _("intellectual property expected"), max_length=8, choices=IpExpectation, blank=True
    )
    partners = models.CharField(_("wished partners or experts"), max_length=1000, blank=True)

    class Meta(Listing.Meta):
        verbose_name = _("demand")
        verbose_name_plural = _("demands")


@pghistory.track(
    pghistory.ManualEvent("revision"),  # type: ignore[no-untyped-call]
    model_name="AchievementRevision",
    fields=["version", *CONTENT_FIELDS["achievement"]],
    obj_field=pghistory.ObjForeignKey(related_name="revisions"),
    append_only=True,
    meta={
        "constraints": [
            models.UniqueConstraint(fields=("pgh_obj", "version"), name="achievement_revision_once")
        ]
    },
)
class Achievement(Listing):
    """What somebody can offer: `body` says how it works, `trl` is the level that is proved.

    `ip_items` are rows {"kind", "number", "status", "family"}, see `catalog.ip`.
    """

    NUMBER_PREFIX = "CG"

    novelty = models.TextField(
        _("what is new over the best alternative"), max_length=DETAIL_LIMIT, blank=True
    )
    advantages = models.TextField(_("advantages in figures"), max_length=DETAIL_LIMIT, blank=True)
    scenarios = models.TextField(_("where it is used"), max_length=DETAIL_LIMIT, blank=True)
    trl_evidence = models.TextField(
        _("evidence of the readiness level"), max_length=DETAIL_LIMIT, blank=True
    )
    ip_items = models.JSONField(_("intellectual property"), default=list, blank=True)
    ownership = models.CharField(_("ownership"), max_length=9, choices=OwnershipMode, blank=True)
    publicity_from = models.DateField(_("publicity period from"), null=True, blank=True)
    publicity_until = models.DateField(_("publicity period until"), null=True, blank=True)
    encumbrances = models.TextField(_("encumbrances"), max_length=DETAIL_LIMIT, blank=True)
    needs = ArrayField(
        models.CharField(max_length=7, choices=AchievementNeed),
        verbose_name=_("what it still needs"),
        default=list,
        blank=True,
    )
    lead_expert = models.CharField(_("lead expert"), max_length=80, blank=True)
    orcid = models.CharField("ORCID", max_length=19, blank=True)

    class Meta(Listing.Meta):
        verbose_name = _("achievement")
        verbose_name_plural = _("achievements")


def revision_model(kind: str) -> type[Any]:
    """Return the table of a list's revisions, which pghistory makes: append-only snapshots."""
    return apps.get_model("catalog", f"{kind}revision")


class ListingEvent(models.Model):
    """One step in the life of a listing: who, when, from, to, why. Never changed."""

    demand = models.ForeignKey(Demand, models.PROTECT, null=True, related_name="events")
    achievement = models.ForeignKey(Achievement, models.PROTECT, null=True, related_name="events")
    actor = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    before = models.CharField(max_length=11, choices=ListingStatus, blank=True)
    after = models.CharField(max_length=11, choices=ListingStatus)
    version = models.PositiveIntegerField()
    # What it was where the two statuses do not tell.
    verb = models.CharField(max_length=8, choices=EventVerb, blank=True)
    # A reviewer's reason, a code of `catalog.reasons`, or the owner's for its end (`EndReason`).
    reason = models.CharField(max_length=24, blank=True)
    note = models.CharField(max_length=1000, blank=True)
    # The last day that the owner set with this step.
    valid_until = models.DateField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("created_at", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="listing_event_of_one_listing",
            ),
        ]
        triggers = [
            pgtrigger.Protect(
                name="listing_event_append_only", operation=pgtrigger.Update | pgtrigger.Delete
            )
        ]

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"
