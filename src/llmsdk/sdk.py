"""The SDK object: configuration in, resources out."""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from ._call.config import configure
from ._call.secrecy import forget_locals, hide
from ._call.target import resolve
from ._net.drivers import Drivers, Embedded
from ._net.runner import Runner
from .errors import ConfigurationError
from .options import SDKOptions
from .providers.ids import EMBEDDED
from .resources.attributes import Attributes
from .resources.signatures import described_by
from .utils.forks import once

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ._call.usage import UsageTotals
    from .many.runs.batch import FileBatch


class SDK(Attributes):
    """One client for several providers of hosted language models, sync and async.

    Use it in `with` or `async with`, which close what it opened; it serves many threads and event loops. Nothing is
    opened before the first call.

    Args:
        options: See `SDKOptions`.

    Raises:
        ConfigurationError: An option that cannot be, or no key where one is needed.
    """

    @described_by(SDKOptions)
    def __init__(self, **options: Unpack[SDKOptions]) -> None:
        hide(options)  # no frame shows a key from here on
        self._options = options
        try:
            self._config = config = configure(options)
            config.hooks.init(config)
            # What is missing shows here, not at the first call.
            for provider in (None, *(() if config.failover is None else config.failover.servers)):
                resolve(config, provider, None, lambda: "http://127.0.0.1")
            self._drivers = Drivers(
                options.get("client"),
                options.get("async_client"),
                _start_embedded,
                is_hooked=bool(config.hooks),
                backend=config.backend,
            )
            self._runner = Runner(self._drivers, config)
        except BaseException as exc:
            forget_locals(exc)
            raise

    @once
    def batch(self) -> FileBatch:
        """The requests of a file, sent from here; for batches that the server processes, see `batches`."""
        from .many.runs.batch import FileBatch

        return FileBatch(self._runner)

    @property
    def usage(self) -> UsageTotals:
        """Token counts of all calls so far, per server and model, and their cost where `prices` are set."""
        return self._runner.core.metering().totals

    def track(self) -> AbstractContextManager[UsageTotals]:
        """Sum the token counts of the calls that begin inside a `with` block, those of other tasks and threads not.

        Example:
            >>> with sdk.track() as usage:
            ...     sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
            >>> usage.total_tokens
        """
        return self._runner.core.metering().track()

    def close(self) -> None:
        """Close what the SDK opened; may be called again. Connections of an event loop are closed by it, soon."""
        self._drivers.close()

    async def aclose(self) -> None:
        """Close what the SDK opened, of both colours; may be called again."""
        await self._drivers.aclose()

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        self._check_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _check_open(self) -> None:
        if self._drivers.closed:
            raise ConfigurationError("the SDK is closed; make a new one, and enter it before it is closed")

    def __del__(self, _warn: Callable[..., None] = warnings.warn) -> None:
        # The function is bound here: at the end of the interpreter the module's names may be gone.
        drivers = getattr(self, "_drivers", None)
        if drivers is not None and drivers.is_open:
            _warn(f"unclosed {self!r}; use it in `with`, or call close()", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        config = getattr(self, "_config", None)  # a traceback with locals may show one that was never finished
        return "<SDK>" if config is None else f"<SDK of {config.provider.name}>"

    def __copy__(self) -> SDK:
        """Make an SDK of the same options, which may hold keys and clients: it stays in this process."""
        return SDK(**self._options)

    def __deepcopy__(self, memo: Any) -> SDK:
        return SDK(**self._options)

    def __reduce__(self) -> tuple[Any, ...]:
        for name in ("client", "async_client"):
            if self._options.get(name) is not None:
                raise ConfigurationError(f"{name}: a supplied client cannot be pickled; make the SDK where it is used")
        return _with_options, (self._options,)


def _with_options(options: SDKOptions) -> SDK:
    return SDK(**options)


def _start_embedded() -> Embedded:
    from .local import LocalServer

    return LocalServer(dialect=EMBEDDED).start()
