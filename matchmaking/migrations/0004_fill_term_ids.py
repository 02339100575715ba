"""Rows that were indexed before get the words they hold, from their sparse vectors."""

from django.db import migrations

# A sparse vector reads {1:0.5,7:1.2}/33554432, its dimensions counted from 1.
FILL = """
UPDATE matchmaking_{kind}index SET term_ids = ARRAY(
    SELECT split_part(entry, ':', 1)::int - 1
    FROM unnest(string_to_array(btrim(split_part(terms::text, '/', 1), '{{}}'), ',')) AS entry
    WHERE entry <> ''
)
"""


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0003_term_ids")]

    operations = [
        migrations.RunSQL(FILL.format(kind=kind), migrations.RunSQL.noop)
        for kind in ("demand", "achievement")
    ]
