"""The request loop as a state machine: any outcomes, any configuration, and the promises that hold in all of them."""

from __future__ import annotations

from typing import Any

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from call.flowkit import NOW, Clock, make_call
from llmsdk import errors
from llmsdk._call.effects import Close, Invoke, Read, Send, Sleep, TransportFailure
from llmsdk._call.state import Received
from llmsdk._call.world import Env
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

PERMANENT = b'{"error": {"code": "insufficient_quota"}}'
WORTH = frozenset({408, 409, 429, 500, 502, 503, 504, *range(520, 531)})
STATUSES = st.sampled_from([200, 200, 201, 301, 307, 400, 401, 404, 408, 409, 413, 429, 429, 500, 502, 503, 504, 529])
WAITS = st.sampled_from(["0", "0.2", "1", "7", "59", "61", "9999999", "-1", "soon", "Mon, 04 May 2026 12:00:03 GMT"])
FAILURES = st.sampled_from(["connect", "timeout", "network", "protocol", "request"])


class OursError(Exception):
    """What the hooks of these tests raise or answer with."""


class Hook:
    """Does at each step what the machine tells it."""

    def __init__(self) -> None:
        self.mood = "nothing"
        self.counts = {"before": 0, "after": 0}

    def before_request(self, ctx: Any, request: Any) -> None:
        self.counts["before"] += 1
        if self.mood == "raise before":
            raise OursError

    def after_success(self, ctx: Any, response: Any) -> None:
        self.counts["after"] += 1
        if self.mood == "raise after":
            raise OursError

    def after_error(self, ctx: Any, response: Any, error: Any) -> Any:
        self.counts["after"] += 1
        if self.mood == "raise after":
            raise OursError
        if self.mood == "convert":
            return httpx.Response(200, content=b"{}"), None
        return None


def configs() -> Any:
    """Any retry configuration, and none."""
    backoff = st.builds(
        BackoffStrategy,
        st.integers(0, 2_000),
        st.integers(0, 10_000),
        st.floats(1, 4),
        st.integers(1, 60_000),
        jitter=st.sampled_from(["full", "equal", "none"]),
    )
    config = st.builds(
        RetryConfig,
        st.sampled_from(["backoff", "backoff", "backoff", "none"]),
        backoff,
        st.booleans(),
        max_attempts=st.none() | st.integers(1, 6),
        max_retry_after_ms=st.integers(0, 60_000),
        bound_attempts=st.booleans(),
    )
    return st.none() | config | config | config


class FlowMachine(RuleBasedStateMachine):
    """Performs the effects of one call, choosing what each comes to."""

    def __init__(self) -> None:
        super().__init__()
        self.effect: Any = None
        self.result: Any = None
        self.over = False
        self.sends: list[Any] = []
        self.opened: list[httpx.Response] = []
        self.closed: list[httpx.Response] = []
        self.waits: list[float] = []
        self.last: dict[str, Any] = {}
        self.redirects = 0

    @initialize(
        config=configs(),
        deadline=st.none() | st.floats(0.1, 5),
        tokens=st.integers(0, 10),
        stream=st.booleans(),
        hooked=st.booleans(),
        jitter=st.floats(0, 0.999),
    )
    def begin(
        self, config: RetryConfig | None, deadline: float | None, tokens: int, stream: bool, hooked: bool, jitter: float
    ) -> None:
        self.clock, self.config, self.deadline, self.stream, self.tokens = Clock(), config, deadline, stream, tokens
        self.hook = Hook() if hooked else None
        budget = RetryBudget(initial=tokens, per_second=0, per_success=0)
        self.call = make_call(
            retries=config,
            deadline_in=deadline,
            clock=self.clock,
            budget=budget,
            stream=stream,
            timeout_s=60.0,
            hooks=[self.hook] if self.hook else [],
        )
        self.flow = self.call.exchange(Env(self.clock, lambda: jitter, lambda: NOW))
        self.step(lambda: next(self.flow))

    def step(self, move: Any) -> None:
        """Take one step of the flow, performing by itself what has only one outcome."""
        try:
            self.effect = move()
        except StopIteration as stop:
            self.over, self.result = True, stop.value
        except BaseException as exc:
            self.over, self.result = True, exc
        if self.over:
            return
        match self.effect:
            case Invoke(function=function, args=args):
                try:
                    answer = function(*args)
                except OursError as exc:
                    problem = exc
                    self.step(lambda: self.flow.throw(problem))
                else:
                    self.step(lambda: self.flow.send(answer))
            case Close(response=response):
                self.closed.append(response)
                self.step(lambda: self.flow.send(None))
            case Sleep(seconds=seconds):
                self.check_wait(seconds)
                self.clock.now += seconds
                self.last = {}
                self.step(lambda: self.flow.send(None))
            case Send(request=request):
                self.sends.append(request)
            case Read():
                pass
            case other:
                raise AssertionError(other)

    def check_wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        assert self.config is not None
        assert self.config.strategy == "backoff"
        assert 0 <= seconds <= max(self.config.backoff.max_interval, self.config.max_retry_after_ms) / 1000
        assert seconds >= self.last.get("least", 0.0)
        assert self.last.get("retryable", True), "a wait after what may not be tried again"
        elapsed = self.clock.now + seconds - 100.0
        assert elapsed * 1000 <= self.config.backoff.max_elapsed_time
        assert self.deadline is None or elapsed < self.deadline
        assert {id(one) for one in self.opened} == {id(one) for one in self.closed}, "a wait with an open reply"

    def spend(self, part: float) -> None:
        """Let a part of what the countdown allows pass."""
        self.clock.now += max(0.0, self.effect.countdown.left()) * part

    # ------------------------------------------------------------- outcomes

    @precondition(lambda self: not self.over and isinstance(self.effect, Send))
    @rule(
        status=STATUSES,
        part=st.floats(0, 0.9),
        wait=st.none() | WAITS,
        word=st.sampled_from([None, None, "true", "false"]),
        mood=st.sampled_from(["nothing", "nothing", "raise before", "raise after", "convert"]),
    )
    def answer(self, status: int, part: float, wait: str | None, word: str | None, mood: str) -> None:
        headers = {"location": "/again"} if status == 307 else {}
        headers |= {"retry-after": wait} if wait else {}
        headers |= {"x-should-retry": word} if word else {}
        if self.hook:
            self.hook.mood = mood
        self.spend(part)
        request = self.sends[-1]
        response = httpx.Response(status, headers=headers, request=request)
        self.opened.append(response)
        worth = (status in WORTH if word is None else word == "true") and status >= 400
        self.last = {"retryable": worth, "status": status, "word": word}
        if wait in ("0", "0.2", "1", "7", "59"):
            self.last["least"] = float(wait)
        self.step(lambda: self.flow.send(response))

    @precondition(lambda self: not self.over and isinstance(self.effect, Send))
    @rule(kind=FAILURES, began=st.booleans(), part=st.floats(0, 1))
    def fail(self, kind: Any, began: bool, part: float) -> None:
        self.spend(1.0 if kind == "timeout" else part)
        allowed = self.config is not None and self.config.retry_connection_errors
        self.last = {"retryable": allowed and not began and kind != "request"}
        failure = TransportFailure(kind, "broken", began=began)
        self.step(lambda: self.flow.throw(failure))

    @precondition(lambda self: not self.over and isinstance(self.effect, Read))
    @rule(body=st.sampled_from([b"", b"{}", b"<html>", b"\xff\xfe", PERMANENT, PERMANENT]))
    def body(self, body: bytes) -> None:
        if self.last.get("status") == 429 and body == PERMANENT and self.last["word"] is None:
            self.last["retryable"] = False
        self.step(lambda: self.flow.send(body))

    @precondition(lambda self: not self.over and isinstance(self.effect, Read))
    @rule(kind=st.sampled_from(["timeout", "network", "coding", "too large"]))
    def break_body(self, kind: Any) -> None:
        if self.last["status"] < 300:
            self.last["retryable"] = False
        self.step(lambda: self.flow.throw(TransportFailure(kind, "cut", began=True)))

    @precondition(lambda self: not self.over)
    @rule(thrown=st.sampled_from([None, None, None, KeyboardInterrupt, MemoryError]))
    def interrupt(self, thrown: type[BaseException] | None) -> None:
        if thrown is None:
            return
        problem = thrown()
        self.step(lambda: self.flow.throw(problem))
        assert self.over
        assert self.result is problem

    @precondition(lambda self: self.over)
    @rule()
    def ask_after_the_end(self) -> None:
        assert next(self.flow, None) is None

    # ------------------------------------------------------------- promises

    @invariant()
    def attempts_are_bounded(self) -> None:
        if self.config is None or self.config.strategy == "none":
            retries = 0
        else:
            retries = min(self.tokens, (self.config.max_attempts or 10**6) - 1)
        assert len(self.waits) <= retries

    @invariant()
    def every_attempt_sends_the_same(self) -> None:
        assert len({request.content for request in self.sends}) <= 1
        assert len({request.headers["idempotency-key"] for request in self.sends}) <= 1

    @invariant()
    def hooks_run_once_per_attempt(self) -> None:
        if getattr(self, "hook", None) and self.over:
            attempts = len(self.call.state.attempts)
            # Once for each request: a redirect that is followed is a request of the same attempt.
            assert self.hook.counts["before"] <= len(self.sends) + 1
            assert self.hook.counts["after"] <= attempts

    @invariant()
    def nothing_is_closed_twice(self) -> None:
        assert len({id(one) for one in self.closed}) == len(self.closed)

    @precondition(lambda self: self.over)
    @invariant()
    def the_end_is_clean(self) -> None:
        kept = self.result.response if isinstance(self.result, Received) and self.result.body is None else None
        closed = {id(one) for one in self.closed}
        assert all((id(one) in closed) != (one is kept) for one in self.opened)
        expected = Received | errors.SDKError | OursError | KeyboardInterrupt | MemoryError
        assert isinstance(self.result, expected), repr(self.result)
        if self.config is not None and self.config.bound_attempts and self.config.strategy == "backoff":
            bound = self.config.backoff.max_elapsed_time / 1000
            assert self.clock.now - 100.0 <= bound + 0.1
        if self.deadline is not None:
            assert self.clock.now - 100.0 <= self.deadline + 0.1


FlowMachine.TestCase.settings = settings(
    max_examples=300, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestFlowMachine = FlowMachine.TestCase
