"""What an SDK is set up with, checked; and the server, key and URL of one call."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

from ._core.auth import KeyFunction, KeySource, Secret, check_key
from ._core.encode import Unsupported
from ._core.spec import Provider
from .errors import ConfigurationError
from .hooks import Hooks
from .options import SDKOptions
from .providers import OPENAI, PROVIDERS, TOGETHER
from .utils.headers import check_header
from .utils.records import dataclass
from .utils.retries import DEFAULT_RETRY, RetryBudget, RetryConfig
from .utils.shapes import described, is_mapping, is_unicode, named, quoted
from .utils.urls import check_base_url, fill_path, is_loopback, origin, path_text, placeholders

if TYPE_CHECKING:
    from .failover import Failover
    from .observers import Observer
    from .usage import Prices

logger = logging.getLogger("llmsdk")
logger.addHandler(logging.NullHandler())  # without it, Python prints warnings to stderr where logging is not set up

DEFAULT_TIMEOUT_MS = 600_000
DEFAULT_IDLE_TIMEOUT_MS = 120_000
DEFAULT_MAX_RESPONSE_BYTES = 128 << 20
DEFAULT_MAX_EVENT_BYTES = 32 << 20

# The SDK writes these itself; a second host, length or coding is how requests are smuggled (RFC 9112, 11.2).
_RESERVED_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "content-type",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "proxy-connection",
        "keep-alive",
    }
)


class Keys:
    """The API keys of an SDK, by server id; a literal is wrapped at once, so that nothing shows it."""

    def __init__(self, given: Any, default: Provider, known: Collection[str]) -> None:
        if given is None:
            self._by_server: dict[str, Secret | KeyFunction] = {}
        elif is_mapping(given):
            pairs = [(_server_id(name, known), value) for name, value in given.items()]
            self._by_server = {name: _key(value, f"api_key[{quoted(name)}]") for name, value in pairs}
        else:
            self._by_server = {default.name: _key(given, "api_key")}

    def told(self) -> str:
        """Say for which servers there are keys, where there are any: one may be for the wrong one."""
        return f" (there are keys of {', '.join(map(quoted, self._by_server))})" if self._by_server else ""

    def of(self, provider: Provider) -> Secret | KeyFunction | None:
        """Answer with the key that was given for a provider."""
        return self._by_server.get(provider.name)


def _key(value: Any, name: str) -> Secret | KeyFunction:
    if isinstance(value, Secret):
        return check_key(value, name)
    if isinstance(value, str):
        return check_key(Secret(value), name)
    if callable(value):
        return cast(KeyFunction, value)
    raise ConfigurationError(
        f"{name}: accepted are a string, a function, or a mapping of server ids to these, got {type(value).__name__}"
    )


@dataclass(slots=True)
class SDKConfig:
    """The configuration of an SDK; `sdk_init` hooks may change it."""

    provider: Provider
    server_url: str | None
    url_params: Mapping[str, Any] = field(repr=False)  # as headers, it may hold what is as secret as a key
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
    backend: str = "httpx"
    observers: tuple[Observer, ...] = ()


@dataclass(slots=True)
class Target:
    """Where one call goes, and with which key."""

    provider: Provider
    base_url: str
    key: KeySource | None


def configure(options: SDKOptions) -> SDKConfig:
    """Check the options of an SDK.

    Raises:
        ConfigurationError: An unknown option, or a value that cannot be.
    """
    for name in options:
        if name not in SDKOptions.__annotations__:
            from difflib import get_close_matches

            near = get_close_matches(name, SDKOptions.__annotations__, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; accepted are {', '.join(SDKOptions.__annotations__)}"
            raise ConfigurationError(f"{named(name)}: unknown option of SDK{hint}")
    server_url = options.get("server_url")
    provider = find_provider(options.get("server"), options.get("server_idx"))
    failover = _checked_failover(options.get("failover"))
    if provider is None and server_url is None and failover is not None:
        provider = failover.servers[0]
    if provider is None:
        provider = TOGETHER if server_url is None else OPENAI
    url_params = _url_params(options)
    own = {one.name: one for one in (provider, *(failover.servers if failover is not None else ()))}
    servers = {**PROVIDERS, **own}
    _check_used(url_params, server_url, servers.values())
    for name, kind, methods in _OBJECTS:
        _check_object(options.get(name), name, kind, methods)
    if options.get("client") is not None or options.get("async_client") is not None:
        from ._io.supplied import check_colours

        check_colours(options.get("client"), options.get("async_client"))
    timeout_ms = options.get("timeout_ms")
    return SDKConfig(
        provider=provider,
        server_url=None if server_url is None else checked_url(server_url, url_params),
        url_params=url_params,
        keys=Keys(options.get("api_key"), provider, servers),
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
        backend=_checked_backend(options.get("backend", "httpx")),
        observers=_checked_observers(options.get("observers") or ()),
    )


# Objects that are used long after construction, with the methods that they must have by then.
_OBJECTS = (
    ("client", "an HTTP client", ("build_request", "send")),
    ("async_client", "an async HTTP client", ("build_request", "send")),
    ("debug_logger", "a logger", ("debug",)),
    ("retry_budget", "a RetryBudget", ("take", "success")),
    ("hooks", "a list of hooks", ("__iter__",)),
    ("observers", "a list of observers", ("__iter__",)),
)


def _check_object(value: Any, name: str, kind: str, methods: tuple[str, ...]) -> None:
    """Refuse an object that would only fail inside a call.

    Raises:
        ConfigurationError: It lacks a method.
    """
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if value is not None and missing:
        raise ConfigurationError(
            f"{name}: must be {kind} (an object with {' and '.join(methods)}), got {type(value).__name__}"
        )


def _checked_backend(value: Any) -> str:
    if not isinstance(value, str) or value not in ("httpx", "aiohttp"):
        raise ConfigurationError(f'backend: must be "httpx" or "aiohttp", got {quoted(value)}')
    if value == "aiohttp":
        from importlib.util import find_spec

        if find_spec("aiohttp") is None:
            raise ConfigurationError("backend: aiohttp is not installed; install llmsdk[aiohttp]")
    return str(value)


def _checked_observers(value: Any) -> tuple[Observer, ...]:
    given = tuple(value)
    for observer in given:
        if not callable(getattr(observer, "start", None)):
            raise ConfigurationError(
                f"observers: must be a list of observers (objects with start), got {type(observer).__name__} in it"
            )
    return given


def _checked_failover(value: Any) -> Failover | None:
    if value is None:
        return None
    from .failover import Failover

    if not isinstance(value, Failover):
        raise ConfigurationError(f"failover: must be a Failover or None, got {type(value).__name__}")
    return value


def _checked_prices(value: Any) -> Prices | None:
    if value is None:
        return None
    from .usage import checked_prices

    return checked_prices(value)


def checked_flag(value: Any, name: str) -> bool:
    """Check a bool; a text such as "no" would count as one that is set.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}: must be a bool, got {type(value).__name__}")
    return value


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


def _check_used(url_params: Mapping[Any, Any], server_url: Any, servers: Collection[Provider]) -> None:
    """Refuse a value that fills nothing: neither the URL nor a path of any server that a call may name has its place.

    Raises:
        ConfigurationError: Naming the first such value.
    """
    if not url_params:
        return
    routes = [route for server in servers for route in server.routes.values()]
    templates = [
        str.__str__(server_url) if isinstance(server_url, str) else "",
        *(path for route in routes for path in (route.path, route.stream_path) if path),
    ]
    known = {name for template in templates for name in placeholders(template)}
    known |= {name for server in servers for name in server.url_params}
    for name in url_params:
        if name not in known:
            raise ConfigurationError(
                f"{named('url_params', name)}: nothing takes it, neither server_url nor the path of a server; "
                f"taken are {', '.join(sorted(known))}"
            )


def _server_id(name: Any, known: Collection[str]) -> str:
    """Read a key of the mapping of API keys; an unknown id may be that of a provider which only a call will name.

    Raises:
        ConfigurationError: It is none, or a slip of the pen.
    """
    if isinstance(name, Provider):
        return _checked_provider(name).name
    if isinstance(name, str) and name in known:
        return str.__str__(name)
    from difflib import get_close_matches

    is_name = isinstance(name, str) and len(name) > 0 and is_unicode(name)
    near = get_close_matches(str.__str__(name).lower(), known, n=1, cutoff=0.85) if is_name else []
    if near or not is_name:
        raise ConfigurationError(
            f"api_key: unknown server {quoted(name)} in the mapping; accepted are {', '.join(known)}, and a Provider"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    return str.__str__(name)


_checked = WeakSet(PROVIDERS.values())


def _checked_provider(provider: Provider) -> Provider:
    """Check a provider the first time it is seen; those of this package are right already."""
    if provider not in _checked:
        from ._core.dialect import check_provider

        check_provider(provider, frozenset(id for known in PROVIDERS.values() for id in known.routes))
        _checked.add(provider)
    return provider


def find_provider(server: Any, server_idx: Any = None) -> Provider | None:
    """Find a provider by id, index or constant; None where neither is given.

    Raises:
        ConfigurationError: No such server.
    """
    if server_idx is not None:
        number = server_idx if isinstance(server_idx, int) and not isinstance(server_idx, bool) else None
        if number is None or not 0 <= number < len(PROVIDERS):
            raise ConfigurationError(
                f"server_idx: must be an integer from 0 to {len(PROVIDERS) - 1} ({', '.join(PROVIDERS)}), "
                f"got {described(server_idx)}"
            )
        if server is not None:
            raise ConfigurationError("server_idx: give either server or server_idx, not both")
        return list(PROVIDERS.values())[number]
    if server is None:
        return None
    if isinstance(server, Provider):
        return _checked_provider(server)
    if isinstance(server, str) and server in PROVIDERS:
        return PROVIDERS[server]
    from difflib import get_close_matches

    near = get_close_matches(str.__str__(server), PROVIDERS, n=1) if isinstance(server, str) else []
    raise ConfigurationError(
        f"server: unknown server {quoted(server)}; accepted are {', '.join(PROVIDERS)}, or a Provider"
        + (f"; did you mean {near[0]!r}?" if near else "")
    )


def checked_url(url: Any, url_params: Mapping[str, Any]) -> str:
    """Fill and check a server URL.

    Raises:
        ConfigurationError: Not a URL that requests can be sent to, or a placeholder is left open.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"server_url: must be a string, got {type(url).__name__}")
    names = placeholders(str.__str__(url))
    for name in names:
        if name not in url_params:
            raise ConfigurationError(f"server_url: nothing fills {{{name}}}; pass url_params={{{name!r}: ...}}")
    filled = fill_path(str.__str__(url), {name: path_text(url_params[name]) for name in names})
    try:
        check_base_url(filled, "server_url")
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from None
    if not filled.isascii():
        _check_idna(filled)
    return filled


def _check_idna(url: str) -> None:
    import httpx

    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        raise ConfigurationError(
            "server_url: got a str with a bad host; accepted is a name of letters, digits and hyphens, or its IDNA form"
        ) from None


def resolve(config: SDKConfig, server: Any, server_url: Any, start_embedded: Callable[[], str]) -> Target:
    """Find where a call goes.

    Args:
        server, server_url: The call's own options, None where not given.
        start_embedded: Starts the embedded server and answers with its URL.

    Raises:
        ConfigurationError: An unknown server, a URL that is none, or no key where one is needed.
    """
    provider = find_provider(server) or config.provider
    own_url = config.server_url if provider is config.provider else None
    if server_url is not None:
        base_url = checked_url(server_url, config.url_params)
    elif own_url is not None:
        base_url = own_url
    elif provider.embedded:
        base_url = start_embedded()
    elif provider.servers:
        base_url = provider.servers[0]
    else:
        raise ConfigurationError(f"server_url: server {provider.name!r} has no URL of its own; pass server_url=")
    return Target(provider, base_url, _key_source(config, provider, base_url, own_url))


def _key_source(config: SDKConfig, provider: Provider, base_url: str, own_url: str | None) -> KeySource | None:
    """Find the key for a URL. A key goes only to the hosts it was given for."""
    if provider.auth is None:
        return None
    key = config.keys.of(provider)
    if key is not None:
        homes = {origin(url) for url in (*provider.servers, *([own_url] if own_url else []))}
        if homes and origin(base_url) not in homes:
            logger.warning(
                "the API key of server %r is not sent to %s, a host that it was not given for; pass the header "
                "yourself in http_headers if it is meant to be",
                provider.name,
                origin(base_url)[1],
            )
            return None
        _warn_of_plain_http(base_url)
        return KeySource(key, provider.auth)
    found = Secret(os.environ.get(provider.env_var)) if provider.env_var and os.environ.get(provider.env_var) else None
    hosts = {*provider.key_hosts, *(origin(url)[1] for url in provider.servers)}
    if found is not None and origin(base_url)[1] in hosts:
        _warn_of_plain_http(base_url)
        return KeySource(check_key(found, f"environment variable {provider.env_var}"), provider.auth)
    if provider.key_required and "authorization" not in {name.lower() for name in config.http_headers}:
        held = f" ({provider.env_var} is set, but belongs to {', '.join(sorted(hosts))})" if found is not None else ""
        raise ConfigurationError(
            f"api_key: server {provider.name!r} needs one for {origin(base_url)[1]}; pass SDK(api_key=...)"
            + config.keys.told()
            + (f" or set {provider.env_var}" if provider.env_var and not held else "")
            + held
        )
    return None


_warned: set[str] = set()


def _warn_of_plain_http(base_url: str) -> None:
    scheme, host, _ = origin(base_url)
    if scheme == "http" and not is_loopback(host) and host not in _warned:
        _warned.add(host)
        logger.warning("an API key is sent over plain http to %s; anyone on the way can read it", host)


def checked_headers(headers: Any) -> dict[str, str]:
    """Check a user's headers; names are lower-cased.

    Raises:
        ConfigurationError: A name or value that no header can have, or a header that only the SDK may write.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"http_headers: must be a mapping of names to strings, got {type(headers).__name__}")
    checked: dict[str, str] = {}
    for name, value in cast("Mapping[str, str]", headers).items():
        try:
            check_header(name, value)
        except ValueError as exc:
            raise ConfigurationError(f"http_headers: {exc}") from None
        if name.lower() in _RESERVED_HEADERS:
            raise ConfigurationError(f"http_headers: {name} is written by the SDK and cannot be given")
        checked[name.lower()] = value
    return checked


def checked_ms(value: Any, name: str) -> float:
    """Check a time in milliseconds.

    Raises:
        ConfigurationError: Not a finite number above zero.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ConfigurationError(f"{name}: must be a number of milliseconds above 0, got {described(value)}")
    return value


def checked_bytes(value: Any, name: str) -> int:
    """Check a size in bytes.

    Raises:
        ConfigurationError: Not an integer above zero.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ConfigurationError(f"{name}: must be a number of bytes above 0, got {described(value)}")
    return value


def checked_unsupported(value: Any, usual: Unsupported) -> Unsupported:
    """Check what to do with unsupported parameters; None is what is usual.

    Raises:
        ConfigurationError: None of the three words.
    """
    if value is None:
        return usual
    for word in ("error", "drop", "pass"):
        if isinstance(value, str) and value == word:
            return word
    raise ConfigurationError(f'unsupported: must be "error", "drop" or "pass", got {quoted(value)}')


def checked_retries(value: Any, name: str) -> RetryConfig | None:
    """Check a retry policy.

    Raises:
        ConfigurationError: Neither a RetryConfig nor None.
    """
    if value is None or isinstance(value, RetryConfig):
        return value
    raise ConfigurationError(f"{name}: must be a RetryConfig or None, got {type(value).__name__}")
