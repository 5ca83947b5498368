"""Puts the questions to the clients, in paired, interleaved rounds."""

import functools
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clients import Client
from harness import Failure, Server, Worker, fresh
from question import RATES, STAYING, Question, Target
from turns import Turns, paired


@dataclass(frozen=True)
class Effort:
    """How long a run takes.

    Args:
        rounds: In how many every client takes its turn.
        batch_s: How long a turn should last.
        client_s: After that much time with one question a client takes no more turns.
        timeout_s: A turn that takes longer is given up.
        fresh_rounds: Rounds of fresh processes.
        start_rounds: Rounds of a first call, whose CPU wavers by a tenth from one process to the next.
        curve_rounds: Rounds of a point of a curve, where every turn makes its client anew.
        rows: In one job of many rows.
        run_s: What all questions may take together: one that takes far more than its part ends early.
    """

    rounds: int = 7
    batch_s: float = 0.12
    client_s: float = 2.5
    timeout_s: float = 12.0
    fresh_rounds: int = 4
    start_rounds: int = 15
    curve_rounds: int = 2
    rows: int = 2000
    run_s: float = 740.0


FULL = Effort()
QUICK = Effort(
    rounds=3, batch_s=0.04, client_s=0.5, timeout_s=6.0, fresh_rounds=2, start_rounds=2, rows=300, run_s=95.0
)


class Run:
    """One run over some questions and clients."""

    def __init__(self, server: Server, effort: Effort, clients: list[Client], unusable: dict[str, str]) -> None:
        self.server = server
        self.effort = effort
        self.clients = clients
        self.unusable = unusable
        self.workers = {client.name: Worker(client) for client in clients}
        self.turns: dict[str, dict[str, Turns]] = {}
        self.random = random.Random(1)

    def close(self) -> None:
        """End the workers."""
        for worker in self.workers.values():
            worker.stop()

    def asked(self, question: Question) -> list[Client]:
        """Who is asked."""
        return [
            client
            for client in self.clients
            if (not question.clients or client.name in question.clients)
            and (client.loop == "asyncio" or question.loops)
            and (not client.is_special or client.name in question.clients)
        ]

    def put_all(self, questions: list[Question]) -> None:
        """Put the questions, within the time that there is."""
        end = time.monotonic() + self.effort.run_s
        for number, question in enumerate(questions):
            self.put(question, max(0.0, end - time.monotonic()) / (len(questions) - number))

    def put(self, question: Question, share_s: float) -> None:
        """Put one question to all who are asked, in as many rounds as its share of the time allows."""
        started = time.monotonic()
        turns = self.turns[question.id] = {client.name: Turns() for client in self.asked(question)}
        take, rounds = self._takes(question, turns)
        if question.id == "memory":
            rounds = 1  # deterministic, and a minute for some
        for number in range(rounds):
            least = 3 if question.how == "rows" else 2 if share_s > 1 else 1  # rounds: a turn of rows is a long one
            if (
                number >= least and time.monotonic() - started > share_s * 2
            ):  # many questions need less than their share
                break
            for client in self._order(turns):
                self._turn(turns[client], number, functools.partial(take, client), least)
        for worker in self.workers.values() if question.how in (*STAYING, "curve") else ():
            if worker.process is not None and worker.client.name in turns and not turns[worker.client.name].rounds:
                worker.stop()
        print(f"{time.monotonic() - started:6.1f} s  {question.title}", file=sys.stderr, flush=True)

    def _takes(self, question: Question, turns: dict[str, Turns]) -> tuple[Callable[[str], dict[str, float]], int]:
        """The function that takes a client's turn, and in how many rounds."""
        if question.how in STAYING:
            return self._prepared(question, turns), self.effort.rounds
        if question.how == "curve":
            return functools.partial(self._point, question), self.effort.curve_rounds
        rounds = self.effort.start_rounds if question.how == "start" else self.effort.fresh_rounds
        return self._fresh(question), rounds

    def _order(self, turns: dict[str, Turns]) -> list[str]:
        """Who takes a turn in this round, in an order of its own."""
        names = [name for name in turns if not self.unusable.get(name)]
        self.random.shuffle(names)
        return names

    def _turn(self, turns: Turns, number: int, take: Callable[[], dict[str, float]], least: int) -> None:
        is_enough = len(turns.rounds) >= (least if least > 2 else 1)
        if turns.problem or (is_enough and turns.used_s > self.effort.client_s):
            return
        started = time.monotonic()
        try:
            values = take()
        except Failure as failure:
            turns.problem = str(failure)
            return
        turns.used_s += time.monotonic() - started
        turns.server_share = max(turns.server_share, values.pop("server_share", 0.0))
        turns.rounds[number] = values

    # ---- workers that stay ----

    def _prepared(self, question: Question, turns: dict[str, Turns]) -> Callable[[str], dict[str, float]]:
        """Set up every client, find out how many operations fill a turn, and give the function that takes one."""
        counts: dict[str, int] = {}
        for name, mine in turns.items():
            if self.unusable.get(name):
                mine.problem = self.unusable[name]
                continue
            try:
                counts[name] = self._set_up(question, name)
            except Failure as failure:
                mine.problem = str(failure)
        return lambda name: self._batch(question, name, counts[name])

    def _set_up(self, question: Question, name: str) -> int:
        worker = self.workers[name]
        timeout = self.effort.timeout_s
        worker.ask(timeout + 8, do="setup", base=self.server.url(question.path), shards=question.shards)
        least = max(1, question.width)
        asked = {"do": "run", "op": question.op, "width": question.width}
        found = worker.ask(timeout + 8, **asked, count=least)  # imports, connections, caches
        self._check(question, found)
        if question.how == "rows":
            return self.effort.rows
        # With many in flight the first time is good enough, and the second would cost some clients half a minute.
        one_s: float = (found if question.width else worker.ask(timeout, **asked, count=least))["wall"] / least
        # A few hundred calls in flight need a few rounds of the whole width to be a rate.
        count: int = max(least, min(20000, int(self.effort.batch_s * (3 if question.width else 1) / one_s)))
        return count

    def _check(self, question: Question, found: dict[str, Any]) -> None:
        if found["result"] <= 0 or (question.expect and found["result"] != question.expect):
            raise Failure(f"gave {found['result']} where {question.expect or 'something'} was expected")

    def _batch(self, question: Question, name: str, count: int) -> dict[str, float]:
        before = self.server.cpu_s()
        timeout = self.effort.timeout_s * {"rows": 4, "flight": 2}.get(question.how, 1)
        found = self.workers[name].ask(
            timeout, do="run", op=question.op, width=question.width, count=count, is_warm=True
        )
        server_s = self.server.cpu_s() - before
        self._check(question, found)
        is_spinning = "paced" in question.path or "single" in question.path
        share = 0.0 if is_spinning else server_s / found["wall"]
        if question.how in RATES:
            return {"value": count / found["wall"], "cpu_us": found["cpu"] / count * 1e6, "server_share": share}
        return {
            "value": found["cpu"] / count * question.scale,
            "wall": found["wall"] / count * question.scale,
            "server_share": share,
        }

    def _point(self, question: Question, name: str) -> dict[str, float]:
        """One point of a curve: a client made anew, the operations before, and then those that are measured."""
        worker = self.workers[name]
        before = max(question.after, question.width)
        timeout = self.effort.timeout_s * 2 + before / 500
        url = self.server.url(question.path)
        worker.ask(timeout, do="setup", base=url, hosts=question.hosts)
        asked = {"do": "run", "op": question.op, "width": question.width}
        self._check(question, worker.ask(timeout, **asked, count=before))
        found = worker.ask(timeout, **asked, count=question.count)
        self._check(question, found)
        return {key: found[of] / question.count * question.scale for key, of in (("value", "cpu"), ("wall", "wall"))}

    # ---- fresh processes ----

    def _fresh(self, question: Question) -> Callable[[str], dict[str, float]]:
        base = self.server.url(question.path)
        args = {
            "imports": ("imports",),
            "construct": ("construct", base),
            "start": ("once", base, question.op),
            "memory": ("memory", self.server.url(question.warm), base, question.op),
            "crowd": (
                *("crowd", self.server.url(question.warm), base, question.op),
                *(str(question.width), str(question.expect)),
            ),
        }[question.how]
        by_name = {client.name: client for client in self.clients}
        written: set[str] = set()

        def take(name: str) -> dict[str, float]:
            timeout = self.effort.timeout_s * 2
            if question.how in ("imports", "construct", "start") and name not in written:
                fresh(by_name[name], timeout, *args)  # bytecode is written, files are in memory
                written.add(name)
            found = fresh(by_name[name], timeout, *args)
            if "result" in found:
                self._check(question, found)
            value = found["cpu_ms"] if question.how == "start" else found["value"]
            return {"value": value} | {extra: found[extra] for extra in question.extra}

        return take

    # ---- results ----

    def results(self, question: Question) -> dict[str, Any]:
        """All about one question, as JSON."""
        turns = self.turns[question.id]
        for name, mine in turns.items():
            mine.problem = mine.problem or self.unusable.get(name, "")
        floor = turns.get(question.floor)
        return {
            "title": question.title,
            "unit": question.unit,
            "how": question.how,
            "note": question.note.format(rows=self.effort.rows),
            "floor": question.floor,
            "extra": question.extra,
            "curve": question.curve,
            "at": question.at,
            "clients": {name: mine.as_json(floor) for name, mine in turns.items()},
            "targets": [self._judged(question, target) for target in question.targets],
        }

    def _judged(self, question: Question, target: Target) -> dict[str, Any]:
        reached, to = self._reached(question, target)
        met = None if reached is None else reached >= target.limit if target.at_least else reached <= target.limit
        return {
            "client": target.client,
            "to": to,
            "field": target.field,
            "limit": round(target.limit, 3),
            "at_least": target.at_least,
            "reached": reached,
            "met": met,
        }

    def _reached(self, question: Question, target: Target) -> tuple[float | None, str]:
        """The figure that is bound, or its ratio; and with whom it was compared."""
        turns = self.turns[question.id]
        mine = turns.get(target.client)
        if mine is None or not mine.rounds:
            return None, target.to
        own = statistics.median(mine.figures(target.field).values())
        if not target.to:
            return own, ""
        if "@" in target.to:
            name, _, other_id = target.to.partition("@")
            other = self.turns.get(other_id, {}).get(name)
            return (
                (own / statistics.median(other.figures("value").values()), target.to)
                if other and other.rounds
                else (None, target.to)
            )
        to = self._best_peer(turns) if target.to == "best peer" else target.to
        ratios = paired(mine, turns[to]) if to in turns else []
        shown = f"best peer: {to}" if target.to == "best peer" else to
        return (statistics.median(ratios) if ratios else None), shown

    def _best_peer(self, turns: dict[str, Turns]) -> str:
        kinds = {client.name: client.kind for client in self.clients}
        peers = [name for name, mine in turns.items() if kinds[name] == "peer" and mine.rounds]
        return min(peers, key=lambda name: statistics.median(turns[name].figures("value").values()), default="")
