"""Lists that come in pages: one exchange after the other until the server says that there is no more."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ResponseValidationError
from ..hooks import Hooks
from ..utils.jsonpaths import MISSING, first
from ..utils.urls import join
from .decode import parse_json
from .effects import Flow
from .flow import Call, Env, Received, exchange
from .spec import Page

_MAX_PAGES = 1000  # a server that hands out cursors for ever is cut off here


def paged(call: Call, hooks: Hooks, env: Env, page: Page) -> Flow[list[Received]]:
    """Send a list call for every page.

    Raises:
        ResponseValidationError: The server repeats a cursor, or has more pages than can be meant.
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
        if cursor in seen:
            raise ResponseValidationError("the server repeats a page of its list", meta=reply.meta)
        seen.add(cursor)
        call.encoded = replace(call.encoded, url=join(first_url, "", {page.param: cursor}))
    raise ResponseValidationError(f"the list has more than {_MAX_PAGES} pages", meta=received[-1].meta)


def _next_cursor(page: Page, body: bytes) -> str | None:
    document = parse_json(body)
    if document is MISSING or (page.more is not None and first(page.more, document) is not True):
        return None
    cursor = first(page.cursor, document)
    return cursor if isinstance(cursor, str) and cursor else None
