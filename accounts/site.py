"""What the installation is called and who runs it, in the reader's language."""

from django.conf import settings

from accounts.languages import in_english


def site_name() -> str:
    return str(settings.SITE_NAME_EN if in_english() else settings.SITE_NAME)


def site_operator() -> str:
    """Return who runs the platform, by the Chinese name where there is no other; "" for nobody."""
    if in_english() and settings.SITE_OPERATOR_EN:
        return str(settings.SITE_OPERATOR_EN)
    return str(settings.SITE_OPERATOR)
