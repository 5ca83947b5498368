"""LocalServer: the embedded provider on a loopback port."""

from __future__ import annotations

import itertools
import re
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any, Self

from ..errors import ConfigurationError
from ..providers.ids import FOR_URLS
from ..providers.registry import accepted, provider_by_id
from ..providers.spec import Provider
from ..utils.shapes import quoted
from ..utils.urls import is_loopback
from .app import App
from .checks import SECONDS, Kind, check, count, items, number
from .cors import headers_of
from .faults import Fault
from .httpd import SMALL_BODY, Reader, Refusal, Request, Response, body_length, read_body, read_head
from .limits import USUAL_FAULTS, RandomFaults, RateLimit, RateLimiter
from .listener import Listener
from .room import Room
from .sending import Sender, say_and_leave

FAULT_HEADER = "x-llmsdk-fault"
"""Request header by which any client asks for a fault, as JSON."""

KEPT_REQUESTS = 1000
KEPT_BYTES = 64 << 20  # of the bodies of these
READ_BYTES = 64 << 20  # of large bodies that are read and answered at the same time

_GOOD = Fault()
_HOST_PORT = re.compile(r":[0-9]*$")


def _provider_of(dialect: Any) -> Provider:
    if isinstance(dialect, Provider):
        return dialect
    if (found := provider_by_id(dialect)) is not None:
        return found
    raise ConfigurationError(f"unknown dialect {quoted(dialect)}; known: {accepted(dialect)}")


@lru_cache(maxsize=64)  # nearly all requests say the same
def _is_here(host: str) -> bool:
    return is_loopback(_HOST_PORT.sub("", host))


_HOST = Kind("a name or an address", lambda host: isinstance(host, str) and host.isascii() and host.isprintable())
_PORT = number("an integer from 0, for any that is free, to 65535", 0, 65535, int)


class LocalServer:
    """A provider in this process, offline, for tests and demos; a context manager.

    Args:
        dialect: Id of the server to speak like, or your own `Provider`.
        port: Port on the loopback interface; 0 takes a free one.
        host: Interface to listen on.
        api_key: The only key that is let in; by default any key is.
        faults: What the first requests get instead of a good reply, as with `script`.
        latency_s: Wait before each reply.
        event_delay_s: Wait before each event of a stream.
        page_size: Models on a page, in dialects that page their list.
        rate_limit: Requests per second that are let in; above them the answer is 429, and the dialect's headers of
            limits tell the truth. A `RateLimit` says more, such as no headers.
        fault_share: Share of requests, between 0 and 1, that get one of `random_faults` by chance.
        random_faults: What these get; by default 429 with Retry-After, 503, a cut and a stall, all as likely.
        seed: Of that chance.

    Raises:
        ConfigurationError: There is no such dialect, or an argument cannot be.
    """

    def __init__(
        self,
        dialect: str | Provider = FOR_URLS,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        api_key: str | None = None,
        faults: Iterable[Fault | Mapping[str, Any] | None] = (),
        latency_s: float = 0.0,
        event_delay_s: float = 0.0,
        page_size: int = 100,
        rate_limit: RateLimit | float | None = None,
        fault_share: float = 0.0,
        random_faults: Iterable[Fault | Mapping[str, Any]] = USUAL_FAULTS,
        seed: int = 0,
    ) -> None:
        self.provider = dialect = _provider_of(dialect)
        check(host, "host", _HOST)
        self._is_private = is_loopback(host)
        check(port, "port", _PORT)
        check(api_key, "api_key", Kind("a str or None", lambda key: key is None or isinstance(key, str)))
        check(latency_s, "latency_s", SECONDS)
        check(event_delay_s, "event_delay_s", SECONDS)
        check(page_size, "page_size", count(1))
        self.app = App(dialect, api_key=api_key, page_size=page_size)
        self._address = host, port
        self._latency_s, self._event_delay_s = latency_s, event_delay_s
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._kept_bytes = 0
        self._room = Room(READ_BYTES)
        self._turn = threading.Lock()
        self._scripted: deque[Fault] = deque()
        self._standing: Fault | None = None
        self._numbers = itertools.count(1)
        self._limiter = None if rate_limit is None else RateLimiter.of(rate_limit)
        self._random = RandomFaults(fault_share, [*map(Fault.parse, items(random_faults, "random_faults"))], seed)
        self._counts: Counter[int | None] = Counter()
        self._listener: Listener | None = None
        self.script(*items(faults, "faults"))

    def start(self) -> Self:
        """Listen and answer, until `close`.

        Raises:
            OSError: The port is taken.
        """
        if self._listener is None:
            self._listener = Listener(self._address, self._serve)
            self.app.setting.origin = self.origin
            self._listener.start()
        return self

    def close(self) -> None:
        """Stop at once: open connections are closed, their threads ended. Closing twice does no harm."""
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def origin(self) -> str:
        """Scheme, host and port.

        Raises:
            RuntimeError: The server is not running.
        """
        listener = self._listener
        if listener is None:
            raise RuntimeError("the embedded provider is not running; use it in a with block, or call start()")
        return listener.origin

    @property
    def url(self) -> str:
        """Base URL, to be passed as `server_url`."""
        return self.origin + self.app.setting.base

    @property
    def requests(self) -> list[Request]:
        """The requests that came, oldest first; the last thousand are kept, and of large ones the last 64 MiB."""
        with self._lock:
            return list(self._requests)

    @property
    def counts(self) -> dict[int | None, int]:
        """How many requests came, by the status they were answered with; None where the connection was cut."""
        with self._lock:
            return dict(self._counts)

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        listener = self._listener
        return 0 if listener is None else listener.connection_count

    def script(self, *faults: Fault | Mapping[str, Any] | None) -> None:
        """Add what the next requests get, one each and in this order; None is a good reply.

        Raises:
            ConfigurationError: One is no fault.
        """
        parsed = [_GOOD if fault is None else Fault.parse(fault) for fault in faults]
        with self._lock:
            self._scripted.extend(parsed)

    def always(self, fault: Fault | Mapping[str, Any] | None) -> None:
        """Set what every request gets that the script has nothing for; None for good replies.

        Raises:
            ConfigurationError: It is no fault.
        """
        parsed = None if fault is None else Fault.parse(fault)
        with self._lock:
            self._standing = parsed

    def reset(self) -> None:
        """Forget recorded requests, their counts and scripted faults."""
        with self._lock:
            self._requests.clear()
            self._kept_bytes = 0
            self._counts.clear()
            self._scripted.clear()
            self._standing = None

    def _serve(self, connection: socket.socket, closing: threading.Event) -> None:
        """Answer the requests of one connection, one after the other."""
        reader = Reader(connection)
        while not closing.is_set() and self._exchange(connection, reader, closing):
            pass

    def _exchange(self, connection: socket.socket, reader: Reader, closing: threading.Event) -> bool:
        """Read one request and answer it; the result is whether the connection goes on."""
        request_id = f"req-embedded-{next(self._numbers):06d}"
        with self._room.guest() as take:
            try:
                request = read_head(reader)
                if request is None:
                    return False
                self._check_host(request)
                length = body_length(request)
                expected = request.headers.get("expect")
                if expected is not None and request.version == "HTTP/1.1":
                    if expected.lower() != "100-continue":
                        raise Refusal(417, "only 100-continue can be expected.")
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.body = read_body(reader, length, take)
            except Refusal as exc:
                say_and_leave(connection, self.app.failure(exc, request_id))
                return False
            self._keep(request)
            # One large request at a time: reading its JSON takes several times its size, and the interpreter does no
            # two things at once anyway.
            with self._turn if len(request.body) > SMALL_BODY else nullcontext():
                fault, response = self._prepare(request, request_id)
        sender = Sender(
            connection=connection,
            request=request,
            fault=fault,
            closing=closing,
            latency_s=self._latency_s,
            event_delay_s=self._event_delay_s,
        )
        try:
            return sender.send(
                response,
                lambda status: self.app.failure(Refusal(status, f"Scripted fault: status {status}."), request_id),
                lambda payload: self.app.error_event(payload, request_id),
            )
        finally:
            with self._lock:
                self._counts[request.status] += 1

    def _check_host(self, request: Request) -> None:
        """Refuse a request that is meant for another machine.

        A page of the web can have its own name resolve to 127.0.0.1, and would then read what is answered here; but its
        browser names that host.
        """
        if self._is_private and request.host is not None and not _is_here(request.host):
            raise Refusal(421, f"{quoted(request.host)} is not this machine; use 127.0.0.1 or localhost.", "host")

    def _keep(self, request: Request) -> None:
        """Record a request; the oldest go where there are too many, or where they are too large."""
        with self._lock:
            self._requests.append(request)
            self._kept_bytes += len(request.body)
            while len(self._requests) > KEPT_REQUESTS or (self._kept_bytes > KEPT_BYTES and len(self._requests) > 1):
                self._kept_bytes -= len(self._requests.popleft().body)

    def _prepare(self, request: Request, request_id: str) -> tuple[Fault, Response]:
        """Find the fault that a request gets, and make the response that it changes."""
        asked = request.headers.get(FAULT_HEADER)
        try:
            fault = self._next_fault() if asked is None else Fault.parse(asked)
        except ValueError as exc:
            return _GOOD, self.app.failure(Refusal(400, f"{FAULT_HEADER}: {exc}."), request_id)
        try:
            headers: dict[str, str] = {}
            if self._limiter is not None:
                is_refused, headers = self._limiter.take(self.provider.limits, time.monotonic())
                if is_refused:
                    response = self.app.failure(Refusal(429, "Too many requests."), request_id)
                    response.headers = headers | headers_of(request)
                    return _GOOD, response
            response = self.app.handle(request, request_id)
            response.headers |= headers
            return fault, response
        except Exception as exc:  # nothing may be printed from here, so the client is told
            return fault, self.app.failure(Refusal(500, f"The embedded provider failed: {exc!r}."), request_id)

    def _next_fault(self) -> Fault:
        with self._lock:
            if self._scripted:
                return self._scripted.popleft()
            return self._random.next() or self._standing or _GOOD
