from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and organizations")

    def ready(self) -> None:
        from accounts import (
            addresses,
            checks,  # noqa: F401  (registers the system check)
            delivery,
            letters,
            own_notices,
        )

        delivery.register("notice", letters.notice)
        delivery.register("digest", letters.digest)
        own_notices.connect()
        addresses.connect()
