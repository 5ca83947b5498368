"""`sdk.get`, `sdk.post`, …: any other path of the server in use."""

# pyright: reportInvalidTypeVarUse=false
# The type that is not named has a default, which the rule does not ask for.

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast, overload

from typing_extensions import TypedDict, TypeVar

from ..options import CallOptions
from ..utils.keywords import keywords
from .base import Resources, loaded
from .signatures import described_by

if TYPE_CHECKING:
    from .._call.operation import Operation
    from .._net.streams import EventStream, EventStreamAsync
    from ..models.documents import JsonObject
    from ..providers.spec import Page

T = TypeVar("T", default="JsonObject")


@keywords
class GetArgs(CallOptions, total=False):
    """What calls without a body take."""

    query: Mapping[str, Any]
    """Parameters of the URL; a list repeats its name."""
    pages: Page | None
    """How the list goes on, as `llmsdk.providers.Page`; all pages make one reply then."""
    items: str
    """With `pages`: the field of the reply that is the list; `data` by default."""


@keywords
class SendArgs(CallOptions, total=False):
    """What calls with a body take."""

    body: Any
    """A JSON value, a pydantic object, or bytes as they are; beside `files`, the fields of the form."""
    content_type: str
    """What a body of bytes is; `application/octet-stream` by default."""
    query: Mapping[str, Any]
    """Parameters of the URL; a list repeats its name."""
    files: Mapping[str, Any]
    """Files to upload as a form: paths, bytes, open binary files, or (name, bytes)."""


@keywords
class StreamOptions(TypedDict, total=False):
    """What is for streams alone."""

    idle_timeout_ms: float | None
    """Time limit between two events; 120,000 by default."""


@keywords
class GetStreamArgs(GetArgs, StreamOptions, total=False):
    """What a streamed call without a body takes."""


@keywords
class SendStreamArgs(SendArgs, StreamOptions, total=False):
    """What a streamed call with a body takes."""


class Paths(Resources):
    """Calls to any path below the URL of the server in use, with all that holds for other calls."""

    @overload
    def get(self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[GetArgs]) -> T: ...
    @overload
    def get(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[GetStreamArgs]
    ) -> EventStream[T, list[T]]: ...
    @overload
    def get(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[GetStreamArgs]
    ) -> T | EventStream[T, list[T]]: ...
    @described_by(GetStreamArgs)
    def get(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a GET request to a path of the server in use.

        Args:
            path: Below the server's URL, such as `/fine_tuning/jobs`; encoded where it has to be.
            cast_to: Type of the reply: a model, a TypedDict or another type that pydantic reads; `bytes` or `str` for
                the body as it is. By default a dict with `.meta`.
            stream: Get a stream of events instead of the whole reply.
            query: Parameters of the URL; a list repeats its name.
            pages: How the list goes on, as `llmsdk.providers.Page`; all pages make one reply then.
            items: With `pages`: the field of the reply that is the list; `data` by default.
            idle_timeout_ms: Time limit between two events; 120,000 by default.
            args: Options of the call, see `CallOptions`.

        Raises:
            RequestValidationError: A path that leads elsewhere, such as one with `..`; a query with a key in it.
            ResponseValidationError: The reply is not of the type.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.get("/models", query={"limit": 2})["data"]
        """
        return self._runner.call(*_call("GET", path, cast_to, args, stream))

    @overload
    async def get_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[GetArgs]
    ) -> T: ...
    @overload
    async def get_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[GetStreamArgs]
    ) -> EventStreamAsync[T, list[T]]: ...
    @overload
    async def get_async(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[GetStreamArgs]
    ) -> T | EventStreamAsync[T, list[T]]: ...
    @described_by(GetStreamArgs)
    async def get_async(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a GET request to a path of the server in use; see `get`."""
        return await self._runner.call_async(*_call("GET", path, cast_to, args, stream))

    @overload
    def post(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    def post(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStream[T, list[T]]: ...
    @overload
    def post(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStream[T, list[T]]: ...
    @described_by(SendStreamArgs)
    def post(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a POST request to a path of the server in use.

        Args:
            path: As for `get`.
            cast_to: As for `get`.
            stream: Get a stream of events instead of the whole reply.
            body: A JSON value, a pydantic object, or bytes as they are; beside `files`, the fields of the form.
            content_type: What a body of bytes is; `application/octet-stream` by default.
            query: Parameters of the URL; a list repeats its name.
            files: Files to upload as a form: paths, bytes, open binary files, or (name, bytes).
            idle_timeout_ms: Time limit between two events; 120,000 by default.
            args: Options of the call, see `CallOptions`.

        Raises:
            RequestValidationError: As `get`; or a body that JSON cannot hold, or a file that cannot be read.
            SDKError: As `get`.

        Example:
            >>> sdk.post("/tokenize", body={"model": "m", "prompt": "Hi"})
        """
        return self._runner.call(*_call("POST", path, cast_to, args, stream))

    @overload
    async def post_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    async def post_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStreamAsync[T, list[T]]: ...
    @overload
    async def post_async(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStreamAsync[T, list[T]]: ...
    @described_by(SendStreamArgs)
    async def post_async(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a POST request to a path of the server in use; see `post`."""
        return await self._runner.call_async(*_call("POST", path, cast_to, args, stream))

    @overload
    def put(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    def put(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStream[T, list[T]]: ...
    @overload
    def put(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStream[T, list[T]]: ...
    @described_by(SendStreamArgs)
    def put(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a PUT request to a path of the server in use; see `post`."""
        return self._runner.call(*_call("PUT", path, cast_to, args, stream))

    @overload
    async def put_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    async def put_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStreamAsync[T, list[T]]: ...
    @overload
    async def put_async(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStreamAsync[T, list[T]]: ...
    @described_by(SendStreamArgs)
    async def put_async(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a PUT request to a path of the server in use; see `put`."""
        return await self._runner.call_async(*_call("PUT", path, cast_to, args, stream))

    @overload
    def patch(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    def patch(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStream[T, list[T]]: ...
    @overload
    def patch(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStream[T, list[T]]: ...
    @described_by(SendStreamArgs)
    def patch(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a PATCH request to a path of the server in use; see `post`."""
        return self._runner.call(*_call("PATCH", path, cast_to, args, stream))

    @overload
    async def patch_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[SendArgs]
    ) -> T: ...
    @overload
    async def patch_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[SendStreamArgs]
    ) -> EventStreamAsync[T, list[T]]: ...
    @overload
    async def patch_async(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[SendStreamArgs]
    ) -> T | EventStreamAsync[T, list[T]]: ...
    @described_by(SendStreamArgs)
    async def patch_async(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a PATCH request to a path of the server in use; see `patch`."""
        return await self._runner.call_async(*_call("PATCH", path, cast_to, args, stream))

    @overload
    def delete(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[GetArgs]
    ) -> T: ...
    @overload
    def delete(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[GetStreamArgs]
    ) -> EventStream[T, list[T]]: ...
    @overload
    def delete(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[GetStreamArgs]
    ) -> T | EventStream[T, list[T]]: ...
    @described_by(GetStreamArgs)
    def delete(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a DELETE request to a path of the server in use; see `get`. A reply without a body is an empty dict."""
        return self._runner.call(*_call("DELETE", path, cast_to, args, stream))

    @overload
    async def delete_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[False] = ..., **args: Unpack[GetArgs]
    ) -> T: ...
    @overload
    async def delete_async(
        self, path: str, *, cast_to: type[T] = ..., stream: Literal[True], **args: Unpack[GetStreamArgs]
    ) -> EventStreamAsync[T, list[T]]: ...
    @overload
    async def delete_async(
        self, path: str, *, cast_to: type[T] = ..., stream: bool, **args: Unpack[GetStreamArgs]
    ) -> T | EventStreamAsync[T, list[T]]: ...
    @described_by(GetStreamArgs)
    async def delete_async(self, path: str, *, cast_to: Any = dict, stream: bool = False, **args: Any) -> Any:
        """Send a DELETE request to a path of the server in use; see `delete`."""
        return await self._runner.call_async(*_call("DELETE", path, cast_to, args, stream))


def _call(
    method: str, path: str, cast_to: Any, args: Mapping[str, Any], stream: Any
) -> tuple[Operation, dict[str, Any]]:
    # Imported with the first such call: it needs pydantic, and most programs make none.
    made = loaded(".path_calls", "path_call")(method, path, cast_to, args, stream=stream)
    return cast("tuple[Operation, dict[str, Any]]", made)
