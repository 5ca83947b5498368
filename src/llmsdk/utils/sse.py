"""Server-sent events: bytes in, frames out.

Source: WHATWG HTML, "Server-sent events", sections "Parsing an event stream" and "Interpreting an event stream".
"""

from __future__ import annotations

from typing import NamedTuple, cast

_BOM = b"\xef\xbb\xbf"
_MESSAGE = "message"
# Lines are split in windows, so that a chunk of millions of short lines never becomes as many objects at once.
_WINDOW = 65_536
# More digits than a signed 64-bit count of milliseconds has; also keeps `int()` off its own digit limit.
_MAX_STRAYS = 1 << 16
_MAX_RETRY_DIGITS = 18


class Frame(NamedTuple):
    """One dispatched event.

    Attributes:
        event: Its type; "message" where the stream names none.
        data: The data lines joined by LF, undecoded.
        id: The id that this event set ("" resets it); None if it had no id line.
        retry: The reconnection time in milliseconds that this event set, if any.
    """

    event: str
    data: bytes
    id: str | None
    retry: int | None


def framed(event: Frame | bytes) -> Frame:
    """Make a frame of what `SSEDecoder.split` gives."""
    return Frame(_MESSAGE, event, None, None) if isinstance(event, bytes) else event


class EventTooLarge(ValueError):
    """An event, or a single line, passed the bound.

    Attributes:
        limit: The bound in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"a server-sent event is larger than {self.limit} bytes"


class SSEDecoder:
    """Split a byte stream into frames, looking at each byte once.

    Args:
        max_event_bytes: Bound on what one event may hold back: its data, type and id, and the unfinished line.

    Attributes:
        last_event_id: The last id that a finished event set; "" before the first.
        retry_ms: The last reconnection time that the stream asked for, in milliseconds; None before the first.
        strays: Lines that are no field of the format, the first 64 KiB of them. The rules ignore these, and so do
            events; but where a stream fails, they are often what a proxy or a server had to say about it.
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_error",
        "_event",
        "_fresh",
        "_head",
        "_id",
        "_kept",
        "_limit",
        "_retry",
        "_tail",
        "last_event_id",
        "retry_ms",
        "strays",
    )

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = max_event_bytes
        self._head: bytes | None = b""  # what may still become a byte order mark; None once that is settled
        self._fresh = False  # nothing at all is held back: the next byte starts an event
        self._after_cr = False  # the last byte was a CR: a LF that follows belongs to it
        self._tail = bytearray()  # the unfinished line
        self._data: bytes | bytearray | None = None
        self._event = b""
        self._id: bytes | None = None
        self._retry: int | None = None
        self._kept = 0  # bytes of data, event and id held for the current event
        self._error: EventTooLarge | None = None
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.strays = b""

    @property
    def pending(self) -> bytes:
        """What came of an event that has not ended: its data so far, then the unfinished line."""
        if self._data is None:
            return (self._head or b"") + self._tail
        return b"\n".join((self._data, self._tail))

    def feed(self, chunk: bytes) -> list[Frame]:
        """Take the next bytes of the stream; every event that they completed comes as a frame.

        Raises:
            EventTooLarge: As `split`.
        """
        return [framed(event) for event in self.split(chunk)]

    def split(self, chunk: bytes) -> list[Frame | bytes]:
        """Take the next bytes of the stream.

        Returns:
            The events that these bytes completed, in order. An event of nothing but data may come as its data alone:
            nearly all of them are, and a frame costs as much as all the rest.

        Raises:
            EventTooLarge: The bound was passed. Events completed before that point are returned first: the call
                after them raises.
        """
        if self._fresh:
            end = len(chunk) - 2
            # One `data: ...` event that came on its own: what live streams are made of.
            if (
                chunk.find(b"\n") == end <= self._limit
                and chunk.startswith(b"data: ")
                and chunk.endswith(b"\n\n")
                and b"\r" not in chunk
            ):
                return [chunk[6:end]]
            lines = self._split_plain(chunk)
            if lines is not None:
                return cast("list[Frame | bytes]", lines)
        elif self._head is not None:
            chunk = self._strip_mark(self._head + chunk)
        out: list[Frame | bytes] = []
        self._feed_slowly(chunk, out)
        self._fresh = not (self._after_cr or self._tail or self._in_event() or self._error or self._head is not None)
        if self._error is not None and not out:
            raise self._error
        return out

    def flush(self) -> Frame | None:
        """End the stream.

        Returns:
            The frame that the unfinished event would have made. The rules discard it; a caller may want to know that
            it was a final sentinel without its blank line.

        Raises:
            EventTooLarge: The bound was passed before the end.
        """
        if self._error is not None:
            raise self._error
        retry_ms, last_event_id = self.retry_ms, self.last_event_id
        if self._tail:
            self._take_line(bytes(self._tail))
        out: list[Frame | bytes] = []
        self._dispatch(out)
        self.retry_ms, self.last_event_id = retry_ms, last_event_id
        self._head, self._fresh, self._after_cr = b"", False, False
        self._tail.clear()
        return framed(out[0]) if out else None

    def _split_plain(self, chunk: bytes) -> list[bytes] | None:
        """Split whole `data: ...` events, one line each, without a look at single lines; None if that is not all."""
        if b"\r" in chunk:
            end, newlines = b"\r\n\r\n", chunk.count(b"\r\n")
            if chunk.count(b"\r") != newlines:
                return None
        else:
            end, newlines = b"\n\n", -1
        size = len(end)
        if not chunk.endswith(end) or len(chunk) > self._limit:
            return None
        if chunk.startswith(b"data: "):
            lines = chunk[6:-size].split(end + b"data: ")
        elif chunk.startswith(b"data:"):
            lines = chunk[5:-size].split(end + b"data:")
            if b"\ndata: " in chunk:
                return None
        else:
            return None
        expected = 2 * len(lines)
        # Each event has two line ends of its own: any other count means other lines, or blank ones, among them.
        if chunk.count(b"\n") != expected or newlines not in (-1, expected):
            return None
        return lines

    def _feed_slowly(self, chunk: bytes, out: list[Frame | bytes]) -> None:
        """Finish the event under way line by line, split the plain middle, keep the unfinished end."""
        blank = b"\r\n\r\n" if b"\r" in chunk else b"\n\n"
        start = 0
        if not self._fresh:
            start = chunk.find(blank) + len(blank)
            if start < len(blank):
                self._scan(chunk, out)
                return
            self._scan(chunk[:start], out)
        end = chunk.rfind(blank, start)
        if end >= 0 and end + len(blank) - start < len(chunk):  # the whole of it has been tried by feed()
            end += len(blank)
            middle = chunk[start:end]
            lines = self._split_plain(middle) if self._error is None else None
            if lines is None:
                self._scan(middle, out)
            else:
                out += lines
            start = end
        self._scan(chunk[start:], out)

    def _scan(self, text: bytes, out: list[Frame | bytes]) -> None:
        for start in range(0, len(text), _WINDOW):
            if self._error is not None:
                return
            try:
                self._scan_window(text[start : start + _WINDOW], out)
            except EventTooLarge as error:
                self._error = error
                # Nothing more will be read: what was held back is of no use to anyone.
                self._tail.clear()
                self._reset()

    def _scan_window(self, text: bytes, out: list[Frame | bytes]) -> None:
        if self._after_cr and text.startswith(b"\n"):
            text = text[1:]
        lines = text.splitlines()  # of bytes: at CR, LF and CRLF only
        self._after_cr = text.endswith(b"\r")
        rest = b"" if text.endswith((b"\n", b"\r")) or not lines else lines.pop()
        if lines and self._tail:
            self._bound(len(self._tail) + len(lines[0]))
            self._tail += lines[0]
            self._take_line(self._tail)
            self._tail.clear()
            del lines[0]
        for line in lines:
            if line:
                self._bound(len(line))
                self._take_line(line)
            else:
                self._dispatch(out)
        if rest:
            self._bound(len(self._tail) + len(rest))
            self._tail += rest

    def _take_line(self, line: bytes | bytearray) -> None:
        name, colon, _ = bytes(line[:6]).partition(b":")  # no known field name is longer
        if not name:  # a comment
            return
        value = b""
        if colon:
            start = len(name) + (2 if line.startswith(b" ", len(name) + 1) else 1)
            if isinstance(line, bytes):
                value = line[start:]
            else:  # one copy of a large value, not two
                with memoryview(line) as view, view[start:] as part:
                    value = bytes(part)
        match name:
            case b"data":
                self._add_data(value)
            case b"event":
                self._kept += len(value) - len(self._event)
                self._event = value
            case b"id" if b"\0" not in value:
                self._kept += len(value) - len(self._id or b"")
                self._id = value
            case b"error":
                # No field of the format; llama.cpp writes `error: {...}` in place of an event.
                self._event = name
                self._add_data(value)
            case b"retry" if value.isdigit():
                digits = value.lstrip(b"0")[: _MAX_RETRY_DIGITS + 1]
                self._retry = self.retry_ms = min(int(digits or b"0"), 10**_MAX_RETRY_DIGITS)
            case b"id" | b"retry":
                pass  # with a value that the rules ignore
            case _:
                self.strays = (self.strays + bytes(line) + b"\n")[: min(_MAX_STRAYS, self._limit)]

    def _add_data(self, value: bytes) -> None:
        self._kept += len(value) + 1
        if self._data is None:
            self._data = value
            return
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value

    def _dispatch(self, out: list[Frame | bytes]) -> None:
        found = None if self._id is None else self._id.decode("utf-8", "replace")
        if found is not None:
            self.last_event_id = found
        if self._data is not None:
            event = self._event.decode("utf-8", "replace") if self._event else _MESSAGE
            out.append(Frame(event, bytes(self._data), found, self._retry))
        self._reset()

    def _reset(self) -> None:
        self._data, self._event, self._id, self._retry, self._kept = None, b"", None, None, 0

    def _in_event(self) -> bool:
        return self._data is not None or bool(self._event) or self._id is not None or self._retry is not None

    def _bound(self, line_bytes: int) -> None:
        if self._kept + line_bytes > self._limit:
            raise EventTooLarge(self._limit)

    def _strip_mark(self, head: bytes) -> bytes:
        """Drop a byte order mark at the very start; hold back what may become one."""
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)
