"""The embedded provider without its sockets: a request in, a response in the dialect's words out.

Start reading at `App.handle`. `asks` says what a request asks for, `handlers` and `stored` what it is answered with, in
one neutral shape, and `wire` how the dialect writes that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from functools import cached_property
from typing import Any

from ..providers.spec import Provider
from ..utils.jsonpaths import move
from ..utils.shapes import Json
from . import pictures
from .asks import Ask, Endpoint, Setting, endpoints_of, find_endpoint, read_ask
from .cors import headers_of, preflight
from .handlers import HANDLERS
from .httpd import Refusal, Request, Response
from .stored import STORAGE, Store
from .wire import CHUNK, style_of


class App:
    """Answers requests as one dialect.

    Args:
        api_key: The only key that is let in; None lets every key in.
        page_size: How many items a page of a list has, where the dialect pages.
    """

    def __init__(self, provider: Provider, *, api_key: str | None = None, page_size: int = 100) -> None:
        self.setting = Setting(provider=provider, style=style_of(provider), page_size=page_size)
        self.store = Store(self.handle)
        self.handlers = {**HANDLERS, **self.store.handlers}
        self._api_key = api_key

    @cached_property
    def _endpoints(self) -> list[Endpoint]:
        return endpoints_of(self.setting.provider)

    def handle(self, request: Request, request_id: str) -> Response:
        """Answer a request; what it lacks is answered with an error."""
        try:
            response = preflight(request) if request.method == "OPTIONS" else self._answer(request)
        except Refusal as exc:
            response = self.failure(exc, request_id)
            if exc.status == 405:
                response.headers["allow"] = exc.param or ""
        response.headers = {**self._headers(request_id), **headers_of(request), **response.headers}
        return response

    def failure(self, problem: Refusal, request_id: str) -> Response:
        """Make the dialect's response to something that went wrong."""
        return Response(status=problem.status, body=_dump(self.setting.style.error(problem, request_id)))

    def error_event(self, payload: Any, request_id: str) -> bytes:
        """Make the event that reports an error inside a stream; without payload, the dialect's own."""
        style = self.setting.style
        if payload is None:
            message = "Scripted fault: the embedded provider failed in the middle of a stream."
            payload = style.error(Refusal(500, message), request_id)
        data = payload.encode() if isinstance(payload, str) else _dump(payload)
        return _event(data, style.error_event)

    def _headers(self, request_id: str) -> dict[str, str]:
        provider, style = self.setting.provider, self.setting.style
        limits = provider.limits
        headers = {name: value.format(id=request_id) for name, value in style.headers.items()}
        headers[provider.request_id[0]] = request_id
        # Numbers of an account that nothing uses up; with `rate_limit`, the true ones are written over them.
        for names, value in (
            (limits.requests_limit, "600"),
            (limits.requests_remaining, "599"),
            (limits.requests_reset, style.reset),
            (limits.tokens_limit, "100000"),
            (limits.tokens_remaining, "99000"),
            (limits.tokens_reset, style.reset),
        ):
            if names:
                headers[names[0]] = value
        return headers

    def _answer(self, request: Request) -> Response:
        # Links to pictures and to the storage hold no key: whoever has them may follow them.
        if request.path.startswith(pictures.FILES):
            return pictures.file(request.path)
        if request.path.startswith(STORAGE):
            return self.store.storage(request)
        base = self.setting.base
        path = request.path.removeprefix(base) if request.path.startswith(base) else ""
        endpoint, fills = find_endpoint(self._endpoints, request, path)
        request.operation = endpoint.operation.id
        self._check_key(request.headers.get("authorization"))
        handler = self.handlers.get(endpoint.operation.id)
        if handler is None:
            raise Refusal(501, f"The embedded provider has no handler of {endpoint.operation.id}.")
        ask = read_ask(self.setting, endpoint, fills, request)
        produced = handler(ask)
        if isinstance(produced, Response):
            return produced
        if ask.streams:
            return self._stream(ask, produced.chunks)
        return Response(body=_dump(self._shaped(ask, produced.reply, "", endpoint.route.reply)))

    def _check_key(self, header: str | None) -> None:
        provider = self.setting.provider
        if provider.auth is None or (header is None and self._api_key is None and not provider.key_required):
            return
        before, _, after = provider.auth.partition("{api_key}")
        match = re.fullmatch(f"{re.escape(before)}(\\S+){re.escape(after)}", header or "")
        if match is None or (self._api_key is not None and match[1] != self._api_key):
            raise Refusal(401, f"Invalid API key; Authorization must be {before}KEY{after}.")

    def _stream(self, ask: Ask, chunks: list[Json]) -> Response:
        style, route = self.setting.style, ask.endpoint.route
        options: Json = ask.params.get("stream_options") or {}
        wants_usage = style.sends_usage or options.get("include_usage") is True
        said = (chunk for chunk in chunks if chunk.get("choices") != [] or wants_usage)
        shaped = (self._shaped(ask, chunk, CHUNK, route.event) for chunk in said)
        # Events that say their type in the data say it as their name too.
        events = [_event(_dump(event), event.get("type")) for event in shaped if event is not None]
        if not route.ends_with_connection:
            events.append(_event(self.setting.provider.sentinel))
        return Response(events=events, content_type=style.event_type)

    def _shaped(self, ask: Ask, document: Json, kind: str, paths: Mapping[str, str]) -> Any:
        """Write a neutral document as the dialect does: by its shape, then with its values where its route has them."""
        shape = self.setting.style.shapes.get(ask.endpoint.operation.id + kind)
        shaped: Any = shape(document, ask.params) if shape else document
        if shaped is not None and paths:
            shaped = deepcopy(shaped)  # what is kept, and pieces that events share, must not change
            for ours, theirs in paths.items():
                shaped = move(shaped, ours, theirs)
        return shaped


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _event(data: bytes, name: str | None = None) -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"
