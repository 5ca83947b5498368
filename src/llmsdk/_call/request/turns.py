"""Messages of earlier turns, as the server in use takes them: they may be another server's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...models._thoughts import thinking_of
from ...providers.spec import Turns
from ...utils.shapes import is_list, is_object

# Content in a protocol of its own, which servers of other protocols refuse.
_BLOCKS = frozenset({"blocks", "blocks_of"})
_REASONING = ("reasoning", "reasoning_content")
# What servers put on their messages and calls for themselves, and others refuse or misread.
_FOREIGN = frozenset(
    {*_BLOCKS, *_REASONING}
    | {"reasoning_details", "thinking_blocks", "executed_tools", "extra_content", "provider_specific_fields"}
    | {"graph_data", "citations", "search_results", "images", "annotations", "channel", "audio_tokens"}
)
# What every server knows of a message and of a call.
_COMMON = frozenset({"role", "content", "name", "tool_calls", "function_call"})
_COMMON_OF_CALL = frozenset({"id", "type", "function", "custom"})
_BLANK = " "


def turned(messages: list[Any], turns: Turns | None) -> list[Any]:
    """Write messages as a server takes them; those of the user, and what nothing is to be changed in, stay the same."""
    if turns is None:
        return [_without(message, _BLOCKS) if is_object(message) else message for message in messages]
    return [
        _assistant(message, turns) if is_object(message) and message.get("role") == "assistant" else message
        for message in messages
    ]


def _assistant(message: dict[str, Any], turns: Turns) -> dict[str, Any]:
    thought = _thought(message)
    content = message.get("content")
    made = _left(message, turns, _COMMON)
    if is_list(content) and (thinking := thinking_of(content)) and "content" not in turns.keeps:
        thought = thought or thinking
        made["content"] = [part for part in content if not (is_object(part) and thinking_of(part))] or None
    calls = message.get("tool_calls")
    if is_list(calls):
        made["tool_calls"] = [_call(call, turns) if is_object(call) else call for call in calls]
    if turns.reasoning is not None and (thought or (turns.required and calls)):
        made[turns.reasoning] = thought or _BLANK
    return made


def _call(call: Mapping[str, Any], turns: Turns) -> dict[str, Any]:
    return {**turns.call_default, **_left(call, turns, _COMMON_OF_CALL)}


def _thought(message: Mapping[str, Any]) -> str:
    found = (message.get(name) for name in _REASONING)
    return next((text for text in found if isinstance(text, str) and text), "")


def _left(holder: Mapping[str, Any], turns: Turns, common: frozenset[str]) -> dict[str, Any]:
    """Leave out what the server refuses, or what is another's; `index` is the place of a call in a stream."""
    if turns.strict:
        known = common | turns.keeps
        # An optional field without a value says nothing, and some servers refuse the null.
        return {
            name: value for name, value in holder.items() if name in known and (value is not None or name == "content")
        }
    return _without(holder, (_FOREIGN - turns.keeps) | {"index"})


def _without(holder: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in holder.items() if name not in names}
