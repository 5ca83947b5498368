"""The drivers of one SDK: made when first needed, closed together, made again after a fork."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigurationError
from ..utils.forks import FIRST_USE

if TYPE_CHECKING:
    from .._call.countdown import Countdown
    from ..options import AsyncHttpClient, HttpClient
    from .async_driver import AsyncDriver, Transport
    from .sync_driver import SyncDriver


class Embedded(Protocol):
    """A server that runs in this process."""

    @property
    def url(self) -> str:
        """Base URL."""
        ...

    def close(self) -> None:
        """Stop it."""
        ...


# Imported when the first call needs them: httpx alone takes 40 ms, and `SDK(...)` is to take none of it.
def _transport_of(backend: str) -> Callable[..., Transport]:
    if backend == "aiohttp":
        from .aiohttp_transport import AiohttpTransport

        return AiohttpTransport
    from .transport import AsyncTransport

    return AsyncTransport


_inherited: list[Any] = []  # connections of the parent process: a finalizer here would speak on them
_forks: list[None] = []  # one for each fork that led here; to ask for the process at every call costs a system call

if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=partial(_forks.append, None))


def _check_open(client: Any, name: str) -> None:
    """Refuse a supplied client that is closed."""
    if getattr(client, "is_closed", False) is True:
        raise ConfigurationError(f"{name}: is closed; close it after the SDK's last call")


class Drivers:
    """What an SDK has opened."""

    def __init__(
        self,
        client: HttpClient | None,
        async_client: AsyncHttpClient | None,
        start_embedded: Callable[[], Embedded],
        *,
        is_hooked: bool,
        backend: str = "httpx",
    ) -> None:
        self._client = client
        self._async_client = async_client
        self._start_embedded = start_embedded
        self._is_hooked = is_hooked
        self._backend = backend
        self._forks = len(_forks)
        self._sync: SyncDriver | None = None
        self._async: AsyncDriver | None = None
        self._embedded: Embedded | None = None
        self.closed = False

    def sync(self) -> SyncDriver:
        """Answer with the sync driver.

        Raises:
            ConfigurationError: The SDK is closed, or the client that it was given.
        """
        if self._client is not None:
            _check_open(self._client, "client")
        if self._forks == len(_forks) and self._sync is not None and not self.closed:
            return self._sync.current()
        with FIRST_USE:
            self._check()
            if self._sync is None:
                from .sync_driver import SyncDriver

                codecs.lookup("idna")  # which socket.getaddrinfo imports, at the first connection
                self._sync = SyncDriver(self._client, is_hooked=self._is_hooked)
            return self._sync.current()

    def asynchronous(self) -> AsyncDriver:
        """Answer with the async driver.

        Raises:
            ConfigurationError: The SDK is closed, or the client that it was given.
        """
        if self._async_client is not None:
            _check_open(self._async_client, "async_client")
        if self._forks == len(_forks) and self._async is not None and not self.closed:
            return self._async.current()
        with FIRST_USE:
            self._check()
            if self._async is None:
                from .async_driver import AsyncDriver

                self._async = AsyncDriver(
                    self._async_client, is_hooked=self._is_hooked, make_transport=_transport_of(self._backend)
                )
            return self._async.current()

    def interrupt(self, countdowns: Collection[Countdown]) -> None:
        """Wake the threads whose attempts obey one of these countdowns; their calls fail."""
        if self._sync is not None:
            self._sync.interrupt(countdowns)

    def embedded_url(self) -> str:
        """Start the embedded server, if it does not run yet, and answer with its URL."""
        with FIRST_USE:
            self._check()
            if self._embedded is None:
                self._embedded = self._start_embedded()
            return self._embedded.url

    @property
    def is_open(self) -> bool:
        """Whether anything is left to close."""
        opened = self._async is not None and self._async.is_open
        return not self.closed and (self._sync is not None or opened or self._embedded is not None)

    def close(self) -> None:
        """Close what was opened; connections of event loops are closed by their loops, soon."""
        sync, asynchronous, embedded = self._take()
        if asynchronous is not None:
            asynchronous.close()
        if sync is not None:
            sync.close()
        if embedded is not None:
            embedded.close()

    async def aclose(self) -> None:
        """Close what was opened."""
        sync, asynchronous, embedded = self._take()
        if asynchronous is not None:
            await asynchronous.aclose()
        if sync is not None:
            sync.close()
        if embedded is not None:
            embedded.close()

    def _take(self) -> tuple[SyncDriver | None, AsyncDriver | None, Embedded | None]:
        with FIRST_USE:
            self._forget_parent()
            self.closed = True
            taken = self._sync, self._async, self._embedded
            self._sync = self._async = self._embedded = None
        return taken

    def _check(self) -> None:
        if self.closed:
            raise ConfigurationError("the SDK is closed; make a new one, or keep calls inside its `with` block")
        self._forget_parent()

    def _forget_parent(self) -> None:
        """Leave the parent's connections alone in a forked child: they are one socket in two processes."""
        if self._forks != len(_forks):
            _inherited.append((self._sync, self._async, self._embedded))
            self._sync = self._async = self._embedded = None
            self._forks = len(_forks)
