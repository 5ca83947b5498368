"""Ledger: numbers by key for millions of keys, in about 50 bytes each."""

from __future__ import annotations

from array import array
from hashlib import blake2b
from struct import Struct

_TWO = Struct("<QQ")
_SMALLEST = 1024


class Ledger:
    """A mapping of strings to whole numbers >= 1, 0 where there is none.

    Keys are kept as digests of 128 bits in an open hash table: of ten million, two are alike with a chance of 1e-25.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make(_SMALLEST)

    def get(self, key: str) -> int:
        """Give the number of a key."""
        return self._numbers[self._slot(*_digest(key))]

    def __setitem__(self, key: str, number: int) -> None:
        self._put(*_digest(key), number)

    def __len__(self) -> int:
        return self._count

    def _make(self, size: int) -> None:
        self._mask = size - 1
        self._high, self._low, self._numbers = (array("Q", bytes(8 * size)) for _ in range(3))

    def _slot(self, high: int, low: int) -> int:
        """Find where a digest is, or the free place where it would be."""
        at, mask = low & self._mask, self._mask
        while self._numbers[at] and (self._low[at] != low or self._high[at] != high):
            at = (at + 1) & mask
        return at

    def _put(self, high: int, low: int, number: int) -> None:
        at = self._slot(high, low)
        if not self._numbers[at]:
            if 3 * self._count >= 2 * self._mask:
                self._grow()
                at = self._slot(high, low)
            self._count += 1
            self._high[at], self._low[at] = high, low
        self._numbers[at] = number

    def _grow(self) -> None:
        old = zip(self._high, self._low, self._numbers, strict=True)
        self._count = 0
        self._make(2 * (self._mask + 1))
        for high, low, number in old:
            if number:
                self._put(high, low, number)


def _digest(key: str) -> tuple[int, int]:
    high, low = _TWO.unpack(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest())
    return high, low
