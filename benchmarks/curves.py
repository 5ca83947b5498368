"""The curves of growth: tables of their points, and a plot with a panel for each curve."""

import math
from html import escape
from typing import Any

from tables import number, ranged, table

Result = dict[str, Any]

COLOURS = {
    "llmsdk": "#0b7285",
    "llmsdk-aiohttp": "#22b8cf",
    "aiohttp": "#868e96",
    "httpx": "#495057",
    "openai": "#e8590c",
    "anthropic": "#9c36b5",
}
LEFT, TOP, WIDTH, HEIGHT, MARGIN, LABELS = 56, 34, 350, 190, 58, 110
COLUMNS = 2
TICKS = (1, 2, 5)


def curves_of(found: Result) -> dict[str, list[Result]]:
    """The questions of each curve, by their place on it."""
    curves: dict[str, list[Result]] = {}
    for question in found["questions"].values():
        if question.get("curve"):
            curves.setdefault(question["curve"], []).append(question)
    return {name: sorted(points, key=lambda point: point["at"]) for name, points in curves.items()}


def names_of(points: list[Result]) -> list[str]:
    """The clients that have a figure at any point."""
    named = dict.fromkeys(name for point in points for name in point["clients"])
    return [name for name in named if any("value" in point["clients"].get(name, {}) for point in points)]


def line_of(points: list[Result], name: str) -> list[tuple[int, float]]:
    """A client's medians along a curve."""
    found = ((point["at"], point["clients"].get(name, {})) for point in points)
    return [(at, values["value"]["median"]) for at, values in found if "value" in values]


# ---- tables ----


def curve_part(name: str, points: list[Result]) -> str:
    """One curve as a table: a row for each client, with the ratio of its last point to its first."""
    rows = []
    for client in names_of(points):
        figures = [point["clients"].get(client, {}) for point in points]
        cells = [ranged(values["value"]) if "value" in values else values.get("problem", "") for values in figures]
        line = line_of(points, client)
        rows.append((client, *cells, f"{number(line[-1][1] / line[0][1])}x"))
    head = (f"{points[0]['unit']}, {name}", *(f"{point['at']:,}" for point in points), "last to first")
    return table(head, rows)


def curves_part(found: Result, plot: str = "") -> str:
    """All curves."""
    curves = curves_of(found)
    if not curves:
        return ""
    shown = f"![Cost of a call and of a chunk as they grow in number]({plot})\n\n" if plot else ""
    told = (
        "CPU time of a call, or of a chunk that comes in a read of its own, on a client made for the turn. "
        "An empty cell would take minutes, and is not asked.\n\n"
    )
    return "## Curves\n\n" + shown + told + "\n".join(curve_part(*curve) for curve in curves.items())


# ---- plot ----


class Axis:
    """A logarithmic scale, from a range of values to a range of pixels."""

    def __init__(self, values: list[float], start: float, end: float) -> None:
        self.least, self.most = min(values), max(values)
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        """Where a value lies."""
        whole = math.log(self.most / self.least) or 1.0
        return self.start + (self.end - self.start) * math.log(value / self.least) / whole

    def ticks(self) -> list[float]:
        """The round values within."""
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        ticks = (step * 10.0**power for power in powers for step in TICKS)
        return [tick for tick in ticks if self.least <= tick <= self.most]


def short(size: int) -> str:
    """A size as the axis shows it."""
    return f"{size // 1000}k" if size >= 1000 else str(size)


def spaced(wanted: list[tuple[float, str]], gap: float) -> list[tuple[float, str]]:
    """Labels moved down from each other, as far as they need."""
    placed: list[tuple[float, str]] = []
    for y, label in sorted(wanted):
        placed.append((max(y, placed[-1][0] + gap) if placed else y, label))
    return placed


def panel(name: str, points: list[Result], left: float, top: float) -> list[str]:
    """One curve: a line for each client, named at its right end."""
    lines = {client: line_of(points, client) for client in names_of(points)}
    costs = [cost for line in lines.values() for _, cost in line]
    x = Axis([point["at"] for point in points], left + LEFT, left + LEFT + WIDTH)
    y = Axis([min(costs) / 1.3, max(costs) * 1.3], top + TOP + HEIGHT, top + TOP)
    title = f"{points[0]['unit']}, by {name}"
    out = [f'<text x="{left + 8:.0f}" y="{top + 18:.0f}" class="title">{escape(title)}</text>']
    for tick in y.ticks():
        out += [
            f'<line x1="{x.start:.0f}" x2="{x.end:.0f}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="grid"/>',
            f'<text x="{x.start - 6:.0f}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,g}</text>',
        ]
    for at in (point["at"] for point in points):
        out += [
            f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{y.end:.0f}" y2="{y.start:.0f}" class="grid"/>',
            f'<text x="{x(at):.1f}" y="{y.start + 16:.0f}" text-anchor="middle">{short(at)}</text>',
        ]
    for client, line in lines.items():
        colour = COLOURS.get(client, "#adb5bd")
        path = " ".join(f"{x(at):.1f},{y(cost):.1f}" for at, cost in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x(at):.1f}" cy="{y(cost):.1f}" r="3" fill="{colour}"/>' for at, cost in line]
    labels = [(y(line[-1][1]), client) for client, line in lines.items()]
    out += [
        f'<text x="{x.end + 8:.0f}" y="{at + 4:.1f}" fill="{COLOURS.get(client, "#adb5bd")}">{escape(client)}</text>'
        for at, client in spaced(labels, 13)
    ]
    return out


def plot(found: Result) -> str:
    """All curves as an SVG, both axes logarithmic."""
    body: list[str] = []
    curves = curves_of(found)
    wide, high = LEFT + WIDTH + LABELS, TOP + HEIGHT + MARGIN
    for index, (name, points) in enumerate(curves.items()):
        if names_of(points):
            body += panel(name, points, index % COLUMNS * wide, index // COLUMNS * high)
    width, height = COLUMNS * wide, -(-len(curves) // COLUMNS) * high
    style = "text{font:12px sans-serif}.title{font-weight:bold}.grid{stroke:#e9ecef}"
    size = f'width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )
