"""One model is current at a time; words are of no model."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0013_current_model")]

    operations = [
        migrations.RemoveField(model_name="achievementindex", name="model"),
        migrations.RemoveField(model_name="demandindex", name="model"),
        migrations.AddConstraint(
            model_name="embeddingmodel",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "current")),
                fields=("state",),
                name="embedding_model_one_current",
            ),
        ),
    ]
