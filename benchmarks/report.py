"""How every benchmark reports: a Markdown table to read, a flat JSON object to compare."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "var" / "bench"

Cell = str | int | float


def report(
    name: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Cell]],
    figures: Mapping[str, Cell],
) -> None:
    """Print the table and write the figures to var/bench/NAME.json."""
    print(table(head, rows), flush=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(f"\n{path.relative_to(FOLDER.parent.parent)} written.", flush=True)


def share_of(values: Sequence[float], share: float) -> float:
    """Return the value that this share (0 to 1) of all stays at or below; 0 of nothing."""
    if len(values) < 2:
        return values[0] if values else 0.0
    if share == 1:
        return max(values)
    return statistics.quantiles(values, n=100, method="inclusive")[round(100 * share) - 1]


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return a Markdown table; numbers are set to the right."""
    lines = list(rows)
    cells = [[_shown(cell) for cell in row] for row in lines]
    numeric = [
        bool(lines) and all(isinstance(row[column], int | float) for row in lines)
        for column in range(len(head))
    ]
    widths = [max(3, *(len(row[i]) for row in [list(head), *cells])) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if right else "-" * width
        for width, right in zip(widths, numeric, strict=True)
    ]
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *map(line, cells)])


def _shown(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.4f}" if abs(cell) < 1 else f"{cell:,.1f}"
    return f"{cell:,}" if isinstance(cell, int) else cell
