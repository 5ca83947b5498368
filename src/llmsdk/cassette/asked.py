"""What a recording is found by: method, URL and body of a request, without its secrets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ..utils.headers import masked
from ..utils.shapes import is_list, is_mapping

# "x-ratelimit-remaining-tokens" is none of them: the words stand alone.
SECRET_NAME = re.compile(
    r"(^|[-_])(auth\w*|proxy-auth\w*|api[-_]?key|apikey|key|token|secret|password|signature|sig|credential|cookie)([-_]|$)",
    re.IGNORECASE,
)
_BOUNDARY = re.compile(r'multipart/form-data;.*?boundary="?([^";]+)', re.IGNORECASE)
_MASK = "***"
_MAX_NAMED = 6


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as far as it is matched; `body` is `{"json": ...}`, `{"text": ...}`, `{"base64": ...}` or empty."""

    method: str
    url: str
    body: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The same text for equal requests, whatever the order of JSON's keys."""
        return json.dumps([self.method, self.url, self.body], sort_keys=True)


def secrets_of(request: Any) -> set[str]:
    """Collect what of a request must not be written: the values of headers and query parameters that name secrets."""
    found: set[str] = set()
    for name, value in request.headers.items():
        if SECRET_NAME.search(name):
            found |= {value, value.rpartition(" ")[2]}
            found |= {pair.partition("=")[2] for pair in value.split("; ")} if name.lower() == "cookie" else set()
    found |= {value for name, value in parse_qsl(urlsplit(str(request.url)).query) if SECRET_NAME.search(name)}
    return {secret for secret in found if secret}


def asked_of(request: Any, secrets: set[str]) -> Asked:
    """Read a request of any client of httpx's family."""
    content: bytes = request.content
    found = _BOUNDARY.match(request.headers.get("content-type", ""))
    if found is not None:  # a random one in each request
        content = content.replace(found[1].encode("latin-1"), b"boundary")
    return Asked(request.method, masked(_clean(str(request.url)), secrets), _body(content, secrets))


def _clean(url: str) -> str:
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if any(SECRET_NAME.search(name) for name, _ in query):
        pairs = [(name, _MASK if SECRET_NAME.search(name) else value) for name, value in query]
        parts = parts._replace(query=urlencode(pairs, safe="*", quote_via=quote))
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))


def _body(content: bytes, secrets: set[str]) -> dict[str, Any]:
    if not content:
        return {}
    try:
        text = masked(content.decode("utf-8"), secrets)
    except UnicodeDecodeError:
        for secret in secrets:
            content = content.replace(secret.encode("utf-8"), _MASK.encode())
        return {"base64": base64.b64encode(content).decode("ascii")}
    try:
        return {"json": json.loads(text)}
    except (ValueError, RecursionError):
        return {"text": text}


def differences(old: Asked, new: Asked) -> list[str]:
    """Name where two requests differ, never what stands there: bodies hold prompts."""
    found = ["method"] if old.method != new.method else []
    if old.url != new.url:
        found.append(f"URL (recorded is {old.url})")
    if "json" in old.body and "json" in new.body:
        return found + list(_paths(old.body["json"], new.body["json"], "body"))
    return found + (["body"] if old.body != new.body else [])


def named(found: list[str]) -> str:
    """List names in a line, the first few of many."""
    more = len(found) - _MAX_NAMED
    return ", ".join(found[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _paths(old: Any, new: Any, path: str) -> Iterator[str]:
    if is_mapping(old) and is_mapping(new):
        for name in [*old, *(name for name in new if name not in old)]:
            if name in old and name in new:
                yield from _paths(old[name], new[name], f"{path}.{name}")
            else:
                yield f"{path}.{name} ({'absent now' if name in old else 'not recorded'})"
    elif is_list(old) and is_list(new):
        for index, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from _paths(one, other, f"{path}[{index}]")
        if len(old) != len(new):
            yield f"{path} ({len(new)} items, recorded are {len(old)})"
    elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):
        yield path
