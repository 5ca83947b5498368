"""A process without a free descriptor: sockets, files and imports fail alike."""

from __future__ import annotations

import errno

from ..errors import APIConnectionError


def is_lack(exc: BaseException) -> bool:
    """Whether the process, or the machine, has no descriptor left."""
    return isinstance(exc, OSError) and exc.errno in (errno.EMFILE, errno.ENFILE)


def raise_lack(exc: BaseException) -> None:
    """Raise an error of ours for a lack of descriptors: it may hit any module that is imported at its first use.

    Raises:
        APIConnectionError: `exc` is such a lack; nothing was sent, and the call may be made again.
    """
    if is_lack(exc):
        raise APIConnectionError(f"no reply: {exc}") from exc
