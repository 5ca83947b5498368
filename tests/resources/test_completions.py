"""`sdk.completions`: parameters, dialects, calling forms and options, each body in both colours."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
import respx

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.colours import KEY, Client, Colour, collect

pytestmark = pytest.mark.every_backend

REPLY = {"id": "c", "choices": [{"index": 0, "text": "hi", "finish_reason": "stop"}]}
URLS = {
    "together": "https://api.together.xyz/v1/completions",
    "writer": "https://enterprise-api.writer.com/llm/organization/9/model/m/completions",
    "writer_v1": "https://api.writer.com/v1/completions",
    "r9s": "https://api.r9s.ai/v1/completions",
    "openai": "https://models.example/v1/completions",
}
# What a caller writes, and what each server is sent for it.
STOP = {"together": ["x"], "writer": ["x"], "writer_v1": "x", "r9s": "x", "openai": "x"}


def open_client(colour: Colour, server: str, **options: Any) -> Client:
    given: dict[str, Any] = {"api_key": KEY, "server": server, "organization_id": 9, **options}
    if server == "openai":
        given.setdefault("server_url", "https://models.example/v1")
    return colour.open(**given)


def body_of(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


# --------------------------------------------------------------- parameters


@pytest.mark.also_trio
@pytest.mark.parametrize("server", URLS)
async def test_each_server_gets_its_own_dialect(server: str, colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS[server]).respond(json=REPLY)
    async with open_client(colour, server) as client:
        reply = await client.call("completions.create", model="m", prompt="p", max_tokens=5, stop="x")
    assert reply.text == "hi"
    expected: dict[str, Any] = {"prompt": "p", "stop": STOP[server]}
    if server == "writer":
        expected["maxTokens"] = 5
    else:
        expected |= {"model": "m", "max_tokens": 5}
    assert body_of(route) == expected
    assert route.calls.last.request.headers["authorization"] == (KEY if server == "writer" else f"Bearer {KEY}")


async def test_writer_v1_renames_the_seed(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["writer_v1"]).respond(json=REPLY)
    async with open_client(colour, "writer_v1") as client:
        await client.call("completions.create", model="m", prompt="p", seed=3)
    assert body_of(route) == {"model": "m", "prompt": "p", "random_seed": 3}


async def test_absent_is_absent_and_none_is_null(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["together"]).respond(json=REPLY)
    async with open_client(colour, "together") as client:
        await client.call("completions.create", model="m", prompt="p", stop=None, seed=None)
    assert body_of(route) == {"model": "m", "prompt": "p", "stop": None, "seed": None}


async def test_ranges_are_the_servers_matter(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["together"]).respond(json=REPLY)
    async with open_client(colour, "together") as client:
        await client.call("completions.create", model="m", prompt="", temperature=99, logprobs=1000, n=0)
    assert body_of(route) == {"model": "m", "prompt": "", "temperature": 99, "logprobs": 1000, "n": 0}


async def test_path_values_stay_data(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(url__startswith="https://enterprise-api.writer.com/").respond(json=REPLY)
    async with open_client(colour, "writer") as client:
        for model in ("a/b", "a?b#c", "..", "Ünï", "%2e"):
            await client.call("completions.create", model=model, prompt="p")
    targets = [call.request.url.raw_path.decode().split("/model/")[1] for call in route.calls]
    assert targets == [f"{quoted}/completions" for quoted in ("a%2Fb", "a%3Fb%23c", "%2E%2E", "%C3%9Cn%C3%AF", "%252e")]


# --------------------------------------------------------------- unsupported


async def test_an_unsupported_parameter_is_refused(colour: Colour, wire: respx.MockRouter) -> None:
    async with open_client(colour, "r9s") as client:
        with pytest.raises(errors.UnsupportedParameterError) as caught:
            await client.call("completions.create", model="m", prompt="p", top_k=4)
    error = caught.value
    assert (error.param, error.server) == ("top_k", "r9s")
    assert error.servers[:3] == ("together", "openai", "local")
    assert "top_k" in str(error)
    assert "r9s" in str(error)
    assert not wire.calls


async def test_an_unsupported_parameter_is_dropped_aloud(
    colour: Colour, wire: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    route = wire.post(URLS["r9s"]).respond(json=REPLY)
    async with open_client(colour, "r9s", unsupported="drop") as client:
        with caplog.at_level(logging.WARNING, "llmsdk"):
            reply = await client.call("completions.create", model="m", prompt="p", top_k=4, min_p=0.5, seed=1)
    assert body_of(route) == {"model": "m", "prompt": "p", "seed": 1}
    assert set(reply.meta.dropped) == {"top_k", "min_p"}
    assert "top_k" in caplog.text


async def test_an_unsupported_parameter_is_passed(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["r9s"]).respond(json=REPLY)
    async with open_client(colour, "r9s") as client:
        reply = await client.call("completions.create", model="m", prompt="p", top_k=4, unsupported="pass")
    assert body_of(route) == {"model": "m", "prompt": "p", "top_k": 4}
    assert reply.meta.dropped == ()


async def test_an_unsupported_operation_is_refused(colour: Colour, wire: respx.MockRouter) -> None:
    async with open_client(colour, "together") as client:
        with pytest.raises(errors.UnsupportedOperationError) as caught:
            await client.call(
                "completions.create_model_customization_completion", model="m", prompt="p", customization_id="c"
            )
    assert caught.value.servers == ("writer",)
    assert "together" in str(caught.value)
    assert not wire.calls


@pytest.mark.parametrize("server", [name for name in URLS if name != "openai"])
async def test_each_unsupported_parameter_is_refused_by_name(
    server: str, colour: Colour, wire: respx.MockRouter
) -> None:
    names = sorted(PROVIDERS[server].routes["createCompletion"].unsupported)
    assert names
    async with open_client(colour, server) as client:
        for name in names:
            with pytest.raises(errors.UnsupportedParameterError) as caught:
                await client.call("completions.create", model="m", prompt="p", **{name: None})
            assert caught.value.param == name
    assert not wire.calls


# -------------------------------------------------------------- calling forms


async def test_model_id_is_another_name_of_model(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["writer"]).respond(json=REPLY)
    async with open_client(colour, "writer") as client:
        await client.call("completions.create", completion_request={"prompt": "p"}, model_id="m")
        await client.call("completions.create", completion_request={"prompt": "p", "model": "m"}, model_id="m")
        await client.call("completions.create", completion_request={"prompt": "p"}, model="m")
    assert route.call_count == 3
    assert body_of(route) == {"prompt": "p"}


@pytest.mark.parametrize(
    "args, named",
    [
        ({"completion_request": {"model": "m", "prompt": "p"}, "max_tokens": 3}, "max_tokens"),
        ({"completion_request": {"prompt": "p"}, "prompt": "p", "model": "m"}, "prompt"),
        ({"model": "m", "model_id": "n", "prompt": "p"}, "model_id"),
        ({"completion_request": {"model": "m", "prompt": "p"}, "model_id": "n"}, "model"),
        ({"completion_request": [("model", "m")]}, "completion_request"),
    ],
)
async def test_forms_that_contradict(args: dict[str, Any], named: str, colour: Colour, wire: respx.MockRouter) -> None:
    async with open_client(colour, "together") as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("completions.create", **args)
    assert str(caught.value).startswith(named)
    assert "\n" not in str(caught.value)
    assert not wire.calls


# ------------------------------------------------------------ options of a call


async def test_extra_body_goes_over_what_is_there(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["r9s"]).respond(json=REPLY)
    async with open_client(colour, "r9s") as client:
        extra = {"top_k": 4, "prompt": ["p", "q"], "deep": {"er": [None]}}
        await client.call("completions.create", model="m", prompt="p", extra_body=extra)
    assert body_of(route) == {"model": "m", "prompt": ["p", "q"], "top_k": 4, "deep": {"er": [None]}}


async def test_extra_query_goes_into_the_url(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(url__startswith=URLS["r9s"]).respond(json=REPLY)
    async with open_client(colour, "r9s") as client:
        await client.call(
            "completions.create", model="m", prompt="p", extra_query={"a": "b c", "d": True, "e": [1, 2], "f": None}
        )
    assert route.calls.last.request.url.query == b"a=b%20c&d=true&e=1&e=2"


async def test_headers_of_a_call_go_over_those_of_the_sdk(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(URLS["r9s"]).respond(json=REPLY)
    async with open_client(colour, "r9s", http_headers={"X-One": "sdk", "X-Two": "sdk"}) as client:
        await client.call("completions.create", model="m", prompt="p", http_headers={"x-two": "call"})
    headers = route.calls.last.request.headers
    assert (headers["x-one"], headers["x-two"]) == ("sdk", "call")


async def test_another_server_for_one_call(colour: Colour, wire: respx.MockRouter) -> None:
    ours = wire.post(URLS["together"]).respond(json=REPLY)
    theirs = wire.post(URLS["r9s"]).respond(json=REPLY)
    keys = {"together": "sk-placeholder-t", "r9s": "sk-placeholder-r"}
    async with open_client(colour, "together", api_key=keys) as client:
        reply = await client.call("completions.create", model="m", prompt="p", server="r9s")
        assert reply.meta.server == "r9s"
        assert (await client.call("completions.create", model="m", prompt="p")).meta.server == "together"
    assert theirs.calls.last.request.headers["authorization"] == "Bearer sk-placeholder-r"
    assert ours.calls.last.request.headers["authorization"] == "Bearer sk-placeholder-t"


async def test_another_url_for_one_call_keeps_the_dialect_but_not_the_key(
    colour: Colour, wire: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    route = wire.post("https://proxy.example/x/llm/organization/9/model/m/completions").respond(json=REPLY)
    async with open_client(colour, "writer") as client:
        await client.call(
            "completions.create", model="m", prompt="p", max_tokens=1, server_url="https://proxy.example/x"
        )
    assert body_of(route) == {"prompt": "p", "maxTokens": 1}
    assert "authorization" not in route.calls.last.request.headers
    assert "proxy.example" in caplog.text


async def test_another_organization_for_one_call(colour: Colour, wire: respx.MockRouter) -> None:
    url = "https://enterprise-api.writer.com/llm/organization/77/model/m/completions"
    route = wire.post(url).respond(json=REPLY)
    async with open_client(colour, "writer") as client:
        await client.call("completions.create", model="m", prompt="p", organization_id=77)
    assert route.call_count == 1


# ------------------------------------------------------------------- preview


def test_preview_shows_the_request_and_sends_nothing(wire: respx.MockRouter) -> None:
    with open_client(Colour("sync"), "writer", http_headers={"X-One": "it's"}).sdk as sdk:
        preview = sdk.completions.preview(model="m", prompt="it's", max_tokens=3, stop="x")
    assert (preview.method, preview.url) == ("POST", URLS["writer"])
    assert preview.body == {"prompt": "it's", "maxTokens": 3, "stop": ["x"]}
    assert preview.headers["authorization"] == "***"
    assert preview.headers["x-one"] == "it's"
    assert KEY not in repr(preview)
    assert not wire.calls


def test_preview_as_curl_is_a_command_that_a_shell_reads_back(wire: respx.MockRouter) -> None:
    import shlex

    with open_client(Colour("sync"), "together").sdk as sdk:
        curl = sdk.completions.preview(model="m", prompt='it\'s "$HOME" `ls`\n').as_curl()
    assert KEY not in curl
    words = shlex.split(curl)
    assert words[:4] == ["curl", "-X", "POST", URLS["together"]]
    assert "authorization: Bearer $API_KEY" in words
    assert json.loads(words[words.index("--data-raw") + 1]) == {"model": "m", "prompt": 'it\'s "$HOME" `ls`\n'}
    assert "accept-encoding" not in curl  # curl prints what is compressed as it is


def test_preview_of_a_customization_names_it(wire: respx.MockRouter) -> None:
    with open_client(Colour("sync"), "writer").sdk as sdk:
        preview = sdk.completions.preview(model="m", customization_id="c", prompt="p")
    assert preview.url.endswith("/llm/organization/9/model/m/customization/c/completions")


def test_preview_names_what_is_dropped(wire: respx.MockRouter) -> None:
    with open_client(Colour("sync"), "r9s", unsupported="drop").sdk as sdk:
        assert sdk.completions.preview(model="m", prompt="p", top_k=1).dropped == ("top_k",)


# -------------------------------------------------------------------- streams


async def test_a_stream_folds_into_the_type_of_the_unstreamed_reply(colour: Colour, wire: respx.MockRouter) -> None:
    body = (
        'data: {"id":"c","choices":[{"index":1,"text":"B"},{"index":0,"text":"A"}]}\n\n'
        'data: {"id":"c","choices":[{"index":0,"text":"a","finish_reason":"stop"}]}\n\n'
        'data: {"id":"c","choices":[{"index":1,"text":"b","finish_reason":"length"}],"usage":{"total_tokens":9}}\n\n'
        "data: [DONE]\n\n"
    )
    route = wire.post(URLS["openai"]).respond(content=body, headers={"content-type": "text/event-stream"})
    async with open_client(colour, "openai") as client:
        stream = await client.call("completions.create", model="m", prompt="p", n=2, stream=True)
        assert len(await collect(stream)) == 3
        final = stream.final
    assert body_of(route)["stream"] is True
    assert [(choice.text, choice.finish_reason) for choice in final.choices] == [("Aa", "stop"), ("Bb", "length")]
    assert final.usage.total_tokens == 9
    assert final.meta.server == "openai"
