"""What goes into a request: the prompt, what is piped in, pictures, a schema. What cannot be used is a `Misuse`."""

from __future__ import annotations

import base64
import json
import re
import sys
import threading
from pathlib import Path
from typing import Any

from ..utils.files import suffix_of
from ..utils.shapes import is_unicode
from .setup import Misuse, complain

_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif"}
_SILENT_S = 1.0  # until a command that waits for stdin says so


def prompt_of(given: str | None, *, no_stdin: bool) -> str:
    """Join the argument and what is piped in."""
    if given is not None and not is_unicode(given):
        raise Misuse("the prompt is not UTF-8 text")
    extra = "" if no_stdin else piped(is_more=given is not None)
    joined = "\n\n".join(part for part in (given or "", extra.rstrip("\n")) if part.strip())
    if not joined:
        raise Misuse("no prompt; pass one as an argument or through a pipe")
    return joined


def piped(*, is_more: bool = False) -> str:
    """Read stdin where it is no terminal.

    Args:
        is_more: Whether there is a prompt without it, so that nobody need know that it is waited for.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    said = "reading stdin to its end; --no-stdin leaves it alone" if is_more else "reading the prompt from stdin"
    hint = threading.Timer(_SILENT_S, complain, [said])
    hint.daemon = True
    hint.start()
    try:
        # Bytes: in a C locale Python would read anything as text, and complain where it is sent.
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise Misuse(f"stdin is not UTF-8 text (byte {exc.start + 1}); pass pictures with --image") from None
    finally:
        hint.cancel()


def content_of(prompt: str, images: list[str]) -> Any:
    """Make a user's message of a text and pictures."""
    if not images:
        return prompt
    parts = [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]
    return [{"type": "text", "text": prompt}, *parts]


def _image_url(image: str) -> str:
    if image.startswith(("http://", "https://", "data:")):
        return image  # the server fetches it, or reads it
    try:
        data = Path(image).read_bytes()
    except OSError as exc:
        raise Misuse(f"--image {image}: {exc.strerror}") from None
    kind = _KINDS.get(suffix_of(data))
    if kind is None:
        raise Misuse(f"--image {image}: not a picture; expected PNG, JPEG, GIF, WebP and AVIF")
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def response_format_of(path: Path | None) -> dict[str, Any] | None:
    """Make the parameter that asks for the form of a JSON schema."""
    if path is None:
        return None
    try:
        schema: Any = json.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise Misuse(f"--json-schema {path}: {exc.strerror}") from None
    except (ValueError, RecursionError):
        raise Misuse(f"--json-schema {path}: not JSON") from None
    if not isinstance(schema, dict):
        raise Misuse(f"--json-schema {path}: a JSON schema is an object, this is {type(schema).__name__}")
    name = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in path.stem)[:60]
    return {"type": "json_schema", "json_schema": {"name": name or "answer", "schema": schema}}


def image_path_of(output: Path | None, prompt: str, unnamed: str = "image") -> Path:
    """Say where an image or a sound goes: to the file that is named, or to a new one that is called like its prompt."""
    if output is None:
        # Words alone, of any script: no prompt names a folder, a hidden file or an option.
        stem = "-".join(re.findall(r"\w+", prompt.lower()))[:40].strip("-") or unnamed
        taken = {path.stem for path in Path().iterdir()}
        numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
        return Path(stem if stem not in taken else next(name for name in numbered if name not in taken))
    if output.is_dir():
        raise Misuse(f"--output {output}: is a folder; name a file in it")
    if not output.absolute().parent.is_dir():
        raise Misuse(f"--output {output}: there is no folder {output.absolute().parent}")
    return output
