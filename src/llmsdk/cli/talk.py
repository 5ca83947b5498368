"""`llmsdk chat`: one question, or a conversation."""

from __future__ import annotations

import base64
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, RequestValidationError, SDKError
from ..resources.chat import Stream
from ..sdk import SDK
from ..utils.files import suffix_of
from .screen import show
from .setup import Misuse, Setup, complain, failed, tell

_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif"}
_HELP = "/clear forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops an answer"


def piped() -> str:
    """Read stdin where it is no terminal.

    Raises:
        Misuse: It is not text.
    """
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        return ""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise Misuse("stdin is not UTF-8 text; pass images with --image") from None


def prompt_of(given: str | None) -> str:
    """Join the argument and what is piped in.

    Raises:
        Misuse: There is neither.
    """
    joined = "\n\n".join(part for part in (given or "", piped().rstrip("\n")) if part.strip())
    if not joined:
        raise Misuse("no prompt; give one as an argument, or pipe one in")
    return joined


def content_of(prompt: str, images: list[str]) -> Any:
    """Make a user's message of a text and pictures.

    Raises:
        Misuse: A picture cannot be read.
    """
    if not images:
        return prompt
    parts = [{"type": "image_url", "image_url": {"url": _image_url(image)}} for image in images]
    return [{"type": "text", "text": prompt}, *parts]


def _image_url(image: str) -> str:
    if image.startswith(("http://", "https://", "data:")):
        return image
    try:
        data = Path(image).read_bytes()
    except OSError as exc:
        raise Misuse(f"--image {image}: {exc.strerror}") from None
    kind = _KINDS.get(suffix_of(data))
    if kind is None:
        raise Misuse(f"--image {image}: not a picture; accepted are PNG, JPEG, GIF, WebP and AVIF")
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def response_format_of(path: Path) -> dict[str, Any]:
    """Make the parameter that asks for the form of a JSON schema.

    Raises:
        Misuse: The file cannot be read, or holds no schema.
    """
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


def turn(sdk: SDK, setup: Setup, params: dict[str, Any], *, markdown: bool) -> tuple[str, bool]:
    """Ask and show the answer as it comes.

    Returns:
        What came of it, and whether Ctrl-C stopped it.
    """
    interrupted = False
    create: Any = sdk.chat.create  # the parameters are a plain dict here
    asked: Stream = create(**params, stream=True)
    with asked as stream:
        try:
            show(stream.text_deltas(), markdown=markdown)
        except KeyboardInterrupt:
            interrupted = True
    reply = stream.partial
    tell(stream.meta, setup, reply.usage)
    return reply.text or "", interrupted


def converse(sdk: SDK, setup: Setup, params: dict[str, Any], *, markdown: bool) -> None:
    """Talk until the end of input; the conversation goes along with each question."""
    with contextlib.suppress(ImportError):
        __import__("readline")  # gives input() its line editing and its arrow keys
    complain(f"{params['model']}: {_HELP}")
    opening: list[Any] = params["messages"]
    messages = list(opening)
    while True:
        try:
            line = input("> ").strip()
        except EOFError:
            sys.stdout.write("\n")
            return
        if line in ("/exit", "/quit"):
            return
        if line.startswith("/"):
            messages = list(opening) if line == "/clear" else messages
            complain("the conversation is forgotten" if line == "/clear" else _HELP)
        elif line:
            messages = _asked(sdk, setup, params, [*messages, {"role": "user", "content": line}], markdown=markdown)


def _asked(sdk: SDK, setup: Setup, params: dict[str, Any], messages: list[Any], *, markdown: bool) -> list[Any]:
    """Do one turn of a conversation; the answer is the conversation after it."""
    try:
        text, interrupted = turn(sdk, setup, {**params, "messages": messages}, markdown=markdown)
    except (ConfigurationError, RequestValidationError):
        raise
    except SDKError as exc:
        failed(exc, setup)
        text, interrupted = getattr(getattr(exc, "partial", None), "text", None) or "", False
    if interrupted:
        complain("the answer was stopped")
    return [*messages, {"role": "assistant", "content": text}] if text else messages[:-1]
