"""A call to a path of the caller's as an operation, so that everything that holds for a call holds for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import ReplyMeta
from ..providers.spec import Page, Route
from ..utils.secrets import Secrets
from .operation import Example, Operation
from .reply.cast import Cast, read_cast
from .request.any_path import PathRequest
from .request.encode import Encoded, Extras
from .stream.cast_events import CastDecoder, Event, Events
from .stream.events import EventDecoder

if TYPE_CHECKING:
    from .plan import Plan
    from .state import CallState, Received


class NoParameters:
    """What stands for the parameters: path, query and body are no names of ours."""


@dataclass(frozen=True, slots=True, repr=False)
class PathForm:
    """How one such call is written and read.

    Attributes:
        known: The operation whose events the caller asked for, where `cast_to` is a model of ours: these fold.
    """

    request: PathRequest
    cast: Cast
    page: Page | None
    items: str
    known: Operation | None

    @property
    def route(self) -> Route:
        """A stream may end as its connection does: whether the path has an end mark, nobody has said."""
        return Route(ends_with_connection=True, page=self.page)

    def encode(self, base_url: str, extras: Extras) -> Encoded:
        """Make the request."""
        return self.request.encode(base_url, extras)

    def read(self, plan: Plan, state: CallState, received: Sequence[Received]) -> Any:
        """Read a reply."""
        return read_cast(plan, state, received, self.cast, self.items)

    def decoder(self, plan: Plan, secrets: Secrets, meta: ReplyMeta, coding: str | None) -> EventDecoder:
        """Make what reads a stream."""
        if self.known is None or self.known.id not in plan.target.provider.routes:
            return CastDecoder(plan, secrets, meta, coding, self.cast)
        return EventDecoder(
            self.known,
            plan.target.provider,
            meta,
            secrets,
            coding=coding,
            max_event_bytes=plan.limits.max_event_bytes,
            max_response_bytes=plan.limits.max_response_bytes,
        )


def path_operation(
    request: PathRequest, cast: Cast, *, page: Page | None = None, items: str = "data", known: Operation | None = None
) -> Operation:
    """Make the operation of one call."""
    return Operation(
        id=request.method.lower(),
        resource="sdk",
        name=request.method.lower(),
        example=Example(shows=""),
        path=request.path,
        request=NoParameters,
        reply=dict,
        traced_as=request.method.lower(),
        method=request.method,
        chunk=Event if request.streams else None,
        accumulator=Events if request.streams else None,
        own=PathForm(request, cast, page, items, known),
    )
