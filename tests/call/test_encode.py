"""Parameters make a request: paths, names, forms, bodies, and what bad input gets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsdk import errors
from llmsdk._call.request.encode import Encoded, Extras, encode, find_route
from llmsdk._call.request.multipart import Form
from llmsdk._call.request.validate import check_names, check_required, check_values
from llmsdk.models import ChatCompletionResponse
from llmsdk.providers import OPENAI, PROVIDERS, R9S, TOGETHER, WRITER, WRITER_V1
from llmsdk.providers.reshape import AsList, Renamed, WidthHeight
from llmsdk.providers.spec import Provider, Route
from llmsdk.resources.operations import all_operations
from support import shown

OPERATIONS = all_operations()
CHAT, COMPLETION = OPERATIONS["createChatCompletion"], OPERATIONS["createCompletion"]
IMAGE, EDIT = OPERATIONS["createImage"], OPERATIONS["editImage"]
MODELS, MODEL = OPERATIONS["listModels"], OPERATIONS["retrieveModel"]
CUSTOM = OPERATIONS["createModelCustomizationCompletion"]
HELLO = [{"role": "user", "content": "Hi"}]
BASE = "https://host.example/v1"


def made(operation: Any, provider: Provider, params: dict[str, Any], **more: Any) -> Encoded:
    given = {"base_url": BASE, "url_params": {}, "providers": PROVIDERS, **more}
    return encode(operation, provider, params, **given)


def body_of(encoded: Encoded) -> Any:
    assert isinstance(encoded.body, bytes)
    return json.loads(encoded.body)


# --------------------------------------------------------------------- body


def test_only_what_was_set_is_sent_and_none_is_null() -> None:
    encoded = made(CHAT, TOGETHER, {"model": "m", "messages": HELLO, "temperature": None})
    assert body_of(encoded) == {"model": "m", "messages": HELLO, "temperature": None}
    assert (encoded.method, encoded.url, encoded.stream, encoded.dropped) == (
        "POST",
        f"{BASE}/chat/completions",
        False,
        (),
    )


@pytest.mark.parametrize("stream", [True, False])
def test_stream_is_said_where_the_dialect_says_it(stream: bool) -> None:
    encoded = made(COMPLETION, R9S, {"model": "m", "prompt": "p", "stream": stream})
    assert body_of(encoded)["stream"] is stream
    assert encoded.stream is stream
    encoded = made(
        COMPLETION, WRITER, {"model": "m", "prompt": "p", "stream": stream}, url_params={"organization_id": 1}
    )
    assert "stream" not in body_of(encoded)
    assert encoded.url.endswith("/completions/stream" if stream else "/completions")


def test_stream_must_be_a_bool_and_possible() -> None:
    with pytest.raises(errors.RequestValidationError, match="stream: must be a bool, got str"):
        made(CHAT, TOGETHER, {"model": "m", "messages": HELLO, "stream": "yes"})
    with pytest.raises(errors.UnsupportedParameterError, match="does not stream") as info:
        made(IMAGE, TOGETHER, {"model": "m", "prompt": "p", "stream": True})
    assert (info.value.param, info.value.server) == ("stream", "together")
    assert "stream" not in body_of(made(IMAGE, TOGETHER, {"model": "m", "prompt": "p", "stream": False}))


def test_names_of_the_dialect() -> None:
    given = {"model": "m", "prompt": "p", "max_tokens": 5, "top_p": 0.5, "best_of": 2, "stop": "x"}
    encoded = made(COMPLETION, WRITER, given, url_params={"organization_id": 7})
    assert body_of(encoded) == {"prompt": "p", "maxTokens": 5, "topP": 0.5, "bestOf": 2, "stop": ["x"]}
    assert encoded.url == f"{BASE}/llm/organization/7/model/m/completions"
    assert body_of(made(COMPLETION, WRITER_V1, {"model": "m", "prompt": "p", "seed": 1}))["random_seed"] == 1


def test_none_is_not_reshaped() -> None:
    assert body_of(made(COMPLETION, TOGETHER, {"model": "m", "prompt": "p", "stop": None}))["stop"] is None


def test_a_form_that_cannot_be_reshaped_names_the_parameter() -> None:
    with pytest.raises(errors.RequestValidationError, match=r"size: must be .*1024x1024.*, got str") as info:
        made(IMAGE, TOGETHER, {"model": "m", "prompt": "p", "size": "large"})
    assert info.value.param == "size"


def test_two_parameters_that_mean_the_same_may_not_differ() -> None:
    for more, told in (
        ({"width": 5, "size": "9x8"}, "size: contradicts width; pass one of them"),
        ({"size": "9x8", "height": None}, "height: contradicts size; pass one of them"),
    ):
        with pytest.raises(errors.RequestValidationError) as info:
            made(IMAGE, TOGETHER, {"model": "m", "prompt": "p", **more})
        assert str(info.value) == told
        assert info.value.param == told.partition(":")[0]
    same = {"model": "m", "prompt": "p", "width": 9, "height": 8}
    assert body_of(made(IMAGE, TOGETHER, {**same, "size": "9x8"})) == same


def test_a_choice_of_tools_that_is_none_is_told_both_forms() -> None:
    with pytest.raises(errors.RequestValidationError) as info:
        made(CHAT, TOGETHER, {"model": "m", "messages": HELLO, "tool_choice": 5})
    assert str(info.value) == "tool_choice: must be a string or a dict, got int"


def test_extra_body_and_query_go_through_untouched_and_win() -> None:
    extras = Extras(body={"model": "other", "odd": {"a": [None]}}, query={"q": "a b&c", "n": [1, 2]})
    encoded = made(COMPLETION, R9S, {"model": "m", "prompt": "p"}, extras=extras, base_url=f"{BASE}?key=1")
    assert body_of(encoded) == {"model": "other", "prompt": "p", "odd": {"a": [None]}}
    assert encoded.url == f"{BASE}/completions?key=1&q=a%20b%26c&n=1&n=2"


def test_a_get_has_a_query_and_no_body() -> None:
    encoded = made(MODELS, TOGETHER, {"dedicated": True}, extras=Extras(query={"dedicated": False}))
    assert (encoded.method, encoded.body, encoded.url) == ("GET", None, f"{BASE}/models?dedicated=false")
    assert made(MODELS, TOGETHER, {"dedicated": True}).url == f"{BASE}/models?dedicated=true"


def test_a_body_is_not_dropped_in_silence() -> None:
    with pytest.raises(errors.RequestValidationError, match=r"extra_body: models\.list sends no body"):
        made(MODELS, TOGETHER, {}, extras=Extras(body={"a": 1}))


def test_files_make_a_form() -> None:
    encoded = made(EDIT, OPENAI, {"image": b"\x89PNG", "prompt": "p", "n": 2})
    assert encoded.body == Form({"prompt": "p", "n": 2}, {"image": b"\x89PNG"})


def test_models_of_a_reply_go_back_as_they_came() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "odd": 1,
    }
    reply = ChatCompletionResponse.model_validate({"choices": [{"index": 0, "message": message}]})
    for messages in ([*HELLO, reply.choices[0].message], (*HELLO, reply.choices[0].message)):
        encoded = made(CHAT, R9S, {"model": "m", "messages": messages})
        assert body_of(encoded)["messages"] == [*HELLO, message]
    nested = [{"role": "assistant", "tool_calls": reply.choices[0].message.tool_calls}]
    assert (
        body_of(made(CHAT, R9S, {"model": "m", "messages": nested}))["messages"][0]["tool_calls"]
        == message["tool_calls"]
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), "\ud800", object(), {object()}], ids=shown)
@pytest.mark.parametrize("place", ["extra", "prompt", "deep"])
def test_what_json_cannot_hold_is_refused(bad: Any, place: str) -> None:
    params: dict[str, Any] = {"model": "m", "prompt": "p"}
    body: dict[str, Any] = {}
    if place == "prompt":
        params["temperature" if isinstance(bad, float) else "prompt"] = bad
    else:
        body["odd"] = bad if place == "extra" else {"a": [bad]}
    with pytest.raises(errors.RequestValidationError) as info:
        made(COMPLETION, OPENAI, params, extras=Extras(body=body))
    wanted = {"extra": "extra_body.odd", "deep": "extra_body.odd.a[0]"}
    assert info.value.param in (wanted.get(place, "prompt"), "temperature")
    assert "\n" not in str(info.value)


def test_a_circle_is_refused() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    with pytest.raises(
        errors.RequestValidationError, match=r"^extra_body\.odd: cannot be written as JSON.*holds itself$"
    ):
        made(COMPLETION, OPENAI, {"model": "m", "prompt": "p"}, extras=Extras(body={"odd": circle}))


def test_the_word_nan_may_stand_in_a_prompt() -> None:
    encoded = made(COMPLETION, OPENAI, {"model": "m", "prompt": "NaN is not Infinity"})
    assert body_of(encoded)["prompt"] == "NaN is not Infinity"
    reply = ChatCompletionResponse.model_validate({"choices": []})
    encoded = made(COMPLETION, OPENAI, {"model": "m", "prompt": "NaN"}, extras=Extras(body={"odd": reply}))
    assert body_of(encoded)["odd"]["choices"] == []


# --------------------------------------------------------------------- path


@pytest.mark.parametrize(
    "value, segment",
    [
        ("a/b", "a%2Fb"),
        ("a?b", "a%3Fb"),
        ("a#b", "a%23b"),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("\u00fc", "%C3%BC"),
        ("a b", "a%20b"),
        ("a%2Fb", "a%252Fb"),
        ("a\nb", "a%0Ab"),
        ("a{model}", "a%7Bmodel%7D"),
    ],
)
def test_values_in_the_path_stay_data(value: str, segment: str) -> None:
    assert made(MODEL, R9S, {"model": value}).url == f"{BASE}/models/{segment}"


@settings(max_examples=100, deadline=None)
@given(value=st.text(min_size=1))
def test_any_value_is_one_segment(value: str) -> None:
    url = made(MODEL, R9S, {"model": value}).url
    assert url.count("/") == f"{BASE}/models/x".count("/")
    assert "?" not in url
    assert "#" not in url
    assert url.isascii()


@pytest.mark.parametrize("given_id", [None, ""])
def test_a_missing_organization_is_an_error_before_sending(given_id: Any) -> None:
    params = {"model": "m", "prompt": "p"}
    with pytest.raises(errors.RequestValidationError, match=r"organization_id: .*SDK\(organization_id=") as info:
        made(COMPLETION, WRITER, params, url_params={} if given_id is None else {"organization_id": given_id})
    assert info.value.param == "organization_id"
    with pytest.raises(errors.RequestValidationError, match=r"model: .*it is empty"):
        made(COMPLETION, WRITER, {"model": "", "prompt": "p"}, url_params={"organization_id": 1})


@pytest.mark.parametrize("value", [True, 1.5, b"x", ["x"]])
def test_a_path_takes_strings_and_integers(value: Any) -> None:
    with pytest.raises(errors.RequestValidationError, match="organization_id: must be a string or an integer, got"):
        made(COMPLETION, WRITER, {"model": "m", "prompt": "p"}, url_params={"organization_id": value})


def test_the_customized_model() -> None:
    params = {"model": "m", "customization_id": "c/d", "prompt": "p"}
    encoded = made(CUSTOM, WRITER, params, url_params={"organization_id": 1})
    assert encoded.url == f"{BASE}/llm/organization/1/model/m/customization/c%2Fd/completions"
    assert body_of(encoded) == {"prompt": "p"}


# -------------------------------------------------------------- unsupported


def test_an_operation_that_a_server_lacks_names_those_that_have_it() -> None:
    with pytest.raises(errors.UnsupportedOperationError) as info:
        made(CUSTOM, TOGETHER, {"prompt": "p"})
    error = info.value
    assert (error.operation, error.server, error.servers) == (
        "createModelCustomizationCompletion",
        "together",
        ("writer",),
    )
    assert "writer" in str(error)
    with pytest.raises(errors.UnsupportedOperationError, match="servers that have it: none"):
        find_route(CUSTOM, Provider(name="own", routes={}), {})


def test_a_parameter_that_a_server_lacks() -> None:
    params = {"model": "m", "prompt": "p", "echo": True, "suffix": "s", "top_k": 1}
    with pytest.raises(errors.UnsupportedParameterError) as info:
        made(COMPLETION, R9S, params)
    error = info.value
    assert error.param == "suffix"
    assert error.server == "r9s"
    assert "r9s" not in error.servers
    assert all(name in str(error) for name in ("suffix", "r9s", *error.servers))
    encoded = made(COMPLETION, R9S, params, unsupported="drop")
    assert encoded.dropped == ("suffix", "top_k")
    assert body_of(encoded) == {"model": "m", "prompt": "p", "echo": True}
    encoded = made(COMPLETION, R9S, params, unsupported="pass")
    assert encoded.dropped == ()
    assert body_of(encoded) == params
    encoded = made(COMPLETION, R9S, {"model": "m", "prompt": "p"}, extras=Extras(body={"suffix": "s"}))
    assert body_of(encoded)["suffix"] == "s"


def test_a_parameter_that_nobody_takes_says_none() -> None:
    own = Provider(name="own", routes={"createCompletion": Route(unsupported=frozenset({"echo"}))})
    with pytest.raises(errors.UnsupportedParameterError, match="servers that do: none"):
        made(COMPLETION, own, {"model": "m", "prompt": "p", "echo": True}, providers={"own": own})


# --------------------------------------------------------------- bad values


@pytest.mark.parametrize(
    "params, name, words",
    [
        ({"model": "m"}, "messages", "required"),
        ({"messages": HELLO}, "model", "required by chat.create on server 'openai', but it is missing"),
        ({"model": None, "messages": HELLO}, "model", "None came"),
        ({"model": "m", "messages": HELLO, "temprature": 1}, "temprature", "did you mean 'temperature'?"),
        ({"model": "m", "messages": HELLO, "qqqqqqq": 1}, "qqqqqqq", "extra_body"),
        ({"model": 5, "messages": HELLO}, "model", "got int"),
        ({"model": "m", "messages": HELLO, "max_tokens": "5"}, "max_tokens", "got str"),
        ({"model": "m", "messages": HELLO, "max_tokens": True}, "max_tokens", "got bool"),
        ({"model": "m", "messages": HELLO, "max_tokens": 1.5}, "max_tokens", "got float"),
        ({"model": "m", "messages": HELLO, "temperature": "hot"}, "temperature", "got str"),
        ({"model": "m", "messages": "Hi"}, "messages", "got str"),
        ({"model": "m", "messages": [5]}, "messages[0]", "got int"),
        ({"model": "m", "messages": [*HELLO, {"role": "user", "content": 5}]}, "messages[1].content", "got int"),
        (
            {"model": "m", "messages": HELLO, "tools": [{"type": "function", "function": {"name": 5}}]},
            "tools[0].function.name",
            "got int",
        ),
    ],
)
def test_bad_input_gets_one_line_that_names_it(params: dict[str, Any], name: str, words: str) -> None:
    with pytest.raises(errors.RequestValidationError) as info:
        made(CHAT, OPENAI, params)
    text = str(info.value)
    assert info.value.param == name, text
    assert text.startswith(f"{name}: ")
    assert words in text
    assert "\n" not in text
    assert info.value.__cause__ is None


def test_the_line_quotes_no_value() -> None:
    with pytest.raises(errors.RequestValidationError) as info:
        made(CHAT, OPENAI, {"model": "m", "messages": [{"role": "user", "content": {"a secret": "plan"}}]})
    assert "secret" not in str(info.value)
    assert "plan" not in repr(info.value)


def test_a_missing_field_below_is_named() -> None:
    with pytest.raises(errors.RequestValidationError) as info:
        made(CHAT, OPENAI, {"model": "m", "messages": HELLO, "tools": [{"type": "function"}]})
    assert info.value.param is not None
    assert info.value.param.startswith("tools[0]")
    assert "missing" in str(info.value)


@pytest.mark.parametrize("temperature", [0, 1, 2.5, -3, 10**6])
def test_ranges_are_the_servers_matter(temperature: float) -> None:
    encoded = made(CHAT, TOGETHER, {"model": "m", "messages": HELLO, "temperature": temperature, "logprobs": 2})
    assert body_of(encoded)["temperature"] == temperature


def test_values_are_not_changed_by_the_check() -> None:
    encoded = made(COMPLETION, OPENAI, {"model": "m", "prompt": "p", "temperature": 1, "logit_bias": {"5": 1}})
    assert isinstance(encoded.body, bytes)
    assert b'"temperature":1' in encoded.body.replace(b" ", b"")
    assert b"1.0" not in encoded.body


def test_what_the_route_may_do_without() -> None:
    assert body_of(made(IMAGE, OPENAI, {"prompt": "p"})) == {"prompt": "p"}
    with pytest.raises(errors.RequestValidationError, match="model: required"):
        made(IMAGE, TOGETHER, {"prompt": "p"})


def test_the_checks_alone() -> None:
    check_names([], frozenset(), where="x")
    check_required({"a": 1}, ["a"], where="x")
    check_values(CHAT.request, {"model": "m", "messages": HELLO})
    check_values(CHAT.request, {"model": "m"})
    with pytest.raises(errors.RequestValidationError, match="a: required by x, but it is missing"):
        check_required({}, ["b", "a"], where="x")


# ------------------------------------------------------------------ reshapes


def test_reshapes() -> None:
    assert AsList("stop")("x") == {"stop": ["x"]}
    assert AsList("stop")(["x"]) == {"stop": ["x"]}
    renamed = Renamed("format", (("base64", "b64_json"),))
    assert renamed("base64") == {"format": "b64_json"}
    assert renamed("url") == {"format": "url"}
    assert WidthHeight()("768x512") == {"width": 768, "height": 512}


@pytest.mark.parametrize(
    "bad",
    ["", "768", "x", "768x", "768X512", "768x512x3", "1234567x1", " 1x1", "-1x1", "1x1\n", 5, None, "\u0663x\u0663"],
)
def test_sizes_that_are_none(bad: Any) -> None:
    with pytest.raises(ValueError, match="WIDTHxHEIGHT"):
        WidthHeight()(bad)
