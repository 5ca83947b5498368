"""What a server states of one call: token counts, under whichever names, and its cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeGuard

from ..utils.shapes import is_object

_TICKS = 10_000_000_000  # in a dollar
_MOST = 1e15  # beyond it is no cost of a call, and infinity is none


class Counts(NamedTuple):
    """The tokens of one call, as its server states them.

    Attributes:
        total: Both together as the server adds them up, or as we do.
        cached, written: Parts of the prompt that came from a cache of the server, and that were written to it.
        reasoning: Part of the completion.
    """

    prompt: int = 0
    completion: int = 0
    total: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0


# The names that servers have for a count, in the usage itself and in the details beside it.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt_tokens": ("prompt_tokens", "input_tokens"),
    "completion_tokens": ("completion_tokens", "output_tokens"),
    "total_tokens": ("total_tokens",),
    "cached_tokens": ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_prompt_tokens"),
    "cache_write_tokens": ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
    "reasoning_tokens": ("reasoning_tokens",),
}
_DETAILS: Mapping[str, tuple[str, ...]] = {
    "cached_tokens": ("prompt_tokens_details", "prompt_token_details", "input_tokens_details"),
    "cache_write_tokens": ("prompt_tokens_details", "prompt_token_details", "input_tokens_details"),
    "reasoning_tokens": ("completion_tokens_details", "completion_token_details", "output_tokens_details"),
}


def token_counts(usage: Any) -> dict[str, int]:
    """Read the counts that a server states, under whichever names; of a count with several, the first above 0."""
    fields = _fields(usage)
    found: dict[str, int] = {}
    for name, names in _NAMES.items():
        holders = [fields, *(_fields(fields[holder]) for holder in _DETAILS.get(name, ()) if fields.get(holder))]
        stated = [count for holder in holders for count in _numbers(holder, names)]
        if stated:
            found[name] = next(filter(None, stated), 0)
    return found


def counts_of(usage: Any) -> Counts | None:
    """Read the counts of one call; None where the server sent none."""
    stated = token_counts(usage)
    prompt, completion, total, cached, written, reasoning = (stated.get(name, 0) for name in _NAMES)
    if not stated.keys() & {"prompt_tokens", "completion_tokens", "total_tokens"}:
        return None
    # xAI counts reasoning beside the completion, Perplexity's research too, and not in the total; all others as a part.
    if reasoning > completion or (reasoning and total == prompt + completion + reasoning):
        completion += reasoning
    return Counts(
        prompt, completion, total if "total_tokens" in stated else prompt + completion, cached, written, reasoning
    )


def with_rest(usage: Any) -> Any:
    """Count as generated what a total has beyond the prompt, of a server whose completion leaves out the reasoning."""
    stated = token_counts(usage)
    completion = stated.get("completion_tokens", 0)
    rest = stated.get("total_tokens", 0) - stated.get("prompt_tokens", 0)
    if rest <= completion:
        return usage
    return {**_fields(usage), "completion_tokens": rest, "reasoning_tokens": rest - completion}


def stated_cost(usage: Any) -> float | None:
    """Read what a server says that a call has cost; None where it does not say.

    Source: `cost` as a number of OpenRouter's, as an object of Perplexity's; `cost_in_usd_ticks` of xAI's (docs.x.ai,
    cost tracking); `estimated_cost` of DeepInfra's.
    """
    fields = _fields(usage)
    cost: Any = fields.get("cost")
    if cost is not None and not isinstance(cost, int | float):
        cost = _fields(cost).get("total_cost")
    ticks: Any = fields.get("cost_in_usd_ticks")
    stated = (cost, ticks / _TICKS if _is_amount(ticks) else None, fields.get("estimated_cost"))
    return next((float(one) for one in stated if _is_amount(one)), None)


def _is_amount(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST


def _fields(holder: Any) -> Mapping[str, Any]:
    """Return what an object holds; asking a model for names that it lacks would cost more than all the rest."""
    if is_object(holder):
        return holder
    extra: Any = getattr(holder, "__pydantic_extra__", None)
    own: dict[str, Any] = getattr(holder, "__dict__", {})
    return {**own, **extra} if extra else own


def _numbers(fields: Mapping[str, Any], names: Iterable[str]) -> list[int]:
    """Find the fields that hold a count: a field of a reply may hold anything."""
    values = (fields.get(name) for name in names)
    return [value for value in values if type(value) is int and value >= 0]
