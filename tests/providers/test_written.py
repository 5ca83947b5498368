"""Providers as TOML files: what is written is read as what it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmsdk import errors
from llmsdk.providers import PROVIDERS, ErrorPaths, Provider, Route
from llmsdk.providers.checks import fields_of
from llmsdk.providers.reshape import AsList
from llmsdk.providers.written import written


def parts(provider: Provider) -> dict[str, Any]:
    """All that a provider says, without the routes that a file cannot hold."""
    return {name: getattr(provider, name) for name in fields_of(Provider) if name != "routes"}


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_server_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    provider = PROVIDERS[name]
    (tmp_path / "p.toml").write_text(text := written(provider), "utf-8")
    again = Provider.from_toml(tmp_path / "p.toml")
    assert parts(again) == parts(provider)
    lost = [one for one in provider.routes if one not in again.routes]
    assert text.count("\n# routes.") == len(lost)
    for operation, route in again.routes.items():
        for field in fields_of(Route):
            here, there = getattr(route, field), getattr(provider.routes[operation], field)
            if field == "pairs":  # a file has lists where a constant has tuples
                here, there = ({key: tuple(one) for key, one in value.items()} for value in (here, there))
            assert here == there, (operation, field)


def test_odd_values_are_written_as_they_are(tmp_path: Path) -> None:
    provider = Provider(
        name="a",
        routes={"createChatCompletion": Route(usage_wish={'odd "key"': [1, 2.5, True, {"é\x7f\n": "ü"}]})},
        auth=None,
        error=ErrorPaths(message=("$.a['b c']",), spent=frozenset({"y", "x"})),
        sentinel=b"[END]",
    )
    (tmp_path / "p.toml").write_text(written(provider), "utf-8")
    again = Provider.from_toml(tmp_path / "p.toml")
    assert parts(again) == parts(provider)
    assert again.routes["createChatCompletion"].usage_wish == provider.routes["createChatCompletion"].usage_wish


def test_code_is_left_out_or_refused() -> None:
    odd = {"own": lambda value: {"own": value}, "stop": AsList("end")}
    for name, form in odd.items():
        provider = Provider(name="a", routes={"createCompletion": Route(reshape={name: form})})
        assert f"# routes.createCompletion.reshape.{name}: " in written(provider)
        with pytest.raises(errors.ConfigurationError, match=rf"reshape\.{name}: "):
            written(provider, {"createCompletion"})
    text = written(replace(PROVIDERS["anthropic"], name="b"), {"createChatCompletion"})
    assert 'codec = "messages"' in text
    assert "# routes.countTokens.codec: is code" in text
