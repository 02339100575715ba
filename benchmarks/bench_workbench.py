"""The workbench of one manager with 5,000 open reviews, and the way from a decision to the next.

    python -m benchmarks.bench_workbench [--reviews 5000] [--requests 40] [--decisions 30]

Makes seeded listings, matches with evidence and open reviews in a database of its own (embedded
PostgreSQL), and starts the site as in production (gunicorn as in the Procfile, production
settings). Pages are asked for one after the other, each kind as often as the others, over HTTP.
Then a headless Chromium decides with the keyboard alone: A, 1, Ctrl+Enter. What is measured runs
from that key to the second frame after the next match stands on the page. A person reads
meanwhile, so each decision waits until the page has what it fetches ahead.
"""

import argparse
import datetime as dt
import os
import random
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.report import Cell, report, share_of
from benchmarks.services import CHROMIUM, cookie_of, get, own_folder, serve, start_for_production

SEED = 20261122
DEMANDS, ACHIEVEMENTS, OWNERS = 250, 1_000, 120
SUBJECTS = ("轴承套圈", "储氢气瓶", "印染废水", "锂电池隔膜", "光伏组件", "铝合金压铸", "中药提取")
PROBLEMS = ("变形控制", "寿命预测", "在线检测", "节能改造", "缺陷识别", "表面强化", "工艺优化")
INDICATORS = ("圆度偏差", "硬度", "节拍", "良品率", "能耗", "孔隙率")
SECTIONS = ("C3451", "C2614", "D4411", "M7320", "N7721", "A0111", "G5990")

# Notes when Ctrl+Enter was pressed, and when another match had been painted.
WATCH = """
addEventListener("keydown", (event) => {
  if (event.ctrlKey && event.code === "Enter") {
    const here = document.getElementById("review");
    sessionStorage.setItem("bench-from", here ? here.dataset.number : "");
    sessionStorage.setItem("bench-start", performance.timeOrigin + performance.now());
    sessionStorage.removeItem("bench-took");
  }
}, true);
function benchLook() {
  const here = document.getElementById("review");
  const start = sessionStorage.getItem("bench-start");
  if (!here || !start || here.dataset.number === sessionStorage.getItem("bench-from")) return;
  sessionStorage.removeItem("bench-start");
  requestAnimationFrame(() => requestAnimationFrame(() => {
    sessionStorage.setItem("bench-took", performance.timeOrigin + performance.now() - start);
  }));
}
new MutationObserver(benchLook).observe(document, { childList: true, subtree: true });
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reviews", type=int, default=5_000)
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--decisions", type=int, default=30)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = own_folder(stack, "workbench")
        port = start_for_production(stack, folder)
        manager = _make(options.reviews)
        queries = _queries(manager)
        serve(stack, port)
        cookie = cookie_of(manager)
        load = os.getloadavg()[0]
        times = _pages(port, cookie, _addresses(manager, options.reviews), options.requests)
        next_times = _decide(port, cookie, manager, options.decisions)

    rows: list[tuple[Cell, ...]] = [
        (kind, len(found), *(share_of(found, part) for part in (0.5, 0.95, 1)))
        for kind, found in {**times, "decision to next match": next_times}.items()
    ]
    print(
        f"{options.reviews:,} open reviews of one manager on {os.cpu_count()} cores;"
        f" {queries} queries for the queue; load beside it before: {load:.1f}\n"
    )
    queue = {kind: share_of(found, 0.95) for kind, found in times.items() if kind != "one review"}
    report(
        "workbench",
        ("page", "number", "p50, ms", "p95, ms", "longest, ms"),
        rows,
        {
            "queue_p95_ms": round(max(queue.values()), 1),
            "next_ms_p95": round(share_of(next_times, 0.95), 1),
            "queries": queries,
            "review_p95_ms": round(share_of(times["one review"], 0.95), 1),
            "next_ms_p50": round(share_of(next_times, 0.5), 1),
            "worst_kind": max(queue, key=lambda kind: queue[kind]),
            "reviews": options.reviews,
            "decisions": len(next_times),
            "load_before": round(load, 2),
        },
    )


# --- What is looked at --------------------------------------------------------------------------


def _make(count: int) -> Any:
    """Write listings, matches and open reviews; return their manager."""
    from django.utils import timezone

    from accounts.models import ManagerGrade, ManagerProfile, ManagerStatus, User
    from catalog.models import Achievement, Demand, revision_model
    from matchmaking.models import EmbeddingModel, Match, MatchEvent, Review
    from matchmaking.workflow import MatchStatus, ReviewStatus

    chance = random.Random(SEED)
    began = time.monotonic()
    today, now = timezone.localdate(), timezone.now()
    manager = User.objects.create_user("bench@example.org", None, name="Bench")
    ManagerProfile.objects.create(
        user=manager,
        grade=ManagerGrade.SENIOR,
        certificate_no="JL-000001",
        classes=["C"],
        capacity=200,
        status=ManagerStatus.CERTIFIED,
        certified_at=now,
        **_validity(today),
    )
    owners = _owners(chance)
    demands = _listings(Demand, DEMANDS, owners[: OWNERS // 2], chance)
    achievements = _listings(Achievement, ACHIEVEMENTS, owners[OWNERS // 2 :], chance)
    demand_revisions = dict(revision_model("demand").objects.values_list("pgh_obj", "pk"))
    achievement_revisions = dict(revision_model("achievement").objects.values_list("pgh_obj", "pk"))
    model = EmbeddingModel.objects.create(name="bench", revision="1", dimension=384)
    matches = []
    for number in range(count):
        demand = demands[number % DEMANDS]
        achievement = achievements[(number // DEMANDS * 37 + number % DEMANDS * 11) % ACHIEVEMENTS]
        matches.append(
            Match(
                demand=demand,
                achievement=achievement,
                demand_revision_id=demand_revisions[demand.pk],
                achievement_revision_id=achievement_revisions[achievement.pk],
                engine="bench",
                model=model,
                score=chance.random(),
                confidence=chance.random(),
                rank=number // DEMANDS + 1,
                parts={"meaning": 0.8, "words": 0.4, "indicators": 0.7, "trl": 1.0},
                added={"meaning": 0.4, "words": 0.1, "indicators": 0.1, "trl": 0.05},
                grid=_grid(chance),
                pairs=_pairs(),
                terms=["淬火", "变形", "在线检测"],
                explained_at=now,
                status=MatchStatus.IN_REVIEW,
                is_touched=True,
                is_frozen=chance.random() < 0.02,
                due_on=today,
            )
        )
    Match.objects.bulk_create(matches, batch_size=500)
    reviews = []
    for number, match in enumerate(matches):
        paused = chance.random() < 0.02
        # Those that are decided first stand at the top, taken on.
        taken = number < 200 or chance.random() < 0.5
        reviews.append(
            Review(
                match=match,
                manager=manager,
                status=ReviewStatus.ACCEPTED if taken else ReviewStatus.ASSIGNED,
                accepted_at=now if taken else None,
                due_on=today + dt.timedelta(days=-9 if number < 200 else chance.randint(0, 20)),
                assigned_because={"classes": ["C"], "load": 3, "capacity": 200, "decided": 37},
                paused_on=today if paused and number >= 200 else None,
                days_left=2 if paused and number >= 200 else None,
                seen=_seen(match, now) if taken and chance.random() < 0.5 else {},
            )
        )
    Review.objects.bulk_create(reviews, batch_size=500)
    MatchEvent.objects.bulk_create(
        [
            MatchEvent(match=match, verb=verb, actor=manager, after=MatchStatus.IN_REVIEW)
            for match in matches
            for verb in (MatchEvent.Verb.ASSIGNED, MatchEvent.Verb.ACCEPTED)
        ],
        batch_size=2_000,
    )
    _analyze()
    print(f"made in {time.monotonic() - began:.0f} s", flush=True)
    return manager


def _validity(today: dt.date) -> dict[str, Any]:
    """Return the days of a certificate, as far as the model has them."""
    from accounts.models import ManagerProfile

    days = {"valid_from": today, "valid_until": today + dt.timedelta(days=365)}
    names = {field.name for field in ManagerProfile._meta.get_fields()}
    return {name: value for name, value in days.items() if name in names}


def _analyze() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _owners(chance: random.Random) -> list[Any]:
    from stdnum.cn import uscc

    from accounts.models import Organization, OrganizationStatus

    owners = []
    for number in range(OWNERS):
        stem = f"91330100MA{number:07d}"
        school = number >= OWNERS // 2
        owners.append(
            Organization(
                name=f"第{number}{'理工大学' if school else '精密机械有限公司'}",
                kind="university" if school else "enterprise",
                credit_code=stem + uscc.calc_check_digit(stem),
                region=chance.choice(("330100", "320500", "440300")),
                size="large" if school else "medium",
                field="装备制造",
                contact_name=f"联系人{number}",
                contact_phone=f"0000-5551{number:04d}",
                contact_email=f"contact{number}@bench{number}.example",
                status=OrganizationStatus.VERIFIED,
            )
        )
    return Organization.objects.bulk_create(owners)


def _listings(model: Any, count: int, owners: list[Any], chance: random.Random) -> list[Any]:
    import pghistory
    from django.utils import timezone

    from catalog.workflow import ListingStatus

    made = []
    for number in range(count):
        title = f"{chance.choice(SUBJECTS)}{chance.choice(PROBLEMS)}（{number}）"
        money = chance.choice((None, 300_000, 1_200_000, 3_800_000, 8_000_000))
        listing = model(
            owner=chance.choice(owners),
            title=title,
            summary=f"{title}：现有做法偏差大、效率低，求可靠的工艺。" * 2,
            body=f"{title}。" + "现用分段中频淬火，接头处存在软带，淬火后偏差超过 1.2 mm。" * 20,
            indicators=[
                {
                    **{"name": name, "op": "le", "value": "0.35", "high": "", "unit": "mm"},
                    "hard": place < 3,
                }
                for place, name in enumerate(INDICATORS)
            ],
            industry=chance.choice(SECTIONS),
            keywords=["淬火", "轴承"],
            region="330100",
            modes=["license"],
            trl=7,
            money_max=money,
            version=1,
            status=ListingStatus.PUBLISHED,
            valid_until=timezone.localdate() + dt.timedelta(days=200),
            submitted_at=timezone.now(),
            published_at=timezone.now(),
        )
        listing.save()
        pghistory.create_event(listing, label="revision")
        made.append(listing)
    return made


def _grid(chance: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "kind": "indicator",
            "name": name,
            "requirement": {"op": "le", "value": "0.35", "high": "", "unit": "mm"},
            "hard": place < 3,
            "verdict": chance.choice(("met", "partly", "unmet", "unknown")),
            "quote": "直径 3.2 m 套圈试件淬火后圆度偏差 0.30 mm，累计四十六件。",
            "marks": [[15, 27]],
            "source": {"kind": "body", "paragraph": 1},
            "gap": None,
        }
        for place, name in enumerate(INDICATORS)
    ]


def _pairs() -> list[dict[str, Any]]:
    return [
        {
            "demand": "接头处存在软带，磨削余量大",
            "achievement": "终了处无软带，磨削余量小",
            "score": 0.91,
            "demand_marks": [[5, 7]],
            "achievement_marks": [[4, 6]],
        }
    ] * 3


def _seen(match: Any, now: dt.datetime) -> dict[str, Any]:
    return {
        "at": (now - dt.timedelta(days=1)).isoformat(),
        "demand": match.demand_revision_id,
        "achievement": match.achievement_revision_id,
        "versions": {"demand": 1, "achievement": 1},
        "engine": "bench" if match.rank % 10 else "older",
        "grade": "",
        "lines": {},
        "event": 0,
    }


# --- Asking -------------------------------------------------------------------------------------


def _addresses(manager: Any, count: int) -> dict[str, list[str]]:
    from matchmaking.services.queues import PAGE_ROWS, Filters, keys_of, load

    last = -(-count // PAGE_ROWS)
    chance = random.Random(SEED + 1)
    keys = chance.sample(keys_of(manager, Filters()), min(60, count))
    reviews = load(manager, keys)
    return {
        "first page": ["/workbench/"],
        "any page": [f"/workbench/?page={chance.randint(2, last)}" for _ in range(60)],
        "last page": [f"/workbench/?page={last}"],
        "due today or late": ["/workbench/?show=due"],
        "needs two approvals": ["/workbench/?show=second"],
        "changed": ["/workbench/?show=changed"],
        "industry and grade": [
            f"/workbench/?industry={section[0]}&grade={grade}"
            for section in SECTIONS
            for grade in ("strong", "likely", "possible")
        ],
        "one review": [review.get_absolute_url() for review in reviews],
    }


def _pages(
    port: int, cookie: str, addresses: dict[str, list[str]], times: int
) -> dict[str, list[float]]:
    """Ask for each kind of page in turn; return milliseconds by kind. The first round is to warm
    up both web processes."""
    found: dict[str, list[float]] = {kind: [] for kind in addresses}
    for turn in range(-5, times):
        for kind, paths in addresses.items():
            began = time.perf_counter()
            get(port, cookie, paths[turn % len(paths)])
            if turn >= 0:
                found[kind].append(1000 * (time.perf_counter() - began))
    return found


def _queries(manager: Any) -> int:
    """Return how many queries the first page takes."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(manager)
    client.get("/workbench/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/workbench/")
    return len(queries)


# --- Deciding -----------------------------------------------------------------------------------


def _decide(port: int, cookie: str, manager: Any, decisions: int) -> list[float]:
    """Decide by keyboard; return the milliseconds from Ctrl+Enter to the next match painted."""
    from playwright.sync_api import sync_playwright

    from matchmaking.models import Review
    from matchmaking.services.queues import Filters, keys_of
    from matchmaking.workflow import ReviewStatus

    first = Review.objects.select_related("match").get(pk=keys_of(manager, Filters())[0])
    address = f"http://127.0.0.1:{port}"
    name, _, value = cookie.partition("=")
    took = []
    ahead = 0

    def count(response: Any) -> None:
        nonlocal ahead
        ahead += "x-kq-ahead" in response.request.headers

    path = first.get_absolute_url()
    # Its own event loop is in this thread, where Django then refuses its database: asked before.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="zh-CN")
        context.add_cookies([{"name": name, "value": value, "url": address}])
        context.add_init_script(WATCH)
        page = context.new_page()
        page.on("response", count)
        page.goto(address + path)
        for number in range(decisions):
            _until(page, lambda number=number: ahead > number)
            page.keyboard.press("a")
            page.keyboard.press("1")
            page.keyboard.press("Control+Enter")
            took.append(_took(page))
        browser.close()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    done = Review.objects.filter(manager=manager, status=ReviewStatus.SUBMITTED).count()
    if done != decisions:
        raise SystemExit(f"{done} decisions are stored, not {decisions}")
    return took


def _took(page: Any) -> float:
    """Wait for the next match; return the milliseconds that the page has noted."""
    for _ in range(600):
        page.wait_for_timeout(50)
        if noted := page.evaluate("sessionStorage.getItem('bench-took')"):
            return float(noted)
    raise SystemExit("The next match does not come.")


def _until(page: Any, holds: Any) -> None:
    """Wait for what the page fetches ahead, and a moment for it to take that in."""
    for _ in range(200):
        if holds():
            page.wait_for_timeout(150)
            return
        page.wait_for_timeout(50)
    raise SystemExit("The page fetches nothing ahead.")


if __name__ == "__main__":
    main()
