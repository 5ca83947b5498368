"""Parameters that are right at a look: pydantic would take them as well, and is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmsdk._call.adapters import adapter
from llmsdk._call.operation import Operation
from llmsdk._call.request.encode import encode
from llmsdk.providers.registry import PROVIDERS
from llmsdk.resources.operations import all_operations
from llmsdk.resources.operations.chat import CREATE_CHAT_COMPLETION

OPERATIONS = list(all_operations().values())
SAMPLES: dict[type, st.SearchStrategy[Any]] = {
    str: st.text(),  # half a character, too: what writes the JSON refuses it
    bool: st.booleans(),
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def refused(operation: Operation, params: Mapping[str, Any]) -> set[Any]:
    """The parameters that pydantic refuses."""
    try:
        adapter(operation.request).validator.validate_python(params, strict=True)
    except ValidationError as exc:
        return {error["loc"][0] for error in exc.errors()}
    return set()


def is_asked(**params: Any) -> bool:
    """Whether the request of a chat is shown to pydantic, in whose place something takes it."""
    asked: list[object] = []
    operation = CREATE_CHAT_COMPLETION.__replace__()
    vars(operation)["check_types"] = lambda *_, **__: asked.append(1)
    encode(operation, PROVIDERS["openai"], {**CHAT, **params}, base_url="http://h", url_params={}, providers=PROVIDERS)
    return bool(asked)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
@given(st.data())
def test_pydantic_takes_every_plain_value(operation: Operation, data: st.DataObject) -> None:
    for name, kinds in operation.plain_kinds.items():
        for kind in kinds:
            value = data.draw(SAMPLES[kind])
            assert name not in refused(operation, {name: value}), value


def test_every_operation_with_messages_takes_texts() -> None:
    messages = [
        {"role": role, "content": text} for role in ("system", "user", "assistant") for text in ("", "a", "\u00e9")
    ]
    having = [operation for operation in OPERATIONS if "messages" in operation.request.__annotations__]
    assert len(having) >= 2
    for operation in having:
        assert "messages" not in refused(operation, {"messages": messages})


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"temperature": 1, "top_p": 0.5, "stop": "x", "stream": True, "max_tokens": 5, "user": "\u00e9"},
        {"messages": [{"role": "system", "content": ""}, {"content": "\u00e9", "role": "assistant"}]},
    ],
)
def test_a_usual_chat_is_not_shown_to_pydantic(params: dict[str, Any]) -> None:
    assert not is_asked(**params)


@pytest.mark.parametrize(
    "params",
    [
        {"max_tokens": True},
        {"seed": 1.0},
        {"temperature": "1"},
        {"stop": ["a"]},
        {"messages": ({"role": "user", "content": "Hi", "name": "a"},)},
        {"messages": [{"role": "user", "content": ["Hi"]}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "tool", "content": "Hi"}]},
        {"messages": [{"role": ["user"], "content": "Hi"}]},
        {"messages": ["Hi"]},
        {"messages": "Hi"},
    ],
)
def test_what_may_be_wrong_is_shown_to_pydantic(params: dict[str, Any]) -> None:
    assert is_asked(**params)
