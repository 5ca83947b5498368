"""What a server states of one call: token counts, under whichever names, and its cost."""

from __future__ import annotations

from collections.abc import Mapping
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


# The names that servers have for a count, and the details beside it in which they stand as well.
_PROMPT_DETAILS = ("prompt_tokens_details", "prompt_token_details", "input_tokens_details")
_COMPLETION_DETAILS = ("completion_tokens_details", "completion_token_details", "output_tokens_details")
_PLACES: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("prompt_tokens", ("prompt_tokens", "input_tokens"), ()),
    ("completion_tokens", ("completion_tokens", "output_tokens"), ()),
    ("total_tokens", ("total_tokens",), ()),
    (
        "cached_tokens",
        ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_prompt_tokens"),
        _PROMPT_DETAILS,
    ),
    (
        "cache_write_tokens",
        ("cache_write_tokens", "cache_creation_input_tokens", "cache_creation_tokens"),
        _PROMPT_DETAILS,
    ),
    ("reasoning_tokens", ("reasoning_tokens",), _COMPLETION_DETAILS),
)


# Loops that stop at the first count, not lists of all: every call is counted, and this was a tenth of its own cost.
def token_counts(usage: Any) -> dict[str, int]:
    """Read the counts that a server states, under whichever names; of a count with several, the first above 0."""
    fields = _fields(usage)
    found: dict[str, int] = {}
    for name, names, holders in _PLACES:
        count = _count(fields, names)
        for holder in holders:
            if count:
                break
            if (inside := fields.get(holder)) and (stated := _count(_fields(inside), names)) is not None:
                count = stated
        if count is not None:
            found[name] = count
    return found


def counts_of(usage: Any) -> Counts | None:
    """Read the counts of one call; None where the server sent none."""
    stated = token_counts(usage)
    prompt, completion, total, cached, written, reasoning = [stated.get(name, 0) for name, _, _ in _PLACES]
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
    estimated = fields.get("estimated_cost")
    if cost is None and ticks is None and estimated is None:
        return None  # as of nearly all servers
    stated = (cost, ticks / _TICKS if _is_amount(ticks) else None, estimated)
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


def _count(fields: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """Find the first field above 0 that holds a count: a field of a reply may hold anything. None where none does."""
    found = None
    for name in names:
        value = fields.get(name)
        if type(value) is int and value >= 0:
            if value:
                return value
            found = 0
    return found
