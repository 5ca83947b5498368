"""What a stream says beside its answer: where none comes, or half of one, it may be the reason."""

from __future__ import annotations

from typing import Any

from ...providers.spec import Provider
from ...utils.jsonpaths import MISSING
from ..reply.decode import parse_json
from ..reply.error_bodies import is_error
from ..reply.reasons import reason_in

_MAX_KEPT = 8  # the first, and the last ones


class Remarks:
    """Events of one stream that bring no results: where no whole answer comes, one of them may say why.

    Attributes:
        first: The first of them.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._kept: list[bytes] = []

    @property
    def first(self) -> bytes | None:
        return self._kept[0] if self._kept else None

    def add(self, data: bytes) -> None:
        """Keep an event."""
        if len(self._kept) == _MAX_KEPT:
            del self._kept[1]
        self._kept.append(data)

    def reason(self, strays: bytes, *, beside_answer: bool) -> Any:
        """Find a document that says why; MISSING where there is none.

        Args:
            strays: Lines that belong to no event. Servers whose stream fails write an error among them as it is.
            beside_answer: Whether a part of the answer came.
        """
        for data in self._kept:
            if reason_in(self._provider, document := parse_json(data), beside_answer=beside_answer):
                return document
        for line in (strays, *strays.splitlines()):
            if line.lstrip()[:1] in (b"{", b"[") and is_error(self._provider, document := parse_json(line)):
                return document
        return MISSING
