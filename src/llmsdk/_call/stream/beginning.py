"""How a stream begins: from the plan of its call, once its headers have come."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...errors import RemoteError
from ..plan import Plan
from ..reply.bare import is_file
from ..reply.ends import check_end, tls_that_ends
from ..reply.reading import count, finish
from ..state import CallState, Received
from .events import EventDecoder, fold_whole
from .pieces import EndingDecoder, PieceDecoder
from .progress import Progress


def begin_stream(plan: Plan, state: CallState, received: Received) -> Progress:
    """Make the state of a stream."""
    deadline_s, coding = plan.limits.deadline_s, received.coding
    decoder: EventDecoder | PieceDecoder
    if plan.operation.of_piece is not None and is_file(received.headers):
        tls = tls_that_ends(received.response, received.headers)
        events = _decoder(plan, state, received, None, is_streamed=True)
        decoder = PieceDecoder(events, plan.operation.of_piece, coding=coding, check_end=partial(check_end, tls))
    else:
        decoder = _decoder(plan, state, received, coding, is_streamed=True)
    return Progress(
        plan=plan,
        held=state.held,
        response=received.response,
        meta=received.meta,
        decoder=decoder,
        countdown=received.countdown,
        deadline=None if deadline_s is None else state.started + deadline_s,
    )


def fold_reply(plan: Plan, state: CallState, received: Received) -> Any:
    """Fold a stream that came whole, where a reply was asked for.

    Raises:
        RemoteError: As a stream, with what had come as `.partial`.
    """
    try:
        # A body that was read has no coding any more.
        reply = fold_whole(_decoder(plan, state, received, None), received.body or b"")
    except RemoteError as exc:
        finish(plan, exc.partial, received.meta)
        raise
    count(plan, received.meta, state.held, getattr(reply, "usage", None))
    return finish(plan, reply, received.meta)


def _decoder(
    plan: Plan, state: CallState, received: Received, coding: str | None, *, is_streamed: bool = False
) -> EventDecoder:
    if plan.operation.own is not None:
        decoder: EventDecoder = plan.operation.own.decoder(plan, state.secrets, received.meta, coding)
        return decoder
    kind = EndingDecoder if plan.operation.is_bare else EventDecoder
    return kind(
        plan.operation,
        plan.target.provider,
        received.meta,
        state.secrets,
        coding=coding,
        max_event_bytes=plan.limits.max_event_bytes,
        max_response_bytes=plan.limits.max_response_bytes,
        is_single=plan.is_single,
        results=plan.results,
        is_streamed=is_streamed,
    )
