"""A process without a free descriptor: sockets, files and imports fail alike."""

from __future__ import annotations

import errno
import os

from ..errors import APIConnectionError

_HAS_LIMIT = os.name == "posix"
_FEW = 32  # no process is allowed so few
_SPARE = 64  # at the most a quarter of all


def is_last(descriptor: int) -> bool:
    """Whether a descriptor is among the last of this process; systems hand out the lowest number that is free.

    A connection that is kept for later must not have one of these: with 64 allowed, the idle connections of a busy
    minute would hold all, and the next call could not even import what it needs.
    """
    if descriptor < _FEW or not _HAS_LIMIT:
        return False
    try:
        import resource
    except (ImportError, OSError):
        return True  # not even one to import it with
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return limit != resource.RLIM_INFINITY and descriptor >= limit - min(limit // 4, _SPARE)


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


class _Importing:
    """Around an import at a first use: a lack of descriptors is raised as by `raise_lack`."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        if exc is not None:
            raise_lack(exc)


IMPORTING = _Importing()
