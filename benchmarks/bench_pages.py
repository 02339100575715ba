"""What each main page weighs and how soon it is there, for each role, on the demo data.

    python -m benchmarks.bench_pages [--requests 20] [--loads 3] [--keep FOLDER]

Fills a database of its own (embedded PostgreSQL) with the demo data and starts the site as in
production (gunicorn as in the Procfile, production settings, hashed and compressed static files).
Pages are asked for one after the other, each as often as the others, over HTTP: that is the
server's time. Then a headless Chromium opens each page with an empty cache, as on a first visit:
what came over the wire by kind, compressed as served, and the largest contentful paint, the median
of so many loads. With `--keep` the data stay in FOLDER, and the next run with it starts from there.
"""

import argparse
import gzip
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import Cell, report, share_of
from benchmarks.services import (
    CHROMIUM,
    ROOT,
    cookie_of,
    get,
    own_folder,
    process,
    serve,
    start_for_production,
)

# The bars: kilobytes of compressed CSS and JavaScript of a page that is no dashboard, milliseconds
# of the server at p95 and until the largest paint.
WEIGHT_KB, SERVER_MS, PAINT_MS = 180, 150, 1_000
DASHBOARDS = ("/dashboard/", "/results/")

# Notes the largest paint so far; later ones replace earlier ones.
WATCH = """
window.kqPaint = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.kqPaint = entry.startTime;
}).observe({ type: "largest-contentful-paint", buffered: true });
"""


@dataclass
class Measured:
    """One page of one role: milliseconds and, by kind of file, compressed bytes."""

    role: str
    path: str
    times: list[float] = field(default_factory=list)
    paints: list[float] = field(default_factory=list)
    html: int = 0
    css: int = 0
    js: int = 0
    requests: int = 0

    @property
    def weight_kb(self) -> float:
        return (self.css + self.js) / 1000

    @property
    def p95(self) -> float:
        return share_of(self.times, 0.95)

    @property
    def paint(self) -> float:
        return statistics.median(self.paints)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--loads", type=int, default=3)
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = own_folder(stack, "pages", options.keep)
        model = os.environ.get("EMBEDDING_MODEL") or str(ROOT / "var/models/multilingual-e5-small")
        port = start_for_production(
            stack, folder, EMBEDDING_MODEL=model, SEARCHES_PER_MINUTE="1000000"
        )
        _fill(model)
        pages, cookies = _pages()
        serve(stack, port)
        stack.enter_context(
            process(
                "exec celery --quiet -A config worker -Q query --pool=threads --concurrency=2"
                " -n bench@%h --without-gossip --without-mingle --without-heartbeat"
                " --loglevel=ERROR"
            )
        )
        load = os.getloadavg()[0]
        _ask(port, pages, cookies, options.requests)
        _open(port, pages, cookies, options.loads)

    rows: list[tuple[Cell, ...]] = [
        (
            page.role,
            page.path,
            round(page.html / 1000, 1),
            round(page.weight_kb, 1),
            page.requests,
            round(share_of(page.times, 0.5), 1),
            round(page.p95, 1),
            round(page.paint, 1),
        )
        for page in pages
    ]
    weighed = [page for page in pages if not page.path.startswith(DASHBOARDS)]
    heaviest = max(weighed, key=lambda page: page.weight_kb)
    slowest = max(pages, key=lambda page: page.p95)
    latest = max(pages, key=lambda page: page.paint)
    print(
        f"{options.requests} requests and {options.loads} first visits of each page on"
        f" {os.cpu_count()} cores; load beside it before: {load:.1f}; bars: {WEIGHT_KB} kB of CSS"
        f" and JS, {SERVER_MS} ms at p95, largest paint within {PAINT_MS} ms\n"
    )
    report(
        "pages",
        ("role", "page", "HTML, kB", "CSS+JS, kB", "files", "p50, ms", "p95, ms", "paint, ms"),
        rows,
        {
            "worst_p95_ms": round(slowest.p95, 1),
            "worst_lcp_ms": round(latest.paint, 1),
            "worst_weight_kb": round(heaviest.weight_kb, 1),
            "slowest_page": f"{slowest.role} {slowest.path}",
            "latest_page": f"{latest.role} {latest.path}",
            "heaviest_page": f"{heaviest.role} {heaviest.path}",
            "pages": len(pages),
            "requests": options.requests,
            "loads": options.loads,
            "load_before": round(load, 2),
        },
    )


# --- What is looked at --------------------------------------------------------------------------


def _fill(model: str) -> None:
    from accounts.models import User
    from matchmaking.retrieval.encoders import load_encoder
    from matchmaking.services.demonstration import build

    if User.objects.exists():
        return
    began = time.monotonic()
    build(load_encoder(model))
    print(f"demo data made in {time.monotonic() - began:.0f} s", flush=True)


def _pages() -> tuple[list[Measured], dict[str, str]]:
    """Return the main pages of each role, and each role's cookie."""
    from accounts.models import User
    from catalog.models import Achievement, Demand
    from matchmaking.models import Match, Review
    from matchmaking.services.demonstration import DOMAIN
    from matchmaking.workflow import MatchStatus, ReviewStatus

    people = {
        role: User.objects.get(email=f"{name}@{DOMAIN}")
        for role, name in {
            "enterprise": "e01",
            "university": "u01",
            "manager": "manager1",
            "operator": "operator",
        }.items()
    }
    demand = Demand.objects.live().order_by("-published_at")[0].get_absolute_url()
    achievement = Achievement.objects.live().order_by("-published_at")[0].get_absolute_url()
    own = Demand.objects.live().filter(owner__memberships__user=people["enterprise"])[0]
    asked = Match.objects.filter(status=MatchStatus.APPROVED).visible_to(people["enterprise"])
    mine = Match.objects.filter(achievement__owner__memberships__user=people["university"])
    review = Review.objects.filter(manager=people["manager"], status=ReviewStatus.ACCEPTED)
    review = review or Review.objects.filter(manager=people["manager"]).open()
    paths = {
        "visitor": [
            *("/", "/demands/", "/achievements/", "/achievements/?q=淬火变形", "/managers/"),
            *(demand, achievement, "/results/", "/help/matching/", "/account/login/"),
        ],
        "enterprise": [
            *("/", "/my/demands/", "/my/answers/", f"{own.get_absolute_url()}matches/"),
            *(f"{asked[0].get_absolute_url()}{part}" for part in ("", "consent/")),
            *("/demands/new/", "/demands/new/all/", "/notifications/", "/org/"),
        ],
        "university": [
            *("/", "/my/achievements/", f"{mine[0].achievement.get_absolute_url()}matches/"),
            *("/achievements/new/", "/my/imports/new/"),
        ],
        "manager": [
            *("/", "/workbench/", review[0].get_absolute_url(), "/workbench/reviews/"),
            *("/workbench/listings/", "/manager/"),
        ],
        "operator": [
            *("/", "/dashboard/", "/ops/", "/ops/assignments/", "/ops/unmet/", "/ops/audit/"),
            *("/ops/organizations/", "/ops/managers/"),
        ],
    }
    cookies = {role: cookie_of(user) for role, user in people.items()} | {"visitor": ""}
    return [Measured(role, path) for role, found in paths.items() for path in found], cookies


# --- How long and how much ------------------------------------------------------------------------


def _ask(port: int, pages: list[Measured], cookies: dict[str, str], times: int) -> None:
    """Ask for each page in turn. The first rounds are to warm up both web processes."""
    from urllib.parse import quote

    for turn in range(-4, times):
        for page in pages:
            began = time.perf_counter()
            body = get(port, cookies[page.role], quote(page.path, safe="/?=&"))
            if turn >= 0:
                page.times.append(1000 * (time.perf_counter() - began))
                # The site leaves compressing pages to the proxy in front, which sees no secrets.
                page.html = len(gzip.compress(body, 6))


def _open(port: int, pages: list[Measured], cookies: dict[str, str], loads: int) -> None:
    """Open each page in a browser that has nothing yet."""
    from playwright.sync_api import sync_playwright

    address = f"http://127.0.0.1:{port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        for page in pages:
            for _load in range(loads):
                context = browser.new_context(
                    viewport={"width": 1440, "height": 900}, locale="zh-CN"
                )
                if cookie := cookies[page.role]:
                    name, _, value = cookie.partition("=")
                    context.add_cookies([{"name": name, "value": value, "url": address}])
                context.add_init_script(WATCH)
                _load_once(context, f"{address}{page.path}", page)
                context.close()
        browser.close()


def _load_once(context: Any, address: str, page: Measured) -> None:
    window = context.new_page()
    wire = context.new_cdp_session(window)
    wire.send("Network.enable")
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    wire.on(
        "Network.responseReceived",
        lambda event: kinds.update({event["requestId"]: event["type"]}),
    )
    wire.on(
        "Network.loadingFinished",
        lambda event: sizes.update({event["requestId"]: event["encodedDataLength"]}),
    )
    window.goto(address, wait_until="networkidle")
    window.wait_for_timeout(100)
    page.paints.append(float(window.evaluate("window.kqPaint")))

    def of(kind: str) -> int:
        return round(sum(sizes.get(key, 0) for key, found in kinds.items() if found == kind))

    page.css, page.js, page.requests = of("Stylesheet"), of("Script"), len(sizes)


if __name__ == "__main__":
    main()
