"""A call with failover: planned for every server before the first is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...errors import ConfigurationError
from ..core import Core
from ..effects import Flow
from ..flow import run_call
from ..operation import Operation
from ..plan import Finish, Plan, plan_call
from ..request.multipart import Form, read_files
from ..state import CallState
from ..world import Driver
from .flow import first_event, first_that_answers
from .policy import Failover, checked_failover


def find_failover(args: Mapping[str, Any], default: Failover | None) -> Failover | None:
    """Find the failover of a call: its own, else that of the SDK unless the call names its server.

    Raises:
        ConfigurationError: It is not a `Failover`, or the call names both its servers and one server.
    """
    named = next((name for name in ("server", "server_url") if args.get(name) is not None), None)
    if "failover" not in args:
        return default if named is None else None
    given = checked_failover(args["failover"])
    if given is not None and named is not None:
        raise ConfigurationError(f"{named}: can't be combined with failover, which names the servers")
    return given


def plan_servers(
    core: Core,
    operation: Operation,
    options: Mapping[str, Any],
    params: Mapping[str, Any],
    finish: Finish | None,
    failover: Failover,
) -> list[Plan]:
    """Make the plan of a call for each server that it may go to; what one of them cannot take is refused here.

    Raises:
        ConfigurationError, RequestValidationError: As `plan_call`, for any of the servers.
    """
    plans: list[Plan] = []
    for provider in failover.servers:
        model = params.get("model")  # missing where a server has a default; whether it may, its own plan decides
        named = {} if model is None else {"model": failover.model_at(provider.name, model)}
        plans.append(plan_call(core, operation, {**options, "server": provider}, {**params, **named}, finish))
    return plans


def run_servers(plans: Sequence[Plan], failover: Failover, core: Core, state: CallState, driver: Driver) -> Flow[Any]:
    """Make a call with failover: the reply, or the `Progress` of a stream whose first event has come."""
    deadline_s = plans[0].limits.deadline_s
    return first_that_answers(
        _sharing_files(plans),
        partial(_asked, core=core, state=state, driver=driver),
        on=failover.statuses,
        cooldowns=core.cooldowns,
        env=core.env,
        deadline=None if deadline_s is None else state.started + deadline_s,
    )


def _asked(plan: Plan, core: Core, state: CallState, driver: Driver) -> Flow[Any]:
    answer = yield from run_call(plan, state, driver, core.env)
    return (yield from first_event(answer, driver)) if plan.encoded.stream else answer


def _sharing_files(plans: Sequence[Plan]) -> Sequence[Plan]:
    """Read files once for all servers: an open one gives its bytes only once."""
    first = plans[0].encoded.body
    if not isinstance(first, Form) or len(plans) == 1:
        return plans
    read = read_files(first.files, first.unnamed)  # held in memory by all plans together, as bytes they share
    return [plan._replace(encoded=plan.encoded._replace(body=_filled(plan.encoded.body, read))) for plan in plans]


def _filled(body: Any, read: Mapping[str, Any]) -> Form:
    form: Form = body
    return replace(form, files={name: read.get(name, file) for name, file in form.files.items()})
