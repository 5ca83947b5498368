"""The SDK object: configuration in, resources out."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack, cast

from ._call.config import configure
from ._call.secrecy import hide, on_leaving
from ._call.target import resolve
from ._net.drivers import Drivers, Embedded
from .errors import ConfigurationError
from .options import SDKOptions
from .providers.ids import EMBEDDED
from .providers.registry import find_provider
from .resources.attributes import Attributes
from .resources.paths import Paths
from .resources.signatures import described_by
from .utils.descriptors import IMPORTING, raise_lack
from .utils.forks import once
from .utils.secrets import revealed
from .utils.shapes import is_mapping

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ._call.budget import Budget
    from ._call.config import SDKConfig
    from ._call.usage import UsageTotals
    from .check.report import CheckReport
    from .many.runs.batch import FileBatch


# Options that decide which connections there are: an SDK that differs in these can't share them.
_OF_CONNECTIONS = frozenset({"client", "async_client", "backend"})


class SDK(Attributes, Paths):
    """One client for several providers of hosted language models, sync and async.

    Use it in `with` or `async with`, which close its connections. It can be
    used by many threads and event loops. No connection is opened before the first call.

    Args:
        api_key: API key; or a sync or async function that is called before every attempt; or a dict of server ids or
            `Provider`s to these. Defaults to the environment variable of the server.
        server: Server id, such as `openai`, or a `Provider`; Together if neither this nor a URL is set. A type checker
            accepts literal ids, and `PROVIDERS[name]` for others.
        server_idx: The server by its index, from 0.
        server_url: Base URL to use instead of the server's own; without `server`, OpenAI's API is used. Names in braces
            are replaced from `url_params`.
        url_params: Values for names in braces in a URL.
        organization_id: Writer's organization, for all calls.
        client: Your own sync HTTP client; the SDK never closes it.
        async_client: Your own async HTTP client; the SDK never closes it.
        backend: HTTP library of async calls; `aiohttp` (extra `aiohttp`, asyncio only) needs a third less CPU.
        retry_config: Retry policy of all calls, or a number of retries; None turns retries off. By default 3 attempts
            within 60 s, waits from 500 ms doubling to 8 s.
        retry_budget: Limit of the retries of all calls together.
        timeout_ms: Time limit of one attempt; 600,000 by default.
        hooks: Objects with hook methods; see `llmsdk.hooks`.
        observers: Notified of every call until its stream ends; see `llmsdk.observers`.
        http_headers: Headers of all calls.
        debug_logger: Logger that receives a few lines per attempt, without bodies and keys.
        unsupported: What to do with unsupported parameters: raise an error, drop them with a warning, or send them.
        failover: Servers to switch to when one fails; calls with a `server` of their own don't switch.
        track_usage: Request token counts for streams from servers that send them only on request; off by default.
        prices: `Price` by model, or by server id and model, for `sdk.usage.cost`.
        budget: Bound of what all calls together may cost or use; each reserves its part before it is sent.
        max_response_bytes: Maximum size of a reply after decoding; 128 MiB by default.
        max_event_bytes: Maximum size of one event of a stream; 32 MiB by default.

    Raises:
        ConfigurationError: An option that cannot be, or no key where one is needed.
    """

    __module__ = "llmsdk"  # as users import it

    @described_by(SDKOptions)
    def __init__(self, **options: Unpack[SDKOptions]) -> None:
        hide(options)  # no frame shows a key from here on
        self._options = options
        self._owner: SDK | None = None  # whose connections it uses, if they are not its own
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
        except BaseException as exc:
            on_leaving(exc)  # a traceback with locals would show the options, keys among them
            raise_lack(exc)
            raise

    @described_by(SDKOptions)
    def with_options(self, **options: Unpack[SDKOptions]) -> SDK:
        """Return an SDK with other options that shares connections and the retry budget.

        This SDK owns the connections: closing the new one leaves them open, closing this one closes them for both. With
        another `client`, `async_client` or `backend`, or the first `hooks`, the new one opens and closes its own.
        A key stays with the server that it was given for, and is dropped where `server_url` changes without a new
        `api_key`. `usage` counts from zero.

        Args:
            options: Parameters of `SDK`.

        Raises:
            ConfigurationError: As for `SDK`, or this SDK is closed.

        Example:
            >>> patient = sdk.with_options(timeout_ms=900_000, retry_config=5)
            >>> patient.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        """
        hide(options)
        self._check_open()
        made = SDK(**_changed(self._options, options, self._config))
        if options.keys().isdisjoint(_OF_CONNECTIONS) and bool(made._config.hooks) == bool(self._config.hooks):
            made._owner = self
            made._drivers = self._drivers
        return made

    # The only import of files of rows; `once` makes it at the first use, also if several threads come at once.
    @once
    def batch(self) -> FileBatch:
        """Send a file of requests from here; for batches that the server processes, see `batches`."""
        with IMPORTING:
            from .many.runs.batch import FileBatch

        return FileBatch(self._runner)

    @property
    def usage(self) -> UsageTotals:
        """Token counts of all calls so far, per server and model, and their cost if `prices` are set."""
        return self._runner.core.metering().totals

    def track(self, budget: Budget | None = None) -> AbstractContextManager[UsageTotals]:
        """Count the tokens of the calls that begin inside a `with` block, without those of other tasks and threads.

        Args:
            budget: Bound of what these calls may cost or use, beside that of the SDK.

        Raises:
            ConfigurationError: It is no budget.

        Example:
            >>> with sdk.track() as usage:
            ...     sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
            >>> usage.total_tokens
        """
        return self._runner.core.metering().track(budget)

    def check(self, model: str) -> CheckReport:
        """Compare what the server does with what its dialect says, by some ten small calls.

        At most 12 requests of 256 tokens to generate are sent, within the SDK's `budget`.

        Args:
            model: Its name at the server.

        Returns:
            What was expected and seen; `print` shows a table, and `write` makes a file of the `Provider` that fits.

        Raises:
            SDKError: A plain question got no answer: a wrong key, no such model, no connection.

        Example:
            >>> print(sdk.check("m"))
        """
        report: CheckReport = import_module(".check.running", __package__).run(self, model)
        return report

    async def check_async(self, model: str) -> CheckReport:
        """Compare what the server does with what its dialect says; as `check`."""
        report: CheckReport = await import_module(".check.running", __package__).run_async(self, model)
        return report

    def close(self) -> None:
        """Close all connections; can be called again. An event loop closes its own soon afterwards."""
        if self._owner is None:
            self._drivers.close()

    async def aclose(self) -> None:
        """Close all connections, sync and async; can be called again."""
        if self._owner is None:
            await self._drivers.aclose()

    def __enter__(self) -> Self:
        # A closed SDK would only fail at the first call, far from the mistake.
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
        if drivers is not None and self._owner is None and drivers.is_open:
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
        return _made_of, (self._options,)


def _made_of(options: SDKOptions) -> SDK:
    return SDK(**options)


def _changed(usual: SDKOptions, changes: SDKOptions, config: SDKConfig) -> SDKOptions:
    """Put changes over the options of an SDK, and keep its key from going where it was not given for."""
    options: dict[str, Any] = {**usual, "retry_budget": config.retry_budget, **changes}
    if not changes.keys().isdisjoint(("server", "server_idx")):
        for name in ("server", "server_idx"):
            if name not in changes:
                options.pop(name, None)
        # As in a call: the URL belongs to the server that it was given with.
        is_same = find_provider(changes.get("server"), changes.get("server_idx")) is config.provider
        if "server_url" not in changes and not is_same:
            options.pop("server_url", None)
    elif "failover" not in changes:
        options["server"] = config.provider
        options.pop("server_idx", None)
    if "server_url" in changes and "api_key" not in changes:
        options.pop("api_key", None)
    elif "api_key" not in changes and "api_key" in usual:
        given = usual["api_key"]
        if given is not None and not is_mapping(revealed(given)):
            options["api_key"] = {config.provider: revealed(given)}
    return cast(SDKOptions, hide(options))


def _start_embedded() -> Embedded:
    from .local import LocalServer  # the embedded provider, which hosted servers never need

    return LocalServer(dialect=EMBEDDED).start()
