"""The words that dialects are written in: Provider, Route and their parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final, Literal

from ..utils.forks import once
from ..utils.records import Record

API_KEY = "{api_key}"
"""Stands where the key goes in the value of a header."""

Reshape = Callable[[Any], Mapping[str, Any]]
"""Turns one parameter's value into wire parameters; raises ValueError, saying what is accepted, where it can't."""

_NOTHING: Mapping[str, Any] = {}


class Page(Record):
    """How a server pages a list.

    Attributes:
        cursor: JSONPath of the cursor of the next page.
        param: Query parameter that takes the cursor.
        more: JSONPath of a boolean that says whether another page follows; None where the cursor alone does.
    """

    cursor: str
    param: str
    more: str | None = None


class Handover(Record):
    """How a file is handed over to a storage that the server redirects to, instead of going with the request.

    Attributes:
        status: That of the redirect, whose Location is where the file is put, without the key.
        id_header: Header of the redirect that holds the id of the file.
        done: Path of the call that says that the file is there; its reply describes the file.
    """

    status: int
    id_header: str
    done: str


class BatchRows(Record):
    """The lines that a server takes as the input of a batch; the defaults are OpenAI's.

    Attributes:
        fields: What a line holds.
        longest_id: How many characters a `custom_id` may have; None where nothing is said of it.
        inline: Turns lines into the fields of the new batch that hold them; None where they are uploaded as a file.
        model: Parameter of the new batch that names the model, where its rows have but one.
        result: Turns a line of results into one of OpenAI's; None where it is one.
        document: Finds the lines of results where they come as one document; None where they come as lines.
    """

    fields: tuple[str, ...] = ("custom_id", "method", "url", "body")
    longest_id: int | None = None
    inline: Callable[[list[dict[str, Any]]], dict[str, Any]] | None = None
    model: str | None = None
    result: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    document: Callable[[dict[str, Any]], list[dict[str, Any]]] | None = None


class Structured(Record):
    """How a server is asked for an answer that matches a JSON Schema; the defaults are OpenAI's parameter.

    Attributes:
        way: `json_schema` as the response format; `json_object`, with the schema in a system message; or a forced
            `tool`.
        strict: Whether the server takes `strict`, for which every property is required and every object closed.
        lacks: Keywords of JSON Schema that the server refuses; they are written into descriptions instead.
        formats: The values of `format` that it takes; None where it takes any.
    """

    way: Literal["json_schema", "json_object", "tool"] = "json_schema"
    strict: bool = True
    lacks: frozenset[str] = frozenset()
    formats: frozenset[str] | None = None


class Turns(Record):
    """What a server does with earlier messages of the assistant.

    Attributes:
        reasoning: The name under which it takes the reasoning of a message; None where it refuses or ignores it.
        required: Whether a message with calls must have it: one that lost it, or never had any, gets a blank.
        keeps: Fields of its own replies, in messages and in their calls, that it wants back as they came.
        strict: Whether it refuses fields that it does not know.
        tagged: Whether its models write their reasoning in front of the text, as `<think>…</think>`.
        call_default: What a call must have that another server made, and the value that says so.
        call_id: Pattern of the ids of calls that it takes, if it is particular about them; another server's id that
            does not match is replaced, in the call and in its result, by nine letters and digits that are made of it.
    """

    reasoning: str | None = None
    required: bool = False
    keeps: frozenset[str] = frozenset()
    strict: bool = False
    tagged: bool = False
    call_default: Mapping[str, Any] = _NOTHING
    call_id: str | None = None


END: Final = object()
"""What a codec returns last where an event ends the stream."""


class CannotSay(ValueError):
    """A value that a protocol has no form for; `param` names the parameter, the reason says what is accepted."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(reason)
        self.param = param


class Codec(Record):
    """A protocol of its own behind one operation, as pure functions between JSON documents.

    Attributes:
        request: Our parameters to the wire's body; raises `CannotSay` for a value that the protocol has no form for.
        reply: The wire's document to ours; an error is returned as a document with `error` in it. None where the
            route's paths say all there is to say.
        decoder: Makes what reads one stream: called with each event, it returns our chunks in order, and `END` last
            where the event ends the stream. None for an operation that does not stream.
    """

    request: Callable[[dict[str, Any]], dict[str, Any]]
    reply: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    decoder: Callable[[], Callable[[dict[str, Any]], Iterable[Any]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a provider differs in one operation; every default means that it doesn't.

    Attributes:
        path, stream_path: Own paths; of the streamed call, where that is another one.
        rename: Our name of a parameter to the wire's.
        unsupported: Parameters that the server lacks.
        own: The server's own parameters, passed in `extra_body`.
        optional: Required parameters that the server can do without.
        reshape: Parameters that have another form on the wire.
        pairs: Two lists of ours that are one object on the wire: its name to the parameters of its keys and its values.
        excludes: Pairs of parameters that the server refuses together.
        form_lists: How a form holds a list: under `name[]` for each item, under its bare name, or joined by commas.
        form_objects: How a form holds an object: under `name[key]` for each value, or as one part of JSON.
        form_alone: What kind of form a request without a file is.
        reply, event: Our path to the wire's path, in JSONPath, for replies and for events; a value is copied where
            ours is absent.
        rare_event: As `event`, of values that few events hold, in fields beside our own, as `$.x_acme.usage`: only
            events with such are mapped.
        streams: Whether the server can stream this operation.
        says_stream: Whether the body holds `stream`; False where the path says it.
        ends_with_connection: Whether a stream may end without finish reason and sentinel.
        usage_wish: Parameters that make a stream report its token counts; empty where it does so unasked, or cannot.
        completion_is_rest: Whether `completion_tokens` leave out what was generated to reason, which the total has.
        page: How lists are paged; None for a list in one piece.
        optional_result: Whether a reply may come without what was asked for.
        statuses: Error statuses that the provider documents.
        structured: How an answer in the form of a JSON schema is asked for.
        handover: How files are uploaded past the API; None where they go with the request.
        rows: The lines of a batch's input.
        turns: What the server does with earlier messages of the assistant; None if they are sent unchanged.
        codec: Translates to a protocol of its own; renames and reshapes apply to what the path takes alone. It is
            given that, too: some protocols have it in the body as well.
    """

    path: str | None = None
    stream_path: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    unsupported: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    reshape: Mapping[str, Reshape] = field(default_factory=dict[str, Reshape])
    pairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    excludes: Mapping[str, str] = field(default_factory=dict[str, str])
    form_lists: Literal["brackets", "bare", "comma"] = "brackets"
    form_objects: Literal["brackets", "json"] = "brackets"
    form_alone: Literal["multipart", "urlencoded"] = "multipart"
    reply: Mapping[str, str] = field(default_factory=dict[str, str])
    event: Mapping[str, str] = field(default_factory=dict[str, str])
    rare_event: Mapping[str, str] = field(default_factory=dict[str, str])
    streams: bool = True
    says_stream: bool = True
    ends_with_connection: bool = False
    usage_wish: Mapping[str, Any] = field(default_factory=dict[str, Any])
    completion_is_rest: bool = False
    page: Page | None = None
    optional_result: bool = False
    statuses: tuple[int, ...] = ()
    structured: Structured = Structured()
    handover: Handover | None = None
    rows: BatchRows = BatchRows()
    turns: Turns | None = None
    codec: Codec | None = None


class ErrorPaths(Record):
    """Where the parts of an error body are, as JSONPaths tried in order, before the shapes that many servers share.

    Attributes:
        message, code, type, param: Paths of this part.
        marks: Top-level keys that distinguish an error object from a reply, inside a 2xx body or a stream.
        request_id: Paths of the id of the request, if no header holds it.
        spent: Codes and types, letters and digits in lower case, that mean a used-up balance, beside the common ones:
            waiting is of no use then, though the status is that of a rate limit.
    """

    message: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    param: tuple[str, ...] = ()
    marks: tuple[str, ...] = ("error",)
    request_id: tuple[str, ...] = ()
    spent: frozenset[str] = frozenset()


class LimitWindow(Record):
    """Names of the headers of one of several limits.

    Attributes:
        of: What is counted.
        seconds: The time that the limit is for.
        limit, remaining, reset: Header of this part, None where there is none.
    """

    of: Literal["requests", "tokens"]
    seconds: int
    limit: str | None = None
    remaining: str | None = None
    reset: str | None = None


class LimitHeaders(Record):
    """Names of rate-limit headers; the first one present is used. The defaults are OpenAI's.

    Attributes:
        requests_limit, requests_remaining, requests_reset: Headers of this part of the limit of requests.
        tokens_limit, tokens_remaining, tokens_reset: Headers of this part of the limit of tokens.
        images_limit, images_remaining, images_reset: Headers of this part of the limit of images that are sent.
        windows: Limits for several windows of time, where a server has them.

    Source: platform.openai.com, guide on rate limits, section on headers.
    """

    requests_limit: tuple[str, ...] = ("x-ratelimit-limit-requests",)
    requests_remaining: tuple[str, ...] = ("x-ratelimit-remaining-requests",)
    requests_reset: tuple[str, ...] = ("x-ratelimit-reset-requests",)
    tokens_limit: tuple[str, ...] = ("x-ratelimit-limit-tokens",)
    tokens_remaining: tuple[str, ...] = ("x-ratelimit-remaining-tokens",)
    tokens_reset: tuple[str, ...] = ("x-ratelimit-reset-tokens",)
    images_limit: tuple[str, ...] = ("x-ratelimit-limit-input-images",)
    images_remaining: tuple[str, ...] = ("x-ratelimit-remaining-input-images",)
    images_reset: tuple[str, ...] = ("x-ratelimit-reset-input-images",)
    windows: tuple[LimitWindow, ...] = ()

    @once
    def all(self) -> frozenset[str]:
        """All names, in lower case for comparison."""
        names = (*self.requests_limit, *self.requests_remaining, *self.requests_reset)
        names += (*self.tokens_limit, *self.tokens_remaining, *self.tokens_reset)
        names += (*self.images_limit, *self.images_remaining, *self.images_reset)
        names += tuple(name for one in self.windows for name in (one.limit, one.remaining, one.reset) if name)
        return frozenset(name.lower() for name in names)


@dataclass(frozen=True, kw_only=True, eq=False)
class Provider:
    """A service and its dialect. Write your own for a server that isn't in this package.

    Attributes:
        name: Server id; in messages, in `meta.server` and as key of an `api_key` mapping.
        servers: Base URLs, the first is the default; empty if `server_url` is required. A name in braces,
            also in the host, is filled from `url_params`.
        routes: What it can do: operation id to how it deviates. An operation without an entry is unsupported.
        auth: Value of the Authorization header, with `{api_key}` in it; None where the key goes elsewhere, or nowhere.
        headers: Headers of every request; one may have `{api_key}` in it, which is where the key goes then.
        env_var: Environment variable of the key.
        other_env_vars: Further ones, for those who know it by another name.
        base_url_var: Environment variable of a base URL that goes before `servers`.
        key_hosts: Hosts that the variable's key may go to, beside those of `servers` and `base_url_var`.
        key_required: Whether a call without a key is an error at construction.
        key_optional_elsewhere: Whether that is so at the hosts of `servers` alone: what else speaks the dialect may
            need none.
        url_params: Values, such as `organization_id`, that paths take and that can be set once for all calls.
        error: Where error bodies keep their parts.
        error_statuses: Error codes or types, lower case, to the status they stand for, beside the common ones.
        request_id: Headers that hold the id of a request, the first that is present wins.
        limits: Names of the rate-limit headers.
        sentinel: Data of the event that ends a stream.
        embedded: Whether the SDK starts the server itself, in this process.
        speaks_for_urls: Whether a `server_url` without a server id uses this dialect; true for one provider.
    """

    name: str
    routes: Mapping[str, Route]
    servers: tuple[str, ...] = ()
    auth: str | None = "Bearer {api_key}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    env_var: str | None = None
    other_env_vars: tuple[str, ...] = ()
    base_url_var: str | None = None
    key_hosts: tuple[str, ...] = ()
    key_required: bool = True
    key_optional_elsewhere: bool = False
    url_params: tuple[str, ...] = ()
    error: ErrorPaths = ErrorPaths()
    error_statuses: Mapping[str, int] = field(default_factory=dict[str, int])
    request_id: tuple[str, ...] = ("x-request-id",)
    limits: LimitHeaders = LimitHeaders()
    sentinel: bytes = b"[DONE]"
    embedded: bool = False
    speaks_for_urls: bool = False

    @staticmethod
    def from_toml(path: str | os.PathLike[str]) -> Provider:
        """Read a provider from a file; `llmsdk.providers.files` says how one is written.

        Raises:
            ConfigurationError: It cannot be read, or something in it is wrong; file, line and key are named.
        """
        # By its name: that module makes providers, and so knows this one.
        provider: Provider = import_module(f"{__package__}.files").read_provider(path)
        return provider

    @once
    def key_header(self) -> tuple[str, str] | None:
        """The header that holds the key, and its value with `{api_key}` in it; None if the server has no keys."""
        if self.auth is not None:
            return "authorization", self.auth
        return next(((name.lower(), form) for name, form in self.headers.items() if API_KEY in form), None)

    @once
    def own_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers without the key."""
        return tuple((name.lower(), value) for name, value in self.headers.items() if API_KEY not in value)
