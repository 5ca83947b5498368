"""HTTP clients that record what passes through them, or answer from a recording."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import httpx

from .._net.guards import refuse_offline
from .._net.tls import shared_context
from ..errors import CassetteError
from ..options import AsyncHttpClient, HttpClient
from ..utils.secrets import Secrets
from .asked import Asked, asked_of, secrets_of
from .lines import Exchange, Piece, kept_headers, kept_pieces
from .tape import Tape

_MAX_ERROR_TEXT = 200
_CLOSED = (
    "the recording ends here, since the reply was closed before its end when it was recorded; record it again and "
    "read it to the end"
)


class Recorder:
    """Notes one reply as it passes."""

    def __init__(self, tape: Tape, request: Any, asked: Asked, secrets: Secrets) -> None:
        self._tape = tape
        self._asked = asked
        self._secrets = secrets
        self._pieces: list[Piece] = []
        self._last = time.monotonic()
        self._ms = 0.0
        self._response: Any = None
        self._coding: str | None = None
        self._finished = False

    def begin(self, response: Any) -> None:
        """Note that the headers are there."""
        self._ms = self._lap()  # until here it is the wait for the headers, from now on that for pieces
        self._response = response
        # Read by its client already, and so decoded by it.
        self._coding = None if response.is_stream_consumed else response.headers.get("content-encoding")
        self._tape.begin(self.finish)

    def note(self, data: bytes) -> None:
        """Note a piece of the body."""
        self._pieces.append(Piece(self._lap(), data))

    def finish(self, end: str, exc: Exception | None = None) -> None:
        """Write the exchange; only the first call counts."""
        if self._finished:
            return
        self._finished = True
        pieces, trouble = kept_pieces(self._pieces, self._coding, self._secrets, whole=end == "complete")
        error = ("", "")
        if exc is not None:
            # Texts of transport errors are short; whatever they quote of the server stays out.
            error = (_family_name(exc), "the connection broke here when this was recorded")
        if trouble:
            end, error = "broken", ("DecodingError", trouble[:_MAX_ERROR_TEXT])
        exchange = Exchange(
            asked=self._asked,
            status=self._response.status_code,
            headers=kept_headers(self._response.headers.multi_items(), self._secrets),
            ms=self._ms,
            pieces=tuple(pieces),
            end=end,
            error=error,
        )
        self._tape.add(exchange, self.finish)

    def _lap(self) -> float:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        return passed * 1000


def _family_name(exc: Exception) -> str:
    return next((cls.__name__ for cls in type(exc).__mro__ if cls.__name__ in _BREAKS), "ReadError")


_BREAKS: dict[str, Callable[[str], Exception]] = {
    "ReadTimeout": httpx.ReadTimeout,
    "ReadError": httpx.ReadError,
    "RemoteProtocolError": httpx.RemoteProtocolError,
    "DecodingError": httpx.DecodingError,
}


# Raw bytes are noted, and decoded when they are written: the reader shall get exactly what the server sent.
class _RecordedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body on its way from the server to the reader."""

    def __init__(self, response: Any, recorder: Recorder) -> None:
        self._response = response
        self._recorder = recorder

    def __iter__(self) -> Iterator[bytes]:
        consumed = self._response.is_stream_consumed
        try:
            for raw in [self._response.content] if consumed else self._response.iter_raw():
                self._recorder.note(raw)
                yield raw
        except Exception as exc:
            self._recorder.finish("broken", exc)
            raise
        self._recorder.finish("complete")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            if self._response.is_stream_consumed:
                self._recorder.note(self._response.content)
                yield self._response.content
            else:
                async for raw in self._response.aiter_raw():
                    self._recorder.note(raw)
                    yield raw
        except Exception as exc:
            self._recorder.finish("broken", exc)
            raise
        self._recorder.finish("complete")

    def close(self) -> None:
        self._response.close()
        self._recorder.finish("closed")

    async def aclose(self) -> None:
        await self._response.aclose()
        self._recorder.finish("closed")


class _ReplayedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body from the tape."""

    def __init__(self, exchange: Exchange, request: Any, *, realtime: bool) -> None:
        self._exchange = exchange
        self._request = request
        self._realtime = realtime

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._exchange.pieces:
            if self._realtime:
                _pause(piece.ms, self._request)
            yield piece.data
        self._end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._exchange.pieces:
            if self._realtime:
                await anyio.sleep(piece.ms / 1000)
            yield piece.data
        self._end()

    def _end(self) -> None:
        if self._exchange.end == "closed":
            raise CassetteError(f"line {self._exchange.line} of the cassette: {_CLOSED}")
        if self._exchange.end == "broken":
            name, text = self._exchange.error
            raise _BREAKS.get(name, httpx.ReadError)(text)


def _pause(ms: float, request: Any) -> None:
    """Wait as long as the server let wait; no longer than the call has time, which the async driver watches itself."""
    limit = request.extensions.get("timeout", {}).get("read")  # as httpx's own transports find it
    seconds = ms / 1000
    if limit is not None and seconds > limit:
        time.sleep(float(limit))
        raise httpx.ReadTimeout("the recorded reply took longer")
    time.sleep(seconds)


def _response_of(status: int, headers: Any, stream: Any, request: Any, extensions: Any = None) -> httpx.Response:
    return httpx.Response(status, headers=headers, stream=stream, request=request, extensions=extensions or {})


class _Player:
    """What both colours share."""

    # Playing needs no network: it is this class that knows whether something is about to be sent.
    refuses_offline = True

    def __init__(self, tape: Tape, given: Any) -> None:
        self._tape = tape
        self._given = given

    def build_request(
        self, method: str, url: str, *, headers: Any = None, content: Any = None, extensions: Any = None
    ) -> Any:
        """Make a request, with the defaults of the client that was given."""
        make = httpx.Request if self._given is None else self._given.build_request
        return make(method, url, headers=headers, content=content, extensions=extensions)

    def _begin(self, request: Any) -> tuple[Exchange | None, Recorder]:
        secrets = secrets_of(request)
        asked = asked_of(request, secrets)
        found = self._tape.find(asked)
        if found is None:
            refuse_offline(request.url.host)
        return found, Recorder(self._tape, request, asked, secrets)

    def _replayed(self, found: Exchange, request: Any) -> httpx.Response:
        body = _ReplayedBody(found, request, realtime=self._tape.realtime)
        headers = [(name.encode(), value.encode()) for name, value in found.headers]  # httpx takes text to be ASCII
        return _response_of(found.status, headers, body, request)

    def _recorded(self, response: Any, request: Any, recorder: Recorder) -> httpx.Response:
        recorder.begin(response)
        body = _RecordedBody(response, recorder)
        extensions = getattr(response, "extensions", None)
        return _response_of(response.status_code, response.headers.multi_items(), body, request, extensions)


class SyncPlayer(_Player):
    """A sync client over a cassette; `httpx.Client` sends where nothing is recorded."""

    def __init__(self, tape: Tape, given: HttpClient | None) -> None:
        super().__init__(tape, given)
        self._lock = threading.Lock()
        self._own: httpx.Client | None = None

    def send(self, request: Any, *, stream: bool = False, follow_redirects: bool = False) -> httpx.Response:
        """Answer from the tape, or send and record."""
        found, recorder = self._begin(request)
        if found is not None:
            if self._tape.realtime:
                _pause(found.ms, request)
            answer = self._replayed(found, request)
        else:
            client = self._given or self._open()
            response = client.send(request, stream=True, follow_redirects=follow_redirects)
            answer = self._recorded(response, request, recorder)
        if not stream:
            answer.read()
        return answer

    def _open(self) -> httpx.Client:
        with self._lock:
            if self._own is None:
                self._own = httpx.Client(verify=shared_context(), limits=httpx.Limits())
            return self._own

    def close(self) -> None:
        """Close the client that sends, unless it was given."""
        own, self._own = self._own, None
        if own is not None:
            own.close()


class AsyncPlayer(_Player):
    """An async client over a cassette; `httpx.AsyncClient` sends where nothing is recorded."""

    def __init__(self, tape: Tape, given: AsyncHttpClient | None) -> None:
        super().__init__(tape, given)
        self._own: httpx.AsyncClient | None = None

    async def send(self, request: Any, *, stream: bool = False, follow_redirects: bool = False) -> httpx.Response:
        """Answer from the tape, or send and record."""
        found, recorder = self._begin(request)
        if found is not None:
            if self._tape.realtime:
                await anyio.sleep(found.ms / 1000)
            answer = self._replayed(found, request)
        else:
            client = self._given or self._open()
            response = await client.send(request, stream=True, follow_redirects=follow_redirects)
            answer = self._recorded(response, request, recorder)
        if not stream:
            await answer.aread()
        return answer

    def _open(self) -> httpx.AsyncClient:
        if self._own is None:
            # No connection outlives its reply: the next one may be asked for in another event loop.
            limits = httpx.Limits(max_keepalive_connections=0)
            self._own = httpx.AsyncClient(verify=shared_context(), limits=limits)
        return self._own

    async def aclose(self) -> None:
        """Close the client that sends, unless it was given."""
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()
