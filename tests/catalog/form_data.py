"""What somebody fills in, step by step, and the marks that a page of the form carries."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from django.test import Client
from django.utils import timezone

ROW = {"name": "圆度变形", "op": "le", "value": "0.35", "unit": "mm", "kind": "hard"}


def day(days: int) -> str:
    return (timezone.localdate() + dt.timedelta(days=days)).isoformat()


def rows_data(*rows: dict[str, str], prefix: str = "indicators") -> dict[str, str]:
    data = {f"{prefix}-TOTAL_FORMS": str(len(rows)), f"{prefix}-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        data |= {f"{prefix}-{number}-{key}": value for key, value in row.items()}
    return data


WHAT = {
    "title": "大型轴承套圈淬火变形控制",
    "summary": "直径 2 m 以上套圈整圈淬火后变形大，求减小圆度偏差的工艺。",
    "body": "现用分段中频淬火，接头处存在软带，淬火后圆度偏差超过 1.2 mm，磨削余量大。",
    "keywords": "淬火，轴承、变形",
    "language": "zh",
}
STEPS: dict[str, dict[str, dict[str, Any]]] = {
    "demand": {
        "what": WHAT
        | {
            "process": "8 kHz 分段淬火，每圈 14 段，55 分钟。",
            "tried": "柔性支撑，变形只少了 0.1 mm。",
        },
        "indicators": {
            "trl": "7",
            "industry": "C3451",
            "ipc": ["C21D", "F16C"],
            "emerging": ["2.1"],
            **rows_data(ROW),
        },
        "terms": {
            "region": "330100",
            "modes": ["license", "development"],
            "money_min": "",
            "money_max": "380",
            "funded": "yes",
            "deadline": day(120),
            "exclusivity": "field",
            "ip_expectation": "shared",
            "partners": "有中试线的高校团队",
            "valid_until": day(90),
        },
        "check": {"disclosure_money": "members"},
    },
    "achievement": {
        "what": WHAT
        | {
            "novelty": "分段淬火留有软带，本工艺没有。",
            "advantages": "单件能耗 310 kWh，分段淬火 420 kWh。",
            "scenarios": "风电和盾构机回转支承。",
        },
        "indicators": {
            "trl": "7",
            "trl_evidence": "中试线五个月 46 件。",
            "industry": "C34",
            "ipc": "C21D",
            "emerging": [],
            **rows_data(ROW),
        },
        "terms": {
            "ownership": "empowered",
            "publicity_from": "2026-03-02",
            "publicity_until": "2026-03-17",
            "encumbrances": "无",
            "lead_expert": "陆知远",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
            "region": "330100",
            "modes": ["license"],
            "money_min": "300",
            "money_max": "",
            "needs": ["pilot", "finance"],
            "valid_until": day(90),
            **rows_data(
                {"kind": "invention", "number": "ZL202410123456.7", "status": "granted"},
                {"kind": "secret", "status": "filed"},
                prefix="ip",
            ),
        },
        "check": {"disclosure_expert": "managers"},
    },
}


def address(listing: Any, step: str) -> str:
    return f"{listing.get_absolute_url()}edit/{step}/"


def marks(client: Client, path: str) -> dict[str, str]:
    """Return the hidden fields of a page of the form, as a browser would send them."""
    page = client.get(path).content.decode()
    return dict(
        re.findall(r'<input type="hidden" name="(nonce|seen|writer)" value="([^"]*)">', page)
    )


def send(
    client: Client, path: str, data: dict[str, Any], action: str = "draft", **extra: Any
) -> Any:
    """Open a page of the form and send it filled in."""
    return client.post(path, {**marks(client, path), **data, "action": action, **extra})
