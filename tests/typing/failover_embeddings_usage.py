"""Failover, embeddings and token counts, as both checkers see them. Never run."""

from __future__ import annotations

from array import array
from typing import assert_type

from llmsdk import SDK, Failover, ModelUsage, Price, Provider, UsageTotals, errors
from llmsdk.models import EmbeddingsResponse


def failovers(mine: Provider) -> list[Failover]:
    return [
        Failover(["together", "r9s"]),
        Failover(("together", mine), models={"mine": "m"}),
        Failover(["together", "r9s"], models={"r9s": {"a": "b"}}, on=(429, "5XX", "timeout", "connection")),
        Failover("together"),  # type: ignore[arg-type]
        Failover([3]),  # type: ignore[list-item]
        Failover(["together"], models={"together": 3}),  # type: ignore[dict-item]
        Failover(["together"], on=[1.5]),  # type: ignore[list-item]
    ]


def sdks(failover: Failover) -> list[SDK]:
    by_model: dict[str, Price] = {"m": Price(input_per_million=1)}
    return [
        SDK(prices=by_model),
        SDK(failover=failover, track_usage=True, prices={"m": Price(input_per_million=1)}),
        SDK(failover=None, prices={("together", "m"): Price(input_per_million=1.5, output_per_million=2)}),
        SDK(failover="together"),  # type: ignore[arg-type]
        SDK(prices={"m": 3}),  # type: ignore[arg-type]
    ]


async def calls(sdk: SDK, failover: Failover) -> None:
    sdk.completions.create(model="m", prompt="x", failover=failover)
    await sdk.chat.create_async(model="m", messages=[], failover=None)
    one = sdk.embeddings.create(model="m", input="a text", failover=failover)
    assert_type(one, EmbeddingsResponse)
    assert_type(one.data[0].embedding, list[float])
    assert_type(one.data[0].as_array(), array[float])
    assert_type(await sdk.embeddings.create_async(model="m", input=["a", "b"], dimensions=8), EmbeddingsResponse)
    sdk.embeddings.create(model="m", input=[1, 2], encoding_format="base64")
    sdk.embeddings.create(model="m", input=[[1, 2], [3]], user="u", input_type="query")
    sdk.embeddings.create(input="a text")  # type: ignore[call-arg]
    sdk.embeddings.create(model="m", input=3)  # type: ignore[arg-type]


def counts(sdk: SDK) -> None:
    assert_type(sdk.usage, UsageTotals)
    assert_type(sdk.usage.cost, float | None)
    with sdk.track() as usage:
        assert_type(usage, UsageTotals)
    for row in usage:
        assert_type(row, ModelUsage)
    assert_type(usage.by_model, dict[tuple[str, str], ModelUsage])


def story(error: errors.RemoteError) -> None:
    assert_type(error.earlier, tuple[errors.RemoteError, ...])
