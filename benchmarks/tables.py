"""Figures and tables as Markdown."""

from collections.abc import Iterable


def number(value: float) -> str:
    """Three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def ranged(values: dict[str, float]) -> str:
    """A median with its quartiles."""
    return f"{number(values['median'])} ({number(values['q1'])} - {number(values['q3'])})"
