"""Runs users' hooks before a request, after a success and after an error, and checks what they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, cast

from ..errors import ConfigurationError
from ..hooks import HookContext
from .countdown import Countdown
from .effects import Flow, Invoke

_METHODS = ("sdk_init", "before_request", "after_success", "after_error")
_PARTS = {"a request": "url", "a response": "status_code"}


class Hooks:
    """The hooks of one SDK: before in the order given, after in reverse. See `llmsdk.hooks` for what they are.

    Each of the last three methods takes a countdown, which bounds the wait for hooks that are async.
    """

    def __init__(self, hooks: Iterable[object] = ()) -> None:
        self.given = tuple(hooks)
        for hook in self.given:
            if not any(callable(getattr(hook, name, None)) for name in _METHODS):
                raise ConfigurationError(
                    f"hooks: {type(hook).__name__} has no hook method; expected objects with any of "
                    + ", ".join(_METHODS)
                )
        self._init = self._methods("sdk_init")
        # Checked here and not when it is called: a coroutine that nobody awaits would be lost in silence.
        if any(map(inspect.iscoroutinefunction, self._init)):
            raise ConfigurationError("sdk_init: that of a hook is async, which SDK(...) cannot wait for; make it plain")
        self.before = self._methods("before_request")
        self.success = self._methods("after_success")[::-1]
        self.error = self._methods("after_error")[::-1]
        # Plain attributes: every call looks at them, and most have no hooks.
        self.wants_responses = bool(self.success or self.error)
        self.has_async = any(map(inspect.iscoroutinefunction, (*self.before, *self.success, *self.error)))

    def _methods(self, name: str) -> tuple[Callable[..., Any], ...]:
        found = (getattr(hook, name, None) for hook in self.given)
        return tuple(method for method in found if callable(method))

    def __bool__(self) -> bool:
        return bool(self.given)

    def init(self, config: Any) -> None:
        """Tell the hooks of a new SDK; each may change `config`."""
        for method in self._init:
            method(config)

    def refuse_async(self) -> None:
        """Refuse a sync call that would have to wait for an async hook."""
        if self.has_async:
            raise ConfigurationError(
                "hooks: one of them is async, and a sync call cannot wait for it; call the _async method instead"
            )

    def before_request(self, context: HookContext, request: Any, countdown: Countdown | None = None) -> Flow[Any]:
        """Pass a request through the hooks; one that answers None leaves it as it is."""
        for method in self.before:
            changed = yield Invoke(method, (context, request), countdown=countdown)
            if changed is not None:
                request = _checked(changed, "before_request", "a request")
        return request

    def after_success(self, context: HookContext, response: Any, countdown: Countdown | None = None) -> Flow[Any]:
        """Pass a response through the hooks; one that answers None leaves it as it is."""
        for method in self.success:
            changed = yield Invoke(method, (context, response), countdown=countdown)
            if changed is not None:
                response = _checked(changed, "after_success", "a response")
        return response

    def after_error(
        self, context: HookContext, response: Any | None, error: Exception | None, countdown: Countdown | None = None
    ) -> Flow[tuple[Any | None, Exception | None]]:
        """Pass a failure through the hooks; the answer may be another error, or a response and no error."""
        for method in self.error:
            changed = yield Invoke(method, (context, response, error), countdown=countdown)
            if changed is not None:
                response, error = _checked_pair(changed)
        return response, error


# The transport would only fail with anything else, and say less.


def _checked(answer: Any, name: str, kind: str) -> Any:
    if hasattr(answer, _PARTS[kind]) and hasattr(answer, "headers"):
        return answer
    raise ConfigurationError(f"{name}: must answer with {kind} of the client in use, got {type(answer).__name__}")


def _checked_pair(answer: object) -> tuple[Any | None, Exception | None]:
    kind = type(answer).__name__
    pair: tuple[Any, ...] = cast("Any", answer) if isinstance(answer, tuple) else ()
    if len(pair) != 2 or not isinstance(pair[1], Exception | None):
        raise ConfigurationError(
            f"after_error: must answer with (response or None, error or None) or with None, got {kind}"
        )
    return None if pair[0] is None else _checked(pair[0], "after_error", "a response"), pair[1]
