"""What people had typed when their session was over."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models import User


class TypedPost(models.Model):
    """A listing's form that was sent after its session had ended, until its writer is back.

    Only that person ever reads it, and it is forgotten after a day: see `catalog.services.typed`.
    """

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    # The form's own address, and the mark of the listing that it would have created.
    path = models.CharField(max_length=200)
    nonce = models.CharField(max_length=32, blank=True)
    # Name of the field: list of the values typed.
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            # Pressing "save" again and again must not fill the table.
            models.UniqueConstraint(fields=("user", "path", "nonce"), name="typed_post_once"),
        ]

    def __str__(self) -> str:
        return self.path
