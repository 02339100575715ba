"""Pages of the lists under load: 20 requests a second on a catalogue of 100,000.

    python -m benchmarks.bench_web [--listings 100000] [--seconds 60] [--rate 20] [--keep FOLDER]

Makes a seeded catalogue in a database of its own (embedded PostgreSQL and Valkey), starts the
site as in production (gunicorn as in the Procfile, production settings, an encode worker) and
sends requests at fixed moments, whether or not earlier ones have been answered: what waits in a
queue is counted. A third of the readers are members who are logged in. Each search asks for
other words, then for its next page and for one facet of what it found. With `--keep` the
catalogue stays in FOLDER, and the next run with it starts from there.
"""

import argparse
import asyncio
import os
import random
import re
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psutil

from benchmarks.report import Cell, report, share_of
from benchmarks.services import own_folder, process, serve, start_for_production

ROOT = Path(__file__).resolve().parent.parent
PATH = "/achievements/"
# Seconds after which a request counts as failed.
PATIENCE = 30.0
# A kind of request and its share of all, in percent; every facet has the same.
SHARES = {
    "list": 14,
    "list, other order": 6,
    "deep page": 10,
    "two facets": 10,
    "search": 16,
    "search, next page": 6,
    "search and facet": 8,
}
NEXT = re.compile(rb'href="\?([^"]+)" rel="next"')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listings", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = own_folder(stack, "web", options.keep)
        began = time.monotonic()
        address, requests, encoder = _site(stack, folder, options.listings)
        made = time.monotonic() - began
        print(f"made and started in {made:.0f} s", flush=True)
        load = os.getloadavg()[0]
        client = Client(address, requests, random.Random(1))
        asyncio.run(client.run(options.rate, min(5.0, options.seconds / 2), counted=False))
        worked = _processor_seconds()
        asyncio.run(client.run(options.rate, options.seconds, counted=True))
        worked = _processor_seconds() - worked
        memory = _memory()

    every = [one for times in client.times.values() for one in times]
    kinds = {**dict(sorted(client.times.items())), "all": every}
    rows: list[tuple[Cell, ...]] = [
        (kind, len(times), *(1000 * share_of(times, part) for part in (0.5, 0.95, 1)))
        for kind, times in kinds.items()
    ]
    p50, p95 = (1000 * share_of(every, part) for part in (0.5, 0.95))
    by_kind = {kind: 1000 * share_of(times, 0.95) for kind, times in client.times.items()}
    worst = max(by_kind, key=lambda kind: by_kind[kind])
    print(
        f"{options.listings:,} listings, {options.rate:g} requests/s for {options.seconds:g} s on"
        f" {os.cpu_count()} cores; encoder: {encoder}; load beside it before: {load:.1f};"
        f" processor time {1000 * worked / len(every):.0f} ms a request\n"
    )
    report(
        "web",
        ("requests", "number", "p50, ms", "p95, ms", "longest, ms"),
        rows,
        {
            "p95_ms": round(by_kind[worst], 1),
            "errors": len(client.errors),
            "p95_all_ms": round(p95, 1),
            "p50_all_ms": round(p50, 1),
            "worst_kind": worst,
            # Of web, PostgreSQL and encode worker together: 100 fill two cores at 20 a second.
            "cpu_ms_per_request": round(1000 * worked / len(every), 1),
            "fallbacks": client.fallbacks,
            "requests": len(every),
            "listings": options.listings,
            "rate": options.rate,
            "seconds": options.seconds,
            "load_before": round(load, 2),
            "web_mb": round(memory, 1),
            "encoder": encoder,
        },
    )
    for error in client.errors[:5]:
        print(f"error: {error}")


# --- The site -----------------------------------------------------------------------------------


def _site(stack: ExitStack, folder: Path, listings: int) -> tuple[str, "Requests", str]:
    """Start everything. Return the address, what may be asked for, and the encoder's name."""
    model = os.environ.get("EMBEDDING_MODEL") or str(ROOT / "var/models/multilingual-e5-small")
    # One address asks for everybody here.
    port = start_for_production(stack, folder, EMBEDDING_MODEL=model, SEARCHES_PER_MINUTE="1000000")

    encoder = "none: a stub that returns seeded vectors"
    name, revision = "bench", "1"
    worker = "benchmarks.stub_worker"
    if Path(model).exists():
        from matchmaking.retrieval.encoders import load_encoder

        loaded = load_encoder(model)
        name, revision, worker = loaded.name, loaded.revision, "config"
        encoder = f"{name} ({revision[:12]})"

    from benchmarks.catalogue import Catalogue

    catalogue = Catalogue(listings, lambda text: print(text, flush=True))
    from catalog.models import Achievement
    from matchmaking.models import EmbeddingModel

    if Achievement.objects.count() != listings:
        catalogue.write(name, revision)
    EmbeddingModel.objects.update(name=name, revision=revision)
    requests = Requests(catalogue)

    serve(stack, port)
    stack.enter_context(
        process(
            f"exec celery --quiet -A {worker} worker -Q query --pool=threads --concurrency=2"
            " -n bench@%h --without-gossip --without-mingle --without-heartbeat --loglevel=ERROR"
        )
    )
    _wait()
    return f"127.0.0.1:{port}", requests, encoder


def _wait() -> None:
    """Wait until the encode worker has answered once."""
    from matchmaking.retrieval.asking import encode_in_worker

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if encode_in_worker(f"warm {time.monotonic()}") is not None:
            return
        time.sleep(1)
    raise SystemExit("The encode worker did not start within two minutes.")


def _processor_seconds() -> float:
    """Return what the site's processes have used of the processors so far."""
    total = 0.0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            total += times.user + times.system
    return total


def _memory() -> float:
    """Return the private memory of the largest web process, in MB."""
    largest = 0.0
    for status in Path("/proc").glob("[0-9]*/smaps_rollup"):
        with suppress(OSError):
            command = (status.parent / "cmdline").read_bytes()
            if b"config.wsgi" not in command or os.environ["PORT"].encode() not in command:
                continue
            for line in status.read_text().splitlines():
                if line.startswith("Pss:"):
                    largest = max(largest, int(line.split()[1]) / 1024)
    return largest


# --- The readers --------------------------------------------------------------------------------


class Requests:
    """What readers ask for: addresses of each kind."""

    def __init__(self, catalogue: Any) -> None:
        from accounts.permissions import Tier
        from catalog.columns import microseconds
        from catalog.facets import FACETS, Filters
        from catalog.listing_pages import Catalogue as Pages
        from catalog.models import Achievement

        self.catalogue = catalogue
        self.asked = 0
        everything = Pages(Filters(kind="achievement"), Tier.PUBLIC)
        self.values = {
            facet.name: [option.value for option in facet.options] for facet in everything.facets
        }
        self.facets = [facet for facet in FACETS if facet in self.values]
        rows = Achievement.objects.order_by("-published_at").values_list("published_at", "pk")
        step = max(1, catalogue.count // 500)
        self.cursors = [f"{microseconds(at)}-{pk}" for at, pk in rows[::step]]
        self.cookies = ["", "", _member()]
        share = (100 - sum(SHARES.values())) / len(self.facets)
        self.shares = SHARES | {f"facet: {facet}": share for facet in self.facets}
        # Next pages and questions that can be asked again, with the reader who asked.
        self.follow: list[tuple[str, str]] = []
        self.questions: list[tuple[str, str]] = []

    def make(self, kind: str, chance: random.Random) -> tuple[str, str]:
        """Return an address and a cookie."""
        cookie = chance.choice(self.cookies)
        query: list[tuple[str, str]] = []
        if kind == "list, other order":
            query = [("sort", chance.choice(["ending", "confirmed", "money"]))]
        elif kind == "deep page":
            query = [("after", chance.choice(self.cursors))]
        elif kind == "two facets":
            query = [self._facet(facet, chance) for facet in chance.sample(self.facets, 2)]
        elif kind.startswith("facet: "):
            query = [self._facet(kind.removeprefix("facet: "), chance)]
        elif kind == "search, next page" and self.follow:
            address, cookie = self.follow.pop(0)
            return address, cookie
        elif kind == "search and facet" and self.questions:
            question, cookie = self.questions.pop(0)
            query = [("q", question), self._facet("region", chance)]
        elif kind.startswith("search"):
            self.asked += 1
            question = self.catalogue.question(self.asked)
            query = [("q", question)]
            self.questions.append((question, cookie))
        return f"{PATH}?{urlencode(query)}" if query else PATH, cookie

    def _facet(self, facet: str, chance: random.Random) -> tuple[str, str]:
        return facet, chance.choice(self.values[facet])


def _member() -> str:
    """Return the cookie of a member of a verified organization who is logged in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from accounts.models import Membership, Organization, User

    user, _ = User.objects.get_or_create(email="bench@example.org", defaults={"name": "Bench"})
    organization = Organization.objects.order_by("pk")[0]
    Membership.objects.get_or_create(
        user=user, organization=organization, defaults={"is_active": True, "role": "viewer"}
    )
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


class Client:
    """Sends requests at fixed moments and notes how long each answer took."""

    def __init__(self, address: str, requests: Requests, chance: random.Random) -> None:
        self.host, _, port = address.partition(":")
        self.port = int(port)
        self.requests, self.chance = requests, chance
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self.fallbacks = 0

    async def run(self, rate: float, seconds: float, *, counted: bool) -> None:
        """Send `rate` requests a second; without `counted` only to warm everything up."""
        kinds, shares = zip(*self.requests.shares.items(), strict=True)
        plan = self.chance.choices(kinds, shares, k=int(rate * seconds))
        start = time.perf_counter()
        running = []
        for number, kind in enumerate(plan):
            moment = start + number / rate
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            running.append(asyncio.create_task(self._one(kind, moment, counted)))
        await asyncio.gather(*running)

    async def _one(self, kind: str, moment: float, counted: bool) -> None:
        address, cookie = self.requests.make(kind, self.chance)
        try:
            body = await asyncio.wait_for(self._get(address, cookie), PATIENCE)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
            if counted:
                self.errors.append(f"{address}: {error!r}")
                self.times[kind].append(time.perf_counter() - moment)
            return
        if counted:
            self.times[kind].append(time.perf_counter() - moment)
        if kind == "search" and (link := NEXT.search(body)):
            self.requests.follow.append(
                (f"{PATH}?{link[1].decode().replace('&amp;', '&')}", cookie)
            )
        self.fallbacks += "智能检索暂时不可用".encode() in body

    async def _get(self, address: str, cookie: str) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(
                f"GET {address} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
                f"Cookie: {cookie}\r\n\r\n".encode()
            )
            answer = await reader.read(-1)
        finally:
            writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or b"</html>" not in body:
            raise ValueError(head.split(b"\r\n")[0].decode(errors="replace"))
        return body


if __name__ == "__main__":
    main()
