"""Image generation and image edit."""

from __future__ import annotations

from ..._call.operation import Operation
from ...models.images import ImageAccumulator, ImageChunk, ImageEditRequest, ImageRequest, ImageResponse, as_chunk

CREATE_IMAGE = Operation(
    id="createImage",
    resource="images",
    name="create",
    summary="Make images from a prompt.",
    path="/images/generations",
    request=ImageRequest,
    request_name="image_request",
    required=frozenset({"model", "prompt"}),
    reply=ImageResponse,
    traced_as="generate_content",
    chunk=ImageChunk,
    accumulator=ImageAccumulator,
    as_chunk=as_chunk,
    content="data",
)

EDIT_IMAGE = Operation(
    id="editImage",
    resource="images",
    name="edit",
    summary="Change images by a prompt.",
    path="/images/edits",
    request=ImageEditRequest,
    request_name="image_edit_request",
    required=frozenset({"model", "prompt", "image"}),
    reply=ImageResponse,
    traced_as="generate_content",
    files=frozenset({"image", "mask"}),
    content="data",
)
