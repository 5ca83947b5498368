"""The whole line that bad input gets, and what its error says of it besides."""

from __future__ import annotations

from typing import Any

import pytest
from typing_extensions import TypedDict

from call.test_encode import BASE, CHAT, COMPLETION, CUSTOM, EDIT, HELLO, IMAGE, MODEL, body_of, made
from llmsdk import errors
from llmsdk._call.operation import Operation
from llmsdk._call.request.encode import find_route
from llmsdk._call.request.validate import check_names, check_required, check_values
from llmsdk.providers import OPENAI, PROVIDERS, R9S, TOGETHER, WRITER, WRITER_V1
from llmsdk.providers.spec import Provider, Route
from llmsdk.resources.operations import all_operations

CHATTING = {"model": "m", "messages": HELLO}
PARTS = [{"type": "text", "text": 5}]
NAME = "tools[0].function.name"
TEXT = "a string"
LISTED = "a string or a list"


def refused(operation: Operation, provider: Provider, params: dict[Any, Any], **more: Any) -> tuple[str | None, str]:
    with pytest.raises(errors.RequestValidationError) as caught:
        made(operation, provider, params, **more)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value.param, str(caught.value)


@pytest.mark.parametrize(
    "params, place, line",
    [
        ({"max_tokens": "5"}, "max_tokens", "must be an integer, got str"),
        ({"temperature": "hot"}, "temperature", "must be a number, got str"),
        ({"stop": 5}, "stop", f"must be {LISTED}, got int"),
        ({"stop": ["a", 5]}, "stop[1]", "must be a string, got int"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "must be given, but is missing"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, NAME, f"must be {TEXT}, got int"),
        ({"tool_choice": 5}, "tool_choice", "must be a string or a dict, got int"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function", "must be given, but is missing"),
        ({"logit_bias": {"5": "x"}}, "logit_bias['5']", "must be a number, got str"),
        ({"messages": "Hi"}, "messages", "must be a list, got str"),
        ({"messages": [5]}, "messages[0]", "must be a dict, got int"),
        ({"messages": [*HELLO, {"role": "user", "content": 5}]}, "messages[1].content", f"must be {LISTED}, got int"),
        ({"messages": [{"role": "user", "content": 5}] * 2}, "messages[0].content", f"must be {LISTED}, got int"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "must be given, but is missing"),
        ({"messages": [{"role": "user", "content": PARTS}]}, "messages[0].content[0].text", f"must be {TEXT}, got int"),
        ({"messages": []}, "messages", "required by chat.create on server 'openai', but it is empty"),
        ({"messages": None}, "messages", "required by chat.create on server 'openai', but None came"),
        ({"qqqq": 1}, "qqqq", "unknown parameter of chat.create; what only the server knows goes in extra_body"),
        ({"temprature": 1}, "temprature", "unknown parameter of chat.create; did you mean 'temperature'?"),
        ({5: 1}, "[5]", "unknown parameter of chat.create; what only the server knows goes in extra_body"),
        ({"stream": 1}, "stream", "must be a bool, got int"),
    ],
)  # fmt: skip
def test_the_line_of_a_chat(params: dict[Any, Any], place: str, line: str) -> None:
    assert refused(CHAT, OPENAI, {**CHATTING, **params}) == (place, f"{place}: {line}")


def test_a_parameter_that_json_cannot_hold() -> None:
    accepted = (
        "strings of valid Unicode, finite numbers, booleans, None, and lists and dicts (with strings as keys) of these"
    )
    line = f"logit_bias: cannot be written as JSON; expected {accepted}, got a key that is int 5"
    assert refused(CHAT, OPENAI, {**CHATTING, "logit_bias": {5: 1}}) == ("logit_bias", line)


@pytest.mark.parametrize(
    "params, place, line",
    [
        (
            {"image": 5},
            "image",
            "must be bytes, a path object, a file open for reading bytes, or (name, bytes), got int",
        ),
        ({"image": b""}, "image", "required by images.edit on server 'openai', but it is empty"),
        ({}, "image", "required by images.edit on server 'openai', but it is missing"),
    ],
)
def test_the_line_of_a_file(params: dict[Any, Any], place: str, line: str) -> None:
    assert refused(EDIT, OPENAI, {"model": "m", "prompt": "p", **params}) == (place, f"{place}: {line}")


def test_a_value_among_words_names_them() -> None:
    place, line = refused(IMAGE, OPENAI, {"prompt": "p", "size": 5})
    assert place == "size"
    assert line.startswith("size: must be 'auto', '256x256', ")
    assert line.endswith(" or a string, got int")


@pytest.mark.parametrize("url_params, came", [({}, "it is missing"), ({"organization_id": ""}, "it is empty")])
def test_a_path_without_its_organization(url_params: dict[str, Any], came: str) -> None:
    place, line = refused(COMPLETION, WRITER, {"model": "m", "prompt": "p"}, url_params=url_params)
    assert place == "organization_id"
    assert line == (
        f"organization_id: server 'writer' needs it in the path, but {came}; pass organization_id= to the call, or set "
        "it once as SDK(organization_id=...)"
    )


def test_a_path_without_its_model() -> None:
    provider = Provider(name="own", routes={"createChatCompletion": Route(path="/{user}/chat")})
    assert refused(CHAT, provider, CHATTING) == (
        "user",
        "user: server 'own' needs it in the path, but it is missing; pass user= to the call",
    )
    place, line = refused(COMPLETION, WRITER, {"model": "m", "prompt": "p"}, url_params={"organization_id": 1.5})
    assert (place, line) == ("organization_id", "organization_id: must be a string or an integer, got float 1.5")


def test_values_of_the_call_win_over_those_of_the_client() -> None:
    provider = Provider(name="own", routes={"createChatCompletion": Route(path="/{user}/chat")})
    encoded = made(CHAT, provider, {**CHATTING, "user": "call"}, url_params={"user": "client"})
    assert encoded.url == f"{BASE}/call/chat"
    assert "user" not in body_of(encoded)


def test_an_operation_that_a_server_lacks() -> None:
    with pytest.raises(errors.UnsupportedOperationError) as caught:
        find_route(CUSTOM, TOGETHER, PROVIDERS)
    error = caught.value
    assert str(error) == (
        "completions.create_model_customization_completion: server 'together' does not have this operation; "
        "servers that have it: writer"
    )
    assert (error.operation, error.server, error.servers) == (
        "createModelCustomizationCompletion",
        "together",
        ("writer",),
    )
    with pytest.raises(errors.UnsupportedOperationError) as caught:
        find_route(MODEL, WRITER, {"r9s": R9S, "writer": WRITER, "openai": OPENAI})
    assert str(caught.value).endswith("servers that have it: r9s, openai")
    with pytest.raises(errors.UnsupportedOperationError) as caught:
        find_route(MODEL, WRITER, {"writer": WRITER})
    assert str(caught.value).endswith("servers that have it: none")


def test_a_parameter_that_a_server_lacks() -> None:
    params = {**CHATTING, "metadata": {"a": "b"}, "modalities": ["text"], "temperature": 1}
    some = {"together": TOGETHER, "openai": OPENAI, "r9s": R9S, "writer": WRITER}
    with pytest.raises(errors.UnsupportedParameterError) as caught:
        made(CHAT, TOGETHER, params, providers=some)
    error = caught.value
    assert str(error) == (
        "metadata: server 'together' doesn't support it in chat.create; servers that do: openai, r9s "
        '(unsupported="drop" leaves it out, extra_body sends it all the same)'
    )
    assert (error.param, error.server, error.servers) == ("metadata", "together", ("openai", "r9s"))
    with pytest.raises(errors.UnsupportedParameterError) as caught:
        made(CHAT, TOGETHER, params, providers={"together": TOGETHER})
    assert "servers that do: none (" in str(caught.value)
    assert caught.value.servers == ()
    dropped = made(CHAT, TOGETHER, params, unsupported="drop")
    assert dropped.dropped == ("metadata", "modalities")
    assert body_of(dropped) == {**CHATTING, "temperature": 1}
    passed = made(CHAT, TOGETHER, params, unsupported="pass")
    assert (passed.dropped, body_of(passed)) == ((), params)


def test_a_stream_where_there_is_none() -> None:
    for operation in (IMAGE, MODEL):
        provider = OPENAI if operation is MODEL else TOGETHER
        params = {"model": "m"} if operation is MODEL else {"model": "m", "prompt": "p"}
        if "stream" not in operation.request.__annotations__:
            continue
        with pytest.raises(errors.UnsupportedParameterError) as caught:
            made(operation, provider, {**params, "stream": True})
        where = f"{operation.resource}.{operation.name}"
        assert str(caught.value) == f"stream: server {provider.name!r} does not stream {where}"
        assert (caught.value.param, caught.value.server, caught.value.servers) == ("stream", provider.name, ())


def test_a_route_that_cannot_stream() -> None:
    mute = Provider(name="mute", routes={"createChatCompletion": Route(streams=False)})
    with pytest.raises(errors.UnsupportedParameterError):
        made(CHAT, mute, {**CHATTING, "stream": True})
    encoded = made(CHAT, mute, {**CHATTING, "stream": False})
    assert (encoded.stream, "stream" in body_of(encoded)) == (False, False)
    silent = Provider(name="silent", routes={"createChatCompletion": Route(says_stream=False)})
    for stream in (True, False):
        encoded = made(CHAT, silent, {**CHATTING, "stream": stream})
        assert (encoded.stream, "stream" in body_of(encoded)) == (bool(stream), False)


def test_the_path_of_a_stream_is_that_of_streams_alone() -> None:
    route = Route(path="/whole", stream_path="/stream")
    own = Provider(name="own", routes={"createChatCompletion": route})
    assert made(CHAT, own, {**CHATTING, "stream": True}).url == f"{BASE}/stream"
    assert made(CHAT, own, CHATTING).url == f"{BASE}/whole"
    plain = Provider(name="own", routes={"createChatCompletion": Route()})
    assert made(CHAT, plain, {**CHATTING, "stream": True}).url == f"{BASE}/chat/completions"


def test_a_form_that_cannot_be_reshaped() -> None:
    route = Route(reshape={"user": _shout, "seed": lambda value: {"a": value, "b": value}})
    own = Provider(name="own", routes={"createChatCompletion": route})
    assert refused(CHAT, own, {**CHATTING, "user": "x"}) == ("user", "user: must be loud, got str")
    encoded = made(CHAT, own, {**CHATTING, "seed": 1, "temperature": 0})
    assert body_of(encoded) == {**CHATTING, "a": 1, "b": 1, "temperature": 0}
    assert body_of(made(CHAT, own, {**CHATTING, "user": None}))["user"] is None


def _shout(value: Any) -> dict[str, Any]:
    raise ValueError("must be loud")


def test_the_names_that_are_near() -> None:
    known = frozenset({"temperature", "top_p"})
    for given, line in (
        ("temperatur", "x: unknown parameter of here; did you mean 'temperature'?"),
        ("zzz", "x: unknown parameter of here; what only the server knows goes in extra_body"),
    ):
        with pytest.raises(errors.RequestValidationError) as caught:
            check_names(["top_p", given], known, where="here")
        assert str(caught.value) == line.replace("x:", f"{given}:", 1)
        assert caught.value.param == given


def test_the_first_in_the_alphabet_is_named_of_what_is_missing() -> None:
    for given, line in (
        ({}, "a: required by here, but it is missing"),
        ({"a": None}, "a: required by here, but None came"),
        ({"a": "", "b": 0}, None),
        ({"model": "", "a": 1, "b": 1}, "model: required by here, but it is empty"),
        ({"a": 1}, "b: required by here, but it is missing"),
    ):
        needed = ["b", "a", *(["model"] if "model" in given else [])]
        if line is None:
            check_required(given, needed, where="here")
            continue
        with pytest.raises(errors.RequestValidationError) as caught:
            check_required(given, needed, where="here")
        assert (str(caught.value), caught.value.param) == (line, line.partition(":")[0])


def test_every_server_that_lacks_something_says_so_with_a_name() -> None:
    lacking = [
        (operation, provider, name)
        for operation in all_operations().values()
        for provider in PROVIDERS.values()
        if (route := provider.routes.get(operation.id)) is not None
        for name in route.unsupported
    ]
    assert len(lacking) > 50
    assert all(name in operation.request.__annotations__ for operation, _, name in lacking)
    assert (CHAT, WRITER_V1, "audio") in lacking


def test_a_request_without_anything_to_say_has_no_body() -> None:
    encoded = made(all_operations()["cancelBatch"], OPENAI, {"batch_id": "b"})
    assert (encoded.method, encoded.body) == ("POST", None)


def test_the_names_of_a_request_are_read_once() -> None:
    assert CHAT.parameters is CHAT.parameters
    assert CHAT.parameters == frozenset(CHAT.request.__annotations__)
    assert IMAGE.parameters is not CHAT.parameters


def test_what_is_dropped_need_not_be_json() -> None:
    params = {**CHATTING, "metadata": {"a": object()}}
    assert made(CHAT, TOGETHER, params, unsupported="drop").dropped == ("metadata",)
    place, _ = refused(CHAT, TOGETHER, params, unsupported="pass")
    assert place is not None
    assert place.startswith("metadata")


class _Pair(TypedDict):
    left: int
    right: int


class _Asked(TypedDict):
    pair: _Pair


def test_what_is_missing_one_level_down_is_named_and_at_the_top_is_no_matter_of_types() -> None:
    with pytest.raises(errors.RequestValidationError) as caught:
        check_values(_Asked, {"pair": {"left": 1}})
    assert str(caught.value) == "pair.right: must be given, but is missing"
    check_values(_Asked, {})
