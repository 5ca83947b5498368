"""The events of a streamed message as chunks."""

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
    given,
    json_text,
    number,
    parsed_object,
    text,
)
from .replies import PROTOCOL, around, ending, usage


class Decoder:
    """Turns the events of one stream into chunks; a block is handed on whole, and after those before it."""

    def __init__(self) -> None:
        self._head: Document = {}
        self._usage: Document = {}
        self._blocks: dict[int | None, Document] = {}  # begun and not handed on yet
        self._ended: set[int | None] = set()
        # Pieces of arguments, by block: of the caller's tools and of the server's alike.
        self._pieces: dict[int | None, list[str]] = {}
        self._calls: dict[int | None, int] = {}

    def __call__(self, event: Document) -> Iterator[Any]:
        at = number(event, "index")
        match event.get("type"):
            case "message_start":
                message = child(event, "message")
                self._head = {name: message[name] for name in ("id", "model") if name in message}
                self._usage = dict(child(message, "usage"))
                # The reasons for the end are null here.
                rest = {name: value for name, value in around(message).items() if value is not None}
                yield {**rest, **self._chunk({"role": "assistant", "blocks": [], "blocks_of": PROTOCOL})}
            case "content_block_start":
                yield from self._started(at, dict(child(event, "content_block")))
            case "content_block_delta":
                yield from self._grown(at, child(event, "delta"))
            case "content_block_stop":
                yield from self._stopped(at)
            case "message_delta":
                if child(event, "delta").get("stop_reason") is not None:
                    yield from self._stopped(*self._blocks)  # some servers do not say that a block ends
                yield self._last(event)
            case "message_stop":
                yield END
            case "error":
                yield event
            case _:  # a ping, or what is not known yet; an error may be a proxy's, in a form of its own
                if event.get("error") is not None:
                    yield event

    def _chunk(self, delta: Document, **choice: Any) -> Document:
        choices = [{"index": 0, "delta": delta, **choice}]
        return {**self._head, "object": "chat.completion.chunk", "created": None, "choices": choices}

    def _started(self, at: int | None, block: Document) -> Iterator[Document]:
        self._blocks[at] = block
        if block.get("type") == "tool_use":
            self._calls[at] = len(self._calls)
            yield self._chunk({"tool_calls": [function_call(block.get("id"), block.get("name"), "", self._calls[at])]})
        if begun := text(block, "text"):
            yield self._chunk({"content": begun})
        if begun := text(block, "thinking"):
            yield self._chunk({"reasoning": begun})
        if cited := children(block, "citations"):
            yield self._chunk({"annotations": [annotation(citation) for citation in cited]})

    def _grown(self, at: int | None, delta: Document) -> Iterator[Document]:
        block = self._blocks.setdefault(at, {})
        match delta.get("type"):
            case "citations_delta":
                block["citations"] = [*children(block, "citations"), child(delta, "citation")]
                yield self._chunk({"annotations": [annotation(child(delta, "citation"))]})
            case "input_json_delta":
                piece = text(delta, "partial_json")
                self._pieces.setdefault(at, []).append(piece)
                if at in self._calls and piece:
                    yield self._arguments(at, piece)
            case "text_delta":
                block["text"] = text(block, "text") + text(delta, "text")
                yield self._chunk({"content": text(delta, "text")})
            case "thinking_delta":
                block["thinking"] = text(block, "thinking") + text(delta, "thinking")
                if text(delta, "thinking"):  # an empty one is no reasoning
                    yield self._chunk({"reasoning": text(delta, "thinking")})
            case "signature_delta":
                block["signature"] = text(block, "signature") + text(delta, "signature")
            case _:  # of blocks that are not known yet, such as the summary of a compaction
                block |= beside(delta, ("type",))

    def _arguments(self, at: int | None, piece: str) -> Document:
        return self._chunk({"tool_calls": [{"index": self._calls[at], "function": {"arguments": piece}}]})

    def _stopped(self, *ended: int | None) -> Iterator[Document]:
        for at in ended:
            if at not in self._blocks or at in self._ended:
                continue
            self._ended.add(at)
            block, pieces = self._blocks[at], "".join(self._pieces.pop(at, ()))
            if pieces:
                block["input"] = parsed_object(pieces) or {}  # one that `max_tokens` cut stays as text in the call
            elif at in self._calls:
                yield self._arguments(at, json_text(block.get("input") or {}))
            elif block.get("text") == "":
                yield self._chunk({"content": ""})  # an empty text is not the same as none
        # In the order of the reply, whichever ended first.
        while self._blocks and (first := next(iter(self._blocks))) in self._ended:
            self._ended.discard(first)
            yield self._chunk({"blocks": [self._blocks.pop(first)]})

    def _last(self, event: Document) -> Document:
        """Read why the message ended; what stands beside it stands at the top of a whole reply."""
        said = child(event, "delta")
        self._usage |= given(child(event, "usage"))
        rest = given(beside(event, ("type", "delta", "usage")) | around(said))
        return {**rest, **self._chunk({}, **ending(said)), "usage": usage(self._usage)}
