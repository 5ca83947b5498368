"""The embedded provider without its sockets: a request in, a reply in the dialect's words out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from .._call.operation import Operation
from ..providers.reshape import AsList, Renamed, WidthHeight
from ..providers.spec import Page, Provider, Reshape, Route
from . import pictures, replies, vectors
from .httpd import Request
from .kinds import Json, is_object
from .replies import Produced
from .wire import CHUNK, Problem, outward, put, steps_of, style_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from .stored import Store

MAX_CHOICES = 128

STORAGE = "/embedded-storage/"
"""Where dialects that hand files over have their storage; it wants no key, and refuses one."""

_SHAPED = (AsList, Renamed, WidthHeight)  # forms that can be read backwards


class Refusal(Exception):
    """A request that the dialect's server would refuse."""

    def __init__(self, status: int, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.param = status, param


@dataclass(kw_only=True)
class Reply:
    """An answer: a body in one piece, or the events of a stream."""

    status: int
    body: bytes = b""
    events: list[bytes] | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, kw_only=True)
class Target:
    """One path of the dialect: the operation behind it, and how the dialect deviates."""

    operation: Operation
    route: Route
    pattern: re.Pattern[str]
    always_streams: bool

    @property
    def placeholders(self) -> frozenset[str]:
        return frozenset(self.pattern.groupindex)


class App:
    """Answers requests as one dialect.

    Args:
        origin: Own URL without a path, for links to images.
        api_key: The only key that is let in; None lets every key in.
        page_size: How many models a page of the list has, where the dialect pages.
    """

    def __init__(self, provider: Provider, *, origin: str = "", api_key: str | None = None, page_size: int = 100):
        self.provider = provider
        self.style = style_of(provider)
        self.origin = origin
        self._api_key = api_key
        self._page_size = page_size

    @cached_property
    def base(self) -> str:
        """Path that every path of the API begins with."""
        return urlsplit(self.provider.servers[0]).path.rstrip("/") if self.provider.servers else "/v1"

    def handle(self, request: Request, request_id: str) -> Reply:
        """Answer a request; what it lacks is answered with an error."""
        try:
            reply = self._answer(request)
        except Refusal as exc:
            reply = self.failure(exc.status, str(exc), request_id, exc.param)
            if exc.status == 405:
                reply.headers["allow"] = exc.param or ""
        reply.headers = {**self._headers(request_id), **reply.headers}
        return reply

    def failure(self, status: int, message: str, request_id: str, param: str | None = None) -> Reply:
        """Make the dialect's reply to something that went wrong."""
        problem = Problem(status=status, message=message, param=param, request_id=request_id)
        return Reply(status=status, body=_dump(self.style.error(problem)))

    def error_event(self, payload: Any, request_id: str) -> bytes:
        """Make the event that tells of an error inside a stream; without payload, the dialect's own."""
        if payload is None:
            message = "Scripted fault: the embedded provider failed in the middle of a stream."
            payload = self.style.error(Problem(status=500, message=message, request_id=request_id))
        data = payload.encode() if isinstance(payload, str) else _dump(payload)
        name = f"event: {self.style.error_event}\n".encode() if self.style.error_event else b""
        return name + _event(data)

    def _headers(self, request_id: str) -> dict[str, str]:
        limits = self.provider.limits
        headers = {name: value.format(id=request_id) for name, value in self.style.headers.items()}
        headers[self.provider.request_id[0]] = request_id
        for names, value in (
            (limits.requests_limit, "600"),
            (limits.requests_remaining, "599"),
            (limits.requests_reset, self.style.reset),
            (limits.tokens_limit, "100000"),
            (limits.tokens_remaining, "99000"),
            (limits.tokens_reset, self.style.reset),
        ):
            headers[names[0]] = value
        return headers

    def _answer(self, request: Request) -> Reply:
        if request.path.startswith(pictures.FILES):
            content = pictures.file(request.path.removeprefix(pictures.FILES))
            if content is None:
                raise Refusal(404, "No such file.")
            return Reply(status=200, body=content, content_type="image/png")
        if request.path.startswith(STORAGE):
            return self.store.put(request)
        target, fills = self._find(request)
        request.operation = target.operation.id
        self._check_key(request.headers.get("authorization"))
        params, is_stream = self._read(target, fills, request)
        if target.operation.is_stored:
            stored = self.store.answer(target, params, request)
            return stored if isinstance(stored, Reply) else self._whole(target, stored, params)
        produced = _ANSWERS[target.operation.id](self, params, request)
        return self._stream(target, produced, params) if is_stream else self._whole(target, produced, params)

    @cached_property
    def store(self) -> Store:
        """The files and batches that clients have made."""
        from .stored import Store

        return Store(self)

    @cached_property
    def _targets(self) -> list[Target]:
        from ..resources.operations import all_operations

        known = all_operations()
        found: list[Target] = []
        for name, route in self.provider.routes.items():
            operation = known.get(name)
            if operation is None or not (operation.is_stored or name in _ANSWERS):
                continue
            if route.handover is not None:
                done = replace(known["retrieveFile"], method="POST")
                pattern = _pattern(route.handover.done)
                found.append(Target(operation=done, route=Route(), pattern=pattern, always_streams=False))
            paths = [(route.path or operation.path, False)]
            if route.stream_path:
                paths.append((route.stream_path, True))
            found += [
                Target(operation=operation, route=route, pattern=_pattern(path), always_streams=streams)
                for path, streams in paths
            ]
        return found

    def _find(self, request: Request) -> tuple[Target, dict[str, str]]:
        path = request.path
        matching: list[tuple[Target, re.Match[str]]] = []
        if path.startswith(self.base):
            tried = ((target, target.pattern.fullmatch(path[len(self.base) :])) for target in self._targets)
            matching = [(target, match) for target, match in tried if match]
        method = "GET" if request.method == "HEAD" else request.method
        for target, match in matching:
            if target.operation.method == method:
                return target, {name: unquote(value) for name, value in match.groupdict().items()}
        if matching:
            allowed = ", ".join(sorted({target.operation.method for target, _ in matching}))
            raise Refusal(405, f"{request.method} is not allowed here, use {allowed}.", allowed)
        raise Refusal(404, f"{self.provider.name} has no {request.method} {path[:200]}.")

    def _check_key(self, header: str | None) -> None:
        if self.provider.auth is None or (header is None and self._api_key is None and not self.provider.key_required):
            return
        before, _, after = self.provider.auth.partition("{api_key}")
        match = re.fullmatch(f"{re.escape(before)}(\\S+){re.escape(after)}", header or "")
        if match is None or (self._api_key is not None and match[1] != self._api_key):
            raise Refusal(401, f"Invalid API key; Authorization must be {before}KEY{after}.")

    def _read(self, target: Target, fills: dict[str, str], request: Request) -> tuple[Json, bool]:
        """Turn a request into our own parameters, checked."""
        operation, route = target.operation, target.route
        body: Json = {}
        if operation.method == "POST" and (request.body or not operation.is_stored):
            body = _form(request) if operation.files else _object(request)
        is_stream = target.always_streams
        if route.says_stream and (said := body.pop("stream", None)) is not None:
            if not isinstance(said, bool) and not operation.files:
                raise Refusal(400, "stream must be a boolean.", "stream")
            is_stream = said in {True, "true"}
        if is_stream and (not route.streams or operation.chunk is None):
            raise Refusal(400, f"{operation.id} does not stream here.", "stream")
        body |= {name: _query_value(value) for name, value in request.query.items() if name in operation.query}
        params = {**self._ours(target, body), **{k: v for k, v in fills.items() if k in _vocabulary(operation)}}
        for name in sorted(operation.required - route.optional):
            if params.get(name) is None:
                raise Refusal(400, f"{route.rename.get(name, name)} is required.", route.rename.get(name, name))
        self._check_types(target, params)
        _check_bounds(params)
        return params, is_stream

    def _ours(self, target: Target, body: Json) -> Json:
        """Give wire parameters our names and forms."""
        route = target.route
        shaped = {name: shape for name, shape in route.reshape.items() if isinstance(shape, _SHAPED)}
        gone = {name for name, shape in shaped.items() if isinstance(shape, WidthHeight)}
        names = _vocabulary(target.operation) - route.unsupported - target.placeholders - gone
        ours = {route.rename.get(name, name): name for name in names}
        takes_any = self.style.takes_any or len(shaped) < len(route.reshape)
        params: Json = {}
        for wire_name, value in body.items():
            name = ours.get(wire_name)
            if name is not None:
                params[name] = _unshaped(wire_name, value, shaped.get(name))
            elif not takes_any:
                raise Refusal(400, f"Unknown parameter: {wire_name[:100]}.", wire_name[:100])
        return params

    def _check_types(self, target: Target, params: Json) -> None:
        from pydantic import ValidationError

        operation = target.operation
        custom = {name for name, shape in target.route.reshape.items() if not isinstance(shape, _SHAPED)}
        checked = {k: v for k, v in params.items() if v is not None and k not in operation.files | custom}
        try:
            _adapter(operation).validate_json(json.dumps(checked), strict=not operation.files)
        except ValidationError as exc:
            for problem in exc.errors(include_url=False, include_input=False, include_context=False):
                where = [str(step) for step in problem["loc"]]
                if problem["type"] == "missing" and len(where) == 1:
                    continue  # what is required was looked at before, by the dialect
                where[0] = target.route.rename.get(where[0], where[0])
                raise Refusal(400, f"{'.'.join(where)}: {problem['msg']}.", where[0]) from None

    def _whole(self, target: Target, produced: Produced, params: Json) -> Reply:
        return Reply(status=200, body=_dump(self._shaped(target, produced.reply, params, "", target.route.reply)))

    def _stream(self, target: Target, produced: Produced, params: Json) -> Reply:
        options: Json = params.get("stream_options") or {}
        wants_usage = self.style.sends_usage or options.get("include_usage") is True
        events: list[bytes] = []
        for chunk in produced.chunks:
            if chunk.get("choices") == [] and not wants_usage:
                continue
            shaped = self._shaped(target, chunk, params, CHUNK, target.route.event)
            if shaped is not None:
                events.append(_event(_dump(shaped)))
        if not target.route.ends_with_connection:
            events.append(_event(self.provider.sentinel))
        return Reply(status=200, events=events, content_type=self.style.event_type)

    def _shaped(self, target: Target, document: Json, params: Json, kind: str, paths: Mapping[str, str]) -> Any:
        shape = self.style.shapes.get(target.operation.id + kind)
        shaped = shape(document, params) if shape else document
        return None if shaped is None else outward(shaped, paths)

    def complete(self, params: Json, request: Request) -> Produced:
        """Answer a text completion."""
        if self.style.splits_echo:
            params = {name: value for name, value in params.items() if name != "echo"}
        return replies.completion(_with_model(params))

    def chat(self, params: Json, request: Request) -> Produced:
        """Answer a chat."""
        if not params["messages"]:
            raise Refusal(400, "messages must not be empty.", "messages")
        return replies.chat(_with_model(params))

    def image(self, params: Json, request: Request) -> Produced:
        """Answer an image request."""
        return pictures.image({"response_format": self.style.images_as, **params}, self.origin)

    def embed(self, params: Json, request: Request) -> Produced:
        """Answer a request of embeddings."""
        if not params["input"] or not all(vectors.inputs(params["input"])):
            raise Refusal(400, "input must not be empty.", "input")
        return vectors.embed(_with_model(params))

    def list_models(self, params: Json, request: Request) -> Produced:
        """List models, in pages where the dialect has them."""
        items = pictures.models()
        page = self.provider.routes["listModels"].page
        return Produced(reply=self.paged(items, page, request.query), chunks=[])

    def paged(self, items: list[Json], page: Page | None, query: Mapping[str, str], limit: int | None = None) -> Json:
        """Make a list, or the page of it that is asked for."""
        if page is None:
            return {"object": "list", "data": items}
        after, size = query.get(page.param), min(limit or self._page_size, self._page_size)
        names = [item["id"] for item in items]
        start = names.index(after) + 1 if after in names else 0
        shown = items[start : start + size]
        is_last = start + size >= len(items)
        reply: Json = {"object": "list", "data": shown}
        cursor = None if is_last and page.more is None else shown[-1]["id"] if shown else None
        for path, value in ((page.cursor, cursor), (page.more, not is_last)):
            if path:
                reply = put(reply, steps_of(path), value)
        return reply

    def retrieve_model(self, params: Json, request: Request) -> Produced:
        """Describe a model; every name is one, but those that begin with "missing"."""
        return Produced(reply=pictures.model(_with_model(params)["model"]), chunks=[])


_ANSWERS: Mapping[str, Callable[[App, Json, Request], Produced]] = {
    "createCompletion": App.complete,
    "createModelCustomizationCompletion": App.complete,
    "createChatCompletion": App.chat,
    "createImage": App.image,
    "editImage": App.image,
    "createEmbedding": App.embed,
    "listModels": App.list_models,
    "retrieveModel": App.retrieve_model,
}


def _with_model(params: Json) -> Json:
    model = params.get("model")
    if isinstance(model, str) and model.startswith("missing"):
        raise Refusal(404, f"The model {model[:100]!r} does not exist.", "model")
    return {**params, "model": model or "embedded-chat"}


@cache
def _adapter(operation: Operation) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(operation.request)


@cache
def _vocabulary(operation: Operation) -> frozenset[str]:
    names: dict[str, Any] = operation.request.__annotations__
    return (frozenset(names) | operation.required) - {"stream"}


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile("".join(f"(?P<{part}>[^/]+)" if at % 2 else re.escape(part) for at, part in enumerate(parts)))


def _unshaped(wire_name: str, value: Any, shape: Reshape | None) -> Any:
    """Undo a form; the form that other servers take is refused."""
    if isinstance(shape, AsList) and isinstance(value, str):
        raise Refusal(400, f"{wire_name} must be a list.", wire_name)
    if isinstance(shape, Renamed) and isinstance(value, str):
        theirs = {wire: ours for ours, wire in shape.values}
        if value in {ours for ours, _ in shape.values} - theirs.keys():
            raise Refusal(400, f"{wire_name} must be one of {', '.join(map(str, theirs))}.", wire_name)
        return theirs.get(value, value)
    return value


def _check_bounds(params: Json) -> None:
    """Refuse what would be no request, or too large an answer."""
    for name, least, most in (
        ("n", 1, MAX_CHOICES),
        ("max_tokens", 1, None),
        ("max_completion_tokens", 1, None),
        ("partial_images", 0, 3),
        ("dimensions", 1, vectors.MAX_DIMENSIONS),
    ):
        value = params.get(name)
        value = int(value) if isinstance(value, str) and value.isdigit() else value
        if isinstance(value, int):
            params[name] = value
            if value < least or (most is not None and value > most):
                raise Refusal(400, f"{name} is out of range.", name)


def _object(request: Request) -> Json:
    """Read a JSON body."""
    content_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if not content_type.endswith("json"):
        raise Refusal(400, f"The body must be application/json, not {content_type[:100]}.")
    try:
        body = json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not valid JSON.") from None
    if not is_object(body):
        raise Refusal(400, "The body must be a JSON object.")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _form(request: Request) -> Json:
    """Read a multipart body: files as bytes, repeated and bracketed names as lists."""
    match = re.fullmatch(
        r'multipart/form-data;.*boundary="?([^";]+)"?.*', request.headers.get("content-type", ""), re.IGNORECASE
    )
    if match is None:
        raise Refusal(400, "The body must be multipart/form-data.")
    found: dict[str, list[Any]] = {}
    for part in (b"\r\n" + request.body).split(b"\r\n--" + match[1].encode("latin-1"))[1:-1]:
        head, blank, content = part.partition(b"\r\n\r\n")
        name = re.search(r'\bname="([^"]*)"', head.decode("utf-8", "replace"))
        if not blank or name is None:
            raise Refusal(400, "Malformed multipart body.")
        is_file = b"filename" in head
        found.setdefault(name[1].removesuffix("[]"), []).append(
            content if is_file else content.decode("utf-8", "replace")
        )
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _query_value(value: str) -> Any:
    return int(value) if value.isdecimal() and len(value) < 10 else {"true": True, "false": False}.get(value, value)


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"
