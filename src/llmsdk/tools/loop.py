"""The loop over tools: which request comes next, which calls are run, what the model is told."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pydantic_core import to_json

from .._net.steps import Steps
from ..errors import MaxRoundsError, RequestValidationError, SDKError, ToolCallError
from ..models.chat import ChatCompletionResponse
from ..models.messages import ToolCall
from ..structured.steps import TimeLeft, arguments_of, conversation, said
from ..utils.shapes import is_listed, is_mapping, quoted
from .functions import BadArgumentsError, Tool, made_tool
from .rounds import Round, ToolResult, ToolRun

_POLICIES = ("reply", "raise")
_PAUSED = "pause_turn"  # the server's own tools are not done: it goes on once it gets its message back


@dataclass(frozen=True)
class Request:
    """A step: ask the model."""

    args: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One call of a tool: either something to run, or what is wrong with the call."""

    id: str | None
    name: str
    arguments: str
    run: Callable[[], Any] | None = None
    is_async: bool = False
    problem: ToolCallError | None = None
    told: str = ""

    def succeeded(self, value: Any) -> ToolResult:
        """Make the result of what the function gave back."""
        try:
            content = value if isinstance(value, str) else to_json(value, fallback=str, bytes_mode="base64").decode()
        except Exception as exc:  # whatever an odd value does while it is written
            return self.failed(exc)
        return ToolResult(id=self.id, name=self.name, arguments=self.arguments, content=content, value=value)

    def failed(self, error: Exception) -> ToolResult:
        """Make the result of an exception."""
        text = self.told or f"{type(error).__name__}: {error}"
        return ToolResult(id=self.id, name=self.name, arguments=self.arguments, content=f"Error: {text}", error=error)


@dataclass(frozen=True)
class Jobs:
    """A step: run these; `stops` says that the first failure ends the loop."""

    jobs: list[Job]
    stops: bool


@dataclass(frozen=True)
class Tell:
    """A step: tell the caller's `on_round`."""

    round: Round


Step: TypeAlias = Request | Jobs | Tell


class Loop:
    """One call of `run_tools`, without its I/O; `messages` and `rounds` grow as it goes on."""

    def __init__(
        self, tools: Any, args: Mapping[str, Any], max_rounds: Any, on_error: Any, on_round: Any, *, is_async: bool
    ) -> None:
        self._tools, self._params = _known(tools)
        self._max_rounds = _checked_rounds(max_rounds)
        if not isinstance(on_error, str) or on_error not in _POLICIES:
            raise _invalid("on_error", f"must be 'reply' or 'raise', got {quoted(on_error)}")
        if "chat_completion_request" in args:
            raise _invalid("chat_completion_request", "chat.run_tools accepts its parameters by keyword only")
        self._raises = on_error == "raise"
        self.on_round: Callable[[Round], Any] | None = _checked_callback(on_round)
        if not is_async:
            _refuse_async([*self._tools.values(), self.on_round])
        self._args = dict(args)
        messages = conversation(args)
        self._has_conversation = messages is not None
        self.messages: list[Any] = messages or []
        self.rounds: list[Round] = []
        self._time = TimeLeft(args)

    def _request(self) -> Request:
        args = {**self._args, "tools": self._params, **self._time.options()}
        if self._has_conversation:  # what is none goes as it is, for the call to refuse
            args["messages"] = list(self.messages)
        if self.rounds and args.get("tool_choice") not in (None, "none"):
            args["tool_choice"] = "auto"  # a demand for a call would be obeyed for ever
        return Request(args)

    def steps(self) -> Steps[Step, ToolRun]:
        """Yield what is to be done, be sent what came of it."""
        for number in range(1, self._max_rounds + 1):
            reply: ChatCompletionResponse = yield self._request()
            # A copy for errors, which keep the conversation as it was when the model was asked.
            before = list(self.messages)
            # Also where no tool is called: the conversation ends with what the model said.
            self.messages.append(said(reply))
            calls = reply.tool_calls
            results: list[ToolResult] = []
            # The calls of the last round are not run: nobody would see their results.
            if calls and number < self._max_rounds:
                results = yield Jobs([self._job(call, reply, before) for call in calls], self._raises)
                self.messages += [result.message for result in results]
            self.rounds.append(Round(number, reply, tuple(results)))
            # Told before an error is raised, so that `on_round` sees every round.
            yield Tell(self.rounds[-1])
            if not calls and not _is_paused(reply):
                return ToolRun(reply, self.messages, tuple(self.rounds))
            if self._raises:
                _raise_first(results, number)
        raise self._unfinished()

    def _job(self, call: ToolCall, reply: ChatCompletionResponse, before: list[Any]) -> Job:
        name = str(call.function.name or "")
        text = arguments_of(call.function)
        # Some servers give none; then the order of the messages has to do.
        sent: Any = call.id
        identity = sent if isinstance(sent, str) else None
        found = self._tools.get(name)
        if found is None:
            error = ToolCallError(
                "the model called a tool that it was not given; `.reply` holds the call",
                reply=reply,
                messages=before,
                meta=reply.meta,
            )
            # The model is told the names, so that it can choose again; the error keeps them from logs.
            told = f"there is no tool {name!r}; there are: {', '.join(self._tools) or 'none'}"
            return Job(identity, name, text, problem=error, told=told)
        try:
            return Job(identity, name, text, run=found.bind(text), is_async=found.is_async)
        except BadArgumentsError as exc:
            error = ToolCallError(
                f"the model called {name} with arguments that do not fit: {exc}",
                reply=reply,
                tool=name,
                problems=exc.problems,
                messages=before,
                meta=reply.meta,
            )
            return Job(identity, name, text, problem=error, told=exc.told)

    def _unfinished(self) -> MaxRoundsError:
        reply = self.rounds[-1].reply
        return MaxRoundsError(
            f"the model still calls tools after max_rounds={self._max_rounds}; `.messages` holds the conversation",
            reply=reply,
            text=reply.text,
            messages=self.messages,
            rounds=self.rounds,
            meta=reply.meta,
        )


def _is_paused(reply: ChatCompletionResponse) -> bool:
    return bool(reply.choices) and reply.choices[0].finish_reason == _PAUSED


def _raise_first(results: list[ToolResult], number: int) -> None:
    for result in results:
        if result.error is not None:
            if not isinstance(result.error, SDKError):
                # The traceback ends in the tool's own code, and does not say who called it.
                result.error.add_note(f"raised by the tool {result.name}, called by the model in round {number}")
            raise result.error


def _invalid(param: str, text: str) -> RequestValidationError:
    return RequestValidationError(f"{param}: {text}", param=param)


def _known(tools: Any) -> tuple[dict[str, Tool[..., Any]], list[Any]]:
    """Tell the tools that are run here by name, and give the parameter of all."""
    if not is_listed(tools):
        raise _invalid("tools", f"must be a list of functions, got {type(tools).__name__}")
    found: dict[str, Tool[..., Any]] = {}
    params: list[Any] = []
    for one in tools:
        if is_mapping(one):
            # A dict of another type is a tool that the server runs, such as a search.
            if one.get("type") == "function":
                raise _invalid("tools", "a dict can't be called; pass the function itself")
            params.append(one)
            continue
        made: Tool[..., Any] = cast("Any", one) if isinstance(one, Tool) else made_tool(one)
        if made.name in found:
            raise _invalid("tools", f"two are named {made.name!r}; rename one by tool(..., name=...)")
        found[made.name] = made
        params.append(made.param)
    if not params:
        raise _invalid("tools", "must hold at least one function; without tools use chat.create")
    return found, params


def _checked_rounds(max_rounds: Any) -> int:
    if not isinstance(max_rounds, int) or isinstance(max_rounds, bool) or max_rounds < 1:
        raise _invalid("max_rounds", "must be a whole number, at least 1")
    return max_rounds


def _checked_callback(on_round: Any) -> Callable[[Round], Any] | None:
    if on_round is not None and not callable(on_round):
        raise _invalid("on_round", f"must be a function, got {type(on_round).__name__}")
    checked: Callable[[Round], Any] | None = on_round
    return checked


def _refuse_async(callers: list[Any]) -> None:
    for caller in callers:
        if isinstance(caller, Tool):
            if caller.is_async:
                raise _invalid("tools", f"{caller.name} is async, and a sync call cannot await it; use run_tools_async")
        elif inspect.iscoroutinefunction(caller):
            raise _invalid("on_round", "is async, and a sync call cannot await it; use run_tools_async")
