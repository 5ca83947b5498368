"""Where a call begins and ends: secrets among its options are wrapped on the way in, locals are cleared on the way out.

In between, values are plain. A traceback with locals, as error reporters keep it, shows the frames above the call,
which hold wrapped options only, and those of the call, which have been cleared.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_OPTIMIZED
from itertools import takewhile
from traceback import walk_tb
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ..errors import SDKError
from ..utils.secrets import Secret, is_secret_name, revealed
from ..utils.shapes import is_mapping, quoted

MAY_HOLD = frozenset({"api_key", "http_headers", "server_url", "url_params", "extra_query"})
"""Options that may hold what is secret."""

# Their frames hold requests. Frames of the application may be in the same chain, where it calls while it handles an
# exception of its own, and are left as they are.
_CLEARED = frozenset({"llmsdk", "httpx", "httpx2", "httpcore", "httpcore2", "h11", "aiohttp"})
# Through which they call each other.
_BETWEEN = frozenset({"anyio", "asyncio", "contextlib", "outcome", "socket", "ssl", "trio"})
_MAY_WAIT = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR


def hide(options: Any) -> Any:
    """Wrap in place what is secret among the options of an SDK or a call, and return them."""
    for name in MAY_HOLD.intersection(options):
        place = next(places_of_secrets(name, options[name]), None)
        if place is not None:
            options[name] = Secret(options[name], place)
    return options


def shown(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options with what `hide` has wrapped."""
    return {name: revealed(value) for name, value in options.items()}


def places_of_secrets(option: str, value: Any) -> Iterator[str]:
    """Name what is secret in an option, such as `http_headers: 'x-api-key'`; values are never part of it."""
    if option == "api_key":
        given = value.values() if is_mapping(value) else (value,)
        if not all(one is None or isinstance(one, Secret) or callable(one) for one in given):
            yield option
    elif option not in MAY_HOLD:
        return
    elif is_mapping(value):
        yield from (f"{option}: {quoted(name)}" for name in value if is_secret_name(name))
    elif isinstance(value, str):
        url = str.__str__(value)
        if "@" in _authority(url):
            yield f"{option}: its user and password"
        query = parse_qsl(url.partition("?")[2])
        yield from (f"{option}: {quoted(name)} in its query" for name, _ in query if is_secret_name(name))


def _authority(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # it will be refused, and may have a password all the same
        return url


def forget_locals(error: BaseException | None) -> None:
    """Clear the locals of all frames of an exception and its causes that are over, of ours and of HTTP clients.

    To clear a coroutine that waits is to end it, up to Python 3.12, and a traceback may hold one: the context of an
    exception may be what another task handles, and an application may raise one exception in many tasks. Frames are
    known to be over down to the first of the application, in what has come through here and in what we named as its
    cause, and where the frame that called them is known to be.
    """
    over: set[FrameType] = set()
    is_trusted, is_hidden = True, isinstance(error, SDKError)
    while error is not None:
        frames = list(takewhile(_is_no_application, (frame for frame, _ in walk_tb(error.__traceback__))))
        if is_trusted or (frames and frames[0] in over):
            over.update(frames)
        for frame in frames:
            if frame in over or not frame.f_code.co_flags & _MAY_WAIT:
                with suppress(RuntimeError):  # still at work
                    if _package_of(frame) in _CLEARED:
                        frame.clear()
                    if is_hidden:
                        _mark(frame)
        is_trusted = error.__cause__ is not None and type(error).__module__.partition(".")[0] in _CLEARED
        if isinstance(error, SDKError) and error.__suppress_context__:
            error.__context__ = None  # not to be shown, so it need not hold on to frames either
        error = error.__cause__ or error.__context__


def on_leaving(error: BaseException) -> None:
    """Clear locals and hide frames of an error that leaves a call."""
    forget_locals(error)
    hide_frames(error)


def hide_frames(error: BaseException) -> None:
    """Hide the frames of ours that an error of ours has passed or is about to: pytest and IPython honour a mark.

    It stands in frames and not in modules, as IPython looks there alone, and as a fault of ours is to be seen.
    """
    if not isinstance(error, SDKError):
        return
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    above: FrameType | None = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # documented all the same
    while above is not None and _package_of(above) == "llmsdk":
        frames.append(above)
        above = above.f_back
    for frame in frames:
        if _package_of(frame) == "llmsdk":
            _mark(frame)


def _mark(frame: FrameType) -> None:
    if not frame.f_code.co_flags & CO_OPTIMIZED:
        return  # a module's, whose locals are no copy
    shown: Any = frame.f_locals
    if isinstance(shown, dict):  # pragma: no branch - Python 3.13 and newer
        # A copy, up to Python 3.12: it would keep alive what the frame lets go of, an error that holds the frame too.
        shown.clear()
    shown["__tracebackhide__"] = True


def _is_no_application(frame: FrameType) -> bool:
    return _package_of(frame) in _CLEARED or _package_of(frame) in _BETWEEN


def _package_of(frame: FrameType) -> str:
    name: str = frame.f_globals.get("__name__", "")
    return name.partition(".")[0]
