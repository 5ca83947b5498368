"""What a check has found: a row for each thing looked at, and the provider that fits."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..providers.spec import Provider, Route
from ..providers.written import written
from ..resources.operations.chat import CREATE_CHAT_COMPLETION
from ..utils.urls import origin, placeholders

_WIDEST = 60
CHAT = CREATE_CHAT_COMPLETION.id


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        expected: What the dialect says.
        seen: What the server did.
        fits: Whether that agrees; None where it could not be seen, or nothing follows from it.
        provider: Fields of the `Provider` that would fit.
        route: Fields of its route for chat that would.
    """

    what: str
    expected: str
    seen: str
    fits: bool | None = True
    provider: Mapping[str, Any] = field(default_factory=dict[str, Any])
    route: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a server does, beside what its dialect says.

    Attributes:
        server: Id of the dialect.
        base_url: Where the requests went.
        model: The model that was asked.
        findings: A row for each thing looked at.
        requests: How many requests were sent.
        total_tokens: Tokens that they used, as the server states them.
        checked: The provider that was checked.
        has_key: Whether requests carried a key.
    """

    server: str
    base_url: str
    model: str
    findings: tuple[Finding, ...]
    requests: int
    total_tokens: int
    checked: Provider = field(repr=False)
    has_key: bool = True

    @property
    def fits(self) -> bool:
        """Whether nothing deviates."""
        return not self.deviations

    @property
    def deviations(self) -> tuple[Finding, ...]:
        """The findings that are not as the dialect says."""
        return tuple(one for one in self.findings if one.fits is False)

    @property
    def _is_elsewhere(self) -> bool:
        return not any(origin(url) == origin(self.base_url) for url in self.checked.servers if not placeholders(url))

    @property
    def provider(self) -> Provider:
        """The provider that fits: that of the dialect, with what was seen in the place of what was expected."""
        own: dict[str, Any] = {"servers": (self.base_url,), "base_url_var": None, "embedded": False}
        own |= {"key_required": self.has_key and self.checked.key_header is not None, "key_optional_elsewhere": False}
        if self._is_elsewhere:  # the keys of the dialect's own service are none of this server's business
            own |= {"env_var": None, "other_env_vars": (), "key_hosts": ()}
        route: dict[str, Any] = {}
        for finding in self.deviations:
            own |= finding.provider
            route |= finding.route
        routes = {**self.checked.routes, CHAT: replace(self.checked.routes.get(CHAT, Route()), **route)}
        for lacking in own.pop("lacks", ()):
            routes.pop(lacking, None)
        return replace(self.checked, speaks_for_urls=False, routes=routes, **own)

    def write(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Write the provider that fits to a file, which `Provider.from_toml` reads.

        Args:
            name: Its id; by default the name of the file.

        Raises:
            ConfigurationError: The chat of the dialect is code, which no file can hold; or the file cannot be written.
        """
        where = Path(path)
        provider = replace(self.provider, name=name or where.stem)
        if self._is_elsewhere and provider.key_header is not None:
            provider = replace(provider, env_var=f"{re.sub(r'[^A-Z0-9]', '_', provider.name.upper())}_API_KEY")
        text = written(provider, needed={CHAT})
        try:
            where.write_text(f"# {self.base_url}, as `llmsdk check` found it with {self.model}.\n{text}", "utf-8")
        except OSError as exc:
            raise ConfigurationError(f"{where}: cannot be written: {exc.strerror}") from exc

    def __str__(self) -> str:
        rows = [("", "what", "expected", "seen")]
        rows += [(_MARKS[one.fits], one.what, _cut(one.expected), _cut(one.seen)) for one in self.findings]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        count = len(self.deviations)
        verdict = f"{count} deviation{'s' * (count != 1)}" if count else "the server fits its dialect"
        asked = f"{self.server} at {self.base_url}, {self.model}: {self.requests} requests, {self.total_tokens} tokens"
        return "\n".join([*lines, f"{asked}; {verdict}"])


_MARKS = {True: "ok", False: "NO", None: "-"}


def _cut(text: str) -> str:
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."
