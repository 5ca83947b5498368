"""What a hand-written client on the standard library costs."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from . import Adapter
from .raw_httpx import BODY, HEADERS, STREAM_BODY

WITH_TYPE = {**HEADERS, "Content-Type": "application/json"}


class HttpClient(Adapter):
    """One kept-alive connection, no pool, no proxies, no TLS: the lowest bound in pure Python."""

    def setup(self, base_url: str) -> None:
        super().setup(base_url)
        parts = urlsplit(base_url)
        self.address = (parts.hostname or "", parts.port)
        self.path = f"{parts.path}/v1/chat/completions"

    def make(self) -> Any:
        return http.client.HTTPConnection(*self.address, timeout=600)

    def send(self, body: dict[str, Any]) -> http.client.HTTPResponse:
        """Send one request; the reply's body is still to be read."""
        self.client.request("POST", self.path, json.dumps(body), WITH_TYPE)
        response: http.client.HTTPResponse = self.client.getresponse()
        return response

    def call(self) -> int:
        return len(json.loads(self.send(BODY).read())["choices"][0]["message"]["content"])

    def stream(self) -> int:
        from .replies import Events

        count = 0
        events = Events()
        response = self.send(STREAM_BODY)
        while data := response.read1(65536):
            for chunk in events.feed(data):
                count += bool(chunk.choices[0].delta.content)
        return count

    def text(self) -> int:
        from .replies import Events

        size = 0
        events = Events()
        response = self.send(STREAM_BODY)
        while data := response.read1(65536):
            for chunk in events.feed(data):
                size += len(chunk.choices[0].delta.content or "")
        return size

    def first(self) -> int:
        line = self.send(STREAM_BODY).readline()
        return len(json.loads(line[6:])["choices"][0]["delta"]["content"])


ADAPTERS = {"http.client": HttpClient}
