"""Lists that come in pages: one exchange after the other until the server says that there is no more."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ResponseValidationError
from ..providers.spec import Page
from ..utils import jsonpaths
from ..utils.urls import join
from .effects import Flow
from .flow import exchange
from .plan import Plan
from .reply.decode import parse_json, without_secrets
from .state import CallState, Received
from .world import Driver, Env

_MAX_PAGES = 1000  # a server that hands out cursors for ever is cut off here


def paged(plan: Plan, state: CallState, driver: Driver, env: Env, page: Page) -> Flow[list[Received]]:
    """Send the call of a list for every page.

    Raises:
        ResponseValidationError: The server repeats a cursor, has more pages than can be meant, or says that there are
            more and not where.
    """
    received: list[Received] = []
    seen: set[str] = set()
    first = plan.encoded
    while len(received) < _MAX_PAGES:
        reply = yield from exchange(plan, state, driver, env)
        received.append(reply)
        cursor = _next_cursor(page, reply.body or b"")
        if cursor is None:
            return received
        if not cursor:
            raise _broken(state, reply, "the server says that its list goes on, and not from where")
        if cursor in seen:
            raise _broken(state, reply, "the server repeats a page of its list")
        seen.add(cursor)
        plan = replace(plan, encoded=replace(first, url=join(first.url, "", {page.param: cursor})))
    raise _broken(state, received[-1], f"the list has more than {_MAX_PAGES} pages")


def _broken(state: CallState, reply: Received, message: str) -> ResponseValidationError:
    return ResponseValidationError(message, meta=without_secrets(reply.meta, state.secrets))


def _next_cursor(page: Page, body: bytes) -> str | None:
    """Read where the next page begins; None where there is none, and nothing where there is one and its name is not."""
    document = parse_json(body)
    if document is jsonpaths.MISSING or (page.more is not None and jsonpaths.first(page.more, document) is not True):
        return None
    cursor = jsonpaths.first(page.cursor, document)
    is_one = isinstance(cursor, str | int) and not isinstance(cursor, bool) and cursor != ""
    return str(cursor) if is_one else None if page.more is None else ""
