"""The events of a streamed reply of Gemini's as chunks."""

from __future__ import annotations

from collections.abc import Iterator

from ..common import (
    Document,
    child,
    children,
)
from .replies import MADE_UP, PROTOCOL, around, blocked, ending, head, index, logprobs, said_in

_IN_ALL = ("id", "model", "created")  # on every chunk, once they are known


class Decoder:
    """Turns events, each a whole reply with the new parts, into chunks; a block is given when the next one begins."""

    def __init__(self) -> None:
        self._open: dict[int, Document] = {}  # the text part that may still grow, by candidate
        self._calls: dict[int, int] = {}
        self._around: dict[int, Document] = {}  # what stands beside the parts, by candidate; the last word counts
        self._head: Document = {}

    def __call__(self, event: Document) -> Iterator[Document]:
        if event.get("error") is not None:
            yield event
            return
        said = head(event)
        # Every event repeats the head: what it says again is not said anew.
        news = {name: value for name, value in said.items() if self._head.get(name) != value}
        self._head |= {name: value for name, value in said.items() if value is not None}
        found = enumerate(children(event, "candidates"))
        choices = [self._choice(candidate, index(candidate, place)) for place, candidate in found]
        known = {name: self._head.get(name) for name in _IN_ALL}
        chunk = {**news, **known, "object": "chat.completion.chunk"}
        yield {**chunk, "choices": choices or blocked(event, "delta")}

    def _choice(self, candidate: Document, at: int) -> Document:
        parts = children(child(candidate, "content"), "parts")
        before = self._calls.get(at, 0)
        said = said_in(parts, f"{MADE_UP}{self._head.get('id')}-", before)
        for offset, call in enumerate(said.get("tool_calls", ())):
            call["index"] = before + offset
        self._calls[at] = before + len(said.get("tool_calls", ()))
        delta: Document = {"role": "assistant", "blocks_of": PROTOCOL, **said}
        end = ending(candidate, has_call=self._calls[at] > 0)
        blocks = list(self._whole(parts, at, is_last=bool(end)))
        if blocks or end:
            delta["blocks"] = blocks
        # Earlier events may hold empty objects where the last one has the facts.
        rest = self._around.setdefault(at, {})
        rest |= {name: value for name, value in around(candidate).items() if value != {} or name not in rest}
        return {**(rest if end else {}), **logprobs(candidate), **end, "index": at, "delta": delta}

    def _whole(self, parts: list[Document], at: int, *, is_last: bool) -> Iterator[Document]:
        """Return the blocks that are complete: neighbouring texts of one kind are one, if nothing else is on them."""
        for part in parts:
            before = self._open.get(at)
            grows = part.keys() <= {"text", "thought"} and isinstance(part.get("text"), str)
            if grows and before is not None and before.get("thought") == part.get("thought"):
                self._open[at] = {**before, "text": before["text"] + part["text"]}
                continue
            if before is not None:
                yield self._open.pop(at)
            if grows:
                self._open[at] = part
            else:
                yield part
        if is_last and at in self._open:
            yield self._open.pop(at)
