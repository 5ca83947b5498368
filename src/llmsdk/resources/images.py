"""`sdk.images`: image generation and image edit."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Required, Unpack, overload

from .._call.download import fetch, keyless
from .._call.plan import Plan
from .._call.preview import Preview
from .._net.runner import Runner
from .._net.streams import EventStream, EventStreamAsync
from ..models.images import ImageChunk, ImageEditParams, ImageEditRequest, ImageParams, ImageRequest, ImageResponse
from ..options import CallOptions
from .base import MappedResource
from .operations.images import CREATE_IMAGE, EDIT_IMAGE
from .signatures import described_by

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[ImageChunk, ImageResponse]
StreamAsync = EventStreamAsync[ImageChunk, ImageResponse]


class CreateImageArgs(ImageParams, CallOptions, total=False):
    """What `images.create` takes."""

    model: str  # not `Required`: r9s, OpenAI and servers like it have a default


class ImageObjectArgs(CallOptions, total=False):
    """What `images.create` takes with the parameters in one object."""

    image_request: Required[ImageRequest]
    model: str


class EditImageArgs(ImageEditParams, CallOptions, total=False):
    """What `images.edit` takes."""

    model: str


class ImageEditObjectArgs(CallOptions, total=False):
    """What `images.edit` takes with the parameters in one object."""

    image_edit_request: Required[ImageEditRequest]
    model: str


# An image outlives its call, and may be saved by another thread or loop: so it holds what fetches it, and no driver.
@dataclass(frozen=True, slots=True)
class _Fetcher:
    """Fetches the files of one reply, with the SDK's clients and without its key."""

    runner: Runner
    plan: Plan

    # No operation: an address is no endpoint of the server, and neither retried as one nor traced.
    def fetch(self, url: str, *, allow_private: bool) -> bytes:
        return self.runner.transfer(None, {}, partial(fetch, self.runner.core, self.plan, url, allow_private))

    async def fetch_async(self, url: str, *, allow_private: bool) -> bytes:
        flow = partial(fetch, self.runner.core, self.plan, url, allow_private)
        return await self.runner.transfer_async(None, {}, flow)


class Images(MappedResource[ImageRequest, ImageResponse]):
    """Image generation and image edit."""

    _create = CREATE_IMAGE

    # What `stream` is decides what comes back, in either of the two calling forms: checkers know it from these
    # overloads alone, as the implementation takes and returns anything.
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[CreateImageArgs]) -> ImageResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateImageArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateImageArgs]
    ) -> ImageResponse | Stream: ...
    @overload
    def create(self, *, stream: Literal[False] = ..., **args: Unpack[ImageObjectArgs]) -> ImageResponse: ...
    @overload
    def create(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ImageObjectArgs]
    ) -> Stream: ...
    @overload
    def create(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ImageObjectArgs]
    ) -> ImageResponse | Stream: ...
    @described_by(CreateImageArgs, ImageObjectArgs, operation=CREATE_IMAGE)
    def create(self, **args: Any) -> Any:
        """Generate images from a prompt.

        Args:
            args: Parameters of the request, and options of the call; or the parameters as one `image_request`.

        Returns:
            The images; each can be saved. With `stream=True` an `EventStream` of partial images.

        Raises:
            SDKError: As `chat.create`.

        Example:
            >>> sdk.images.create(model="m", prompt="a cat", width=512, height=512).data[0].save("cat.png")
        """
        return self._runner.call(CREATE_IMAGE, args, self._attach)

    @overload
    async def create_async(self, *, stream: Literal[False] = ..., **args: Unpack[CreateImageArgs]) -> ImageResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[CreateImageArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[CreateImageArgs]
    ) -> ImageResponse | StreamAsync: ...
    @overload
    async def create_async(self, *, stream: Literal[False] = ..., **args: Unpack[ImageObjectArgs]) -> ImageResponse: ...
    @overload
    async def create_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ImageObjectArgs]
    ) -> StreamAsync: ...
    @overload
    async def create_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ImageObjectArgs]
    ) -> ImageResponse | StreamAsync: ...
    @described_by(CreateImageArgs, ImageObjectArgs, operation=CREATE_IMAGE)
    async def create_async(self, **args: Any) -> Any:
        """Generate images from a prompt; see `create`."""
        return await self._runner.call_async(CREATE_IMAGE, args, self._attach)

    @overload
    def edit(self, **args: Unpack[EditImageArgs]) -> ImageResponse: ...
    @overload
    def edit(self, **args: Unpack[ImageEditObjectArgs]) -> ImageResponse: ...
    @described_by(EditImageArgs, ImageEditObjectArgs, operation=EDIT_IMAGE)
    def edit(self, **args: Any) -> Any:
        """Edit images by a prompt; the files are uploaded.

        Args:
            args: Parameters of the request, and options of the call; or the parameters as one `image_edit_request`.

        Raises:
            RequestValidationError: A file cannot be read, beside what `create` says.
            SDKError: As `chat.create`.
        """
        return self._runner.call(EDIT_IMAGE, args, self._attach)  # no overload for streams: an edit has none

    @overload
    async def edit_async(self, **args: Unpack[EditImageArgs]) -> ImageResponse: ...
    @overload
    async def edit_async(self, **args: Unpack[ImageEditObjectArgs]) -> ImageResponse: ...
    @described_by(EditImageArgs, ImageEditObjectArgs, operation=EDIT_IMAGE)
    async def edit_async(self, **args: Any) -> Any:
        """Change images by a prompt; the files are uploaded; as `edit`."""
        return await self._runner.call_async(EDIT_IMAGE, args, self._attach)

    def preview(self, **args: Any) -> Preview:
        """Make the request of `create`, or with `image` or `image_edit_request` of `edit`, and send nothing."""
        # One `preview` for both, as a resource has one; the file is what tells them apart.
        is_edit = "image" in args or "image_edit_request" in args
        return self._runner.preview(EDIT_IMAGE if is_edit else CREATE_IMAGE, args)

    def _attach(self, reply: ImageResponse, plan: Plan) -> None:
        """Let images that came as URLs be saved; what was sent for them, and the key, are not kept."""
        fetcher = _Fetcher(self._runner, keyless(plan, plan.target.base_url))
        for image in reply.data:
            image.attach(fetcher)
