"""Lists that come in pages: one exchange after the other until the server says that there is no more."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ResponseValidationError
from ..providers.spec import Page
from ..utils.jsonpaths import MISSING, first
from ..utils.urls import join
from .effects import Flow
from .flow import Call, Env, Received, exchange
from .hooks import Hooks
from .reply.decode import parse_json, without_secrets

_MAX_PAGES = 1000  # a server that hands out cursors for ever is cut off here


def paged(call: Call, hooks: Hooks, env: Env, page: Page) -> Flow[list[Received]]:
    """Send a list call for every page.

    Raises:
        ResponseValidationError: The server repeats a cursor, has more pages than can be meant, or says that there are
            more and not where.
    """
    received: list[Received] = []
    seen: set[str] = set()
    first_url = call.encoded.url
    while len(received) < _MAX_PAGES:
        reply = yield from exchange(call, hooks, env)
        received.append(reply)
        cursor = _next_cursor(page, reply.body or b"")
        if cursor is None:
            return received
        if not cursor:
            raise _broken(call, reply, "the server says that its list goes on, and not from where")
        if cursor in seen:
            raise _broken(call, reply, "the server repeats a page of its list")
        seen.add(cursor)
        call.encoded = replace(call.encoded, url=join(first_url, "", {page.param: cursor}))
    raise _broken(call, received[-1], f"the list has more than {_MAX_PAGES} pages")


def _broken(call: Call, reply: Received, message: str) -> ResponseValidationError:
    return ResponseValidationError(message, meta=without_secrets(reply.meta, call.secrets))


def _next_cursor(page: Page, body: bytes) -> str | None:
    """Read where the next page begins; None where there is none, and nothing where there is one and its name is not."""
    document = parse_json(body)
    if document is MISSING or (page.more is not None and first(page.more, document) is not True):
        return None
    cursor = first(page.cursor, document)
    is_one = isinstance(cursor, str | int) and not isinstance(cursor, bool) and cursor != ""
    return str(cursor) if is_one else None if page.more is None else ""
