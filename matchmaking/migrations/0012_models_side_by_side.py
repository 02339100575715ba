"""Two models can lie side by side: what each has encoded is kept by model."""

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

STATES = [
    ("building", "Being prepared"),
    ("ready", "Ready"),
    ("current", "In use"),
    ("retired", "Kept to go back to"),
    ("removed", "Removed"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0008_listing_signatures"),
        ("matchmaking", "0011_runs_of_many"),
    ]

    operations = [
        migrations.AddField(
            model_name="embeddingmodel",
            name="source",
            field=models.CharField(blank=True, max_length=500, default=""),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="embeddingmodel",
            name="state",
            field=models.CharField(choices=STATES, default="building", editable=False, max_length=8),
        ),
        migrations.AddField(
            model_name="embeddingmodel",
            name="switched_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="demandindex",
            name="matched_model",
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matchmaking.embeddingmodel"),
        ),
        # Nullable first, so that the way back has a moment to fill it in.
        migrations.AlterField(
            model_name="demandindex",
            name="model",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matchmaking.embeddingmodel"),
        ),
        migrations.AlterField(
            model_name="achievementindex",
            name="model",
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matchmaking.embeddingmodel"),
        ),
        migrations.CreateModel(
            name="DemandEncoding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("disclosure", models.JSONField(default=dict)),
                ("problem", models.CharField(blank=True, max_length=200)),
                ("encoded_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("listing", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="encodings", to="catalog.demand")),
                ("model", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matchmaking.embeddingmodel")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("model", "listing"), name="demand_encoding_once")],
            },
        ),
        migrations.CreateModel(
            name="AchievementEncoding",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.PositiveIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("disclosure", models.JSONField(default=dict)),
                ("problem", models.CharField(blank=True, max_length=200)),
                ("encoded_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("listing", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="encodings", to="catalog.achievement")),
                ("model", models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="matchmaking.embeddingmodel")),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("model", "listing"), name="achievement_encoding_once")],
            },
        ),
    ]
