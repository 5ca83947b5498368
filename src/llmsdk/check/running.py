"""Runs the calls of a check, sync or async, within a budget of their own."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from .._call.budget import Budget
from ..errors import SDKError
from .calls import MOST_REQUESTS, MOST_TOKENS, Ask, check_steps, checked_model
from .report import CheckReport

_RETRIES = 1  # a server that is busy for a moment is not what is looked for


def run(sdk: Any, model: str) -> CheckReport:
    """Check a server."""
    asking, steps = _begun(sdk, model)
    with asking.track(budget=sdk._runner.config.budget):
        try:
            ask: Ask = next(steps)
            while True:
                ask = steps.send(_asked(asking, ask))
        except StopIteration as end:
            report: CheckReport = end.value
            return report


async def run_async(sdk: Any, model: str) -> CheckReport:
    """Check a server; as `run`."""
    asking, steps = _begun(sdk, model)
    with asking.track(budget=sdk._runner.config.budget):
        try:
            ask: Ask = next(steps)
            while True:
                ask = steps.send(await _asked_async(asking, ask))
        except StopIteration as end:
            report: CheckReport = end.value
            return report


def _begun(sdk: Any, model: str) -> tuple[Any, Any]:
    """Make the SDK that asks, and the calls; what is planned only must not ask for token counts, as a budget would."""
    usual = {"failover": None, "server": sdk._runner.config.provider, "track_usage": False, "retry_config": _RETRIES}
    asking = sdk.with_options(**usual, budget=Budget(requests=MOST_REQUESTS, tokens=MOST_TOKENS))
    return asking, check_steps(asking, sdk.with_options(**usual, budget=None), checked_model(model))


def _asked(sdk: Any, ask: Ask) -> Any:
    try:
        outcome = attrgetter(ask.method)(sdk)(*ask.given, **ask.args)
        if not ask.args.get("stream"):
            return outcome
        for _ in outcome:
            pass
        return outcome.final
    except SDKError as exc:
        return exc


async def _asked_async(sdk: Any, ask: Ask) -> Any:
    try:
        outcome = await attrgetter(f"{ask.method}_async")(sdk)(*ask.given, **ask.args)
        if not ask.args.get("stream"):
            return outcome
        async for _ in outcome:
            pass
        return outcome.final
    except SDKError as exc:
        return exc
