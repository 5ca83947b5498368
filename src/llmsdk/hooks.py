"""Hooks: objects of yours that are called before each request, after each success and after each error.

A hook has any of these methods, each of the last three plain or `async def`:

    sdk_init(config)                                       # once, by SDK(...)
    before_request(ctx, request) -> request                # every attempt, on a fresh request
    after_success(ctx, response) -> response               # every attempt that succeeds
    after_error(ctx, response | None, error) -> (response | None, error | None)   # every attempt that fails

A method that returns None leaves everything as it is. Hooks run in the order given before a request, and in reverse
after it. Async calls await async hooks, for as long as the attempt may take; sync calls refuse them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class HookContext:
    """What a hook knows about the call.

    Attributes:
        operation_id: The operation, such as `createChatCompletion`.
        server: Id of the server.
        base_url: Where the request goes, without the path of the operation.
        attempt: Number of the attempt, from 1.
        state: A dictionary of this call, for hooks to keep values from one attempt to the next.
    """

    operation_id: str
    server: str
    base_url: str
    attempt: int = 0
    state: dict[str, Any] = field(default_factory=dict[str, Any])


class SDKInitHook(Protocol):
    """Called once, by `SDK(...)`."""

    def sdk_init(self, config: Any, /) -> object:
        """Look at the configuration of a new SDK, or change it; not `async def`."""
        ...


class BeforeRequestHook(Protocol):
    """Called before every attempt."""

    def before_request(self, ctx: HookContext, request: Any, /) -> Any:
        """Return the request to send, or None to send it as it is. The request is a fresh one each time."""
        ...


class AfterSuccessHook(Protocol):
    """Called after every attempt that succeeded."""

    def after_success(self, ctx: HookContext, response: Any, /) -> Any:
        """Return the response to read, or None to read it as it is. The body of a stream is still to come."""
        ...


class AfterErrorHook(Protocol):
    """Called after every attempt that failed."""

    def after_error(self, ctx: HookContext, response: Any | None, error: Exception | None, /) -> Any:
        """Return `(response, error)`: another error with or without a response, or a response and None instead of it.

        None leaves both as they are. `response` is None where no reply came.
        """
        ...


Hook = SDKInitHook | BeforeRequestHook | AfterSuccessHook | AfterErrorHook
"""What `SDK(hooks=[...])` takes: an object with any of the four methods."""
