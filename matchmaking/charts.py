"""What a chart shows, drawn twice: by ECharts, and as SVG where no script runs.

One `Chart` makes the numbers that the script gets, the drawing and the table under it, so the three
cannot differ. A drawing is made of attributes alone: the content security policy refuses styles in
the markup, and positions across are shares of the width, so that it fits a phone with its letters
as large as everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Number = float | int | None

# Of a drawing, in px: above the plot, of the plot, and below it for the labels of the axis.
ABOVE, PLOT, BELOW = 18, 190, 28
# Of a drawing, in % of its width: where the plot begins and ends. Room for figures on the left,
# for the name of a line at its end on the right.
LEFT, RIGHT = 8.0, 80.0
# A row of a chart of rows, in px, and its bar; and where bars begin and end, in %.
ROW, BAR = 30, 14
ROW_LEFT, ROW_RIGHT = 32.0, 82.0
# Labels below the plot: more than five would touch on a phone.
MOST_LABELS = 5
# Names at the ends of two lines keep this distance, in px.
APART = 15


@dataclass(frozen=True)
class Series:
    """The values of one line or of one set of bars, None where there is nothing to say.

    `end` is its name where there is little room: at the end of its line.
    """

    name: str
    values: tuple[Number, ...]
    end: str = ""
    # Lines: dashed. Bars: the whole that the solid bar before it is a part of, drawn hollow.
    secondary: bool = False
    # Where each value leads to in the table: the rows behind it, "" where there are none.
    urls: tuple[str, ...] = ()


@dataclass(frozen=True)
class Promise:
    """A level that was promised: a straight line across the plot."""

    value: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Lines over time, columns over time, or rows (of regions), longest first.

    `title` and `period` head its picture when that is saved. `summary` says in a sentence what the
    picture shows, for who does not see it. `unit` has "{value}" where the number goes.
    """

    key: str
    kind: Literal["line", "columns", "rows"]
    title: str
    period: str
    summary: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: str = "{value}"
    promise: Promise | None = None
    # What the table says where there is no value.
    nothing: str = "–"
    # What heads the labels in the table.
    over: str = ""

    @property
    def top(self) -> int:
        """The end of the axis of values: whole steps above the largest of them."""
        return self.step * max(1, math.ceil(round(self._most() / self.step, 6)))

    @property
    def step(self) -> int:
        """The distance of two lines of the grid: 1, 2 or 5 times a power of ten, for 2 to 5 lines.

        Counts and days have no use for halves.
        """
        least = self._most() / 4
        power = 10 ** max(0, math.floor(math.log10(least))) if least > 1 else 1
        return next(int(power * one) for one in (1, 2, 5, 10) if power * one >= least)

    def _most(self) -> float:
        values = [value for one in self.series for value in one.values if value is not None]
        return max([*values, self.promise.value if self.promise else 0, 0])

    def data(self) -> dict[str, Any]:
        """Return what the script draws, as JSON."""
        return {
            "kind": self.kind,
            "title": self.title,
            "period": self.period,
            "file": self.key,
            "labels": list(self.labels),
            "series": [
                {
                    "name": one.name,
                    "end": one.end,
                    "values": list(one.values),
                    "secondary": one.secondary,
                }
                for one in self.series
            ],
            "unit": self.unit,
            "promise": {"value": self.promise.value, "label": self.promise.label}
            if self.promise
            else None,
            "top": self.top,
            "step": self.step,
        }

    def rows(self) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield the label of each row of the table, and each value as written, with its address."""
        for place, label in enumerate(self.labels):
            yield (
                label,
                [
                    (self.say(one.values[place]), one.urls[place] if one.urls else "")
                    for one in self.series
                ],
            )

    def say(self, value: Number) -> str:
        """Write a value with its unit, or what stands for none."""
        return self.nothing if value is None else self.unit.replace("{value}", written(value))

    def drawing(self) -> Drawing:
        return {"line": _lines, "columns": _columns, "rows": _rows}[self.kind](self)


# --- The drawing --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stroke:
    x1: str
    y1: str
    x2: str
    y2: str
    css: str


@dataclass(frozen=True)
class Dot:
    x: str
    y: str
    css: str


@dataclass(frozen=True)
class Box:
    x: str
    y: str
    width: str
    height: str
    css: str


@dataclass(frozen=True)
class Words:
    x: str
    y: str
    text: str
    anchor: Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Drawing:
    """What the SVG holds; a template writes it. The height is in px."""

    height: int
    strokes: tuple[Stroke, ...] = ()
    boxes: tuple[Box, ...] = ()
    dots: tuple[Dot, ...] = ()
    words: tuple[Words, ...] = ()


def _percent(value: float) -> str:
    return f"{value:.2f}%"


def _px(value: float) -> str:
    return f"{value:.1f}"


def height_of(value: float, top: float) -> float:
    """Return the y, in px from above, at which `value` stands on an axis that ends at `top`."""
    return ABOVE + PLOT * (1 - value / top)


def written(value: float) -> str:
    """Write a value as charts show it: whole numbers whole, others with one decimal."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def _frame(chart: Chart, places: Sequence[float]) -> tuple[list[Stroke], list[Words]]:
    """Return the grid with its figures, and as many labels below it as have room."""
    strokes, words = [], []
    for level in range(0, chart.top + 1, chart.step):
        y = height_of(level, chart.top)
        strokes.append(Stroke(_percent(LEFT), _px(y), _percent(RIGHT), _px(y), "grid"))
        words.append(Words(_percent(LEFT - 1), _px(y + 4), str(level), "end"))
    every = math.ceil(len(places) / MOST_LABELS)
    for place, label in list(zip(places, chart.labels, strict=True))[::every]:
        words.append(Words(_percent(place), _px(ABOVE + PLOT + 19), label, "middle"))
    if chart.promise:
        y = height_of(chart.promise.value, chart.top)
        strokes.append(Stroke(_percent(LEFT), _px(y), _percent(RIGHT), _px(y), "promise"))
        words.append(Words(_percent(LEFT + 1), _px(y - 5), chart.promise.label, "start"))
    return strokes, words


def _lines(chart: Chart) -> Drawing:
    count = len(chart.labels)
    wide = (RIGHT - LEFT) / max(1, count - 1)
    places = [LEFT + wide * place for place in range(count)]
    strokes, words = _frame(chart, places)
    dots: list[Dot] = []
    ends: list[tuple[float, str]] = []
    for one in chart.series:
        css = "second" if one.secondary else "first"
        points = [
            (place, height_of(value, chart.top)) if value is not None else None
            for place, value in zip(places, one.values, strict=True)
        ]
        for place, point in enumerate(points):
            after = points[place + 1] if place + 1 < count else None
            before = points[place - 1] if place else None
            if point and after:
                strokes.append(
                    Stroke(
                        _percent(point[0]), _px(point[1]), _percent(after[0]), _px(after[1]), css
                    )
                )
            elif point and not before:
                dots.append(Dot(_percent(point[0]), _px(point[1]), css))
        last = next((value for value in reversed(one.values) if value is not None), None)
        if last is not None:
            ends.append((height_of(last, chart.top), f"{one.end} {written(last)}"))
    ends.sort()
    lowest = -math.inf
    for y, text in ends:
        lowest = max(y, lowest + APART)
        words.append(Words(_percent(RIGHT + 1.5), _px(lowest + 4), text, "start"))
    return Drawing(ABOVE + PLOT + BELOW, tuple(strokes), (), tuple(dots), tuple(words))


def _columns(chart: Chart) -> Drawing:
    right = 98.0
    wide = (right - LEFT) / max(1, len(chart.labels))
    bar = min(3.0, wide * 0.7)
    places = [LEFT + wide * (place + 0.5) for place in range(len(chart.labels))]
    strokes, words = _frame(chart, places)
    boxes = [
        Box(
            _percent(place - bar / 2),
            _px(height_of(value, chart.top)),
            _percent(bar),
            _px(PLOT * value / chart.top),
            "second" if one.secondary else "first",
        )
        for one in _back_to_front(chart)
        for place, value in zip(places, one.values, strict=True)
        if value
    ]
    strokes = [Stroke(one.x1, one.y1, _percent(right), one.y2, one.css) for one in strokes]
    return Drawing(ABOVE + PLOT + BELOW, tuple(strokes), tuple(boxes), (), tuple(words))


def _rows(chart: Chart) -> Drawing:
    most = max((value for one in chart.series for value in one.values if value), default=1)
    boxes, words = [], []
    series = _back_to_front(chart)
    for place, label in enumerate(chart.labels):
        middle = ROW * place + ROW / 2 + 4
        words.append(Words(_percent(ROW_LEFT - 2), _px(middle + 4), label, "end"))
        for one in series:
            value = one.values[place] or 0
            boxes.append(
                Box(
                    _percent(ROW_LEFT),
                    _px(middle - BAR / 2),
                    _percent((ROW_RIGHT - ROW_LEFT) * value / most),
                    _px(BAR),
                    "second" if one.secondary else "first",
                )
            )
        values = [one.values[place] for one in chart.series]
        told = " / ".join(written(value) for value in values if value is not None)
        words.append(Words(_percent(ROW_RIGHT + 2), _px(middle + 4), told, "start"))
    return Drawing(ROW * len(chart.labels) + 8, (), tuple(boxes), (), tuple(words))


def _back_to_front(chart: Chart) -> list[Series]:
    """Return the wholes before their parts, which are drawn over them."""
    return sorted(chart.series, key=lambda one: not one.secondary)
