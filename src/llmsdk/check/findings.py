"""What follows from an answer: each function looks at one kind of it, and says what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .._call.counts import counts_of
from ..errors import APIStatusError, ConfigurationError, RequestValidationError, SDKError
from ..providers.spec import LimitHeaders, Provider, Route, Turns
from ..utils.shapes import is_list, is_object
from .look import RawStream, id_headers, limit_fields, limit_headers, raw_stream, text_path
from .report import Finding

_REASONING = ("reasoning_content", "reasoning")
_TAG = "<think>"
_ENDS = ("stop", "length", "tool_calls", "eos", "end_turn")


def failed(what: str, expected: str, error: Exception, **fixes: Any) -> Finding:
    """Make the finding of a call that raised."""
    status = f"{error.status_code}: " if isinstance(error, APIStatusError) else f"{type(error).__name__}: "
    # What we refuse before sending is what the dialect says already.
    fits = None if isinstance(error, RequestValidationError | ConfigurationError) else False
    return Finding(what, expected, f"{status}{getattr(error, 'message', error)}", fits, **fixes)


def of_models(reply: Any, model: str) -> Finding:
    """Look at the list of models."""
    if isinstance(reply, SDKError):
        return failed("models", "a list", reply, provider={"lacks": ("listModels",)})
    names = [one.id for one in reply.data]
    place = "among them" if model in names else "not among them"
    return Finding("models", "a list", f"{len(names)} models, this one {place}")


def of_reply(reply: Any, provider: Provider, route: Route) -> list[Finding]:
    """Look at a plain answer and its headers."""
    choice = reply.choices[0]
    found = [
        Finding("answer", "text", repr(reply.text[:30]), bool(reply.text) or choice.finish_reason == "length"),
        Finding("finish reason", "stop", str(choice.finish_reason), choice.finish_reason in _ENDS),
        Finding("id", "a text", str(reply.id), isinstance(reply.id, str) and reply.id != ""),
    ]
    counts = counts_of(reply.usage)
    seen = "none" if counts is None else f"{counts.total} tokens"
    found.append(Finding("usage", "token counts", seen, counts is not None and counts.prompt > 0))
    found.append(_reasoning(choice.message, reply.text, route))
    return [*found, *_of_headers(reply.meta.headers, reply.meta.request_id, provider)]


def _reasoning(message: Any, text: str, route: Route) -> Finding:
    turns = route.turns or Turns()
    fields = message.model_dump(exclude_unset=True)
    named = next((name for name in _REASONING if fields.get(name)), None)
    expected = "<think> tags" if turns.tagged else turns.reasoning or "any field"
    if _TAG in str(fields.get("content") or ""):
        fixes = {"turns": _changed(turns, tagged=True)}
        return Finding("reasoning", expected, "<think> tags in the text", turns.tagged, route=fixes)
    if named is None:
        return Finding("reasoning", expected, "none", None)
    fits = turns.reasoning in (None, named)
    return Finding("reasoning", expected, named, fits, route={"turns": _changed(turns, reasoning=named)})


def _of_headers(headers: Mapping[str, str], request_id: str | None, provider: Provider) -> list[Finding]:
    ids, limits = id_headers(headers), limit_headers(headers)
    expected = " or ".join(provider.request_id) or "none"
    found: list[Finding] = []
    if request_id is not None:
        found.append(Finding("request id", expected, request_id))
    elif ids:
        found.append(Finding("request id", expected, f"in {', '.join(ids)}", False, provider={"request_id": ids}))
    else:
        found.append(Finding("request id", expected, "none", None))
    known = [name for name in limits if name in provider.limits.all]
    if not limits:
        found.append(Finding("limit headers", "some", "none", None))
    elif known:
        found.append(Finding("limit headers", "some", ", ".join(known)))
    else:
        fields: dict[str, Any] = limit_fields(limits)
        fixes = {"limits": LimitHeaders(**fields)}
        found.append(
            Finding("limit headers", provider.limits.requests_limit[0], ", ".join(limits), False, provider=fixes)
        )
    return found


def of_stream(bare: Any, wished: Any, wish: Mapping[str, Any], provider: Provider, route: Route) -> list[Finding]:
    """Look at two streams: one as it comes, one that was asked for its token counts."""
    if isinstance(bare, SDKError):
        return [failed("stream", "events", bare, route={"streams": False})]
    stream = raw_stream(bare)
    if not stream.events:
        return [Finding("stream", "events", f"no event, {len(bare)} bytes", False, route={"streams": False})]
    found = [Finding("stream", "events", f"{len(stream.events)} events"), _end_mark(stream, provider, route)]
    if route.codec is None:
        ends = _finish_reasons(stream)
        found.append(Finding("finish in streams", "a finish reason", ", ".join(ends) or "none", bool(ends)))
    return [*found, _stream_usage(stream, wished, wish, route)]


def _end_mark(stream: RawStream, provider: Provider, route: Route) -> Finding:
    wanted = provider.sentinel.decode("utf-8", "replace")
    if route.codec is not None:
        return Finding("end mark", "an event of the protocol", "not looked at", None)
    if stream.mark == provider.sentinel:
        return Finding("end mark", wanted, wanted)
    if not stream.mark:
        fixes = {"ends_with_connection": True}
        return Finding("end mark", wanted, "none", route.ends_with_connection, route=fixes)
    seen = stream.mark[:40].decode("utf-8", "replace")
    return Finding("end mark", wanted, seen, False, provider={"sentinel": stream.mark})


def _finish_reasons(stream: RawStream) -> list[str]:
    choices = [one for event in stream.events for one in event.get("choices") or () if is_object(one)]
    return list(dict.fromkeys(str(one["finish_reason"]) for one in choices if one.get("finish_reason")))


def _stream_usage(stream: RawStream, wished: Any, wish: Mapping[str, Any], route: Route) -> Finding:
    expected = "when asked" if route.usage_wish else "unasked, or never"
    if stream.usage:
        return Finding("usage in streams", expected, "unasked")
    if isinstance(wished, SDKError):
        fits = None if isinstance(wished, RequestValidationError) else not route.usage_wish
        return Finding("usage in streams", expected, "never; asking is refused", fits, route={"usage_wish": {}})
    if raw_stream(wished).usage:
        return Finding(
            "usage in streams", expected, "when asked", bool(route.usage_wish), route={"usage_wish": dict(wish)}
        )
    return Finding("usage in streams", expected, "never", not route.usage_wish, route={"usage_wish": {}})


def of_tools(reply: Any) -> Finding:
    """Look at an answer that should call a tool."""
    if isinstance(reply, SDKError):
        lacks = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
        return failed("tools", "a call", reply, route={"unsupported": lacks})
    calls: list[Any] = reply.choices[0].message.tool_calls or []
    if not calls:
        return Finding("tools", "a call", f"text: {reply.text[:30]!r}", None)
    return _calls("tools", "a call with id, name and JSON", calls)


def _calls(what: str, expected: str, calls: Any) -> Finding:
    for call in calls:
        arguments = call.function.arguments if call.function is not None else None
        if not call.id:
            return Finding(what, expected, "a call without id", False)
        if not isinstance(arguments, str):
            return Finding(what, expected, f"arguments that are {type(arguments).__name__}", False)
        try:
            json.loads(arguments)
        except ValueError:
            return Finding(what, expected, "arguments that are no JSON", False)
    return Finding(what, expected, ", ".join(f"{call.function.name}({call.function.arguments})" for call in calls))


def of_parallel(outcome: Any, *, is_streamed: bool) -> Finding:
    """Look at an answer that should call two tools at once."""
    expected = "two calls, streamed" if is_streamed else "two calls"
    if isinstance(outcome, SDKError):
        return failed("parallel calls", expected, outcome)
    calls: list[Any] = outcome.choices[0].message.tool_calls or []
    if len(calls) < 2:
        return Finding("parallel calls", expected, f"{len(calls)} of them", None)
    if len({call.id for call in calls}) < len(calls):
        return Finding("parallel calls", expected, "calls with one id", False)
    return _calls("parallel calls", expected, calls)


def of_turn(reply: Any) -> Finding:
    """Look at the answer to a tool's result."""
    if isinstance(reply, SDKError):
        return failed("tool result", "accepted", reply)
    return Finding("tool result", "accepted", f"accepted: {reply.text[:30]!r}")


def of_schema(reply: Any, route: Route) -> Finding:
    """Look at an answer in the form of a JSON schema."""
    lesser = _changed(route.structured, way="json_object", strict=False)
    if isinstance(reply, SDKError):
        return failed("json schema", "an object that fits", reply, route={"structured": lesser})
    try:
        value: Any = json.loads(reply.text)
    except ValueError:
        seen = f"no JSON: {reply.text[:30]!r}"
        fits = None if reply.choices[0].finish_reason == "length" else False
        return Finding("json schema", "an object that fits", seen, fits, route={"structured": lesser})
    fits = is_object(value) and value.keys() == {"city", "country"}
    return Finding("json schema", "an object that fits", reply.text[:60], fits, route={"structured": lesser})


def of_error(what: str, outcome: Any, provider: Provider) -> list[Finding]:
    """Look at the error of a request that is wrong."""
    if not isinstance(outcome, SDKError):
        return [Finding(what, "an error", "accepted all the same", None)]
    if not isinstance(outcome, APIStatusError):
        return [failed(what, "a status of 400 or above", outcome)]
    expected = "a status of 400 to 499, and a text"
    is_body = is_object(outcome.data) or is_list(outcome.data)
    path = text_path(outcome.data) if is_body else None
    fixes: dict[str, Any] = {}
    if path is not None and (not outcome.message or len(outcome.message.split()) < 2):
        fixes = {"error": _changed(provider.error, message=(path, *provider.error.message))}
    fits = 400 <= outcome.status_code < 500 and is_body and not fixes
    seen = f"{outcome.status_code}: {outcome.message}" if is_body else f"{outcome.status_code}, and no JSON"
    return [Finding(what, expected, seen, fits, provider=fixes)]


def _changed(record: Any, **fields: Any) -> Any:
    """Make a record that differs in some fields."""
    kind: Any = record.__class__
    return kind(**{name: getattr(record, name) for name in kind.takes} | fields)
