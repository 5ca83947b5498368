"""The calls of a check, one after the other; each is yielded, and its reply or error is sent back."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .._call.preview import Preview
from .._call.usage import UsageTotals
from ..errors import (
    APIConnectionError,
    APIStatusError,
    BudgetExceededError,
    ConfigurationError,
    SDKError,
    StreamInterruptedError,
    UnsupportedOperationError,
)
from ..providers.spec import Provider, Route
from . import findings
from .report import CHAT, CheckReport, Finding

MAX_TOKENS = 256
"""Of each answer: room for a model that reasons before it says a word."""
MOST_REQUESTS = 12
MOST_TOKENS = 12_000

WEATHER = "get_weather"
TIME = "get_time"
_CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": WEATHER, "description": "Weather of a city.", "parameters": _CITY}},
    {"type": "function", "function": {"name": TIME, "description": "Time in a city.", "parameters": _CITY}},
]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}}
NO_MODEL = "no-such-model-llmsdk-check"


@dataclass(frozen=True, slots=True)
class Ask:
    """A call to make: the way to the method on the SDK, and its arguments."""

    method: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    given: tuple[Any, ...] = ()


Steps = Generator[Ask, Any, CheckReport]


def check_steps(sdk: Any, planning: Any, model: str) -> Steps:
    """Make the calls of a check.

    Args:
        sdk: Makes the calls.
        planning: Says what they would send.

    Raises:
        SDKError: The plain question got no answer: a wrong key, no connection.
    """
    return (yield from _Check(sdk, planning, model).steps())


class _Check:
    def __init__(self, sdk: Any, planning: Any, model: str) -> None:
        self._sdk = sdk
        self._planning = planning
        self._target = sdk._runner.target(None, None)
        self._provider: Provider = self._target.provider
        self._base_url: str = self._target.base_url
        route = self._provider.routes.get(CHAT)
        if route is None:
            raise UnsupportedOperationError(
                f"check: server {self._provider.name!r} has no chat, which is what is checked",
                operation=CHAT,
                server=self._provider.name,
                servers=(),
            )
        self._route: Route = route
        self._model = model
        self._found: list[Finding] = []
        self._bound = "max_tokens"
        self._sent = 0

    def steps(self) -> Steps:
        """Ask, look, and report."""
        yield from self._models()
        reply = yield from self._plain()
        yield from self._streams()
        yield from self._tools(reply)
        yield from self._schema()
        yield from self._errors()
        usage: UsageTotals = self._sdk.usage
        return CheckReport(
            self._provider.name,
            self._base_url,
            self._model,
            tuple(self._found),
            self._sent,
            usage.total_tokens,
            self._provider,
            self._target.key is not None,
        )

    # ------------------------------------------------------------------ asking

    def _ask(self, method: str, *given: Any, **args: Any) -> Generator[Ask, Any, Any]:
        """Make a call; an error is an answer, unless it says that no call can have one."""
        self._sent += 1
        outcome = yield Ask(method, args, given)
        is_lost = isinstance(outcome, APIConnectionError) and not isinstance(outcome, StreamInterruptedError)
        if is_lost or isinstance(outcome, BudgetExceededError):
            raise outcome
        return outcome

    def _chat(self, text: str, **more: Any) -> Generator[Ask, Any, Any]:
        return self._ask("chat.create", **self._params(text, **more))

    def _params(self, text: str, **more: Any) -> dict[str, Any]:
        messages = more.pop("messages", None) or [{"role": "user", "content": text}]
        return {"model": self._model, "messages": messages, self._bound: MAX_TOKENS, **more}

    def _raw(self, text: str, **more: Any) -> Generator[Ask, Any, Any]:
        """Ask for a stream, and take the bytes as they come."""
        try:
            preview: Preview = self._planning.chat.preview(**self._params(text, stream=True, **more))
        except SDKError as exc:
            return exc
        parts, base = urlsplit(preview.url), urlsplit(self._base_url)
        path = parts.path[len(base.path.rstrip("/")) :]
        query = dict(pair for pair in parse_qsl(parts.query) if pair not in parse_qsl(base.query))
        return (yield from self._ask("post", path, body=preview.body, query=query, cast_to=bytes))

    # ------------------------------------------------------------------ looking

    def _models(self) -> Generator[Ask, Any, None]:
        has_list = "listModels" in self._provider.routes
        if not has_list:
            self._found.append(Finding("models", "no list", "not asked", None))
            return
        self._found.append(findings.of_models((yield from self._ask("models.list")), self._model))

    def _plain(self) -> Generator[Ask, Any, Any]:
        reply = yield from self._chat("Say the word blue.")
        if isinstance(reply, APIStatusError) and "max_completion_tokens" in reply.message:
            said = "refused; max_completion_tokens is what it takes"
            fields = {"rename": {**self._route.rename, "max_tokens": "max_completion_tokens"}}
            self._found.append(Finding("max_tokens", "accepted", said, False, route=fields))
            self._bound = "max_completion_tokens"
            reply = yield from self._chat("Say the word blue.")
        if isinstance(reply, SDKError):
            raise reply  # nothing more could be told from further calls
        self._found += findings.of_reply(reply, self._provider, self._route)
        return reply

    def _streams(self) -> Generator[Ask, Any, None]:
        if not self._route.streams:
            self._found.append(Finding("stream", "no streams", "not asked", None))
            return
        wish = dict(self._route.usage_wish) or {"stream_options": {"include_usage": True}}
        bare = yield from self._raw("Say the word blue.")
        wished = yield from self._raw("Say the word blue.", **wish)
        self._found += findings.of_stream(bare, wished, wish, self._provider, self._route)

    def _tools(self, reply: Any) -> Generator[Ask, Any, None]:
        if "tools" in self._route.unsupported:
            self._found.append(Finding("tools", "no tools", "not asked", None))
            return
        asked = "What is the weather in Paris? Call get_weather."
        choice = {} if "tool_choice" in self._route.unsupported else {"tool_choice": "auto"}
        called = yield from self._chat(asked, tools=TOOLS[:1], **choice)
        self._found.append(findings.of_tools(called))
        both = "Call both get_weather and get_time for Paris, at once."
        streams = self._route.streams
        parallel = yield from self._chat(both, tools=TOOLS, **choice, **({"stream": True} if streams else {}))
        self._found.append(findings.of_parallel(parallel, is_streamed=streams))
        message = None if isinstance(called, SDKError) else called.choices[0].message
        calls = None if message is None else message.tool_calls
        if not calls:
            self._found.append(Finding("tool result", "accepted", "no call to answer", None))
            return
        messages: list[Any] = [{"role": "user", "content": asked}, message]
        messages += [{"role": "tool", "tool_call_id": one.id, "content": '{"sky": "clear"}'} for one in calls]
        self._found.append(findings.of_turn((yield from self._chat("", messages=messages, tools=TOOLS[:1]))))

    def _schema(self) -> Generator[Ask, Any, None]:
        way = self._route.structured.way
        if "response_format" in self._route.unsupported or way != "json_schema":
            self._found.append(Finding("json schema", way, "not asked", None))
            return
        text = "Which city is the capital of France, and what is its country? Answer in JSON."
        reply = yield from self._chat(text, response_format=FORM)
        self._found.append(findings.of_schema(reply, self._route))

    def _errors(self) -> Generator[Ask, Any, None]:
        for what, args in (
            ("unknown model", {**self._params("Hi"), "model": NO_MODEL}),
            ("bad value", {**self._params("Hi"), "extra_body": {"temperature": "hot"}}),
        ):
            self._found += findings.of_error(what, (yield from self._ask("chat.create", **args)), self._provider)


def announcement(sdk: Any, model: str) -> str:
    """Say what a check is about to do, and what that may cost."""
    target = sdk._runner.target(None, None)
    prices: Any = sdk._runner.config.prices
    price = None if prices is None else prices.get((target.provider.name, model)) or prices.get(model)
    cost = "" if price is None else f", which cost {price.most(MOST_TOKENS, MOST_TOKENS):.4f} at the most"
    return (
        f"asks {model} at {target.base_url}, as {target.provider.name!r} speaks, with at most {MOST_REQUESTS} requests "
        f"of {MAX_TOKENS} tokens to generate each, some {MOST_TOKENS:,} tokens in all at the most{cost}"
    )


def checked_model(model: Any) -> str:
    """Check the one argument.

    Raises:
        ConfigurationError: It is no name.
    """
    if not isinstance(model, str) or not model:
        raise ConfigurationError(f"model: must be the name of a model, got {json.dumps(model, default=repr)[:40]}")
    return model
