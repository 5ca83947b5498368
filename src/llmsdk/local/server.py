"""LocalServer: the embedded provider on a loopback port."""

from __future__ import annotations

import contextlib
import itertools
import json
import select
import selectors
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, BinaryIO, Self

from ..errors import ConfigurationError
from ..providers.ids import FOR_URLS
from ..providers.registry import PROVIDERS, accepted
from ..providers.spec import Provider
from ..utils.shapes import described, quoted
from .app import App, Reply
from .checks import check_count, check_seconds, items, refused
from .faults import MAX_STALL_S, Cut, Data, Fault, Pause, Step, compressed, plan
from .httpd import BadRequest, Request, read_body, read_head, reply_head
from .limits import USUAL_FAULTS, Limiter, RandomFaults, RateLimit

FAULT_HEADER = "x-llmsdk-fault"
"""Request header by which any client asks for a fault, as JSON."""

IDLE_S = 75.0  # how long a kept connection may be silent, and a client may refuse to read
KEPT_REQUESTS = 1000
_CLOSE_S = 5.0
_POLL_S = 0.05  # how often a pause looks whether the client has gone
_BACKLOG = 1024

_GOOD = Fault()


class _Gone(Exception):
    """The connection is over: cut by script, closed by the client, or by the server's end."""


def _found(dialect: Any) -> Provider:
    if isinstance(dialect, Provider):
        return dialect
    if isinstance(dialect, str) and dialect in PROVIDERS:
        return PROVIDERS[dialect]
    raise ConfigurationError(f"unknown dialect {quoted(dialect)}; known: {accepted(dialect)}")


def _check_address(host: Any, port: Any) -> None:
    if not isinstance(host, str) or not (host.isascii() and host.isprintable()):
        raise ConfigurationError(f"host: must be a name or an address, got {described(host)}")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise ConfigurationError(
            f"port: must be an integer from 0, for any that is free, to 65535, got {described(port)}"
        )


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
        self.provider = dialect = _found(dialect)
        _check_address(host, port)
        key: Any = api_key
        if key is not None and not isinstance(key, str):
            raise refused("api_key", "a str or None", key)
        check_seconds(latency_s, "latency_s")
        check_seconds(event_delay_s, "event_delay_s")
        check_count(page_size, "page_size", 1)
        self._app = App(dialect, api_key=api_key, page_size=page_size)
        self._address = host, port
        self._latency_s, self._event_delay_s = latency_s, event_delay_s
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque(maxlen=KEPT_REQUESTS)
        self._scripted: deque[Fault] = deque()
        self._standing: Fault | None = None
        self._numbers = itertools.count(1)
        self._limiter = None if rate_limit is None else Limiter.of(rate_limit)
        self._random = RandomFaults(fault_share, [*map(Fault.parse, items(random_faults, "random_faults"))], seed)
        self._counts: Counter[int | None] = Counter()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._closing = threading.Event()
        self._listener: socket.socket | None = None
        self._wake: tuple[socket.socket, socket.socket] | None = None
        self._acceptor: threading.Thread | None = None
        self.script(*items(faults, "faults"))

    def start(self) -> Self:
        """Listen and answer, until `close`.

        Raises:
            OSError: The port is taken.
        """
        if self._listener is not None:
            return self
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        listener.setblocking(False)
        self._closing = threading.Event()
        self._listener, self._wake = listener, socket.socketpair()
        self._app.origin = self.origin
        self._acceptor = threading.Thread(target=self._accept, name="llmsdk-local", daemon=True)
        self._acceptor.start()
        return self

    def close(self) -> None:
        """Stop at once: open connections are closed, their threads ended. Closing twice does no harm."""
        with self._lock:
            listener, wake, acceptor = self._listener, self._wake, self._acceptor
            self._listener = self._wake = self._acceptor = None
        if listener is None or wake is None or acceptor is None:
            return
        deadline = time.monotonic() + _CLOSE_S
        self._closing.set()
        wake[0].close()
        acceptor.join(_CLOSE_S)
        for end in (listener, wake[1]):
            end.close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in connections.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def origin(self) -> str:
        """Scheme, host and port.

        Raises:
            RuntimeError: The server is not running.
        """
        if self._listener is None:
            raise RuntimeError("the embedded provider is not running; use it in a with block, or call start()")
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def url(self) -> str:
        """Base URL, to be passed as `server_url`."""
        return self.origin + self._app.base

    @property
    def requests(self) -> list[Request]:
        """The requests that came, oldest first; the last thousand are kept."""
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
        with self._lock:
            return len(self._connections)

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
            self._counts.clear()
            self._scripted.clear()
            self._standing = None

    def _accept(self) -> None:
        listener, wake = self._listener, self._wake
        if listener is None or wake is None:
            return  # closed before the thread ran
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(wake[1], selectors.EVENT_READ)
            while not self._closing.is_set():
                selector.select()
                try:
                    connection, _ = listener.accept()
                except BlockingIOError:
                    continue
                except OSError:  # out of file descriptors, or the client has gone already
                    self._closing.wait(_POLL_S)
                    continue
                self._serve_in_thread(connection)

    def _serve_in_thread(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), name="llmsdk-local-connection", daemon=True)
        with self._lock:
            self._connections[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads
            self._forget(connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(IDLE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as stream:
                while not self._closing.is_set() and self._exchange(connection, stream):
                    pass
        except (_Gone, OSError):
            pass
        finally:
            self._forget(connection)

    def _forget(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.pop(connection, None)
        connection.close()

    def _exchange(self, connection: socket.socket, stream: BinaryIO) -> bool:
        """Read one request and answer it; the answer is whether the connection goes on."""
        number = next(self._numbers)
        request_id = f"req-embedded-{number:06d}"
        try:
            request = read_head(stream)
            if request is None:
                return False
            expected = request.headers.get("expect")
            if expected is not None and request.version == "HTTP/1.1":
                if expected.lower() != "100-continue":
                    raise BadRequest(417, "only 100-continue can be expected")
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.body = read_body(stream, request.headers)
        except BadRequest as exc:
            reply = self._app.failure(exc.status, f"{exc}.", request_id)
            self._say_and_leave(connection, reply)
            return False
        with self._lock:
            self._requests.append(request)
        fault, reply = self._prepare(request, request_id)
        try:
            return _Exchange(self, connection, request, fault).send(reply, request_id)
        finally:
            with self._lock:
                self._counts[request.status] += 1

    def _prepare(self, request: Request, request_id: str) -> tuple[Fault, Reply]:
        asked = request.headers.get(FAULT_HEADER)
        try:
            fault = self._next_fault() if asked is None else Fault.parse(asked)
        except ValueError as exc:
            return _GOOD, self._app.failure(400, f"{FAULT_HEADER}: {exc}.", request_id)
        try:
            if self._limiter is not None:
                refused, headers = self._limiter.take(self.provider.limits, time.monotonic())
                if refused:
                    reply = self._app.failure(429, "Too many requests.", request_id)
                    reply.headers = headers
                    return _GOOD, reply
                reply = self._app.handle(request, request_id)
                reply.headers |= headers
                return fault, reply
            return fault, self._app.handle(request, request_id)
        except Exception as exc:  # nothing may be printed from here, so the client is told
            return fault, self._app.failure(500, f"The embedded provider failed: {exc!r}.", request_id)

    def _next_fault(self) -> Fault:
        with self._lock:
            if self._scripted:
                return self._scripted.popleft()
            return self._random.next() or self._standing or _GOOD

    def _say_and_leave(self, connection: socket.socket, reply: Reply) -> None:
        """Answer a request that was not read whole, in a way that the client can still see the answer."""
        headers = (("content-type", reply.content_type), ("content-length", str(len(reply.body))))
        connection.sendall(reply_head(reply.status, (*headers, ("connection", "close"))) + reply.body)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(0.5)
        for _ in range(64):  # unread bytes at the close would reset the connection
            if not connection.recv(65_536):
                break

    def pause(self, connection: socket.socket, seconds: float) -> None:
        """Wait; end the exchange if the client goes away or the server closes.

        Raises:
            _Gone: One of them did.
        """
        end = time.monotonic() + min(seconds, MAX_STALL_S)
        while (left := end - time.monotonic()) > 0:
            if self._closing.wait(min(left, _POLL_S)) or _has_left(connection):
                raise _Gone

    @property
    def pace(self) -> tuple[float, float]:
        """Waits before a reply and before an event, in seconds."""
        return self._latency_s, self._event_delay_s

    @property
    def app(self) -> App:
        """What answers the requests."""
        return self._app


class _Exchange:
    """Sends one reply, with what its fault makes of it."""

    def __init__(self, server: LocalServer, connection: socket.socket, request: Request, fault: Fault) -> None:
        self._server = server
        self._connection = connection
        self._request = request
        self._fault = fault

    def send(self, reply: Reply, request_id: str) -> bool:
        """Send; the answer is whether the connection can be used again.

        Raises:
            _Gone: The script cut the connection, or the client left.
        """
        fault, request = self._fault, self._request
        latency_s, event_delay_s = self._server.pace
        self._server.pause(self._connection, fault.delay_s + latency_s)
        if fault.cut_before_headers:
            self._cut()
        if fault.raw is not None:
            self._connection.sendall(fault.raw)
            self._cut()
        reply = self._changed(reply, request_id)
        pieces: Iterable[bytes] = [reply.body]
        if reply.events is not None:
            error = self._server.app.error_event(fault.in_band_error[1] if fault.in_band_error else None, request_id)
            pieces = self._paced(fault.events(reply.events, error), event_delay_s)
        if fault.content_encoding == "gzip":
            pieces = compressed(pieces)
        is_chunked = reply.events is not None and request.version == "HTTP/1.1"
        if reply.events is None:
            pieces = [b"".join(pieces)]
            reply.headers["content-length"] = str(len(pieces[0]))
        elif is_chunked:
            reply.headers["transfer-encoding"] = "chunked"
        keeps = request.keeps_alive and not fault.close_after and (is_chunked or reply.events is None)
        reply.headers["connection"] = "keep-alive" if keeps else "close"
        headers = {"content-type": reply.content_type, **reply.headers}
        request.status = reply.status
        has_body = request.method != "HEAD" and reply.status not in {204, 304}
        request.completed = not has_body
        try:
            self._connection.sendall(reply_head(reply.status, headers.items()))
            if has_body:
                self._send_body(pieces, is_chunked=is_chunked)
        except BaseException:
            request.completed = False
            raise
        return keeps

    def _changed(self, reply: Reply, request_id: str) -> Reply:
        """Apply what the fault says about status, headers and body."""
        fault = self._fault
        if fault.status is not None and fault.body is None and fault.status >= 400:
            failed = self._server.app.failure(fault.status, f"Scripted fault: status {fault.status}.", request_id)
            # A dialect that sends Retry-After with every reply would make each scripted failure a slow one.
            kept = {name: value for name, value in reply.headers.items() if name != "retry-after"}
            reply = Reply(status=fault.status, body=failed.body, headers=kept)
        elif fault.body is not None:
            reply = Reply(status=reply.status, body=_as_bytes(fault.body), headers=reply.headers)
        if fault.status is not None:
            reply.status = fault.status
        if fault.content_type is not None:
            reply.content_type = fault.content_type
        if fault.retry_after is not None:
            reply.headers["retry-after"] = (
                fault.retry_after if isinstance(fault.retry_after, str) else f"{fault.retry_after:g}"
            )
        if fault.content_encoding is not None:
            reply.headers["content-encoding"] = fault.content_encoding
        reply.headers |= {name.lower(): str(value) for name, value in fault.headers.items()}
        return reply

    def _paced(self, events: list[bytes], delay_s: float) -> Iterator[bytes]:
        for event in events:
            if delay_s:
                self._server.pause(self._connection, delay_s)
            yield event

    def _send_body(self, pieces: Iterable[bytes], *, is_chunked: bool) -> None:
        for step, is_last in _with_last(plan(pieces, self._fault)):
            # Before the last bytes go: whoever has them may look at the record at once.
            self._request.completed = is_last and not is_chunked
            match step:
                case Pause(seconds):
                    self._server.pause(self._connection, seconds)
                case Cut():
                    self._cut()
                case Data(content, announced) if is_chunked:
                    end = b"\r\n" if len(content) == announced else b""
                    if announced:  # a chunk of length zero would end the body
                        self._connection.sendall(b"%x\r\n%b%b" % (announced, content, end))
                case Data(content, _):
                    self._connection.sendall(content)
        if is_chunked:
            self._request.completed = True
            self._connection.sendall(b"0\r\n\r\n")

    def _cut(self) -> None:
        if self._fault.reset:
            # Closing with a linger time of zero sends RST instead of FIN.
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Gone


def _with_last(steps: Iterator[Step]) -> Iterator[tuple[Step, bool]]:
    held = next(steps, None)
    while held is not None:
        following = next(steps, None)
        yield held, following is None
        held = following


def _as_bytes(body: Any) -> bytes:
    if isinstance(body, bytes):
        return body
    return body.encode("utf-8", "surrogatepass") if isinstance(body, str) else json.dumps(body).encode()


def _has_left(connection: socket.socket) -> bool:
    """Tell whether the client closed its end; a pipelined request is no goodbye."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True
