from django.db import migrations


def to_rows(apps, schema_editor):
    """Give each manager who has marked days off one absence with the same days."""
    Absence = apps.get_model("accounts", "Absence")
    away = apps.get_model("accounts", "ManagerProfile").objects.exclude(unavailable_from=None)
    Absence.objects.bulk_create(
        Absence(
            profile=profile,
            first=profile.unavailable_from,
            # Days typed the wrong way round were refused by the form, but not by the database.
            last=profile.unavailable_until
            and max(profile.unavailable_from, profile.unavailable_until),
        )
        for profile in away.iterator()
    )


def to_profiles(apps, schema_editor):
    """Keep the newest days of each manager: there is room for one period."""
    profiles = apps.get_model("accounts", "ManagerProfile").objects
    rows = apps.get_model("accounts", "Absence").objects.order_by("first", "pk")
    for absence in rows.iterator():
        profiles.filter(pk=absence.profile_id).update(
            unavailable_from=absence.first, unavailable_until=absence.last
        )
    rows.all().delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_managers")]

    operations = [migrations.RunPython(to_rows, to_profiles, elidable=False)]
