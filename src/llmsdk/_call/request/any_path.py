"""A request to a path of the caller's: its path, query and body checked, before the server in use is known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_json

from ...errors import RequestValidationError
from ...providers.spec import Route
from ...utils.headers import check_header
from ...utils.plain import NotJson, misfit, plain
from ...utils.secrets import is_secret_name
from ...utils.shapes import described, is_mapping, is_unicode, named
from ...utils.urls import join, placeholders
from .encode import LONGEST_URL, Encoded, Extras, checked_query
from .multipart import Form, checked_form

_BAD = r"[\x00-\x20\x7f-\x9f\\]"
_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*:/"
_KEPT = "/%:@!$&'()*+,;=~"  # RFC 3986, 3.3: what a path may hold beside letters, digits and "-._"
_BYTES = "application/octet-stream"
_WITH_BODY = ("POST", "PUT", "PATCH")
_ANYTHING = (("accept", "*/*"),)


@dataclass(frozen=True, slots=True, repr=False)
class PathRequest:
    """Method, path, query and body of one call.

    Attributes:
        body: A JSON value or bytes; beside `files`, the fields of their form.
        takes_any: Whether a reply may be anything, and not JSON alone.
        content_type: What the body is; None for what follows from it.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict[str, Any])
    body: Any = None
    files: Mapping[str, Any] = field(default_factory=dict[str, Any])
    streams: bool = False
    takes_any: bool = False
    content_type: str | None = None

    @property
    def own_type(self) -> tuple[tuple[str, str], ...]:
        """The header of a body that is no JSON of ours."""
        kind = self.content_type or (_BYTES if isinstance(self.body, bytes) else None)
        return () if kind is None else (("content-type", kind),)

    def encode(self, base_url: str, extras: Extras) -> Encoded:
        """Make the request for the server in use.

        Raises:
            RequestValidationError: The path begins as the server's URL ends, or the URL would be too long.
        """
        _check_beginning(self.path, base_url)
        url = join(base_url, self.path, {**self.query, **checked_query(extras.query or {})})
        if len(url) > LONGEST_URL:
            raise RequestValidationError(
                f"path: is too long, with query and server the URL would have {len(url)} characters; expected up "
                f"to {LONGEST_URL}",
                param="path",
            )
        headers = (*(_ANYTHING if self.takes_any else ()), *self.own_type)
        return Encoded(self.method, url, self.streams, self._content(extras.body), headers=headers)

    def _content(self, extra: Mapping[str, Any] | None) -> bytes | Form | None:
        body: Any = self.body
        added: dict[str, Any] = _plain_json(extra, "extra_body") if extra else {}
        if self.files:
            return checked_form({**(body or {}), **added}, self.files, added, Route())
        if added:
            if not (is_mapping(body) or (body is None and self.method in _WITH_BODY)):
                raise RequestValidationError(
                    f"extra_body: adds to a body that is a mapping, got {described(body)}", param="extra_body"
                )
            body = {**(body or {}), **added}
        if body is None or isinstance(body, bytes):
            return body
        try:
            return to_json(body, inf_nan_mode="constants")
        except (PydanticSerializationError, ValueError, RecursionError):
            raise misfit(body, "body") from None  # half a character: that much only the writer of JSON notices


def path_request(
    method: str,
    path: Any,
    query: Any,
    body: Any,
    files: Any,
    *,
    content_type: Any = None,
    streams: bool,
    takes_any: bool,
) -> PathRequest:
    """Check what the caller gave.

    Raises:
        RequestValidationError: A path that leads elsewhere, a query with a key in it, a body that cannot be sent.
    """
    return PathRequest(
        method,
        checked_path(path),
        _checked_query(query),
        _checked_body(body, has_files=bool(files)),
        _mapping(files, "files"),
        streams,
        takes_any,
        _checked_type(content_type),
    )


def checked_path(path: Any) -> str:
    """Check a path below the URL of a server, and encode in it what no URL can hold.

    Raises:
        RequestValidationError: It is none, or would lead to another place than it says.
    """
    if not isinstance(path, str):
        raise _refused(f"must be a str such as '/models', got {described(path)}")
    text = str.__str__(path)
    if not text.strip("/"):
        raise _refused("must name something below the server's URL, such as '/models', but it is empty")
    if text.startswith(("//", "\\")) or re.match(_SCHEME, text):
        raise _refused(
            "must be a path of the server in use, got a URL; server= chooses another server, server_url= another host"
        )
    if re.search(_BAD, text) or not is_unicode(text):
        raise _refused("must be without blanks, backslashes, control characters and lone surrogates; encode them")
    if "?" in text or "#" in text:
        raise _refused("must be without '?' and '#'; what goes into the URL's query is query=")
    if names := placeholders(text):
        raise _refused(f"nothing fills the name {{{names[0]}}} in it; write the value there")
    # Both readings: a server may decode a segment before it looks at it, or after.
    for segment in text.strip("/").split("/"):
        if not segment:
            raise _refused("has an empty part between two slashes, as where a value that was filled in is empty")
        if not {".", ".."}.isdisjoint(re.split(r"[/\\]", unquote(segment))):
            raise _refused("must be without '.' and '..', which would lead to another path than it says")
    return quote(re.sub(r"%(?![0-9A-Fa-f]{2})", "%25", text), safe=_KEPT)


def _refused(problem: str) -> RequestValidationError:
    return RequestValidationError(f"path: {problem}", param="path")


def _check_beginning(path: str, base_url: str) -> None:
    """Refuse a version that is in the URL already: no server has it twice, and its 404 would not say so."""
    version, first = urlsplit(base_url).path.rstrip("/").rpartition("/")[2], path.lstrip("/").partition("/")[0]
    if first == version and re.fullmatch(r"v[0-9][a-z0-9]*", first):
        raise _refused(f"begins with {first!r}, which is at the end of the server's URL already; leave it out")


def _checked_query(query: Any) -> Mapping[str, Any]:
    made = checked_query(_mapping(query, "query"), "query")
    for name in made:
        if is_secret_name(name):
            place = named("query", name)
            raise RequestValidationError(
                f"{place}: a key does not belong into a URL, which logs keep; api_key= of the SDK sends it in a "
                "header, http_headers= any other one",
                param=place,
            )
    return made


def _checked_body(body: Any, *, has_files: bool) -> Any:
    if isinstance(body, bytes | bytearray):
        if has_files:
            raise RequestValidationError(
                f"body: must be a mapping of the form's fields beside files, got {described(body)}", param="body"
            )
        return bytes(body)
    if body is None or not has_files:
        return None if body is None else _plain_json(body, "body")
    if isinstance(body, BaseModel):
        body = _plain_json(body, "body")
    return _mapping(body, "body")


def _checked_type(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise RequestValidationError(f"content_type: must be a str, got {described(value)}", param="content_type")
    try:
        check_header("content-type", value)
    except ValueError as exc:
        raise RequestValidationError(f"content_type: {exc}", param="content_type") from None
    return value


def _plain_json(value: Any, param: str) -> Any:
    try:
        return plain(value)
    except (NotJson, RecursionError):
        raise misfit(value, param) from None


def _mapping(value: Any, param: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not is_mapping(value):
        raise RequestValidationError(f"{param}: must be a mapping, got {described(value)}", param=param)
    return value
