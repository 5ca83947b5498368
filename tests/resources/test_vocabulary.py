"""The words of the request objects beside those of OpenAI's own package, which most servers take theirs from."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from llmsdk import SDK
from llmsdk.errors import UnsupportedParameterError
from llmsdk.resources.operations import all_operations

FACTS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "vocabulary.json").read_text(encoding="utf-8"))
OPERATIONS = all_operations()


def ours(operation: str) -> set[str]:
    """Names that the request object of an operation has."""
    return set(get_type_hints(OPERATIONS[operation].request))


@pytest.mark.parametrize("operation", FACTS["operations"])
def test_the_vocabulary_has_every_parameter_of_openai(operation: str) -> None:
    entry = FACTS["operations"][operation]
    missing = set(entry["parameters"]) - ours(operation) - set(entry["left_out"])
    assert not missing, f"add to the request object of {operation}: {sorted(missing)}"


@pytest.mark.parametrize("operation", FACTS["operations"])
def test_nothing_is_left_out_that_is_there(operation: str) -> None:
    assert not set(FACTS["operations"][operation]["left_out"]) & ours(operation)


@pytest.mark.parametrize("operation", FACTS["operations"])
def test_the_list_is_that_of_the_package(operation: str) -> None:
    """Where the package is installed, its newest names are held against the list, which says what a new one added."""
    pytest.importorskip("openai")
    entry = FACTS["operations"][operation]
    module, name = entry["class"].split(":")
    theirs = set(get_type_hints(getattr(importlib.import_module(module), name)))
    assert not theirs - set(entry["parameters"]), f"new in the package: {sorted(theirs - set(entry['parameters']))}"


NEWER: dict[str, Any] = {
    "functions": [{"name": "f", "parameters": {"type": "object"}}],
    "moderation": {"model": "m"},
    "prediction": {"type": "content", "content": "as it was"},
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "safety_identifier": "u",
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}


def sent(server: Any, **parameters: Any) -> dict[str, Any]:
    """Body of a chat at a server."""
    chat = SDK(server=server, api_key="key").chat
    body: dict[str, Any] = chat.preview(model="m", messages=[{"role": "user", "content": "Hi"}], **parameters).body
    return body


def test_what_openai_added_goes_to_it_as_it_is() -> None:
    assert NEWER.items() <= sent("openai", **NEWER).items()


@pytest.mark.parametrize("name", NEWER)
@pytest.mark.parametrize("server", ["together", "writer_v1", "r9s", "anthropic", "gemini"])
def test_what_openai_added_is_refused_where_nobody_knows_it(server: str, name: str) -> None:
    with pytest.raises(UnsupportedParameterError, match=name):
        sent(server, **{name: NEWER[name]})


@pytest.mark.parametrize(
    "server, taken",
    [
        ("mistral", {"prediction"}),
        ("cerebras", {"prediction", "prompt_cache_key"}),
        ("fireworks", {"functions", "prediction", "prompt_cache_key"}),
        ("openrouter", {"prediction", "prompt_cache_key", "prompt_cache_options"}),
        ("perplexity", {"web_search_options"}),
        ("xai", {"prompt_cache_key"}),
    ],
)
def test_what_others_took_over_goes_there(server: str, taken: set[str]) -> None:
    given = {name: NEWER[name] for name in taken}
    assert given.items() <= sent(server, **given).items()
