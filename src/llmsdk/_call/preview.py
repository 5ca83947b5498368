"""A request that was made but not sent."""

# Not `from __future__ import annotations`: signatures of named tuples would show ForwardRef('str').

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic_core import from_json

from ..utils.secrets import MASK, Secrets, is_secret_name, masked
from ..utils.shapes import is_list, is_object
from .plan import Plan
from .request.form_fields import text_of
from .request.multipart import URL_ENCODED, Form, write_form

UPLOAD = "(file)"
"""What stands for a file in the body."""


class Preview(NamedTuple):
    """The request that a call would send.

    Attributes:
        method: HTTP method.
        url: Address with the query.
        headers: With the API key masked.
        body: The JSON body as Python values, None where there is none; of an upload, its fields and file names.
        dropped: Parameters that `unsupported="drop"` left out.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any
    dropped: tuple[str, ...] = ()

    def as_curl(self) -> str:
        """Write the request as a command line; `$API_KEY` stands where the key goes, `FILE` where that of a file."""
        parts = ["curl", "-X", self.method, shlex.quote(self.url)]
        kind = self.headers.get("content-type", "")
        is_form = kind.startswith("multipart/") or kind == URL_ENCODED
        for name, value in self.headers.items():
            if is_form and name == "content-type":
                continue  # curl writes the form, and knows its own boundary
            if name == "accept-encoding":
                continue  # curl would print what is compressed as it is
            text = f"{name}: {value}"
            # Double quotes, so that the shell fills the key in; and nothing else.
            escaped = re.sub(r'([\\"$`])', r"\\\1", text).replace("***", "$API_KEY")
            parts += ["-H", f'"{escaped}"' if "***" in text else shlex.quote(text)]
        if is_form:
            parts += _form(self.body, "--data-urlencode" if kind == URL_ENCODED else "--form-string")
        elif self.body is not None:
            parts += ["--data-raw", shlex.quote(json.dumps(self.body, ensure_ascii=False))]
        return " ".join(parts)


def _form(fields: Mapping[str, Any], option: str) -> list[str]:
    words: list[str] = []
    for name, value in fields.items():
        for item in value if is_list(value) else [value]:
            if item == UPLOAD:
                words += ["-F", shlex.quote(f"{name}=@FILE")]
            elif is_object(item):
                text = json.dumps(json.dumps(item))  # curl takes quotes off
                words += ["-F", shlex.quote(f"{name}={text};type=application/json")]
            elif item is not None:
                words += [option, shlex.quote(f"{name}={text_of(item)}")]
    return words


def preview_of(plan: Plan) -> Preview:
    """Show the request of a plan; the idempotency key, which is made anew for every call, is left out."""
    encoded = plan.encoded
    shown = {name: MASK if is_secret_name(name) else value for name, value in plan.headers}
    if plan.target.key is not None:
        shown[plan.target.key.name] = plan.target.key.form.format(api_key=MASK)
    # Read back from the bytes that would be sent, and not from the parameters: it shows what a dialect made of them.
    body: Any = None
    if isinstance(encoded.body, Form):
        _, shown["content-type"] = write_form(encoded.body)
        body = {**encoded.body.fields, **dict.fromkeys(encoded.body.files, UPLOAD)}
    elif isinstance(encoded.body, bytes):
        body = from_json(encoded.body)
    secrets = Secrets()
    secrets.learn(plan.given, plan.url_params, encoded.url)
    return Preview(encoded.method, masked(encoded.url, secrets), shown, body, encoded.dropped)
