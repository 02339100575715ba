"""Read settings from the environment, and fail loudly with a sentence.

A misspelt flag that silently means "off" has disabled security in other projects; here every
value is either understood or refused, and the refusal names the variable.
"""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def read_file(path: Path) -> None:
    """Take KEY=value lines from a file, where there is one; the real environment goes first."""
    if not path.exists():
        return
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, separator, value = entry.partition("=")
        if not separator or not name.strip().isidentifier():
            raise ImproperlyConfigured(f"{path.name}, line {number}: expected NAME=value.")
        os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


def text(name: str, default: str | None = None) -> str:
    """Return the variable. Empty counts as missing; missing without a default is an error."""
    value = os.environ.get(name, "").strip()
    if value:
        return value
    if default is None:
        raise ImproperlyConfigured(
            f"{name} is not set. Set it in the environment; see .env.example."
        )
    return default


def flag(name: str, default: bool) -> bool:
    """Return the variable as yes or no. Anything that is neither is an error."""
    value = text(name, "").lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ImproperlyConfigured(
        f"{name} must be 1 or 0 (or true/false, yes/no, on/off), not {value!r}."
    )


def integer(name: str, default: int, *, minimum: int = 0, maximum: int | None = None) -> int:
    """Return the variable as a whole number within its bounds."""
    value = text(name, "")
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if number < minimum or (maximum is not None and number > maximum):
        bounds = f"at least {minimum}" if maximum is None else f"from {minimum} to {maximum}"
        raise ImproperlyConfigured(f"{name} must be {bounds}, not {number}.")
    return number


def decimal(name: str, default: float) -> float:
    """Return the variable as a number."""
    value = text(name, "")
    if not value:
        return default
    try:
        return float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None


def listing(name: str, default: list[str]) -> list[str]:
    """Return the variable as a list; its parts are separated by commas."""
    parts = [part.strip() for part in text(name, "").split(",")]
    return [part for part in parts if part] or default


def days(name: str) -> frozenset[dt.date]:
    """Return the variable as a set of days, each written 2027-02-06, separated by commas."""
    found = set()
    for part in listing(name, []):
        try:
            found.add(dt.date.fromisoformat(part))
        except ValueError:
            raise ImproperlyConfigured(f"{name}: {part!r} is no day such as 2027-02-06.") from None
    return frozenset(found)


def database(url: str) -> dj_database_url.DBConfig:
    """Return Django's settings of a database; a connection is kept, and tested before reuse."""
    try:
        found = dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    except ValueError:
        found = {}
    if not found.get("ENGINE", "").endswith("postgresql") or not found.get("NAME"):
        # The address may hold a password, so it is not shown.
        raise ImproperlyConfigured(
            "DATABASE_URL must read postgres://user:password@host:port/name."
        )
    # A server that does not answer must not hold a page for the two minutes of TCP.
    found["OPTIONS"] = {"connect_timeout": 5} | found.get("OPTIONS", {})
    return found


def private_storage(folder: Path) -> dict[str, Any]:
    """Return the storage of private files: a folder, or a bucket of an S3-compatible service."""
    bucket = text("AWS_STORAGE_BUCKET_NAME", "")
    if not bucket:
        return {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {
                "location": folder,
                # For this program's own user alone.
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
            },
        }
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "access_key": text("AWS_ACCESS_KEY_ID"),
            "secret_key": text("AWS_SECRET_ACCESS_KEY"),
            # Empty: the one of AWS itself.
            "endpoint_url": text("AWS_S3_ENDPOINT_URL", "") or None,
            "region_name": text("AWS_S3_REGION_NAME", "") or None,
            "addressing_style": text("AWS_S3_ADDRESSING_STYLE", "auto"),
            "signature_version": "s3v4",
            # Private, whatever the bucket's own default: pages read through the site alone.
            "default_acl": None,
            "querystring_auth": True,
            "file_overwrite": False,
        },
    }
