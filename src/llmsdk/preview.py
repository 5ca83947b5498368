"""A request that was made but not sent."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from .utils.records import dataclass


@dataclass(frozen=True)
class Preview:
    """The request that a call would send.

    Attributes:
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
        """Write the request as a command line; `$API_KEY` stands where the key goes."""
        import json

        parts = ["curl", "-X", self.method, shlex.quote(self.url)]
        for name, value in self.headers.items():
            text = f"{name}: {value}"
            # Double quotes, so that the shell fills the key in; and nothing else.
            escaped = re.sub(r'([\\"$`])', r"\\\1", text).replace("***", "$API_KEY")
            parts += ["-H", f'"{escaped}"' if "***" in text else shlex.quote(text)]
        if self.body is not None:
            parts += ["--data-raw", shlex.quote(json.dumps(self.body, ensure_ascii=False))]
        return " ".join(parts)
