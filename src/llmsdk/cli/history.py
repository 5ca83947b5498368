"""The last conversation, kept for `llmsdk chat --continue` in a file that its owner alone can read."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..utils.shapes import is_list
from .setup import Misuse

VARIABLE = "LLMSDK_HISTORY"


@dataclass
class Conversation:
    """Messages, and the server and model that they were exchanged with."""

    messages: list[Any] = field(default_factory=list[Any])
    server: str | None = None
    server_url: str | None = None
    model: str | None = None


def _path() -> Path | None:
    """Where it is kept; None where the variable is set to nothing."""
    if (named := os.environ.get(VARIABLE)) is not None:
        return Path(named) if named else None
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "llmsdk" / "chat.json"


def load() -> Conversation:
    """Read the last conversation."""
    path = _path()
    if path is None:
        raise Misuse(f"--continue: {VARIABLE} is empty, so that no conversation is kept")
    try:
        value: Any = json.loads(path.read_text("utf-8"))
        texts = (value.get(name) for name in ("server", "server_url", "model"))
        if is_list(value["messages"]) and all(text is None or isinstance(text, str) for text in texts):
            return Conversation(**value)
    except FileNotFoundError:
        raise Misuse("--continue: there is no conversation yet") from None
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        pass
    raise Misuse(f"--continue: {path} holds no conversation; delete it")


def save(conversation: Conversation) -> None:
    """Keep a conversation; where that fails, the answer is there all the same."""
    path = _path()
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")  # another command may save at this moment
        try:
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump(asdict(conversation), file)
            draft.replace(path)  # at once: a reader has the old conversation or the new one
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
