"""A client of the embedded provider that is no SDK: http.client."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from llmsdk.local import LocalServer


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> list[str]:
        """Data of the events."""
        return [
            line[6:]
            for event in self.body.decode().split("\n\n")
            for line in event.split("\n")
            if line.startswith("data: ")
        ]

    @property
    def events(self) -> list[Any]:
        """Events as JSON, without the sentinel."""
        return [json.loads(data) for data in self.data if data != "[DONE]"]


Call = Callable[..., Answer]


@pytest.fixture
def call() -> Call:
    def send(
        server: LocalServer, path: str, body: Any = None, *, method: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        host, port = server.origin.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=10)
        given = {"Content-Type": "application/json"}
        if server.provider.auth:
            given["Authorization"] = server.provider.auth.format(api_key="sk-placeholder")
        content = body if body is None or isinstance(body, bytes) else json.dumps(body)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, content, given | (headers or {}))
            reply = connection.getresponse()
            return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())
        finally:
            connection.close()

    return send


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer("openai") as running:
        yield running


@pytest.fixture
def raw() -> Callable[[LocalServer, bytes], bytes]:
    """Send exact bytes, read to the end of the connection."""

    def send(server: LocalServer, content: bytes) -> bytes:
        host, port = server.origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(content)
            received = b""
            while piece := connection.recv(65_536):
                received += piece
            return received

    return send
