"""Users' functions that run before a request, after a success and after an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class HookContext:
    """What a hook is told about the call.

    `state` is the call's own dictionary, for hooks to keep things from one attempt to the next.
    """

    operation_id: str
    server: str
    base_url: str
    attempt: int = 0
    state: dict[str, Any] = field(default_factory=dict[str, Any])
