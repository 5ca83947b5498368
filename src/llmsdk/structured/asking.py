"""`chat.parse`: ask for a form, read the answer, and ask again where it does not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from .._call.failover.plans import find_failover
from .._net.runner import Runner
from .._net.steps import Steps, take, take_async
from ..errors import RequestValidationError
from ..models.chat import ChatCompletionResponse
from ..providers.spec import Provider, Structured
from ..resources.operations.chat import CREATE_CHAT_COMPLETION
from .forms import Ask, Unfit, form_of
from .replies import ParsedChatCompletion, with_parsed
from .steps import TimeLeft, conversation
from .streams import ParsedEventStream, ParsedEventStreamAsync

T = TypeVar("T")

_REFUSED = {
    "tools": "the answer is what is parsed; let chat.run_tools call tools first",
    "tool_choice": "the answer is what is parsed; let chat.run_tools call tools first",
    "chat_completion_request": "chat.parse takes its parameters one by one",
}


class _Asking(Generic[T]):
    """One call of `parse`, without its I/O."""

    def __init__(self, runner: Runner, response_format: Any, args: Mapping[str, Any], max_reasks: int) -> None:
        self._args = args
        self._max_reasks = _checked(args, max_reasks)
        form = form_of(response_format)
        self.ask = Ask[T](form, common(_servers(runner, args)))
        self._messages = conversation(args)
        self._time = TimeLeft(args)

    def request(self, more: list[Any] | None = None) -> dict[str, Any]:
        """Make the arguments of a request; what is no conversation goes as it is, for the call to refuse."""
        if self._messages is None:
            return dict(self._args)
        messages = [*self._messages, *(more or ())]
        return {**self._args, **self.ask.params(messages), **self._time.options()}

    # Written once, and taken by a sync and an async caller: what differs is how a request is sent.
    def steps(self) -> Steps[dict[str, Any], ParsedChatCompletion[T]]:
        """Yield the requests, be sent the replies."""
        more: list[Any] = []
        reasks = 0
        while True:
            reply: ChatCompletionResponse = yield self.request(more)
            reply.meta.structured = self.ask.way
            try:
                return with_parsed(reply, self.ask.judge(reply), reasks)
            except Unfit as exc:
                unfit = exc
            # Asked again, an answer that max_tokens cut would be cut again.
            if reasks == self._max_reasks or unfit.too_long:
                raise unfit.error
            more += self.ask.again(reply, unfit.told)
            reasks += 1


def _servers(runner: Runner, args: Mapping[str, Any]) -> list[Structured]:
    """Find how the servers that a call may go to take the form of an answer."""
    providers: Sequence[Provider] = ()
    if runner.config.failover is not None or "failover" in args:
        failover = find_failover(args, runner.config.failover)
        providers = failover.servers if failover is not None else ()
    if not providers:
        providers = [runner.target(args.get("server"), args.get("server_url")).provider]
    routes = [provider.routes.get(CREATE_CHAT_COMPLETION.id) for provider in providers]
    return [route.structured for route in routes if route is not None]  # one without chat refuses the call itself


def common(servers: Sequence[Structured]) -> Structured:
    """Find what several servers take in common; where their ways differ, a forced tool, which all have."""
    # The request is made before it is known which server takes it, so that it has to suit all of them.
    first = servers[0] if servers else Structured()
    formats = first.formats
    for server in servers:
        if server.formats is not None:
            formats = server.formats if formats is None else formats & server.formats
    return Structured(
        way=first.way if all(server.way == first.way for server in servers) else "tool",
        strict=all(server.strict for server in servers),
        lacks=frozenset[str]().union(*(server.lacks for server in servers)),
        formats=formats,
    )


def _checked(args: Mapping[str, Any], max_reasks: Any) -> int:
    for name, reason in _REFUSED.items():
        if name in args:
            raise RequestValidationError(f"{name}: not with chat.parse; {reason}", param=name)
    if not isinstance(max_reasks, int) or isinstance(max_reasks, bool) or max_reasks < 0:
        raise RequestValidationError("max_reasks: must be a whole number, at least 0", param="max_reasks")
    # What the caller has printed cannot be taken back.
    if max_reasks and args.get("stream") is True:
        raise RequestValidationError(
            "max_reasks: not with stream, whose events are handed out before the answer is judged", param="max_reasks"
        )
    return max_reasks


def parse(runner: Runner, response_format: Any, args: Mapping[str, Any], max_reasks: int) -> Any:
    """Ask, and wait for an answer that fits; or begin its stream."""
    asking = _Asking[Any](runner, response_format, args, max_reasks)
    if args.get("stream") is True:
        return ParsedEventStream[Any](runner.call(CREATE_CHAT_COMPLETION, asking.request()), asking.ask)
    return take(asking.steps(), lambda request: runner.call(CREATE_CHAT_COMPLETION, request))


async def parse_async(runner: Runner, response_format: Any, args: Mapping[str, Any], max_reasks: int) -> Any:
    """Ask, and await an answer that fits; or begin its stream."""
    asking = _Asking[Any](runner, response_format, args, max_reasks)
    if args.get("stream") is True:
        stream = await runner.call_async(CREATE_CHAT_COMPLETION, asking.request())
        return ParsedEventStreamAsync[Any](stream, asking.ask)
    return await take_async(asking.steps(), lambda request: runner.call_async(CREATE_CHAT_COMPLETION, request))
