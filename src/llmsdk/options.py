"""What sets up an SDK and what steers one call, beside the parameters that go to the server."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from typing_extensions import TypedDict  # pydantic reads typing's own TypedDict only from Python 3.12 on

from .providers.ids import ServerId
from .providers.spec import Provider
from .utils.keywords import keywords
from .utils.retries import RetryBudget, RetryConfig

if TYPE_CHECKING:  # written as text below: a plain call needs neither
    from ._call.failover.policy import Failover
    from ._call.prices import Prices
    from .hooks import Hook
    from .observers import Observer


KeyFunction = Callable[[], str] | Callable[[], Awaitable[str]]
"""Returns the API key; called before every attempt, so that a rotated key is picked up."""


class HttpClient(Protocol):
    """What a supplied sync client has to have; `httpx.Client` and `httpx2.Client` do."""

    def build_request(
        self, method: str, url: str, *, headers: Any = ..., content: Any = ..., extensions: Any = ...
    ) -> Any:
        """Make a request; `extensions` holds the timeouts."""
        ...

    def send(self, request: Any, *, stream: bool = ..., follow_redirects: bool = ...) -> Any:
        """Send a request, with `stream=True`: the body is left unread."""
        ...

    def close(self) -> None:
        """Close connections; the SDK never calls it."""
        ...


class AsyncHttpClient(Protocol):
    """What a supplied async client has to have; `httpx.AsyncClient` and `httpx2.AsyncClient` do."""

    def build_request(
        self, method: str, url: str, *, headers: Any = ..., content: Any = ..., extensions: Any = ...
    ) -> Any:
        """Make a request; `extensions` holds the timeouts."""
        ...

    async def send(self, request: Any, *, stream: bool = ..., follow_redirects: bool = ...) -> Any:
        """Send a request, with `stream=True`: the body is left unread."""
        ...

    async def aclose(self) -> None:
        """Close connections; the SDK never calls it."""
        ...


class DebugLogger(Protocol):
    """What `debug_logger` has to have; a `logging.Logger` does."""

    def debug(self, msg: str, *args: Any) -> Any:
        """Take a line; the arguments are merged into it by `%`."""
        ...


@keywords
class SDKOptions(TypedDict, total=False):
    """What `SDK(...)` takes; nothing is required that the environment gives."""

    api_key: str | KeyFunction | Mapping[str, str | KeyFunction] | None
    """Key of the server in use; or a function, sync or async, asked before every attempt; or a mapping of server ids,
    or `Provider`s, to these. Left out, the server's environment variable is read."""
    server: ServerId | Provider | None
    """Server id, such as `openai`, or a `Provider`; Together if neither this nor a URL is set. A type checker
    accepts literal ids, and `PROVIDERS[name]` for others."""
    server_idx: int | None
    """The same by position, from 0."""
    server_url: str | None
    """Base URL instead of the server's own; alone, it speaks OpenAI's dialect. A name in braces is filled from
    `url_params`."""
    url_params: Mapping[str, str] | None
    """Values for names in braces."""
    organization_id: str | int | None
    """Writer's organization, for all calls."""
    client: HttpClient | None
    """Sync HTTP client to use instead of our own; the SDK never closes it."""
    async_client: AsyncHttpClient | None
    """Async HTTP client to use instead of our own; the SDK never closes it."""
    backend: Literal["httpx", "aiohttp"]
    """What carries async calls; `aiohttp` (extra `aiohttp`, asyncio only) takes a third less CPU."""
    retry_config: RetryConfig | int | None
    """Retry policy of all calls, or a number of retries; None turns retries off. By default 3 attempts within 60 s,
    waits from 500 ms doubling to 8 s."""
    retry_budget: RetryBudget | None
    """Bound of all calls' retries together."""
    timeout_ms: float | None
    """Bound of one attempt; 600,000 by default."""
    hooks: "Iterable[Hook]"
    """Objects with hook methods, see `llmsdk.hooks`."""
    observers: "Iterable[Observer]"
    """Told of every call up to the end of its stream, see `llmsdk.observers`."""
    http_headers: Mapping[str, str] | None
    """Headers of all calls."""
    debug_logger: DebugLogger | None
    """Gets some lines per attempt, without bodies and keys."""
    unsupported: Literal["error", "drop", "pass"] | None
    """What to do with parameters that a server lacks: refuse, leave out with a warning, send."""
    failover: "Failover | None"
    """Servers that every call goes on to when one fails; a call that names its `server` goes to that alone."""
    track_usage: bool
    """Ask servers for the token counts of streams, which some send only when asked; off by default."""
    prices: "Prices | None"
    """`Price` by model, or by server id and model, for `sdk.usage.cost`."""
    max_response_bytes: int
    """Bound of a reply after decoding; 128 MiB by default."""
    max_event_bytes: int
    """Bound of one event of a stream; 32 MiB by default."""


@keywords
class CallOptions(TypedDict, total=False):
    """Options that every method takes; an absent one is that of the SDK.

    Args:
        server: Server id, or a `Provider` of your own.
        server_url: Base URL; the dialect stays that of the server in use.
        organization_id: Writer's organization, in the path.
        failover: Servers that the call goes on to when one fails; None for the one server alone.
        retries: Retry policy, or a number of retries; None turns retries off.
        timeout_ms: Bound of one attempt; of a stream, of the wait for the headers and of each silence.
        deadline_ms: Bound of everything: attempts, waits, body and stream.
        http_headers: Headers to add.
        extra_body: Put into the JSON body untouched, over what is there.
        extra_query: Put into the URL's query.
        unsupported: What to do with parameters that the server lacks: refuse, leave out with a warning, send.
    """

    server: ServerId | Provider
    """Server id, or a `Provider` of your own."""
    server_url: str
    """Base URL; the dialect stays that of the server in use."""
    organization_id: str | int
    """Writer's organization, in the path."""
    failover: "Failover | None"
    """Servers that the call goes on to when one fails; None for the one server alone."""
    retries: RetryConfig | int | None
    """Retry policy, or a number of retries; None turns retries off."""
    timeout_ms: float | None
    """Bound of one attempt; of a stream, of the wait for the headers and of each silence."""
    deadline_ms: float | None
    """Bound of everything: attempts, waits, body and stream."""
    http_headers: Mapping[str, str]
    """Headers to add."""
    extra_body: Mapping[str, Any]
    """Put into the JSON body untouched, over what is there."""
    extra_query: Mapping[str, Any]
    """Put into the URL's query."""
    unsupported: Literal["error", "drop", "pass"] | None
    """What to do with parameters that the server lacks: refuse, leave out with a warning, send."""


# Not in `CallOptions`: the methods that stream name it in their signatures.
STREAM_OPTIONS = frozenset({"idle_timeout_ms"})
"""Options of streamed calls only."""

CALL_OPTIONS = frozenset(CallOptions.__annotations__) | STREAM_OPTIONS
