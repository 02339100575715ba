"""What is found by follows the tiers of a listing's fields."""

import pgvector.django.sparsevec
from django.db import migrations, models
from pgvector import SparseVector

TERM_DIMENSIONS = 2**25
NOTHING = SparseVector({}, TERM_DIMENSIONS)
KINDS = ("demand", "achievement")


def _windows(kind):
    table, model = f"matchmaking_{kind}vector", f"{kind}vector"
    return [
        migrations.AddField(
            model_name=model,
            name="tier",
            field=models.PositiveSmallIntegerField(default=1),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name=model, name="is_public", field=models.BooleanField(default=False)
        ),
        # Until now a window was for visitors or for members.
        migrations.RunSQL(
            f"UPDATE {table} SET tier = 0 WHERE is_public",
            f"UPDATE {table} SET is_public = (tier = 0)",
        ),
        migrations.RemoveField(model_name=model, name="is_public"),
    ]


def _words(kind):
    table, model = f"matchmaking_{kind}index", f"{kind}index"
    return [
        migrations.AddField(
            model_name=model, name="disclosure", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name=model,
            name="member_terms",
            field=pgvector.django.sparsevec.SparseVectorField(
                dimensions=TERM_DIMENSIONS, default=NOTHING
            ),
            preserve_default=False,
        ),
        # All that is indexed so far is open to members.
        migrations.RunSQL(
            f"UPDATE {table} SET member_terms = terms", migrations.RunSQL.noop
        ),
    ]


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0001_initial")]

    operations = [
        *(operation for kind in KINDS for operation in _windows(kind)),
        *(operation for kind in KINDS for operation in _words(kind)),
        migrations.AddField(
            model_name="termfrequency",
            name="member_documents",
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.RunSQL(
            "UPDATE matchmaking_termfrequency SET member_documents = documents",
            migrations.RunSQL.noop,
        ),
    ]
