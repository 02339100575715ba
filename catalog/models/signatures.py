"""What a listing's text is compared by with all others, to find those that say nearly the same."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q

from catalog.models.listings import Achievement, Demand


class ListingSignature(models.Model):
    """Fingerprints of one listing, see `catalog.duplicates`. Made again when the text changes.

    `public_bands` are of what everybody may read, the only part that is ever compared with
    other organizations' listings; `bands` are of the whole text, for the owner's own eyes.
    """

    demand = models.OneToOneField(Demand, models.CASCADE, null=True, related_name="signature")
    achievement = models.OneToOneField(
        Achievement, models.CASCADE, null=True, related_name="signature"
    )
    public_bands = ArrayField(models.IntegerField())
    bands = ArrayField(models.IntegerField())
    # The listing's `updated_at` that was read; another one there means stale.
    text_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(demand__isnull=True) ^ Q(achievement__isnull=True),
                name="listing_signature_of_one_listing",
            ),
        ]
        indexes = [
            GinIndex(fields=["public_bands"], name="listing_signature_public"),
            GinIndex(fields=["bands"], name="listing_signature_whole"),
        ]

    def __str__(self) -> str:
        return f"{self.demand_id or self.achievement_id}"
