"""What came, as it came: events of a stream, names of headers, the text of an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .._call.reply.decode import parse_json
from ..utils.shapes import is_list, is_object
from ..utils.sse import SSEDecoder, framed

_ID = r"(request|trace|correlation)[-_]?id$"
_LIMIT = r"rate-?limit"
_LARGEST = 1 << 22
_WORDS = 2  # of a text that is meant to be read


@dataclass(frozen=True, slots=True)
class RawStream:
    """A streamed reply.

    Attributes:
        events: The data of each event that is JSON.
        mark: The data of the last event if that is no JSON object, such as `[DONE]`; else b"".
    """

    events: tuple[Any, ...]
    mark: bytes

    @property
    def usage(self) -> bool:
        """Whether an event states token counts, in whatever protocol."""
        return any("usage" in str(one) and has_counts(one) for one in self.events)


def raw_stream(body: bytes) -> RawStream:
    """Cut a streamed reply into its events."""
    found = [framed(one).data for one in SSEDecoder(_LARGEST).split(body + b"\n\n")]
    documents = [(data, parse_json(data)) for data in found if data.strip()]
    events = tuple(one for _, one in documents if is_object(one))
    data, document = documents[-1] if documents else (b"", None)
    return RawStream(events, b"" if is_object(document) else data.strip())


def has_counts(value: Any) -> bool:
    """Find a count of tokens anywhere in a document."""
    if is_object(value):
        return any(
            (isinstance(one, int) and one > 0 and "token" in name.lower()) or has_counts(one)
            for name, one in value.items()
        )
    return is_list(value) and any(map(has_counts, value))


def id_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Name the headers that look like the id of a request."""
    return tuple(sorted(name.lower() for name in headers if re.search(_ID, name.lower())))


def limit_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Name the headers that look like rate limits."""
    return tuple(sorted(name.lower() for name in headers if re.search(_LIMIT, name.lower())))


def limit_fields(names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Sort names of headers into the fields of `LimitHeaders`."""
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        of = "tokens" if "token" in name else "requests"
        part = next((one for one in ("remaining", "reset") if one in name), "limit")
        found.setdefault(f"{of}_{part}", (name,))
    return found


def text_path(document: Any) -> str | None:
    """Find the path of the longest text of several words in an error body."""
    texts = sorted(_texts(document, "$"), key=lambda one: -len(one[1]))
    return texts[0][0] if texts else None


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if is_object(value):
        for name, one in value.items():
            yield from _texts(one, f"{path}.{name}" if re.fullmatch(r"[A-Za-z_]\w*", name) else f"{path}['{name}']")
    elif is_list(value):
        for index, one in enumerate(value):
            yield from _texts(one, f"{path}[{index}]")
    elif isinstance(value, str) and len(value.split()) >= _WORDS:
        yield path, value
