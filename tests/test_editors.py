"""What editors show and offer, through pyright's language server and through Jedi."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, resources
from llmsdk.options import SDKOptions
from llmsdk.providers.ids import IDS
from llmsdk.resources import chat, completions, images
from support.language_server import LanguageServer

SRC = Path(__file__).resolve().parent.parent / "src"
HEAD = 'from llmsdk import SDK\n\nsdk = SDK(server="local")\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    pytest.importorskip("pyright")
    with LanguageServer(tmp_path_factory.mktemp("editor"), [SRC]) as running:
        yield running


def named(kind: type[Any]) -> set[str]:
    return {f"{name}=" for name in kind.__annotations__}


def test_a_call_offers_all_its_parameters(server: LanguageServer) -> None:
    offered = server.completions(f'{HEAD}sdk.chat.create(model="m", |)\n')
    assert named(chat.CreateChatArgs) | {"stream=", "idle_timeout_ms="} <= {*offered, "model="}


def test_an_sdk_offers_all_its_options(server: LanguageServer) -> None:
    assert named(SDKOptions) <= set(server.completions("from llmsdk import SDK\n\nsdk = SDK(|)\n"))


def test_a_server_offers_all_ids(server: LanguageServer) -> None:
    offered = server.completions('from llmsdk import SDK\n\nsdk = SDK(server="|")\n')
    assert {*IDS} <= {label.strip("\"'") for label in offered}


def test_a_parameter_has_its_description(server: LanguageServer) -> None:
    shown = server.hover(f'{HEAD}sdk.chat.create(model="m", messages=[], temp|erature=0.5)\n')
    assert "temperature: float | None" in shown
    assert "Sampling temperature" in shown
    assert "Time limit of one attempt" in server.hover("from llmsdk import SDK\n\nSDK(time|out_ms=5)\n")


def test_a_field_of_a_reply_has_its_description(server: LanguageServer) -> None:
    shown = server.hover(f'{HEAD}res = sdk.chat.create(model="m", messages=[])\nres.choices[0].finish|_reason\n')
    assert "Why generation ended" in shown


@pytest.mark.parametrize(
    "call,described",
    [
        ("sdk.chat.create(|)", ("temperature: Sampling temperature", "stream: Get a stream of events")),
        ("sdk.images.create(|)", ("negative_prompt: What the image should not contain", "watermark: Put a watermark")),
        ("SDK(|)", ("api_key: API key", "retry_config: Retry policy of all calls")),
    ],
)
def test_a_call_that_is_typed_is_described(server: LanguageServer, call: str, described: tuple[str, ...]) -> None:
    signatures = server.signatures(f"{HEAD}{call}\n")
    label, text = signatures[0]
    assert all(f"{one.partition(':')[0]}:" in label for one in described)
    assert [one for one in described if one not in text.replace("\\", "")] == []  # Markdown has them before underscores


# --------------------------------------------------------------------- Jedi


def offered_by_jedi(call: str, *, is_live: bool) -> set[str]:
    """Give the keywords that Jedi offers in a call.

    Args:
        is_live: As IPython asks, which knows the objects; else from the text alone, as an editor does.
    """
    jedi: Any = pytest.importorskip("jedi")
    if is_live:
        script = jedi.Interpreter(call, [{"SDK": SDK, "sdk": SDK(server="local")}])
    else:
        script = jedi.Script(HEAD + call, project=jedi.Project(str(SRC)))
    return {one.name for one in script.complete() if one.name.endswith("=")}


@pytest.mark.parametrize("is_live", [True, False], ids=["live", "text"])
@pytest.mark.parametrize(
    "call,kind",
    [
        ("SDK(", SDKOptions),
        ("sdk.with_options(", SDKOptions),
        ("sdk.chat.create(", chat.CreateChatArgs),
        ("sdk.chat.create_async(", chat.CreateChatArgs),
        ("sdk.chat.parse(", chat.ParseArgs),
        ("sdk.chat.run_tools(", chat.RunToolsArgs),
        ("sdk.completions.create(", completions.CreateCompletionArgs),
        ("sdk.images.edit(", images.EditImageArgs),
    ],
)
def test_jedi_offers_the_whole_set(call: str, kind: type[Any], *, is_live: bool) -> None:
    assert named(kind) <= offered_by_jedi(call, is_live=is_live)


def test_jedi_knows_what_a_call_returns() -> None:
    jedi: Any = pytest.importorskip("jedi")
    script = jedi.Script(f'{HEAD}sdk.chat.create(model="m", messages=[]).', project=jedi.Project(str(SRC)))
    assert {"choices", "usage", "text"} <= {one.name for one in script.complete()}


def test_every_class_of_keywords_is_marked() -> None:
    """Jedi passes over a class without the mark, and over its fields."""
    modules = [import_module(f"{resources.__name__}.{one.name}") for one in pkgutil.iter_modules(resources.__path__)]
    named = [kind for one in modules for name, kind in vars(one).items() if name.endswith("Args")]
    assert len(named) > 20
    classes = {base for kind in named for base in (kind, *_typed_bases(kind))}
    assert sorted(one.__name__ for one in classes if not inspect.getsource(one).startswith("@keywords\n")) == []


def _typed_bases(kind: type[Any]) -> Iterator[type[Any]]:
    for base in getattr(kind, "__orig_bases__", ()):
        if isinstance(base, type) and hasattr(base, "__total__"):
            yield base
            yield from _typed_bases(base)
