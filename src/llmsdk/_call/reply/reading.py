"""What a call comes to: the reply that its plan asks for, or the stream that has begun."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ...errors import RemoteError, ReplyMeta, SDKError
from ..plan import Plan
from ..state import CallState, Received
from .decode import decode_reply

if TYPE_CHECKING:
    from ..stream.events import EventDecoder
    from ..stream.progress import Progress  # streams are one of the four things that a plain call does not load

_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"\xef\xbb\xbfdata:")  # as no JSON begins


def read_reply(plan: Plan, state: CallState, received: list[Received]) -> Any:
    """Read a reply, which of a list may have come in pages.

    Raises:
        APIStatusError: The body is an error object.
        ResponseValidationError: The body is not what the operation answers with.
    """
    try:
        reply = _read(plan, state, received[0])
        for page in received[1:]:
            reply.data += _read(plan, state, page).data
    except SDKError as exc:
        if isinstance(exc, RemoteError) and exc.partial is not None:
            _finish(plan, exc.partial, received[0].meta)
        raise
    # Lists and what a server keeps cost no tokens, and are no calls of `sdk.usage`.
    if plan.operation.method == "POST" and not plan.operation.is_stored:
        _count(plan, getattr(reply, "usage", None))
    return _finish(plan, reply, received[0].meta)


def begin_stream(plan: Plan, state: CallState, received: Received) -> Progress:
    """Make the state of a stream whose headers have come."""
    from ..stream.progress import Progress

    deadline_s = plan.limits.deadline_s
    return Progress(
        response=received.response,
        meta=received.meta,
        decoder=_decoder(plan, state, received, received.headers.get("content-encoding")),
        countdown=received.countdown,
        timeout_s=plan.limits.timeout_s,
        idle_s=plan.limits.idle_s,
        deadline=None if deadline_s is None else state.started + deadline_s,
        finish=partial(_finish, plan),
        count=partial(_count, plan),
    )


def _read(plan: Plan, state: CallState, received: Received) -> Any:
    body = received.body or b""
    content_type = received.headers.get("content-type", "")
    # Some servers stream though nobody asked for it, and some call that stream JSON.
    if plan.operation.chunk is not None and (
        "text/event-stream" in content_type or body[:64].lstrip().startswith(_EVENT_STARTS)
    ):
        from ..stream.events import fold_whole

        return fold_whole(_decoder(plan, state, received, None), body)  # a body that was read has no coding any more
    return decode_reply(
        plan.operation,
        plan.target.provider,
        body,
        content_type=content_type,
        meta=received.meta,
        secrets=state.secrets,
        results=plan.results,
    )


def _decoder(plan: Plan, state: CallState, received: Received, coding: str | None) -> EventDecoder:
    from ..stream.events import EventDecoder

    return EventDecoder(
        plan.operation,
        plan.target.provider,
        received.meta,
        state.secrets,
        coding=coding,
        max_event_bytes=plan.limits.max_event_bytes,
        max_response_bytes=plan.limits.max_response_bytes,
        is_single=plan.is_single,
        results=plan.results,
    )


def _finish(plan: Plan, reply: Any, meta: ReplyMeta) -> Any:
    """Give a reply what it needs beside its data."""
    reply._meta = meta  # not a field: a dump of the reply is what the server sent
    if plan.finish is not None:
        plan.finish(reply, plan)
    return reply


def _count(plan: Plan, usage: Any) -> None:
    """Take the token counts of a reply, or of a stream at its end."""
    plan.pending.append((plan.target.provider.name, plan.model or "", usage, plan.tracked))
