"""Runs users' hooks before a request, after a success and after an error."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import ConfigurationError
from ..hooks import HookContext
from .countdown import Countdown
from .effects import Flow, invoke

_METHODS = ("sdk_init", "before_request", "after_success", "after_error")


class Hooks:
    """The hooks of one SDK: before in the order given, after in reverse.

    A hook is any object with some of these methods, each plain or `async def`:

        sdk_init(config)                                       # once, plain only
        before_request(ctx, request) -> request                # every attempt, on a fresh request
        after_success(ctx, response) -> response               # every attempt that succeeds
        after_error(ctx, response | None, error) -> (response | None, error | None)   # every attempt that fails

    Each of the last three is given a countdown, which bounds the wait for those that are async.
    """

    def __init__(self, hooks: Iterable[object] = ()) -> None:
        self.given = tuple(hooks)
        for hook in self.given:
            if not any(callable(getattr(hook, name, None)) for name in _METHODS):
                raise ConfigurationError(
                    f"hooks: {type(hook).__name__} has no hook method; accepted are objects with any of "
                    + ", ".join(_METHODS)
                )
        if any(map(inspect.iscoroutinefunction, self._methods("sdk_init"))):
            raise ConfigurationError("sdk_init: that of a hook is async, which SDK(...) cannot wait for; make it plain")
        self._before = self._methods("before_request")
        self._success = self._methods("after_success")[::-1]
        self._error = self._methods("after_error")[::-1]
        self.has_async = any(
            inspect.iscoroutinefunction(method) for method in (*self._before, *self._success, *self._error)
        )

    def __bool__(self) -> bool:
        return bool(self.given)

    @property
    def wants_responses(self) -> bool:
        """Whether any hook looks at responses."""
        return bool(self._success or self._error)

    def init(self, config: Any) -> None:
        """Tell the hooks of a new SDK; each may change `config`."""
        for method in self._methods("sdk_init"):
            method(config)

    def before_request(self, context: HookContext, request: Any, countdown: Countdown | None = None) -> Flow[Any]:
        """Pass a request through the hooks; one that answers None leaves it as it is."""
        for method in self._before:
            changed = yield from invoke(method, context, request, countdown=countdown)
            if changed is not None:
                from .hook_answers import checked

                request = checked(changed, "before_request", "a request")
        return request

    def after_success(self, context: HookContext, response: Any, countdown: Countdown | None = None) -> Flow[Any]:
        """Pass a response through the hooks; one that answers None leaves it as it is."""
        for method in self._success:
            changed = yield from invoke(method, context, response, countdown=countdown)
            if changed is not None:
                from .hook_answers import checked

                response = checked(changed, "after_success", "a response")
        return response

    def after_error(
        self, context: HookContext, response: Any | None, error: Exception | None, countdown: Countdown | None = None
    ) -> Flow[tuple[Any | None, Exception | None]]:
        """Pass a failure through the hooks; the answer may be another error, or a response and no error."""
        for method in self._error:
            changed = yield from invoke(method, context, response, error, countdown=countdown)
            if changed is not None:
                from .hook_answers import checked_pair

                response, error = checked_pair(changed)
        return response, error

    def _methods(self, name: str) -> tuple[Callable[..., Any], ...]:
        found = (getattr(hook, name, None) for hook in self.given)
        return tuple(method for method in found if callable(method))
