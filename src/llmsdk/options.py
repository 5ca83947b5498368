"""What sets up an SDK and what steers one call, beside the parameters that go to the server."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

from typing_extensions import Doc, TypedDict  # pydantic reads typing's own TypedDict only from Python 3.12 on

from .providers.ids import ServerId
from .providers.spec import Provider
from .utils.retries import RetryBudget, RetryConfig

if TYPE_CHECKING:  # written as text below: a plain call needs neither
    from ._call.failover.policy import Failover
    from ._call.usage import Prices
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


class SDKOptions(TypedDict, total=False):
    """What `SDK(...)` takes; nothing is required that the environment gives."""

    api_key: Annotated[
        str | KeyFunction | Mapping[str, str | KeyFunction] | None,
        Doc(
            "Key of the server in use; or a function, sync or async, asked before every attempt; or a "
            "mapping of server ids, or `Provider`s, to these. Left out, the server's environment variable is read."
        ),
    ]
    server: Annotated[
        ServerId | Provider | None,
        Doc(
            "Server id, such as `openai`, or a `Provider`; Together where neither this nor a URL is given. A type "
            "checker accepts literal ids, and `PROVIDERS[name]` for others."
        ),
    ]
    server_idx: Annotated[int | None, Doc("The same by position, from 0.")]
    server_url: Annotated[
        str | None,
        Doc(
            "Base URL instead of the server's own; alone, it speaks OpenAI's dialect. A name in braces is "
            "filled from `url_params`."
        ),
    ]
    url_params: Annotated[Mapping[str, str] | None, Doc("Values for names in braces.")]
    organization_id: Annotated[str | int | None, Doc("Writer's organization, for all calls.")]
    client: Annotated[HttpClient | None, Doc("Sync HTTP client to use instead of our own; the SDK never closes it.")]
    async_client: Annotated[
        AsyncHttpClient | None,
        Doc("Async HTTP client to use instead of our own; the SDK never closes it."),
    ]
    backend: Annotated[
        Literal["httpx", "aiohttp"],
        Doc("What carries async calls; `aiohttp` (extra `aiohttp`, asyncio only) takes a third less CPU."),
    ]
    retry_config: Annotated[
        RetryConfig | int | None,
        Doc(
            "Retry policy of all calls, or a number of retries; None turns retries off. By default 3 attempts "
            "within 60 s, waits from 500 ms doubling to 8 s."
        ),
    ]
    retry_budget: Annotated[RetryBudget | None, Doc("Bound of all calls' retries together.")]
    timeout_ms: Annotated[float | None, Doc("Bound of one attempt; 600,000 by default.")]
    hooks: Annotated["Iterable[Hook]", Doc("Objects with hook methods, see `llmsdk.hooks`.")]
    observers: Annotated[
        "Iterable[Observer]",
        Doc("Told of every call up to the end of its stream, see `llmsdk.observers`."),
    ]
    http_headers: Annotated[Mapping[str, str] | None, Doc("Headers of all calls.")]
    debug_logger: Annotated[DebugLogger | None, Doc("Gets some lines per attempt, without bodies and keys.")]
    unsupported: Annotated[
        Literal["error", "drop", "pass"] | None,
        Doc("What to do with parameters that a server lacks: refuse, leave out with a warning, send."),
    ]
    failover: Annotated[
        "Failover | None",
        Doc("Servers that every call goes on to when one fails; a call that names its `server` goes to that alone."),
    ]
    track_usage: Annotated[
        bool,
        Doc("Ask servers for the token counts of streams, which some send only when asked; off by default."),
    ]
    prices: Annotated[
        "Prices | None",
        Doc("`Price` by model, or by server id and model, for `sdk.usage.cost`."),
    ]
    max_response_bytes: Annotated[int, Doc("Bound of a reply after decoding; 128 MiB by default.")]
    max_event_bytes: Annotated[int, Doc("Bound of one event of a stream; 32 MiB by default.")]


class CallOptions(TypedDict, total=False):
    """Options that every method takes; an absent one is that of the SDK."""

    server: Annotated[ServerId | Provider, Doc("Server id, or a `Provider` of your own.")]
    server_url: Annotated[str, Doc("Base URL; the dialect stays that of the server in use.")]
    organization_id: Annotated[str | int, Doc("Writer's organization, in the path.")]
    failover: Annotated[
        "Failover | None",
        Doc("Servers that the call goes on to when one fails; None for the one server alone."),
    ]
    retries: Annotated[RetryConfig | int | None, Doc("Retry policy, or a number of retries; None turns retries off.")]
    timeout_ms: Annotated[
        float | None, Doc("Bound of one attempt; of a stream, of the wait for the headers and of each silence.")
    ]
    deadline_ms: Annotated[float | None, Doc("Bound of everything: attempts, waits, body and stream.")]
    http_headers: Annotated[Mapping[str, str], Doc("Headers to add.")]
    extra_body: Annotated[Mapping[str, Any], Doc("Put into the JSON body untouched, over what is there.")]
    extra_query: Annotated[Mapping[str, Any], Doc("Put into the URL's query.")]
    unsupported: Annotated[
        Literal["error", "drop", "pass"] | None,
        Doc("What to do with parameters that the server lacks: refuse, leave out with a warning, send."),
    ]


# Not in `CallOptions`: the methods that stream name it in their signatures.
STREAM_OPTIONS = frozenset({"idle_timeout_ms"})
"""Options of streamed calls only."""

CALL_OPTIONS = frozenset(CallOptions.__annotations__) | STREAM_OPTIONS
