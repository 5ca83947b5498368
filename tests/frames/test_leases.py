"""The limiter that workers share, told of the time: who may begin when, and that nothing it gave out is lost."""

import random

import pytest

from llmsdk.frames.leases import LEASE_S, LeaseRequest, Leases
from llmsdk.many.map import Adaptive, Feedback, Pacer

GOOD = Feedback(200, elapsed_s=0.5)


def leases(start: int = 8, most: int = 8, rate: float | None = None) -> Leases:
    return Leases(Pacer(Adaptive(start, most, requests_per_second=rate)))


def ask(
    to: Leases, now: float, worker: str = "a", *, held: int = 0, unused: int = 0, seen: int = 0, want: int = 0
) -> tuple[int, float]:
    grant = to.ask(LeaseRequest(worker, held, unused, ((GOOD, 0.0),) * seen, want), now)
    return len(grant.starts), grant.again_s


def test_what_is_wanted_is_given_up_to_the_bound() -> None:
    shared = leases()
    assert ask(shared, 0.0, want=5)[0] == 5
    assert ask(shared, 0.0, "b", want=5)[0] == 3
    assert shared.pacer.in_flight == 8


def test_what_ended_may_begin_elsewhere() -> None:
    shared = leases(2, 2)
    assert ask(shared, 0.0, want=2)[0] == 2
    assert ask(shared, 0.1, "b", want=1)[0] == 0
    ask(shared, 0.5, held=2, seen=1)
    assert ask(shared, 0.6, "b", want=1)[0] == 1


def test_what_is_given_back_may_begin_elsewhere() -> None:
    shared = leases(2, 2)
    ask(shared, 0.0, want=2)
    ask(shared, 0.1, held=2, unused=2)
    assert ask(shared, 0.1, "b", want=2)[0] == 2


def test_one_with_nothing_goes_before_one_with_something() -> None:
    shared = leases(2, 2)
    ask(shared, 0.0, want=2)
    assert ask(shared, 0.1, "b", want=1)[0] == 0
    assert ask(shared, 0.5, held=2, seen=1, want=2)[0] == 0
    assert ask(shared, 0.6, "b", want=1)[0] == 1
    assert ask(shared, 0.7, held=1, seen=1, want=2)[0] == 1


def test_attempts_are_given_their_times_ahead() -> None:
    shared = leases(rate=100)
    grant = shared.ask(LeaseRequest("a", 0, 0, (), 8), 0.0)
    assert grant.starts == pytest.approx([0.00, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07], abs=0.021)
    assert len(shared.ask(LeaseRequest("b", 0, 0, (), 8), 0.0).starts) == 0


def test_the_rate_of_all_is_that_of_the_limit() -> None:
    shared = leases(200, 200, rate=50)
    held = dict.fromkeys("abcd", 0)
    began: list[float] = []
    chance = random.Random(7)
    for step in range(1, 2000):
        now = step * 0.005
        worker = chance.choice("abcd")
        done = chance.randint(0, held[worker])
        grant = shared.ask(LeaseRequest(worker, held[worker], 0, ((GOOD, 0.0),) * done, 6), now)
        began += [now + start for start in grant.starts]
        held[worker] += len(grant.starts) - done
    assert len(began) == pytest.approx(500, rel=0.05)
    assert shared.pacer.in_flight == sum(held.values())
    assert min(sum(1 for at in began if second <= at < second + 1) for second in range(1, 9)) >= 45
    assert max(sum(1 for at in began if second <= at < second + 1) for second in range(1, 9)) <= 55


def test_a_dead_worker_gives_back_what_it_held() -> None:
    shared = leases(4, 4)
    assert ask(shared, 0.0, "dead", want=4)[0] == 4
    assert ask(shared, LEASE_S - 1, want=4)[0] == 0
    assert ask(shared, LEASE_S + 1, want=4)[0] == 4
    assert shared.counts.expired == 4
    assert shared.counts.workers == 1


def test_one_that_lives_holds_on() -> None:
    shared = leases(4, 4)
    ask(shared, 0.0, want=4)
    for second in range(0, 60, 3):
        ask(shared, float(second), held=4)
    assert ask(shared, 60.0, "b", want=1)[0] == 0
    assert shared.counts.expired == 0


def test_what_a_worker_says_it_holds_is_believed() -> None:
    shared = leases()
    ask(shared, 0.0, held=5)  # the limiter is new, the worker is not
    assert shared.pacer.in_flight == 5
    assert ask(shared, 0.1, held=5, seen=2, want=9)[0] == 5
    ask(shared, 0.2, held=6)  # an answer was lost on its way, with what it gave
    assert shared.pacer.in_flight == 6


def test_who_holds_nothing_and_wants_nothing_is_forgotten() -> None:
    shared = leases()
    ask(shared, 0.0, want=1)
    ask(shared, 1.0, held=1, seen=1)
    assert shared.counts.in_flight == 0
    ask(shared, 2.0, "b", want=1)
    assert shared.counts.workers == 1


def test_a_refusal_stops_all_and_is_counted() -> None:
    shared = leases()
    ask(shared, 0.0, want=4)
    refused = Feedback(429, elapsed_s=0.1, retry_after_s=2.0)
    grant = shared.ask(LeaseRequest("a", 4, 3, ((refused, 0.0),), 4), 0.1)
    assert (len(grant.starts), shared.counts.refused) == (0, 1)
    assert 1.5 < grant.again_s <= 2.0
    assert ask(shared, 1.0, "b", want=1)[0] == 0
    assert ask(shared, 2.2, "b", want=4)[0] == 1  # to see whether it is let in again


def test_what_is_told_late_lets_no_fewer_begin() -> None:
    shared = leases(4, 4)
    ask(shared, 0.0, want=4)
    ask(shared, 10.0, "b", held=4, seen=4)
    late = LeaseRequest("a", 4, 0, ((GOOD, 9.0),) * 4, 4)  # its limiter was away
    assert len(shared.ask(late, 10.0).starts) == 4
