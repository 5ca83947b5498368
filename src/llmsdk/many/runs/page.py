"""The report as one page of HTML: no script, nothing loaded, plots as SVG, in light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from .figures import RunFigures

_MOST_BARS = 40
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --faint: #667085; --paper: #fff; --panel: #f5f7fa; --line: #d8dee8;
  --good: #2563a8; --bad: #c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --faint: #98a3b5; --paper: #12161d; --panel: #1b212b;
  --line: #323b49; --good: #6aa9ee; --bad: #fb923c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(1.15rem, 4.5vw, 1.5rem); margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .6rem; }
.note { color: var(--faint); font-weight: 400; font-size: .85rem; }
.about { color: var(--faint); margin: .2rem 0 1.2rem; overflow-wrap: anywhere; }
.end { font-weight: 600; } .end.bad, td.bad { color: var(--bad); } .end.good { color: var(--good); }
.tiles { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); }
.tile { background: var(--panel); border-radius: .5rem; padding: .6rem .8rem; }
.tile b { display: block; font-size: 1.3rem; line-height: 1.3; } .tile span { color: var(--faint); font-size: .85rem; }
.plot { display: grid; grid-template-columns: auto 1fr; gap: .3rem .5rem; font-size: .8rem; color: var(--faint); }
.plot .y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; }
.plot .x { grid-column: 2; display: flex; justify-content: space-between; }
.plot svg { width: 100%; height: 11rem; display: block; border-left: 1px solid var(--line);
  border-bottom: 1px solid var(--line); background: linear-gradient(var(--line) 1px, transparent 1px) 0 0 / 100% 50%; }
.good-fill { fill: var(--good); } .bad-fill { fill: var(--bad); }
.key { white-space: nowrap; font-weight: 400; }
.key::before { content: ""; display: inline-block; width: .7em; height: .7em; margin: 0 .35em 0 .8em;
  border-radius: .15em; background: var(--good); } .key.bad::before { background: var(--bad); }
table { border-collapse: collapse; width: 100%; } td, th { padding: .35rem .5rem .35rem 0; text-align: left;
  border-bottom: 1px solid var(--line); font-weight: 400; } td.count { text-align: right; width: 5rem; }
td.share { width: 45%; } .bar { height: .8rem; min-width: 2px; background: var(--bad); border-radius: .15rem; }
th { color: var(--faint); width: 6.5rem; vertical-align: top; } .files td { overflow-wrap: anywhere; }
"""
_ENDS = {
    "complete": "complete",
    "interrupted": "interrupted; run the same command again to go on",
    "deadline": "stopped at its deadline; run again to go on",
    "stopped": "stopped by a file that could not be written; run again to go on",
}


def page(report: RunFigures) -> str:
    """Lay a report out."""
    title = f"Batch {report.operation}: {report.succeeded + report.done_before:,} of {report.rows:,} rows"
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        _about(report),
        _tiles(report),
        _throughput(report),
        _latency(report),
        _errors(report),
        _files(report),
        "</html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _about(report: RunFigures) -> str:
    is_good = report.is_complete
    said = "complete, with failures" if report.end == "complete" and not is_good else _ENDS[report.end]
    kind = "good" if is_good else "bad"
    return (
        f'<p class="about"><span class="end {kind}">{escape(said)}</span> · {escape(report.server)} · '
        f"{escape(report.started_at)} · {_seconds(report.elapsed_s)}</p>"
    )


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
        (_short(report.prompt_tokens), "tokens in"),
        (_short(report.completion_tokens), "tokens out"),
        *([(f"{report.cost:,.4f}", "cost")] if report.cost is not None else []),
    ]
    cells = "".join(f'<div class="tile"><b>{value}</b><span>{name}</span></div>' for value, name in tiles)
    return f'<div class="tiles">{cells}</div>'


def _throughput(report: RunFigures) -> str:
    done, failed = report.timeline["rows_done"], report.timeline["rows_failed"]
    if not done:
        return ""
    slot = report.timeline["slot_s"]
    # The last slot is not full: its height is that of the time it had.
    widths = [*[slot] * (len(done) - 1), max(slot / 4, min(slot, report.elapsed_s - slot * (len(done) - 1)))]
    good = [count / width for count, width in zip(done, widths, strict=True)]
    bad = [count / width for count, width in zip(failed, widths, strict=True)]
    key = '<span class="key">done</span><span class="key bad">failed</span>' if any(bad) else ""
    ends = [_seconds(share * slot * len(done)) for share in (0, 0.5, 1)]
    return f"<h2>Rows per second over time{key}</h2>{_plot(good, bad, ends)}"


def _latency(report: RunFigures) -> str:
    if not report.latency_histogram:
        return ""
    step = -(-len(report.latency_histogram) // _MOST_BARS)
    groups = [report.latency_histogram[start : start + step] for start in range(0, len(report.latency_histogram), step)]
    counts = [float(sum(count for _, count in group)) for group in groups]
    bounds = [group[-1][0] for group in groups]
    ends = [_seconds(bounds[at] / 1000) for at in sorted({0, len(bounds) // 2, len(bounds) - 1})]
    told = " · ".join(f"{name} {_seconds(ms / 1000)}" for name, ms in report.latency_ms.items())
    title = '<h2>Latency of rows that were done <span class="note">(the scale is logarithmic)</span></h2>'
    return f'{title}{_plot(counts, [], ends)}<p class="about">{told}</p>'


def _plot(good: Sequence[float], bad: Sequence[float], x_labels: Sequence[str]) -> str:
    """Draw bars, the bad ones on top of the good; labels are HTML, so that they keep their size on a phone."""
    stacked = list(bad) or [0.0] * len(good)
    top = _round_top(max(one + other for one, other in zip(good, stacked, strict=True)))
    width = 100 / len(good)
    bars: list[str] = []
    for index, (one, other) in enumerate(zip(good, stacked, strict=True)):
        high, more = 100 * one / top, 100 * other / top
        for kind, height, base in (("good", high, 100.0), ("bad", more, 100 - high)):
            if height:
                bars.append(
                    f'<rect class="{kind}-fill" x="{index * width + width * 0.06:.3f}" y="{base - height:.3f}" '
                    f'width="{width * 0.88:.3f}" height="{height:.3f}"/>'
                )
    y_labels = "".join(f"<span>{_short(value)}</span>" for value in (top, top / 2, 0))
    labels = "".join(f"<span>{label}</span>" for label in x_labels)
    svg = f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="plot">{"".join(bars)}</svg>'
    return f'<div class="plot"><div class="y">{y_labels}</div>{svg}<div class="x">{labels}</div></div>'


def _errors(report: RunFigures) -> str:
    if not report.errors_by_class:
        return ""
    most = max(report.errors_by_class.values())
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td class="share"><div class="bar" style="width:{100 * count / most:.1f}%"></div>'
        f'</td><td class="count">{count:,}</td></tr>'
        for name, count in report.errors_by_class.items()
    )
    return f"<h2>Failures by class</h2><table>{rows}</table>"


def _files(report: RunFigures) -> str:
    named = [("input", report.input), ("output", report.output), ("failures", report.errors)]
    rows = "".join(f"<tr><th>{name}</th><td>{escape(path)}</td></tr>" for name, path in named if path)
    broken = f"<tr><th>broken lines</th><td>{report.broken:,}</td></tr>" if report.broken else ""
    return f'<h2>Files</h2><table class="files">{rows}{broken}</table>'


def _round_top(value: float) -> float:
    """Find a round number, whose half is round too, at or above a value."""
    scale: float = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(scale * step for step in (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10) if scale * step >= value * 0.999)


def _short(value: float) -> str:
    for least, size, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / size:,.3g}{letter}" if value < 1000 * size else f"{value / size:,.0f}{letter}"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _seconds(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:,.0f}&nbsp;ms"
    if seconds < 120:
        return f"{seconds:.3g}&nbsp;s"
    minutes, rest = divmod(round(seconds), 60)
    told = f"{minutes} min {rest:02} s" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"
    return told.replace(" ", "&nbsp;")
