"""The check of a provider that somebody wrote by hand: the line that each slip gets, and what is right."""

from __future__ import annotations

from importlib.util import find_spec, module_from_spec
from types import MappingProxyType
from typing import Any

import pytest

from llmsdk import errors
from llmsdk.providers import Turns
from llmsdk.providers.checks import check_provider, kind_of
from llmsdk.providers.parameters import PARAMETERS
from llmsdk.providers.spec import BatchRows, ErrorPaths, Handover, LimitHeaders, Page, Provider, Route, Structured

HALF = "\ud83d"


def line_of(**fields: Any) -> str:
    given = {"name": "own", "routes": {}, **fields}
    with pytest.raises(errors.ConfigurationError) as caught:
        check_provider(Provider(**given))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return str(caught.value)


def line_of_route(**fields: Any) -> str:
    return line_of(routes={"createChatCompletion": Route(**fields)})


def fine(**fields: Any) -> None:
    check_provider(Provider(**{"name": "own", "routes": {}, **fields}))


def fine_route(**fields: Any) -> None:
    fine(routes={"createChatCompletion": Route(**fields)})


ROUTE = "routes.createChatCompletion"
NONE = "isn't a parameter of createChatCompletion"
ODD = "with something else in it"
STATUSES = "error_statuses: must be a mapping of strings to statuses from 400 to 599, got"
PATH = "must be a JSONPath such as '$.error.message', got"
AUTH = "auth: must have {api_key} in it once, and no other braces, such as 'Bearer {api_key}'"
BRACES = "must have names in its braces, such as '/models/{model}'"
LONG = "name: must be one line of at most 100 characters, for it stands in messages"
OWN = "Provider 'own':"


@pytest.mark.parametrize(
    "fields, line",
    [
        ({"name": ""}, "Provider: name: must be a string, got an empty str"),
        ({"name": 5}, "Provider: name: must be a string, got int 5"),
        ({"name": HALF}, "Provider: name: must be a string, got str"),
        ({"name": b"x"}, "Provider: name: must be a string, got bytes"),
        ({"env_var": 5}, f"{OWN} env_var: must be a string or None, got int 5"),
        ({"env_var": ""}, f"{OWN} env_var: must be a string or None, got an empty str"),
        ({"key_required": 1}, f"{OWN} key_required: must be a bool, got int 1"),
        ({"sentinel": "x"}, f"{OWN} sentinel: must be bytes, or a string in a file, got str"),
        ({"servers": "https://x.example"}, f"{OWN} servers: must be a list of strings, got str"),
        (
            {"servers": ["https://x.example", 5]},
            f"{OWN} servers: must be a list of strings, got list {ODD}",
        ),
        ({"error_statuses": {"a": 399}}, f"{OWN} {STATUSES} dict {ODD}"),
        ({"error_statuses": {"a": 600}}, f"{OWN} {STATUSES} dict {ODD}"),
        ({"error_statuses": {"a": True}}, f"{OWN} {STATUSES} dict {ODD}"),
        ({"error_statuses": {5: 400}}, f"{OWN} {STATUSES} dict {ODD}"),
        ({"error_statuses": []}, f"{OWN} {STATUSES} list {ODD}"),
        ({"error": 5}, f"{OWN} error: must be of ErrorPaths, got int 5"),
        ({"error": ErrorPaths(message=5)}, f"{OWN} error.message: must be a list of strings, got int 5"),
        (
            {"limits": LimitHeaders(tokens_reset=None)},
            f"{OWN} limits.tokens_reset: must be a list of strings, got NoneType",
        ),
        ({"routes": {"x": 5}}, f"{OWN} routes: must be a mapping of operation ids to Route, got dict {ODD}"),
        ({"routes": None}, f"{OWN} routes: must be a mapping of operation ids to Route, got NoneType"),
        (
            {"routes": {"nope": Route()}},
            f"{OWN} routes.nope: must be the id of an operation ({', '.join(PARAMETERS)})",
        ),
        ({"name": "x" * 101}, f"Provider '{'x' * 40}'...: {LONG}"),
        ({"name": "a\nb"}, f"Provider 'a\\nb': {LONG}"),
        (
            {"auth": None, "headers": {"x-key": "{api_key} {api_key}"}},
            f"{OWN} headers.x-key: must have {{api_key}} in it once",
        ),
        ({"auth": "Bearer"}, f"{OWN} {AUTH}"),
        ({"auth": "{api_key} {api_key}"}, f"{OWN} {AUTH}"),
        ({"auth": "{api_key} {"}, f"{OWN} {AUTH}"),
        ({"auth": "{api_key} }"}, f"{OWN} {AUTH}"),
        ({"error": ErrorPaths(message=("$.a[0",))}, f"{OWN} error.message: {PATH} '$.a[0'"),
        ({"error": ErrorPaths(code=("$.a(",))}, f"{OWN} error.code: {PATH} '$.a('"),
        ({"error": ErrorPaths(type=("5",))}, f"{OWN} error.type: {PATH} '5'"),
        ({"error": ErrorPaths(param=("-",))}, f"{OWN} error.param: {PATH} '-'"),
    ],
)  # fmt: skip
def test_a_slip_in_a_provider(fields: dict[str, Any], line: str) -> None:
    assert line_of(**fields) == line


@pytest.mark.parametrize(
    "fields, line",
    [
        ({"path": 5}, f"{ROUTE}.path: must be a string or None, got int 5"),
        ({"path": "/{model"}, f"{ROUTE}.path: {BRACES}"),
        ({"path": "/{5}"}, f"{ROUTE}.path: {BRACES}"),
        ({"stream_path": "/}"}, f"{ROUTE}.stream_path: {BRACES}"),
        ({"rename": {"a": 5}}, f"{ROUTE}.rename: must be a mapping of strings to strings, got dict {ODD}"),
        ({"rename": {"max_tokns": "b"}}, f"{ROUTE}.rename: 'max_tokns' {NONE}; did you mean 'max_tokens'?"),
        ({"unsupported": {"seeed", "top_p"}}, f"{ROUTE}.unsupported: 'seeed' {NONE}; did you mean 'seed'?"),
        ({"optional": ("mdel",)}, f"{ROUTE}.optional: 'mdel' {NONE}; did you mean 'model'?"),
        ({"reshape": {"stp": len}}, f"{ROUTE}.reshape: 'stp' {NONE}; did you mean 'stop'?"),
        ({"own": {"seed"}}, f"{ROUTE}.own: 'seed' is a parameter that every call knows"),
        (
            {"rare_event": {"$.usage": "$.choices[0].usage"}},
            f"{ROUTE}.rare_event: must begin as '$.name' does, got '$.choices[0].usage'",
        ),
        ({"turns": Turns(call_id="[")}, f"{ROUTE}.turns.call_id: unterminated character set at position 0"),
        ({"unsupported": "seed"}, f"{ROUTE}.unsupported: must be a list of strings, got str"),
        ({"reshape": {"a": 5}}, f"{ROUTE}.reshape: must be a mapping of strings to functions, got dict {ODD}"),
        ({"streams": None}, f"{ROUTE}.streams: must be a bool, got NoneType"),
        ({"statuses": (400, "500")}, f"{ROUTE}.statuses: must be a list of statuses from 400 to 599, got tuple {ODD}"),
        ({"statuses": {400}}, f"{ROUTE}.statuses: must be a list of statuses from 400 to 599, got set {ODD}"),
        ({"page": 5}, f"{ROUTE}.page: must be of Page, or None, got int 5"),
        ({"page": Page(cursor="$.a", param=5)}, f"{ROUTE}.page.param: must be a string, got int 5"),
        ({"page": Page(cursor="$.a[", param="p")}, f"{ROUTE}.page: {PATH} '$.a['"),
        ({"page": Page(cursor="$.a", param="p", more="$.b(")}, f"{ROUTE}.page: {PATH} '$.b('"),
        (
            {"handover": Handover(status="302", id_header="x", done="y")},
            f"{ROUTE}.handover.status: must be an int, got str",
        ),
        ({"rows": BatchRows(longest_id="5")}, f"{ROUTE}.rows.longest_id: must be an int or None, got str"),
        (
            {"structured": Structured(way="yaml")},
            f'{ROUTE}.structured.way: must be "json_schema", "json_object" or "tool", got str',
        ),
        (
            {"structured": Structured(formats="date")},
            f"{ROUTE}.structured.formats: must be a list of strings or None, got str",
        ),
        ({"structured": None}, f"{ROUTE}.structured: must be of Structured, got NoneType"),
        ({"usage_wish": {5: 1}}, f"{ROUTE}.usage_wish: must be a mapping with strings as keys, got dict {ODD}"),
        ({"usage_wish": {"a": object()}}, f"{ROUTE}.usage_wish: must be what JSON can hold"),
    ],
)  # fmt: skip
def test_a_slip_in_a_route(fields: dict[str, Any], line: str) -> None:
    assert line_of_route(**fields) == f"Provider 'own': {line}"


def test_a_wish_without_end_cannot_be_held_either() -> None:
    circle: dict[str, Any] = {}
    circle["a"] = circle
    assert line_of_route(usage_wish=circle) == f"Provider 'own': {ROUTE}.usage_wish: must be what JSON can hold"


def test_a_slip_that_other_checks_find_names_its_place() -> None:
    assert line_of(servers=("https://x.example", "ftp://x")).startswith("Provider 'own': servers[1]: ")
    assert not line_of(servers=("ftp://x",)).startswith("Provider 'own': servers[0]: url")
    assert line_of(auth="Bear\ner {api_key}").startswith("Provider 'own': auth: ")
    assert line_of_route(path="/a b\n").startswith(f"Provider 'own': {ROUTE}.path: ")
    assert line_of_route(stream_path="/a\n").startswith(f"Provider 'own': {ROUTE}.stream_path: ")
    for field in ("reply", "event"):
        assert line_of_route(**{field: {"$.a": "$.b["}}).startswith(f"Provider 'own': {ROUTE}.{field}: ")
        assert line_of_route(**{field: {"$.a[": "$.b"}}).startswith(f"Provider 'own': {ROUTE}.{field}: ")
        assert "None" not in line_of_route(**{field: {"$.a[": "$.b"}})


def test_what_is_right() -> None:
    fine()
    # A parameter of chat alone looks like one of text completion, and is no slip.
    fine(routes={"createCompletion": Route(unsupported=frozenset({"top_logprobs"}))})
    fine(
        name="x" * 100,
        servers=["https://a.example/v1", "http://127.0.0.1:1"],
        auth="Key {api_key}!",
        env_var="OWN_KEY",
        key_required=False,
        error=ErrorPaths(message=("$.a[0].b", "error", "_x.y"), code=("$.c",), type=("T",), param=("$",)),
        error_statuses=MappingProxyType({"a": 400, "b": 599}),
        request_id=("x-id",),
        sentinel=b"",
        limits=LimitHeaders(tokens_limit=()),
    )
    fine(auth=None)
    fine_route(
        path="/models/{model}/{_x1}/{OWN_Id}",
        stream_path="/s",
        rename={"a": "b", "input": "text"},
        unsupported={"seed"},
        optional=["model"],
        reshape={"messages": len},
        own={"a"},
        rare_event={"$.usage": "$.x_own.usage", "$.id": "$.x_id"},
        turns=Turns(call_id="[a-z]+"),
        reply={"choices[0].text": "$.value"},
        event={"$.a": "$.b.c"},
        statuses=[400, 599],
        usage_wish={"stream_options": {"include_usage": True}},
        page=Page(cursor="$.next", param="after", more="$.more"),
        structured=Structured(way="json_object", formats=frozenset({"date"}), lacks=frozenset()),
        handover=Handover(status=302, id_header="x-id", done="/done"),
        rows=BatchRows(longest_id=64),
    )
    for way in ("json_schema", "json_object", "tool"):
        fine_route(structured=Structured(way=way))  # type: ignore[arg-type]  # one of the three
    fine_route(page=Page(cursor="$.next", param="after"))


def test_kinds_by_their_annotation() -> None:
    check, accepted = kind_of("Page")
    assert (check(Page(cursor="a", param="b")), check(None), accepted) == (True, False, "of Page")
    check, accepted = kind_of("Page | None")
    assert (check(Page(cursor="a", param="b")), check(None), check(5), accepted) == (
        True,
        True,
        False,
        "of Page, or None",
    )
    check, _ = kind_of("Mapping[str, Any]")
    assert (check({}), check({"a": None}), check({"": 1}), check({1: 1})) == (True, True, False, False)


def test_mappings_are_looked_through_whichever_copy_of_the_table_does_it() -> None:
    spec = find_spec("llmsdk.providers.checks")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(copy := module_from_spec(spec))
    check = copy.kind_of("Mapping[str, int]")[0]
    assert check({})
    assert check(MappingProxyType({"a": 400, "b": 599}))
    for bad in (5, None, [("a", 400)], {"a": 5}, {"a": 400, "b": 5}, {5: 400}, {"": 400}, {"a": 400, 5: 400}):
        assert not check(bad), bad
