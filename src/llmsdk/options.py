"""What sets up an SDK and what steers one call, beside the parameters that go to the server."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

from typing_extensions import TypedDict  # pydantic reads typing's own TypedDict only from Python 3.12 on

from .providers.ids import ServerId
from .providers.spec import Provider
from .utils.keywords import keywords
from .utils.retries import RetryBudget, RetryConfig

if TYPE_CHECKING:  # written as text below: a plain call needs neither
    from ._call.budget import Budget
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
    """API key; or a sync or async function that is called before every attempt; or a
    dict of server ids or `Provider`s to these. Defaults to the environment variable of the server."""
    server: ServerId | Provider | None
    """Server id, such as `openai`, or a `Provider`; Together if neither this nor a URL is set. A type checker
    accepts literal ids, and `PROVIDERS[name]` for others."""
    server_idx: int | None
    """The server by its index, from 0."""
    server_url: str | None
    """Base URL to use instead of the server's own; without `server`,
    OpenAI's API is used. Names in braces are replaced from `url_params`."""
    url_params: Mapping[str, str] | None
    """Values for names in braces in a URL."""
    organization_id: str | int | None
    """Writer's organization, for all calls."""
    client: HttpClient | None
    """Your own sync HTTP client; the SDK never closes it."""
    async_client: AsyncHttpClient | None
    """Your own async HTTP client; the SDK never closes it."""
    backend: Literal["httpx", "aiohttp"]
    """HTTP library of async calls; `aiohttp` (extra `aiohttp`, asyncio only) needs a third less CPU."""
    retry_config: RetryConfig | int | None
    """Retry policy of all calls, or a number of retries; None turns retries off. By default 3 attempts within 60 s,
    waits from 500 ms doubling to 8 s."""
    retry_budget: RetryBudget | None
    """Limit of the retries of all calls together."""
    timeout_ms: float | None
    """Time limit of one attempt; 600,000 by default."""
    hooks: "Iterable[Hook]"
    """Objects with hook methods; see `llmsdk.hooks`."""
    observers: "Iterable[Observer]"
    """Notified of every call until its stream ends; see `llmsdk.observers`."""
    http_headers: Mapping[str, str] | None
    """Headers of all calls."""
    debug_logger: DebugLogger | None
    """Logger that receives a few lines per attempt, without bodies and keys."""
    unsupported: Literal["error", "drop", "pass"] | None
    """What to do with unsupported parameters: raise an error, drop them with a warning, or send them."""
    failover: "Failover | None"
    """Servers to switch to when one fails; calls with a `server` of their own don't switch."""
    track_usage: bool
    """Request token counts for streams from servers that send them only on request; off by default."""
    prices: "Prices | None"
    """`Price` by model, or by server id and model, for `sdk.usage.cost`."""
    budget: "Budget | None"
    """Bound of what all calls together may cost or use; each reserves its part before it is sent."""
    max_response_bytes: int
    """Maximum size of a reply after decoding; 128 MiB by default."""
    max_event_bytes: int
    """Maximum size of one event of a stream; 32 MiB by default."""


@keywords
class CallOptions(TypedDict, total=False):
    """Options that every method takes; an absent one is that of the SDK.

    Args:
        server: Server id, or a `Provider` of your own.
        server_url: Base URL; the dialect is still that of the server in use.
        organization_id: Writer's organization, in the path.
        failover: Servers to switch to when one fails; None turns failover off.
        retries: Retry policy, or a number of retries; None turns retries off.
        timeout_ms: Time limit of one attempt; for a stream, of the wait for the headers and of each silence.
        deadline_ms: Time limit of the whole call: attempts, waits, body and stream.
        http_headers: Headers to add.
        extra_body: Added to the JSON body unchanged; overrides parameters.
        extra_query: Added to the URL's query.
        unsupported: What to do with parameters that the server lacks: refuse, leave out with a warning, send.
    """

    server: ServerId | Provider
    """Server id, or a `Provider` of your own."""
    server_url: str
    """Base URL; the dialect is still that of the server in use."""
    organization_id: str | int
    """Writer's organization, in the path."""
    failover: "Failover | None"
    """Servers to switch to when one fails; None turns failover off."""
    retries: RetryConfig | int | None
    """Retry policy, or a number of retries; None turns retries off."""
    timeout_ms: float | None
    """Time limit of one attempt; for a stream, of the wait for the headers and of each silence."""
    deadline_ms: float | None
    """Time limit of the whole call: attempts, waits, body and stream."""
    http_headers: Mapping[str, str]
    """Headers to add."""
    extra_body: Mapping[str, Any]
    """Added to the JSON body unchanged; overrides parameters."""
    extra_query: Mapping[str, Any]
    """Added to the URL's query."""
    unsupported: Literal["error", "drop", "pass"] | None
    """What to do with parameters that the server lacks: refuse, leave out with a warning, send."""


# Not in `CallOptions`: the methods that stream name it in their signatures.
STREAM_OPTIONS = frozenset({"idle_timeout_ms"})
"""Options of streamed calls only."""

CALL_OPTIONS = frozenset(CallOptions.__annotations__) | STREAM_OPTIONS
