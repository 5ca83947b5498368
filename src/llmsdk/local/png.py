"""A real PNG, small in bytes, from a seed."""

from __future__ import annotations

import struct
import zlib

MAX_SIDE = 4096


def png(width: int, height: int, seed: int) -> bytes:
    """Draw a checkerboard in two colours that the seed picks.

    Two colours need one bit per pixel, so that a large image is made in a millisecond.

    Source: W3C PNG specification, third edition.
    """
    width, height = (max(1, min(side, MAX_SIDE)) for side in (width, height))
    palette = struct.pack(">I", seed & 0xFFFFFF)[1:] + struct.pack(">I", ~seed & 0xFFFFFF)[1:]
    row_bytes = (width + 7) // 8
    # Every row begins with the filter of its bytes, 0 for none; squares are 8 pixels wide, a byte, and 8 rows high.
    even = b"\0" + (b"\xff\0" * (row_bytes // 2 + 1))[:row_bytes]
    odd = b"\0" + (b"\0\xff" * (row_bytes // 2 + 1))[:row_bytes]
    band = even * 8 + odd * 8
    rows = (band * (height // 16 + 1))[: (row_bytes + 1) * height]
    header = struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)  # one bit per pixel, colours by palette
    chunks = (b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
