"""A reply's body as it arrives: decoded, counted, bounded."""

from __future__ import annotations

from collections.abc import Iterator

from ...utils.codings import CodingError, ContentDecoder, make_decoder
from ...utils.forks import once
from ..effects import TransportFailure

_SHOWN_BYTES = 1 << 20  # kept of a body that is too large, for the error


class BodyReader:
    """Collects the raw pieces of one body.

    Args:
        coding: The Content-Encoding header.
        max_bytes: Bound after decoding.
        truncate: Whether to keep the first `max_bytes` and stop, instead of raising.
    """

    def __init__(self, coding: str | None, max_bytes: int, *, truncate: bool = False) -> None:
        self._max_bytes = max_bytes
        self._truncate = truncate
        self._pieces: list[bytes] = []
        self._size = 0
        self._coding = coding

    @once
    def _decoder(self) -> ContentDecoder:
        """Made when first needed: an unknown coding is a failure of reading the body, wherever that is done."""
        return make_decoder(self._coding)

    # The causes below come without their frames: those hold what the server sent, which may be an echo of the key.

    def feed(self, raw: bytes) -> bool:
        """Take a piece; the answer is whether more is wanted."""
        try:
            for piece in self._decoder.decode(raw) if self._coding else (raw,):
                self._pieces.append(piece)
                self._size += len(piece)
                if self._size > self._max_bytes:
                    return self._overflow()
        except CodingError as exc:
            if self._truncate and not self._size and _is_text(raw):
                self._coding = None  # it was never coded, whatever the header says: an error's text is kept
                return self.feed(raw)
            # Nothing could be decoded: what is kept are the bytes as they came, which may be a text after all.
            body = self.received() or _shown(raw)
            raise TransportFailure("coding", str(exc), began=True, body=body) from exc.with_traceback(None)
        return True

    def decoded(self, raw: bytes) -> Iterator[bytes]:
        """Take a piece of a body that is not to be kept, and hand out what it decodes to."""
        try:
            yield from self._decoder.decode(raw) if self._coding else (raw,)
        except CodingError as exc:
            raise TransportFailure("coding", str(exc), began=True, body=_shown(raw)) from exc.with_traceback(None)

    def finish(self) -> bytes:
        """Take the end of the body."""
        try:
            if self._coding:
                self._pieces.extend(self._decoder.flush())
        except CodingError as exc:
            raise TransportFailure("coding", str(exc), began=True, body=self.received()) from exc.with_traceback(None)
        return self.received()

    def received(self) -> bytes:
        """What has come so far."""
        pieces = self._pieces
        if len(pieces) == 1:
            return pieces[0]
        joined = b"".join(pieces)
        self._pieces = [joined]
        return joined

    def _overflow(self) -> bool:
        # Joining all of it would take the bound once more, and cutting that again.
        self._pieces = [self._beginning(self._max_bytes if self._truncate else min(self._max_bytes, _SHOWN_BYTES))]
        if self._truncate:
            return False
        raise TransportFailure(
            "too large", f"the reply is larger than {self._max_bytes} bytes", began=True, body=self._pieces[0]
        )

    def _beginning(self, size: int) -> bytes:
        kept = bytearray()
        for piece in self._pieces:
            kept += piece[: size - len(kept)]
        return bytes(kept)


def _shown(raw: bytes) -> bytes:
    """Keep what could not be decoded where it is a text all the same, whatever the header says."""
    return raw[:_SHOWN_BYTES] if _is_text(raw) else b""


def _is_text(raw: bytes) -> bool:
    try:
        return "\0" not in raw.decode()
    except UnicodeDecodeError:
        return False
