"""What the resource classes share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, Unpack

from .._call.hints import missing
from .._call.secrecy import hide
from ..options import CallOptions
from ..utils.descriptors import IMPORTING, raise_lack
from ..utils.forks import once
from .signatures import described_by

if TYPE_CHECKING:
    from .._call.config import SDKConfig
    from .._call.operation import Operation
    from .._call.plan import Plan
    from .._net.drivers import Drivers
    from .._net.runner import Runner
    from ..errors import SDKError
    from ..many.map import Adaptive, Mapped, MappedAsync, Rows, RowsAsync

RequestT = TypeVar("RequestT")
ReplyT = TypeVar("ReplyT")


class _Named:
    """What answers a name of another client with the one that is meant."""

    if not TYPE_CHECKING:  # to a checker, a class with `__getattr__` has every attribute

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_"):  # a finalizer may ask for one when nothing can be imported any more
                raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
            raise missing(self, name)


class Resources(_Named):
    """What has resources: a runner does their calls."""

    _drivers: Drivers
    _config: SDKConfig

    @once
    def _runner(self) -> Runner:
        """Made with the first call: half of what `import llmsdk` could load stands behind it."""
        runner: Runner = loaded(".._net.runner", "Runner")(self._drivers, self._config)
        return runner


def loaded(module: str, name: str) -> Any:
    """Import a class that an SDK does not need before a call, or not for every one."""
    try:
        return getattr(import_module(module, __package__), name)
    except OSError as exc:
        raise_lack(exc)
        raise


class Resource(_Named):
    """A group of operations on the SDK object."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __repr__(self) -> str:
        # Nothing of the configuration beside the server's id: it may hold keys.
        return f"<{type(self).__name__} of {self._runner.config.provider.name}>"


class MappedResource(Resource, Generic[RequestT, ReplyT]):
    """A resource whose `create` can be done with many requests; `_create` is that operation."""

    _create: ClassVar[Operation]

    # A map's replies go through it too, so that its images can be saved as those of a single call.
    def _attach(self, reply: Any, plan: Plan) -> None:
        """Give a reply what it needs beside its data; most need nothing."""

    @described_by(CallOptions)
    def map(
        self,
        requests: Rows[RequestT],
        *,
        limit: Adaptive | int | None = None,
        ordered: bool = False,
        window: int = 1000,
        **args: Unpack[CallOptions],
    ) -> Mapped[tuple[int, ReplyT | SDKError]]:
        """Send many requests and return one result for each.

        `deadline_ms` bounds the whole map.

        Args:
            requests: Parameters of `create` each, read as fast as they are sent.
            limit: Requests in flight, at most so many, or an `Adaptive`, which is the default.
            ordered: Whether results come in the order of the requests instead of as they are done.
            window: Most requests that are read and not yet handed out: bounds memory and, with `ordered`, reordering.
            args: Options of the call, see `CallOptions`.

        Returns:
            An iterator of `(index, reply or SDKError)`, one for each request; nothing is raised for one.

        Example:
            >>> for index, reply in sdk.chat.map([{"model": "m", "messages": [...]}, ...]): ...
        """
        # The only import of maps: a process that makes single calls never loads them.
        with IMPORTING:
            from ..many.map import map_rows

        given = {"limit": limit, "ordered": ordered, "window": window, "options": hide(args)}
        return map_rows(self._runner, self._create, requests, self._attach, **given)

    @described_by(CallOptions)
    def map_async(
        self,
        requests: RowsAsync[RequestT],
        *,
        limit: Adaptive | int | None = None,
        ordered: bool = False,
        window: int = 1000,
        **args: Unpack[CallOptions],
    ) -> MappedAsync[tuple[int, ReplyT | SDKError]]:
        """Send many requests, also from an async iterable; see `map`. Iterate with `async for`, without `await`."""
        with IMPORTING:
            from ..many.map import map_rows_async

        given = {"limit": limit, "ordered": ordered, "window": window, "options": hide(args)}
        return map_rows_async(self._runner, self._create, requests, self._attach, **given)
