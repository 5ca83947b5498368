"""Checks of options, of the SDK and of one call."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigurationError
from ..utils.headers import check_header
from ..utils.retries import RetryConfig
from ..utils.shapes import described, quoted
from ..utils.urls import check_base_url, fill_path, path_text, placeholders
from .request.encode import Unsupported

if TYPE_CHECKING:
    from ..observers import Observer
    from .usage import Prices


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


# Objects that are used long after construction, with the methods that they must have by then.
OBJECTS = (
    ("client", "an HTTP client", ("build_request", "send")),
    ("async_client", "an async HTTP client", ("build_request", "send")),
    ("debug_logger", "a logger", ("debug",)),
    ("retry_budget", "a RetryBudget", ("take", "success")),
    ("hooks", "a list of hooks", ("__iter__",)),
    ("observers", "a list of observers", ("__iter__",)),
)


def check_object(value: Any, name: str, kind: str, methods: tuple[str, ...]) -> None:
    """Refuse an object that would only fail inside a call.

    Raises:
        ConfigurationError: It lacks a method.
    """
    missing = [method for method in methods if not callable(getattr(value, method, None))]
    if value is not None and missing:
        raise ConfigurationError(
            f"{name}: must be {kind} (an object with {' and '.join(methods)}), got {type(value).__name__}"
        )


def checked_backend(value: Any) -> str:
    if not isinstance(value, str) or value not in ("httpx", "aiohttp"):
        raise ConfigurationError(f'backend: must be "httpx" or "aiohttp", got {quoted(value)}')
    if value == "aiohttp":
        from importlib.util import find_spec

        if find_spec("aiohttp") is None:
            raise ConfigurationError("backend: aiohttp is not installed; install llmsdk[aiohttp]")
    return str(value)


def checked_observers(value: Any) -> tuple[Observer, ...]:
    given = tuple(value)
    for observer in given:
        if not callable(getattr(observer, "start", None)):
            raise ConfigurationError(
                f"observers: must be a list of observers (objects with start), got {type(observer).__name__} in it"
            )
    return given


def checked_price_table(value: Any) -> Prices | None:
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


def check_colours(client: Any, async_client: Any) -> None:
    """Refuse a client of the other colour, which would only fail inside a call.

    Raises:
        ConfigurationError: Naming the option that it belongs to.
    """
    if client is not None and iscoroutinefunction(client.send):
        raise ConfigurationError(f"client: {type(client).__name__} is async; pass it as async_client")
    is_sync = hasattr(async_client, "close") and not hasattr(async_client, "aclose")
    if is_sync and not iscoroutinefunction(async_client.send):
        raise ConfigurationError(f"async_client: {type(async_client).__name__} is not async; pass it as client")
