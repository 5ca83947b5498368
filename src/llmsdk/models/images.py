"""Images: the parameters of generation and edit, the reply, its chunks and how they fold."""

import os
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal, Protocol, Required, Self, TypeAlias, cast

from pydantic import Field, GetCoreSchemaHandler, PrivateAttr
from pydantic_core import CoreSchema, PydanticCustomError, core_schema
from typing_extensions import TypedDict

from ..errors import ConfigurationError, RequestValidationError, ResponseValidationError
from ..utils.files import checked_path, decoded_base64, write_suffixed
from ..utils.keywords import keywords
from ..utils.shapes import described
from ._fold.rule import Fold
from .common import Flag, Listed, Loose, Model, Number, OrEmpty, Reply, Text, Whole, is_list, shown
from .folding import Accumulator

# ---------------------------------------------------------------- requests


class ImageLora(TypedDict, total=False):
    """An adapter put on the model."""

    path: Required[str]
    """Address of the adapter."""
    scale: Required[float]
    """Strength of the adapter."""


@keywords
class ImageParams(TypedDict, total=False):
    """Parameters of image generation, without the model."""

    prompt: Required[str]
    """Description of the image. The maximum length depends on the model."""
    n: int | None
    """Number of images. Together: 1 to 4; r9s: 1 to 10."""
    size: (
        Literal["auto", "256x256", "512x512", "1024x1024", "1536x1024", "1024x1536", "1792x1024", "1024x1792"]
        | str
        | None
    )
    """Width and height in pixels, as `WxH`."""
    width: int | None
    """Pixels, a multiple of 8; 1024 by default. Documented by Together."""
    height: int | None
    """Pixels, a multiple of 8; 1024 by default. Documented by Together."""
    steps: int | None
    """Steps of generation, 1 to 50; 20 by default. Documented by Together."""
    seed: int | None
    """Random seed, for reproducible images."""
    negative_prompt: str | None
    """What the image should not contain."""
    image_url: str | None
    """Address of an image to start from. Documented by Together."""
    image_base64: str | None
    """An image to start from, in base64. Documented by Together."""
    response_format: Literal["url", "b64_json", "base64"] | str | None
    """Return addresses (`url`) or the images themselves (`b64_json`; Together calls it `base64`)."""
    output_format: Literal["png", "jpeg", "webp", "gif", "svg"] | str | None
    """File format. Together: jpeg (default), png; r9s: png (default), jpeg, webp."""
    output_compression: int | None
    """Compression of jpeg and webp, 0 to 100; 100 by default."""
    guidance_scale: float | None
    """Guidance scale: how closely to follow the prompt; 3.5 by default. Documented by Together."""
    image_loras: Annotated[Sequence[ImageLora], Listed()] | None
    """Adapters to use. Documented by Together."""
    reference_images: Annotated[Sequence[str], Listed()] | None
    """Addresses of images to go by. Documented by Together."""
    frame_images: Annotated[Sequence[Any], Listed()] | None
    """Images of single frames. Documented by Together."""
    aspect_ratio: str | None
    """Width to height, such as `16:9`. Documented by Together."""
    disable_safety_checker: bool | None
    """Skip the check for unsafe images. Documented by Together."""
    background: Literal["transparent", "opaque", "auto"] | str | None
    """Kind of background."""
    moderation: Literal["low", "auto"] | str | None
    """How strictly to check."""
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "hd", "standard"] | str | None
    """Quality, as the model has it."""
    style: Literal["vivid", "natural"] | str | None
    """Style of dall-e-3."""
    partial_images: int | None
    """Number of unfinished images that a stream sends first, 0 to 3."""
    prompt_extend: bool | None
    """Let the server extend the prompt."""
    watermark: bool | None
    """Put a watermark on the image."""
    complexity: Literal["low", "medium", "high"] | str | None
    """How much to plan the image. Documented by OpenAI."""
    frame_count: int | None
    """How many frames a gif has, 2 to 16. Documented by OpenAI."""
    frame_duration_ms: int | None
    """How long a gif shows each frame. Documented by OpenAI."""
    safety_identifier: str | None
    """Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI."""
    svg: Mapping[str, Any] | None
    """What writes an svg, `{"model": ...}`. Documented by OpenAI."""
    user: str | None
    """Your id of the end user, for the server's abuse monitoring."""


class ImageRequest(ImageParams, total=False):
    """A request of image generation."""

    model: str
    """Id of the model; Together requires one."""
    stream: bool | None
    """Stream unfinished images as events."""


# No plain str: it could be a path, or what the file holds.
FileInput: TypeAlias = bytes | os.PathLike[str] | BinaryIO | tuple[str, bytes]
"""A file to send: its bytes, its path, a file open for reading bytes, or its name and bytes."""


class _IsFile:
    """Check a file, or `several` in a list, without reading it."""

    def __init__(self, *, several: bool = False) -> None:
        self._several = several

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._check)

    def _check(self, value: Any) -> Any:
        items = value if self._several and is_list(value) else [value]
        for item in items:
            match item:
                case bytes() | os.PathLike() | (str(), bytes()):
                    pass
                case _ if hasattr(item, "read"):
                    pass
                case _:
                    raise PydanticCustomError(
                        "file", "Input should be bytes, a path object, a file open for reading bytes, or (name, bytes)"
                    )
        return cast(Any, value)


CheckedFile: TypeAlias = Annotated[FileInput, _IsFile()]
"""A file to send that is not read when it is checked."""


@keywords
class ImageEditParams(TypedDict, total=False):
    """Parameters of an image edit, without the model."""

    image: Required[Annotated[FileInput | list[FileInput], _IsFile(several=True)]]
    """The image to change, or several."""
    prompt: Required[str]
    """What to change."""
    mask: Annotated[FileInput | None, _IsFile()]
    """Image whose transparent places show where to change."""
    markup: Annotated[FileInput | None, _IsFile()]
    """Transparent png over the first image, as a guide. Documented by OpenAI."""
    moderation: Literal["low", "auto"] | str | None
    """How strictly to check. Documented by r9s."""
    style: Literal["vivid", "natural"] | str | None
    """Style of the image. Documented by r9s."""
    background: Literal["transparent", "opaque", "auto"] | str | None
    """Kind of background."""
    input_fidelity: Literal["high", "low"] | str | None
    """How closely to keep to the image, faces above all."""
    n: int | None
    """How many images, 1 to 10."""
    size: Literal["auto", "256x256", "512x512", "1024x1024", "1536x1024", "1024x1536"] | str | None
    """Width and height in pixels, as `WxH`."""
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard"] | str | None
    """Quality, as the model has it."""
    output_format: Literal["png", "jpeg", "webp", "gif", "svg"] | str | None
    """File format."""
    output_compression: int | None
    """Compression of jpeg and webp, 0 to 100."""
    response_format: Literal["url", "b64_json"] | str | None
    """Get addresses, or the images themselves."""
    partial_images: int | None
    """Number of unfinished images that a stream sends first, 0 to 3."""
    complexity: Literal["low", "medium", "high"] | str | None
    """How much to plan the image. Documented by OpenAI."""
    frame_count: int | None
    """How many frames a gif has, 2 to 16. Documented by OpenAI."""
    frame_duration_ms: int | None
    """How long a gif shows each frame. Documented by OpenAI."""
    safety_identifier: str | None
    """Your id of the end user, hashed, for abuse monitoring. Documented by OpenAI."""
    svg: Mapping[str, Any] | None
    """What writes an svg, `{"model": ...}`. Documented by OpenAI."""
    user: str | None
    """Your id of the end user, for the server's abuse monitoring."""


class ImageEditRequest(ImageEditParams, total=False):
    """A request of an image edit."""

    model: str
    """Id of the model."""
    stream: bool | None
    """Stream unfinished images as events."""


# ---------------------------------------------------------------- replies


class Fetcher(Protocol):
    """Gets the bytes of an image's address, without any key."""

    def fetch(self, url: str, *, allow_private: bool) -> bytes:
        """Get the bytes; addresses of private networks only if allowed."""
        ...

    def fetch_async(self, url: str, *, allow_private: bool) -> Awaitable[bytes]:
        """Get the bytes in an event loop."""
        ...


class Image(Model):
    """An image, as base64 or as an address."""

    b64_json: Text = None
    """The image in base64."""
    url: Text = None
    """Address of the image."""
    revised_prompt: Text = None
    """The prompt that the model used, where the server rewrote yours."""
    index: int | None = None
    """Position among the images, from 0."""
    type: Text = None
    """Kind of item, in the server's own word."""

    # Private and given by the SDK: a model must not hold what a pickle or a copy would take along.
    _fetcher: Fetcher | None = PrivateAttr(default=None)

    def attach(self, fetcher: Fetcher | None) -> None:
        """Give the image the means to get its bytes from its address; not kept by pickles and copies."""
        self._fetcher = fetcher

    @property
    def content(self) -> bytes:
        """The bytes of the image; `read` gets them from private networks too, `read_async` without blocking."""
        return self.read()

    def read(self, *, allow_private: bool = False) -> bytes:
        """Return the bytes of the image, and download them if the server sent an address.

        Args:
            allow_private: Fetch from addresses of private networks too.

        Raises:
            ResponseValidationError: There is no image, or its base64 is broken.
            ConfigurationError: The image has an address and belongs to no SDK that could fetch it.
        """
        # Checked before anything else, so that a wrong value is an error for images in base64 too.
        may = checked_private(allow_private)
        data = self._local()
        return self._needs_fetcher().fetch(str(self.url), allow_private=may) if data is None else data

    async def read_async(self, *, allow_private: bool = False) -> bytes:
        """Return the bytes of the image, and download them if the server sent an address; as `read`."""
        from anyio.to_thread import run_sync

        may = checked_private(allow_private)
        data = await run_sync(self._local)  # to decode some MB of base64 takes a while
        return await self._needs_fetcher().fetch_async(str(self.url), allow_private=may) if data is None else data

    def save(self, path: str | os.PathLike[str], *, allow_private: bool = False) -> Path:
        """Write the image to a file, whole or not at all.

        Args:
            path: Where to; a path without suffix gets the one of the image's format.
            allow_private: Fetch from addresses of private networks too.

        Returns:
            The path written.

        Raises:
            RequestValidationError: The path is none, or that of a folder, device or pipe; nothing was fetched.
            OSError: The file cannot be written; `filename` is its path, and nothing half-written stays.
            ResponseValidationError: There is no image, or its base64 is broken.
            ConfigurationError: The image has an address and belongs to no SDK that could fetch it.
        """
        target = checked_path(path)
        return write_suffixed(target, self.read(allow_private=allow_private))

    async def save_async(self, path: str | os.PathLike[str], *, allow_private: bool = False) -> Path:
        """Write the image to a file, whole or not at all; as `save`, with the work on the file in another thread."""
        from anyio.to_thread import run_sync

        checked_private(allow_private)  # before the path, as `save` does
        target = await run_sync(checked_path, path)
        data = await self.read_async(allow_private=allow_private)
        # Never abandoned by a cancellation: what has begun is written whole, and no draft stays behind.
        return await run_sync(write_suffixed, target, data)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = shown().image_bundle([self], repr(self))
        return bundle

    def _local(self) -> bytes | None:
        """Decode what the reply itself holds; None if the image is elsewhere."""
        for field, value in (("b64_json", self.b64_json), ("url", self.url)):
            if not isinstance(value, str) or not value:
                continue
            if field == "url" and value[:5].lower() != "data:":
                return None
            try:
                return decoded_base64(value)
            except ValueError:
                raise ResponseValidationError(f"the image's {field} is not valid base64") from None
        raise ResponseValidationError("the image has neither b64_json nor url")

    def _needs_fetcher(self) -> Fetcher:
        if self._fetcher is None:
            raise ConfigurationError(
                "this image has an address only and no SDK to fetch it with: save it before it is copied or pickled, "
                "or ask for response_format='b64_json'"
            )
        return self._fetcher

    def __getstate__(self) -> dict[Any, Any]:
        # It holds the SDK with its connections, which neither travel nor may outlive a copy.
        state = super().__getstate__()
        private = cast("dict[str, Any] | None", state.get("__pydantic_private__"))
        return {**state, "__pydantic_private__": {**(private or {}), "_fetcher": None}}

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._fetcher = None
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return super(Image, self.__copy__()).__deepcopy__(memo)


def checked_private(allow_private: object) -> bool:
    """Refuse what is no bool: a text such as "no" would allow."""
    if isinstance(allow_private, bool):
        return allow_private
    raise RequestValidationError(
        f"allow_private: got {described(allow_private)}; expected a bool", param="allow_private"
    )


class ImageUsage(Model):
    """Usage of image calls; which fields are set depends on the model."""

    prompt_tokens: Whole = None
    """Tokens of the prompt."""
    image_tokens: Whole = None
    """Tokens of images."""
    input_text_tokens: Whole = None
    """Tokens of text in the input."""
    output_image_tokens: Whole = None
    """Tokens of the images produced."""
    width: Whole = None
    """Width that is billed, in pixels."""
    height: Whole = None
    """Height that is billed, in pixels."""
    image_count: Whole = None
    """Images that are billed."""
    total_tokens: Whole = None
    """Input and output together."""
    input_tokens: Whole = None
    """Tokens of the input."""
    output_tokens: Whole = None
    """Tokens of the output."""


class ImageResponse(Reply):
    """The reply to image generation or an image edit."""

    id: Text = None
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: Text = None
    """Model that answered, in the server's own spelling."""
    data: Annotated[list[Image], OrEmpty(list)] = Field(default_factory=list[Image])
    """The images."""
    usage: Annotated[ImageUsage | None, Loose()] = None
    """What is billed."""

    @property
    def images(self) -> list[Image]:
        """The images; the same as `data`."""
        return self.data

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = shown().image_bundle(self.data, repr(self))
        return bundle

    def attach(self, fetcher: Fetcher | None) -> None:
        """Give every image the means to get its bytes."""
        for image in self.data:
            image.attach(fetcher)


class ImageChunkItem(Model):
    """One image of an event, finished or not; `progress` runs from 0 to 1."""

    index: int | None = None
    """Position among the images, from 0."""
    b64_json: Text = None
    """The image so far, in base64."""
    url: Text = None
    """Address of the image so far."""
    progress: Number = None
    """How far it has come, 0 to 1."""
    is_final: Flag = None
    """Whether this is the finished image."""
    revised_prompt: Text = None
    """The prompt that the model used, where the server rewrote yours."""


class ImageChunk(Model):
    """One event of streamed image generation.

    Either images in `data`, or one image in `b64_json`, with a `type` that ends in `partial_image` or `completed`.
    """

    id: Text = None
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began the reply."""
    model: Text = None
    """Model that answered, in the server's own spelling."""
    data: Annotated[list[ImageChunkItem], OrEmpty(list)] = Field(default_factory=list[ImageChunkItem])
    """Images, finished or not."""
    usage: Annotated[ImageUsage | None, Loose()] = None
    """What is billed, in the last event."""
    type: Text = None
    """Kind of event; ends in `partial_image` or `completed` where the image is in `b64_json`."""
    b64_json: Text = None
    """The image so far, in base64."""
    created_at: Number = None
    """Seconds since 1970 when the server made the event."""
    partial_image_index: Whole = None
    """Number of the unfinished image, from 0."""

    @property
    def text(self) -> str:
        """Images have no text; here so that every stream can be asked for it."""
        return ""


# ---------------------------------------------------------------- folding


class ImageAccumulator(Accumulator[ImageChunk, ImageResponse]):
    """Folds the events of image generation and edit: of each image the last that came."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._rest = Fold(is_state=True)
        self._items: dict[int, dict[str, Any]] = {}
        self._final: set[int] = set()

    def add(self, chunk: ImageChunk) -> None:
        """Take the next event."""
        created = chunk.created_at if chunk.created is None else chunk.created
        self._rest.add(chunk.model_extra)
        for name, value in (("id", chunk.id), ("model", chunk.model), ("created", created), ("usage", chunk.usage)):
            if value is not None:
                self._head[name] = value
        for position, item in enumerate(chunk.data):
            index = position if item.index is None else item.index
            fields = item.model_dump(exclude_none=True, exclude={"progress", "is_final"})
            self._take(index, fields, is_final=item.is_final is True)
        if chunk.b64_json is not None:
            is_final = isinstance(chunk.type, str) and chunk.type.endswith(".completed")
            # These events carry no index: what follows a finished image is the next one.
            self._take(len(self._final), {"b64_json": chunk.b64_json}, is_final=is_final)

    def _take(self, index: int, fields: Mapping[str, Any], *, is_final: bool) -> None:
        # A picture comes again and again, each time further on; what is said beside it stays.
        known = self._items.setdefault(index, {})
        if "url" in fields or "b64_json" in fields:
            for name in ("url", "b64_json"):
                known.pop(name, None)
        known.update(fields)
        if is_final:
            self._final.add(index)

    @property
    def is_empty(self) -> bool:
        """Whether no image has come."""
        return not self._items and self.whole is None

    def build(self) -> ImageResponse:
        """Make the reply of what has come so far; an image that is not finished is there in its last state."""
        if self.whole is not None:
            return self.whole
        # Some servers number from 1, or leave numbers out: only the order counts.
        items = [dict(self._items[index]) for index in sorted(self._items)]
        return ImageResponse.model_validate({**self._rest.build(), **self._head, "data": items})

    @property
    def usage(self) -> Any:
        """The token counts, where they have come."""
        return self._head.get("usage")

    @property
    def finished(self) -> bool:
        """Whether every image that was begun is finished."""
        return bool(self._items) and self._final >= set(self._items)


def as_chunk(reply: ImageResponse) -> ImageChunk:
    """Make the one chunk that a server should have streamed instead of this reply."""
    document = reply.model_dump()
    for item in document["data"]:
        item["is_final"] = True
    return ImageChunk.model_validate(document)
