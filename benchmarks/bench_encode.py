"""Texts a second: this project's encoder against plain sentence-transformers.

    python -m benchmarks.bench_encode [--texts 128] [--rounds 5]

Plain means torch, float32, batches of 32, on as many threads as the machine has cores; ours has
as many. Both encode the same batch in turn, one batch after the other, and that again in each
round. Of every batch the best time counts for each: what else runs on the machine can only make
a batch slower, and a batch takes about a second, so that each finds a quiet one. Texts are sorted
by length before they are cut into batches, as sentence-transformers does within one call: its
batches here are those that it would make itself.
"""

import argparse
import math
import os
import random
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.report import report

SEED = 20240501
BATCH = 32
# Characters a text; about 190 tokens of multilingual-e5-small.
LENGTH = 340
QUERIES = 30

FIELDS = (
    "锂电池极片缺陷检测",
    "高温合金精密铸造",
    "工业废水深度处理",
    "中药有效成分提取",
    "智能网联汽车感知融合",
    "海上风电基础防腐",
    "大豆蛋白改性",
    "医用可降解镁合金",
    "high-pressure hydrogen storage",
    "silicon carbide wafer polishing",
)
METHODS = (
    "激光诱导击穿光谱",
    "多尺度有限元仿真",
    "膜分离耦合工艺",
    "深度学习与机理模型结合的算法",
    "溶胶凝胶法",
    "等离子喷涂",
    "adaptive control",
    "CRISPR 基因编辑",
    "微反应器连续流合成",
    "数字孪生平台",
)
RESULTS = (
    "良品率由 {a} % 提高到 {b} %",
    "单位能耗下降 {a} %",
    "连续运行 {a}00 小时无故障",
    "检测节拍缩短到 {a} 秒以内",
    "成本降低 {a} 万元每年",
    "the yield reaches {b} % after {a} cycles",
    "耐盐雾时间超过 {b}0 小时",
    "误差控制在 0.{a} mm 以内",
)
ENDINGS = (
    "已完成中试,技术成熟度 {c} 级,具备产业化条件。",
    "可提供样品测试、技术开发与驻场服务。",
    "现寻求合作单位共同开展示范应用。",
    "相关技术已获授权发明专利 {c} 项。",
    "Pilot tests with {c} partners are under way.",
    "预算 {a}0 万元,期望在 {c} 个月内完成验证。",
)


def make_texts(count: int, seed: int = SEED) -> list[str]:
    """Make texts in the manner of listings, the same at each run."""
    chance = random.Random(seed)

    def sentence() -> str:
        filled = (
            f"针对{chance.choice(FIELDS)}中的关键问题,采用{chance.choice(METHODS)},"
            f"{chance.choice(RESULTS)},{chance.choice(RESULTS)};{chance.choice(ENDINGS)}"
        )
        return filled.format(
            a=chance.randint(5, 60), b=chance.randint(61, 99), c=chance.randint(2, 9)
        )

    texts = []
    for _ in range(count):
        text, wanted = "", chance.gauss(LENGTH, LENGTH / 6)
        while len(text) < wanted:
            text += sentence()
        texts.append(text[: max(20, int(wanted))])
    return texts


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    import django
    from django.conf import settings

    django.setup()

    from matchmaking.retrieval.encoders import load_encoder, model_path, silence_transformers

    load = os.getloadavg()[0]
    encoder = load_encoder(settings.EMBEDDING_MODEL)
    warnings.simplefilter("ignore")
    import torch
    from sentence_transformers import SentenceTransformer

    silence_transformers()
    plain = SentenceTransformer(str(model_path(settings.EMBEDDING_MODEL)), device="cpu")

    texts = sorted(make_texts(options.texts), key=len, reverse=True)
    batches = [texts[at : at + BATCH] for at in range(0, len(texts), BATCH)]
    queries = [text[:24] for text in make_texts(QUERIES, SEED + 1)]
    tokens = statistics.mean(encoder.count_tokens(text) for text in texts)

    def plain_passages(batch: list[str]) -> Any:
        return plain.encode(
            batch, batch_size=BATCH, prompt=encoder.passage_prefix, show_progress_bar=False
        )

    def plain_query(text: str) -> Any:
        return plain.encode([text], prompt=encoder.query_prefix, show_progress_bar=False)

    # Both have done some work before the clock starts.
    plain_passages(batches[0])
    encoder.encode_passages(batches[0])
    theirs = [math.inf] * len(batches)
    ours = [math.inf] * len(batches)
    ratios, cosines = [], []
    for _ in range(options.rounds):
        for number, batch in enumerate(batches):
            plain_time, expected = seconds(partial(plain_passages, batch))
            our_time, vectors = seconds(partial(encoder.encode_passages, batch))
            theirs[number] = min(theirs[number], plain_time)
            ours[number] = min(ours[number], our_time)
            ratios.append(plain_time / our_time)
            expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
            cosines.append((vectors * expected).sum(axis=1))
    our_query, their_query = [], []
    for text in queries:
        their_query.append(seconds(partial(plain_query, text))[0])
        our_query.append(seconds(partial(encoder.encode_queries, [text]))[0])
    cosine = np.concatenate(cosines)

    our_rate, their_rate = options.texts / sum(ours), options.texts / sum(theirs)
    our_ms = 1000 * statistics.median(our_query)
    their_ms = 1000 * statistics.median(their_query)
    print(
        f"{options.texts} texts of {tokens:.0f} tokens in the mean, model {encoder.name}"
        f" (revision {encoder.revision[:12]}), best of {options.rounds} rounds,"
        f" {torch.get_num_threads()} threads; load beside it before: {load:.1f}\n"
    )
    report(
        "encode",
        ("encoder", "texts/s", "one query, ms", "speed-up", "least cosine"),
        [
            ("sentence-transformers (torch, float32, batch 32)", their_rate, their_ms, 1.0, 1.0),
            ("KeQiao", our_rate, our_ms, our_rate / their_rate, float(cosine.min())),
        ],
        {
            "speedup": round(our_rate / their_rate, 3),
            "cosine_min": round(float(cosine.min()), 6),
            "cosine_mean": round(float(cosine.mean()), 6),
            # Batch against batch, both under the load of the same moment.
            "speedup_median": round(statistics.median(ratios), 3),
            "load_before": round(load, 2),
            "texts_per_second": round(our_rate, 2),
            "torch_texts_per_second": round(their_rate, 2),
            "query_ms": round(our_ms, 2),
            "torch_query_ms": round(their_ms, 2),
            "texts": options.texts,
            "tokens_mean": round(tokens, 1),
        },
    )


if __name__ == "__main__":
    main()
