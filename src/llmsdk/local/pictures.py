"""Images of the embedded provider: small real PNGs, each in colours of its prompt."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from typing import Any

from ..utils.shapes import Json
from .httpd import Refusal, Response
from .png import MAX_SIDE, png
from .replies import CREATED, Produced

FILES = "/files/"
# A URL says all that its picture is made of: nothing is kept for it.
_NAME = re.compile(r"(\d{1,5})x(\d{1,5})-([0-9a-f]{8})\.png")


def image(params: Mapping[str, Any], origin: str) -> Produced:
    """Make images.

    Args:
        params: The request; `response_format` is already in our words.
        origin: URL that image URLs begin with.
    """
    width, height = _size(params)
    asked = params.get("response_format")
    as_url = asked == "url" or (asked is None and params.get("output_format") is None)
    prompt, seed = params["prompt"], params.get("seed")
    top = {"created": CREATED, "model": params.get("model") or "embedded-image", "object": "image.generation.chunk"}
    partials = params.get("partial_images") or 0
    items: list[Json] = []
    chunks: list[Json] = []
    for index in range(params.get("n") or 1):
        colour = zlib.crc32(f"{prompt} {seed} {index}".encode("utf-8", "replace"))
        url = {"url": f"{origin}{FILES}{width}x{height}-{colour:08x}.png"}
        item = {"index": index, **(url if as_url else {"b64_json": _b64(png(width, height, colour))})}
        item["revised_prompt"] = f"Embedded provider: {prompt[:400]}"
        items.append(item)
        for at in range(partials):  # sketches, each twice as large as the one before
            smaller = partials - at
            sketch = _b64(png(max(1, width >> smaller), max(1, height >> smaller), colour))
            part = {"index": index, "b64_json": sketch, "progress": round((at + 1) / (partials + 1), 3)}
            chunks.append({**top, "data": [{**part, "is_final": False}]})
        chunks.append({**top, "data": [{**item, "progress": 1, "is_final": True}]})
    words = len(prompt.split())
    usage = {
        "input_tokens": words,
        "input_tokens_details": {"text_tokens": words, "image_tokens": 0},
        "output_tokens": len(items),
        "total_tokens": words + len(items),
    }
    chunks[-1] = {**chunks[-1], "usage": usage}
    return Produced(reply={**top, "object": "list", "data": items, "usage": usage}, chunks=chunks)


def file(path: str) -> Response:
    """Make the image again that a URL names."""
    match = _NAME.fullmatch(path.removeprefix(FILES))
    if match is None:
        raise Refusal(404, "No such file.")
    return Response(body=png(int(match[1]), int(match[2]), int(match[3], 16)), content_type="image/png")


def _size(params: Mapping[str, Any]) -> tuple[int, int]:
    width, _, height = str(params.get("size") or "").partition("x")
    sides = (params.get("width") or width, params.get("height") or height)
    first, second = (int(side) if str(side).isdigit() else 1024 for side in sides)
    return max(1, min(first, MAX_SIDE)), max(1, min(second, MAX_SIDE))


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
