"""Ten thousand rows of an .xlsx from upload to stored, by a real worker, against the plain way.

    python -m benchmarks.bench_import [--rows 10000] [--plain 1000] [--scope good]

Starts a PostgreSQL, a Valkey and a Celery worker of its own, sends it a file with every column of
an achievement filled in, and waits: checked, confirmed, stored, rows handed in for review. Memory
is the largest resident size that any process of the worker ever had (VmHWM). Meanwhile another
organization saves a draft and reads the list over and over; that time is measured too. Plain
means: openpyxl with the whole workbook in memory, then the service that a form calls, row by row.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.bench_encode import make_texts
from benchmarks.report import report

SEED = 20260301
PATIENCE = 1800.0
MODES = ("技术许可", "技术开发", "技术转让", "作价入股；共建")
REGIONS = ("浙江省杭州市", "江苏省苏州市", "广东省深圳市", "河南省", "陕西省西安市")
INDUSTRIES = ("C3451 滚动轴承制造", "C34", "C26", "C39", "C27", "M73")


def make_file(path: Path, rows: int) -> None:
    """Write a workbook as Excel does: strings shared, every column filled in."""
    from django.utils.translation import override
    from openpyxl import Workbook

    from catalog.services.sheet import template_columns

    chance = random.Random(SEED)
    texts = make_texts(2 * rows)
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    with override("zh-hans"):
        columns = template_columns("achievement", "zh-hans")
    sheet.append([column.zh for column in columns])
    for number in range(rows):
        body, other = texts[2 * number], texts[2 * number + 1]
        low = chance.randint(1, 400)
        cells: dict[str, Any] = {
            "external_id": f"ZY-{number:06d}",
            "title": f"{body[2:24]}成套技术 {number}",
            "summary": other[:160],
            "body": f"{body}\n{other}\n{body[::-1]}",
            "indicators": f"良品率 ≥ {chance.randint(80, 99)} %（硬）\n"
            f"误差 ≤ 0.{chance.randint(10, 99)} mm\n产能 ≥ {chance.randint(1, 90)} 万吨/年",
            "industry": chance.choice(INDUSTRIES),
            "ipc": "C21D；F16C",
            "emerging": "2.1",
            "keywords": "；".join(body[at : at + 4] for at in (4, 12, 20)),
            "region": chance.choice(REGIONS),
            "modes": chance.choice(MODES),
            "trl": chance.randint(3, 9),
            "money_min_wan": low,
            "money_max_wan": low + chance.randint(0, 900),
            "novelty": other[:200],
            "advantages": body[:200],
            "scenarios": other[40:160],
            "trl_evidence": body[30:130],
            "ip_items": f"发明专利 | ZL2023{number:08d}.1 | 已授权\n软著 | 2024SR{number:07d}",
            "ownership": "赋权",
            "publicity_from": "2026年1月5日",
            "publicity_until": "2026/1/20",
            "encumbrances": "无",
            "needs": "中试；融资",
            "lead_expert": "负责人",
            "orcid": "0000-0002-1825-0097",
            "valid_until": "2027-12-31",
            "language": "中文",
        }
        sheet.append([cells.get(column.name) for column in columns])
    book.save(path)
    share_strings(path)


def share_strings(path: Path) -> None:
    """Move a workbook's texts into the shared table, where Excel and WPS put them."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    places: dict[bytes, int] = {}

    def shared(match: re.Match[bytes]) -> bytes:
        place = places.setdefault(match[2], len(places))
        return b'<c r="%s" t="s"><v>%d</v></c>' % (match[1], place)

    name = "xl/worksheets/sheet1.xml"
    cell = rb'<c r="([A-Z]+\d+)" t="inlineStr"><is>(.*?)</is></c>'
    members[name] = re.sub(cell, shared, members[name], flags=re.DOTALL)
    if not places:
        raise SystemExit("The texts of the workbook were not found.")
    main = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    items = b"".join(b"<si>%s</si>" % text for text in places)
    members["xl/sharedStrings.xml"] = b'<sst xmlns="%s">%s</sst>' % (main, items)
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    members["[Content_Types].xml"] = members["[Content_Types].xml"].replace(
        b"</Types>",
        b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind,
    )
    relation = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    members["xl/_rels/workbook.xml.rels"] = members["xl/_rels/workbook.xml.rels"].replace(
        b"</Relationships>",
        b'<Relationship Id="rIdS" Type="%s" Target="/xl/sharedStrings.xml"/></Relationships>'
        % relation,
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members.items():
            archive.writestr(member, data)


@contextmanager
def worker_of(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Have a Celery worker with one process for tasks, as the Procfile starts it."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "celery", "--quiet", "-A", "config", "worker"),
                *("-Q", "default", "--concurrency=1", "--without-gossip", "--without-mingle"),
            ],
            env=environment,
            stdout=out,
            stderr=out,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def peak_mb(process: subprocess.Popen[bytes]) -> float:
    """Return the largest resident size that a process of the worker has had."""
    import psutil

    family = psutil.Process(process.pid)
    peaks = []
    for one in (family, *family.children(recursive=True)):
        status = Path(f"/proc/{one.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        peaks.append(int(found[1]) / 1024 if found else one.memory_info().rss / 2**20)
    return max(peaks)


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """Return the processor time that the worker has had: what else runs does not change it."""
    import psutil

    family = psutil.Process(process.pid)
    times = [one.cpu_times() for one in (family, *family.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))


def wait_for(condition: Callable[[], bool], meanwhile: Callable[[], None]) -> float:
    """Return the seconds until the condition holds."""
    start = time.perf_counter()
    while not condition():
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit("The worker did not finish in time.")
        meanwhile()
        time.sleep(0.1)
    return time.perf_counter() - start


def plain(path: Path, rows: int) -> None:
    """Import the plain way and print what it took. Runs in a process of its own."""
    import django

    django.setup()
    from django.utils.translation import override
    from openpyxl import load_workbook

    from accounts.models import Organization, User
    from catalog.models import Achievement
    from catalog.services.publishing import create_draft
    from catalog.services.sheet import columns

    owner, actor = Organization.objects.latest("pk"), User.objects.latest("pk")
    known = {column.zh: column for column in columns("achievement").values()}
    start = time.perf_counter()
    sheet = load_workbook(path).active
    assert sheet is not None
    table = sheet.iter_rows(values_only=True)
    names = [str(cell) for cell in next(table)]
    done = 0
    with override("zh-hans"):
        for cells in table:
            content: dict[str, Any] = {}
            for name, cell in zip(names, cells, strict=True):
                content |= known[name].read(cell)
            listing = create_draft(model=Achievement, owner=owner, actor=actor, content=content)
            listing.external_id = str(cells[0])
            listing.save(update_fields=("external_id",))
            done += 1
            if done == rows:
                break
    taken = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": taken, "peak_mb": peak, "rows": done}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--plain", type=int, default=1_000, help="rows of the plain way, 0: none")
    parser.add_argument("--scope", choices=("good", "all"), default="good")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    if options.child:
        plain(options.child, options.plain)
        return

    from config.embedded import Services

    with tempfile.TemporaryDirectory(prefix="keqiao-bench-") as folder:
        services = Services(Path(folder) / "services")
        environment = os.environ | services.start() | {"KEQIAO_VAR": folder, "DEBUG": "0"}
        os.environ.update(environment)
        try:
            measure(options, Path(folder), environment)
        finally:
            services.stop()


def measure(options: argparse.Namespace, folder: Path, environment: dict[str, str]) -> None:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.IMPORT_MAX_ROWS = max(options.rows, settings.IMPORT_MAX_ROWS)
    environment |= {"IMPORT_MAX_ROWS": str(settings.IMPORT_MAX_ROWS), "IMPORT_MB": "64"}
    settings.IMPORT_BYTES = 64 * 2**20
    call_command("migrate", verbosity=0, skip_checks=True)
    from stdnum.cn import uscc

    from accounts.models import Organization, User
    from catalog.models import Achievement, ImportJob
    from catalog.services import import_jobs
    from catalog.services.publishing import create_draft

    def organization(number: int) -> Organization:
        stem = f"12330100MB{number:07d}"
        return Organization.objects.create(
            name=f"某某大学 {number}",
            kind="university",
            credit_code=stem + uscc.calc_check_digit(stem),
            region="330100",
            size="large",
            field="材料",
            contact_name="联系人",
            contact_phone="0571-00000000",
            contact_email="office@example.org",
            status="verified",
        )

    owner, other = organization(1), organization(2)
    person = User.objects.create_user("bench@example.org", None, name="Bench")
    path = folder / "list.xlsx"
    make_file(path, options.rows)
    others: list[float] = []

    def somebody_else() -> None:
        start = time.perf_counter()
        create_draft(
            model=Achievement, owner=other, actor=person, content={"title": "另一家的成果"}
        )
        list(Achievement.objects.live()[:20])
        others.append(1000 * (time.perf_counter() - start))

    log = folder / "worker.log"
    with worker_of(environment, log) as worker:
        job = import_jobs.start_import(
            organization=owner,
            actor=person,
            kind="achievement",
            path=path,
            file_name="list.xlsx",
            submit=True,
        )

        def job_is(*states: str) -> Callable[[], bool]:
            def reached() -> bool:
                job.refresh_from_db()
                return job.state in states or job.state in ("failed", "cancelled")

            return reached

        # The worker's own start is not the import's.
        wait_for(lambda: bool(ImportJob.objects.exclude(token="").exists()), lambda: None)
        before = cpu_seconds(worker)
        checked = wait_for(job_is("checked"), somebody_else)
        if job.state != "checked" or job.wrong:
            raise SystemExit(f"{job.problem or f'{job.wrong} rows are wrong'}\n{log.read_text()}")
        import_jobs.confirm_import(job=job, scope=options.scope)
        stored = wait_for(job_is("done"), somebody_else)
        peak, worked = peak_mb(worker), cpu_seconds(worker) - before
    count = Achievement.objects.filter(owner=owner, status="submitted").count()
    if job.state != "done" or count != options.rows:
        raise SystemExit(f"{count} of {options.rows} rows were stored. {log.read_text()}")

    seconds = checked + stored
    rows: list[tuple[str | int | float, ...]] = [
        ("KeQiao: check", options.rows, checked, checked / options.rows * 1000, ""),
        ("KeQiao: store", options.rows, stored, stored / options.rows * 1000, ""),
        ("KeQiao", options.rows, seconds, seconds / options.rows * 1000, f"{peak:.0f}"),
    ]
    others.sort()
    figures: dict[str, str | int | float] = {
        "seconds": round(seconds, 2),
        "peak_mb": round(peak, 1),
        "check_seconds": round(checked, 2),
        "store_seconds": round(stored, 2),
        "worker_cpu_seconds": round(worked, 2),
        "rows": options.rows,
        "file_mb": round(path.stat().st_size / 2**20, 2),
        "scope": options.scope,
        "others_median_ms": round(statistics.median(others), 1),
        "others_p95_ms": round(others[int(0.95 * (len(others) - 1))], 1),
        "others_max_ms": round(others[-1], 1),
    }
    if options.plain:
        taken = _plainly(path, min(options.plain, options.rows), environment)
        per_thousand = taken["seconds"] / taken["rows"] * 1000
        rows.append(
            (
                "row by row, no review",
                int(taken["rows"]),
                taken["seconds"],
                per_thousand,
                f"{taken['peak_mb']:.0f}",
            )
        )
        figures |= {
            "plain_seconds_per_1000": round(per_thousand, 2),
            "plain_peak_mb": round(taken["peak_mb"], 1),
        }
    print(
        f"{options.rows:,} rows, {figures['file_mb']} MB, rows stored: {options.scope}; processor "
        f"time of the worker {worked:.0f} s, of {os.cpu_count()} cores with a load of "
        f"{os.getloadavg()[0]:.1f}; another organization's draft and "
        f"list meanwhile: median {figures['others_median_ms']} ms, "
        f"p95 {figures['others_p95_ms']} ms, longest {figures['others_max_ms']} ms\n"
    )
    report("import", ("way", "rows", "seconds", "s per 1,000", "peak MB"), rows, figures)


def _plainly(path: Path, rows: int, environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.bench_import", "--child", str(path)),
            *("--plain", str(rows)),
        ],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    main()
