"""What a PDF takes of a web process: time and memory of the first one and of those after it.

    make bench-paper
    python -m benchmarks.bench_paper [--times 10]

Sets a page as the reports are set (`accounts.paper`): six sections with a table of twelve rows and
a text, four pages of A4. Seconds are of the processor, so that a busy machine says the same;
`first` includes loading WeasyPrint. Memory is what the process holds beside what it held before.
"""

from __future__ import annotations

import argparse
import os
import time

import psutil

from benchmarks.report import report, share_of

ROW = (
    "<tr><th>圆度变形</th><td>≤ 0.35 mm</td>"
    "<td>“圆度偏差由 1.2 mm 降到 0.31 mm”</td><td>满足</td></tr>"
)
HEAD = "<tr><th>约束</th><th>要求</th><th>依据</th><th>判断</th></tr>"
TEXT = "本需求来自齿轮热处理车间，希望把变形控制在要求以内，不增加单件节拍。"
SECTION = (
    '<section class="kq-box"><div class="kq-hd"><h2>逐条比对</h2></div>'
    f"<table><thead>{HEAD}</thead><tbody>{ROW * 12}</tbody></table><p>{TEXT * 8}</p></section>"
)
PAGE = f'<html lang="zh-hans"><body><article class="kq-paper">{SECTION * 6}</article></body></html>'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=10)
    times = parser.parse_args().times
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    import django

    django.setup()
    from accounts import paper

    process = psutil.Process()
    before = process.memory_info().rss
    seconds = []
    for _one in range(times + 1):
        start = time.process_time()
        content = paper.pdf(PAGE, address="https://keqiao.example/")
        seconds.append(time.process_time() - start)
    taken = (process.memory_info().rss - before) / 1e6
    figures = {
        "first_s": round(seconds[0], 2),
        "median_s": round(share_of(seconds[1:], 0.5), 2),
        "p95_s": round(share_of(seconds[1:], 0.95), 2),
        "memory_mb": round(taken),
        "file_kb": round(len(content) / 1000),
    }
    report("paper", list(figures), [list(figures.values())], figures)


if __name__ == "__main__":
    main()
