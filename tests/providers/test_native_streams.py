"""Streams of native protocols, however they are cut and mixed: they fold to the reply that comes unstreamed."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmsdk import errors
from llmsdk._call.reply.reading import decode_reply
from llmsdk._call.stream.events import EventDecoder
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations import all_operations
from llmsdk.utils.headers import Headers
from llmsdk.utils.secrets import Secrets

from .test_codecs import CODECS, NATIVE, arguments, samples
from .wires import PAIRS, bare, sparse

Json = dict[str, Any]
CHAT = all_operations()["createChatCompletion"]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


def decoder_of(protocol: str) -> EventDecoder:
    meta = errors.ReplyMeta(protocol, 200, Headers({"content-type": "text/event-stream"}))
    return EventDecoder(
        CHAT, PROVIDERS[protocol], meta, Secrets(), coding=None, max_event_bytes=1 << 20, max_response_bytes=1 << 22
    )


def folded(protocol: str, parts: list[bytes]) -> Any:
    """Read a stream to its end, and fold it."""
    decoder = decoder_of(protocol)
    for part in parts:
        assert not decoder.done or not part.strip()
        list(decoder.feed(part))
    if not decoder.done:
        list(decoder.end())
    return decoder.accumulator.build()


def written(event: Json) -> bytes:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n".encode()


def whole(protocol: str, reply: Json) -> Any:
    meta = errors.ReplyMeta(protocol, 200, Headers({}))
    body = json.dumps(reply).encode()
    return decode_reply(CHAT, PROVIDERS[protocol], body, content_type="", meta=meta, secrets=Secrets(), results=1)


def comparable(reply: Any) -> Any:
    """Dump a reply without nulls, and without what a stream alone has: the places of calls."""

    def plain(node: Any, name: str = "") -> Any:
        if name == "blocks":
            return node
        if isinstance(node, dict):
            skipped = ("index",) if name == "tool_calls" else ()
            return {key: plain(value, key) for key, value in node.items() if value is not None and key not in skipped}
        if isinstance(node, list):
            return [plain(item, name) for item in node]
        return arguments(node) if name == "arguments" else node

    return plain(reply.model_dump(mode="json", exclude_unset=True))


@pytest.mark.parametrize("protocol", sorted(PAIRS))
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_any_stream_folds_to_the_reply(protocol: str, data: st.DataObject) -> None:
    reply, events = data.draw(PAIRS[protocol])
    body = b"".join(map(written, events))
    places = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=4)))
    parts = [body[start:end] for start, end in pairwise([0, *places, len(body)])]
    assert comparable(folded(protocol, parts)) == comparable(whole(protocol, reply))


@pytest.mark.parametrize("protocol", sorted(PAIRS))
@settings(max_examples=50, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_a_stream_of_few_events_says_as_much(protocol: str, data: st.DataObject) -> None:
    reply, events = data.draw(PAIRS[protocol])
    wanted = comparable(whole(protocol, reply))
    for fewer in (sparse(protocol, reply, events), bare(protocol, events)):
        assert comparable(folded(protocol, [b"".join(map(written, fewer))])) == wanted


@pytest.mark.parametrize("sample", samples("stream"))
def test_a_stream_that_is_cut_anywhere_is_an_error(sample: Json) -> None:
    """Until the event has come that says why the answer ended; from there on it is whole."""
    protocol, body = sample["protocol"], (NATIVE / sample["file"]).read_bytes()
    final = comparable(folded(protocol, [body]))
    finished = False
    for end in range(len(body) + 1):
        decoder = decoder_of(protocol)
        list(decoder.feed(body[:end]))
        if decoder.done or decoder.accumulator.finished:
            finished = True
            assert comparable(folded(protocol, [body[:end]])) == final
            continue
        assert not finished
        with pytest.raises(errors.StreamInterruptedError) as caught:
            list(decoder.end())
        assert caught.value.reason == "truncated"
        said = decoder.accumulator.build().choices
        # Sent back as it is, what came must not hide behind blocks that are not all there.
        assert all(choice.message.blocks is None for choice in said)
    assert finished


BUSY: dict[str, tuple[Json, type[errors.SDKError]]] = {
    "anthropic": (
        {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down"}},
        errors.RateLimitError,
    ),
    "gemini": (
        {"error": {"code": 503, "message": "Slow down", "status": "UNAVAILABLE"}},
        errors.ServiceUnavailableError,
    ),
    "openai_responses": (
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "Slow down"}},
        errors.RateLimitError,
    ),
}


@pytest.mark.parametrize("sample", samples("stream"))
def test_an_error_behind_any_event_is_raised(sample: Json) -> None:
    protocol = sample["protocol"]
    event, kind = BUSY[protocol]
    frames = (NATIVE / sample["file"]).read_bytes().split(b"\n\n")[:-1]
    for count in range(len(frames)):
        whole = b"".join(frame + b"\n\n" for frame in frames[:count])
        before, decoder = decoder_of(protocol), decoder_of(protocol)
        list(before.feed(whole))
        with pytest.raises(kind, match="Slow down"):
            list(decoder.feed(whole + written(event)))
        assert decoder.accumulator.build() == before.accumulator.build()


def test_every_codec_has_pairs() -> None:
    assert PAIRS.keys() == CODECS.keys()
