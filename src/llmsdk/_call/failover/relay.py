"""A call with failover: its request in every server's dialect, and the flow that asks one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import Attempt, ConfigurationError
from ...utils.headers import new_idempotency_key
from ..effects import Flow, close, pull
from ..flow import BuildRequest, Call
from ..plan import Plan
from .flow import Leg, first_that_answers
from .policy import Failover

if TYPE_CHECKING:
    from ..._net.runner import Runner
    from ...providers.spec import Provider
    from ..operation import Operation
    from ..plan import Finish
    from ..stream.progress import Progress

MakeChunks = Callable[[Any, Any], Any]
"""A driver's `chunks`: response and countdown to the raw bytes of a body."""


@dataclass(slots=True)
class Shared:
    """What the requests of one call to several servers have in common.

    Attributes:
        started: When the call began, by the monotonic clock.
        state: What hooks keep from one attempt to the next.
        earlier: Attempts that were made before this one, where the waits between them are the caller's.
        call: The request that was sent last.
    """

    started: float
    idempotency_key: str = field(default_factory=new_idempotency_key)
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    state: dict[str, Any] = field(default_factory=dict[str, Any])
    earlier: int = 0
    call: Call | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """One server on the way of a call."""

    provider: Provider
    failover: Failover
    shared: Shared

    def renamed(self, params: dict[str, Any]) -> dict[str, Any]:
        """Give parameters the model's name at this server."""
        if params.get("model") is None:
            return params
        return {**params, "model": self.failover.model_at(self.provider.name, params["model"])}


class Relay:
    """One call and the servers it may go to; all requests are made before the first is sent."""

    def __init__(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        runner: Runner,
        failover: Failover,
        finish: Finish | None,
        shared: Shared | None = None,
    ) -> None:
        self._runner = runner
        self._failover = failover
        shared = shared or Shared(runner.env.clock())
        self.plans = [
            Plan(operation, args, runner, finish, Stop(provider, failover, shared)) for provider in failover.servers
        ]

    @property
    def is_stream(self) -> bool:
        """Whether the call is streamed."""
        return self.plans[0].encoded.stream

    def flow(self, build: BuildRequest, chunks: MakeChunks) -> Flow[Any]:
        """Make the flow of the call; it gives a reply, or the state of a stream whose first event has come."""
        self._share_files()
        legs = [
            Leg[Any](plan.target.provider.name, plan.target.base_url, partial(_turn, plan, build, chunks))
            for plan in self.plans
        ]
        runner = self._runner
        return first_that_answers(legs, self._failover.statuses, runner.bench, runner.env, self.plans[0].deadline)

    def _share_files(self) -> None:
        first = self.plans[0].encoded.files
        if first is None or len(self.plans) == 1:
            return
        from ..request.multipart import read_files

        read = read_files(first)
        for plan in self.plans:
            plan.encoded = replace(plan.encoded, files={name: read[name] for name in plan.encoded.files or {}})


def find_failover(args: Mapping[str, Any], default: Failover | None) -> Failover | None:
    """Find the failover of a call: its own, else that of the SDK unless the call names its server.

    Raises:
        ConfigurationError: It is none, or the call names both its servers and one server.
    """
    named = next((name for name in ("server", "server_url") if args.get(name) is not None), None)
    if "failover" not in args:
        return default if named is None else None
    given = args["failover"]
    if given is not None and not isinstance(given, Failover):
        raise ConfigurationError(f"failover: must be a Failover or None, got {type(given).__name__}")
    if given is not None and named is not None:
        raise ConfigurationError(f"{named}: cannot be given together with failover, which names the servers")
    return given


def _turn(plan: Plan, build: BuildRequest, chunks: MakeChunks) -> Flow[Any]:
    """Ask one server, until there is a reply or the first event of a stream."""
    received = yield from plan.flow(build)
    if not plan.encoded.stream:
        return plan.reply(received)
    progress = plan.progress(received[0])
    yield from _begin(progress, chunks(progress.response, progress.countdown))
    return progress


def _begin(progress: Progress, chunks: Any) -> Flow[None]:
    """Read a stream up to its first event, which the stream hands out later; where it fails, let go of it."""
    progress.chunks = chunks
    decoder = progress.decoder
    try:
        while not (decoder.done or progress.at_end):
            progress.arm()
            raw = yield from pull(chunks)
            progress.at_end = raw is None
            events: Iterator[Any] = decoder.end() if raw is None else decoder.feed(raw)
            for event in events:
                progress.ahead = itertools.chain([event], events)
                return
    except GeneratorExit:
        raise  # the flow was dropped: nobody would perform what it asks for now
    except BaseException as exc:
        yield from close(chunks)
        yield from close(progress.response)
        error = progress.failed(exc) if isinstance(exc, Exception) else exc
        if error is exc:
            raise
        raise error from error.__cause__
