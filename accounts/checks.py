"""System check: the calendar that every promise is counted in knows this year."""

from typing import Any

from django.core.checks import CheckMessage, Warning, register

from accounts.workdays import unknown_year


@register("accounts")
def check_calendar(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """The holidays of this year are known; in December those of the next as well."""
    year = unknown_year()
    if year is None:
        return []
    return [
        Warning(
            f"The holidays of {year} are not known: deadlines count Monday to Friday, without the"
            " festivals of the moon's calendar and without make-up days.",
            hint="Install a newer chinesecalendar, or name the days of the State Council's notice"
            " in FREE_DAYS and MAKE_UP_DAYS (docs/operations.md, “The calendar”).",
            id="accounts.W001",
        )
    ]
