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
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.images import CREATE_IMAGE, EDIT_IMAGE
from .signatures import described_by

# The types of the streams by names, as the overloads below repeat them.
Stream = EventStream[ImageChunk, ImageResponse]
StreamAsync = EventStreamAsync[ImageChunk, ImageResponse]


@keywords
class CreateImageArgs(ImageParams, CallOptions, total=False):
    """What `images.create` takes."""

    model: str  # not `Required`: r9s, OpenAI and servers like it have a default
    """Id of the model; Together requires one."""


@keywords
class ImageObjectArgs(CallOptions, total=False):
    """What `images.create` takes with the parameters in one object."""

    image_request: Required[ImageRequest]
    """All parameters as one object instead."""
    model: str
    """Id of the model, for an object without one; one that differs is refused."""


@keywords
class EditImageArgs(ImageEditParams, CallOptions, total=False):
    """What `images.edit` takes."""

    model: str
    """Id of the model."""


@keywords
class ImageEditObjectArgs(CallOptions, total=False):
    """What `images.edit` takes with the parameters in one object."""

    image_edit_request: Required[ImageEditRequest]
    """All parameters as one object instead."""
    model: str
    """Id of the model, for an object without one; one that differs is refused."""


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
            model: Id of the model; Together requires one.
            prompt: Description of the image. The maximum length depends on the model.
            image_request: All parameters as one object instead.
            n: Number of images. Together: 1 to 4; r9s: 1 to 10.
            size: Width and height in pixels, as `WxH`.
            width: Pixels, a multiple of 8; 1024 by default. Documented by Together.
            height: Pixels, a multiple of 8; 1024 by default. Documented by Together.
            steps: Steps of generation, 1 to 50; 20 by default. Documented by Together.
            seed: Random seed, for reproducible images.
            negative_prompt: What the image should not contain.
            image_url: Address of an image to start from. Documented by Together.
            image_base64: An image to start from, in base64. Documented by Together.
            response_format: Return addresses (`url`) or the images themselves (`b64_json`; Together calls it `base64`).
            output_format: File format. Together: jpeg (default), png; r9s: png (default), jpeg, webp.
            output_compression: Compression of jpeg and webp, 0 to 100; 100 by default.
            guidance_scale: Guidance scale: how closely to follow the prompt; 3.5 by default. Documented by Together.
            image_loras: Adapters to use. Documented by Together.
            reference_images: Addresses of images to go by. Documented by Together.
            frame_images: Images of single frames. Documented by Together.
            aspect_ratio: Width to height, such as `16:9`. Documented by Together.
            disable_safety_checker: Skip the check for unsafe images. Documented by Together.
            background: Kind of background.
            moderation: How strictly to check.
            quality: Quality, as the model has it.
            style: Style of dall-e-3.
            partial_images: Number of unfinished images that a stream sends first, 0 to 3.
            prompt_extend: Let the server extend the prompt.
            watermark: Put a watermark on the image.
            complexity: How much to plan the image. Documented by OpenAI.
            frame_count: How many frames a gif has, 2 to 16. Documented by OpenAI.
            frame_duration_ms: How long a gif shows each frame. Documented by OpenAI.
            safety_identifier: Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI.
            svg: What writes an svg, `{"model": ...}`. Documented by OpenAI.
            user: Your id of the end user, for the server's abuse monitoring.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

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
    def edit(self, *, stream: Literal[False] = ..., **args: Unpack[EditImageArgs]) -> ImageResponse: ...
    @overload
    def edit(self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[EditImageArgs]) -> Stream: ...
    @overload
    def edit(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[EditImageArgs]
    ) -> ImageResponse | Stream: ...
    @overload
    def edit(self, *, stream: Literal[False] = ..., **args: Unpack[ImageEditObjectArgs]) -> ImageResponse: ...
    @overload
    def edit(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ImageEditObjectArgs]
    ) -> Stream: ...
    @overload
    def edit(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ImageEditObjectArgs]
    ) -> ImageResponse | Stream: ...
    @described_by(EditImageArgs, ImageEditObjectArgs, operation=EDIT_IMAGE)
    def edit(self, **args: Any) -> Any:
        """Edit images by a prompt; the files are uploaded.

        Args:
            model: Id of the model.
            image: The image to change, or several.
            prompt: What to change.
            image_edit_request: All parameters as one object instead.
            mask: Image whose transparent places show where to change.
            markup: Transparent png over the first image, as a guide. Documented by OpenAI.
            moderation: How strictly to check. Documented by r9s.
            style: Style of the image. Documented by r9s.
            background: Kind of background.
            input_fidelity: How closely to keep to the image, faces above all.
            n: How many images, 1 to 10.
            size: Width and height in pixels, as `WxH`.
            quality: Quality, as the model has it.
            output_format: File format.
            output_compression: Compression of jpeg and webp, 0 to 100.
            response_format: Get addresses, or the images themselves.
            partial_images: Number of unfinished images that a stream sends first, 0 to 3.
            complexity: How much to plan the image. Documented by OpenAI.
            frame_count: How many frames a gif has, 2 to 16. Documented by OpenAI.
            frame_duration_ms: How long a gif shows each frame. Documented by OpenAI.
            safety_identifier: Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI.
            svg: What writes an svg, `{"model": ...}`. Documented by OpenAI.
            user: Your id of the end user, for the server's abuse monitoring.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

        Returns:
            The images; each can be saved. With `stream=True` an `EventStream` of partial images.

        Raises:
            RequestValidationError: A file cannot be read, beside what `create` says.
            SDKError: As `chat.create`.
        """
        return self._runner.call(EDIT_IMAGE, args, self._attach)

    @overload
    async def edit_async(self, *, stream: Literal[False] = ..., **args: Unpack[EditImageArgs]) -> ImageResponse: ...
    @overload
    async def edit_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[EditImageArgs]
    ) -> StreamAsync: ...
    @overload
    async def edit_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[EditImageArgs]
    ) -> ImageResponse | StreamAsync: ...
    @overload
    async def edit_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[ImageEditObjectArgs]
    ) -> ImageResponse: ...
    @overload
    async def edit_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[ImageEditObjectArgs]
    ) -> StreamAsync: ...
    @overload
    async def edit_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[ImageEditObjectArgs]
    ) -> ImageResponse | StreamAsync: ...
    @described_by(EditImageArgs, ImageEditObjectArgs, operation=EDIT_IMAGE)
    async def edit_async(self, **args: Any) -> Any:
        """Edit images by a prompt; the files are uploaded; see `edit`."""
        return await self._runner.call_async(EDIT_IMAGE, args, self._attach)

    @described_by(CreateImageArgs, ImageObjectArgs, EditImageArgs, ImageEditObjectArgs, operation=CREATE_IMAGE)
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
