"""What a question is: a row of the tables, or a point of a curve; and what a target is."""

from dataclasses import dataclass, field

RATES = ("flight", "rows")  # more is better, in requests a second
MORE_IS_BETTER = (*RATES, "crowd")
STAYING = ("batch", *RATES)  # put to workers that stay


@dataclass(frozen=True)
class Target:
    """A bound for one client.

    Args:
        client: Whose figure is bound.
        limit: The bound of the figure itself, or of its ratio to another's.
        to: What it is compared with: a client in the same rounds, `client@question`, or `best peer`; empty for none.
        at_least: True where more is better.
        field: Which of the figures.
        profile: Where the cost lies and what was tried, shown where the target is missed.
    """

    client: str
    limit: float
    to: str = ""
    at_least: bool = False
    field: str = "value"
    profile: str = ""


@dataclass(frozen=True)
class Question:
    """One row of the table.

    Args:
        id: Its name for `--only`.
        title: What is measured.
        how: `batch` (CPU per unit, paired rounds), `flight` (requests a second), `rows` (the same, of one job of many
            rows), `curve` (CPU per unit on a client made for the turn), or one of a fresh process: `imports`,
            `construct`, `start`, `memory`, `crowd`.
        op: The adapter's operation.
        path: The prefix that picks the reply.
        unit: Of the figures.
        scale: What the CPU seconds of one operation are multiplied by to give the unit.
        expect: What the operation has to return; 0: anything above it.
        floor: The client that is 1.0x.
        width: Calls in flight.
        clients: Only these; all where empty.
        loops: True where other event loops are measured too.
        extra: Other figures of a fresh process, and their units.
        warm: The path of a small reply that a question of memory warms up with.
        shards: The number of connection pools, for clients that have such a setting.
        note: What the results say of it beside the figures.
        curve: The curve of which it is a point.
        at: Where on that curve.
        count: The operations of a turn, of a curve.
        after: The operations before those that are measured, of a curve.
        hosts: To how many hosts the operations go in turn.
    """

    id: str
    title: str
    how: str
    op: str = ""
    path: str = "small"
    unit: str = "us"
    scale: float = 1e6
    expect: int = 0
    floor: str = "httpx"
    width: int = 0
    clients: tuple[str, ...] = ()
    loops: bool = False
    targets: tuple[Target, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)
    warm: str = "small"
    shards: int = 0
    note: str = ""
    curve: str = ""
    at: int = 0
    count: int = 0
    after: int = 0
    hosts: int = 0
