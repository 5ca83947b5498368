"""Content codings of HTTP bodies, decoded in bounded pieces."""

from __future__ import annotations

import zlib
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from .forks import FIRST_USE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PIECE_BYTES = 65_536
# A decoder keeps a copy of the input it has not used: fed whole, a bomb would be copied once per piece.
_INPUT_BYTES = 16_384
# A header may name codings without end, each of them multiplying the work; nobody needs more than a few.
_MAX_CODINGS = 4
# RFC 9659: the largest window that a zstd body over HTTP may ask for is 8 MiB.
_ZSTD_WINDOW_LOG = 23
# python-zstandard has no bound on its output. A block of 128 KiB takes 4 bytes at least, so that this much input is
# at most two whole blocks and one that an earlier slice had begun.
_ZSTANDARD_SLICE = 8


class CodingError(ValueError):
    """A body whose content coding is unknown, corrupt, or cut off."""


class ContentDecoder(Protocol):
    """Turns an encoded body into pieces of the decoded one."""

    @property
    def is_complete(self) -> bool:
        """Whether the body may end here."""
        ...

    def decode(self, data: bytes) -> Iterable[bytes]:
        """Decode what has arrived.

        Nothing is decoded ahead of the iteration: a caller whose bound is reached just stops, and uses the decoder
        no more. Otherwise the pieces are to be exhausted before the next call.

        Returns:
            Pieces of at most `PIECE_BYTES` (of any size where there is no coding), none of them empty.

        Raises:
            CodingError: While iterating: the body is corrupt.
        """
        ...

    def flush(self) -> Iterable[bytes]:
        """End the body.

        Returns:
            Pieces not handed out before: none with the codings known today.

        Raises:
            CodingError: The body is cut off.
        """
        ...


def make_decoder(content_encoding: str | None) -> ContentDecoder:
    """Make the decoder for a Content-Encoding header.

    Args:
        content_encoding: The header's value: names in the order in which they were applied; None if absent.

    Raises:
        CodingError: A coding is unknown, or the package that it needs is not installed.

    Source: RFC 9110, 8.4.
    """
    if not content_encoding:
        return _IDENTITY
    names = [name for part in content_encoding.split(",") if (name := part.strip(" \t").lower())]
    names = [name for name in names if name != "identity"]
    if len(names) > _MAX_CODINGS:
        raise CodingError(f"content-encoding names {len(names)} codings; expected at most {_MAX_CODINGS}")
    steps = [_make_step(name) for name in reversed(names)]
    if not steps:
        return _IDENTITY
    return steps[0] if len(steps) == 1 else _Stack(steps)


def _make_step(name: str) -> ContentDecoder:
    if name in ("gzip", "x-gzip"):
        return _Coded("gzip", lambda _: _Zlib(zlib.MAX_WBITS | 16), members=True)
    if name == "deflate":
        return _Coded("deflate", _start_deflate)
    optional = {"br": _find_brotli, "zstd": _find_zstd}.get(name)
    engine = optional() if optional else None
    if engine is None:
        # Names of codings are short; anything else the server made up is not repeated.
        shown = name if len(name) <= 16 else name[:4] + "..."
        raise CodingError(f"content-encoding {shown!r} cannot be decoded; expected {accepted_codings()}")
    return _Coded(name, engine, members=name == "zstd")


@lru_cache(maxsize=1)
def accepted_codings() -> str:
    """Name the codings that can be decoded here, as an Accept-Encoding header does."""
    names = ["gzip", "deflate"]
    if _find_brotli() is not None:
        names.append("br")
    if _find_zstd() is not None:
        names.append("zstd")
    return ", ".join(names)


class _Identity:
    is_complete = True

    def decode(self, data: bytes) -> Iterable[bytes]:
        return (data,) if data else ()

    def flush(self) -> Iterable[bytes]:
        return ()


_IDENTITY = _Identity()


class _Engine(Protocol):
    """One member of a coded body.

    `decode` gives pieces of at most `PIECE_BYTES` until it is out of input or at the end of the member; `unused` is
    the input after that end.
    """

    @property
    def is_finished(self) -> bool: ...

    @property
    def unused(self) -> bytes: ...

    def decode(self, data: bytes) -> Iterator[bytes]: ...


class _Coded:
    """A body in one coding: a sequence of members where the coding allows that, else a single one."""

    def __init__(self, name: str, start: Callable[[bytes], _Engine], *, members: bool = False) -> None:
        self._name = name
        self._start = start
        self._members = members
        self._engine: _Engine | None = None
        self._started = False

    @property
    def is_complete(self) -> bool:
        # An empty body is whole: servers send the header with replies that have no body.
        return not self._started or (self._engine is None or self._engine.is_finished)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _INPUT_BYTES):
            try:
                yield from self._decode_window(data[start : start + _INPUT_BYTES])
            except CodingError:
                raise
            except Exception as error:  # each library has its own class, some of them only RuntimeError
                raise CodingError(f"the {self._name} body is corrupt") from error

    def _decode_window(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._engine is None or self._engine.is_finished:
                if self._started:
                    data = data.lstrip(b"\0")  # padding after a member is harmless and seen in the wild
                    if not data:
                        return
                    if not self._members:
                        raise CodingError(f"the {self._name} body goes on after its end")
                self._started = True
                self._engine = self._start(data)
            yield from self._engine.decode(data)
            data = self._engine.unused if self._engine.is_finished else b""

    def flush(self) -> Iterable[bytes]:
        if not self.is_complete:
            raise CodingError(f"the {self._name} body is cut off")
        return ()


class _Stack:
    """Several codings, the one applied last undone first."""

    def __init__(self, steps: list[ContentDecoder]) -> None:
        self._steps = steps

    @property
    def is_complete(self) -> bool:
        return all(step.is_complete for step in self._steps)

    def decode(self, data: bytes) -> Iterable[bytes]:
        pieces: Iterable[bytes] = (data,)
        for step in self._steps:
            pieces = _through(step, pieces)
        return pieces

    def flush(self) -> Iterable[bytes]:
        for step in self._steps:
            step.flush()
        return ()


def _through(step: ContentDecoder, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield from step.decode(piece)


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._decoder = zlib.decompressobj(window_bits)

    @property
    def is_finished(self) -> bool:
        return self._decoder.eof

    @property
    def unused(self) -> bytes:
        return self._decoder.unused_data

    def decode(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._decoder.decompress(data, PIECE_BYTES)
            data = self._decoder.unconsumed_tail
            if piece:
                yield piece
            # A full piece may have left output inside although all input was taken.
            if self._decoder.eof or (not data and len(piece) < PIECE_BYTES):
                return


def _start_deflate(data: bytes) -> _Engine:
    # RFC 9110 means zlib; some servers send a raw stream. A zlib header says method 8 in its low four bits, which a
    # raw stream could only begin with by filling the padding of a stored block with ones.
    return _Zlib(zlib.MAX_WBITS if data[0] & 0x0F == 8 else -zlib.MAX_WBITS)


class _Brotli:
    def __init__(self, module: Any) -> None:
        self._decoder = module.Decompressor()
        self.unused = b""

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.is_finished())

    def decode(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._decoder.process(data, output_buffer_limit=PIECE_BYTES)
            data = b""
            for start in range(0, len(piece), PIECE_BYTES):
                yield piece[start : start + PIECE_BYTES]
            # What `can_accept_more_data` says is about the input: with Brotli 1.2 it is true while output is still held
            # back. Only a call that brings nothing has brought it all.
            if not piece or self._decoder.is_finished():
                return


def _find_brotli() -> Callable[[bytes], _Engine] | None:
    for name in ("brotli", "brotlicffi"):
        module = _import_if_found(name)
        try:
            # Before 1.2 the output of one call has no bound, and a bomb could not be stopped.
            if module is not None:
                module.Decompressor().process(b"", output_buffer_limit=1)
                return lambda _: _Brotli(module)
        except Exception:  # noqa: S112 - an old or broken package is the same as none
            continue
    return None


class _Zstd:
    """The decoder of Python 3.14, or its backport."""

    def __init__(self, module: Any) -> None:
        limit = {module.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._decoder = module.ZstdDecompressor(options=limit)

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.eof)

    @property
    def unused(self) -> bytes:
        return bytes(self._decoder.unused_data)

    def decode(self, data: bytes) -> Iterator[bytes]:
        while True:
            piece = self._decoder.decompress(data, PIECE_BYTES)
            data = b""
            if piece:
                yield piece
            if self._decoder.eof or self._decoder.needs_input:
                return


class _Zstandard:
    """The decoder of python-zstandard, fed in slices small enough to bound what one of them can grow to."""

    def __init__(self, module: Any) -> None:
        self._decoder = module.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG).decompressobj()
        self.unused = b""

    @property
    def is_finished(self) -> bool:
        return bool(self._decoder.eof)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTANDARD_SLICE):
            end = start + _ZSTANDARD_SLICE
            grown = self._decoder.decompress(data[start:end])
            for cut in range(0, len(grown), PIECE_BYTES):
                yield grown[cut : cut + PIECE_BYTES]
            if self._decoder.eof:
                self.unused = self._decoder.unused_data + data[end:]
                return


def _find_zstd() -> Callable[[bytes], _Engine] | None:
    for name in ("compression.zstd", "backports.zstd"):
        module = _import_if_found(name)
        if module is not None:
            return lambda _: _Zstd(module)
    fallback = _import_if_found("zstandard")
    return None if fallback is None else lambda _: _Zstandard(fallback)


def _import_if_found(name: str) -> Any:
    try:
        from importlib.util import find_spec

        with FIRST_USE:
            return import_module(name) if find_spec(name) is not None else None
    except (ImportError, ValueError):  # a parent package that is missing, or a package that is broken
        return None
