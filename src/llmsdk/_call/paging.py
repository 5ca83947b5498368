"""Lists that come in pages: where the next one begins, until the server says that there is no more."""

from __future__ import annotations

from ..errors import ResponseValidationError
from ..providers.spec import Page
from ..utils.jsonpaths import MISSING, first
from ..utils.secrets import Secrets
from ..utils.urls import join
from .plan import Plan
from .reply.decode import parse_json, without_secrets
from .state import Received

_MAX_PAGES = 1000  # a server that hands out cursors for ever is cut off here


class Pages:
    """The pages of one list."""

    def __init__(self, plan: Plan, page: Page, secrets: Secrets) -> None:
        self._plan = plan
        self._page = page
        self._secrets = secrets
        self._seen: set[str] = set()

    def after(self, received: Received) -> Plan | None:
        """Plan the call for the page after one that was received; None where it is the last.

        Raises:
            ResponseValidationError: The server repeats a cursor, has more pages than can be meant, or says that there
                are more and not where.
        """
        cursor = self._cursor(received.body or b"")
        if cursor is None:
            return None
        if not cursor:
            raise self._broken(received, "the server says that its list goes on, and not from where")
        if cursor in self._seen:
            raise self._broken(received, "the server repeats a page of its list")
        self._seen.add(cursor)
        if len(self._seen) == _MAX_PAGES:
            raise self._broken(received, f"the list has more than {_MAX_PAGES} pages")
        url = join(self._plan.encoded.url, "", {self._page.param: cursor})
        return self._plan._replace(encoded=self._plan.encoded._replace(url=url))

    def _cursor(self, body: bytes) -> str | None:
        """Read where the next page begins; None where there is none, "" where there is one that has no cursor."""
        page, document = self._page, parse_json(body)
        if document is MISSING or (page.more is not None and first(page.more, document) is not True):
            return None
        cursor = first(page.cursor, document)
        is_one = isinstance(cursor, str | int) and not isinstance(cursor, bool) and cursor != ""
        return str(cursor) if is_one else None if page.more is None else ""

    def _broken(self, received: Received, message: str) -> ResponseValidationError:
        return ResponseValidationError(message, meta=without_secrets(received.meta, self._secrets))
