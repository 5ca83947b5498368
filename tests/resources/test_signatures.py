"""What `help`, mocks and `inspect` see of the methods: every parameter, readable, and every documented call binds."""

from __future__ import annotations

import ast
import inspect
import pydoc
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest

from llmsdk import SDK
from llmsdk.options import CALL_OPTIONS, SDKOptions
from llmsdk.resources.operations import all_operations
from llmsdk.resources.signatures import Shown
from llmsdk.utils.forks import once

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = sorted(
    name
    for kind in SDK.__mro__
    for name, value in vars(kind).items()
    if isinstance(value, once) and not name.startswith("_")
)
UNREADABLE = ("FieldInfo", "object at 0x", "ForwardRef", "Ellipsis", "typing.", "llmsdk.")
SAID = [{"role": "user", "content": "Hi"}]


def methods() -> dict[str, Callable[..., Any]]:
    sdk = SDK(server="local")
    found: dict[str, Callable[..., Any]] = {"SDK": SDK}
    for resource in RESOURCES:
        kind = getattr(sdk, resource)
        names = [name for name in dir(kind) if not name.startswith("_")]
        found |= {f"{resource}.{name}": getattr(kind, name) for name in names if callable(getattr(kind, name))}
    return found


METHODS = methods()


@pytest.mark.parametrize("name", METHODS)
def test_a_signature_is_readable(name: str) -> None:
    text = str(inspect.signature(METHODS[name]))
    assert 10 < len(text) < 4000
    assert [word for word in UNREADABLE if word in text] == []
    assert name == "SDK" or "->" in text


@pytest.mark.parametrize("name", METHODS)
def test_no_parameter_hides_in_another(name: str) -> None:
    kinds = {one.kind for one in inspect.signature(METHODS[name]).parameters.values()}
    if name.startswith("batch.run"):
        return  # whatever its rows lack
    assert inspect.Parameter.VAR_KEYWORD not in kinds


@pytest.mark.parametrize("package", ["", ".errors", ".hooks", ".local", ".models", ".providers", ".tools", ".utils"])
def test_every_public_callable_has_a_signature_that_can_be_read(package: str) -> None:
    module = import_module(f"llmsdk{package}")
    names = getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")])
    offered = [getattr(module, name) for name in names]
    public = [one for one in offered if str(getattr(one, "__module__", "")).startswith("llmsdk")]
    methods = [
        value
        for kind in public
        if inspect.isclass(kind)
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and not name.startswith("_")
    ]
    # A dict has no signature, and a TypedDict is one.
    callables = [one for one in (*public, *methods) if callable(one) and not hasattr(one, "keys")]
    texts = [str(inspect.signature(one)) for one in callables]
    assert [text for text in texts if len(text) >= 4000 or any(word in text for word in UNREADABLE[:4])] == []


@pytest.mark.parametrize("operation", all_operations().values(), ids=lambda one: one.id)
def test_every_parameter_of_an_operation_is_in_its_signature_and_help(operation: Any) -> None:
    method = METHODS[f"{operation.resource}.{operation.name}"]
    shown = inspect.signature(method).parameters
    wanted = {name for name in operation.request.__annotations__ if name not in operation.files | {"endpoint"}}
    wanted |= CALL_OPTIONS - {"idle_timeout_ms"}
    wanted |= {"idle_timeout_ms", "stream"} if operation.chunk else set()
    wanted |= {operation.request_name} if operation.request_name else set()
    # `file_type` is found out, and `batch_id` may be the batch itself.
    assert sorted(wanted - shown.keys() - {"file_type", "batch_id"}) == []
    if not operation.is_stored and operation.required:
        assert list(shown)[: len(operation.required)] == [name for name in shown if name in operation.required]
    text = inspect.getdoc(method) or ""
    lines = {found[1]: found[2] for found in re.finditer(r"^    (\w+): (.*)$", text, re.MULTILINE)}
    undescribed = [name for name in shown if not lines.get(name)]
    assert undescribed == []


def test_the_types_are_those_that_the_reader_knows() -> None:
    shown = {name: str(one) for name, one in inspect.signature(METHODS["chat.create"]).parameters.items()}
    assert shown["temperature"] == "temperature: float | None = ..."
    assert shown["stream"] == "stream: bool = False"
    assert shown["tools"] == "tools: Iterable[ToolParam] | None = ..."
    assert shown["stop"] == "stop: str | Sequence[str] | None = ..."
    assert shown["unsupported"] == "unsupported: Literal['error', 'drop', 'pass'] | None = ..."
    whole = "ChatCompletionResponse | EventStream[ChatCompletionChunk, ChatCompletionResponse]"
    assert str(inspect.signature(METHODS["chat.create"])).endswith(f"-> {whole}")
    assert str(inspect.signature(METHODS["chat.run_tools_async"])).endswith("-> ToolRun | ToolEventStreamAsync")
    assert str(inspect.signature(METHODS["embeddings.create"])).startswith("(*, input: ")
    assert repr(Shown(None)) == "None"


def test_the_sdk_has_all_its_options() -> None:
    assert list(inspect.signature(SDK).parameters) == list(SDKOptions.__annotations__)


def test_help_can_be_read() -> None:
    for name in ("chat.create", "completions.create", "images.edit", "models.list"):
        text = pydoc.render_doc(METHODS[name], renderer=pydoc.plaintext)
        assert [word for word in UNREADABLE[:4] if word in text] == []
    assert "temperature: Sampling temperature" in pydoc.render_doc(METHODS["chat.create"], renderer=pydoc.plaintext)


def test_a_mock_with_the_same_signature_takes_the_documented_calls() -> None:
    sdk = SDK(server="local")
    create_autospec(sdk.chat.preview)(chat_completion_request={"model": "m", "messages": SAID}, stream=True)
    create_autospec(sdk.chat.create)(model="m", messages=SAID, stream=True)
    create_autospec(sdk.chat.create)(chat_completion_request={"model": "m", "messages": SAID}, retries=None)
    create_autospec(sdk.completions.create)(completion_request={"prompt": "p"}, model_id="m", organization_id=1)
    create_autospec(sdk.files.content)("file-1", "to.bin", allow_private=True)
    with pytest.raises(TypeError, match="temprature"):
        create_autospec(sdk.chat.create)(model="m", messages=SAID, temprature=1)
    with pytest.raises(TypeError, match="input"):
        create_autospec(sdk.embeddings.create)(model="m")
    double = create_autospec(sdk, instance=True)
    double.chat.create(model="m", messages=SAID)


def documented_calls() -> Iterator[tuple[str, ast.Call]]:
    """Calls of our methods in the code blocks of the documentation."""
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for block in re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL):
            try:
                tree = ast.parse(block)
            except SyntaxError:
                continue  # a part of a program
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    name = ".".join(ast.unparse(node.func).split(".")[-2:])
                    if name in METHODS and ast.unparse(node.func).split(".")[0] in ("sdk", "s", "other", "client"):
                        yield name, node


def test_every_documented_call_binds() -> None:
    count = 0
    for name, call in documented_calls():
        if any(isinstance(one, ast.Starred) for one in call.args) or any(one.arg is None for one in call.keywords):
            continue
        if "promt" in [one.arg for one in call.keywords]:
            continue  # what a slip of the pen gets is shown
        count += 1
        inspect.signature(METHODS[name]).bind(*call.args, **{str(one.arg): one.value for one in call.keywords})
    assert count > 100
