"""The events of a streamed response as chunks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...spec import END
from ..common import (
    Document,
    annotation,
    beside,
    child,
    children,
    function_call,
    number,
    text,
)
from .replies import NO_REASON, PART, PROTOCOL, around, ending, said_in


class Decoder:
    """Turns the events of one stream into chunks; the `done` events repeat what came, and give none."""

    def __init__(self) -> None:
        self._head: Document = {}
        self._calls: dict[int | None, int] = {}  # number of the call, by place of its item
        self._whole: set[int | None] = set()  # calls whose arguments or input have come
        self._said: set[str] = set()  # what of the message has come
        self._part: tuple[Any, ...] | None = None  # of the reasoning

    def __call__(self, event: Document) -> Iterator[Any]:
        at = number(event, "output_index")
        match event.get("type"):
            case "response.created":
                self._head = around(child(event, "response"))
                yield self._chunk({"role": "assistant", "blocks_of": PROTOCOL})
            case "response.output_text.delta":
                logprobs = {"logprobs": {"content": event["logprobs"]}} if event.get("logprobs") else {}
                yield self._chunk({"content": event.get("delta")}, **logprobs)
            case "response.refusal.delta":
                yield self._chunk({"refusal": event.get("delta")})
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield from self._reasoning(event)
            case "response.output_item.added":
                yield from self._opened(at, child(event, "item"))
            case "response.function_call_arguments.delta" if at in self._calls:
                yield self._call_piece(at, {"function": {"arguments": event.get("delta")}})
            case "response.custom_tool_call_input.delta" if at in self._calls:
                yield self._call_piece(at, {"custom": {"input": event.get("delta")}})
            case "response.output_item.done" if at in self._calls:
                yield from self._closed(at, child(event, "item"))
            case "response.output_text.annotation.added":
                yield self._chunk({"annotations": [annotation(child(event, "annotation"))]})
            case "response.completed" | "response.incomplete":
                yield from self._last(child(event, "response"))
                yield END
            case "error":
                yield event if isinstance(event.get("error"), dict) else {**event, "error": beside(event, ("type",))}
            case "response.failed":
                yield {**event, "error": child(child(event, "response"), "error") or NO_REASON}
            case _:  # what repeats or is not known yet; an error may be a proxy's, in a form of its own
                if event.get("error") is not None:
                    yield event

    def _chunk(self, delta: Document, **choice: Any) -> Document:
        self._said |= delta.keys() | choice.keys()
        return {
            **{name: self._head[name] for name in ("id", "model", "created") if name in self._head},
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": delta, **choice}],
        }

    def _reasoning(self, event: Document) -> Iterator[Document]:
        """Return a piece of the reasoning; a further part begins with a blank line, and an empty one is none."""
        piece = text(event, "delta")
        part = (event.get("output_index"), event.get("summary_index"), event.get("content_index"))
        if piece:
            before, self._part = self._part, part
            yield self._chunk({"reasoning": piece if before in (None, part) else PART + piece})

    def _opened(self, at: int | None, item: Document) -> Iterator[Document]:
        kind = item.get("type")
        if kind not in ("function_call", "custom_tool_call"):
            return
        self._calls[at] = len(self._calls)
        if kind == "function_call":
            opened = function_call(item.get("call_id"), item.get("name"), "")
        else:
            held = {"name": item.get("name"), "input": ""}
            opened = {"id": item.get("call_id"), "type": "custom", "custom": held}
        yield self._call_piece(at, opened)

    def _closed(self, at: int | None, item: Document) -> Iterator[Document]:
        """Return what a call was made with, where it did not come in pieces."""
        if at in self._whole:
            return
        if item.get("type") == "custom_tool_call":
            yield self._call_piece(at, {"custom": {"input": item.get("input")}})
        else:
            yield self._call_piece(at, {"function": {"arguments": item.get("arguments") or "{}"}})

    def _call_piece(self, at: int | None, piece: Document) -> Document:
        if "id" not in piece:
            self._whole.add(at)
        return self._chunk({"tool_calls": [{"index": self._calls[at], **piece}]})

    def _last(self, response: Document) -> Iterator[Document]:
        output = children(response, "output")
        for at in self._calls.keys() - self._whole:  # in case that nothing said that the item is done
            if at is not None and at < len(output):
                yield from self._closed(at, output[at])
        # `encrypted_content` here may differ from that of the item's own `done`: these are the blocks that count.
        self._head = around(response)
        said = said_in(output)
        end = ending(response, has_call="tool_calls" in said)
        # Not every server streams all of it: what has not come in pieces comes here.
        late = {name: value for name, value in said.items() if name not in self._said}
        logprobs = {"logprobs": {"content": late.pop("logprobs")}} if "logprobs" in late else {}
        for place, call in enumerate(late.get("tool_calls", ())):
            call["index"] = place
        yield {**around(response), **self._chunk({**late, "blocks": output}, **logprobs, **end)}
