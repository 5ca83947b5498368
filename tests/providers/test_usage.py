"""What each server states of tokens, summed right: cached ones under its name, reasoning and counts of chunks once."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PLAIN = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
CACHED = {"prompt_tokens_details": {"cached_tokens": 64}}
REASONED = {"completion_tokens_details": {"reasoning_tokens": 20}}
# Server, its usage, and prompt, completion, total, cached and reasoning tokens as they count.
USAGES: list[tuple[str, dict[str, Any], tuple[int, int, int, int, int]]] = [
    ("openai", {**PLAIN, **REASONED, **CACHED}, (100, 50, 150, 64, 20)),
    ("groq", {**PLAIN, **REASONED, "queue_time": 0.1, "total_time": 0.2}, (100, 50, 150, 0, 20)),
    ("deepseek", {**PLAIN, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36}, (100, 50, 150, 64, 0)),
    ("moonshot", {**PLAIN, "cached_tokens": 64}, (100, 50, 150, 64, 0)),
    ("together", {**PLAIN, "cached_tokens": 64, "reasoning_tokens": 20}, (100, 50, 150, 64, 20)),
    ("together", {**PLAIN, **CACHED, "reasoning_tokens": 0}, (100, 50, 150, 64, 0)),
    ("writer_v1", {**PLAIN, "prompt_token_details": {"cached_tokens": 64}, **REASONED}, (100, 50, 150, 64, 20)),
    ("dashscope", {**PLAIN, "prompt_tokens_details": {"text_tokens": 9, "cached_tokens": 64}}, (100, 50, 150, 64, 0)),
    ("openrouter", {**PLAIN, **CACHED, **REASONED, "cost": 0.01, "is_byok": False}, (100, 50, 150, 64, 20)),
    ("xai", {**PLAIN, "total_tokens": 170, **CACHED, **REASONED}, (100, 70, 170, 64, 20)),
    ("xai", {**PLAIN, "completion_tokens": 5, **REASONED}, (100, 25, 150, 0, 20)),
    ("perplexity", {**PLAIN, "reasoning_tokens": 900, "citation_tokens": 7}, (100, 950, 150, 0, 900)),
    ("gemini_openai", {**PLAIN, "total_tokens": 170}, (100, 70, 170, 0, 20)),
    ("gemini_openai", PLAIN, (100, 50, 150, 0, 0)),
    ("mistral", {**PLAIN, "prompt_audio_seconds": None}, (100, 50, 150, 0, 0)),
    ("vllm", {**PLAIN, "prompt_tokens_details": None}, (100, 50, 150, 0, 0)),
]  # fmt: skip


def told(usage: dict[str, Any], streams: str) -> bytes:
    """A reply with these counts; in streams they stand on the last chunk, on one of their own, or on all, growing."""
    if not streams:
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        return json.dumps({"id": "c", "choices": [choice], "usage": usage}).encode()
    chunks: list[dict[str, Any]] = [
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi"}}]} for _ in range(3)
    ]
    chunks[-1]["choices"][0]["finish_reason"] = "stop"
    if streams == "apart":
        chunks.append({"id": "c", "choices": [], "usage": usage})
    elif streams == "all":
        for done, chunk in enumerate(chunks):
            chunk["usage"] = {**usage, "completion_tokens": done, "total_tokens": 100 + done}
    chunks[-1]["usage"] = usage
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("streams", ["", "last", "apart", "all"])
@pytest.mark.parametrize("server, usage, counts", USAGES)
async def test_counts(server: str, usage: Any, counts: Any, streams: str, colour: Colour, canned: CannedServer) -> None:
    kind = "text/event-stream" if streams else "application/json"
    canned.reply(200, told(usage, streams), {"content-type": kind})
    base = canned.url + urlsplit(PROVIDERS[server].servers[0]).path
    async with colour.open(server=server, server_url=base, api_key=KEY) as client:
        reply = await client.call("chat.create", **CHAT, stream=bool(streams))
        if streams:
            await collect(reply)
            reply = reply.final
        assert reply.usage.model_dump(exclude_unset=True) == usage  # as the server said it
        (row,) = client.sdk.usage
    assert (row.server, row.calls, row.uncounted_calls) == (server, 1, 0)
    assert (
        row.prompt_tokens,
        row.completion_tokens,
        row.total_tokens,
        row.cached_tokens,
        row.reasoning_tokens,
    ) == counts
