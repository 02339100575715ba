"""While Redis is away people log in, nobody waits for it twice, and it is used again after."""

import socket

import pytest
from django.core.cache import cache, caches
from django.urls import reverse
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError

from config.cache import REST, Cache, Client
from tests.factories import PASSWORD, make_user


@pytest.fixture
def away(settings, embedded_services):
    """The cache's server does not listen; the limits of attempts are those of production."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.ACCOUNT_RATE_LIMITS = {}
    settings.CACHES["default"]["LOCATION"] = f"redis://127.0.0.1:{port}/0"
    del caches["default"]
    yield
    settings.CACHES["default"]["LOCATION"] = embedded_services["REDIS_URL"]
    del caches["default"]


@pytest.mark.django_db
def test_people_log_in_and_sign_up_while_it_is_away(client, away):
    user = make_user()
    logged_in = client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    assert logged_in.status_code == 302
    assert client.session["_auth_user_id"] == str(user.pk)
    client.logout()

    wrong = client.post(reverse("account_login"), {"login": user.email, "password": "no"})
    reset = client.post(reverse("account_reset_password"), {"email": user.email})
    signed_up = client.post(
        reverse("account_signup"),
        {"name": "新人", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert (wrong.status_code, reset.status_code, signed_up.status_code) == (200, 302, 302)


def test_our_own_callers_are_told(away):
    for ask in (lambda: cache.get("a"), lambda: cache.set("a", 1), lambda: cache.add("a", 1)):
        with pytest.raises(RedisError):
            ask()
    with pytest.raises(RedisError):
        cache.get_many(["a"])


def test_nobody_waits_a_second_time_until_a_rest_is_over(monkeypatch):
    now, asked = [100.0], []

    def hangs(*args):
        asked.append(args)
        raise NoConnection

    monkeypatch.setattr("config.cache.time.monotonic", lambda: now[0])
    monkeypatch.setattr(Client.__mro__[1], "get", hangs)
    client = Client(["redis://127.0.0.1:1/0"])
    for _ in range(3):
        with pytest.raises(NoConnection):
            client.get("a", None)
    assert len(asked) == 1

    now[0] += REST
    with pytest.raises(NoConnection):
        client.get("a", None)
    assert len(asked) == 2


def test_it_is_the_cache_of_every_environment():
    assert isinstance(caches["default"], Cache)
    cache.set("a", 1)
    assert cache.incr("a") == 2
    assert cache.get_many(["a", "b"]) == {"a": 2}
    assert cache.add("a", 9) is False
