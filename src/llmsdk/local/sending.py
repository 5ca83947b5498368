"""Sending one response, with what its fault makes of it."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from .faults import MAX_STALL_S, Cut, Data, Fault, Silence, Step, compressed, plan
from .httpd import IDLE_S, Request, Response, response_head

_LEAVING_S = 5.0  # for an answer to a client that may be a hostile one
_POLL_S = 0.05  # how often a pause looks whether the client has gone


class Gone(OSError):
    """The connection is over: cut by script, closed by the client, or by the server's end."""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends the response to one request.

    Attributes:
        closing: Set when the server closes.
        latency_s, event_delay_s: Waits before the response and before each event.
    """

    connection: socket.socket
    request: Request
    fault: Fault
    closing: threading.Event
    latency_s: float
    event_delay_s: float

    def send(self, response: Response, failed: Callable[[int], Response], error_event: Callable[[Any], bytes]) -> bool:
        """Send.

        Args:
            failed: Makes the dialect's response of a status.
            error_event: Makes an error inside a stream, of its payload.

        Returns:
            Whether the connection can be used again.
        """
        fault, request = self.fault, self.request
        self.connection.settimeout(IDLE_S)  # what is left of the time for reading is not that for sending
        self._pause(fault.delay_s + self.latency_s)
        if fault.cut_before_headers:
            self._cut()
        if fault.raw is not None:
            self.connection.sendall(fault.raw)
            self._cut()
        response = self._changed(response, failed)
        pieces: Iterable[bytes] = [response.body]
        if response.events is not None:
            payload = fault.in_band_error[1] if fault.in_band_error else None
            pieces = self._paced(fault.events(response.events, error_event(payload)))
        if fault.content_encoding == "gzip":
            pieces = compressed(pieces)
        is_chunked = response.events is not None and request.version == "HTTP/1.1"
        if response.events is None:
            pieces = [b"".join(pieces)]  # its length has to be known before it is sent
            response.headers["content-length"] = str(len(pieces[0]))
        elif is_chunked:
            response.headers["transfer-encoding"] = "chunked"
        # To HTTP/1.0 a stream has no other end than that of the connection.
        keeps = request.keeps_alive and not fault.close_after and (is_chunked or response.events is None)
        response.headers["connection"] = "keep-alive" if keeps else "close"
        headers = {"content-type": response.content_type, **response.headers}
        has_body = request.method != "HEAD" and response.status not in {204, 304}
        request.status, request.completed = response.status, not has_body
        try:
            self.connection.sendall(response_head(response.status, headers.items()))
            if has_body:
                self._send_body(pieces, is_chunked=is_chunked)
        except BaseException:
            request.completed = False
            raise
        return keeps

    def _changed(self, response: Response, failed: Callable[[int], Response]) -> Response:
        """Apply what the fault says about status, headers and body."""
        fault = self.fault
        if fault.body is not None:
            response = Response(status=response.status, body=_as_bytes(fault.body), headers=response.headers)
        elif fault.status is not None and fault.status >= 400:
            # A dialect that sends Retry-After with every reply would make each scripted failure a slow one.
            kept = {name: value for name, value in response.headers.items() if name != "retry-after"}
            response = Response(body=failed(fault.status).body, headers=kept)
        if fault.status is not None:
            response.status = fault.status
        if fault.content_type is not None:
            response.content_type = fault.content_type
        if fault.retry_after is not None:
            is_text = isinstance(fault.retry_after, str)
            response.headers["retry-after"] = str(fault.retry_after) if is_text else f"{fault.retry_after:g}"
        if fault.content_encoding is not None:
            response.headers["content-encoding"] = fault.content_encoding
        response.headers |= {name.lower(): str(value) for name, value in fault.headers.items()}
        return response

    def _paced(self, events: list[bytes]) -> Iterator[bytes]:
        for event in events:
            if self.event_delay_s:
                self._pause(self.event_delay_s)
            yield event

    def _send_body(self, pieces: Iterable[bytes], *, is_chunked: bool) -> None:
        for step, is_last in _with_last(plan(pieces, self.fault)):
            # Before the last bytes go: whoever has them may look at the record at once.
            self.request.completed = is_last and not is_chunked
            match step:
                case Silence(seconds):
                    self._pause(seconds)
                case Cut():
                    self._cut()
                case Data(content, announced) if is_chunked:
                    end = b"\r\n" if len(content) == announced else b""
                    if announced:  # a chunk of length zero would end the body
                        self.connection.sendall(b"%x\r\n%b%b" % (announced, content, end))
                case Data(content, _):
                    self.connection.sendall(content)
        if is_chunked:
            self.request.completed = True
            self.connection.sendall(b"0\r\n\r\n")

    def _pause(self, seconds: float) -> None:
        """Wait; end the exchange if the client goes away or the server closes."""
        end = time.monotonic() + min(seconds, MAX_STALL_S)
        while (left := end - time.monotonic()) > 0:
            if self.closing.wait(min(left, _POLL_S)) or _has_left(self.connection):
                raise Gone

    def _cut(self) -> None:
        if self.fault.reset:
            # Closing with a linger time of zero sends RST instead of FIN.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone


def say_and_leave(connection: socket.socket, response: Response) -> None:
    """Answer a request that was not read whole, in a way that the client can still see the answer."""
    headers = (("content-type", response.content_type), ("content-length", str(len(response.body))))
    connection.settimeout(_LEAVING_S)
    connection.sendall(response_head(response.status, (*headers, ("connection", "close"))) + response.body)
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(0.5)
    for _ in range(64):  # unread bytes at the close would reset the connection
        if not connection.recv(65_536):
            break


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
    """Return whether the client closed its end; a pipelined request is no goodbye."""
    try:
        readable, _, _ = select.select([connection], [], [], 0)
        return bool(readable) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):
        return True
