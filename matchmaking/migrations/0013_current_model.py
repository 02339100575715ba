"""The model that was registered last is the current one; what it encoded is noted by model."""

from django.conf import settings
from django.db import migrations

STATES = """
UPDATE matchmaking_embeddingmodel SET state = 'retired', switched_at = created_at;
UPDATE matchmaking_embeddingmodel SET state = 'current', source = %s WHERE id = (
    SELECT id FROM matchmaking_embeddingmodel ORDER BY created_at DESC, id DESC LIMIT 1)
"""
NOTE = """
INSERT INTO matchmaking_{kind}encoding (listing_id, model_id, version, digest, disclosure, problem, encoded_at)
SELECT listing_id, model_id, version, digest, disclosure, problem, indexed_at FROM matchmaking_{kind}index
"""
MATCHED = "UPDATE matchmaking_demandindex SET matched_model_id = model_id WHERE matched_version > 0"
# Back: what was registered last was the current one.
LAST = "UPDATE matchmaking_embeddingmodel SET created_at = now() WHERE state = 'current'"
# Back: rows that the current model has not encoded are indexed anew.
BACK = """
UPDATE matchmaking_{kind}index i SET model_id = e.model_id
FROM matchmaking_{kind}encoding e JOIN matchmaking_embeddingmodel m ON m.id = e.model_id
WHERE e.listing_id = i.listing_id AND m.state = 'current';
DELETE FROM matchmaking_{kind}index WHERE model_id IS NULL;
DELETE FROM matchmaking_{kind}encoding;
"""


class Migration(migrations.Migration):
    dependencies = [("matchmaking", "0012_models_side_by_side")]

    operations = [
        migrations.RunSQL([(STATES, [settings.EMBEDDING_MODEL])], LAST),
        migrations.RunSQL(MATCHED, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(NOTE.format(kind=kind), BACK.format(kind=kind))
            for kind in ("demand", "achievement")
        ),
    ]
