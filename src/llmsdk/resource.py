"""What the resource classes share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ._core.spec import Operation
    from ._runner import Runner

F = TypeVar("F", bound=Callable[..., Any])


class Resource:
    """A group of operations on the SDK object."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._runner.config.provider.name}>"


def described_by(operation: Operation, arguments: type[Any]) -> Callable[[F], F]:
    """Give a method of `**args` the signature that `help()` and editors show, spelt once in a TypedDict."""

    def decorate(method: F) -> F:
        keywords = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if name in operation.required else ...,
                annotation=annotation,
            )
            for name, annotation in arguments.__annotations__.items()
        ]
        itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        method.__signature__ = inspect.Signature([itself, *keywords])  # type: ignore[attr-defined] # functions take it
        return method

    return decorate
