"""`sdk.models`: the list of each dialect, its pages, one model; each body in both colours."""

from __future__ import annotations

import json
from typing import Any

import pytest
import respx

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer
from support.colours import KEY, Colour

pytestmark = pytest.mark.every_backend

ITEMS = [{"id": "a", "object": "model"}, {"id": "b", "novel": [1]}]
LISTS: dict[str, tuple[str, Any]] = {
    "together": ("https://api.together.xyz/v1/models", ITEMS),
    "writer": ("https://enterprise-api.writer.com/llm/organization/9/model", {"data": ITEMS}),
    "writer_v1": ("https://api.writer.com/v1/models", {"models": ITEMS}),
    "r9s": ("https://api.r9s.ai/v1/models", {"object": "list", "data": ITEMS}),
}


@pytest.mark.also_trio
@pytest.mark.parametrize("server", LISTS)
async def test_list(server: str, colour: Colour, wire: respx.MockRouter) -> None:
    url, reply = LISTS[server]
    route = wire.get(url).respond(json=reply)
    async with colour.open(server=server, api_key=KEY, organization_id=9) as client:
        found = await client.call("models.list")
    assert [model.id for model in found] == ["a", "b"]
    assert [model.model_dump(mode="json", exclude_unset=True) for model in found.data] == ITEMS
    assert found.meta.server == server
    request = route.calls.last.request
    assert request.content == b""
    assert "content-type" not in request.headers
    assert "idempotency-key" not in request.headers


async def test_list_asks_for_dedicated_models(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.get(url__startswith=LISTS["together"][0]).respond(json=[])
    async with colour.open(api_key=KEY) as client:
        assert len(await client.call("models.list", dedicated=True)) == 0
        await client.call("models.list", extra_query={"a": 1})
    assert [call.request.url.query for call in route.calls] == [b"dedicated=true", b"a=1"]


async def test_list_takes_all_pages(colour: Colour, canned: CannedServer) -> None:
    pages = {
        "/v1/models": {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"},
        "/v1/models?after=b": {"data": [{"id": "c"}], "has_more": True, "last_id": "c"},
        "/v1/models?after=c": {"data": [{"id": "d"}], "has_more": False, "last_id": "d"},
    }

    def script(connection: Any, request: Any) -> bool:
        body = json.dumps(pages[request.target]).encode()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    canned.script = script
    async with colour.open(server_url=f"{canned.url}/v1", api_key=KEY) as client:
        found = await client.call("models.list")
    assert [model.id for model in found] == ["a", "b", "c", "d"]
    assert [request.headers["authorization"] for request in canned.requests] == [f"Bearer {KEY}"] * 3
    assert canned.connections == 1


async def test_pages_that_go_round_in_a_circle_end(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"data": [{"id": "a"}], "has_more": True, "last_id": "a"})
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.ResponseValidationError, match="repeats a page"):
            await client.call("models.list")
    assert len(canned.requests) == 2


async def test_retrieve(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.get(url__startswith="https://api.r9s.ai/v1/models/").respond(json=ITEMS[1])
    async with colour.open(server="r9s", api_key=KEY) as client:
        found = await client.call("models.retrieve", "org/b?c")
        assert (await client.call("models.retrieve", model="b")).id == "b"
    assert found.model_dump(mode="json", exclude_unset=True) == ITEMS[1]
    assert found.meta.status_code == 200
    assert [call.request.url.raw_path for call in route.calls] == [b"/v1/models/org%2Fb%3Fc", b"/v1/models/b"]


async def test_retrieve_of_no_such_model(colour: Colour, wire: respx.MockRouter) -> None:
    wire.get(url__startswith="https://api.r9s.ai/v1/models/").respond(404, json={"error": {"message": "No such."}})
    async with colour.open(server="r9s", api_key=KEY) as client:
        with pytest.raises(errors.NotFoundError, match=r"No such\."):
            await client.call("models.retrieve", "x")


@pytest.mark.parametrize("server", ["together", "writer", "writer_v1"])
async def test_retrieve_where_there_is_none(server: str, colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(server=server, api_key=KEY, organization_id=9) as client:
        with pytest.raises(errors.UnsupportedOperationError) as caught:
            await client.call("models.retrieve", "m")
    assert caught.value.servers == tuple(name for name, one in PROVIDERS.items() if "retrieveModel" in one.routes)
    assert server not in caught.value.servers
    assert not wire.calls


@pytest.mark.parametrize("model, hint", [("", "empty"), (None, "None came"), (3, "got int")])
async def test_retrieve_without_a_model(model: Any, hint: str, colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(server="r9s", api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match=rf"^model: .*{hint}"):
            await client.call("models.retrieve", model)
    assert not wire.calls


def test_preview(wire: respx.MockRouter) -> None:
    with Colour("sync").open(server="r9s", api_key=KEY).sdk as sdk:
        listed, one = sdk.models.preview(), sdk.models.preview(model="m")
    assert (listed.method, listed.url, listed.body) == ("GET", LISTS["r9s"][0], None)
    assert (one.method, one.url, one.body) == ("GET", LISTS["r9s"][0] + "/m", None)
    assert "--data" not in listed.as_curl()
    assert not wire.calls
