"""What an SDK is set up with, checked; and the server, key and URL of one call."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ..errors import ConfigurationError
from ..options import SDKOptions
from ..providers.ids import DEFAULT, FOR_URLS
from ..providers.registry import PROVIDERS, find_provider
from ..providers.spec import Provider
from ..utils.log import logger
from ..utils.retries import DEFAULT_RETRY, RetryBudget, RetryConfig
from ..utils.shapes import named
from ..utils.urls import path_text, placeholders
from .checks import (
    check_objects,
    checked_backend,
    checked_bytes,
    checked_flag,
    checked_headers,
    checked_ms,
    checked_observers,
    checked_retries,
    checked_unsupported,
    checked_url,
)
from .hints import hint_of_option
from .hooks import Hooks
from .keys import Keys
from .secrecy import shown

if TYPE_CHECKING:
    from ..observers import Observer
    from .budget import Budget
    from .failover.policy import Failover
    from .prices import Prices
    from .request.encode import Unsupported

logger.addHandler(logging.NullHandler())  # without it, Python prints warnings to stderr where logging is not set up

DEFAULT_TIMEOUT_MS = 600_000  # as openai-python's; models that reason take minutes over a reply
DEFAULT_IDLE_TIMEOUT_MS = 120_000  # and are silent meanwhile
DEFAULT_MAX_RESPONSE_BYTES = 128 << 20  # ten pictures of 2 MiB are 27 MiB in base64
DEFAULT_MAX_EVENT_BYTES = 32 << 20  # one picture, or a whole answer where a server sends it as one event


@dataclass(slots=True, eq=False)
class SDKConfig:
    """The configuration of an SDK; `sdk_init` hooks may change it."""

    provider: Provider
    # URL, its parameters and headers may hold what is as secret as a key.
    server_url: str | None = field(repr=False)
    url_params: Mapping[str, Any] = field(repr=False)
    keys: Keys
    hooks: Hooks
    http_headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    retry_config: RetryConfig | None = DEFAULT_RETRY
    retry_budget: RetryBudget = field(default_factory=RetryBudget)
    timeout_ms: float = DEFAULT_TIMEOUT_MS
    unsupported: Unsupported = "error"
    max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES
    max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES
    debug_logger: Any | None = None
    failover: Failover | None = None
    track_usage: bool = False
    prices: Prices | None = None
    budget: Budget | None = None
    backend: str = "httpx"
    observers: tuple[Observer, ...] = ()


class Limits(NamedTuple):
    """What a call may take.

    Attributes:
        timeout_s: Bound of one attempt; of a stream, of each silence.
        idle_s: Bound of the time between two events of a stream.
        deadline_s: Bound of everything, from the start of the call; None without one.
        retries: The policy; None for one attempt.
        budget: Pays for retries whose policy has no budget of its own.
    """

    timeout_s: float
    idle_s: float
    deadline_s: float | None
    retries: RetryConfig | None
    budget: RetryBudget
    max_response_bytes: int
    max_event_bytes: int


def limits_of(config: SDKConfig) -> Limits:
    """Take the limits of a call without options; they are checked again, as hooks may have changed them.

    Raises:
        ConfigurationError: A limit that cannot be.
    """
    return Limits(
        timeout_s=checked_ms(config.timeout_ms, "timeout_ms") / 1000,
        idle_s=DEFAULT_IDLE_TIMEOUT_MS / 1000,
        deadline_s=None,
        retries=checked_retries(config.retry_config, "retry_config"),
        budget=config.retry_budget,
        max_response_bytes=config.max_response_bytes,
        max_event_bytes=config.max_event_bytes,
    )


def configure(options: SDKOptions) -> SDKConfig:
    """Check the options of an SDK.

    Raises:
        ConfigurationError: An unknown option, or a value that cannot be.
    """
    options = cast(SDKOptions, shown(options))  # the one frame that sees them bare; `SDK` clears it where it raises
    for name in options:
        if name not in SDKOptions.__annotations__:
            accepted = f"; options are {', '.join(SDKOptions.__annotations__)}"
            hint = hint_of_option(name, SDKOptions.__annotations__) or accepted
            raise ConfigurationError(f"{named(name)}: unknown option of SDK{hint}")
    server_url = options.get("server_url")
    provider = find_provider(options.get("server"), options.get("server_idx"))
    failover = _checked_failover(options.get("failover"))
    if provider is None and server_url is None and failover is not None:
        provider = failover.servers[0]
    if provider is None:  # a URL alone speaks the dialect that most servers copy
        provider = PROVIDERS[DEFAULT if server_url is None else FOR_URLS]
    url_params = _url_params(options)
    # Constants of the caller's own, which no table of ours knows.
    own = {one.name: one for one in (provider, *(failover.servers if failover is not None else ()))}
    _check_used(url_params, server_url, own.values())
    check_objects(options)
    timeout_ms = options.get("timeout_ms")
    return SDKConfig(
        provider=provider,
        server_url=None if server_url is None else checked_url(server_url, url_params),
        url_params=url_params,
        keys=Keys(options.get("api_key"), provider, dict.fromkeys((*PROVIDERS, *own))),
        hooks=Hooks(options.get("hooks") or ()),
        http_headers=checked_headers(options.get("http_headers")),
        retry_config=checked_retries(options.get("retry_config", DEFAULT_RETRY), "retry_config"),
        retry_budget=options.get("retry_budget") or RetryBudget(),
        timeout_ms=DEFAULT_TIMEOUT_MS if timeout_ms is None else checked_ms(timeout_ms, "timeout_ms"),
        unsupported=checked_unsupported(options.get("unsupported"), "error"),
        max_response_bytes=checked_bytes(
            options.get("max_response_bytes", DEFAULT_MAX_RESPONSE_BYTES), "max_response_bytes"
        ),
        max_event_bytes=checked_bytes(options.get("max_event_bytes", DEFAULT_MAX_EVENT_BYTES), "max_event_bytes"),
        debug_logger=options.get("debug_logger"),
        failover=failover,
        track_usage=checked_flag(options.get("track_usage", False), "track_usage"),
        prices=_checked_prices(options.get("prices")),
        budget=_checked_budget(options.get("budget")),
        backend=checked_backend(options.get("backend", "httpx")),
        observers=checked_observers(options.get("observers") or ()),
    )


def _checked_failover(value: Any) -> Failover | None:
    if value is None:
        return None
    from .failover.policy import checked_failover  # few programs have more than one server

    return checked_failover(value)


def _checked_prices(value: Any) -> Prices | None:
    if value is None:
        return None
    from .prices import checked_prices  # as few ask for costs

    return checked_prices(value)


def _checked_budget(value: Any) -> Budget | None:
    if value is None:
        return None
    checked: Budget = import_module(f"{__package__}.budget").checked_budget(value)
    return checked


def _url_params(options: SDKOptions) -> dict[str, Any]:
    given: Any = options.get("url_params")
    if given is not None and not isinstance(given, Mapping):
        raise ConfigurationError(f"url_params: must be a mapping of names to values, got {type(given).__name__}")
    url_params: dict[str, Any] = {**given} if given else {}
    organization_id = options.get("organization_id")
    if organization_id is not None:
        url_params["organization_id"] = organization_id
    for name, value in url_params.items():
        try:
            path_text(value)
        except ValueError as exc:
            place = name if name == "organization_id" else named("url_params", name)
            raise ConfigurationError(f"{place}: {exc}") from None
    return url_params


def _check_used(url_params: Mapping[Any, Any], server_url: Any, own: Collection[Provider]) -> None:
    """Refuse a value that fills nothing: neither the URL nor a path of any server that a call may name has its place.

    Args:
        own: The servers in use; the others are read only where these take none of it.

    Raises:
        ConfigurationError: Naming the first such value.
    """
    unused = url_params.keys() - _fillable(server_url, own) if url_params else ()
    known = _fillable(server_url, (*PROVIDERS.values(), *own)) if unused else frozenset[str]()
    for name in url_params:
        if name in unused and name not in known:
            raise ConfigurationError(
                f"{named('url_params', name)}: nothing takes it, neither server_url nor the path of a server; "
                f"taken are {', '.join(sorted(known))}"
            )


def _fillable(server_url: Any, servers: Collection[Provider]) -> frozenset[str]:
    """Collect the names in braces that a URL and the paths of servers have."""
    routes = [route for server in servers for route in server.routes.values()]
    templates = [
        str.__str__(server_url) if isinstance(server_url, str) else "",
        *(path for route in routes for path in (route.path, route.stream_path) if path),
        *(url for server in servers for url in server.servers),
    ]
    names = {name for template in templates for name in placeholders(template)}
    return frozenset(names.union(*(server.url_params for server in servers)))
