"""Texts are cut into words and windows in another way: what is indexed is made again.

The sweep finds rows of an earlier version; until it has come by, they are found as they were.
"""

from django.db import migrations

OLD = "UPDATE matchmaking_{kind}index SET version = 0"


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0015_alike")]

    operations = [
        migrations.RunSQL(OLD.format(kind=kind), migrations.RunSQL.noop)
        for kind in ("demand", "achievement")
    ]
