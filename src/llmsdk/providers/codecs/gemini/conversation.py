"""Messages as the contents of Gemini, and its system instruction."""

from __future__ import annotations

from typing import Any

from ...spec import CannotSay
from ..common import (
    Document,
    called,
    calls_of,
    child,
    data_url,
    inner,
    join_turns,
    own_blocks,
    parsed_object,
    parts_of,
    refuse_role,
    spoken,
    text_of,
)
from .replies import MADE_UP, PROTOCOL

_ROLES = ("system", "developer", "user", "assistant", "tool")
_MEDIA = ("image_url", "video_url", "audio_url", "file")


def conversation(messages: list[Document]) -> tuple[list[Document], list[tuple[str, list[Document]]]]:
    """Split a conversation into its instructions, wherever they stand, and its turns."""
    system: list[Document] = []
    turns: list[tuple[str, list[Document]]] = []
    names: Document = {}  # of the functions that were called, by the id of the call
    for message in messages:
        role = message.get("role")
        if role in ("system", "developer"):
            system += _parts(message.get("content"))
        elif role == "user":
            turns.append(("user", _parts(message.get("content"))))
        elif role == "assistant":
            turns.append(("model", _answer(message, names)))
        elif role == "tool":
            turns.append(("user", [_result(message, names)]))
        else:
            raise refuse_role(message, _ROLES)
    return system, join_turns(turns)


def _answer(message: Document, names: Document) -> list[Document]:
    """Write what the model said before, and note the names of its calls."""
    calls = calls_of(message)
    names |= {str(call.get("id")): called(call)[0] for call in calls}
    own = own_blocks(message, PROTOCOL)
    if own is not None:
        made = [child(block, "functionCall") for block in own]
        names |= {str(call["id"]): call.get("name") for call in made if call.get("id") is not None}
        return list(own)
    return [*map(_part, spoken(message)), *map(_call, calls)]


def _call(call: Document) -> Document:
    name, arguments = called(call)
    return {"functionCall": {**_known_id(call.get("id")), "name": name, "args": arguments}}


def _result(message: Document, names: Document) -> Document:
    call_id = message.get("tool_call_id")
    name = message.get("name") or names.get(str(call_id))
    if name is None:
        raise CannotSay("messages", "a tool result must have the name of its function, or the id of an earlier call")
    said = text_of(message.get("content"))
    response = parsed_object(said) if said.strip() else None
    if message.get("is_error"):
        response = {"error": said}
    elif response is None:
        response = {"result": said}
    result = {**_known_id(call_id), "name": name, "response": response}
    # What is no text stands beside the response (google-genai 3.6.1, FunctionResponsePart).
    media = [_part(part) for part in parts_of(message.get("content")) if part.get("type") != "text"]
    return {"functionResponse": {**result, "parts": media} if media else result}


def _known_id(call_id: Any) -> Document:
    """Return the id of a call, unless it is absent or was made up here."""
    return {} if call_id is None or str(call_id).startswith(MADE_UP) else {"id": call_id}


def _parts(content: Any) -> list[Document]:
    return [_part(part) for part in parts_of(content)]


def _part(part: Document) -> Document:
    kind = part.get("type")
    if kind == "text":
        return {"text": part["text"]}
    held = inner(part)
    if kind == "input_audio":
        media = {"mimeType": f"audio/{held.get('format', 'wav')}", "data": held.get("data", held.get("url"))}
        return {"inlineData": media}
    if kind not in _MEDIA:
        return part
    names = ("url", "file_url", "file_data", "file_id")
    address = next((held[name] for name in names if isinstance(held.get(name), str)), None)
    if address is None:
        raise CannotSay("messages", f"a part of type {kind!r} must have an address, data or a file_id")
    split = data_url(address)
    if split is not None:
        return {"inlineData": {"mimeType": split[0], "data": split[1]}}
    mime_type = {"mimeType": held["mime_type"]} if held.get("mime_type") is not None else {}
    return {"fileData": {**mime_type, "fileUri": address}}
