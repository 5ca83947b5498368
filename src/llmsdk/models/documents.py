"""A JSON object that no model describes."""

from __future__ import annotations

from typing import Any

from ..errors import ReplyMeta


class JsonObject(dict[str, Any]):
    """A reply as the dict that it is, with the facts about its call beside it."""

    _meta: ReplyMeta | None = None

    @property
    def meta(self) -> ReplyMeta:
        """Facts about the call: server, status, headers, request id, rate limits, attempts.

        Raises:
            AttributeError: The dict was made by hand and belongs to no call.
        """
        if self._meta is None:
            raise AttributeError("this JsonObject came from no call of an SDK: it has no meta")
        return self._meta
