"""A driver for tests: it performs effects from a script, on a clock of its own, and writes down what it did."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import httpx

from llmsdk._call.config import limits_of
from llmsdk._call.download import Tools, fetch, keyless
from llmsdk._call.effects import Close, FailureKind, Flow, Invoke, Pull, Read, Send, Sleep, TransportFailure
from llmsdk._call.flow import exchange
from llmsdk._call.hooks import Hooks
from llmsdk._call.keys import KeySource
from llmsdk._call.paging import Pages
from llmsdk._call.plan import Plan
from llmsdk._call.request.encode import Encoded
from llmsdk._call.state import CallState, Received
from llmsdk._call.target import Target
from llmsdk._call.world import Env
from llmsdk.providers import PROVIDERS
from llmsdk.providers.spec import Page, Provider, Route
from llmsdk.resources.operations.chat import CREATE_CHAT_COMPLETION
from llmsdk.utils.retries import DEFAULT_RETRY, RetryBudget
from llmsdk.utils.secrets import Secret

NOW = datetime(2026, 5, 4, 12, 0, 0, tzinfo=UTC)
KEY = "sk-placeholder-0123456789"
BEARER = KeySource(Secret(KEY), "Bearer {api_key}")
URL = "https://api.together.xyz/v1/chat/completions"


class Clock:
    """Monotonic seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Turn:
    """What one send comes to: a reply with its body, or something raised; `takes_s` pass before it, `reading_s` after.

    A `body` that is an exception is raised by the read.
    """

    outcome: httpx.Response | BaseException
    body: bytes | BaseException = b""
    takes_s: float = 0.0
    reading_s: float = 0.0


def reply(status: int = 200, body: bytes | BaseException = b"{}", **more: Any) -> Turn:
    """Make the turn of a reply."""
    turn = {name: more.pop(name) for name in ("takes_s", "reading_s") if name in more}
    return Turn(httpx.Response(status, headers=more.pop("headers", {})), body, **turn, **more)


def failure(kind: FailureKind = "network", text: str = "broken", **more: Any) -> Turn:
    """Make the turn of a send that brings no reply."""
    takes_s = more.pop("takes_s", 0.0)
    return Turn(TransportFailure(kind, text, **more), takes_s=takes_s)


@dataclass
class Player:
    """Performs the effects of a flow.

    Attributes:
        limits: The time that each send was allowed.
    """

    turns: list[Turn]
    clock: Clock = field(default_factory=Clock)
    steps: list[tuple[str, Any]] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    invokes: list[Invoke] = field(default_factory=list)
    opened: list[Any] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    raise_on: dict[str, BaseException] = field(default_factory=dict)

    def run(self, flow: Flow[Any]) -> Any:
        """Perform effects until the flow returns; every exception of a step is thrown into the flow."""
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self.perform(effect)
                except BaseException as exc:
                    effect = flow.throw(exc)
                else:
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return stop.value

    def perform(self, effect: Any) -> Any:
        """Do one effect."""
        name = type(effect).__name__.lower()
        match effect:
            case Send():
                return self._send(effect)
            case Read():
                self.steps.append(("read", effect.response.status_code))
                self.reads.append(effect)
                turn = next(turn for turn in self.turns if turn.outcome is effect.response)
                self.clock.now += turn.reading_s
                if isinstance(turn.body, BaseException):
                    raise turn.body
                return turn.body[: effect.max_bytes]
            case Pull():
                self.steps.append(("pull", effect.chunks.status_code))
                self.clock.now += effect.chunks.turn.reading_s
                return next(effect.chunks, None)
            case Close():
                self.steps.append(("close", effect.response.status_code))
                if not isinstance(effect.response, Pieces):
                    self.closed.append(effect.response)
            case Sleep():
                self.steps.append(("sleep", round(effect.seconds, 6)))
                self.waits.append(effect.seconds)
                if name in self.raise_on:
                    raise self.raise_on[name]
                self.clock.now += effect.seconds
            case Invoke():
                self.steps.append(("invoke", getattr(effect.function, "__name__", "?")))
                self.invokes.append(effect)
                answer = effect.function(*effect.args)
                return answer if effect.wrap is None else effect.wrap(answer)
            case _:
                raise AssertionError(effect)
        return None

    def _send(self, effect: Send) -> Any:
        turn = self.turns[len(self.requests)]
        self.requests.append(effect.request)
        self.sends.append(effect)
        self.limits.append(effect.countdown.left())
        self.clock.now += turn.takes_s
        if isinstance(turn.outcome, BaseException):
            self.steps.append(("send", type(turn.outcome).__name__))
            raise turn.outcome
        self.steps.append(("send", turn.outcome.status_code))
        self.opened.append(turn.outcome)
        turn.outcome.request = effect.request  # as clients do
        turn.outcome.turn = turn  # type: ignore[attr-defined] # for `chunks`
        return turn.outcome

    def names(self) -> list[str]:
        """Name the steps, without what they are about."""
        return [name for name, _ in self.steps]

    def check_closed(self, *, but: Iterable[Any] = ()) -> None:
        """Every reply was closed exactly once, except those that are handed on."""
        kept = list(but)
        for response in self.opened:
            times = sum(one is response for one in self.closed)
            assert times == (0 if any(one is response for one in kept) else 1)


def build(
    method: str, url: str, headers: list[tuple[str, str]], authorization: Secret | None, content: bytes | None, _: Any
) -> httpx.Request:
    """Make a request as a client does."""
    request = httpx.Request(method, url, headers=headers, content=content)
    if authorization is not None:
        request.headers["authorization"] = authorization.reveal()
    return request


def rebuild(response: httpx.Response, body: bytes) -> httpx.Response:
    """Make a readable response."""
    headers = [(name, value) for name, value in response.headers.multi_items() if not name.startswith("content-")]
    return httpx.Response(response.status_code, headers=headers, content=body, request=response.request)


@dataclass
class Client:
    """What a driver makes at once."""

    build: Any = build
    rebuild: Any = rebuild
    proxy: str | None = None

    def proxy_for(self, url: str) -> str | None:
        return self.proxy

    def chunks(self, response: Any, countdown: Any) -> Any:
        return Pieces(response)


class Pieces:
    """The body of a reply in one piece, as `Pull` takes it."""

    def __init__(self, response: Any) -> None:
        self.status_code = response.status_code
        self.turn: Turn = response.turn
        self._left = [self.turn.body]

    def __iter__(self) -> Pieces:
        return self

    def __next__(self) -> bytes:
        if not self._left:
            raise StopIteration
        body = self._left.pop()
        if isinstance(body, BaseException):
            raise body
        return body


def fetched(
    *turns: Turn,
    url: str = "https://files.example/a.png",
    addresses: Any = ("8.8.8.8",),
    home: str = "https://api.example/v1",
    allow_private: bool = False,
    proxied: bool = False,
    asked: list[tuple[str, int]] | None = None,
    **more: Any,
) -> tuple[Player, Any]:
    """Play the fetching of a file that a reply points to."""

    def resolve(host: str, port: int, seconds: float) -> Any:
        if asked is not None:
            asked.append((host, port))
        if isinstance(addresses, Exception):
            raise addresses
        found = addresses[host] if isinstance(addresses, dict) else addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    player = Player(list(turns))
    given = {"timeout_s": 10.0, "max_response_bytes": 100, "retries": None, **more}
    call = make_call(clock=player.clock, **given)
    template = keyless(call.plan._replace(target=replace(call.plan.target, base_url=home)), home)
    core: Any = SimpleNamespace(usual_limits=call.plan.limits, env=env_of(player.clock))
    tools = Tools(call.client, resolve, lambda url: proxied, lambda function, *args: function(*args))
    try:
        return player, player.run(fetch(core, template, url, allow_private, tools))
    except BaseException as exc:
        return player, exc


@dataclass
class Made:
    """A call that is about to run."""

    plan: Plan
    state: CallState
    client: Client = field(default_factory=Client)

    def exchange(self, env: Env) -> Flow[Any]:
        """Make its flow."""
        return exchange(self.plan, self.state, self.client, env)


def make_call(
    *,
    provider: Provider = PROVIDERS["together"],
    method: str = "POST",
    url: str = URL,
    stream: bool = False,
    key: KeySource | Callable[[], Any] | None = BEARER,
    deadline_in: float | None = None,
    clock: Clock | None = None,
    hooks: Iterable[object] = (),
    base_url: str = "https://api.together.xyz/v1",
    **changes: Any,
) -> Made:
    """Make a call as the runner would."""
    encoded = Encoded(method, url, stream, changes.pop("content", b'{"model":"m"}'), changes.pop("dropped", ()))
    if key is not None and not isinstance(key, KeySource):
        key = KeySource(key, "Bearer {api_key}")
    config: Any = SimpleNamespace(
        retry_config=changes.pop("retries", DEFAULT_RETRY),
        retry_budget=changes.pop("budget", RetryBudget()),
        timeout_ms=changes.pop("timeout_s", 600.0) * 1000,
        max_response_bytes=changes.pop("max_response_bytes", 1 << 20),
        max_event_bytes=1 << 20,
    )
    client = Client(**{name: changes.pop(name) for name in ("build", "rebuild") if name in changes})
    noted = {name: changes.pop(name) for name in ("attempts", "earlier") if name in changes}
    plan = Plan(
        operation=CREATE_CHAT_COMPLETION,
        target=Target(provider, base_url, key),
        route=Route(),
        encoded=encoded,
        headers=(("content-type", "application/json"),),
        is_keyed=True,
        limits=limits_of(config)._replace(deadline_s=deadline_in),
        hooks=Hooks(hooks),
        model="m",
        is_single=True,
        finish=None,
        pending=deque(),
        tracked=(),
        given={},
        url_params={},
        **changes,
    )
    return Made(plan, CallState((clock or Clock())(), "one-key", **noted), client)


def paged(made: Made, page: Page, env: Env) -> Flow[list[Received]]:
    """Make the flow that receives every page of a list."""
    received = [(yield from made.exchange(env))]
    pages = Pages(made.plan, page, made.state.secrets)
    while (further := pages.after(received[-1])) is not None:
        received.append((yield from exchange(further, made.state, made.client, env)))
    return received


def env_of(clock: Clock, jitter: float = 1.0) -> Env:
    """Make the world of a flow."""
    return Env(clock=clock, jitter=lambda: jitter, now=lambda: NOW)


def play(
    *turns: Turn,
    hooks: Iterable[object] = (),
    jitter: float = 1.0,
    raise_on: dict[str, BaseException] | None = None,
    clock: Clock | None = None,
    **call: Any,
) -> tuple[Player, Any]:
    """Play a call to its end; the answer is the player and what came out, returned or raised."""
    clock = clock or Clock()
    player = Player(list(turns), clock, raise_on=raise_on or {})
    try:
        result = player.run(make_call(clock=clock, hooks=hooks, **call).exchange(env_of(clock, jitter)))
    except BaseException as exc:
        result = exc
    return player, result
