"""Performs effects with a sync transport; every wait ends when the SDK is closed."""

from __future__ import annotations

import inspect
import os
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, NoReturn, TypeVar, assert_never, cast

from .._call.countdown import Countdown
from .._call.effects import Close, Effect, Flow, Invoke, Pull, Read, Send, Sleep
from .._call.reply.body import BodyReader
from ..errors import ConfigurationError
from ..options import HttpClient
from .errands import Errand
from .failures import failure_of
from .guards import OFFLINE, refuse_closed, refuse_offline
from .hook_views import build_shown, content_of, rebuild, reply_under
from .lines import hang_up
from .patches import is_patched
from .proxies import proxy_to
from .requests import build_own
from .supplied import HttpxClient, SuppliedClient
from .transport import SyncTransport

T = TypeVar("T")


class SyncDriver:
    """One per SDK; serves many threads.

    Attributes:
        build: Makes the requests that it sends.
        is_own: Whether the connections are our own.
        is_player: Whether the client plays recordings: it refuses by itself, once it really has to send.
    """

    rebuild = staticmethod(rebuild)

    def __init__(
        self,
        client: HttpClient | None,
        *,
        is_hooked: bool,
        make_transport: Callable[..., SyncTransport | SuppliedClient] = SyncTransport,
    ) -> None:
        self._transport: SyncTransport | SuppliedClient
        if client is None:
            self._transport = make_transport(is_hooked=is_hooked)
            self.build: Any = build_shown if is_hooked else build_own
        else:
            self._transport = supplied = SuppliedClient(client)
            self.build = supplied.build
        self._may_be_bypassed = client is None and make_transport is SyncTransport
        self._detour: SyncDriver | None = None
        self.is_own = client is None
        self.is_player = getattr(client, "refuses_offline", None) is True
        self._abandoned: deque[Any] = deque()
        self._closing = threading.Event()  # waited for instead of slept: close() in another thread ends the wait
        self._errands: set[Errand[Any]] = set()

    def current(self) -> SyncDriver:
        """Return this driver, or one over httpx's own client for as long as httpx is patched."""
        if not (self._may_be_bypassed and is_patched()):
            return self
        if self._detour is None:
            self._detour = SyncDriver(None, is_hooked=True, make_transport=HttpxClient)
        return self._detour

    def run(self, flow: Flow[T]) -> T:
        """Perform the effects of a flow until it returns or raises."""
        try:
            effect = next(flow)
            while True:
                try:
                    outcome = self.perform(effect)
                except BaseException as exc:
                    effect = flow.throw(exc)
                else:
                    del effect  # a traceback from here shows no reply, which may hold an echo of the key
                    effect = flow.send(outcome)
        except StopIteration as stop:
            return cast(T, stop.value)

    def perform(self, effect: Effect) -> Any:
        """Do what one effect asks for."""
        match effect:
            case Send():
                return self._send(effect)
            case Read():
                return self._read(effect)
            case Pull():
                return next(effect.chunks, None)
            case Close():
                effect.response.close()
            case Sleep():
                if self._closing.wait(effect.seconds):
                    refuse_closed()
            case Invoke():
                return _invoked(effect)
            case _:
                assert_never(effect)
        return None

    def proxy_for(self, url: str) -> str | None:
        """Find the proxy of the environment that leads to a URL; None of a supplied client, whose own affair it is."""
        return proxy_to(url) if self.is_own else None

    def chunks(self, response: Any, countdown: Countdown) -> Iterator[bytes]:
        """Iterate the raw bytes of a body.

        Raises:
            TransportFailure: The connection broke or fell silent.
        """
        try:
            if response.is_stream_consumed:
                yield content_of(response)
                return
            # `yield from` would close the body of a reply that is left unread together with this iterator.
            for raw in self._transport.pieces(response, countdown):  # noqa: UP028 - see above
                yield raw
        except Exception as exc:
            if (failure := failure_of(exc)) is None:
                raise
            raise failure from exc

    def wait_for(self, step: Callable[[], T], seconds: float) -> T:
        """Do what nothing can interrupt, and wait for it no longer than allowed, or than the SDK is open.

        Raises:
            TimeoutError: It took too long.
            OSError: It failed, or the SDK was closed.
        """
        errand = Errand(step)
        self._errands.add(errand)
        try:
            return errand.result(seconds)
        finally:
            self._errands.discard(errand)

    def leave(self, response: Any) -> None:
        """Let go of a response whose rest is not wanted; its connection is used again if the rest has come by then."""
        reply = reply_under(response)
        if not (hasattr(reply, "leave") and reply.leave()):
            response.close()

    def abandon(self, response: Any) -> None:
        """Close a response from a finalizer.

        A finalizer may run while this very thread holds the lock of a supplied client's pool, so only the socket is
        closed at once; the rest is done before the next send.
        """
        self._abandoned.append(response)
        self.hang_up(response)

    def hang_up(self, response: Any) -> None:
        """Shut a response's socket down, which wakes a thread that waits for it."""
        stream = getattr(response, "extensions", {}).get("network_stream")
        if stream is not None:
            hang_up(stream)

    def interrupt(self, countdowns: Collection[Countdown]) -> None:
        """Wake the threads whose attempts obey one of these countdowns; their calls fail."""
        self._transport.interrupt(countdowns)

    def close(self) -> None:
        """Close what this driver opened."""
        self._closing.set()
        for errand in list(self._errands):
            errand.give_up()
        self._bury()
        self._transport.close()
        if self._detour is not None:
            self._detour.close()

    def _send(self, effect: Send) -> Any:
        request = effect.request
        if self._closing.is_set():
            refuse_closed()
        if OFFLINE in os.environ and not self.is_player:
            refuse_offline(request.url.host)
        if self._abandoned:
            self._bury()
        try:
            return self._transport.send(request, effect.countdown)
        except Exception as exc:
            self._fail(exc)

    def _bury(self) -> None:
        while self._abandoned:
            self._abandoned.popleft().close()

    def _read(self, effect: Read) -> bytes:
        response = effect.response
        if response.is_stream_consumed:
            return content_of(response)[: effect.max_bytes]
        body = BodyReader(response.headers.get("content-encoding"), effect.max_bytes, truncate=effect.truncate)
        try:
            for raw in self._transport.pieces(response, effect.countdown):
                if not body.feed(raw):
                    return body.received()
                effect.countdown.check()
        except Exception as exc:
            self._fail(exc, body.received())
        return body.finish()

    def _fail(self, exc: Exception, body: bytes = b"") -> NoReturn:
        failure = failure_of(exc, body=body)
        if failure is None:
            raise exc
        if self._closing.is_set():
            refuse_closed()
        raise failure from failure.__cause__


def _invoked(effect: Invoke) -> Any:
    if inspect.iscoroutinefunction(effect.function):
        raise _needs_async(effect.function)
    # No local holds the answer, which may be a key.
    return (effect.wrap or _same)(_settled(effect.function, effect.function(*effect.args)))


def _same(answer: Any) -> Any:
    return answer


def _settled(function: Any, answer: Any) -> Any:
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise _needs_async(function)
    return answer


def _needs_async(function: Any) -> ConfigurationError:
    name = getattr(function, "__qualname__", type(function).__name__)
    return ConfigurationError(f"{name}: is async, and a sync call cannot wait for it; call the _async method instead")
