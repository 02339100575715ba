"""Vectors that are there already get the section and province of their listing."""

from django.db import migrations

FILL = """
UPDATE matchmaking_{kind}vector v
SET section = left(l.industry, 1), province = left(l.region, 2)
FROM catalog_{kind} l WHERE l.id = v.listing_id
"""


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0006_vectors_by_model")]

    operations = [
        migrations.RunSQL(FILL.format(kind=kind), migrations.RunSQL.noop)
        for kind in ("demand", "achievement")
    ]
