"""Embeddings of the embedded provider: unit vectors that depend on the words of a text and on nothing else."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import struct
from collections.abc import Iterator, Mapping
from typing import Any

from ..utils.shapes import is_list
from .replies import Produced

DIMENSIONS = 32
MAX_DIMENSIONS = 4096


def embed(params: Mapping[str, Any]) -> Produced:
    """Make one vector per input; texts that share words are near each other."""
    wants_text = params.get("encoding_format") == "base64"
    size = params.get("dimensions") or DIMENSIONS
    data: list[dict[str, Any]] = []
    count = 0
    for index, words in enumerate(inputs(params["input"])):
        packed = struct.pack(f"<{size}f", *_unit(words, size))
        # What JSON shows are the 32-bit floats, so that both formats say the same.
        vector = base64.b64encode(packed).decode() if wants_text else list(struct.unpack(f"<{size}f", packed))
        data.append({"object": "embedding", "index": index, "embedding": vector})
        count += len(words)
    usage = {"prompt_tokens": count, "total_tokens": count}
    return Produced(reply={"object": "list", "data": data, "model": params["model"], "usage": usage}, chunks=[])


def inputs(given: Any) -> list[list[str]]:
    """Split what is to be embedded into inputs, and these into words or token ids."""
    if not is_list(given):
        return [_words(str(given))]
    if given and isinstance(given[0], int):  # one text as token ids, and not many texts
        return [[str(token) for token in given]]
    return [[str(token) for token in item] if is_list(item) else _words(str(item)) for item in given]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", text.lower()) or list(text)


def _unit(words: list[str], size: int) -> list[float]:
    sums = [0.0] * size
    for word in words:
        for at, value in enumerate(_numbers(word, size)):
            sums[at] += value
    length = math.sqrt(sum(value * value for value in sums))
    return [value / length for value in sums] if length else [1.0, *sums[1:]]  # nothing has no direction


def _numbers(word: str, size: int) -> Iterator[float]:
    """Derive numbers between -1 and 1 from a word."""
    for at in range(0, size, 8):
        digest = hashlib.sha256(f"{at} {word}".encode("utf-8", "replace")).digest()
        yield from (number / 2**31 for number in struct.unpack("<8i", digest)[: size - at])
