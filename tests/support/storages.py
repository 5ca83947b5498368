"""Canned servers that answer by method and path, as an API and as the storage that it redirects to."""

from __future__ import annotations

import json
from typing import Any

from support.canned import CannedServer, Connection, Request


def script(server: CannedServer, replies: dict[str, Any]) -> None:
    """Answer by method and path: bytes as they are, anything else as JSON; a tuple adds status and headers.

    A list gives one answer after the other, the last again and again.
    """

    def answer(connection: Connection, request: Request) -> bool:
        reply = replies[f"{request.method} {request.target.partition('?')[0]}"]
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        status, headers = 200, {}
        if isinstance(reply, tuple):
            status, headers, reply = reply
        body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        lines = [f"HTTP/1.1 {status} Canned", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.send("\r\n".join([*lines, "", ""]).encode() + body)
        return True

    server.script = answer
