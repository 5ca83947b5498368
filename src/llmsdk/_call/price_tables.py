"""Tables of prices that others publish, read from a user's file: LiteLLM's and genai-prices'. None is shipped.

Sources: `model_prices_and_context_window.json` of BerriAI/litellm, a price per token under names of fields;
`prices/data.json` of pydantic/genai-prices with its schema, rules by provider that find a model's price.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..providers.ids import IDS
from ..utils.shapes import is_list, is_object
from .prices import Price

_MILLION = 1_000_000
_ABOVE = re.compile(r"_above_([0-9]+)k_tokens$")
_PLACES = {  # our name: LiteLLM's, per token
    "input_per_million": "input_cost_per_token",
    "output_per_million": "output_cost_per_token",
    "cached_input_per_million": "cache_read_input_token_cost",
    "cache_write_per_million": "cache_creation_input_token_cost",
    "reasoning_per_million": "output_cost_per_reasoning_token",
}
_MTOK = {  # our name: that of genai-prices, per million
    "input_per_million": "input_mtok",
    "output_per_million": "output_mtok",
    "cached_input_per_million": "cache_read_mtok",
    "cache_write_per_million": "cache_write_mtok",
}
_ENDINGS = ("ai", "nim")  # that names of services have there and ids here have not, or the other way round

Key = str | tuple[str, str]
Match = Callable[[str], bool]


class PriceTable(Mapping[Key, Price]):
    """Prices by model, and by server id and model: some by name, some by rules about names."""

    def __init__(self) -> None:
        self._named: dict[Key, Price] = {}
        self._rules: list[tuple[str | None, str, Match, Price]] = []  # server, id of the model, what it fits, price
        self._found: dict[Key, Price | None] = {}

    def add(self, key: Key, price: Price) -> None:
        """Add a price by name; the first of a name stands."""
        self._named.setdefault(key, price)

    def add_rule(self, server: str | None, model: str, fits: Match, price: Price) -> None:
        """Add a price of all models whose names a rule fits; at one server, or at any where nothing else is known."""
        self._rules.append((server, model, fits, price))

    def __getitem__(self, key: Key) -> Price:
        price = self._named.get(key)
        if price is None:
            if key not in self._found:
                self._found[key] = self._by_rule(key)
            price = self._found[key]
        if price is None:
            raise KeyError(key)
        return price

    def _by_rule(self, key: Key) -> Price | None:
        server, model = key if isinstance(key, tuple) else (None, key)
        fitting = (price for at, _, fits, price in self._rules if at == server and fits(model.lower()))
        return next(fitting, None)

    def __iter__(self) -> Iterator[Key]:
        yield from dict.fromkeys((*self._named, *self._ids()))

    def _ids(self) -> Iterator[Key]:
        for server, model, _, _ in self._rules:
            yield model if server is None else (server, model)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_table(path: str | os.PathLike[str]) -> PriceTable:
    """Read a table from a file.

    Raises:
        ConfigurationError: It cannot be read, or has neither form.
    """
    place = os.fspath(path)
    try:
        document = json.loads(Path(path).read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"prices: {place!r} cannot be read: {exc.strerror or exc}") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"prices: {place!r} is not valid JSON") from exc
    table = PriceTable()
    if is_object(document):
        _read_litellm(document, table)
    elif is_list(document):
        for provider in filter(is_object, document):
            _read_provider(provider, table, datetime.now(UTC).date())
    if not len(table):
        raise ConfigurationError(
            f"prices: {place!r} has no prices in it; expected the JSON that LiteLLM or genai-prices publishes"
        )
    return table


# ------------------------------------------------------------------ LiteLLM


def _read_litellm(document: Mapping[str, Any], table: PriceTable) -> None:
    """Read an object of models, some of which have their service in front of their name."""
    bare: dict[str, Price] = {}
    for name, entry in document.items():
        price = _litellm_price(entry) if is_object(entry) and name != "sample_spec" else None
        if price is None:
            continue
        service = str(entry.get("litellm_provider") or "")
        prefix, _, rest = name.partition("/")
        model = rest if rest and prefix == service else name
        if (server := _server(service)) is not None:
            table.add((server, model), price)
        if model == name:
            table.add(name, price)
        else:
            bare.setdefault(model, price)
    for model, price in bare.items():
        table.add(model, price)  # where the model's own maker has no entry, the first that serves it


def _litellm_price(entry: Mapping[str, Any]) -> Price | None:
    """Make the price of an entry; None where it is none by token, such as that of a picture."""
    try:
        if is_list(entry.get("tiered_pricing")):
            return _ranged(entry["tiered_pricing"])
        starts = {int(found[1]) * 1000 for name in entry if (found := _ABOVE.search(name))}
        base = _by_token(entry, "")
        per_request = float(entry.get("input_cost_per_request") or 0)
        tiers = {start: Price(**{**base, **_by_token(entry, f"_above_{start // 1000}k_tokens")}) for start in starts}
        return Price(**base, per_request=per_request, tiers=tiers) if "input_per_million" in base else None
    except (ConfigurationError, TypeError, ValueError):
        return None  # of some thousand entries of others, one that is broken is no reason to refuse the table


def _by_token(entry: Mapping[str, Any], ending: str) -> dict[str, Any]:
    named = {ours: entry.get(f"{theirs}{ending}") for ours, theirs in _PLACES.items()}
    return {ours: float(value) * _MILLION for ours, value in named.items() if value is not None}


def _ranged(tiers: list[Any]) -> Price | None:
    """Read prices by ranges of the prompt's length."""
    by_start = {int(tier["range"][0]): _by_token(tier, "") for tier in tiers if is_object(tier) and "range" in tier}
    if not by_start:
        return None
    first, *others = sorted(by_start)
    return Price(**by_start[first], tiers={start: Price(**by_start[start]) for start in others})


def _server(service: str) -> str | None:
    """Find the id of the server that a name of a service means: they differ in dashes and in an `ai`."""
    name = re.sub(r"[^a-z0-9]", "", service.lower())
    for server in IDS:
        ours = re.sub(r"[^a-z0-9]", "", server)
        if ours == name or any(f"{ours}{ending}" == name or f"{name}{ending}" == ours for ending in _ENDINGS):
            return server
    return None


# ------------------------------------------------------------- genai-prices


def _read_provider(provider: Mapping[str, Any], table: PriceTable, today: date) -> None:
    """Read the models of one service, each found by a rule about its name."""
    server, is_maker = _server(str(provider.get("id"))), is_object(provider.get("model_match"))
    for model in filter(is_object, provider.get("models") or ()):
        try:
            price, fits = _genai_price(model.get("prices"), today), _rule(model.get("match"))
        except (ConfigurationError, TypeError, ValueError, KeyError, re.error):
            continue  # as above
        if price is None:
            continue
        if server is not None:
            table.add_rule(server, str(model["id"]), fits, price)
        if is_maker:  # its models are known by their names alone
            table.add_rule(None, str(model["id"]), fits, price)


def _genai_price(prices: Any, today: date) -> Price | None:
    """Make the price of a model, of several the last one that holds at a date, at whatever time of the day."""
    if is_list(prices):
        prices = next((one["prices"] for one in reversed(prices) if _holds(one.get("constraint"), today)), None)
    if not is_object(prices) or not prices.keys() & {*_MTOK.values(), "requests_kcount"}:
        return None
    starts = {int(tier["start"]) for value in prices.values() if is_object(value) for tier in value.get("tiers", ())}
    per_request = float(prices.get("requests_kcount") or 0) / 1000
    tiers = {start: Price(**_at(prices, start)) for start in starts}
    return Price(**_at(prices, -1), per_request=per_request, tiers=tiers)


def _holds(constraint: Any, today: date) -> bool:
    if constraint is None:
        return True
    start = constraint.get("start_date") if is_object(constraint) else None
    return isinstance(start, str) and date.fromisoformat(start) <= today


def _at(prices: Mapping[str, Any], prompt_tokens: int) -> dict[str, Any]:
    """Return the prices of prompts of more than so many tokens."""
    made: dict[str, Any] = {"input_per_million": 0.0}
    for ours, theirs in _MTOK.items():
        value = prices.get(theirs)
        if is_object(value):
            reached = [tier["price"] for tier in value["tiers"] if tier["start"] <= prompt_tokens]
            value = reached[-1] if reached else value["base"]
        if value is not None:
            made[ours] = float(value)
    return made


def _rule(match: Any) -> Match:
    """Make a function of a rule, which compares in lower case.

    Raises:
        ValueError: It is no rule that we know.
    """
    if not is_object(match) or len(match) != 1:
        raise ValueError("no rule")
    ((kind, said),) = match.items()
    if kind in ("or", "and"):
        rules = [_rule(one) for one in said]
        return lambda name: (any if kind == "or" else all)(rule(name) for rule in rules)
    text = str(said).lower()
    plain: dict[str, Match] = {
        "equals": lambda name: name == text,
        "starts_with": lambda name: name.startswith(text),
        "ends_with": lambda name: name.endswith(text),
        "contains": lambda name: text in name,
    }
    if kind == "regex":
        pattern = re.compile(str(said), re.IGNORECASE)
        return lambda name: pattern.search(name) is not None
    if kind not in plain:
        raise ValueError("no rule")
    return plain[kind]
