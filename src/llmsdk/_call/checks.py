"""Checks of options, of the SDK and of one call; each raises a one-line `ConfigurationError` that names the option."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ..errors import ConfigurationError
from ..utils.headers import check_header
from ..utils.retries import RetryConfig, retries_of
from ..utils.shapes import described, quoted
from ..utils.urls import address_of, check_base_url, fill_path, path_text, placeholders

if TYPE_CHECKING:
    from ..observers import Observer
    from .request.encode import Unsupported

# The SDK writes these itself; a second host, length or coding is how requests are smuggled (RFC 9112, 11.2).
_RESERVED_HEADERS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "content-encoding", "content-type", "connection", "upgrade"),
        *("te", "trailer", "expect", "proxy-connection", "keep-alive"),
    }
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


def check_objects(options: Mapping[str, Any]) -> None:
    """Refuse objects that would only fail inside a call: they lack a method, or are sync where async ones are asked."""
    for name, kind, methods in _OBJECTS:
        value = options.get(name)
        if value is not None and not all(callable(getattr(value, method, None)) for method in methods):
            raise _refused(name, f"{kind} (an object with {' and '.join(methods)})", type(value).__name__)
    client, async_client = options.get("client"), options.get("async_client")
    if client is not None and iscoroutinefunction(client.send):
        raise ConfigurationError(f"client: {type(client).__name__} is async; pass it as async_client")
    is_sync = hasattr(async_client, "close") and not hasattr(async_client, "aclose")
    if is_sync and not iscoroutinefunction(getattr(async_client, "send", None)):
        raise ConfigurationError(f"async_client: {type(async_client).__name__} is not async; pass it as client")


def checked_backend(value: Any) -> str:
    """Check the name of an HTTP library, and that it is installed."""
    if not isinstance(value, str) or value not in ("httpx", "aiohttp"):
        raise _refused("backend", '"httpx" or "aiohttp"', quoted(value))
    if value == "aiohttp":
        from importlib.util import find_spec

        if find_spec("aiohttp") is None:
            raise ConfigurationError("backend: aiohttp is not installed; install llmsdk[aiohttp]")
    return str(value)


def checked_observers(value: Any) -> tuple[Observer, ...]:
    """Check a list of observers."""
    given = tuple(value)
    for observer in given:
        if not callable(getattr(observer, "start", None)):
            raise _refused("observers", "a list of observers (objects with start)", f"{type(observer).__name__} in it")
    return given


def checked_flag(value: Any, name: str) -> bool:
    """Check a bool; a text such as "no" would count as one that is set."""
    if isinstance(value, bool):
        return value
    raise _refused(name, "a bool", type(value).__name__)


def checked_headers(headers: Any) -> dict[str, str]:
    """Check a user's headers: what no header can have, and those that only the SDK may write; names are lower-cased."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise _refused("http_headers", "a mapping of names to strings", type(headers).__name__)
    checked: dict[str, str] = {}
    for name, value in cast("Mapping[str, str]", headers).items():
        try:
            check_header(name, value)
        except ValueError as exc:
            raise ConfigurationError(f"http_headers: {exc}") from None
        if name.lower() in _RESERVED_HEADERS:
            raise ConfigurationError(f"http_headers: {name} is written by the SDK and can't be set")
        checked[name.lower()] = value
    return checked


def checked_ms(value: Any, name: str) -> float:
    """Check a time in milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise _refused(name, "a number of milliseconds above 0", described(value))
    return value


def checked_bytes(value: Any, name: str) -> int:
    """Check a size in bytes."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise _refused(name, "a number of bytes above 0", described(value))
    return value


def checked_unsupported(value: Any, usual: Unsupported) -> Unsupported:
    """Check what to do with unsupported parameters; None is what is usual."""
    if value is None:
        return usual
    for word in ("error", "drop", "pass"):
        if isinstance(value, str) and value == word:
            return word
    raise _refused("unsupported", '"error", "drop" or "pass"', quoted(value))


def checked_retries(value: Any, name: str) -> RetryConfig | None:
    """Check a retry policy, and make one of a number of retries."""
    if value is None or isinstance(value, RetryConfig):
        return value
    if type(value) is int and value >= 0:  # a bool is an int to isinstance, and says nothing of how often
        return retries_of(value)
    got = described(value) if type(value) is int else type(value).__name__
    raise _refused(name, "a RetryConfig, a number of retries or None", got)


def checked_url(url: Any, url_params: Mapping[str, Any]) -> str:
    """Fill and check a server URL."""
    if not isinstance(url, str):
        raise _refused("server_url", "a string", type(url).__name__)
    names = placeholders(str.__str__(url))
    for name in names:
        if name not in url_params:
            raise ConfigurationError(f"server_url: nothing fills {{{name}}}; pass url_params={{{name!r}: ...}}")
    filled = fill_path(str.__str__(url), {name: path_text(url_params[name]) for name in names})
    try:
        check_base_url(filled, "server_url")
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from None
    if not has_host_name(filled):
        raise ConfigurationError(
            "server_url: got a str with a bad host; expected an IP address, or a name of letters, digits and hyphens "
            "(its IDNA form)"
        )
    return filled


def has_host_name(url: str) -> bool:
    """Whether HTTP clients can read the host of a URL; most need no look, and httpx is not loaded for them."""
    host = urlsplit(url).hostname or ""
    is_number = host[:1].isdigit() and host[-1:].isdigit() and address_of(host) is None  # httpx reads some as addresses
    if url.isascii() and "xn--" not in host and not is_number:
        return True
    import httpx

    try:
        return bool(httpx.URL(url).host)  # which decodes `xn--`, and raises what the package idna raises
    except (httpx.InvalidURL, UnicodeError):
        return False


def _refused(name: str, accepted: str, got: str) -> ConfigurationError:
    return ConfigurationError(f"{name}: must be {accepted}, got {got}")
