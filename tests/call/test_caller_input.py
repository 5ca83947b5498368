"""What a caller gives wrongly is refused before anything is sent, in one line of ours that names the place."""

import asyncio
import io
from collections import UserDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from functools import partial
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel

from llmsdk import SDK, Provider, Route, errors, tool
from llmsdk._call.failover.policy import Failover
from llmsdk._call.prices import Price
from llmsdk.cassette import Cassette
from llmsdk.local import Fault, LocalServer, RateLimit
from llmsdk.options import CALL_OPTIONS, SDKOptions
from llmsdk.providers import LOCAL, OPENAI, PROVIDERS, ErrorPaths, Page, Structured, spec
from llmsdk.providers.checks import check_provider, fields_of, kind_of
from llmsdk.resources.operations import all_operations
from llmsdk.utils import BackoffStrategy, RetryBudget, RetryConfig
from support import shown

KEY = "sk-placeholder"
PROMPT = "secret prompt"
ASK: dict[str, Any] = {"model": "m", "prompt": PROMPT}
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
HALF = "\ud800"
HUGE = 10**5000
OURS = (errors.ConfigurationError, errors.RequestValidationError)


def refusal(call: Callable[[], Any]) -> errors.SDKError:
    """Make a call that is to be refused."""
    with pytest.raises(OURS) as caught:
        call()
    text = str(caught.value)
    assert len(text) < 800
    assert text.isprintable()
    assert PROMPT not in text
    assert KEY not in text
    assert caught.value.__cause__ is None
    return caught.value


@pytest.fixture(scope="module")
def sdk() -> Iterator[SDK]:
    """An SDK that must not get to sending anything."""
    with SDK(server_url="http://127.0.0.1:9/v1") as made:
        yield made


# ------------------------------------------------------------------- half characters, bad hosts


@pytest.mark.parametrize(
    "options, field",
    [
        ({"server_url": f"https://a{HALF}.example/v1"}, "server_url: got a str"),
        ({"server_url": f"https://a.example/{HALF}"}, "server_url: got a str"),
        ({"server": "writer", "organization_id": HALF}, "organization_id: "),
        ({"server_url": "https://a.example/{x}", "url_params": {"x": HALF}}, "url_params.x: "),
        ({"server_url": "https://a.example/{x}", "url_params": {"x": HUGE}}, "url_params.x: "),
        ({"http_headers": {"x-a": HALF}}, "http_headers: header x-a: "),
        ({"http_headers": {HALF: "a"}}, "http_headers: header name: "),
        ({"api_key": HALF}, "api_key: "),
        ({"server": HALF}, "server: "),
        ({"backend": HALF}, "backend: "),
        ({"unsupported": HALF}, "unsupported: "),
        ({HALF: 1}, "['\\ud800']: unknown option"),
    ],
)
def test_half_a_character_in_the_options_of_an_sdk(options: dict[str, Any], field: str) -> None:
    assert str(refusal(partial(SDK, **{"api_key": KEY, **options}))).startswith(field)


@pytest.mark.parametrize(
    "given, param",
    [
        ({"model": HALF}, "model"),
        ({"prompt": HALF}, "prompt"),
        ({"stop": ["a", HALF]}, "stop[1]"),
        ({"logit_bias": {HALF: 1.0}}, "logit_bias"),
        ({"extra_query": {"a": HALF}}, "extra_query.a"),
        ({"extra_query": {"a": ["b", HALF]}}, "extra_query.a[1]"),
        ({"extra_query": {HALF: "a"}}, "extra_query['\\ud800']"),
        ({"extra_body": {"a": {"b": [HALF]}}}, "extra_body.a.b[0]"),
        ({"extra_body": {HALF: 1}}, "extra_body"),
        ({HALF: 1}, "['\\ud800']"),
    ],
)
def test_half_a_character_in_a_call(given: dict[str, Any], param: str, sdk: SDK) -> None:
    error = refusal(partial(sdk.completions.create, **{**ASK, **given}))
    assert isinstance(error, errors.RequestValidationError)
    assert error.param == param
    assert str(error).startswith(f"{param}: ")


@pytest.mark.parametrize("given", [{"model": HALF}, {"organization_id": HALF}, {"organization_id": HUGE}])
def test_half_a_character_in_a_path(given: dict[str, Any]) -> None:
    with SDK(server="writer", api_key=KEY, organization_id=1) as writer:
        error = refusal(partial(writer.completions.create, **{**ASK, **given}))
    assert str(error).startswith(f"{next(iter(given))}: ")


def test_half_a_character_in_a_form(sdk: SDK) -> None:
    error = refusal(partial(sdk.images.edit, model="m", prompt=HALF, image=b"x"))
    assert str(error).startswith("prompt: ")
    error = refusal(partial(sdk.images.edit, model="m", prompt="p", image=b"x", extra_body={"a": [[1]]}))
    assert str(error).startswith("extra_body.a[0]: ")


@pytest.mark.parametrize(
    "host", [f"{'a' * 64}.example", "a..example", ".example", ".", "ä" * 60, "a." * 128, "☃.example", "a。。b"]
)
def test_a_host_that_no_resolver_takes(host: str) -> None:
    for call in (
        partial(SDK, server_url=f"https://{host}/v1"),
        partial(SDK, server_url="https://{x}/v1", url_params={"x": host}),
    ):
        assert str(refusal(call)).startswith("server_url: got a str with a bad host")


@pytest.mark.parametrize("host", ["a" * 63, "a.example.", "bücher.example", "127.0.0.1", "[::1]", "a_b.example"])
def test_hosts_that_can_be(host: str) -> None:
    SDK(server_url=f"https://{host}/v1").close()


# ------------------------------------------------------------------- a provider of one's own


def own(**given: Any) -> Provider:
    return Provider(**{"name": "mine", "servers": ("https://mine.example",), "routes": {}, **given})


def routed(**given: Any) -> Provider:
    return own(routes={"createCompletion": Route(**given)})


BAD_PROVIDERS = [
    (own(name=""), "name"),
    (own(name=3), "name"),
    (own(name=HALF), "name"),
    (own(name=["a"]), "name"),
    (own(servers="https://mine.example"), "servers"),
    (own(servers=("mine.example",)), "servers[0]"),
    (own(servers=("https://a.example", "https://b..example")), "servers[1]"),
    (own(servers=(3,)), "servers"),
    (own(auth="Bearer"), "auth"),
    (own(auth="Bearer {api_key} {more}"), "auth"),
    (own(auth="Bearer {api_key} {"), "auth"),
    (own(auth="{api_key} {api_key}"), "auth"),
    (own(auth="Bearer\n{api_key}"), "auth"),
    (own(auth=b"Bearer {api_key}"), "auth"),
    (own(env_var=3), "env_var"),
    (own(env_var=HALF), "env_var"),
    (own(key_hosts="a.example"), "key_hosts"),
    (own(key_required="yes"), "key_required"),
    (own(url_params="organization_id"), "url_params"),
    (own(error=("$.error",)), "error"),
    (own(error=ErrorPaths(message="$.error")), "error.message"),
    (own(error=ErrorPaths(code=("$..[",))), "error.code"),
    (own(error_statuses={"busy": "429"}), "error_statuses"),
    (own(error_statuses={"busy": 200}), "error_statuses"),
    (own(request_id="x-request-id"), "request_id"),
    (own(limits={}), "limits"),
    (own(sentinel="[DONE]"), "sentinel"),
    (own(embedded=1), "embedded"),
    (own(routes=None), "routes"),
    (own(routes={"createCompletion": {}}), "routes"),
    (own(routes={"createCompletions": Route()}), "routes.createCompletions"),
    (routed(path=3), "routes.createCompletion.path"),
    (routed(path="/a b"), "routes.createCompletion.path"),
    (routed(path="/{a-b}"), "routes.createCompletion.path"),
    (routed(stream_path="/a#b"), "routes.createCompletion.stream_path"),
    (routed(rename={"prompt": 3}), "routes.createCompletion.rename"),
    (routed(unsupported="seed"), "routes.createCompletion.unsupported"),
    (routed(reshape={"stop": "stop"}), "routes.createCompletion.reshape"),
    (routed(reply={"$.choices[0].text": "$..["}), "routes.createCompletion.reply"),
    (routed(reply={"$.choices[*].text": "$.text"}), "routes.createCompletion.reply"),
    (routed(event={"$.text": 3}), "routes.createCompletion.event"),
    (routed(streams=None), "routes.createCompletion.streams"),
    (routed(usage_wish={"a": {1}}), "routes.createCompletion.usage_wish"),
    (routed(page=Page(cursor="$..[", param="after")), "routes.createCompletion.page"),
    (routed(page=Page(cursor="$.next", param="")), "routes.createCompletion.page.param"),
    (routed(statuses=(99,)), "routes.createCompletion.statuses"),
    (routed(structured=Structured(way="xml")), "routes.createCompletion.structured.way"),  # type: ignore[arg-type] # the point
    (routed(structured=None), "routes.createCompletion.structured"),
]


@pytest.mark.parametrize("provider, field", BAD_PROVIDERS, ids=[field for _, field in BAD_PROVIDERS])
def test_a_slip_in_a_provider_shows_at_once(provider: Provider, field: str) -> None:
    error = refusal(partial(SDK, server=provider, api_key=KEY))
    assert f"{field}: " in str(error)
    assert str(error).startswith("Provider")


def test_a_slip_in_the_provider_of_a_call(sdk: SDK) -> None:
    error = refusal(partial(sdk.completions.create, **ASK, server=own(auth="Bearer")))
    assert str(error).startswith("Provider 'mine': auth: ")


def test_the_providers_of_this_package_are_right() -> None:
    operations = frozenset(id for provider in PROVIDERS.values() for id in provider.routes)
    assert operations == all_operations().keys()
    for provider in PROVIDERS.values():
        check_provider(provider)


def test_every_field_of_a_provider_has_a_check() -> None:
    records = [Provider, Route]
    for record in records:
        for annotation in fields_of(record).values():
            check, accepted = kind_of(annotation)
            assert accepted
            assert not check(object())
            name = annotation.removesuffix(" | None")
            if hasattr(spec, name) and getattr(spec, name) not in records:
                records.append(getattr(spec, name))


def test_a_provider_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = replace(OPENAI, name="mine")
    asked: list[Provider] = []
    monkeypatch.setattr("llmsdk.providers.checks.check_provider", lambda one: asked.append(one))
    with SDK(server=provider, server_url="http://127.0.0.1:9", api_key=KEY) as mine:
        for _ in range(3):
            mine.completions.preview(**ASK, server=provider)
            mine.completions.preview(**ASK, server=LOCAL, server_url="http://127.0.0.1:9")
    assert asked == [provider]


# ------------------------------------------------------------------- extra_query, extra_body, free mappings


class Loud(str):
    """Text whose every form raises."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("shown")

    __repr__ = __str__


class Colour(StrEnum):
    """A string that is also an Enum's member."""

    RED = "red"


class Point(BaseModel):
    """A model of the caller's own."""

    x: float


class Mute:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("shown")

    __str__ = __repr__


NOT_JSON = [b"x", bytearray(b"x"), {1}, {1: 2}, float("nan"), float("inf"), HUGE, Mute(), object, iter([1]), 1j]


@pytest.mark.parametrize("bad", NOT_JSON, ids=lambda bad: type(bad).__name__)
@pytest.mark.parametrize("place", ["extra_body.a", "extra_body.a[1].b", "metadata.a", "chat_template_kwargs.a.b"])
def test_what_is_not_json(bad: Any, place: str, sdk: SDK) -> None:
    head = place.partition(".")[0]
    value = [1, {"b": bad}] if "[1]" in place else {"b": bad} if place.endswith(".b") else bad
    error = refusal(partial(sdk.chat.create, **CHAT, **{head: {"a": value}}))
    assert isinstance(error, errors.RequestValidationError)
    assert error.param == place


@pytest.mark.parametrize(
    "bad", [b"x", {1}, {}, float("nan"), HUGE, Mute(), [[1]], [{}], [1, b"x"]], ids=lambda bad: type(bad).__name__
)
def test_what_a_query_cannot_hold(bad: Any, sdk: SDK) -> None:
    error = refusal(partial(sdk.chat.create, **CHAT, extra_query={"a": bad}))
    assert str(error).startswith("extra_query.a")
    assert str(refusal(partial(sdk.models.list, extra_query={1: "a"}))).startswith("extra_query[1]: ")


def test_what_goes_through(sdk: SDK) -> None:
    body = {
        "a": (1, 2.5, None, True, Loud("x")),
        Loud("b"): MappingProxyType({"c": Colour.RED}),
        "d": Point(x=1),
        "e": UserDict({"f": "é"}),
    }
    query = {"a": "b c", "d": 1, "e": 1.5, "f": True, "g": None, "h": [1, None, False], "i": Loud("x"), "j": Colour.RED}
    shown = sdk.completions.preview(model=Loud("m"), prompt=Loud("p"), extra_body=body, extra_query=query)
    made = {"a": [1, 2.5, None, True, "x"], "b": {"c": "red"}, "d": {"x": 1}, "e": {"f": "é"}}
    assert shown.body == {"model": "m", "prompt": "p"} | made
    assert shown.url.partition("?")[2] == "a=b%20c&d=1&e=1.5&f=true&h=1&h=false&i=x&j=red"


def test_deep_and_endless_values(sdk: SDK) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    endless: dict[str, Any] = {}
    endless["a"] = endless
    for value in (deep, endless, Point.model_construct(x=HALF)):
        assert str(refusal(partial(sdk.chat.create, **CHAT, extra_body={"a": value}))).startswith("extra_body.a")
        assert str(refusal(partial(sdk.chat.create, **CHAT, metadata={"a": value}))).startswith("metadata")
        refusal(partial(sdk.chat.create, model="m", messages=value))


# ------------------------------------------------------------------- preview


def test_preview_shows_the_idempotency_key_that_was_given(sdk: SDK) -> None:
    assert "idempotency-key" not in sdk.chat.preview(**CHAT).headers
    assert sdk.chat.preview(**CHAT, http_headers={"Idempotency-Key": "mine"}).headers["idempotency-key"] == "mine"
    with SDK(server_url="http://127.0.0.1:9", http_headers={"idempotency-key": "ours"}) as other:
        assert other.chat.preview(**CHAT).headers["idempotency-key"] == "ours"


@pytest.mark.parametrize("name", ["x-api-key", "Api-Key", "Cookie"])
def test_preview_masks_every_key(name: str, sdk: SDK) -> None:
    shown = sdk.chat.preview(**CHAT, http_headers={name: KEY, "x-note": '*** `id` $HOME "a\\'})
    assert shown.headers[name.lower()] == "***"
    assert KEY not in shown.as_curl()
    assert r'"x-note: $API_KEY \`id\` \$HOME \"a\\"' in shown.as_curl()


# ------------------------------------------------------------------- what is empty


@pytest.mark.parametrize(
    "given, field",
    [
        ({"image": []}, "image"),
        ({"image": b""}, "image"),
        ({"image": ()}, "image"),
        ({"image": [b"x", b""]}, "image[1]"),
        ({"image": ("a.png", b"")}, "image"),
        ({"image": (HALF, b"x")}, "image"),
        ({"mask": []}, "mask"),
        ({"mask": b""}, "mask"),
    ],
    ids=shown,
)
def test_no_image(given: dict[str, Any], field: str, sdk: SDK) -> None:
    error = refusal(partial(sdk.images.edit, **{"model": "m", "prompt": "p", "image": b"x", **given}))
    assert str(error).startswith(field)
    assert str(error)[len(field)] in ":["


@pytest.mark.parametrize("server", ["together", "writer_v1", "r9s", "openai"])
def test_no_messages(server: str) -> None:
    with SDK(server=server, api_key=KEY, server_url="http://127.0.0.1:9") as one:
        error = refusal(partial(one.chat.create, model="m", messages=[]))
        assert str(error).startswith("messages: ")
        if server != "together":
            assert one.completions.preview(model="m", prompt="").body["prompt"] == ""


# ------------------------------------------------------------------- what nothing would use


def test_a_key_for_a_server_that_does_not_exist() -> None:
    error = refusal(partial(SDK, server="local", api_key={"togehter": KEY}))
    assert "api_key: unknown server 'togehter'" in str(error)
    assert "did you mean 'together'?" in str(error)
    assert str(refusal(partial(SDK, server="local", api_key={3: KEY}))).startswith("api_key: ")
    assert "there are keys of 'elsewhere'" in str(refusal(partial(SDK, server="r9s", api_key={"elsewhere": KEY})))
    mine = own(routes={"createCompletion": Route()})
    with SDK(server="local", api_key={mine: KEY}) as one:
        assert one.completions.preview(**ASK, server=mine).headers["authorization"] == "Bearer ***"


def test_url_params_that_nothing_takes() -> None:
    error = refusal(partial(SDK, server_url="https://{region}.example", url_params={"region": "eu", "zone": "a"}))
    assert str(error).startswith("url_params.zone: ")
    assert str(refusal(partial(SDK, server="writer", api_key=KEY, url_params={"customization": "m"}))).startswith(
        "url_params"
    )
    assert str(refusal(partial(SDK, server="local", url_params={3: "a"}))).startswith("url_params[3]: ")
    mine = own(routes={"createCompletion": Route(stream_path="/{workspace}/gen")}, url_params=("team",))
    SDK(server=mine, api_key=KEY, url_params={"workspace": "w", "team": "t", "organization_id": 3}).close()
    SDK(api_key=KEY, organization_id=3).close()


def test_idle_timeout_of_a_call_that_is_no_stream(sdk: SDK) -> None:
    for create, given in ((sdk.completions.create, ASK), (sdk.chat.create, CHAT)):
        assert str(refusal(partial(create, **given, idle_timeout_ms=5))).startswith("idle_timeout_ms: ")


def test_a_closed_sdk_is_not_entered_again() -> None:
    closed = SDK(server="local")
    closed.close()
    assert "is closed" in str(refusal(closed.__enter__))
    assert "is closed" in str(refusal(lambda: asyncio.run(closed.__aenter__())))


# ------------------------------------------------------------------- what is echoed


@pytest.mark.parametrize(
    "huge", [10**400, HUGE, -HUGE, float("inf"), float("nan")], ids=["400", "5000", "-", "inf", "nan"]
)
@pytest.mark.parametrize(
    "name", ["timeout_ms", "max_response_bytes", "max_event_bytes", "server_idx", "server", "api_key", "track_usage"]
)
def test_numbers_are_echoed_in_short(name: str, huge: float) -> None:
    if name == "max_response_bytes" and huge in (10**400, HUGE):
        return  # no bound at all is a bound that somebody may want
    if name == "max_event_bytes" and huge in (10**400, HUGE):
        return
    text = str(refusal(partial(SDK, **{name: huge})))
    assert text.startswith(f"{name}: ")
    assert len(text) < 300


def test_the_field_is_said_once() -> None:
    assert str(refusal(partial(SDK, server_url="nowhere"))).startswith("server_url: got a str without http://")


# ------------------------------------------------------------------- retries


@pytest.mark.parametrize(
    "make",
    [
        partial(BackoffStrategy, -1, 2, 3, 4),
        partial(BackoffStrategy, 1, 2, 3, HUGE),
        partial(RetryBudget, initial=HUGE),
        partial(RetryBudget, initial=6, capacity=5),
        partial(RetryConfig, "often", None, True),
        partial(RetryConfig, "none", None, True, max_attempts=-HUGE),
        partial(RetryConfig, "none", None, True, status_codes=[HUGE]),
        partial(RetryConfig, "none", None, True, status_codes=[-HUGE]),
        partial(RetryConfig, "none", None, True, status_codes=5),
    ],
)
def test_retries_raise_an_error_of_ours(make: Callable[[], Any]) -> None:
    assert isinstance(refusal(make), errors.ConfigurationError)


def test_a_policy_is_shown_as_it_was_written() -> None:
    policy = RetryConfig("none", None, True, status_codes=["5XX", 429, 408])  # type: ignore[arg-type] # None goes with none
    assert repr(policy).endswith("status_codes=[408, 429, '5XX'])")
    assert eval(repr(policy)) == policy


# ------------------------------------------------------------------- anything at all


class Unequal:
    """An object that cannot be compared, measured or shown."""

    __hash__ = None  # type: ignore[assignment]  # nor looked up

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("compared")

    def __len__(self) -> int:
        raise RuntimeError("measured")

    def __repr__(self) -> str:
        raise RuntimeError("shown")


def hostile() -> dict[str, Any]:
    """Values that nobody means, by name; made anew, for some can be used once only."""
    endless: list[Any] = []
    endless.append(endless)
    numbers = {"none": None, "true": True, "minus": -1, "zero": 0, "huge": HUGE, "400": 10**400, "nan": float("nan")}
    texts = {"empty": "", "half": HALF, "nul": "a\0b", "lines": "a\r\nb: c", "long": "x" * 100_000, "loud": Loud("m")}
    raw = {
        "bytes": b"x",
        "view": memoryview(b"x"),
        "complex": 1j,
        "function": refusal,
        "class": Mute,
        "range": range(3),
    }
    lists = {"list": [], "nulls": [None], "mutes": [Mute()], "unequals": [Unequal()], "endless": endless, "set": {1}}
    maps = {
        "map": {},
        "numbers": {1: 2},
        "inside": {"a": Unequal()},
        "key": {"a\n" * 999: object()},
        "mute": {Mute(): 1},
    }
    return {**numbers, **texts, **raw, **lists, **maps, "object": Mute(), "unequal": Unequal(), "iter": iter([1])}


def survives(call: Callable[[], Any]) -> None:
    """Make a call that may work, or is refused in one line."""
    text = ""
    try:
        call()
    except OURS as error:
        text = str(error)
    assert len(text) < 1200
    assert text.isprintable()
    assert PROMPT not in text


@pytest.mark.parametrize("name", [name for name in SDKOptions.__annotations__ if name != "prices"])
def test_any_value_of_an_option_of_the_sdk(name: str) -> None:
    for value in hostile().values():
        survives(
            lambda value=value: SDK(**{"server": "openai", "server_url": "http://127.0.0.1:9", name: value}).close()
        )


@pytest.mark.parametrize(
    "name", [*sorted(CALL_OPTIONS), "model", "messages", "metadata", "stop", "tools", "model_id", "stream"]
)
def test_any_value_of_an_argument_of_a_call(name: str, sdk: SDK) -> None:
    for value in hostile().values():
        survives(partial(sdk.chat.preview, **{**CHAT, name: value}))
        survives(partial(sdk.chat.preview, **{**CHAT, name: {"a": value}}))
        survives(partial(sdk.chat.preview, **{**CHAT, name: [value]}))


def test_any_value_in_the_place_of_a_request(sdk: SDK) -> None:
    for value in hostile().values():
        survives(partial(sdk.chat.preview, chat_completion_request=value))
        survives(partial(sdk.chat.preview, chat_completion_request=CHAT, model=value))
        survives(partial(sdk.chat.preview, model="m", messages=[{"role": "user", "content": value}]))
        survives(partial(sdk.images.preview, model="m", prompt="p", image=value))


def test_any_value_of_what_else_can_be_made() -> None:
    for value in hostile().values():
        survives(partial(Failover, ["local"], on=[value]))
        survives(partial(Failover, [value]))
        survives(partial(Price, input_per_million=value))
        survives(partial(RetryConfig, "none", None, True, status_codes=[value]))
        if not isinstance(value, Loud):
            survives(partial(SDK, server=Provider(name=value, routes={}), api_key=KEY))
            survives(partial(SDK, server=own(routes={"createCompletion": Route(path=value)}), api_key=KEY))
        for name in ("dialect", "port"):
            survives(lambda name=name, value=value: LocalServer(**{name: value}))


def test_a_url_that_is_too_long(sdk: SDK) -> None:
    for call, field in (
        (partial(sdk.chat.create, **CHAT, extra_query={"a": "x" * 70_000}), "extra_query"),
        (partial(sdk.models.retrieve, "x" * 70_000), "model"),
        (partial(sdk.files.list, purpose="x" * 70_000), "purpose"),
    ):
        error = refusal(call)
        assert str(error).startswith(f"{field}: is too long, the URL of ")
        assert error.param == field


def test_an_organization_is_checked_where_no_path_takes_it(sdk: SDK) -> None:
    assert str(refusal(partial(sdk.chat.create, **CHAT, organization_id=1.5))).startswith("organization_id: ")


def noted(text: str) -> str:
    """Take a note."""
    return text


def test_a_policy_for_failing_tools(sdk: SDK) -> None:
    error = refusal(partial(sdk.chat.run_tools, **CHAT, tools=[noted], on_error=Mute()))
    assert str(error) == "on_error: must be 'reply' or 'raise', got Mute"


# ------------------------------------------------------------------- None, and what is no bool


@pytest.mark.parametrize("own", ["error", "drop", "pass", None])
def test_none_is_what_the_sdk_is_set_up_with(own: Any) -> None:
    with SDK(server="openai", server_url="http://127.0.0.1:9", unsupported=own) as sdk:
        call = partial(sdk.batches.preview, input_file_id="f", priority=1, unsupported=None)
        if own in ("error", None):
            assert str(refusal(call)).startswith("priority: server 'openai' doesn't support it")
        else:
            assert ("priority" in call().body) is (own == "pass")
        assert "idle_timeout_ms" not in sdk.chat.preview(**CHAT, idle_timeout_ms=None).body
        assert sdk.chat.preview(**CHAT, stream=True, idle_timeout_ms=None).body["stream"] is True


@pytest.mark.parametrize("name", ["files.upload", "files.content", "batches.create", "batches.fetch"])
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_private_storage_is_allowed_by_a_bool_alone(name: str, value: Any, sdk: SDK, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"model": "m", "messages": []}')
    given: dict[str, Any] = {"files.upload": {"file": b"x"}, "batches.create": {"file": rows}}.get(name, {})
    given |= {"files.content": {"file_id": "f"}, "batches.fetch": {"batch": "b"}}.get(name, {})
    error = refusal(partial(attrgetter(name)(sdk), **given, allow_private=value))
    assert str(error).startswith("allow_private: got ")


# ------------------------------------------------------------------- files and batches


@pytest.mark.parametrize("value", [5, b"x", "", "a\0b", HALF, ["x"], True], ids=shown)
@pytest.mark.parametrize("name, param", [("files.content", "to"), ("batches.fetch", "to"), ("batches.fetch", "errors")])
def test_where_a_download_goes_is_checked_before_it_begins(name: str, param: str, value: Any, sdk: SDK) -> None:
    error = refusal(partial(attrgetter(name)(sdk), "some-id", **{param: value}))
    assert (str(error).partition(": ")[0], error.param) == (param, param)


@pytest.mark.parametrize("value", ["", "a\0b", HALF, 5, True], ids=shown)
@pytest.mark.parametrize("name", ["files.upload", "batches.create"])
def test_what_is_no_file_to_send(name: str, value: Any, sdk: SDK) -> None:
    assert str(refusal(partial(attrgetter(name)(sdk), file=value))).startswith("file: ")


@pytest.mark.parametrize(
    "given, told",
    [
        ({"file_name": b"x"}, "file_name: must be a string of valid Unicode or None, got bytes"),
        ({"file_name": HALF}, "file_name: must be a string of valid Unicode or None, got str"),
        ({"file_name": Path("x")}, "file_name: must be a string of valid Unicode or None, got PosixPath"),
        ({"file": ("", b"x")}, "file: must have a name, but it is empty"),
        ({"purpose": HALF}, "purpose: expected strings of valid Unicode"),
    ],
)
def test_what_is_no_name_of_a_file(given: dict[str, Any], told: str, sdk: SDK) -> None:
    assert str(refusal(partial(sdk.files.upload, **{"file": b"x", **given}))).startswith(told)


def test_files_that_cannot_be_read(sdk: SDK, tmp_path: Path) -> None:
    closed = io.BytesIO(b"x")
    closed.close()
    (tmp_path / "empty").touch()
    for file, told in (
        (closed, "cannot be read: I/O operation on closed file"),
        (tmp_path / "empty", "must be a file, but it is empty"),
        (io.BytesIO(), "must be a file, but it is empty"),
    ):
        for name, call in (
            ("file", partial(sdk.files.upload, file)),
            ("image", partial(sdk.images.edit, image=file, prompt=PROMPT, model="m")),
        ):
            with pytest.raises(errors.RequestValidationError) as caught:
                call()
            assert str(caught.value).startswith(f"{name}: {told}")


def test_half_a_character_in_the_query_of_a_list(sdk: SDK) -> None:
    assert str(refusal(partial(sdk.files.list, purpose=HALF))).startswith("purpose: expected strings")


@pytest.mark.parametrize(
    "given, field",
    [
        ({"completion_window": None}, "completion_window"),
        ({"metadata": "x"}, "metadata"),
        ({"priority": 1}, "priority"),
        ({"nonsense": 1}, "nonsense"),
        ({"extra_body": 5}, "extra_body"),
        ({"extra_query": {"a": object()}}, "extra_query.a"),
    ],
)
def test_a_batch_that_cannot_be_is_refused_before_its_rows_go_up(
    given: dict[str, Any], field: str, sdk: SDK, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"model": "m", "messages": [{"role": "user", "content": "x"}]}')
    assert str(refusal(partial(sdk.batches.create, file=rows, **given))).startswith(f"{field}: ")


def test_the_model_of_a_batch_goes_to_the_server_that_takes_one() -> None:
    with SDK(server="together", api_key=KEY) as sdk:
        assert sdk.batches.preview(input_file_id="f", model_id="some/model").body["model_id"] == "some/model"


def test_a_path_with_a_newline_stays_on_one_line() -> None:
    error = errors.BatchError("a\nb: cannot be read", path="a\nb")
    assert (str(error), error.path) == ("'a\\nb': cannot be read", "a\nb")


@pytest.mark.parametrize("name", ["input", "output", "errors", "report", "resume", "strict", "progress"])
def test_any_value_of_an_argument_of_a_run(name: str, sdk: SDK, tmp_path: Path) -> None:
    rows = {"input": str(tmp_path / "none.jsonl"), "output": str(tmp_path / "out.jsonl")}
    for value in (5, b"x", "a\0b", HALF, object(), Unequal(), [1]):
        assert str(refusal(partial(sdk.batch.run, **{**rows, name: value}))).startswith(f"{name}: ")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------- the embedded provider, cassettes, tools


@pytest.mark.parametrize(
    "field, value",
    [
        *(("status", value) for value in (99, 1000, -1, "429", True, 429.0)),
        *(("delay_s", value) for value in (-1, float("nan"), "1", True)),
        *(("split", value) for value in (-1, 1.5, "1")),
        *(("headers", value) for value in ({"a": "b\nc"}, {"a": HALF}, {1: "a"}, [("a", "b")], {"a": None})),
        *(("content_type", value) for value in ("a\r\nb: c", HALF, b"x")),
        *(("retry_after", value) for value in ("1\n", b"1", True, [1])),
        *(("in_band_error", value) for value in (1, (1,), ("a", None), (-1, None), (1, object()))),
        *(("body", value) for value in (object(), {"a": b"x"}, {1, 2})),
        *(("raw", value) for value in ("text", 5)),
        *(("reset", value) for value in (1, "no")),
    ],
    ids=shown,
)
def test_a_fault_that_cannot_be(field: str, value: Any) -> None:
    assert str(refusal(partial(Fault, **{field: value}))).startswith(f"fault field {field!r}")
    if not isinstance(value, str) or field != "raw":  # raw bytes may be written as text in JSON
        assert str(refusal(partial(Fault.parse, {field: value}))).startswith(f"fault field {field!r}")


def test_faults_that_are_none() -> None:
    for value in (None, 5, "{", "[1]", b"{}", [1], {"statuses": 1}, {1: 2}):
        assert "fault" in str(refusal(partial(Fault.parse, value)))  # type: ignore[arg-type]  # what is none
    assert Fault(status=100).status == 100
    assert Fault.parse('{"status": 999, "in_band_error": [1]}').in_band_error == (1, None)


@pytest.mark.parametrize(
    "name, value",
    [
        *(("latency_s", value) for value in (-1, "1", None, float("nan"))),
        *(("event_delay_s", value) for value in (-1, "1", None)),
        *(("page_size", value) for value in (0, -1, 1.5, "1", True)),
        *(("api_key", value) for value in (5, b"x", ["x"])),
        *(("faults", value) for value in (5, None, "x", {"status": 5}, [5])),
        *(("random_faults", value) for value in (5, None, "x", {"status": 5})),
        *(("seed", value) for value in ("x", None, 1.5)),
        *(("fault_share", value) for value in ("x", None, 2, Mute)),
        *(("rate_limit", value) for value in ("x", -1, Mute, 10**400)),
        ("rate_limit.kind", RateLimit(per_second=1, kind="sieve")),  # type: ignore[arg-type]  # which there is not
        ("rate_limit.burst", RateLimit(per_second=1, burst="x")),  # type: ignore[arg-type]  # which is no number
        ("rate_limit.window_s", RateLimit(per_second=1, window_s=0)),
        ("rate_limit.headers", RateLimit(per_second=1, headers="no")),  # type: ignore[arg-type]  # which is no bool
    ],
    ids=shown,
)
def test_an_embedded_provider_that_cannot_be(name: str, value: Any) -> None:
    error = refusal(partial(LocalServer, **{name.partition(".")[0]: value}))
    assert str(error).startswith("fault: " if value == [5] else f"{name}: ")


def test_a_cassette_that_cannot_be(tmp_path: Path) -> None:
    for value in (None, 5, b"x", "", "a\0b", HALF):
        assert str(refusal(partial(Cassette, value))).startswith("path: ")
    for value in (None, Unequal(), ["auto"], "rewind"):
        assert str(refusal(partial(Cassette, tmp_path / "c", value))).startswith("mode: must be one of")
    assert str(refusal(partial(Cassette, tmp_path / "c", realtime=1))).startswith("realtime: must be a bool")  # type: ignore[arg-type]  # which it is not


def test_names_of_tools_that_cannot_be() -> None:
    for value in (5, b"x", Unequal(), ["x"]):
        assert "name must be a str or None" in str(refusal(partial(tool, noted, name=value)))
        assert "description must be a str or None" in str(refusal(partial(tool, noted, description=value)))
    for text in ("a\nb", "x" * 5000, HALF):
        assert "invalid name of a tool" in str(refusal(partial(tool, noted, name=text)))


@pytest.mark.parametrize("value", ["yes", 1, [1], Unequal()], ids=["text", "number", "list", "unequal"])
def test_a_stream_that_is_no_bool(value: Any, sdk: SDK) -> None:
    told = "stream: must be a bool, got "
    assert str(refusal(partial(sdk.chat.parse, **CHAT, response_format=int, stream=value))).startswith(told)
    assert str(refusal(partial(sdk.chat.run_tools, **CHAT, tools=[noted], stream=value))).startswith(told)
