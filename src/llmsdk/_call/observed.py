"""One call and those who observe it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import SDKError
from ..observers import CallInfo, Observation, Observer
from ..utils.headers import check_header
from ..utils.log import logger
from .effects import Flow
from .secrecy import forget_locals
from .stream.progress import Progress

T = TypeVar("T")


class Observed:
    """One call and those who watch it; a failure of theirs is logged and hurts nobody."""

    def __init__(self, observers: tuple[Observer, ...], call: CallInfo) -> None:
        self._watching: list[Observation] = []
        self._has_begun = False
        self._is_over = False
        for observer in observers:
            watching = _tell(observer.start, call)
            if watching is not None:
                self._watching.append(watching)

    def headers(self) -> dict[str, str]:
        """Collect the headers to add, without those that no header can have."""
        # Asked for anew by each attempt's exchange: a trace context may change from one server to the next.
        headers: dict[str, str] = {}
        for watching in self._watching:
            headers |= _tell(_checked, watching) or {}
        return headers

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        """Tell whose turn it is."""
        for watching in self._watching:
            _tell(watching.at_server, server, base_url, model)

    def begun(self, result: Any) -> None:
        """Take what the call comes to: a reply, or a stream, which is followed to its end."""
        if not isinstance(result, Progress):
            self._end("finished", result, getattr(result, "meta", None))
            return
        result.observe(self)

    def first_event(self) -> None:
        """Notify observers that a stream's first event has arrived."""
        if self._has_begun:
            return
        self._has_begun = True
        for watching in self._watching:
            _tell(watching.first_event)

    def abandoned(self, progress: Any) -> None:
        """Tell that a stream was dropped."""
        self._end("abandoned", progress.build(), progress.meta)

    def ended(self, progress: Any) -> None:
        """Tell how a stream ended."""
        error: SDKError | None = progress.error
        if error is not None:
            forget_locals(error)  # before observers see it, who may report tracebacks with locals
            self._end("failed", error, getattr(error, "partial", None))
        else:
            self._end("finished", progress.build(), progress.meta)

    def _end(self, how: str, *told: Any) -> None:
        if self._is_over:  # a stream may be closed twice, and dropped besides
            return
        self._is_over = True
        for watching in self._watching:
            _tell(getattr(watching, how), *told)

    def failed(self, error: BaseException) -> None:
        """Tell that the call raised."""
        forget_locals(error)  # before observers see it, who may report tracebacks with locals
        self._end("failed", error, getattr(error, "partial", None))


def watched(flow: Flow[T], observed: Observed) -> Flow[T]:
    """Notify observers what a flow comes to."""
    try:
        result = yield from flow
    except BaseException as error:
        observed.failed(error)
        raise
    observed.begun(result)
    return result


def _checked(watching: Observation) -> dict[str, str]:
    headers = {name.lower(): value for name, value in watching.headers().items()}
    for name, value in headers.items():
        check_header(name, value)
    return headers


def _tell(method: Callable[..., Any], *told: Any) -> Any:
    try:
        return method(*told)
    except Exception as exc:
        # Its text may hold anything; the class says enough to find the place.
        logger.warning("an observer failed in %s: %s", getattr(method, "__qualname__", method), type(exc).__name__)
        return None
