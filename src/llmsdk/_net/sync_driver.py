"""Performs effects with a sync client and `time.sleep`."""

from __future__ import annotations

import inspect
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, TypeVar, assert_never, cast

from .._call.countdown import Countdown
from .._call.effects import Close, Effect, Flow, Invoke, Pull, Read, Send, Sleep
from .._call.reply.body import BodyReader
from ..errors import ConfigurationError
from ..options import HttpClient
from .client import builder, own_of, rebuild, refuse_closed, refuse_offline
from .failures import translate
from .transport import SyncTransport

T = TypeVar("T")


class SyncDriver:
    """One per SDK; serves many threads."""

    rebuild = staticmethod(rebuild)

    def __init__(self, client: HttpClient | None, *, is_hooked: bool) -> None:
        self._client = client
        self._is_hooked = is_hooked
        self.build = builder(client, is_hooked=is_hooked)
        # A player of recordings refuses by itself, once it really has to send.
        self.is_player = getattr(client, "refuses_offline", None) is True
        self._transport = SyncTransport() if client is None else None
        self._abandoned: deque[Any] = deque()
        self._is_closed = False

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
                time.sleep(effect.seconds)
            case Invoke():
                return self._invoke(effect)
            case _:
                assert_never(effect)
        return None

    def chunks(self, response: Any, countdown: Countdown) -> Iterator[bytes]:
        """Iterate the raw bytes of a body.

        Raises:
            TransportFailure: The connection broke or fell silent.
        """
        try:
            if response.is_stream_consumed:
                yield response.content
            else:
                if self._client is not None:
                    from .supplied import allow

                    allow(response, countdown)
                yield from response.iter_raw()
        except Exception as exc:
            if (failure := translate(exc, countdown)) is None:
                raise
            raise failure from exc

    @property
    def can_poll(self) -> bool:
        """Whether a read can be asked for bytes that have already arrived, and no others."""
        return self._client is None

    def abandon(self, response: Any) -> None:
        """Close a response from a finalizer.

        A finalizer may run while this very thread holds the pool's lock, so only the socket is closed at once; the pool
        gets its slot back before the next send.
        """
        self._abandoned.append(response)
        self.hang_up(response)

    def hang_up(self, response: Any) -> None:
        """Shut a response's socket down, which wakes a thread that waits for it."""
        stream = getattr(response, "extensions", {}).get("network_stream")
        sock = stream.get_extra_info("socket") if stream is not None else None
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already

    def close(self) -> None:
        """Close what this driver opened."""
        self._is_closed = True
        self._bury()
        if self._transport is not None:
            self._transport.close()

    def _send(self, effect: Send) -> Any:
        request = effect.request
        refuse_closed(self._is_closed)
        if not self.is_player:
            refuse_offline(request.url.host)
        if self._abandoned:
            self._bury()
        try:
            if self._client is not None:
                if self._is_hooked:
                    from .supplied import bound

                    bound(request, effect.countdown)
                return self._client.send(request, stream=True, follow_redirects=False)
            reply = cast(SyncTransport, self._transport).send(own_of(request, effect.countdown), request)
            if self._is_hooked:
                from .hooked import shown

                return shown(reply)
            return reply
        except Exception as exc:
            if (failure := translate(exc, effect.countdown)) is None:
                raise
            raise failure from exc

    def _bury(self) -> None:
        while self._abandoned:
            self._abandoned.popleft().close()

    def _read(self, effect: Read) -> bytes:
        response = effect.response
        if response.is_stream_consumed:
            return cast(bytes, response.content)[: effect.max_bytes]
        body = BodyReader(response.headers.get("content-encoding"), effect.max_bytes, truncate=effect.truncate)
        try:
            for raw in response.iter_raw():
                if not body.feed(raw):
                    return body.received()
                effect.countdown.check()
        except Exception as exc:
            if (failure := translate(exc, effect.countdown, body=body.received())) is None:
                raise
            raise failure from failure.__cause__
        return body.finish()

    def _invoke(self, effect: Invoke) -> Any:
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
