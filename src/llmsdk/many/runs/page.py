"""The report as one page of HTML: no script, nothing loaded, plots as SVG, in light, in dark and in grey print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from .figures import LATENCY_STEP, RunFigures, short, slot_widths

_MOST_BARS = 40  # of a plot: on a phone each is still 6 pixels wide
_MOST_TICKS = 6
_MOST_GROUPS = 20  # of failures
# Fills differ in lightness, not only in hue, and what failed has an edge: they differ when printed in grey too.
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #5b6779; --paper: #fff; --panel: #f5f7fa; --line: #d8dee8;
  --good: #1f5a9c; --bad: #f7b267; --edge: #8a3a04; --bad-ink: #a83c06; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --faint: #98a3b5; --paper: #12161d; --panel: #1b212b;
  --line: #323b49; --good: #8cc0f5; --bad: #a8480c; --edge: #ffb876; --bad-ink: #fb9a4b; } }
@media print { :root { --ink: #000; --faint: #444; --paper: #fff; --panel: #fff; --line: #bbb; --good: #1f5a9c;
  --bad: #f7b267; --edge: #8a3a04; --bad-ink: #000; } * { print-color-adjust: exact; }
  .tile { border: 1px solid var(--line); } .plot, tr { break-inside: avoid; } h2 { break-after: avoid; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(1.15rem, 4.5vw, 1.5rem); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
h2 span { color: var(--faint); font-weight: 400; font-size: .85rem; }
.about { color: var(--faint); margin: .2rem 0 1.2rem; overflow-wrap: anywhere; }
.end { font-weight: 600; } .end.bad { color: var(--bad-ink); } .end.good { color: var(--good); }
.tiles { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); }
.tile { background: var(--panel); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.3rem; line-height: 1.3; } .tile span { color: var(--faint); font-size: .85rem; }
.plot { display: grid; grid-template-columns: 3rem 1fr; gap: .3rem .5rem; font-size: .8rem; color: var(--faint); }
.y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; }
.area { position: relative; height: 10rem; border-left: 1px solid var(--line); border-bottom: 1px solid var(--line);
  background: linear-gradient(var(--line) 1px, transparent 1px) 0 0 / 100% 50%; } .low .area { height: 5rem; }
.area svg { width: 100%; height: 100%; display: block; }
.x { grid-column: 2; position: relative; height: 1.3rem; } .x span { position: absolute; white-space: nowrap; }
.mark { position: absolute; top: 0; bottom: 0; border-left: 2px dashed var(--ink); color: var(--ink); }
.mark span { position: absolute; z-index: 1; left: .2rem; padding: 0 .25rem; background: var(--paper);
  white-space: nowrap; }
.mark.left span { left: auto; right: .3rem; }
.good-fill { fill: var(--good); }
.bad-fill { fill: var(--bad); stroke: var(--edge); stroke-width: 1px; vector-effect: non-scaling-stroke; }
.key { white-space: nowrap; }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; margin: 0 .35em 0 .8em;
  background: var(--good); } .key.bad::before { background: var(--bad); border: 1px solid var(--edge); }
table { border-collapse: collapse; width: 100%; } td, th { padding: .35rem .6rem .35rem 0; text-align: left;
  border-bottom: 1px solid var(--line); font-weight: 400; vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--faint); } .facts th { width: 7rem; white-space: nowrap; } td.count { text-align: right; width: 5rem; }
.bar { height: .8rem; min-width: 3px; background: var(--bad); border: 1px solid var(--edge); margin-top: .35rem; }
td.share { width: 25%; } td b { font-weight: 600; }
@media (max-width: 34rem) { td.share, .fine { display: none; } }
"""
_ENDS = {
    "complete": "complete",
    "interrupted": "interrupted; run the same command again to go on",
    "deadline": "stopped at its deadline; run again to go on",
    "stopped": "stopped by an error; run again to go on",
}


def page(report: RunFigures) -> str:
    """Lay a report out."""
    title = f"Batch {report.operation}: {report.succeeded + report.done_before:,} of {report.rows:,} rows"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        _status(report),
        _tiles(report),
        _failures(report),
        _over_time(report),
        _latency(report),
        _retries(report),
        _facts(report),
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _status(report: RunFigures) -> str:
    is_good = report.is_complete
    said = "complete, with failures" if report.end == "complete" and not is_good else _ENDS[report.end]
    kind = "good" if is_good else "bad"
    about = f"{escape(report.server)} · {escape(report.started_at.replace('T', ' '))} · {_seconds(report.elapsed_s)}"
    return f'<p class="about"><span class="end {kind}">{escape(said)}</span> · {about}</p>'


def _tiles(report: RunFigures) -> str:
    latency = report.latency_ms
    tiles = [
        (f"{report.succeeded:,}", "done in this run"),
        *([(f"{report.done_before:,}", "done before")] if report.done_before else []),
        (f"{report.failed:,}", "failed"),
        *([(f"{report.left:,}", "left")] if report.left else []),
        (f"{report.rows_per_s:,.1f}", "rows per second"),
        (f"{report.requests:,}", "requests sent"),
        *([(_seconds(latency["p50"] / 1000), "median latency")] if latency else []),
        *([(_seconds(latency["p99"] / 1000), "99th percentile")] if latency else []),
        (short(report.prompt_tokens), "tokens in"),
        (short(report.completion_tokens), "tokens out"),
        *([(f"{report.cost:,.4f}", "cost")] if report.cost is not None else []),
    ]
    cells = "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{cells}</div>'


def _failures(report: RunFigures) -> str:
    """Say why rows failed, with one example of each kind to look up."""
    if not report.failures:
        return ""
    most = max(group.rows for group in report.failures)
    rows = "".join(
        _counted(
            f"<b>{escape(group.error_class)}</b> {group.status or ''}<br>{escape(group.message)}<br>"
            f'<span class="about">such as {escape(group.key)}, line {group.line:,}</span>',
            group.rows,
            most,
        )
        for group in report.failures[:_MOST_GROUPS]
    )
    hidden = len(report.failures) - _MOST_GROUPS
    more = f'<p class="about">and {hidden:,} kinds more, in {escape(report.errors or "")}</p>' if hidden > 0 else ""
    return f"<h2>Why rows failed</h2><table>{rows}</table>{more}"


def _retries(report: RunFigures) -> str:
    if not report.retries_by_status:
        return ""
    most = max(report.retries_by_status.values())
    rows = "".join(_counted(escape(status), count, most) for status, count in report.retries_by_status.items())
    return f"<h2>Retries <span>by the status that was tried again</span></h2><table>{rows}</table>"


def _facts(report: RunFigures) -> str:
    limit = report.limit
    rate = f", {limit['requests_per_second']:,g} requests/s" if limit.get("requests_per_second") else ""
    bound = f"{limit['start']:,} to {limit['max']:,}" if limit["start"] < limit["max"] else f"at most {limit['max']:,}"
    named = [
        ("operation", report.operation),
        ("models", ", ".join(report.models[:10])),
        ("server", report.server),
        ("URL", report.url),
        ("limit", f"{bound} requests in flight{rate}"),
        ("input", report.input),
        ("output", report.output),
        ("failures", report.errors or ""),
        ("broken lines", f"{report.broken:,}" if report.broken else ""),
    ]
    rows = "".join(f"<tr><th>{name}</th><td>{escape(text)}</td></tr>" for name, text in named if text)
    return f'<h2>What was run</h2><table class="facts">{rows}</table>'


def _counted(name: str, count: int, most: int) -> str:
    bar = f'<div class="bar" style="width:{100 * count / most:.1f}%"></div>'
    return f'<tr><td>{name}</td><td class="share">{bar}</td><td class="count">{count:,}</td></tr>'


# ------------------------------------------------------------------------- plots


class _Tick(NamedTuple):
    """A label below a plot, or a line in it, at a share of its width."""

    at: float
    text: str
    is_fine: bool = False  # there is no room for it on a phone


def _over_time(report: RunFigures) -> str:
    timeline = report.timeline
    done, failed, refused = (timeline[name] for name in ("rows_done", "rows_failed", "replies_429"))
    if not done:
        return ""
    widths = slot_widths(timeline["slot_s"], len(done), report.elapsed_s)
    ticks = [_Tick(share, _seconds(share * timeline["slot_s"] * len(done))) for share in (0, 0.5, 1)]

    def per_second(counts: Sequence[float]) -> list[float]:
        return [count / width for count, width in zip(counts, widths, strict=True)]

    key = '<span class="key">done</span><span class="key bad">failed</span>' if any(failed) else ""
    parts = [f"<h2>Rows per second{key}</h2>{_plot(per_second(done), per_second(failed), ticks)}"]
    if any(timeline["requests_in_flight"]):
        plot = _plot(timeline["requests_in_flight"], (), ticks, kind=" low")
        parts.append(f"<h2>Requests in flight <span>mean</span></h2>{plot}")
    if any(refused):
        title = f"429 per second <span>too many requests, {sum(refused):,.0f} in all</span>"
        parts.append(f"<h2>{title}</h2>{_plot((), per_second(refused), ticks, kind=' low')}")
    return "\n".join(parts)


def _latency(report: RunFigures) -> str:
    histogram = report.latency_histogram
    if not histogram:
        return ""
    step = -(-len(histogram) // _MOST_BARS)
    groups = [histogram[start : start + step] for start in range(0, len(histogram), step)]
    counts = [float(sum(count for _, count in group)) for group in groups]
    # Buckets grow by a factor, so their axis is logarithmic; the last group may lack a few.
    low, span = histogram[0][0] / LATENCY_STEP, math.log(LATENCY_STEP) * step * len(groups)

    def at(ms: float) -> float:
        return min(1.0, max(0.0, math.log(ms / low) / span)) if ms > 0 else 0.0

    high = low * math.exp(span)
    found = _round_between(low, high)
    ticks = [_Tick(at(ms), _seconds(ms / 1000), len(found) > 4 and number % 2 == 1) for number, ms in enumerate(found)]
    marks = [_Tick(at(ms), f"{name} {_seconds(ms / 1000)}") for name, ms in report.latency_ms.items() if name[0] == "p"]
    title = "Latency of rows that were done <span>rows by time, retries included; the scale is logarithmic</span>"
    return f"<h2>{title}</h2>{_plot(counts, (), ticks, marks)}"


def _round_between(low: float, high: float) -> list[float]:
    """Choose round numbers to label a logarithmic axis with."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):  # the finest of these whose labels have room on a phone
        found = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(found) <= _MOST_TICKS:
            break
    return found or [high]


def _plot(
    good: Sequence[float], bad: Sequence[float], ticks: Iterable[_Tick], marks: Sequence[_Tick] = (), kind: str = ""
) -> str:
    """Draw bars, the bad ones on top of the good; labels are HTML, so that they keep their size on a phone."""
    size = max(len(good), len(bad))
    pairs = list(zip(good or [0.0] * size, bad or [0.0] * size, strict=True))
    top = _round_top(max(one + other for one, other in pairs))
    width = 100 / size
    bars: list[str] = []
    for index, pair in enumerate(pairs):
        base = 100.0
        for name, value in zip(("good", "bad"), pair, strict=True):
            height = 100 * value / top
            base -= height
            if height:
                bars.append(
                    f'<rect class="{name}-fill" x="{(index + 0.06) * width:.3f}" y="{base:.3f}" '
                    f'width="{width * 0.88:.3f}" height="{height:.3f}"/>'
                )
    y_labels = "".join(f"<span>{short(value)}</span>" for value in (top, top / 2, 0))
    # Stretched to the width there is: only bars are in it, so that nothing is distorted.
    svg = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="plot">{"".join(bars)}</svg>'
    lines = "".join(
        f'<div class="mark{" left" if mark.at > 0.6 else ""}" style="left:{100 * mark.at:.2f}%">'
        f'<span style="top:{row * 1.3:.1f}rem">{mark.text}</span></div>'
        for row, mark in enumerate(marks)  # each one line lower: on a phone they would cover each other
    )
    labels = "".join(
        f'<span{" class=fine" if tick.is_fine else ""} style="left:{100 * tick.at:.2f}%;'
        f'transform:translateX(-{100 * tick.at:.0f}%)">{tick.text}</span>'
        for tick in ticks
    )
    area = f'<div class="area">{svg}{lines}</div>'
    return f'<div class="plot{kind}"><div class="y">{y_labels}</div>{area}<div class="x">{labels}</div></div>'


def _round_top(value: float) -> float:
    """Find a round number, whose half is round too, at or above a value."""
    scale: float = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(scale * step for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if scale * step >= value * 0.999)


def _seconds(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:,.3g}&nbsp;ms"
    if seconds < 120:
        return f"{seconds:.3g}&nbsp;s"
    minutes, rest = divmod(round(seconds), 60)
    text = f"{minutes} min {rest:02} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"
    return text.replace(" ", "&nbsp;")
