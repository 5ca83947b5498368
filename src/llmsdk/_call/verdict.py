"""What a failed attempt comes to: whether there is another one, and after how long."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.retries import RetryBudget, RetryConfig, next_delay


@dataclass(slots=True)
class Failed:
    """An attempt that brought no reply, judged.

    Attributes:
        retryable: Whether another attempt may end otherwise, and the policy allows it.
        retry_after_s: The wait that the server asked for: a minimum.
        stale: Whether a kept-alive connection turned out to be closed, so that the server never saw the request.
    """

    error: Exception
    retryable: bool
    retry_after_s: float | None = None
    stale: bool = False


def retry_delay(
    failed: Failed,
    *,
    retries: RetryConfig | None,
    budget: RetryBudget,
    made: int,
    elapsed_s: float,
    deadline: float | None,
    now: float,
    jitter: float,
) -> float | None:
    """Decide whether a failed attempt is followed by another one, and after how long.

    It is decided here and nowhere else: for a call, which waits inside its flow, and for the rows of a map, which wait
    outside and leave their place to others meanwhile.

    Args:
        budget: Pays for the retry, once everything else allows it.
        made: Attempts made so far, >= 1.
        elapsed_s: Time since the first of them began.
        deadline: Moment of the clock when everything must be over; a wait that would reach it is not begun.
        jitter: A random value in [0, 1).

    Returns:
        Seconds to wait, >= 0; None where the failure stands.
    """
    if retries is None or not failed.retryable:
        return None
    delay = next_delay(retries, made, elapsed_s, failed.retry_after_s, jitter)
    if delay is None or (deadline is not None and now + delay >= deadline):
        return None
    return delay if budget.take(now) else None
