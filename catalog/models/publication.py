"""Who checks a listing that was handed in, until when, and what they said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pghistory
from django.apps import apps
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext

from accounts.models import User
from catalog.models.listings import Achievement, Demand, Listing
from catalog.workflow import (
    PUBLICATION_MOVES,
    IllegalMove,
    ListingDecision,
    PublicationCriterion,
    PublicationEscalation,
    PublicationStatus,
)

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

APPEAL_LIMIT = 1000


class PublicationQuerySet(models.QuerySet["PublicationReview"]):
    def open(self) -> Self:
        """Return those that a decision is still to come of."""
        return self.filter(status=PublicationStatus.ASSIGNED)

    def waiting(self) -> Self:
        """Return the open ones that no manager answers for, and that are not the operators' now."""
        return (
            self.open().filter(manager=None).exclude(escalation=PublicationEscalation.NO_RESPONSE)
        )

    def of(self, listing: Listing) -> Self:
        return self.filter(**{listing.kind: listing})

    def with_listing(self) -> Self:
        return self.select_related("demand__owner", "achievement__owner", "manager", "decided_by")

    def with_owner(self) -> Self:
        """Add `owner_id`, of the organization that the listing belongs to."""
        return self.annotate(owner_id=Coalesce(F("demand__owner"), F("achievement__owner")))


# Each desk, each prolonged clock and each hand-over to the operators leaves a row of its own, which
# the database writes and refuses to change: `ListingEvent` tells of the listing alone.
@pghistory.track(
    pghistory.InsertEvent("opened"),
    pghistory.UpdateEvent("changed"),
    fields=["status", "manager", "due_on", "escalation", "decided_by", "decision"],
    obj_field=pghistory.ObjForeignKey(related_name="history"),
    context_field=None,  # type: ignore[arg-type]  # None is documented: no context
    append_only=True,
    model_name="PublicationStep",
)
class PublicationReview(models.Model):
    """One check of one version of a listing. A submitted listing has exactly one that is open.

    `manager` answers for it; None: it waits to be assigned. Anybody else who may check listings
    may decide it all the same, and `decided_by` says who did.
    """

    demand = models.ForeignKey(Demand, models.PROTECT, null=True, related_name="publications")
    achievement = models.ForeignKey(
        Achievement, models.PROTECT, null=True, related_name="publications"
    )
    version = models.PositiveIntegerField()
    status = models.CharField(
        max_length=11,
        choices=PublicationStatus,
        default=PublicationStatus.ASSIGNED,
        editable=False,
    )
    manager = models.ForeignKey(User, models.PROTECT, null=True, related_name="publications")
    # Why this manager, as in matchmaking's `Review.assigned_because`.
    assigned_because = models.JSONField(default=dict)
    due_on = models.DateField()
    # The owner was asked before and has answered by this version.
    again = models.BooleanField(default=False)
    # What the owner says against the rejection of this version; "" where it is no appeal.
    appeal = models.TextField(max_length=APPEAL_LIMIT, blank=True)
    # Since when and why it waits for an operator.
    escalated_at = models.DateTimeField(null=True)
    escalation = models.CharField(max_length=11, choices=PublicationEscalation, blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    decision = models.CharField(max_length=10, choices=ListingDecision, blank=True)
    # A code of `catalog.reasons`.
    reason = models.CharField(max_length=24, blank=True)
    note = models.CharField(max_length=1000, blank=True)
    # What is asked or said by field of the listing's form, see `catalog.remarks`.
    questions = models.JSONField(default=dict)
    # Points by `PublicationCriterion`; for operators, the owner does not read them.
    criteria = models.JSONField(default=dict)
    # When who decided it stated that they have no interest in its owner.
    stated_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(default=timezone.now)
    assigned_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    objects = PublicationQuerySet.as_manager()

    class Meta:
        ordering = ("due_on", "pk")
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="publication_of_one_listing",
            ),
            # Two hands that submit, or two undo at once: one open check, never two.
            models.UniqueConstraint(
                fields=("demand",), condition=Q(status="assigned"), name="publication_demand_open"
            ),
            models.UniqueConstraint(
                fields=("achievement",),
                condition=Q(status="assigned"),
                name="publication_achievement_open",
            ),
            # A decision says who made it and when.
            models.CheckConstraint(
                condition=~Q(status="submitted")
                | (Q(decided_by__isnull=False, closed_at__isnull=False) & ~Q(decision="")),
                name="publication_decided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=("manager", "status", "due_on"), name="publication_desk"),
            models.Index(
                fields=("due_on",), condition=Q(status="assigned"), name="publication_clock"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.listing.number} / {self.version}"

    @property
    def kind(self) -> str:
        return "demand" if self.demand_id else "achievement"

    @property
    def listing(self) -> Listing:
        listing = self.demand or self.achievement
        assert listing is not None  # a constraint of the table
        return listing

    @property
    def is_open(self) -> bool:
        return self.status == PublicationStatus.ASSIGNED

    @property
    def points(self) -> list[tuple[StrOrPromise, int]]:
        """The points that were given, by criterion."""
        return [
            (criterion.label, self.criteria[criterion])
            for criterion in PublicationCriterion
            if criterion in self.criteria
        ]

    def get_absolute_url(self) -> str:
        return reverse("listing_review", args=[self.listing.number])

    def move_to(self, status: PublicationStatus) -> None:
        """Change the status in memory. The caller holds the listing's lock, and saves.

        Raises `IllegalMove` with a sentence.
        """
        if status not in PUBLICATION_MOVES.get(self.status, set()):
            raise IllegalMove(
                gettext("A check that is “%(before)s” cannot become “%(after)s”.")
                % {"before": self.get_status_display(), "after": status.label}
            )
        self.status = status


def step_model() -> Any:
    """Return the table of the steps of checks, which pghistory makes: append-only snapshots."""
    return apps.get_model("catalog", "publicationstep")
