"""Replies of the native protocols, and streams that say the same: written from the protocols, not from the codecs.

Each strategy gives a pair: the document of an unstreamed reply, and the events of a stream that a server may send in
its place. The events are cut and mixed in every way that the protocol allows.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]
Pair = tuple[Json, list[Json]]

texts = st.text(max_size=8)
words = st.text("abcdefgh", min_size=1, max_size=5)
inputs = st.dictionaries(words, st.none() | st.integers(-9, 9) | texts | st.lists(texts, max_size=2), max_size=2)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Cut a text anywhere, also into nothing."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


@st.composite
def mixed(draw: st.DrawFn, streams: list[list[Json]]) -> list[Json]:
    """Mix streams of which each keeps its own order."""
    turns = [place for place, stream in enumerate(streams) for _ in stream]
    rest = [iter(stream) for stream in streams]
    return [next(rest[place]) for place in draw(st.permutations(turns))]


@st.composite
def with_noise(draw: st.DrawFn, events: list[Json], noise: list[Json]) -> list[Json]:
    """Put events that say nothing between those that do, behind the first one."""
    found = list(events)
    for event in draw(st.lists(st.sampled_from(noise), max_size=3)):
        found.insert(draw(st.integers(1, len(found) - 1)), event)
    return found


# ------------------------------------------------------------- anthropic

CITED: list[Json] = [
    {"type": "char_location", "cited_text": "as said", "document_index": 0, "start_char_index": 0, "end_char_index": 7},
    {"type": "char_location", "cited_text": "as seen", "document_index": 0, "start_char_index": 0, "end_char_index": 7},
    {"type": "web_search_result_location", "url": "https://example.org", "title": "T", "cited_text": "x"},
]


@st.composite
def _block(draw: st.DrawFn, at: int) -> tuple[Json, list[Json]]:
    """Make a block, and the events of it without its index; the first one starts it."""
    kind = draw(st.sampled_from(["text", "thinking", "tool_use", "server_tool_use", "whole"]))
    deltas: list[Json] = []
    block: Json
    if kind == "text":
        text = draw(texts)
        block, started = {"type": "text", "text": text}, {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in draw(pieces(text)) if text]
        if cited := draw(st.lists(st.sampled_from(CITED), max_size=3)):
            block["citations"] = cited
            for citation in cited:
                deltas.insert(draw(st.integers(0, len(deltas))), {"type": "citations_delta", "citation": citation})
            block["citations"] = [delta["citation"] for delta in deltas if "citation" in delta]
    elif kind == "thinking":
        text, signature = draw(texts), draw(words)
        block = {"type": "thinking", "thinking": text, "signature": signature}
        started = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in draw(pieces(text))]
        deltas.append({"type": "signature_delta", "signature": signature})
    elif kind == "whole":
        block = draw(
            st.sampled_from(
                [
                    {"type": "redacted_thinking", "data": "ENC=="},
                    {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]},
                    {"type": "not_known_yet", "text_of": "x", "index": 7},
                ]
            )
        )
        started = block
    else:
        made = draw(inputs)
        block = {"type": kind, "id": f"{kind}_{at}", "name": draw(words), "input": made}
        started = {**block, "input": {}}
        if made or draw(st.booleans()):
            text = json.dumps(made)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in draw(pieces(text))]
    events = [{"type": "content_block_start", "content_block": started}]
    events += [{"type": "content_block_delta", "delta": delta} for delta in deltas]
    return block, [*events, {"type": "content_block_stop"}]


NOISE = [{"type": "ping"}, {"type": "not_known_yet", "index": 0, "delta": {"type": "text_delta", "text": "no"}}]


@st.composite
def anthropic(draw: st.DrawFn) -> Pair:
    made = [draw(_block(at)) for at in range(draw(st.integers(0, 4)))]
    blocks = [block for block, _ in made]
    streams = [[{**event, "index": at} for event in events] for at, (_, events) in enumerate(made)]
    # Texts come one after the other, as they are read; calls may come side by side, as long as they begin in order.
    body: list[Json] = []
    if blocks and all(block["type"] == "tool_use" for block in blocks):
        body = [stream[0] for stream in streams] + draw(mixed([stream[1:] for stream in streams]))
    else:
        body = [event for stream in streams for event in stream]
    reason = draw(st.sampled_from(["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "pause_turn"]))
    ending: Json = {"stop_reason": reason, "stop_sequence": "END" if reason == "stop_sequence" else None}
    beside: Json = draw(st.sampled_from([{}, {"container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"}}]))
    first: Json = draw(st.sampled_from([{}, {"diagnostics": {"cache_miss": "x"}}]))
    start = {"input_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": None, "output_tokens": 1}
    last = {"output_tokens": draw(st.integers(0, 99)), "input_tokens": draw(st.sampled_from([None, 9]))}
    usage = {**start, **{name: value for name, value in last.items() if value is not None}}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", **first}
    reply = {**head, **beside, "content": blocks, **ending, "usage": usage}
    empty: Json = {"content": [], "stop_reason": None, "stop_sequence": None, "container": None, "usage": start}
    events = [
        {"type": "message_start", "message": {**head, **empty}},
        *body,
        {"type": "message_delta", "delta": {**ending, **beside}, "usage": last},
        {"type": "message_stop"},
    ]
    return reply, draw(with_noise(events, NOISE))


# ---------------------------------------------------------------- gemini

WHOLE_PARTS: list[Json] = [
    {"text": "", "thoughtSignature": "U0lH"},
    {"text": "signed", "thoughtSignature": "U0lH"},
    {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "U0lH"},
    {"functionCall": {"name": "f"}},
    {"functionCall": {"id": "call_1", "name": "g", "args": {}}},
    {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
    {"executableCode": {"language": "PYTHON", "code": "1"}},
    {"notKnownYet": {"text": "x"}},
]


@st.composite
def _candidate(draw: st.DrawFn, at: int, numbered: bool) -> tuple[Json, list[Json]]:
    parts: list[Json] = []
    cut: list[Json] = []
    for _ in range(draw(st.integers(0, 4))):
        if draw(st.booleans()):
            part = draw(st.sampled_from(WHOLE_PARTS))
            if "id" in part.get("functionCall", {}):
                part = {"functionCall": {**part["functionCall"], "id": f"call_{at}_{len(parts)}"}}
            parts.append(part)
            cut.append(part)
            continue
        text = draw(st.text(min_size=1, max_size=6))
        kind: Json = {"thought": True} if draw(st.booleans()) else {}
        if parts and parts[-1].keys() == {"text", *kind}:
            continue  # neighbours of one kind are one part when the reply comes whole
        parts.append({"text": text, **kind})
        cut += [{"text": piece, **kind} for piece in draw(pieces(text))]
    reason = draw(st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL"]))
    number: Json = {"index": at} if numbered else {}
    tokens = [{"token": word, "logProbability": -0.5} for word in draw(st.lists(words, max_size=3))]
    last: Json = {
        "finishReason": reason,
        **draw(st.sampled_from([{}, {"groundingMetadata": {"webSearchQueries": ["q"]}}])),
    }
    if last.get("groundingMetadata"):
        last["safetyRatings"] = [{"category": "A", "probability": "LOW"}, {"category": "B", "probability": "LOW"}]
    reply = {"content": {"role": "model", "parts": parts}, **last, **number}
    if tokens:
        reply["logprobsResult"] = {"chosenCandidates": tokens}
    events: list[Json] = []
    while cut:
        taken = draw(st.integers(1, len(cut)))
        events.append({"content": {"role": "model", "parts": cut[:taken]}, "groundingMetadata": {}})
        cut = cut[taken:]
    events.append({"content": {"role": "model"}} if draw(st.booleans()) or not events else events.pop())
    events[-1] = {**events[-1], **last}
    if not last.get("groundingMetadata") and any("groundingMetadata" in event for event in events):
        reply["groundingMetadata"] = {}
    while tokens:
        place = draw(st.integers(0, len(events) - 1))
        for event in events[place:]:
            taken = draw(st.integers(0, len(tokens))) if event is not events[-1] else len(tokens)
            if taken:
                event["logprobsResult"] = {"chosenCandidates": tokens[:taken]}
            tokens = tokens[taken:]
    return reply, [{**event, **number} for event in events]


@st.composite
def gemini(draw: st.DrawFn) -> Pair:
    count = draw(st.integers(1, 2))
    made = [draw(_candidate(at, numbered=count > 1 or draw(st.booleans()))) for at in range(count)]
    head = {"modelVersion": "g-1", "responseId": "r-1"}
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 10}
    reply = {"candidates": [candidate for candidate, _ in made], **head, "usageMetadata": usage}
    mix = draw(mixed([events for _, events in made]))
    events = [
        {"candidates": [candidate], **head, "usageMetadata": {**usage, "candidatesTokenCount": 1}} for candidate in mix
    ]
    events[-1]["usageMetadata"] = usage
    return reply, events


# ------------------------------------------------------------- responses

NOTED = {"type": "url_citation", "url": "https://example.org", "title": "T", "start_index": 0, "end_index": 1}
SURE = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}


@st.composite
def _item(draw: st.DrawFn, at: int) -> tuple[Json, list[Json]]:
    kind = draw(st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "web_search_call"]))
    place = {"output_index": at, "item_id": f"item_{at}"}
    events: list[Json] = []
    item: Json = {"type": kind, "id": f"item_{at}", "status": "completed"}
    started = dict(item)
    if kind == "message":
        item |= {"role": "assistant", "content": []}
        started = {**item, "content": []}
        for number in range(draw(st.integers(1, 2))):
            part, found = draw(_message_part())
            item["content"].append(part)
            events += [{**event, **place, "content_index": number} for event in found]
    elif kind == "reasoning":
        item |= {"summary": [], "encrypted_content": "ENC"}
        started = {**item, "summary": [], "encrypted_content": "OTHER"}
        for number in range(draw(st.integers(0, 2))):
            text = draw(texts)
            item["summary"].append({"type": "summary_text", "text": text})
            events += [
                {"type": "response.reasoning_summary_text.delta", "delta": piece, **place, "summary_index": number}
                for piece in draw(pieces(text))
            ]
    elif kind == "function_call":
        text = json.dumps(draw(inputs))
        item |= {"call_id": f"call_{at}", "name": draw(words), "arguments": text}
        started = {**item, "arguments": ""}
        events = [
            {"type": "response.function_call_arguments.delta", "delta": piece, **place}
            for piece in draw(st.just([]) | pieces(text))
        ]
        events.append({"type": "response.function_call_arguments.done", "arguments": text, **place})
    elif kind == "custom_tool_call":
        text = draw(texts)
        item |= {"call_id": f"call_{at}", "name": draw(words), "input": text}
        started = {**item, "input": ""}
        events = [
            {"type": "response.custom_tool_call_input.delta", "delta": piece, **place} for piece in draw(pieces(text))
        ]
    return item, [
        {"type": "response.output_item.added", "item": started, "output_index": at},
        *events,
        {"type": "response.output_item.done", "item": item, "output_index": at},
    ]


@st.composite
def _message_part(draw: st.DrawFn) -> tuple[Json, list[Json]]:
    text = draw(texts)
    if draw(st.booleans()):
        said = [{"type": "response.refusal.delta", "delta": piece} for piece in draw(pieces(text))]
        return {"type": "refusal", "refusal": text}, [*said, {"type": "response.refusal.done", "refusal": text}]
    part: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    events: list[Json] = [
        {"type": "response.content_part.added", "part": {"type": "output_text", "text": "", "annotations": []}}
    ]
    for piece in draw(st.just([]) | pieces(text)):
        sure = [SURE] if draw(st.booleans()) else []
        part["logprobs"] += sure
        events.append({"type": "response.output_text.delta", "delta": piece, "logprobs": sure})
    if len(events) == 1:
        part["text"] = ""
    for _ in range(draw(st.integers(0, 2))):
        part["annotations"].append(NOTED)
        events.append({"type": "response.output_text.annotation.added", "annotation": NOTED})
    return part, [*events, {"type": "response.output_text.done", "text": part["text"]}]


NO_NEWS: list[Json] = [
    {"type": "response.in_progress", "response": {"id": "resp_1"}},
    {"type": "response.web_search_call.searching", "output_index": 0},
    {"type": "response.not_known_yet", "delta": "no", "output_index": 0},
    {"type": "response.mcp_call_arguments.delta", "delta": "no", "output_index": 0},
]


@st.composite
def responses(draw: st.DrawFn) -> Pair:
    made = [draw(_item(at)) for at in range(draw(st.integers(0, 3)))]
    output = [item for item, _ in made]
    if output and all(item["type"] == "function_call" for item in output):
        body = [events[0] for _, events in made] + draw(mixed([events[1:] for _, events in made]))
    else:
        body = [event for _, events in made for event in events]
    ending: Json = draw(
        st.sampled_from(
            [
                {"status": "completed", "incomplete_details": None},
                {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
                {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            ]
        )
    )
    head: Json = {"id": "resp_1", "object": "response", "created_at": 1, "model": "o-1", "error": None, "tools": []}
    usage = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8, "output_tokens_details": {"reasoning_tokens": 1}}
    reply = {**head, **ending, "output": output, "usage": usage, "service_tier": "default"}
    begun = {**head, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}
    events = [
        {"type": "response.created", "response": begun},
        *body,
        {"type": f"response.{ending['status']}", "response": reply},
    ]
    numbered = draw(with_noise(events, NO_NEWS))
    return reply, [{**event, "sequence_number": number} for number, event in enumerate(numbered)]


PAIRS = {"anthropic": anthropic(), "gemini": gemini(), "openai_responses": responses()}


def sparse(protocol: str, reply: Json, events: list[Json]) -> list[Json]:
    """Leave out what some servers that speak a protocol do not send: pieces, and the ends of what has begun."""
    if protocol == "anthropic":
        blocks: list[Json] = [
            {"type": "content_block_start", "index": at, "content_block": block}
            for at, block in enumerate(reply["content"])
        ]
        kept = [event for event in events if event["type"] in ("message_start", "message_delta", "message_stop")]
        return [kept[0], *blocks, *kept[1:]]
    if protocol == "openai_responses":
        begun = ("response.created", "response.output_item.added", "response.completed", "response.incomplete")
        return [event for event in events if event["type"] in begun]
    return events


def bare(protocol: str, events: list[Json]) -> list[Json]:
    """Leave out all but the first event and the last, which in one protocol hold everything."""
    return [events[0], events[-1]] if protocol == "openai_responses" else events
