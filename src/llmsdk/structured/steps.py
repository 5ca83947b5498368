"""Calls that take several requests: one deadline over all of them, and what is sent back of a reply."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from ..errors import DeadlineExceededError
from ..models.chat import ChatCompletionResponse
from ..models.messages import ChatMessage, ToolCall
from ..utils.shapes import is_listed


class TimeLeft:
    """Makes one `deadline_ms` bound several requests."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        self._limit_ms = args.get("deadline_ms")
        self._started: float | None = None

    def options(self) -> dict[str, Any]:
        """Give the option of the next request.

        Raises:
            DeadlineExceededError: No time is left.
        """
        if self._started is None or not isinstance(self._limit_ms, int | float):
            self._started = time.monotonic()
            return {} if self._limit_ms is None else {"deadline_ms": self._limit_ms}
        left = self._limit_ms - (time.monotonic() - self._started) * 1000
        if left <= 0:
            raise DeadlineExceededError("deadline_ms passed between two requests of one call")
        return {"deadline_ms": left}


def conversation(args: Mapping[str, Any]) -> list[Any] | None:
    """Copy the messages of a call; None where they are no list, which the call itself refuses."""
    messages: Any = args.get("messages")
    return list(messages) if is_listed(messages) else None


def said(reply: ChatCompletionResponse) -> ChatMessage:
    """Give the message of a reply so that it can be sent back: with a role, and arguments of calls as text."""
    message = reply.choices[0].message if reply.choices else ChatMessage(content="")
    message = message if message.role else message.model_copy(update={"role": "assistant"})
    if all(isinstance(call.function.arguments, str) for call in reply.tool_calls):
        return message
    message = message.model_copy(deep=True)
    for call in message.tool_calls or ():
        call.function.arguments = arguments_of(call)
    return message


def arguments_of(call: ToolCall) -> str:
    """Give the arguments of a call as JSON text, where a server sent an object or nothing too."""
    arguments: Any = call.function.arguments
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else to_json(arguments, fallback=str).decode()
