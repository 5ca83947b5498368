"""Messages of earlier turns, as the server in use takes them: they may be another server's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
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
    | {"graph_data", "citations", "search_results", "images", "annotations", "channel", "audio_tokens", "index"}
)
# What every server knows of a message and of a call.
_COMMON = frozenset({"role", "content", "name", "tool_calls", "function_call"})
_COMMON_OF_CALL = frozenset({"id", "type", "function", "custom"})
_BLANK = " "
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 9


def turned(messages: list[Any], turns: Turns | None) -> list[Any]:
    """Write messages as a server takes them; those of the user, and what nothing is to be changed in, stay the same."""
    if turns is None:
        return [_without(message, _BLOCKS) if is_object(message) else message for message in messages]
    return [_turned(message, turns) if is_object(message) else message for message in messages]


def _turned(message: dict[str, Any], turns: Turns) -> dict[str, Any]:
    role = message.get("role")
    if role == "assistant":
        return _assistant(message, turns)
    return _with_id(message, "tool_call_id", turns) if role == "tool" else message


def _assistant(message: dict[str, Any], turns: Turns) -> dict[str, Any]:
    thought = _thought(message)
    content = message.get("content")
    made = _left(message, turns, _COMMON)
    if is_list(content) and (thinking := thinking_of(content)) and "content" not in turns.keeps:
        thought = thought or thinking
        made["content"] = _joined([part for part in content if not (is_object(part) and thinking_of(part))])
    calls = message.get("tool_calls")
    if is_list(calls):
        made["tool_calls"] = [_call(call, turns) if is_object(call) else call for call in calls]
    if calls == []:
        del made["tool_calls"]  # some servers send an empty list, which others refuse
    if turns.reasoning is not None and (thought or (turns.required and calls)):
        made[turns.reasoning] = thought or _BLANK
    return made


def _joined(parts: list[Any]) -> Any:
    """Make a plain text of parts that are nothing else: not every server reads parts."""
    texts = [part["text"] for part in parts if is_object(part) and part.keys() == {"type", "text"}]
    is_text = len(texts) == len(parts) and all(isinstance(text, str) for text in texts)
    return ("".join(texts) or None) if is_text else parts


def _call(call: Mapping[str, Any], turns: Turns) -> dict[str, Any]:
    return _with_id({**turns.call_default, **_left(call, turns, _COMMON_OF_CALL)}, "id", turns)


def _with_id(holder: dict[str, Any], name: str, turns: Turns) -> dict[str, Any]:
    """Give a call, or its result, an id that the server takes; the same in every turn."""
    id = holder.get(name)
    if turns.call_id is None or not isinstance(id, str) or re.fullmatch(turns.call_id, id, re.DOTALL):
        return holder
    return {**holder, name: _short_id(id)}


@lru_cache(maxsize=1024)
def _short_id(id: str) -> str:
    from hashlib import sha256  # for the few calls that move to a server of this kind

    number, made = int.from_bytes(sha256(id.encode("utf-8", "surrogatepass")).digest()), ""
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_DIGITS))
        made += _DIGITS[digit]
    return made


def _thought(message: Mapping[str, Any]) -> str:
    found = (message.get(name) for name in _REASONING)
    return next((text for text in found if isinstance(text, str) and text), "")


def _left(holder: Mapping[str, Any], turns: Turns, common: frozenset[str]) -> dict[str, Any]:
    """Leave out what the server refuses, or what is another's; `index` is the place of a call in a stream."""
    unknown = holder.keys() - (common | turns.keeps) if turns.strict else _FOREIGN - turns.keeps
    # An optional field without a value says nothing, and some servers refuse the null.
    return {
        name: value
        for name, value in holder.items()
        if name not in unknown and (value is not None or name in ("content", "role"))
    }


def _without(holder: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in holder.items() if name not in names}
