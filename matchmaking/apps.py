from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MatchmakingConfig(AppConfig):
    name = "matchmaking"
    verbose_name = _("Matchmaking")

    def ready(self) -> None:
        from accounts.navigation import register
        from matchmaking import (
            checks,  # noqa: F401  (registers the system checks)
            notices,
            reasons,
        )
        from matchmaking.navigation import counts
        from matchmaking.services import listening

        listening.connect()
        reasons.install()
        register(counts)
        notices.connect()
