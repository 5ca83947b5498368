"""Files that servers keep: one flow that downloads them from wherever they are stored, into memory or to a path."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ..errors import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    DeadlineExceededError,
    ResponseValidationError,
    SDKError,
)
from ..errors.status import SDKDefaultError
from ..utils.files import Draft, checked_path
from ..utils.secrets import Secret, masked
from ..utils.urls import check_base_url, is_private, origin
from .checks import has_host_name
from .core import Core
from .countdown import Countdown
from .effects import Close, Flow, Invoke, Pull, TransportFailure
from .flow import exchange
from .hooks import Hooks
from .plan import Plan
from .reply.body import BodyReader
from .reply.decode import safe_cause
from .reply.ends import MAX_FILE_BYTES, check_end, tls_that_ends
from .request.large import Body
from .state import CallState, Received
from .world import Driver, Env

if TYPE_CHECKING:
    from .observed import Observed

_MAX_REDIRECTS = 5
_MAX_URL = 1 << 15  # clients refuse URLs of twice that length with errors of their own
_SLACK_S = 0.002  # by which a timer may fire ahead of the deadline that it was set for
_REDIRECTS = tuple(range(300, 400))
_PRIVATE = "is in a private network; allow_private=True allows it"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a driver lends to flows that move files.

    Attributes:
        resolve: Returns, or awaits, the addresses of a host and port, as `getaddrinfo` gives them, within some seconds.
        is_proxied: Whether a proxy carries the requests for a URL, and looks its host up by itself.
        thread: Runs a function where it may take its time.
    """

    driver: Driver
    resolve: Callable[[str, int, float], Any]
    is_proxied: Callable[[str], bool]
    thread: Callable[..., Any]


def keyless(plan: Plan, url: str, *, method: str = "GET", content: Body | None = None, accept: str = "*/*") -> Plan:
    """Plan a request that tells a URL nothing of the API: no key, no hooks, none of the caller's headers."""
    kept = [("accept", accept), *(pair for pair in plan.headers if pair[0] in ("accept-encoding", "user-agent"))]
    return plan._replace(
        encoded=plan.encoded._replace(method=method, url=url, stream=content is None, body=content),
        target=replace(plan.target, key=None),
        headers=(*kept, *(() if content is None else (("content-type", "application/octet-stream"),))),
        is_keyed=False,
        hooks=Hooks(),
        finish=None,
        given={},
        expects=_REDIRECTS if content is None else (),
    )


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that a server keeps, itself or in a storage that it redirects to.

    A storage is asked without key. It may be in a private network where that is allowed, or where the API itself is:
    the origin of the plan's base URL is trusted.

    The end of a body is judged by RFC 9112, 8. With a length or chunks, anything less is cut. Without them the body
    ends with its connection: over TLS it is whole only where `close_notify` has come (9.8), since anybody on the way
    could have cut it; over plain HTTP a connection that is closed in order is all there is to go by, and counts.

    Attributes:
        plan: The GET that the API answers with the file, or redirects.
        started: When the deadline of the plan began to count.
    """

    plan: Plan
    tools: Tools
    env: Env
    started: float
    allow_private: bool
    observed: Observed | None = None

    def save(self, to: str | os.PathLike[str] | None) -> Flow[bytes | Path]:
        """Download the file to a path, whole or not at all, or into memory."""
        if to is None:
            pieces: list[bytes] = []
            yield from self.read(pieces.append, self.plan.limits.max_response_bytes)
            return b"".join(pieces)
        target: Path = yield Invoke(self.tools.thread, (partial(checked_path, to, "to"),))
        draft = Draft(target)
        try:
            yield from self.read(draft.write)
            yield Invoke(self.tools.thread, (draft.commit,))
        finally:
            draft.discard()
        return target

    def read(
        self, write: Callable[[bytes], Any], max_bytes: int = MAX_FILE_BYTES, *, first: Plan | None = None
    ) -> Flow[None]:
        """Download the file piece by piece, following redirects.

        Args:
            first: The request to begin with, where that is not the API's.
        """
        plan = first or self._of_api()
        for _ in range(_MAX_REDIRECTS + 1):
            url, state = plan.encoded.url, self.state(plan)
            received = yield from exchange(plan, state, self.tools.driver, self.env)
            location = received.headers.get("location", "")
            is_dropped = False
            try:
                if not (self._is_trusted(url) or self.tools.is_proxied(url)):
                    _refuse_private_peer(received.response)
                if received.status == 200:
                    return (yield from self._written(received, state, write, max_bytes))
                if received.status < 300 or not location:
                    text = "the file could not be fetched: the reply holds neither it nor where it is"
                    raise SDKDefaultError(text, status_code=received.status)
            except GeneratorExit:
                is_dropped = True  # nobody performs effects any more
                raise
            finally:
                if not is_dropped:
                    yield Close(received.response)
            plan = yield from self.elsewhere(url, location, accept=dict(plan.headers)["accept"])
        raise ResponseValidationError(f"the file's URL redirects more than {_MAX_REDIRECTS} times")

    def elsewhere(self, base: str, location: str, **request: Any) -> Flow[Plan]:
        """Plan a request to a URL that a server has named; `request` is as for `keyless`.

        Raises:
            ResponseValidationError: It is not http(s), or its host is private.
            APIConnectionError: Its host is not known.
        """
        url = _joined(base, location)
        if not self._is_trusted(url):
            yield from self._refuse_private(url)
        return keyless(self.plan, url, **request)

    def state(self, plan: Plan) -> CallState:
        """Make the state of a request."""
        state = CallState(self.started, observed=self.observed)
        if plan.target.key is None and (signature := plan.encoded.url.partition("?")[2]):
            state.secrets.add(Secret(signature))  # whoever has it may read or write the file
        return state

    def _of_api(self) -> Plan:
        headers = (("accept", "*/*") if name == "accept" else (name, value) for name, value in self.plan.headers)
        encoded = self.plan.encoded._replace(stream=True)  # the body stays open
        return self.plan._replace(encoded=encoded, headers=tuple(headers), expects=_REDIRECTS)

    # -------------------------------------------------------------------- body

    def _written(
        self, received: Received, state: CallState, write: Callable[[bytes], Any], max_bytes: int
    ) -> Flow[None]:
        countdown, size, tls = received.countdown, 0, tls_that_ends(received.response, received.headers)
        body = BodyReader(received.coding, max_bytes)
        chunks = self.tools.driver.chunks(received.response, countdown)
        is_dropped = False
        try:
            self._allow(countdown)
            while (raw := (yield Pull(chunks))) is not None:
                for piece in body.decoded(raw):
                    size += len(piece)
                    if size > max_bytes:
                        raise ResponseValidationError(f"the file is larger than {max_bytes} bytes")
                    write(piece)
                self._allow(countdown)
            write(body.finish())
            check_end(tls)
        except TransportFailure as failure:
            self._check_deadline()
            raise _failed(failure, state.secrets) from safe_cause(failure.__cause__, state.secrets)
        except GeneratorExit:
            is_dropped = True
            raise
        finally:
            if not is_dropped:
                yield Close(chunks)

    def _allow(self, countdown: Countdown) -> None:
        """Bound the next silence."""
        self._check_deadline()
        countdown.restart(self.plan.limits.timeout_s)
        if self._deadline is not None:
            countdown.shorten(self._deadline - self.env.clock())

    def _left(self) -> float:
        """Seconds that a step may take before there is an attempt with a limit of its own."""
        seconds = self.plan.limits.timeout_s
        return seconds if self._deadline is None else min(seconds, self._deadline - self.env.clock())

    def _check_deadline(self) -> None:
        if self._deadline is not None and self.env.clock() >= self._deadline - _SLACK_S:
            raise DeadlineExceededError("deadline_ms passed inside the file")

    @property
    def _deadline(self) -> float | None:
        deadline_s = self.plan.limits.deadline_s
        return None if deadline_s is None else self.started + deadline_s

    # ------------------------------------------------------------------- guard

    def _is_trusted(self, url: str) -> bool:
        return self.allow_private or origin(url) == origin(self.plan.target.base_url)

    def _refuse_private(self, url: str) -> Flow[None]:
        """Refuse a host whose name leads to a private network."""
        _, host, port = origin(url)
        try:
            found = yield Invoke(self.tools.resolve, (host, port, self._left()))
        except TimeoutError as exc:
            self._check_deadline()
            raise APITimeoutError(f"the file's host {host} was not looked up in time") from exc
        except (OSError, UnicodeError) as exc:
            hint = "; a proxy may know it: allow_private=True leaves that to the proxy"
            text = f"the file's host {host} is not known{hint if self.tools.is_proxied(url) else ''}"
            raise APIConnectionError(text) from exc
        if any(is_private(entry[4][0]) for entry in found):
            raise ResponseValidationError(f"the file's host {urlsplit(url).hostname} {_PRIVATE}")


def fetch(core: Core, template: Plan, url: str, allow_private: bool, tools: Tools) -> Flow[bytes]:
    """Fetch a file that a reply points to into memory, within the SDK's `timeout_ms` as a whole.

    Args:
        template: A plan of `keyless`, by which the reply's server is known.

    Raises:
        ResponseValidationError: The URL is not http(s), its host is private, or the file is too large.
        APIConnectionError: No reply, or not all of it.
        APIStatusError: The host answered with an error.
    """
    limits, pieces = core.usual_limits, list[bytes]()
    plan = template._replace(limits=limits._replace(deadline_s=limits.timeout_s))
    file = RemoteFile(plan, tools, core.env, core.env.clock(), allow_private)
    try:
        first = yield from file.elsewhere("", url, accept="image/*, */*;q=0.5")
        yield from file.read(pieces.append, limits.max_response_bytes, first=first)
    except APITimeoutError as exc:  # a deadline too: it is of ours, the caller has set none
        raise APITimeoutError("the file did not arrive in time", meta=exc.meta) from exc.__cause__
    except (APIConnectionError, APIStatusError) as exc:
        if not exc.message.startswith("the file"):
            exc.message = f"the file could not be fetched: {exc.message}"  # and not what the reply was asked for
        raise
    return b"".join(pieces)


def _joined(base: str, location: str) -> str:
    """Read a Location header, and refuse what is no http(s) URL."""
    try:
        url = urljoin(base, location)
    except ValueError:
        raise ResponseValidationError("the file's URL redirects to an invalid URL") from None
    try:
        check_base_url(url.partition("#")[0])
        if len(url) > _MAX_URL:
            raise ValueError(f"url: got a str of {len(url)} characters; expected {_MAX_URL}")
        if not has_host_name(url):
            raise ValueError("url: got a str with a bad host; expected a name, or its IDNA form")
    except ValueError as exc:
        raise ResponseValidationError(f"the file's URL cannot be fetched: {exc}") from None
    return url


def _failed(failure: TransportFailure, secrets: Iterable[str]) -> SDKError:
    """Make the error of a file that did not come whole."""
    text = masked(str(failure), secrets)
    if failure.kind == "timeout":
        return APITimeoutError("the file did not arrive in time")
    if failure.kind == "coding":
        return ResponseValidationError(f"the file cannot be read: {text}")
    return APIConnectionError(f"the file could not be fetched: {text}")


def _refuse_private_peer(response: Any) -> None:
    """Look at the address that was in fact connected to: names can be resolved twice with two answers."""
    stream = getattr(response, "extensions", {}).get("network_stream")
    address = stream.get_extra_info("server_addr") if stream is not None else None
    if address and is_private(str(address[0])):
        raise ResponseValidationError(f"the file's host {_PRIVATE}")
