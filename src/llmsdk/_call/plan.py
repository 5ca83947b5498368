"""From the arguments of a call to its plan: what is sent, where, within which limits, what its reply is read with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from .._version import __version__
from ..errors import RequestValidationError
from ..options import CALL_OPTIONS, STREAM_OPTIONS
from ..providers.registry import PROVIDERS
from ..providers.spec import Route
from ..utils.codings import accepted_codings
from ..utils.retries import RetryConfig
from ..utils.secrets import Secret
from ..utils.shapes import as_list
from ..utils.urls import path_text
from .checks import checked_headers, checked_ms, checked_retries, checked_unsupported
from .config import Limits, SDKConfig
from .core import MAX_PENDING, Core
from .hooks import Hooks
from .keys import KeySource
from .operation import Operation
from .request.encode import NO_EXTRAS, Encoded, Extras, encode
from .target import Target

if TYPE_CHECKING:
    from .reservations import Terms
    from .usage import Pending, UsageTotals

Finish = Callable[[Any, "Plan"], None]
"""Given each reply together with the plan of its call."""

_BESIDE_OBJECT = frozenset({"model", "customization_id", "stream"})  # what may be given next to a request object
_LIMITS = (("timeout_ms", "timeout_s"), ("idle_timeout_ms", "idle_s"), ("deadline_ms", "deadline_s"))
_KEYED = ("POST", "PATCH")  # what a server would do twice; HTTP says of the other methods that they may be repeated
_USER_AGENT = f"llmsdk-python/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"


class Plan(NamedTuple):  # a frozen dataclass takes three times as long to make
    """One call to one server, before anything is sent. Nothing of it changes; what does is in `CallState`.

    Attributes:
        route: How the server deviates in this operation.
        encoded: Method, URL and body.
        headers: What every attempt carries, without the key.
        is_keyed: Whether attempts carry an idempotency key of ours.
        model: As the request names it to this server.
        is_single: Whether one choice was asked for, which streams fold faster.
        results: How many results a reply must have.
        finish: Gives each reply what its resource adds.
        pending, tracked: What takes the token counts of the reply, and the `track()` blocks that they belong to.
        given, url_params: Headers and parts of URLs that are the caller's: some may be as secret as the key.
        expects: Statuses from 300 on that are no failure, such as the redirect to a storage.
        cost_of: Gives the cost of a call by its server, model and usage.
        terms: What the budgets of the call have to know of it; None without any.
        log: Takes lines for debugging.
    """

    operation: Operation
    target: Target
    route: Route
    encoded: Encoded
    headers: tuple[tuple[str, str], ...]
    is_keyed: bool
    limits: Limits
    hooks: Hooks
    model: str | None
    is_single: bool
    finish: Finish | None
    pending: Pending
    tracked: tuple[UsageTotals, ...]
    given: Mapping[str, str]
    url_params: Mapping[str, Any]
    results: int = 0
    expects: tuple[int, ...] = ()
    cost_of: Callable[[str, str, Any], float | None] | None = None
    terms: Terms | None = None
    log: Callable[..., None] | None = None


def split_arguments(operation: Operation, args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the options from the parameters, in either calling form.

    Raises:
        RequestValidationError: Both forms are mixed, or the model is named twice.
    """
    options: dict[str, Any] = {}
    params = dict(args)  # most calls have no options, and then need no look at each name
    for name in CALL_OPTIONS.intersection(args):
        value = params.pop(name)
        options[name] = value.reveal() if isinstance(value, Secret) else value
    for name in options.keys() & STREAM_OPTIONS:
        if operation.chunk is None:
            raise RequestValidationError(f"{name}: {operation.resource}.{operation.name} does not stream", param=name)
    # `model_id` is what Writer's own SDK calls the model; there it stands in the path.
    model_id = None if "model_id" in operation.parameters else params.pop("model_id", None)
    if operation.request_name is not None and operation.request_name in params:
        params = _from_object(operation, params)
    if model_id is not None:
        if "model" in params and _differ(params["model"], model_id):
            raise RequestValidationError(
                "model_id: differs from model; pass one of them, or the same value", param="model_id"
            )
        params["model"] = model_id
    # Read once, here: every attempt, and every server that a call may go on to, is sent the same.
    for name in ("messages", "tools"):
        if name in params and params[name].__class__ is not list:
            params[name] = as_list(params[name])
    return options, params


def plan_call(
    core: Core,
    operation: Operation,
    options: Mapping[str, Any],
    params: Mapping[str, Any],
    finish: Finish | None = None,
) -> Plan:
    """Make the plan of a call, whose options and parameters `split_arguments` tells apart.

    Raises:
        ConfigurationError: No key, an unknown server, an option that cannot be.
        RequestValidationError: A parameter is unknown, missing, mistyped or unsupported, or the operation is.
    """
    config = core.config
    # A long run would otherwise keep the usage of every reply for somebody who may never ask for the sum.
    if len(core.pending) > MAX_PENDING:
        core.metering().settle(wait=False)
    target = core.usual_target
    if target is None or options.get("server") is not None or options.get("server_url") is not None:
        target = core.target(options.get("server"), options.get("server_url"))
    tracked = () if core.meter is None else core.meter.active()
    budgets = core.budgets(tracked) if tracked or config.budget is not None else ()
    if (config.track_usage or budgets) and params.get("stream") and operation.id in target.provider.routes:
        params = {**target.provider.routes[operation.id].usage_wish, **params}  # the caller's own word stands
    if options.get("idle_timeout_ms") is not None and params.get("stream") is None and not operation.is_opened:
        raise RequestValidationError(
            "idle_timeout_ms: is for streams only; pass stream=True with it",
            param="idle_timeout_ms",
        )
    encoded = _encoded(config, operation, target, options, params)
    target, headers, given = _headed(config, operation, target, encoded, options)
    extra_body: Mapping[str, Any] = options.get("extra_body") or {}
    model, results = params.get("model"), operation.results
    return Plan(
        operation=operation,
        target=target,
        route=target.provider.routes[operation.id] if operation.own is None else operation.own.route,
        encoded=encoded,
        headers=tuple(headers.items()),
        is_keyed=encoded.method in _KEYED and "idempotency-key" not in given,
        limits=_limited(core.usual_limits, options) if options else core.usual_limits,
        hooks=config.hooks,
        # Its characters alone: a class derived from `str` would be kept, and could not be counted by.
        model=str.__str__(model) if isinstance(model, str) else None,
        # `extra_body` goes over the parameters, and may ask for more choices than they do.
        is_single=extra_body.get("n", params.get("n")) in (None, 1),
        results=results if isinstance(results, int) else results({**params, **extra_body}),
        finish=finish,
        pending=core.pending,
        cost_of=core.cost_of,
        tracked=tracked,
        terms=core.terms_of(budgets, operation, target.provider.name, {**params, **extra_body}) if budgets else None,
        given=given,
        url_params=config.url_params,
        log=None if config.debug_logger is None else config.debug_logger.debug,
    )


def _encoded(
    config: SDKConfig, operation: Operation, target: Target, options: Mapping[str, Any], params: Mapping[str, Any]
) -> Encoded:
    url_params, unsupported, extras = config.url_params, config.unsupported, NO_EXTRAS
    if options:
        if options.get("organization_id") is not None:
            url_params = {**url_params, "organization_id": _organization(options["organization_id"])}
        if options.get("unsupported") is not None:
            unsupported = checked_unsupported(options["unsupported"], unsupported)
        if "extra_body" in options or "extra_query" in options:
            extras = Extras(body=_mapping(options, "extra_body"), query=_mapping(options, "extra_query"))
    if operation.own is not None:
        return cast(Encoded, operation.own.encode(target.base_url, extras))
    return encode(
        operation,
        target.provider,
        params,
        base_url=target.base_url,
        url_params=url_params,
        unsupported=unsupported,
        providers=PROVIDERS,
        extras=extras,
    )


def _limited(usual: Limits, options: Mapping[str, Any]) -> Limits:
    changes: dict[str, Any] = {}
    for option, limit in _LIMITS:
        if options.get(option) is not None:
            changes[limit] = checked_ms(options[option], option) / 1000
    if "retries" in options:
        retries = options["retries"]
        changes["retries"] = retries if isinstance(retries, RetryConfig) else checked_retries(retries, "retries")
    return usual._replace(**changes) if changes else usual


def _headed(
    config: SDKConfig, operation: Operation, target: Target, encoded: Encoded, options: Mapping[str, Any]
) -> tuple[Target, dict[str, str], Mapping[str, str]]:
    """Find the headers of every attempt, and those of them that are the caller's; a key among them is the key."""
    given = config.http_headers
    if options.get("http_headers") is not None:
        given = {**given, **checked_headers(options["http_headers"])}
    if "authorization" in given:
        target = replace(target, key=KeySource(Secret(given["authorization"])))  # which nothing shows from here on
        given = {name: value for name, value in given.items() if name != "authorization"}
    headers = {
        "accept": operation.accept[encoded.stream],
        "accept-encoding": accepted_codings(),
        "user-agent": _USER_AGENT,
    }
    if isinstance(encoded.body, bytes):
        headers["content-type"] = "application/json"
    headers.update(encoded.headers)
    # In this order: what a dialect asks for is its user's to replace.
    headers.update(target.provider.own_headers)
    headers.update(given)
    return target, headers, given


# ---------------------------------------------------------------- arguments


def _from_object(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    name = operation.request_name or ""
    request: Any = params.pop(name)
    if not isinstance(request, Mapping):
        raise RequestValidationError(
            f"{name}: must be a {operation.request.__name__} or another mapping, got {type(request).__name__}",
            param=name,
        )
    fields = cast("Mapping[str, Any]", request)
    for other, value in params.items():
        if other not in _BESIDE_OBJECT:
            raise RequestValidationError(f"{other}: cannot be mixed with {name}; put it into {name}", param=other)
        if other != "stream" and other in fields and _differ(fields[other], value):
            raise RequestValidationError(f"{other}: differs from {name}[{other!r}]; pass one of them", param=other)
    return {**fields, **params}


def _differ(one: Any, other: Any) -> bool:
    """Compare two values that should be strings; others are refused later."""
    return type(one) is not type(other) or (isinstance(one, str) and one != other)


def _organization(value: Any) -> str:
    """Check it whatever the server: that most have no place for it is no reason to take anything."""
    try:
        return path_text(value)
    except ValueError as exc:
        raise RequestValidationError(f"organization_id: {exc}", param="organization_id") from None


def _mapping(options: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value: Any = options.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RequestValidationError(f"{name}: must be a mapping, got {type(value).__name__}", param=name)
    return cast("Mapping[str, Any]", value)
