"""Image generation and image edit."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.images import ImageAccumulator, ImageChunk, ImageEditRequest, ImageRequest, ImageResponse, as_chunk

CREATE_IMAGE = Operation(
    id="createImage",
    resource="images",
    name="create",
    example=Example(
        args=('model="embedded-image"', 'prompt="a cat"', 'size="512x512"'),
        shows='print(res.data[0].save("cat"))',
        streamed='for event in stream:\n    print(event.data[0].progress)\nprint(stream.final.data[0].save("cat"))',
    ),
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
    results=1,  # a filter may take some of the images, and a server that takes all has to say why
)

EDIT_IMAGE = Operation(
    id="editImage",
    resource="images",
    name="edit",
    example=Example(
        args=('model="embedded-image"', 'prompt="add a hat"', 'image=Path("cat.png")'),
        shows='print(res.data[0].save("cat-with-hat"))',
        streamed="for event in stream:\n    print(event.data[0].progress)\nprint(stream.final.data[0].index)",
        needs='first = sdk.images.create(model="embedded-image", prompt="a cat")\nfirst.data[0].save("cat.png")',
    ),
    path="/images/edits",
    request=ImageEditRequest,
    request_name="image_edit_request",
    required=frozenset({"model", "prompt", "image"}),
    reply=ImageResponse,
    traced_as="generate_content",
    chunk=ImageChunk,
    accumulator=ImageAccumulator,
    as_chunk=as_chunk,
    files=frozenset({"image", "mask", "markup"}),  # which makes the request a form
    content="data",
    results=1,
)
