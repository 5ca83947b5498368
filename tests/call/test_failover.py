"""Failover between embedded servers with scripted faults: every request accounted for, in both colours."""

from __future__ import annotations

import contextlib
import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, BackoffStrategy, Failover, Price, Provider, RetryBudget, RetryConfig, errors
from llmsdk.local import Fault, LocalServer
from llmsdk.providers import PROVIDERS
from support.colours import KEY, Client, Colour, collect, settled

MESSAGES = [{"role": "user", "content": "Hi"}]
CHAT: dict[str, Any] = {"model": "m", "messages": MESSAGES}
KEYS = dict.fromkeys(("together", "r9s", "writer_v1"), KEY)
QUICK = RetryConfig("backoff", BackoffStrategy(1, 5, 2, 20_000), True, max_attempts=3)


class Park:
    """Embedded servers of several dialects, and the providers that lead to them."""

    def __init__(self, *names: str) -> None:
        self.servers = {name: LocalServer(dialect=name) for name in names}

    @property
    def providers(self) -> list[Provider]:
        return [replace(PROVIDERS[name], servers=(server.url,)) for name, server in self.servers.items()]

    def failover(self, **options: Any) -> Failover:
        return Failover(self.providers, **options)

    def counts(self) -> list[int]:
        return [len(server.requests) for server in self.servers.values()]

    def __getitem__(self, name: str) -> LocalServer:
        return self.servers[name]


@pytest.fixture
def park() -> Iterator[Park]:
    park = Park("together", "r9s", "writer_v1")
    with contextlib.ExitStack() as stack:
        for server in park.servers.values():
            stack.enter_context(server)
        yield park


def open_client(colour: Colour, park: Park, **options: Any) -> Client:
    return colour.open(**{"server": park.providers[0], "api_key": KEYS, "retry_config": None, **options})


def servers_of(meta: Any) -> list[tuple[str, int | None]]:
    return [(attempt.server, attempt.status) for attempt in meta.attempts]


# ---------------------------------------------------------- going on


@pytest.mark.also_trio
async def test_a_failing_server_is_left_for_the_next(colour: Colour, park: Park) -> None:
    park["together"].script(Fault(status=503))
    async with open_client(colour, park) as client:
        reply = await client.call("chat.create", **CHAT, failover=park.failover())
    assert reply.meta.server == "r9s"
    assert servers_of(reply.meta) == [("together", 503), ("r9s", 200)]
    assert park.counts() == [1, 1, 0]
    assert reply.text.startswith("Embedded provider")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(cut_before_headers=True),
        Fault(cut_before_headers=True, reset=True),
        Fault(cut_after=10),
        Fault(status=429, retry_after=5),
        Fault(status=408),
        Fault(status=500, body="<html>", content_type="text/html"),
        Fault(body={"error": {"message": "busy", "code": 429}}),
    ],
)
async def test_whatever_another_server_may_cure(colour: Colour, park: Park, fault: Fault) -> None:
    park["together"].script(fault)
    async with open_client(colour, park) as client:
        reply = await client.call("chat.create", **CHAT, failover=park.failover())
    assert reply.meta.server == "r9s"
    assert park.counts() == [1, 1, 0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_no_other_server_may_hide(colour: Colour, park: Park, status: int) -> None:
    park["together"].script(Fault(status=status))
    async with open_client(colour, park) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call("chat.create", **CHAT, failover=park.failover())
    assert caught.value.status_code == status
    assert caught.value.earlier == ()
    assert park.counts() == [1, 0, 0]


async def test_a_server_that_does_not_answer_in_time(colour: Colour, park: Park) -> None:
    park["together"].script(Fault(delay_s=5.0))
    async with open_client(colour, park) as client:
        reply = await client.call("chat.create", **CHAT, failover=park.failover(), timeout_ms=200)
    assert servers_of(reply.meta) == [("together", None), ("r9s", 200)]
    assert reply.meta.attempts[0].error == "timeout"


async def test_each_request_is_spelt_in_its_servers_dialect(colour: Colour, park: Park) -> None:
    for name in ("together", "r9s"):
        park[name].script(Fault(status=500))
    async with open_client(colour, park) as client:
        reply = await client.call(
            "completions.create",
            model="m",
            prompt="Hi",
            stop="x",
            failover=park.failover(),
            http_headers={"x-own": "1"},
        )
    assert reply.meta.server == "writer_v1"
    paths = [server.requests[0].path for server in park.servers.values()]
    assert paths == ["/v1/completions", "/v1/completions", "/v1/completions"]
    bodies = [server.requests[0].json for server in park.servers.values()]
    assert [body["stop"] for body in bodies] == [["x"], "x", "x"]
    headers = [server.requests[0].headers for server in park.servers.values()]
    assert len({one["idempotency-key"] for one in headers}) == 1
    assert [one["x-own"] for one in headers] == ["1", "1", "1"]
    assert all("x-llmsdk-retry-count" not in one for one in headers)


async def test_models_are_called_by_each_servers_name_for_them(colour: Colour, park: Park) -> None:
    failover = park.failover(models={"r9s": {"m": "m-of-r9s", "other": "o"}, "writer_v1": "palmyra"})
    for name in ("together", "r9s"):
        park[name].always(Fault(status=500))
    async with open_client(colour, park, failover=failover) as client:
        reply = await client.call("chat.create", **CHAT)
        again = await client.call("chat.create", chat_completion_request={**CHAT, "model": "other"})
    names = [[request.json["model"] for request in server.requests] for server in park.servers.values()]
    assert names == [["m", "other"], ["m-of-r9s", "o"], ["palmyra", "palmyra"]]
    assert reply.meta.server == again.meta.server == "writer_v1"


async def test_the_final_error_tells_of_all_servers(colour: Colour, park: Park) -> None:
    park["together"].script(Fault(status=500))
    park["r9s"].script(Fault(cut_before_headers=True))
    park["writer_v1"].script(Fault(status=503))
    async with open_client(colour, park) as client:
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await client.call("chat.create", **CHAT, failover=park.failover())
    error = caught.value
    assert error.server == "writer_v1"
    assert servers_of(error.meta) == [("together", 500), ("r9s", None), ("writer_v1", 503)]
    assert [type(one) for one in error.earlier] == [errors.InternalServerError, errors.APIConnectionError]
    assert [note.split(" failed ")[0] for note in error.__notes__] == [
        "failover: before this, server 'together'",
        "failover: before this, server 'r9s'",
    ]
    assert not any(KEY in text for text in (*error.__notes__, str(error), repr(error.earlier)))


# ------------------------------------------------------------- streams


@pytest.mark.also_trio
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(cut_after_events=0),
        Fault(cut_before_headers=True),
        Fault(end_after_events=0),
        Fault(in_band_error=(0, {"error": {"message": "busy", "code": 503}})),
        Fault(in_band_error=(0, {"error": {"message": "something"}})),
        Fault(body={"error": {"message": "busy", "code": 429}}, content_type="application/json"),
    ],
)
async def test_a_stream_goes_on_before_its_first_event(colour: Colour, park: Park, fault: Fault) -> None:
    park["together"].script(fault)
    async with open_client(colour, park) as client:
        stream = await client.call("chat.create", **CHAT, stream=True, failover=park.failover())
        assert stream.meta.server == "r9s"
        events = await collect(stream)
        plain = await client.call("chat.create", **CHAT, server=park.providers[1])
    assert "".join(event.text for event in events) == stream.final.text == plain.text
    assert stream.final.meta.server == "r9s"
    assert servers_of(stream.meta)[-1] == ("r9s", 200)
    assert park.counts() == [1, 2, 0]


@pytest.mark.parametrize("events", [1, 2])
@pytest.mark.parametrize("kind", ["cut", "error"])
async def test_a_stream_never_goes_on_after_it(colour: Colour, park: Park, kind: str, events: int) -> None:
    payload = {"error": {"message": "busy", "code": 503}}
    park["together"].script(Fault(cut_after_events=events) if kind == "cut" else Fault(in_band_error=(events, payload)))
    async with open_client(colour, park) as client:
        stream = await client.call("chat.create", **CHAT, stream=True, failover=park.failover())
        with pytest.raises((errors.StreamInterruptedError, errors.ServiceUnavailableError)) as caught:
            await collect(stream)
    assert caught.value.partial.meta.server == "together"
    assert park.counts() == [1, 0, 0]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
async def test_an_error_event_that_no_server_would_cure(colour: Colour, park: Park, code: int) -> None:
    park["together"].script(Fault(in_band_error=(0, {"error": {"message": "bad", "code": code}})))
    async with open_client(colour, park) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call("chat.create", **CHAT, stream=True, failover=park.failover())
    assert caught.value.status_code == code
    assert park.counts() == [1, 0, 0]


async def test_a_stream_that_is_silent_before_its_first_event(colour: Colour, park: Park) -> None:
    park["together"].script(Fault(stall_after_events=0, stall_s=5.0))
    async with open_client(colour, park) as client:
        stream = await client.call("chat.create", **CHAT, stream=True, failover=park.failover(), idle_timeout_ms=150)
        await collect(stream)
    assert stream.meta.server == "r9s"


async def test_a_whole_reply_in_place_of_a_stream(colour: Colour, park: Park) -> None:
    async with open_client(colour, park) as client:
        whole = await client.call("chat.create", **CHAT)
        park["r9s"].script(
            Fault(body=whole.model_dump(mode="json", exclude_unset=True), content_type="application/json")
        )
        park["together"].script(Fault(status=500))
        stream = await client.call("chat.create", **CHAT, stream=True, failover=park.failover())
        events = await collect(stream)
    assert len(events) == 1
    assert stream.final.text == whole.text


async def test_the_connection_of_a_stream_is_used_again(colour: Colour, park: Park) -> None:
    async with open_client(colour, park) as client:
        for _ in range(5):
            for _ in range(3):
                await client.events("chat.create", **CHAT, failover=park.failover())
            # The end of a body is not waited for long: where a busy machine brings it late, the connection is given up.
            if park["together"].connection_count:
                break
        assert park["together"].connection_count == 1


async def test_a_stream_closed_unread_frees_its_connection(colour: Colour, park: Park) -> None:
    async with open_client(colour, park) as client:
        stream = await client.call("chat.create", **CHAT, stream=True, failover=park.failover())
        await settled(stream.close())
        end = time.monotonic() + 5
        while park["together"].connection_count and time.monotonic() < end:
            await settled(client.call("models.list", server=park.providers[1]))
    assert park["together"].connection_count == 0


# ---------------------------------------- deadline, retries, budget, bench


async def test_every_request_of_a_bad_day_is_accounted_for(colour: Colour, park: Park) -> None:
    """Retries at each server, one budget for all, one deadline over all; nobody who answered is asked again."""
    budget = RetryBudget(initial=3, per_second=0, per_success=0)
    park["together"].always(Fault(status=500))
    park["r9s"].script(Fault(status=429), Fault(status=503))
    park["writer_v1"].script(Fault(cut_before_headers=True))
    async with open_client(colour, park, retry_config=QUICK, retry_budget=budget) as client:
        with pytest.raises(errors.APIConnectionError) as caught:
            await client.call("chat.create", **CHAT, failover=park.failover(), deadline_ms=10_000)
        # Three attempts and two retries paid at together, one retry at r9s; then the bucket is empty.
        assert park.counts() == [3, 2, 1]
        assert servers_of(caught.value.meta) == [
            ("together", 500),
            ("together", 500),
            ("together", 500),
            ("r9s", 429),
            ("r9s", 503),
            ("writer_v1", None),
        ]
        assert budget.tokens == 0
        reply = await client.call("chat.create", **CHAT, failover=park.failover(), deadline_ms=10_000)
        assert servers_of(reply.meta) == [("together", 500), ("r9s", 200)]
        assert park.counts() == [4, 3, 1]
    keys = [{request.headers["idempotency-key"] for request in server.requests} for server in park.servers.values()]
    assert [len(of_server) for of_server in keys] == [2, 2, 1]
    assert keys[2] < keys[0]
    assert keys[0] == keys[1]


async def test_the_deadline_is_one_over_all_servers(colour: Colour, park: Park) -> None:
    for server in park.servers.values():
        server.always(Fault(delay_s=0.25, status=503))
    async with open_client(colour, park) as client:
        began = time.monotonic()
        with pytest.raises(errors.APITimeoutError) as caught:
            await client.call("chat.create", **CHAT, failover=park.failover(), deadline_ms=400)
        took = time.monotonic() - began
    assert type(caught.value) is errors.DeadlineExceededError
    assert took < 1.5
    assert park.counts() == [1, 1, 0]
    assert [type(one) for one in caught.value.earlier] == [errors.ServiceUnavailableError]
    assert caught.value.meta.elapsed_ms >= 350


async def test_a_benched_server_is_skipped_by_all_calls_of_the_sdk(colour: Colour, park: Park) -> None:
    park["together"].script(Fault(status=429, retry_after=30))
    failover = park.failover()
    async with open_client(colour, park, failover=failover) as client:
        replies = [await client.call("chat.create", **CHAT) for _ in range(3)]
        other = await client.call("completions.create", model="m", prompt="Hi", failover=park.failover())
        alone = await client.call("chat.create", **CHAT, failover=None)
    assert [reply.meta.server for reply in replies] == ["r9s", "r9s", "r9s"]
    assert other.meta.server == "r9s"
    assert alone.meta.server == "together"
    assert park.counts() == [2, 4, 0]
    async with open_client(colour, park, failover=failover) as client:  # another SDK knows nothing of it
        assert (await client.call("chat.create", **CHAT)).meta.server == "together"


def test_threads_share_the_bench(park: Park) -> None:
    park["together"].always(Fault(status=503, retry_after=30))
    with SDK(failover=park.failover(), api_key=KEYS, retry_config=None) as sdk:
        sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        found: list[str] = []

        def ask() -> None:
            found.append(sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}]).meta.server)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert found == ["r9s"] * 8
    assert park.counts() == [1, 9, 0]


# ---------------------------------------------------------------- set-up


async def test_the_sdks_failover_and_the_calls_own(colour: Colour, park: Park) -> None:
    park["together"].always(Fault(status=500))
    async with colour.open(failover=park.failover(), api_key=KEYS, retry_config=None) as client:
        assert (await client.call("chat.create", **CHAT)).meta.server == "r9s"
        for only in ({"failover": None}, {"server": park.providers[0]}, {"server_url": park["together"].url}):
            with pytest.raises(errors.InternalServerError):
                await client.call("chat.create", **CHAT, **only)
        own = Failover(park.providers[::2])
        assert (await client.call("chat.create", **CHAT, failover=own)).meta.server == "writer_v1"
        with pytest.raises(errors.InternalServerError):
            await client.call("models.list")  # the models of one server are not those of another
        listed = await client.call("models.list", failover=park.failover())
        assert listed.meta.server == "r9s"
        assert client.preview("chat", **CHAT).url == f"{park['together'].url}/chat/completions"


async def test_hooks_keep_one_state_over_all_servers(colour: Colour, park: Park) -> None:
    seen: list[tuple[str, int]] = []

    class Counts:
        def before_request(self, context: Any, request: Any) -> None:
            context.state["sends"] = context.state.get("sends", 0) + 1
            seen.append((context.server, context.state["sends"]))

    park["together"].script(Fault(status=503))
    async with open_client(colour, park, hooks=[Counts()]) as client:
        await client.call("chat.create", **CHAT, failover=park.failover())
    assert seen == [("together", 1), ("r9s", 2)]


async def test_an_open_file_goes_to_every_server_whole(colour: Colour, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    file.write_bytes(b"\x89PNG" + bytes(5000))
    with LocalServer("r9s") as first, LocalServer("openai") as second, file.open("rb") as opened:
        first.always(Fault(status=500))
        servers = [
            replace(PROVIDERS["r9s"], servers=(first.url,)),
            replace(PROVIDERS["openai"], servers=(second.url,), key_required=False),
        ]
        async with colour.open(failover=Failover(servers), api_key=KEY, retry_config=None) as client:
            edited = await client.call("images.edit", model="m", prompt="x", image=[opened, b"other"])
        assert edited.meta.server == "openai"
        assert [file.read_bytes() in server.requests[0].body for server in (first, second)] == [True, True]


async def test_embeddings_and_images_go_on_too(colour: Colour, park: Park) -> None:
    both = Failover([park.providers[0], park.providers[1]])
    park["together"].always(Fault(status=503))
    async with open_client(colour, park) as client:
        reply = await client.call("embeddings.create", model="m", input="cat", failover=both)
        assert reply.meta.server == "r9s"
        image = await client.call("images.create", model="m", prompt="cat", size="64x64", failover=both)
        assert image.meta.server == "r9s"
        assert [park[name].requests[-1].json.get("size") for name in ("together", "r9s")] == [None, "64x64"]


# ------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    "servers, options, message",
    [
        (["together", "r9s"], {"models": {"together": "m"}}, "failover: models has no entry for server 'r9s'"),
        (["together", "r9s", "local"], {"models": {"r9s": "m"}}, "failover: models has no entry for server 'local'"),
        (["together"], {"models": {"togther": "m"}}, "failover: models names 'togther', which is not one of together"),
        (["together"], {"models": {"together": 3}}, "failover: models['together'] must be a model's name"),
        (["together"], {"models": {"together": {"m": ""}}}, "failover: models['together'] must be a model's name"),
        (["together"], {"models": ["m"]}, "failover: models must be a mapping of server ids, got list"),
        (["togther"], {}, "failover: server: unknown server 'togther'"),
        (["together", "together"], {}, "failover: server 'together' is listed twice"),
        ([], {}, "failover: servers is empty"),
        ("together", {}, "failover: servers must be a list, got str"),
        (None, {}, "failover: servers must be a list, got NoneType"),
        ([None], {}, "failover: servers must be ids or Provider constants"),
        (["together"], {"on": [400]}, "failover: on must not have 400"),
        (["together"], {"on": [422]}, "failover: on must not have 422"),
        (["together"], {"on": ["4XX"]}, "failover: on has '4XX'; expected"),
        (["together"], {"on": [200]}, "failover: on has int 200; expected"),
        (["together"], {"on": [True]}, "failover: on has bool True; expected"),
        (["together"], {"on": 503}, "failover: on must be a list, got int"),
    ],
)
def test_a_failover_that_cannot_be(servers: Any, options: Any, message: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Failover(servers, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_misspelt_model_of_a_map() -> None:
    failover = Failover(["together", "r9s"], models={"r9s": {"large": "x"}})
    with pytest.raises(errors.ConfigurationError, match=r"leave that server out; did you mean 'large'\?$"):
        failover.model_at("r9s", "larg")


async def test_a_hole_in_a_map_of_names(colour: Colour, park: Park) -> None:
    failover = park.failover(models={"r9s": {"mini": "x"}, "writer_v1": "y"})
    async with open_client(colour, park) as client:
        with pytest.raises(errors.ConfigurationError) as caught:
            await client.call("chat.create", **CHAT, failover=failover)
    assert str(caught.value) == ("failover: models['r9s'] has no name for model 'm'; add it, or leave that server out")
    assert park.counts() == [0, 0, 0]


async def test_what_a_later_server_does_not_take_is_refused_before_anything_is_sent(colour: Colour, park: Park) -> None:
    async with open_client(colour, park) as client:
        with pytest.raises(errors.UnsupportedParameterError, match=r"^top_k: server 'writer_v1'"):
            await client.call("chat.create", **CHAT, top_k=3, failover=park.failover())
        with pytest.raises(errors.UnsupportedOperationError, match="server 'writer_v1' does not have this operation"):
            await client.call("embeddings.create", model="m", input="x", failover=park.failover())
        assert park.counts() == [0, 0, 0]
        park["together"].script(Fault(status=500))
        park["r9s"].script(Fault(status=500))
        reply = await client.call("chat.create", **CHAT, top_k=3, failover=park.failover(), unsupported="drop")
    assert reply.meta.dropped == ("top_k",)
    assert [server.requests[0].json.get("top_k") for server in park.servers.values()] == [3, 3, None]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"failover": ["together"]}, "failover: must be a Failover or None, got list"),
        ({"failover": Failover(["local"]), "server": "local"}, "server: can't be combined with failover"),
        ({"failover": Failover(["local"]), "server_url": "http://127.0.0.1:9"}, "server_url: can't be combined"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], message: str) -> None:
    sdk = SDK(server="openai", server_url="http://127.0.0.1:9")
    with sdk, pytest.raises(errors.ConfigurationError) as caught:
        sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}], **options)
    assert str(caught.value).startswith(message)


def test_a_missing_key_of_a_later_server_shows_at_construction() -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^api_key: server 'r9s' needs one"):
        SDK(failover=Failover(["together", "r9s"]), api_key={"together": KEY})
    with pytest.raises(errors.ConfigurationError, match=r"^failover: must be a Failover or None, got str"):
        SDK(failover="together")  # type: ignore[typeddict-item] # what is tested


def test_a_failover_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    failover = Failover(["together", "local"], models={"local": "m"}, on=[429, "timeout"])
    again = pickle.loads(pickle.dumps(failover))
    assert again == failover
    assert again != Failover(["together", "local"])
    sdk = SDK(failover=failover, server="local", track_usage=True, prices={"m": Price(input_per_million=1)})
    with sdk, pickle.loads(pickle.dumps(sdk)) as other:
        assert other._config.failover == failover
        assert other._config.prices == sdk._config.prices
    assert repr(again) == "Failover(['together', 'local'], models={'local': 'm'}, on=(429, 'timeout'))"
