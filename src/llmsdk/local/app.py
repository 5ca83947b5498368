"""The embedded provider without its sockets: a request in, a response in the dialect's words out.

Start reading at `App.handle`. `parsing` says what a request asks for, `handlers` and `stored` what it is answered with,
in one neutral shape, and `wire` how the dialect writes that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from ..providers.spec import Provider
from ..utils.forks import once
from ..utils.jsonpaths import move
from ..utils.shapes import Json
from . import pictures
from .cors import headers_of, preflight
from .handlers import HANDLERS
from .httpd import Refusal, Request, Response
from .parsing import Endpoint, ParsedRequest, Setting, endpoints_of, find_endpoint, parse_request
from .stored import STORAGE, Store
from .wire import CHUNK, style_of

_CHAT = "createChatCompletion"


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

    @once
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
            if style.natives and style.error_event:  # events say their type in the data, too
                payload = {"type": style.error_event, **payload}
        data = payload.encode() if isinstance(payload, str) else _dump(payload)
        return _event(data, style.error_event)

    def _headers(self, request_id: str) -> dict[str, str]:
        provider, style = self.setting.provider, self.setting.style
        limits = provider.limits
        headers = {name: value.format(id=request_id) for name, value in style.headers.items()}
        headers |= dict.fromkeys(provider.request_id[:1], request_id)
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
        for one in limits.windows:
            most, left = ("600", "599") if one.of == "requests" else ("100000", "99000")
            stated = {one.limit: most, one.remaining: left, one.reset: style.reset}
            headers |= {name: value for name, value in stated.items() if name}
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
        self._check_key(request)
        handler = self.handlers.get(endpoint.operation.id)
        if handler is None:
            raise Refusal(501, f"The embedded provider has no handler of {endpoint.operation.id}.")
        parsed = parse_request(self.setting, endpoint, fills, request)
        produced = handler(parsed)
        if isinstance(produced, Response):
            return produced
        if parsed.streams:
            return self._stream(parsed, produced.chunks)
        return Response(body=_dump(self._shaped(parsed, produced.reply, "", endpoint.route.reply)))

    def _check_key(self, request: Request) -> None:
        provider = self.setting.provider
        forms = [(name, form) for name, form in provider.headers.items() if "{api_key}" in form]
        # Where a header of the server's own takes the key, its clients may send it as everybody else does, too.
        forms.append(("authorization", provider.auth or ("Bearer {api_key}" if forms else "")))
        given = [(request.headers[name], form) for name, form in forms if form and name in request.headers]
        is_required = provider.key_required and not provider.key_optional_elsewhere  # this is elsewhere
        if (not provider.auth and len(forms) == 1) or not (given or self._api_key or is_required):
            return
        for header, form in given:
            before, _, after = form.partition("{api_key}")
            match = re.fullmatch(f"{re.escape(before)}(\\S+){re.escape(after)}", header)
            if match is not None and self._api_key in (None, match[1]):
                return
        name, form = forms[0]
        raise Refusal(401, f"Invalid API key; {name.title()} must be {form.format(api_key='KEY')}.")

    def _stream(self, parsed: ParsedRequest, chunks: list[Json]) -> Response:
        style, route = self.setting.style, parsed.endpoint.route
        options: Json = parsed.params.get("stream_options") or {}
        # Where a dialect has no wish for it, its chats end with usage without being asked.
        comes_by_itself = style.sends_usage or (parsed.endpoint.operation.id == _CHAT and not route.usage_wish)
        wants_usage = comes_by_itself or options.get("include_usage") is True
        if parsed.endpoint.operation.id in style.joins_usage:
            *chunks, last, end = chunks
            chunks.append({**last, "usage": end["usage"]})
        said = (chunk for chunk in chunks if chunk.get("choices") != [] or wants_usage)
        shaped: Iterable[Any] = (self._shaped(parsed, chunk, CHUNK, route.event) for chunk in said)
        native = style.natives.get(parsed.endpoint.operation.id)
        if native is not None and native.events is not None:
            shaped = native.events(chunks)
        # Events that say their type in the data say it as their name too.
        events = [_event(_dump(event), event.get("type")) for event in shaped if event is not None]
        is_unmarked = route.ends_with_connection or parsed.endpoint.operation.id in style.unmarked
        if not is_unmarked and route.codec is None:  # protocols of their own have other ends
            events.append(_event(self.setting.provider.sentinel))
        return Response(events=events, content_type=style.event_type)

    def _shaped(self, parsed: ParsedRequest, document: Json, kind: str, paths: Mapping[str, str]) -> Any:
        """Write a neutral document as the dialect does: by its shape, then with its values where its route has them."""
        style = self.setting.style
        native = style.natives.get(parsed.endpoint.operation.id)
        if native is not None:
            return native.write(document)
        shape = style.shapes.get(parsed.endpoint.operation.id + kind)
        shaped: Any = shape(document, parsed.params) if shape else document
        if shaped is not None and paths:
            shaped = deepcopy(shaped)  # what is kept, and pieces that events share, must not change
            moved: list[tuple[str, str]] = []
            for ours, theirs in paths.items():
                for before, now in moved:  # what is inside something that has moved, has moved with it
                    ours = now + ours.removeprefix(before) if re.match(re.escape(before) + r"[.\[]", ours) else ours
                shaped = move(shaped, ours, theirs)
                moved.append((ours, theirs))
        return shaped


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _event(data: bytes, name: str | None = None) -> bytes:
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"
