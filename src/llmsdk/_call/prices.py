"""What tokens cost: the prices of a model, and which of them one call has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, cast

from ..errors import ConfigurationError
from ..utils.shapes import described, is_mapping, quoted

_DEAREST = 1e15  # sums of it are still far from the end of a float


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What a model costs per million tokens, in a currency of your choice.

    Attributes:
        input_per_million: Price of prompt tokens.
        output_per_million: Price of generated tokens, reasoning included.
        cached_input_per_million: Price of prompt tokens read from the server's cache; defaults to `input_per_million`.
        cache_write_per_million: Price of prompt tokens written to the server's cache; defaults to `input_per_million`.
        reasoning_per_million: Price of tokens generated to reason; defaults to `output_per_million`.
        per_request: What a call costs beside its tokens.
        tiers: Prices of long prompts: a call whose prompt has more tokens than a key costs by that price as a whole.
    """

    input_per_million: float
    output_per_million: float = 0.0
    cached_input_per_million: float | None = None
    cache_write_per_million: float | None = None
    reasoning_per_million: float | None = None
    per_request: float = 0.0
    tiers: Mapping[int, Price] = field(default_factory=dict[int, "Price"], hash=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "tiers" or (value is None and item.default is None):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _DEAREST:
                raise ConfigurationError(f"{item.name}: must be a finite number of at least 0, got {described(value)}")
        tiers: Any = self.tiers
        if not is_mapping(tiers):
            raise ConfigurationError(f"tiers: must be a mapping of token counts to Price, got {described(tiers)}")
        for start, price in cast("Mapping[Any, Any]", tiers).items():
            if type(start) is not int or start < 0 or not isinstance(price, Price):
                raise ConfigurationError(
                    f"tiers: must be a mapping of token counts to Price, got {described(start)}: {described(price)}"
                )
        object.__setattr__(self, "tiers", dict(sorted(tiers.items())))

    @staticmethod
    def from_json(path: str | os.PathLike[str]) -> Prices:
        """Read a table of prices from a file in the form that LiteLLM publishes, or that of genai-prices.

        Raises:
            ConfigurationError: It cannot be read, or is neither.
        """
        # By its name: that module makes prices, and few programs read a table.
        table: Prices = import_module(f"{__package__}.price_tables").read_table(path)
        return table

    def of(
        self,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        *,
        cache_write_tokens: int = 0,
        reasoning_tokens: int = 0,
    ) -> float:
        """Return the cost of one call.

        Args:
            prompt_tokens: Those read from a cache and written to it included.
            completion_tokens: Those generated to reason included.
        """
        if tier := self._tier(prompt_tokens):
            return tier.of(
                prompt_tokens,
                cached_tokens,
                completion_tokens,
                cache_write_tokens=cache_write_tokens,
                reasoning_tokens=reasoning_tokens,
            )
        cached = min(cached_tokens, prompt_tokens)
        written = min(cache_write_tokens, prompt_tokens - cached)
        reasoning = min(reasoning_tokens, completion_tokens)
        tokens = (
            (prompt_tokens - cached - written) * self.input_per_million
            + cached * _else(self.cached_input_per_million, self.input_per_million)
            + written * _else(self.cache_write_per_million, self.input_per_million)
            + (completion_tokens - reasoning) * self.output_per_million
            + reasoning * _else(self.reasoning_per_million, self.output_per_million)
        )
        return tokens / 1_000_000 + self.per_request

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the most that a call can cost whose tokens are at most so many, wherever they come from."""
        dearest_in = max(self.input_per_million, self.cached_input_per_million or 0, self.cache_write_per_million or 0)
        dearest_out = max(self.output_per_million, self.reasoning_per_million or 0)
        most = (prompt_tokens * dearest_in + completion_tokens * dearest_out) / 1_000_000 + self.per_request
        reached = [price for start, price in self.tiers.items() if prompt_tokens > start]
        return max([most, *(price.most(prompt_tokens, completion_tokens) for price in reached)])

    def _tier(self, prompt_tokens: int) -> Price | None:
        reached = None
        for start, price in self.tiers.items():
            if prompt_tokens > start:
                reached = price
        return reached


def _else(price: float | None, usual: float) -> float:
    return usual if price is None else price


# Three forms, since the keys of a Mapping are invariant: a `dict[str, Price]` of the caller's is one, too.
Prices = Mapping[str | tuple[str, str], Price] | Mapping[str, Price] | Mapping[tuple[str, str], Price]
"""Prices by model as the call names it, or by server id and model where one name costs differently."""


def price_of(prices: Prices | None, server: str, model: str) -> Price | None:
    """Find the price of a model at a server."""
    table = cast("Mapping[Any, Price]", prices or {})
    return table.get((server, model)) or table.get(model)


def checked_prices(value: Any) -> Prices:
    """Check a price table.

    Raises:
        ConfigurationError: It is not a mapping of models to prices.
    """
    if not is_mapping(value):
        raise ConfigurationError(f"prices: must be a mapping of models to Price, got {type(value).__name__}")
    for name, price in value.items():
        if not isinstance(price, Price):
            raise ConfigurationError(f"prices: the price of {quoted(name)} must be a Price, got {type(price).__name__}")
    return cast("Prices", value)
