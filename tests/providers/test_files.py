"""Providers in TOML files: the same as constants, found by id in folders, their slips named with the line."""

from __future__ import annotations

import json
import pickle
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, Provider, Route
from llmsdk.errors import ConfigurationError
from llmsdk.local import LocalServer
from llmsdk.providers import ErrorPaths, LimitHeaders, LimitWindow, Page, Structured, Turns
from llmsdk.providers.files import _GIVEN, FORMS
from llmsdk.providers.reshape import AsList, OneOf, PlainParts, Renamed, WidthHeight
from support.canned import CannedServer
from support.colours import KEY, Colour

FOLDER = Path(__file__).parents[1] / "data" / "providers"
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
REPLY = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}]}
ACME = Provider(
    name="acme",
    servers=("https://{region}.acme.example/v1",),
    auth=None,
    env_var="ACME_API_KEY",
    key_required=False,
    request_id=("x-acme-id",),
    sentinel=b"[END]",
    headers={"x-acme-key": "{api_key}"},
    error=ErrorPaths(message=("$.fault.text",), spent=frozenset({"empty"})),
    error_statuses={"busy": 503},
    limits=LimitHeaders(windows=(LimitWindow(of="requests", seconds=60, remaining="x-left"),)),
    routes={
        "createChatCompletion": Route(
            path="/talk",
            rename={"max_completion_tokens": "max_tokens"},
            unsupported=frozenset({"logit_bias"}),
            statuses=(400, 429),
            structured=Structured(way="json_object", strict=False, lacks=frozenset({"pattern"})),
            turns=Turns(reasoning="reasoning_content", required=True, keeps=frozenset({"extra"})),
            usage_wish={"stream_options": {"include_usage": True}},
            reshape={
                "stop": AsList("stop"),
                "tool_choice": OneOf("tool_choice", ("auto", "none")),
                "messages": PlainParts("messages", (("input_audio", "data"),)),
            },
        ),
        "createImage": Route(
            reshape={"size": WidthHeight(), "response_format": Renamed("response_format", (("b64_json", "base64"),))}
        ),
        "listModels": Route(page=Page(cursor="$.next", param="after")),
    },
)


def test_a_file_is_the_same_as_a_constant() -> None:
    read = Provider.from_toml(FOLDER / "acme.toml")
    assert {field.name: getattr(read, field.name) for field in fields(Provider)} == {
        field.name: getattr(ACME, field.name) for field in fields(Provider)
    }
    assert Provider.from_toml(str(FOLDER / "acme.toml")).name == "acme"


async def test_its_name_is_an_id(colour: Colour, canned: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSDK_PROVIDERS", str(FOLDER))
    canned.reply(200, REPLY, {"x-acme-id": "a-1", "x-left": "7"})
    options = {"server": "acme", "server_url": canned.url, "url_params": {"region": "eu"}}
    async with colour.open(**options, api_key=KEY) as client:
        res = await client.call("chat.create", **CHAT, stop="x", max_completion_tokens=5)
        with pytest.raises(ConfigurationError, match="did you mean 'acme'"):
            await client.call("chat.create", **CHAT, server="acmee")
    assert (res.text, res.meta.request_id, res.meta.rate_limit.requests.remaining) == ("Hello.", "a-1", 7.0)
    assert canned.last.target == "/talk"
    assert canned.last.headers["x-acme-key"] == KEY
    assert canned.last.json == {**CHAT, "stop": ["x"], "max_tokens": 5}
    with LocalServer(dialect="acme") as server:
        assert server.url.startswith("http://127.0.0.1")
    assert pickle.loads(pickle.dumps(SDK(**options))).chat.preview(**CHAT).url == f"{canned.url}/talk"


def test_several_folders_and_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\nservers = ["https://mine.example"]\n[routes.listModels]\n')
    monkeypatch.setenv("LLMSDK_PROVIDERS", f"{tmp_path}:{FOLDER}")
    assert SDK(server="mine", api_key=KEY).models.preview().url == "https://mine.example/models"  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"known servers: mine, acme, together, .*, or a Provider"):
        SDK(server="nobody")  # type: ignore[arg-type]
    monkeypatch.setenv("LLMSDK_PROVIDERS", f"{tmp_path / 'mine.toml'}:{tmp_path / 'gone.toml'}")
    with pytest.raises(ConfigurationError, match=r"^environment variable LLMSDK_PROVIDERS: .*gone\.toml: No such file"):
        SDK(server="mine")  # type: ignore[arg-type]
    monkeypatch.setenv("LLMSDK_PROVIDERS", str(tmp_path / "mine.toml"))
    assert SDK(server="mine", api_key=KEY).models.preview().url == "https://mine.example/models"  # type: ignore[arg-type]
    monkeypatch.setenv("LLMSDK_PROVIDERS", str(tmp_path / "gone"))
    with pytest.raises(ConfigurationError, match=r"^environment variable LLMSDK_PROVIDERS: .*gone: No such file"):
        SDK(server="mine")  # type: ignore[arg-type]
    assert SDK(server="together", api_key=KEY).chat.preview(**CHAT).url  # what this package knows needs no folder
    monkeypatch.setenv("LLMSDK_PROVIDERS", str(tmp_path))
    (tmp_path / "other.toml").write_text('name = "mine"\n[routes.listModels]\n')
    with pytest.raises(ConfigurationError, match=r"other\.toml: name: must be 'other', as the file's, got 'mine'"):
        SDK(server="other")  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["", "groq.toml"], ids=["its folder", "itself"])
def test_a_file_goes_before_a_server_of_this_package(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "groq.toml").write_text('name = "groq"\nservers = ["https://mine.example"]\n[routes.listModels]\n')
    monkeypatch.setenv("LLMSDK_PROVIDERS", f"{tmp_path / 'gone'}:{tmp_path / place}")
    assert SDK(server="groq", api_key=KEY).models.preview().url == "https://mine.example/models"
    assert SDK(server="xai", api_key=KEY).models.preview().url == "https://api.x.ai/v1/models"


def test_a_byte_order_mark_is_no_slip(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(f"{HEAD}[routes.listModels]\n", "utf-8-sig")
    assert Provider.from_toml(tmp_path / "mine.toml").name == "mine"


@pytest.mark.parametrize(
    "protocol, path, holds", [("messages", "/messages", "messages"), ("responses", "/responses", "input")]
)
def test_a_file_names_the_protocol_of_a_chat(tmp_path: Path, protocol: str, path: str, holds: str) -> None:
    chat = f'[routes.createChatCompletion]\npath = "{path}"\ncodec = "{protocol}"\n'
    (tmp_path / "mine.toml").write_text(f"{HEAD}{chat}")
    provider = Provider.from_toml(tmp_path / "mine.toml")
    shown = SDK(server=provider, api_key=KEY).chat.preview(**CHAT, max_tokens=5)
    assert shown.url == f"https://mine.example{path}"
    assert holds in shown.body
    sent = {"blocks": [{"type": "reasoning", "id": "r"}], "blocks_of": PROTOCOLS[protocol]}
    again = SDK(server=provider, api_key=KEY).chat.preview(
        model="m", max_tokens=5, messages=[*CHAT["messages"], {"role": "assistant", "content": "x", **sent}]
    )
    assert '"reasoning"' in json.dumps(again.body)


PROTOCOLS = {"messages": "anthropic", "responses": "openai_responses"}
SHAPE = "[routes.createImage.reshape]"
HEAD = 'name = "mine"\nservers = ["https://mine.example"]\n'
SLIPS = {
    "syntax": ('name = "mine"\nservers = oops\n', r": Invalid value \(at line 2, column 11\)"),
    "unknown key": (
        f'{HEAD}envvar = "X"\n[routes]\n',
        r":3: envvar: unknown key of Provider; did you mean 'env_var'\?",
    ),
    "unknown key of a route": (
        f'{HEAD}\n[routes.listModels]\npth = "/m"\n',
        r":5: routes\.listModels\.pth: unknown key",
    ),
    "unknown operation": (f"{HEAD}[routes.listModel]\n", r":3: .*routes\.listModel: must be the id of an operation"),
    "wrong type": (f'{HEAD}key_required = "yes"\n[routes]\n', r":3: .*key_required: must be a bool, got str"),
    "wrong type inside": (
        f"{HEAD}[routes.listModels]\nunsupported = [1]\n",
        r":4: .*unsupported: must be a list of strings",
    ),
    "no table": (f'{HEAD}routes = "x"\n', r":3: routes: must be a table"),
    "unknown form": (
        f'{HEAD}{SHAPE}\nsize = "big"\n',
        r":4: routes\.createImage\.reshape\.size: must be one of as_list",
    ),
    "form without its value": (f'{HEAD}{SHAPE}\nsize = "one_of"\n', r":4: .*size: one_of needs a value"),
    "form with a value": (
        f"{HEAD}[routes.createImage]\nreshape = {{ size = {{ width_height = 1 }} }}\n",
        r":4: .*takes no value",
    ),
    "form with a list for a table": (
        f'{HEAD}{SHAPE}\nsize = {{ renamed = ["a"] }}\n',
        r":4: .*renamed needs a table, got list",
    ),
    "form with a text for a list": (
        f'{HEAD}{SHAPE}\nsize = {{ one_of = "a" }}\n',
        r":4: .*one_of needs a list, got str",
    ),
    "form with numbers for texts": (
        f"{HEAD}{SHAPE}\nprompt = {{ plain_text = [1] }}\n",
        r":4: .*plain_text needs a list of strings",
    ),
    "form with a table for a text": (
        f"{HEAD}{SHAPE}\nsize = {{ wrapped = {{}} }}\n",
        r":4: .*wrapped needs a string, got dict",
    ),
    "unknown parameter": (
        f'{HEAD}[routes.createImage]\nrename = {{ promt = "text" }}\n',
        r":4: .*routes\.createImage\.rename: 'promt' isn't a parameter of createImage; did you mean 'prompt'\?",
    ),
    "form with odd values": (f"{HEAD}{SHAPE}\nsize = {{ one_of = [[1]] }}\n", r":4: .*plain values"),
    "no name": ('servers = ["https://mine.example"]\n', r":1: Provider needs name, routes"),
    "a bad URL": (
        'name = "mine"\nservers = ["mine.example"]\n[routes]\n',
        r":2: Provider 'mine': servers\[0\]: got a str without http",
    ),
    "a bad path": (f'{HEAD}[routes.listModels]\npath = "/{{"\n', r":4: .*path"),
    "unknown protocol": (
        f'{HEAD}[routes.createChatCompletion]\ncodec = "mesages"\n',
        r":4: .*codec: must be one of messages, generate_content, responses",
    ),
    "protocol of something else": (
        f'{HEAD}[routes.createImage]\ncodec = "responses"\n',
        r":4: .*codec: is known of createChatCompletion alone",
    ),
    "a window": (
        f'{HEAD}[routes]\n[[limits.windows]]\nof = "calls"\nseconds = 1\n',
        r":\d: .*must be \"requests\" or \"tokens\"",
    ),
    "not UTF-8": ("name = '\udcff'\n", r": 'utf-8' codec"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_with_its_line(slip: str, tmp_path: Path) -> None:
    text, message = SLIPS[slip]
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=rf"^{path}{message}"):
        Provider.from_toml(path)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"gone\.toml: cannot be read: No such file"):
        Provider.from_toml(tmp_path / "gone.toml")
    (tmp_path / "big.toml").write_bytes(b"#" * (1 << 20) + b"#")
    with pytest.raises(ConfigurationError, match="is larger than"):
        Provider.from_toml(tmp_path / "big.toml")


def test_every_form_can_stand_in_a_file() -> None:
    from llmsdk.providers import reshape

    assert set(FORMS.values()) == set(reshape.Form.__subclasses__())
    needed = {kind.__annotations__[name] for kind in FORMS.values() for name in kind.takes if name != "name"}
    assert needed <= _GIVEN.keys(), "say in files.py what a form of this kind needs"


def test_forms_are_values() -> None:
    form = Renamed("a", values=((1, 2),))
    assert form == Renamed("a", ((1, 2),)) != Renamed("b", ((1, 2),))
    assert form != AsList("a")
    assert len({form, Renamed("a", ((1, 2),))}) == 1
    assert repr(form) == "Renamed(name='a', values=((1, 2),))"
    assert pickle.loads(pickle.dumps(form)) == form
    for made in (lambda: Renamed("a"), lambda: AsList("a", "b"), lambda: WidthHeight(name="a")):  # type: ignore[call-arg] # the assertion
        with pytest.raises(TypeError, match=r"takes"):
            made()
    with pytest.raises(AttributeError, match="cannot assign to field 'name'"):
        form.name = "b"  # type: ignore[misc] # the assertion
