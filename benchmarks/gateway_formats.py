"""The events of a streamed chat around its texts, in the formats of two vendors."""

import dataclasses
import json
from typing import Any


@dataclasses.dataclass(frozen=True)
class Format:
    """The events of a stream around its texts, in one vendor's format."""

    begin: bytes
    before: bytes
    after: bytes
    end: bytes


def _openai(delta: str, reason: str) -> str:
    return (
        'data: {"id":"chatcmpl-bench00000000000000000001","object":"chat.completion.chunk","created":1760000000,'
        f'"model":"bench-model","system_fingerprint":"fp_bench","choices":[{{"index":0,"delta":{delta},"logprobs":null,'
        f'"finish_reason":{reason}}}]}}\n\n'
    )


def _anthropic(**event: Any) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event, separators=(',', ':'))}\n\n"


def _formats() -> tuple[Format, Format]:
    before, after = _openai('{"content":"%"}', "null").encode().split(b"%")
    message = {"id": "msg_bench1", "type": "message", "role": "assistant", "model": "bench-model", "content": []}
    usage = {"input_tokens": 11, "output_tokens": 1}
    started = {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}
    begin = _anthropic(type="message_start", message=started)
    begin += _anthropic(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    end = _anthropic(type="content_block_stop", index=0)
    end += _anthropic(type="message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage=usage)
    end += _anthropic(type="message_stop")
    delta = _anthropic(type="content_block_delta", index=0, delta={"type": "text_delta", "text": "%"})
    first, last = delta.encode().split(b"%")
    return (
        Format(b"", before, after, (_openai("{}", '"stop"') + "data: [DONE]\n\n").encode()),
        Format(begin.encode(), first, last, end.encode()),
    )


def framed(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


OPENAI, ANTHROPIC = _formats()
