"""The turns that the clients take with one question, and what comes out of them."""

import statistics
from typing import Any


def spread(values: list[float]) -> dict[str, float]:
    """The median and the quartiles."""
    ordered = sorted(values)
    if len(ordered) < 2:
        return {"median": ordered[0], "q1": ordered[0], "q3": ordered[0]}
    low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return {"median": middle, "q1": low, "q3": high}


class Turns:
    """What one client gave to one question, round by round."""

    def __init__(self) -> None:
        self.rounds: dict[int, dict[str, float]] = {}
        self.problem = ""
        self.server_share = 0.0
        self.used_s = 0.0

    def figures(self, name: str) -> dict[int, float]:
        """One figure of every round."""
        return {number: values[name] for number, values in self.rounds.items() if name in values}

    def as_json(self, floor: "Turns | None") -> dict[str, Any]:
        """The medians and the spread; the ratio to the floor is that of the same round."""
        if not self.rounds:
            return {"problem": self.problem or "no round"}
        names = sorted({name for values in self.rounds.values() for name in values})
        found: dict[str, Any] = {name: spread(list(self.figures(name).values())) for name in names}
        found["rounds"] = len(self.rounds)
        if self.problem:
            found["problem"] = self.problem
        if self.server_share:
            found["server_share"] = round(self.server_share, 3)
        ratios = paired(self, floor) if floor else []
        if ratios:
            found["ratio"] = spread(ratios)
        return found


def paired(turns: Turns, other: Turns, name: str = "value") -> list[float]:
    """The ratios of two clients' figures in the rounds that both took part in."""
    theirs = other.figures(name)
    return [value / theirs[number] for number, value in turns.figures(name).items() if theirs.get(number)]
