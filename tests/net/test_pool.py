"""The pool of a host's connections: the last used first, none too old."""

from typing import Any

import pytest

from llmsdk._net import pool as pool_module
from llmsdk._net.pool import Pool


class Connection:
    """What a pool keeps."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that pools see."""
    now = [1000.0]
    monkeypatch.setattr(pool_module.time, "monotonic", lambda: now[0])
    return now


def pool_of(count: int) -> tuple[Pool[Any], list[Any]]:
    pool = Pool[Any](Connection)
    return pool, [pool.new() for _ in range(count)]


def test_the_connection_that_was_used_last_is_taken_first() -> None:
    pool, (first, second) = pool_of(2)
    pool.push_idle(first)
    pool.push_idle(second)
    assert [pool.pop_idle(), pool.pop_idle(), pool.pop_idle()] == [second, first, None]


def test_of_unread_replies_the_oldest_is_taken_first_and_no_idle_connection() -> None:
    pool, (first, second, idle) = pool_of(3)
    pool.push_unread(first)
    pool.push_unread(second)
    pool.push_idle(idle)
    assert [pool.pop_unread(), pool.pop_unread(), pool.pop_unread(), pool.pop_idle()] == [first, second, None, idle]


def test_only_what_was_free_for_too_long_has_expired(clock: list[float]) -> None:
    pool, (old, unread, fresh, _) = pool_of(4)
    pool.push_idle(old)
    pool.push_unread(unread)
    clock[0] += 20
    pool.push_idle(fresh)
    assert pool.pop_expired() is None
    clock[0] += 11
    assert [pool.pop_expired(), pool.pop_expired(), pool.pop_expired()] == [old, unread, None]
    assert pool.pop_idle() is fresh


def test_what_another_thread_took_meanwhile_has_not_expired(clock: list[float]) -> None:
    pool, (first,) = pool_of(1)
    pool.push_idle(first)
    clock[0] += 31
    rest, pool._idle = pool._idle, Vanishing(pool._idle)
    assert pool.pop_expired() is None
    assert rest


class Vanishing(list[Any]):
    """A deque that another thread empties after the look at its first item."""

    def popleft(self) -> Any:
        raise IndexError


def test_closing_returns_what_is_in_use_and_what_is_free() -> None:
    pool, (idle, unread, used, failed) = pool_of(4)
    pool.push_idle(idle)
    pool.push_unread(unread)
    pool.forget(failed)
    assert set(pool.connections()) == {idle, unread, used}
    assert not pool.is_closed
    assert pool.close() == ([used], [idle, unread])
    assert (pool.is_closed, pool.connections(), pool.close()) == (True, [], ([], []))
