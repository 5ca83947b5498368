"""The limits of one call: time, attempts, bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..utils.retries import RetryBudget, RetryConfig
from .checks import checked_ms, checked_retries
from .config import DEFAULT_IDLE_TIMEOUT_MS, SDKConfig


@dataclass(frozen=True, slots=True)
class Limits:
    """What a call may take.

    Attributes:
        timeout_s: Bound of one attempt; of a stream, of each silence.
        idle_s: Bound of the time between two events of a stream.
        deadline_s: Bound of everything, from the start of the call; None without one.
        retries: The policy; None for one attempt.
        budget: What pays for retries.
    """

    timeout_s: float
    idle_s: float
    deadline_s: float | None
    retries: RetryConfig | None
    budget: RetryBudget
    max_response_bytes: int
    max_event_bytes: int


def limits_of(config: SDKConfig, options: Mapping[str, Any]) -> Limits:
    """Take the limits out of the options of a call; what they leave open is as the SDK is set up.

    Raises:
        ConfigurationError: A limit that cannot be.
    """
    timeout_ms, idle_ms = options.get("timeout_ms"), options.get("idle_timeout_ms")
    deadline_ms = options.get("deadline_ms")
    retries = checked_retries(options.get("retries", config.retry_config), "retries")
    own_budget = None if retries is None else retries.budget
    return Limits(
        timeout_s=checked_ms(config.timeout_ms if timeout_ms is None else timeout_ms, "timeout_ms") / 1000,
        idle_s=checked_ms(DEFAULT_IDLE_TIMEOUT_MS if idle_ms is None else idle_ms, "idle_timeout_ms") / 1000,
        deadline_s=None if deadline_ms is None else checked_ms(deadline_ms, "deadline_ms") / 1000,
        retries=retries if retries is not None and retries.strategy == "backoff" else None,
        budget=own_budget or config.retry_budget,
        max_response_bytes=config.max_response_bytes,
        max_event_bytes=config.max_event_bytes,
    )
