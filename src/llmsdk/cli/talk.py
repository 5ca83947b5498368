"""`llmsdk chat`: one question, or a conversation."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError, RequestValidationError, SDKError
from ..models.chat import ChatCompletionChunk
from ..resources.chat import Stream
from ..sdk import SDK
from ..utils.shapes import is_unicode
from .screen import clean, show
from .setup import Setup, complain, failed, say_reply, tell

_HELP = "/clear forgets the conversation, /exit or Ctrl-D leaves, Ctrl-C stops an answer"
_PASTE_S = 0.05  # lines that come within it were pasted: nobody types so fast


@dataclass(frozen=True, kw_only=True)
class Talk:
    """A conversation with a model.

    Attributes:
        params: Of every call, without the messages.
        reasoning: Whether what the model thinks is shown, on stderr.
        as_json: Whether the whole reply is shown, as JSON.
    """

    sdk: SDK
    setup: Setup
    params: dict[str, Any]
    markdown: bool
    reasoning: bool
    as_json: bool

    def ask(self, messages: list[Any]) -> tuple[list[Any], bool]:
        """Ask and show the answer as it comes.

        Returns:
            The conversation after it, and whether Ctrl-C stopped it.
        """
        interrupted = False
        create: Any = self.sdk.chat.create  # the parameters are a plain dict here
        if self.as_json:
            whole = create(**self.params, messages=messages)
            tell(whole.meta, self.setup, whole.usage)
            say_reply(whole)
            return _after(messages, whole.text), False
        asked: Stream = create(**self.params, messages=messages, stream=True)
        with asked as stream:
            try:
                show(_thinking(stream) if self.reasoning else stream.text_deltas(), markdown=self.markdown)
            except KeyboardInterrupt:
                interrupted = True
        reply = stream.partial
        tell(stream.meta, self.setup, reply.usage)
        return _after(messages, reply.text), interrupted

    def converse(self, messages: list[Any]) -> list[Any]:
        """Talk until the end of input; the conversation goes along with each question, and is the result."""
        ask = _line_reader()
        complain(f"{self.params['model']}: {_HELP}")
        opening = [message for message in messages if message.get("role") == "system"]
        while True:
            try:
                line = ask("> ").strip()
            except EOFError:
                sys.stdout.write("\n")
                return messages
            if line in ("/exit", "/quit"):
                return messages
            if line.startswith("/") and "\n" not in line:
                messages = list(opening) if line == "/clear" else messages
                complain("the conversation is forgotten" if line == "/clear" else _HELP)
            elif not is_unicode(line):
                complain("error: the question is not UTF-8 text")
            elif line:
                messages = self._turn([*messages, {"role": "user", "content": line}])

    def _turn(self, messages: list[Any]) -> list[Any]:
        """Do one turn; the result is the conversation after it."""
        try:
            after, interrupted = self.ask(messages)
        except (ConfigurationError, RequestValidationError):
            raise  # the next question would fail as well
        except SDKError as exc:
            failed(exc, self.setup)
            return _after(messages, getattr(getattr(exc, "partial", None), "text", None))
        if interrupted:
            complain("the answer was stopped")
        return after


def _after(messages: list[Any], text: str | None) -> list[Any]:
    """Add an answer; a question that got none is no part of the conversation."""
    return [*messages, {"role": "assistant", "content": text}] if text else messages[:-1]


def _thinking(stream: Stream) -> Iterator[str]:
    """Return the text of a stream, and write what the model thinks before it."""
    is_open = False
    for event in stream:
        if thought := _thought_of(event):
            sys.stderr.write(clean(thought))
            sys.stderr.flush()
            is_open = True
        if event.text:
            if is_open:
                sys.stderr.write("\n\n")
                sys.stderr.flush()
                is_open = False
            yield event.text


def _thought_of(event: ChatCompletionChunk) -> str | None:
    delta = event.choices[0].delta if event.choices else None
    return None if delta is None else delta.reasoning or delta.reasoning_content


def _line_reader() -> Any:
    """Find what reads a question: pasted lines are one."""
    try:
        import readline  # gives input() its line editing and its arrow keys
    except ImportError:
        return _pasted
    if "libedit" in (readline.__doc__ or ""):  # as on macOS; it knows no bracketed paste
        return _pasted
    readline.parse_and_bind("set enable-bracketed-paste on")  # which Python turns off
    return input


def _pasted(prompt: str) -> str:
    """Read a line, and those that are there at once behind it."""
    lines = [input(prompt)]
    while select.select([sys.stdin], [], [], _PASTE_S)[0]:
        try:
            lines.append(input())
        except EOFError:
            break  # the next question finds it again
    return "\n".join(lines)
