"""The gateway's day as a section of the results, and what llmsdk has to reach there."""

from typing import Any

from tables import number, table

TITLE = "## A gateway's day\n"
FOLLOWING = "## The server is not the bottleneck\n"

INTRODUCTION = (
    TITLE
    + """
A FastAPI application, served by uvicorn with uvloop, relays streamed chats for {callers} callers at once through one
client that all requests share. It runs on one core; the provider and the callers run on another. Each client is used as
its documentation shows it; `httpx` and `aiohttp` are code by hand with types.

- **Events/s** is what the gateway can relay at most: the provider sends the next chunk of a stream as soon as its
  caller has the one before. The {callers} calls that open the streams are part of it.
- In the other columns a chunk comes every {every_ms:.0f} ms in each stream. **Added** is the delay from the provider to
  the caller, without what it is for callers that ask the provider itself. CPU is that of the gateway, the calls
  included. Memory is its peak above what it had before the callers came. The slowest percent waits for Python's garbage
  collector, which goes through all that is in memory about once in a turn.
- **Closed within 1 s**: of the callers that left in the middle, for how many the provider saw its side closed that
  soon; and how long the slowest took.
"""
)

HEAD = (
    *("client", "events/s", "added p50, ms", "added p99, ms", "CPU us/event", "memory, MB"),
    *("closed within 1 s", "slowest, ms"),
)

# Of llmsdk: the figure, whether more is better, the bound, and to whom the ratio is; the figure itself where to nobody.
TARGETS: tuple[tuple[str, str, bool, float, str], ...] = (
    ("events/s", "events_s", True, 1.5, "openai"),
    ("events/s", "events_s", True, 1.2, "anthropic"),
    ("added delay, median", "added_p50_ms", False, 1.0, "openai"),
    ("added delay, median", "added_p50_ms", False, 1.0, "anthropic"),
    ("added delay, 99th percentile", "added_p99_ms", False, 1.0, "openai"),
    ("added delay, 99th percentile", "added_p99_ms", False, 1.0, "anthropic"),
    ("share of upstreams closed within 1 s", "closed_share", True, 1.0, ""),
)


def judged(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Every target, and what was reached."""
    found = []
    own = rows.get("llmsdk", {})
    for title, figure, at_least, limit, to in TARGETS:
        reached = own.get(figure)
        if to and reached is not None:
            other = rows.get(to, {}).get(figure)
            reached = reached / other if other else None
        met = None if reached is None else reached >= limit if at_least else reached <= limit
        found.append({"title": title, "limit": limit, "at_least": at_least, "to": to, "reached": reached, "met": met})
    return found


def target_row(target: dict[str, Any]) -> tuple[str, ...]:
    """One target, and what was reached."""
    unit, of = ("x", f" of {target['to']}") if target["to"] else ("", "")
    bound = f"{'>=' if target['at_least'] else '<='} {number(target['limit'])}{unit}{of}"
    reached = "not measured" if target["reached"] is None else f"{number(target['reached'])}{unit}"
    return target["title"], bound, reached, {True: "met", False: "**missed**", None: "-"}[target["met"]]


def row(name: str, values: dict[str, Any]) -> tuple[str, ...]:
    """The figures of one gateway."""
    return (
        name,
        number(values["events_s"]),
        *(number(values[figure]) for figure in ("added_p50_ms", "added_p99_ms", "cpu_us", "memory_mb")),
        f"{values['closed']} of {values['left']}",
        number(values["longest_ms"]),
    )


def part(found: dict[str, Any] | None) -> str:
    """The section; empty where there was no such run."""
    if not found:
        return ""
    rows = found["rows"]
    measured = {name: values for name, values in rows.items() if "events_s" in values and name != "direct"}
    ordered = sorted(measured.items(), key=lambda item: item[1]["events_s"], reverse=True)
    lines = [INTRODUCTION.format(**found), table(HEAD, (row(*item) for item in ordered))]
    without = [f"{name}: {values['problem']}" for name, values in rows.items() if "problem" in values]
    if without:
        lines.append(f"No figure: {'; '.join(without)}.\n")
    if measured:
        busiest = max(values["world_share"] for values in measured.values())
        pace, p50, p99 = (number(rows["direct"][figure]) for figure in ("events_s", "p50_ms", "p99_ms"))
        lines.append(
            f"Provider and callers aren't the bottleneck: without a gateway between them they pass on {pace} events/s, "
            f"with a median delay of {p50} ms and a 99th percentile of {p99} ms; with one, they use {busiest:.0%} of "
            "their core at most.\n"
        )
    targets = [target_row(target) for target in found["targets"] if target["reached"] is not None]
    if targets:
        lines.append(table(("target for llmsdk", "bound", "reached", ""), targets))
    versions = ", ".join(f"{name} {version}" for name, version in sorted(found["versions"].items()))
    lines.append(f"{found['at']}, {found['seconds']} s; load {found['load_at_start']} at the start; {versions}.\n")
    return "\n".join(lines)


def put_into(page: str, found: dict[str, Any]) -> str:
    """The page of results with this section made anew."""
    before, _, old = page.partition(TITLE)
    if not old:
        before, _, old = page.partition(FOLLOWING)
        return f"{before}{part(found)}\n{FOLLOWING}{old}"
    return f"{before}{part(found)}\n## {old.partition('## ')[2]}"
