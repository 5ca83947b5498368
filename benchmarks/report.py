"""Results as Markdown and as a plot."""

from html import escape
from pathlib import Path
from typing import Any

import curves
import gateway_report
from question import MORE_IS_BETTER, RATES
from questions import QUESTIONS
from tables import number, ranged, table

Result = dict[str, Any]

INTRODUCTION = """\
# Benchmarks

CPU time, memory and speed of llmsdk, compared with other clients and with hand-written code on the same libraries.
Written by `python benchmarks/run.py`; don't edit it.

Each client runs in its own process on one core; a server in C on another core sends prepared replies.
In every round, each client runs once, in changing order. A ratio compares two runs of the same round.
The figures are medians over the rounds, with the quartiles in brackets. Costs are CPU time of the client's process;
rates are requests per second of wall time. Every result is checked, and its text is read as the client types it.
Absolute figures depend on the machine; compare the ratios.
"""

PROFILES = {question.id: [target.profile for target in question.targets] for question in QUESTIONS}


def is_family(question_id: str) -> bool:
    """Whether a question is one of several sizes, shown together."""
    return "-x" in question_id or question_id.startswith("shards-")


def stands_alone(question_id: str, question: Result) -> bool:
    """Whether a question has a table of its own."""
    return not (is_family(question_id) or question.get("curve"))


# ---- parts ----


def circumstances(found: Result) -> str:
    """On what it ran, and with which versions."""
    on = found["machine"]
    shared = "" if on["client_core"] != on["server_core"] else " Server and clients shared one core."
    lines = [
        f"{found['at']}, commit {found['commit']}, {found['seconds']} s{', quick' if found['quick'] else ''}.",
        f"{on['cpu']}, {on['cores']} cores, {on['system']}; load {on['load_at_start']} at the start.{shared}",
        *map(put_again, found.get("again", ())),
        "",
    ]
    rows = [
        (group, ", ".join(f"{name} {version}" for name, version in sorted(versions.items())))
        for group, versions in found["versions"].items()
    ]
    lines.append(table(("environment", "versions"), rows))
    if found["unusable"]:
        lines += [f"- **{name}** is not in this run: {why}" for name, why in found["unusable"].items()] + [""]
    if found["left_out"]:
        lines += [f"Left out on request: {', '.join(found['left_out'])}.", ""]
    return "\n".join(lines)


def put_again(again: Result) -> str:
    """Which questions are of a later run."""
    return f"Put again at {again['at']}, commit {again['commit']}, load {again['load']}: {'; '.join(again['titles'])}."


def server_part(found: Result) -> str:
    """That the server was not what was measured."""
    rows = [
        (
            name,
            number(values["per_s"]),
            number(values["server_cpu_us_per_request"]),
            number(values["bytes"] / values["wall_s"] / 1e6),
        )
        for name, values in found["server"].items()
    ]
    shares = [
        (values["server_share"], name, question["title"])
        for question in found["questions"].values()
        for name, values in question["clients"].items()
        if "server_share" in values
    ]
    told = ""
    if shares:
        share, name, title = max(shares)
        told = (
            f"In the run itself the server was busy for at most {share:.0%} of the time: with {name}, {title}. "
            "Where each chunk is to be read on its own it spins until the client has read the one before.\n"
        )
    head = ("asked by a client in C", "requests/s", "server's CPU us/request", "MB/s")
    return "## The server is not the bottleneck\n\n" + table(head, rows) + "\n" + told


def targets_part(found: Result) -> str:
    """Every target, and what was reached."""
    rows: list[tuple[str, ...]] = []
    reasons: dict[str, list[str]] = {}
    for key, question in found["questions"].items():
        for target, profile in zip(question["targets"], PROFILES[key], strict=True):
            unit = "x" if target["to"] else f" {question['extra'].get(target['field'], question['unit'])}"
            bound = f"{'>=' if target['at_least'] else '<='} {number(target['limit'])}{unit}"
            bound += f" of {target['to']}" if target["to"] else ""
            reached = "not measured" if target["reached"] is None else f"{number(target['reached'])}{unit}"
            verdict = {True: "met", False: "**missed**", None: "-"}[target["met"]]
            rows.append((question["title"], target["client"], bound, reached, verdict))
            if target["met"] is False:
                why = profile or "not looked into yet."
                told = f"**{question['title']}**, {target['client']}, {bound}"
                reasons.setdefault(why, []).append(told)
    shown = "## Targets\n\n" + table(("question", "client", "target", "reached", ""), rows)
    missed = [f"- {'; '.join(targets)}: {why}\n" for why, targets in reasons.items()]
    return shown + ("\n### Where a target is missed\n\n" + "".join(missed) if missed else "")


def question_part(question: Result) -> str:
    """The clients' figures, the best first, then who gave none and why."""
    is_rate = question["how"] in RATES
    is_more_better = question["how"] in MORE_IS_BETTER
    measured = {name: values for name, values in question["clients"].items() if "value" in values}
    ordered = sorted(measured.items(), key=lambda item: item[1]["value"]["median"], reverse=is_more_better)
    extra = question["extra"]
    head = ["client", question["unit"], *extra.values()]
    if question["floor"]:
        head.append(f"of {question['floor']}")
    if is_rate:
        head.append("CPU us/call")
    rows = []
    for name, values in ordered:
        row = [name, ranged(values["value"]), *(number(values[field]["median"]) for field in extra)]
        if question["floor"]:
            row.append(f"{number(values['ratio']['median'])}x" if "ratio" in values else "")
        if is_rate:
            row.append(number(values["cpu_us"]["median"]))
        rows.append(row)
    title = question["title"][0].upper() + question["title"][1:]
    note = f"{question['note']}\n\n" if question.get("note") else ""
    return f"### {title}\n\n{note}{table(head, rows)}\n{without_figures(question)}"


def without_figures(question: Result) -> str:
    """Who gave no figure, grouped by reason."""
    reasons: dict[str, list[str]] = {}
    for name, values in question["clients"].items():
        if "value" not in values:
            reasons.setdefault(values["problem"], []).append(name)
    told = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    return f"No figure: {told}.\n\n" if told else ""


def growth_part(found: Result) -> str:
    """One table for the questions of several sizes."""
    chosen = {key: question for key, question in found["questions"].items() if is_family(key)}
    if not chosen:
        return ""
    names = list(dict.fromkeys(name for question in chosen.values() for name in question["clients"]))
    rows = []
    for question in chosen.values():
        figures = (question["clients"].get(name, {}) for name in names)
        cells = [ranged(values["value"]) if "value" in values else values.get("problem", "") for values in figures]
        rows.append((question["title"], question["unit"], *cells))
    return "## Growth\n\n" + table(("question", "unit", *names), rows)


def markdown(found: Result, plot: str = "", growth_plot: str = "") -> str:
    """The whole page."""
    parts = [INTRODUCTION, targets_part(found)]
    if plot:
        parts.append(f"![Cost of each client as a multiple of raw httpx]({plot})\n")
    parts.append("## Figures\n")
    parts += [question_part(question) for key, question in found["questions"].items() if stands_alone(key, question)]
    parts += [growth_part(found), curves.curves_part(found, growth_plot), gateway_report.part(found.get("gateway"))]
    parts += [server_part(found), "## Circumstances\n", circumstances(found)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts if part)


# ---- plot ----

PLOTTED = (
    "call-sync",
    "call-async",
    "flight-64",
    "rows",
    "chunk-bulk-sync",
    "chunk-single-sync",
    "chunk-single-async",
    "start-call",
)
COLOURS = {"ours": "#0b7285", "peer": "#ced4da", "floor": "#868e96"}
LEFT, WIDTH, BAR, GAP = 170, 560, 16, 4


def shown(question: Result) -> list[tuple[str, float]]:
    """The clients' medians on the standard event loop, the best first."""
    rows = [
        (name, values["value"]["median"])
        for name, values in question["clients"].items()
        if "value" in values and "+" not in name
    ]
    return sorted(rows, key=lambda row: row[1], reverse=question["how"] in RATES)


def panel(question: Result, kinds: dict[str, str], top: int) -> tuple[list[str], int]:
    """One question as bars; the elements, and where the next panel begins."""
    rows = shown(question)
    most = max(value for _, value in rows)
    more = "more is better" if question["how"] in RATES else "less is better"
    title = f"{question['title']} ({question['unit']}, {more})"
    out = [f'<text x="8" y="{top + 14}" class="title">{escape(title)}</text>']
    top += 24
    for name, value in rows:
        length = max(1.0, value / most * WIDTH)
        out += [
            f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[kinds[name]]}"/>',
            f'<text x="{LEFT + length + 6:.1f}" y="{top + 12}">{number(value)}</text>',
        ]
        top += BAR + GAP
    return out, top + 16


def plot(found: Result) -> str:
    """The main questions as an SVG."""
    body: list[str] = []
    top = 8
    for key in PLOTTED:
        question = found["questions"].get(key)
        if question and shown(question):
            elements, top = panel(question, found["kinds"], top)
            body += elements
    style = "text{font:12px sans-serif;fill:#212529}.title{font-weight:bold}"
    width = LEFT + WIDTH + 80
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}">',
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{top}" fill="#ffffff"/>',
            *body,
            "</svg>\n",
        ]
    )


def write(found: Result, folder: Path) -> None:
    """Write the page and the plots."""
    folder.mkdir(exist_ok=True)
    (folder / "benchmarks.svg").write_text(plot(found), encoding="utf-8")
    growth_plot = "benchmarks-growth.svg" if curves.curves_of(found) else ""
    if growth_plot:
        (folder / growth_plot).write_text(curves.plot(found), encoding="utf-8")
    (folder / "benchmarks.md").write_text(markdown(found, "benchmarks.svg", growth_plot), encoding="utf-8")
