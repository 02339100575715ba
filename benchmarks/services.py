"""An embedded PostgreSQL and Valkey of a benchmark's own."""

import os
from contextlib import ExitStack
from pathlib import Path


def start(stack: ExitStack, folder: Path) -> None:
    """Start the services in `folder`, set Django up on them and migrate; `stack` stops them."""
    from config.embedded import Services

    services = Services(folder, durable=False)
    stack.callback(services.stop)
    os.environ.update(
        services.start(),
        DJANGO_SETTINGS_MODULE="config.settings.dev",
        KEQIAO_VAR=str(folder),
        LOG_LEVEL="ERROR",
    )
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
