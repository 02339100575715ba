"""PostgreSQL and Valkey from wheels, under var/."""

import json
from pathlib import Path


def running_urls(var: Path) -> dict[str, str]:
    """Return DATABASE_URL and REDIS_URL of the services that run in `var`, or nothing."""
    try:
        urls: dict[str, str] = json.loads((var / "embedded.json").read_text())
    except FileNotFoundError:
        return {}
    return urls
