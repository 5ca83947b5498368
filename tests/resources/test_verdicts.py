"""Rerank, moderation and decisions: one reply whatever the server's form, and a verdict for each input."""

from __future__ import annotations

from typing import Any

import pytest

from llmsdk import errors
from llmsdk.local import LocalServer
from llmsdk.models import DecisionResponse, ModerationResponse, RerankResponse, Transcription
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import KEY, Colour, each

RANK: dict[str, Any] = {"model": "m", "query": "red boat", "documents": ["A blue car.", "A red boat."]}
RANKING = [name for name, one in PROVIDERS.items() if "createRerank" in one.routes and not one.embedded]
MODERATING = [name for name, one in PROVIDERS.items() if "createModeration" in one.routes and not one.embedded]


@pytest.mark.parametrize("server", RANKING)
async def test_every_server_ranks(server: str, colour: Colour) -> None:
    with LocalServer(dialect=server) as local:
        async with colour.open(server=server, server_url=local.url, api_key=KEY) as client:
            reply = await client.call("rerank.create", **RANK, top_n=1)
    assert [(one.index, one.relevance_score) for one in reply.results] == [(1, 1.0)]


@pytest.mark.parametrize(
    "body",
    [
        {"results": [{"index": 1, "relevance_score": 0.9, "document": {"text": "A red boat."}}]},
        {"object": "list", "data": [{"index": 1, "relevance_score": 0.9, "document": "A red boat."}]},
        [{"index": 1, "score": 0.9, "text": "A red boat."}],
    ],
)
async def test_one_reply_of_every_form(body: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, body)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        (result,) = (await client.call("rerank.create", **RANK)).results
    assert (result.index, result.relevance_score, result.document.text) == (1, 0.9, "A red boat.")


async def test_what_a_search_is_billed_as(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"results": [{"index": 0, "relevance_score": 1}], "meta": {"billed_units": {"search_units": 1}}})
    async with colour.open(server="cohere", server_url=canned.url, api_key=KEY) as client:
        reply = await client.call("rerank.create", **RANK)
    assert reply.usage.search_units == 1
    assert reply.model_extra == {"meta": {"billed_units": {"search_units": 1}}}
    assert reply.meta.server == "cohere"


async def test_pictures_are_ranked_too(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"results": [{"index": 0, "relevance_score": 1, "document": {"text": None, "multi_modal": {}}}]})
    query = {"content": [{"type": "text", "text": "boat"}]}
    documents = {"content": [{"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}]}
    async with colour.open(server="vllm", server_url=canned.url) as client:
        await client.call("rerank.create", query=query, documents=documents)
        assert canned.last.json == {"query": query, "documents": documents}
        for name, bad in (("documents", "one text"), ("documents", [5]), ("query", ["q"])):
            with pytest.raises(errors.RequestValidationError) as caught:
                await client.call("rerank.create", **{**RANK, name: bad})
            assert (caught.value.param or "").startswith(name)


@pytest.mark.parametrize("body", [{"results": []}, {"data": None}, {}, [], {"results": {}}])
async def test_no_ranking_is_an_error(body: Any, colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, body)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.ResponseValidationError):
            await client.call("rerank.create", **RANK)


@pytest.mark.parametrize("server", MODERATING)
async def test_every_server_moderates(server: str, colour: Colour) -> None:
    with LocalServer(dialect=server) as local:
        async with colour.open(server=server, server_url=local.url, api_key=KEY) as client:
            reply = await client.call("moderations.create", model="m", input=["Calm.", "Flag this."])
    assert [one.is_flagged for one in reply.results] == [False, True]


async def test_a_verdict_for_each_text(colour: Colour, canned: CannedServer) -> None:
    """With one less, the rest would stand beside other texts than theirs."""
    canned.reply(200, {"results": [{"flagged": False}]})
    parts = [
        {"type": "text", "text": "Calm."},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for given in ("Calm.", ["Calm."], parts):
            assert len((await client.call("moderations.create", input=given)).results) == 1
        with pytest.raises(errors.ResponseValidationError, match="1 of 2 results"):
            await client.call("moderations.create", input=["Calm.", "Flag this."])
    async with colour.open(server="mistral", server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match=r"^model: required"):
            await client.call("moderations.create", input="Calm.")


@pytest.mark.parametrize("method", ["rerank.map", "moderations.map"])
async def test_many_at_once(method: str, colour: Colour) -> None:
    rows = [RANK if method == "rerank.map" else {"model": "m", "input": f"Text {n}."} for n in range(5)]
    with LocalServer() as local:
        async with colour.open(server_url=local.url, api_key=KEY) as client:
            resource = getattr(client.sdk, method.partition(".")[0])
            mapped = (resource.map_async if colour.is_async else resource.map)(rows, ordered=True)
            found = [(index, len(reply.results)) async for index, reply in each(mapped)]
    assert found == [(n, 2 if method == "rerank.map" else 1) for n in range(5)]


# ---------------------------------------------------------------- decisions

ASKED: list[Any] = [
    {"type": "predicate", "name": "late", "instructions": "The ferry is late."},
    {"type": "choice", "instructions": "Which boat?", "choices": [{"value": "ferry"}, {"value": False}]},
    {"type": "score", "instructions": "How late?", "levels": [{"label": "on time"}, {"label": "late"}]},
]


@pytest.mark.parametrize("server", ["openai", "fireworks"])
async def test_decisions(server: str, colour: Colour) -> None:
    with LocalServer(dialect=server) as local:
        async with colour.open(server=server, server_url=local.url, api_key=KEY) as client:
            reply = await client.call("decisions.create", model="m", input="The ferry is late.", questions=ASKED)
            with pytest.raises(errors.BadRequestError, match="predicates, choices or scores"):
                await client.call("decisions.create", model="m", input="x", questions=[{"type": "box"}])
            with pytest.raises(errors.RequestValidationError, match=r"^questions: "):
                await client.call("decisions.create", model="m", input="x", questions="late?")
    assert reply.by_name["late"].probability == 1.0
    assert reply.answers[1].choice == "ferry"
    assert 0.5 < reply.answers[2].score < 1
    assert sum(one.probability for one in reply.answers[2].probabilities) == pytest.approx(1)
    assert reply.usage.total_tokens == 4


async def test_an_answer_for_each_question(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"model": "m", "answers": [{"type": "predicate", "name": None, "probability": 0.5}]})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        reply = await client.call("decisions.create", model="m", input="x", questions=ASKED[:1])
        assert reply.answers[0].probability == 0.5
        with pytest.raises(errors.ResponseValidationError, match="1 of 3 results"):
            await client.call("decisions.create", model="m", input="x", questions=ASKED)


# ---------------------------------------------------------------- notebooks


def test_a_notebook_shows_tables() -> None:
    ranked = RerankResponse.model_validate({"results": [{"index": 1, "relevance_score": 0.9}]})
    assert "<td>1</td><td>0.9</td>" in ranked._repr_html_()
    judged = ModerationResponse.model_validate(
        {"results": [{"flagged": True, "categories": {"<violence>": True, "hate": False}}, {"categories": 5}]}
    )
    assert "True</td>" in judged._repr_html_()
    assert "&lt;violence&gt;</td>" in judged._repr_html_()
    decided = DecisionResponse.model_validate({"answers": [{"type": "predicate", "probability": 0.5}]})
    assert "predicate</td>" in decided._repr_html_()
    said = Transcription.model_validate({"text": "a<b", "language": "en", "duration": 1.5})
    assert "a&lt;b" in said._repr_html_()
    assert "en · 1.5 s" in said._repr_html_()
    segments = [{"start": 0, "end": 1.5, "speaker_id": "A", "text": "a<b"}]
    shown = Transcription.model_validate({"text": "a<b", "segments": segments})._repr_html_()
    assert "<th>start</th><th>end</th><th>speaker</th><th>text</th>" in shown
    assert "A</td>" in shown
    odd = Transcription.model_validate({"text": "a", "segments": "none", "duration": "long"})
    assert odd._repr_html_().count("a") > 1
