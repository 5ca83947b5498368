"""What calls cost: prices with caches, reasoning and tiers, costs that servers state, tables that others publish."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, Price, errors
from llmsdk._call.counts import counts_of, stated_cost
from llmsdk._call.prices import price_of
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
DEAR = Price(
    input_per_million=10,
    output_per_million=20,
    cached_input_per_million=1,
    cache_write_per_million=12.5,
    reasoning_per_million=40,
    per_request=0.5,
    tiers={200_000: Price(input_per_million=20, output_per_million=30), 100_000: Price(input_per_million=15)},
)


def reply(usage: Any, text: str = "Hi.") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    made = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return made if usage is None else {**made, "usage": usage}


@pytest.mark.parametrize(
    "tokens, more, cost",
    [
        ((1000, 0, 0), {}, 0.01),
        ((1000, 400, 0), {}, 0.0064),
        ((1000, 400, 0), {"cache_write_tokens": 600}, 0.0004 + 0.0075),
        ((1000, 400, 0), {"cache_write_tokens": 9999}, 0.0004 + 0.0075),
        ((1000, 5000, 0), {}, 0.001),
        ((0, 0, 1000), {}, 0.02),
        ((0, 0, 1000), {"reasoning_tokens": 250}, 0.015 + 0.01),
        ((0, 0, 1000), {"reasoning_tokens": 2000}, 0.04),
        ((100_000, 0, 0), {}, 1.0),
    ],
)
def test_tokens_cost_by_what_they_are(tokens: tuple[int, int, int], more: dict[str, int], cost: float) -> None:
    assert DEAR.of(*tokens, **more) == pytest.approx(cost + 0.5)


def test_a_long_prompt_costs_by_its_tier_as_a_whole() -> None:
    assert DEAR.of(100_001, 0, 1000) == pytest.approx(100_001 * 15e-6)
    assert DEAR.of(200_000, 0, 0) == pytest.approx(3.0)
    assert DEAR.of(200_001, 1000, 1000, reasoning_tokens=10) == pytest.approx(200_001 * 20e-6 + 0.03)
    assert hash(DEAR) == hash(copy.deepcopy(DEAR))
    assert list(DEAR.tiers) == [100_000, 200_000]


def test_what_a_call_costs_at_the_most() -> None:
    assert DEAR.most(1000, 1000) == pytest.approx(0.5 + 0.0125 + 0.04)
    assert DEAR.most(200_001, 0) == pytest.approx(200_001 * 20e-6)
    for prompt in (0, 10, 100_001, 200_001):
        for cached in (0, prompt):
            for reasoning in (0, 500):
                cost = DEAR.of(prompt, cached, 500, cache_write_tokens=prompt - cached, reasoning_tokens=reasoning)
                assert cost <= DEAR.most(prompt, 500) + 1e-9


@pytest.mark.parametrize(
    "given, told",
    [
        ({"input_per_million": -1}, "input_per_million: must be a finite number"),
        ({"input_per_million": True}, "input_per_million: must be a finite number"),
        ({"input_per_million": 1, "per_request": None}, "per_request: must be a finite number"),
        ({"input_per_million": 1, "reasoning_per_million": float("inf")}, "reasoning_per_million: must be a finite"),
        ({"input_per_million": 1, "tiers": 3}, "tiers: must be a mapping of token counts to Price, got int 3"),
        (
            {"input_per_million": 1, "tiers": {1.5: DEAR}},
            "tiers: must be a mapping of token counts to Price, got float",
        ),
        (
            {"input_per_million": 1, "tiers": {5: 3}},
            "tiers: must be a mapping of token counts to Price, got int 5: int 3",
        ),
    ],
)
def test_bad_prices_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Price(**given)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    "usage, cost",
    [
        ({"cost": 0.25}, 0.25),
        ({"cost": 0}, 0.0),
        ({"cost": {"total_cost": 0.5, "input_tokens_cost": 0.1}}, 0.5),
        ({"cost_in_usd_ticks": 37_756_000}, 0.0037756),
        ({"estimated_cost": 0.125}, 0.125),
        ({"cost": None, "estimated_cost": 0.125}, 0.125),
        ({"cost": "0.25"}, None),
        ({"cost": True}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": {"other": 1}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_servers_state(usage: Any, cost: float | None) -> None:
    assert stated_cost(usage) == (None if cost is None else pytest.approx(cost))


@pytest.mark.parametrize(
    "usage, written, cached",
    [
        ({"prompt_tokens": 9, "cache_creation_input_tokens": 4, "cache_read_input_tokens": 3}, 4, 3),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4}}, 4, 3),
        ({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0}}, 0, 3),
    ],
)
def test_cache_writes_are_counted(usage: Any, written: int, cached: int) -> None:
    counts = counts_of(usage)
    assert counts is not None
    assert (counts.prompt, counts.written, counts.cached) == (9, written, cached)


async def test_a_reply_tells_its_cost(colour: Colour, canned: CannedServer) -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    prices = {"m": Price(input_per_million=10, output_per_million=100), ("openai", "own"): Price(input_per_million=1)}
    async with colour.open(server_url=canned.url, api_key=KEY, prices=prices) as client:

        async def cost_of(usage: Any, **given: Any) -> float | None:
            canned.reply(200, reply(usage))
            cost: float | None = (await client.call("chat.create", **{**ASK, **given})).meta.cost
            return cost

        assert await cost_of(usage) == pytest.approx(0.02)
        assert await cost_of({**usage, "cost": 0.3}) == 0.3  # what the server states wins
        assert await cost_of(usage, model="own") == pytest.approx(0.001)
        assert await cost_of(usage, model="other") is None
        assert await cost_of({**usage, "cost": 0.125}, model="other") == 0.125
        assert await cost_of(None) is None
        rows = {row.model: row for row in client.sdk.usage}
        assert rows["m"].cost == pytest.approx(0.32)
        assert rows["own"].cost == pytest.approx(0.001)
        assert (rows["other"].cost, client.sdk.usage.cost) == (None, None)
        assert client.sdk.usage.unpriced == (("openai", "other"),)
        assert await cost_of({**usage, "prompt_tokens_details": {"cache_write_tokens": 4}}) is not None
        assert client.sdk.usage.cache_write_tokens == 4


async def test_a_stream_tells_its_cost_at_its_end(colour: Colour, canned: CannedServer) -> None:
    choice = {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}
    events = [choice, {"choices": [], "usage": {"prompt_tokens": 1000, "completion_tokens": 0}}]
    canned.stream(b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events) + b"data: [DONE]\n\n")
    async with colour.open(server_url=canned.url, prices={"m": Price(input_per_million=1)}) as client:
        stream = await client.call("chat.create", **ASK, stream=True)
        assert stream.meta.cost is None
        await collect(stream)
        assert stream.final.meta.cost == stream.meta.cost == pytest.approx(0.001)


def test_a_cost_travels(canned: CannedServer) -> None:
    canned.reply(200, reply({"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.5}))
    with SDK(server_url=canned.url) as sdk:
        meta = sdk.chat.create(**ASK).meta
    assert pickle.loads(pickle.dumps(meta)).cost == copy.deepcopy(meta).cost == meta.cost == 0.5
    meta.read_cost = None
    assert pickle.loads(pickle.dumps(meta)).cost is None


# --------------------------------------------------------------- tables

LITELLM = {
    "sample_spec": {"input_cost_per_token": 0, "litellm_provider": "one of them"},
    "gpt-x": {
        "litellm_provider": "openai",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
        "cache_read_input_token_cost": 1.25e-07,
        "cache_creation_input_token_cost": 1.5e-06,
        "output_cost_per_reasoning_token": 2e-05,
        "input_cost_per_token_above_200k_tokens": 2.5e-06,
        "output_cost_per_token_above_200k_tokens": 1.5e-05,
    },
    "together_ai/org/model": {"litellm_provider": "together_ai", "input_cost_per_token": 2e-07},
    "xai/grok": {"litellm_provider": "xai", "input_cost_per_token": "3e-06", "output_cost_per_token": 1.5e-05},
    "dashscope/long": {
        "litellm_provider": "dashscope",
        "tiered_pricing": [
            {"range": [0, 32000], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
            {"range": [32000, 128000], "input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06},
        ],
    },
    "dashscope/odd": {"litellm_provider": "dashscope", "tiered_pricing": [3]},
    "xai/grok-2": {"litellm_provider": "xai", "input_cost_per_token": 1e-06},
    "openrouter/xai/grok-2": {"litellm_provider": "openrouter", "input_cost_per_token": 2e-06},
    "elsewhere/thing": {"litellm_provider": "elsewhere", "input_cost_per_token": 9e-06},
    "dall-e": {"litellm_provider": "openai", "input_cost_per_pixel": 1e-08},
    "broken": {"litellm_provider": "openai", "input_cost_per_token": "free"},
    "negative": {"litellm_provider": "openai", "input_cost_per_token": -1},
    "none": 3,
}

GENAI = [
    {
        "id": "anthropic",
        "model_match": {"contains": "claude"},
        "models": [
            {
                "id": "claude-one",
                "match": {"or": [{"starts_with": "claude-one"}, {"equals": "claude-1"}]},
                "prices": [
                    {"prices": {"input_mtok": 9}},
                    {
                        "constraint": {"start_date": "2020-01-01"},
                        "prices": {
                            "input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]},
                            "cache_write_mtok": {"base": 3.75, "tiers": [{"start": 200000, "price": 7.5}]},
                            "cache_read_mtok": 0.3,
                            "output_mtok": 15,
                        },
                    },
                    {"constraint": {"start_date": "2990-01-01"}, "prices": {"input_mtok": 1}},
                    {"constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"}, "prices": {"input_mtok": 1}},
                ],
            },
            {
                "id": "by-night",
                "match": {"equals": "by-night"},
                "prices": [
                    {"prompts": 1, "prices": {"input_mtok": 5}},
                    {"constraint": {}, "prices": {"input_mtok": 1}},
                ],
            },
            {"id": "no-rule", "match": {"sounds_like": "x"}, "prices": {"input_mtok": 1}},
            {"id": "no-match", "match": [], "prices": {"input_mtok": 1}},
            {"id": "no-price", "match": {"equals": "no-price"}, "prices": {"input_audio_mtok": 1}},
            {"id": "no-tiers", "match": {"equals": "no-tiers"}, "prices": "free"},
            {"id": "bad-price", "match": {"equals": "bad-price"}, "prices": {"input_mtok": -1}},
        ],
    },
    {
        "id": "x-ai",
        "models": [
            {"id": "grok", "match": {"and": [{"regex": "^grok"}, {"ends_with": "fast"}]}, "prices": {"input_mtok": 2}},
            {"id": "search", "match": {"contains": "search"}, "prices": {"requests_kcount": 5}},
        ],
    },
    {"id": "fireworks", "models": [{"id": "q", "match": {"equals": "q"}, "prices": {"output_mtok": 4}}]},
    {"id": "elsewhere", "models": [{"id": "z", "match": {"equals": "z"}, "prices": {"input_mtok": 4}}]},
    "odd",
]


def written(folder: Path, document: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_a_table_of_litellm(tmp_path: Path) -> None:
    table = Price.from_json(written(tmp_path, LITELLM))
    price = price_of(table, "openai", "gpt-x")
    assert price is not None
    assert price == price_of(table, "elsewhere", "gpt-x")
    assert (price.input_per_million, price.output_per_million, price.cached_input_per_million) == (1.25, 10, 0.125)
    assert (price.cache_write_per_million, price.reasoning_per_million) == (1.5, 20)
    assert price.of(200_001, 0, 1_000_000) == pytest.approx(200_001 * 2.5e-6 + 15)
    assert price_of(table, "together", "org/model") == price_of(table, "fireworks", "org/model") is not None
    grok = price_of(table, "xai", "grok")
    assert grok is not None
    assert grok.input_per_million == pytest.approx(3)
    long = price_of(table, "dashscope", "long")
    assert long is not None
    assert (long.of(32_000, 0, 0), long.of(32_001, 0, 0)) == (pytest.approx(0.032), pytest.approx(0.096003))
    assert price_of(table, "elsewhere", "thing") is not None
    for model in ("sample_spec", "dall-e", "broken", "negative", "odd", "none"):
        assert price_of(table, "openai", model) is None
    assert ("xai", "grok") in table
    assert len(table) == len(list(table)) > 5


def test_a_table_of_genai_prices(tmp_path: Path) -> None:
    table = Price.from_json(written(tmp_path, GENAI))
    for server, model in (("anthropic", "claude-one-2026"), ("elsewhere", "Claude-1"), ("anthropic", "claude-1")):
        price = price_of(table, server, model)
        assert price is not None, model
        assert (price.input_per_million, price.cached_input_per_million, price.output_per_million) == (3, 0.3, 15)
        assert price.of(200_001, 0, 0, cache_write_tokens=200_001) == pytest.approx(200_001 * 7.5e-6)
    by_night = price_of(table, "anthropic", "by-night")
    assert by_night is not None
    assert by_night.input_per_million == 5  # whatever the hour: the price that holds at all of them
    fast = price_of(table, "xai", "grok-5-fast")
    assert fast is not None
    assert fast.input_per_million == 2
    assert price_of(table, "elsewhere", "grok-5-fast") is price_of(table, "xai", "grok-5") is None
    search = price_of(table, "xai", "web-search")
    assert search is not None
    assert search.of(1000, 0, 0) == pytest.approx(0.005)
    only_out = price_of(table, "fireworks", "q")
    assert only_out is not None
    assert (only_out.input_per_million, only_out.output_per_million) == (0, 4)
    assert price_of(table, "elsewhere", "z") is price_of(table, "elsewhere", "z") is None
    for model in ("no-rule", "no-match", "no-price", "bad-price"):
        assert price_of(table, "anthropic", model) is None
    assert set(table) == {
        "claude-one",
        "by-night",
        ("anthropic", "by-night"),
        *(("anthropic", "claude-one"), ("xai", "grok"), ("xai", "search"), ("fireworks", "q")),
    }


def test_a_table_is_accepted_as_prices(tmp_path: Path, canned: CannedServer) -> None:
    canned.reply(200, reply({"prompt_tokens": 1_000_000, "completion_tokens": 0}))
    with SDK(server_url=canned.url, prices=Price.from_json(written(tmp_path, LITELLM))) as sdk:
        assert sdk.chat.create(**{**ASK, "model": "gpt-x"}).meta.cost == pytest.approx(2.5)


@pytest.mark.parametrize(
    "content, told", [(b"{", "not valid JSON"), (b"[]", "no prices"), (b"3", "no prices"), (None, "cannot be read")]
)
def test_what_is_no_table_is_refused(content: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match=told) as caught:
        Price.from_json(path)
    assert "prices.json" in str(caught.value)
