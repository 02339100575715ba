"""How tests speak to the API: as a program with a token."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.test import Client

from accounts.models import ApiToken, TokenScope, User


def make_token(user: User, scope: str = TokenScope.WRITE, days: int = 30) -> str:
    _token, text = ApiToken.objects.create(
        user, expiry=dt.timedelta(days=days), name="test", scope=scope
    )
    return text


class Program:
    """A client that sends JSON under a token; without a user it is a visitor."""

    def __init__(self, user: User | None = None, scope: str = TokenScope.WRITE) -> None:
        self.client = Client()
        self.headers = {}
        if user is not None:
            self.headers["Authorization"] = f"Bearer {make_token(user, scope)}"

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        data = b"" if body is None else json.dumps(body).encode()
        return self.client.generic(
            method,
            address if address.startswith("/") else f"/api/v1/{address}",
            data,
            content_type="application/json",
            headers=self.headers | named,
        )

    def get(self, address: str, **headers: str) -> Any:
        return self.ask("GET", address, None, **headers)

    def post(self, address: str, body: Any = None, **headers: str) -> Any:
        return self.ask("POST", address, {} if body is None else body, **headers)

    def put(self, address: str, body: Any, **headers: str) -> Any:
        return self.ask("PUT", address, body, **headers)

    def patch(self, address: str, body: Any, **headers: str) -> Any:
        return self.ask("PATCH", address, body, **headers)
