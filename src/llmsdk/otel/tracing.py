"""Calls as OpenTelemetry sees them: one span each, and three histograms."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from opentelemetry import metrics, propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from .._call.counts import token_counts
from .._version import __version__
from ..errors import APIStatusError, ReplyMeta
from ..observers import CallInfo
from ..utils.shapes import is_mapping
from ..utils.urls import origin

# Names and buckets: OpenTelemetry semantic conventions for generative AI, client spans and client metrics.
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = tuple(4**power for power in range(14))
_HISTOGRAMS = (
    ("operation.duration", "s", "Duration of a call, its retries and its stream included.", _SECONDS),
    ("operation.time_to_first_chunk", "s", "Time from the start of a streamed call to its first event.", _SECONDS),
    ("token.usage", "{token}", "Tokens in and out of a call.", _TOKENS),
)
_NUMBERS: dict[str, tuple[str, type[int] | type[float]]] = {
    "max_tokens": ("gen_ai.request.max_tokens", int),
    "max_completion_tokens": ("gen_ai.request.max_tokens", int),
    "seed": ("gen_ai.request.seed", int),
    "dimensions": ("gen_ai.embeddings.dimension.count", int),
    "temperature": ("gen_ai.request.temperature", float),
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", float),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
}
_MEASURED = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "server.address",
    "server.port",
    "error.type",
)

Attributes = dict[str, Any]


class Tracing:
    """The observer."""

    def __init__(self, tracer_provider: Any, meter_provider: Any, *, capture_content: bool) -> None:
        self.tracer = trace.get_tracer("llmsdk", __version__, tracer_provider)
        self.capture_content = capture_content
        meter = metrics.get_meter("llmsdk", __version__, meter_provider)
        self.duration, self.first_chunk, self.tokens = (
            meter.create_histogram(f"gen_ai.client.{name}", unit, text, explicit_bucket_boundaries_advisory=buckets)
            for name, unit, text, buckets in _HISTOGRAMS
        )
        self._late: deque[Callable[[], None]] = deque()  # whose append needs no lock

    def start(self, call: CallInfo) -> Traced | None:
        """Begin a span below the caller's own; None for what is no work of a model, such as a list of models."""
        self.settle()
        # A list of models or a file is no work of a model, and would only add to the noise.
        return None if call.traced_as is None else Traced(self, call.traced_as, call)

    def settle(self) -> None:
        """Record what dropped streams have left behind.

        A finalizer can run while this very thread holds a histogram's lock; so it only leaves its measurements here,
        and the next call records them.
        """
        while self._late:
            try:
                record = self._late.popleft()
            except IndexError:
                return  # another thread was faster
            record()

    def leave(self, record: Callable[[], None]) -> None:
        """Leave measurements behind."""
        self._late.append(record)


class Traced:
    """One call: a span over all its attempts, to the end of its stream."""

    def __init__(self, tracing: Tracing, operation: str, call: CallInfo) -> None:
        self._tracing = tracing
        self._began = time.perf_counter()  # the span has times of its own, which no metric can be read from
        self._first_s: float | None = None
        self._attributes: Attributes = {"gen_ai.operation.name": operation}
        model = call.params.get("model")
        self._attributes |= _place(call.server, call.base_url, model if isinstance(model, str) else None)
        self._attributes |= _asked(call)
        if tracing.capture_content:
            self._attributes |= _contents(call.params)
        name = f"{operation} {model}" if isinstance(model, str) else operation
        self._span = tracing.tracer.start_span(name, kind=SpanKind.CLIENT, attributes=self._attributes)

    def headers(self) -> Mapping[str, str]:
        """Write the span's context as the process's propagator does."""
        carrier: dict[str, str] = {}
        # The span is not the current one: the call may go on in another thread or task, or outlive its caller's block.
        propagate.inject(carrier, trace.set_span_in_context(self._span))
        return carrier

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """Note whose turn it is."""
        self._set(_place(server, base_url, model))

    def first_event(self) -> None:
        """Note how long the first event took."""
        self._first_s = time.perf_counter() - self._began
        self._set({"gen_ai.response.time_to_first_chunk": self._first_s})

    def finished(self, reply: Any, meta: ReplyMeta | None) -> None:
        """End the span of a call that brought a reply, or a part of one."""
        self._end(reply)

    def abandoned(self, reply: Any, meta: ReplyMeta | None) -> None:
        """End the span of a stream that was dropped."""
        self._end(reply, record=self._tracing.leave)

    def failed(self, error: BaseException, partial: Any) -> None:
        """End the span of a call that raised; the error's text stays out of it, since it may quote a prompt."""
        status = error.status_code if isinstance(error, APIStatusError) else None
        kind = type(error).__name__ if status is None else str(status)
        self._set({"error.type": kind})  # the status where there was one: few values, which metrics can bear
        self._span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        self._end(partial)

    def _end(self, reply: Any, record: Callable[[Callable[[], None]], None] | None = None) -> None:
        answered = _answered(reply)
        if self._tracing.capture_content:
            answered |= _answers(reply)
        self._set(answered)
        self._span.end()
        took = time.perf_counter() - self._began
        # Not every attribute of the span: each combination of values is a time series that somebody pays for.
        measured = {name: self._attributes[name] for name in _MEASURED if name in self._attributes}
        if record is None:
            self._record(took, measured)
        else:
            record(lambda: self._record(took, measured))

    def _record(self, took: float, measured: Attributes) -> None:
        tracing = self._tracing
        tracing.duration.record(took, measured)
        # The conventions name errors on durations alone.
        measured = {name: value for name, value in measured.items() if name != "error.type"}
        if self._first_s is not None:
            tracing.first_chunk.record(self._first_s, measured)
        for kind in ("input", "output"):
            count = self._attributes.get(f"gen_ai.usage.{kind}_tokens")
            if count is not None:
                tracing.tokens.record(count, {**measured, "gen_ai.token.type": kind})

    def _set(self, attributes: Attributes) -> None:
        self._attributes |= attributes
        self._span.set_attributes(attributes)


def _place(server: str, base_url: str, model: str | None) -> Attributes:
    _, host, port = origin(base_url)
    place: Attributes = {"gen_ai.provider.name": server, "server.address": host, "server.port": port}
    return place if model is None else {**place, "gen_ai.request.model": model}


def _asked(call: CallInfo) -> Attributes:
    """Read what the conventions want of a request."""
    params = call.params
    asked: Attributes = {}
    for name, (attribute, kind) in _NUMBERS.items():
        value = params.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            asked[attribute] = kind(value)
    if call.stream:
        asked["gen_ai.request.stream"] = True
    count = params.get("n")
    if isinstance(count, int) and count != 1:  # the conventions leave the usual one out
        asked["gen_ai.request.choice.count"] = count
    stop = params.get("stop")
    if stop:
        asked["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(one) for one in stop]
    if isinstance(params.get("encoding_format"), str):
        asked["gen_ai.request.encoding_formats"] = [params["encoding_format"]]
    if call.resource == "images":
        asked["gen_ai.output.type"] = "image"
    elif is_mapping(params.get("response_format")):
        kind_of = str(params["response_format"].get("type", ""))
        asked["gen_ai.output.type"] = "json" if kind_of.startswith("json") else "text"
    return asked


_COUNTS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read.input_tokens": "cached_tokens",
    "reasoning.output_tokens": "reasoning_tokens",
}


def _answered(reply: Any) -> Attributes:
    """Read what the conventions want of a reply."""
    found: Attributes = {
        "gen_ai.response.id": getattr(reply, "id", None),
        "gen_ai.response.model": getattr(reply, "model", None),
    }
    reasons = [getattr(choice, "finish_reason", None) for choice in getattr(reply, "choices", None) or ()]
    found["gen_ai.response.finish_reasons"] = [str(reason) for reason in reasons if reason is not None] or None
    counts = token_counts(getattr(reply, "usage", None))
    for attribute, name in _COUNTS.items():
        found[f"gen_ai.usage.{attribute}"] = counts.get(name)
    return {name: value for name, value in found.items() if value is not None}


# ------------------------------------------------------------------ contents


def _contents(params: Mapping[str, Any]) -> Attributes:
    """Write messages or a prompt as the conventions want them, as JSON."""
    if params.get("messages") is not None:
        messages = [_message(_plain(one)) for one in params["messages"]]
    elif params.get("prompt") is not None:
        messages = [{"role": "user", "parts": [{"type": "text", "content": params["prompt"]}]}]
    else:
        return {}
    contents = {"gen_ai.input.messages": _json(messages)}
    if params.get("tools"):
        contents["gen_ai.tool.definitions"] = _json([_plain(tool) for tool in params["tools"]])
    return contents


def _answers(reply: Any) -> Attributes:
    messages: list[dict[str, Any]] = []
    for choice in getattr(reply, "choices", None) or ():
        message = _plain(getattr(choice, "message", None)) or {"content": getattr(choice, "text", None)}
        written = _message({"role": "assistant", **message})
        messages.append({**written, "finish_reason": getattr(choice, "finish_reason", None)})
    return {"gen_ai.output.messages": _json(messages)} if messages else {}


def _message(message: Any) -> dict[str, Any]:
    role: Any = message.get("role") or "assistant"
    content: Any = message.get("content")
    if role == "tool":
        answer = {"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}
        return {"role": role, "parts": [answer]}
    parts: list[Any] = [{"type": "text", "content": content}] if isinstance(content, str) else []
    if isinstance(content, list | tuple):
        parts = [_part(_plain(one)) for one in cast("list[Any]", content)]
    calls: Any = message.get("tool_calls") or ()
    for call in calls:
        function: Any = call.get("function") or {}
        told = {"id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments")}
        parts.append({"type": "tool_call", **told})
    return {"role": role, "parts": parts}


def _part(part: Any) -> Any:
    is_text = is_mapping(part) and part.get("type") == "text"
    return {"type": "text", "content": part.get("text")} if is_text else part


def _plain(value: Any) -> Any:
    """Take a model apart; mappings stay."""
    return value.model_dump() if hasattr(value, "model_dump") else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)  # contents may hold anything, and must not break a call
