"""Calls that take several requests: one deadline over all of them, and what is sent back of a reply."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from ..errors import DeadlineExceededError
from ..models.chat import ChatCompletionResponse
from ..models.messages import ChatMessage, FunctionCall, ToolCall
from ..utils.shapes import as_list, is_listed, is_object


class TimeLeft:
    """Makes one `deadline_ms` bound several requests."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._limit_ms = args.get("deadline_ms")
        self._started: float | None = None

    def options(self) -> dict[str, Any]:
        """Return the option of the next request.

        Raises:
            DeadlineExceededError: No time is left.
        """
        # The first request gets the limit as given: what is wrong with it, the call itself says.
        if self._started is None or not isinstance(self._limit_ms, int | float):
            self._started = time.monotonic()
            return {} if self._limit_ms is None else {"deadline_ms": self._limit_ms}
        left = self._limit_ms - (time.monotonic() - self._started) * 1000
        if left <= 0:
            raise DeadlineExceededError("deadline_ms passed between two requests of one call")
        return {"deadline_ms": left}


def conversation(args: Mapping[str, Any]) -> list[Any] | None:
    """Copy the messages of a call; None where they are nothing to iterate, which the call itself refuses."""
    messages: Any = as_list(args.get("messages"))
    return list(messages) if is_listed(messages) else None


def said(reply: ChatCompletionResponse) -> ChatMessage:
    """Return the message of a reply so that it can be sent back: with a role, and arguments of calls as JSON objects.

    Servers parse the calls of a conversation, and one that they cannot read is refused in every later request too. The
    message that answers the call tells the model what was wrong with it.
    """
    message = reply.choices[0].message if reply.choices else ChatMessage(content="")
    message = message if message.role else message.model_copy(update={"role": "assistant"})
    if all(call.arguments == _object(call) for call in _functions(message)):
        return message
    message = message.model_copy(deep=True)
    for call in _functions(message):
        call.arguments = _object(call)
    return message


def _functions(message: ChatMessage) -> list[FunctionCall]:
    """List what is called: calls of other kinds have no function."""
    calls: Any = message.tool_calls
    found = [call for call in calls if isinstance(call, ToolCall)] if is_listed(calls) else []
    functions = [call.function for call in found if "function" in call.model_fields_set]
    return [*functions, *([message.function_call] if isinstance(message.function_call, FunctionCall) else [])]


def _object(function: FunctionCall) -> str:
    """Return arguments as a JSON object: none are an empty one, and what is no object stands in one as text."""
    text = arguments_of(function)
    try:
        is_whole = is_object(from_json(text, allow_inf_nan=False))
    except ValueError:
        is_whole = False
    return text if is_whole else json.dumps({"invalid_arguments": text}) if text.strip() else "{}"


def arguments_of(function: FunctionCall) -> str:
    """Return the arguments of a call as JSON text, where a server sent an object or nothing too; null is nothing."""
    arguments: Any = function.arguments
    if isinstance(arguments, str):
        return "" if arguments.strip() == "null" else arguments
    return "" if arguments is None else to_json(arguments, fallback=str).decode()
