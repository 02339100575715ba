"""Every listing that waits for its check gets the row that says until when."""

from django.conf import settings
from django.db import migrations
from django.utils import timezone

from accounts.workdays import add_working_days

BATCH = 1000


def open_checks(apps, schema_editor):
    review = apps.get_model("catalog", "PublicationReview")
    today = timezone.localdate()
    # Nobody is late on the day on which the clocks begin to run.
    earliest = add_working_days(today, settings.PUBLICATION_WORKING_DAYS)
    for kind in ("Demand", "Achievement"):
        waiting = apps.get_model("catalog", kind).objects.filter(status="submitted")
        rows = [
            review(
                **{f"{kind.lower()}_id": pk},
                version=version,
                due_on=earliest,
                opened_at=submitted_at or timezone.now(),
            )
            for pk, version, submitted_at in waiting.order_by("pk").values_list(
                "pk", "version", "submitted_at"
            )
        ]
        review.objects.bulk_create(rows, batch_size=BATCH)


class Migration(migrations.Migration):
    dependencies = [("catalog", "0009_publication_reviews")]

    operations = [migrations.RunPython(open_checks, migrations.RunPython.noop)]
