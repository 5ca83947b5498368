"""What a recording is found by: method, URL and body of a request, without its secrets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..utils.secrets import MASK, Secrets, masked, shown_url
from ..utils.shapes import is_list, is_mapping

_BOUNDARY = re.compile(r'multipart/form-data;.*?boundary="?([^";]+)', re.IGNORECASE)
MAX_DEPTH = 200  # requests of programs have some twenty levels
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
        return json.dumps([self.method, self.url, self.body], sort_keys=True)  # clients write keys in different orders


def secrets_of(request: Any) -> Secrets:
    """Collect what of a request must not be written: the values of headers and query parameters that name secrets."""
    secrets = Secrets()
    secrets.learn(request.headers, {}, str(request.url))
    return secrets


def asked_of(request: Any, secrets: Secrets) -> Asked:
    """Read a request of any client of httpx's family."""
    content: bytes = request.content
    found = _BOUNDARY.match(request.headers.get("content-type", ""))
    if found is not None:  # a random one in each request
        content = content.replace(found[1].encode("latin-1"), b"boundary")
    # No fragment is sent, and no request differs by it.
    url = shown_url(str(request.url).partition("#")[0])
    return Asked(request.method, masked(url, secrets), _body(content, secrets))


def _body(content: bytes, secrets: Secrets) -> dict[str, Any]:
    if not content:
        return {}
    try:
        text = masked(content.decode("utf-8"), secrets)
    except UnicodeDecodeError:
        for form in secrets.masks:  # in bytes that are no text: an upload may hold a key all the same
            content = content.replace(form.encode(), MASK.encode())
        return {"base64": base64.b64encode(content).decode("ascii")}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {"text": text}
    return {"text": text} if is_deep(value) else {"json": value}


def is_deep(value: Any) -> bool:
    """Recognize a value that nothing should go into by calling itself; looked at level by level."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (one.values() if is_mapping(one) else one if is_list(one) else () for one in level)
        level = [item for items in inner for item in items]
    return bool(level)


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
    elif json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True):  # to Python, True is 1 and 1 is 1.0
        yield path
