"""The decoder's short ways: what takes them, what must not, and that both end alike."""

from __future__ import annotations

from typing import Any

import pytest

from llmsdk.utils import sse
from llmsdk.utils.sse import EventTooLarge, Frame, SSEDecoder


def opened(limit: int = 1000) -> SSEDecoder:
    """Make a decoder at the start of an event, where the short ways are open."""
    decoder = SSEDecoder(limit)
    assert decoder.feed(b"data: 0\n\n") == [frame(b"0")]
    return decoder


def frame(data: bytes, event: str = "message") -> Frame:
    return Frame(event, data, None, None)


def scanned(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note what comes to be looked at line by line."""
    seen: list[bytes] = []
    real = SSEDecoder._scan_window

    def noting(self: SSEDecoder, text: bytes, out: list[Frame]) -> None:
        seen.append(text)
        real(self, text, out)

    monkeypatch.setattr(SSEDecoder, "_scan_window", noting)
    return seen


SHORT = (
    b"data: a\n\n",
    b"data: a\n\ndata: b\n\n",
    b"data:a\n\ndata:b\n\n",
    b"data: a\r\n\r\ndata: b\r\n\r\n",
    b"data:\n\n",
    b"data: \n\n",
    b"data: \r\n\r\n",
)
LONG = (
    b"data:a\n\ndata: b\n\n",
    b"data: a\n\ndata:b\n\n",
    b"data: a\r\n\r\ndata: b\n\n",
    b"data: a\n\n\n",
    b"\ndata: a\n\n",
    b"data: a\n: c\n\n",
    b"data: a\r\r",
    b"data: a\n\nevent: x\ndata: b\n\n",
    b"event: x\n\n",
)


@pytest.mark.parametrize("wire", SHORT)
def test_plain_events_are_never_looked_at_line_by_line(wire: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = opened(len(wire))  # as long as the bound, all of it
    seen = scanned(monkeypatch)
    assert all(type(one) is Frame for one in decoder.feed(wire))
    assert seen == []
    assert decoder.feed(b"data: z\n\n") == [frame(b"z")]


@pytest.mark.parametrize("limit", [7, 1000])
def test_an_event_of_a_read_of_its_own_goes_the_shortest_way(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = opened(limit)
    monkeypatch.setattr(SSEDecoder, "_split_plain", None)
    assert decoder.split(b"data: a\n\n") == [b"a"]


@pytest.mark.parametrize("wire", SHORT + LONG)
def test_both_ways_end_alike(wire: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = opened().feed(wire)
    decoder = opened()
    assert [one for at in range(len(wire)) for one in decoder.feed(wire[at : at + 1])] == whole


@pytest.mark.parametrize("rest", [b"", b"y" * 20], ids=["blank line", "more data"])
@pytest.mark.parametrize("wire", SHORT)
def test_the_plain_middle_of_a_read_is_split_without_a_look_at_its_lines(
    wire: bytes, rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = b"\r\n\r\n" if b"\r" in wire else b"\n\n"
    decoder = opened()
    assert decoder.feed(b"data: x") == []
    seen = scanned(monkeypatch)
    middle = wire * 3
    frames = decoder.feed(rest + blank + middle + b"data: z")
    assert frames[0] == frame(b"x" + rest)
    assert len(frames) == 1 + middle.count(blank)
    assert b"".join(seen) == rest + blank + b"data: z"
    assert decoder.feed(blank)[0] == frame(b"z")


@pytest.mark.parametrize("size, fits", [(10, True), (11, False)])
@pytest.mark.parametrize("wire", [b"data: %b\n\n", b"data: %b\r\n\r\n"])
def test_the_bound_of_an_event_is_the_same_the_short_way(wire: bytes, size: int, fits: bool) -> None:
    data = b"x" * (size - len(b"data: "))
    if fits:
        assert opened(10).feed(wire % data) == [frame(data)]
        assert opened(10).feed(wire % data + wire % b"y") == [frame(data), frame(b"y")]
    else:
        with pytest.raises(EventTooLarge):
            opened(10).feed(wire % data)
        decoder = opened(10)
        assert decoder.feed(wire % b"y" + wire % data) == [frame(b"y")]
        with pytest.raises(EventTooLarge):
            decoder.feed(b"")


def test_the_bound_is_told_in_words_and_travels() -> None:
    error = EventTooLarge(5)
    assert (str(error), error.limit, error.args) == ("a server-sent event is larger than 5 bytes", 5, (5,))


def test_a_decoder_begins_with_nothing() -> None:
    decoder = SSEDecoder(10)
    assert (decoder.last_event_id, decoder.retry_ms, decoder.pending) == ("", None, b"")
    assert decoder.flush() is None
    decoder = SSEDecoder(10)
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\xef\xbb") == []
    assert decoder.pending == b"\xef\xbb"
    assert decoder.feed(b"\xbf") == []
    assert decoder.pending == b""
    assert decoder.feed(b"data: a\n\n") == [frame(b"a")]


def test_what_follows_an_end_begins_anew() -> None:
    decoder = opened()
    decoder.feed(b"id: 7\nretry: 5\nevent: x\r")
    assert decoder.flush() is None
    assert (decoder.last_event_id, decoder.retry_ms, decoder.pending) == ("", 5, b"")
    assert decoder.feed(b"\n\ndata: a\n\n") == [frame(b"a")]
    decoder = opened()
    decoder.feed(b"id: 7\n\nretry: 5\ndata: a")
    last: Any = decoder.flush()
    assert (last.data, last.id, last.retry, decoder.last_event_id) == (b"a", None, 5, "7")
    assert decoder.feed(b"data: b\n\n") == [frame(b"b")]


def test_a_window_may_end_between_the_two_halves_of_a_line_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "_WINDOW", 8)
    for wire in (b"data: a\r\ndata: b\r\n\r\n", b"data: a\n\r\n\r\n", b": 3456\r\r\ndata: b\r\n\r\n"):
        decoder = SSEDecoder(100)
        whole = decoder.feed(wire)
        parts = SSEDecoder(100)
        assert [one for at in range(len(wire)) for one in parts.feed(wire[at : at + 1])] == whole
        assert whole


@pytest.mark.parametrize("field", ["data", "event", "id"])
def test_the_first_colon_ends_the_name(field: str) -> None:
    wire = f"{field}::x\ndata: a\n\n".encode() if field != "data" else b": c\ndata::x\n\n"
    (found,) = SSEDecoder(100).feed(wire)
    assert {"data": found.data, "event": found.event, "id": found.id}[field] in (b":x", ":x")
