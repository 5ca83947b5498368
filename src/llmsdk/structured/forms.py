"""The form asked of an answer: a type's schema on the way out, its value on the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Generic, TypeVar, get_origin

from pydantic import TypeAdapter
from pydantic_core import to_json
from typing_inspection.typing_objects import is_typealiastype

from ..errors import IncompleteOutputError, ParseError, RefusalError, RequestValidationError
from ..models.chat import ChatCompletionChunk, ChatCompletionResponse, ToolCallDelta
from ..models.common import text_of
from ..models.messages import FunctionCallDelta
from ..providers.spec import Structured
from ..utils.forks import once
from ..utils.shapes import is_list, is_object
from .answers import AnswerProblems, found_json, partial_json, validated
from .schemas import Schema, adapter_of, fitted, names_in, resolved_root, schema_of
from .steps import arguments_of, said

T = TypeVar("T")

_WHERE = "response_format"
_KINDS: Any = (type, TypeAdapter)


@dataclass(frozen=True)
class Form(Generic[T]):
    """A type, and the JSON schema of an object that holds its value.

    `is_wrapped` says that the value stands under `value`, as servers want an object and the type is none.
    """

    adapter: TypeAdapter[T]
    name: str
    schema: Schema
    is_wrapped: bool

    @once
    def known_names(self) -> frozenset[str]:
        """Names that may stand in an error: those of the type, not those of an answer."""
        return frozenset(names_in(self.schema))

    def read(self, text: str) -> T:
        """Parse an answer; models write the bare value as well where it was to stand under `value`.

        Raises:
            AnswerProblems: It is no JSON, or does not fit.
        """
        text, data = found_json(text)
        if not (self.is_wrapped and is_object(data) and "value" in data):
            return self._read(text, data)
        try:
            return self._read(to_json(data["value"]).decode(), data["value"])
        except AnswerProblems:
            if data.keys() == {"value"}:
                raise
        return self._read(text, data)

    def _read(self, text: str, data: Any) -> T:
        value: T = validated(self.adapter, text, data, self.known_names, whole="the answer")
        return value

    def so_far(self, text: str) -> Any:
        """Read as much of an answer as has come, as JSON has it; None where that is nothing yet."""
        value = partial_json(text)
        if not self.is_wrapped or not is_object(value):
            return value
        return value.get("value") if not value.keys() - {"value"} else value


def form_of(response_format: Any) -> Form[Any]:
    """Read what `response_format` asks for.

    Raises:
        RequestValidationError: It is no type, or one that no JSON schema can say.
    """
    if not (
        isinstance(response_format, _KINDS)
        or get_origin(response_format) is not None  # list[int], Annotated[...], a union in either spelling
        or is_typealiastype(response_format)
    ):
        kind = type(response_format).__name__
        hint = "; that form goes to chat.create" if isinstance(response_format, dict) else ""
        raise RequestValidationError(
            f"{_WHERE}: must be a pydantic model, dataclass or TypedDict class, or a TypeAdapter, got {kind}{hint}",
            param=_WHERE,
        )
    # Making a schema takes a millisecond, and apps ask for the same few types again and again.
    try:
        hash(response_format)
    except TypeError:
        return _form_of.__wrapped__(response_format)
    return _form_of(response_format)


@lru_cache(maxsize=256)
def _form_of(kind: Any) -> Form[Any]:
    adapter = adapter_of(kind, _WHERE)
    schema = resolved_root(schema_of(adapter, _WHERE))
    name = re.sub(r"\W+", "_", str(schema.get("title") or getattr(kind, "__name__", "") or "answer"), flags=re.ASCII)
    # Servers take objects at the root only.
    is_wrapped = schema.get("type") != "object"
    if is_wrapped:
        inner = {key: part for key, part in schema.items() if key != "$defs"}
        outer: Schema = {"type": "object", "properties": {"value": inner}, "required": ["value"]}
        schema = {**outer, "$defs": schema["$defs"]} if "$defs" in schema else outer
    return Form(adapter, name.strip("_")[:64] or "answer", schema, is_wrapped)


class Unfit(Exception):
    """An answer that cannot be used: the error to raise, and what to tell the model unless its answer is `too_long`."""

    def __init__(self, error: ParseError | IncompleteOutputError, told: str, too_long: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.told = told
        self.too_long = too_long


# ---------------------------------------------------------------- out and back


@dataclass(frozen=True)
class Ask(Generic[T]):
    """A form together with the way in which one server is asked for it."""

    form: Form[T]
    server: Structured

    @once
    def _fitted(self) -> tuple[Schema, bool]:
        # The schema is only read by the model there: nothing has to be fitted to a server.
        if self.server.way == "json_object":
            return self.form.schema, False
        return fitted(self.form.schema, self.server)

    @property
    def way(self) -> str:
        """What `meta.structured` says."""
        return "json_schema_strict" if self.server.way == "json_schema" and self._fitted[1] else self.server.way

    def params(self, messages: Sequence[Any]) -> dict[str, Any]:
        """Make the parameters of the request."""
        schema, is_strict = self._fitted
        named: dict[str, Any] = {"name": self.form.name}
        strict = {"strict": True} if is_strict else {}
        if self.server.way == "json_schema":
            holder = {**named, "schema": schema, **strict}
            return {"messages": messages, "response_format": {"type": "json_schema", "json_schema": holder}}
        if self.server.way == "tool":
            function = {**named, "description": "Give the answer.", "parameters": schema, **strict}
            return {
                "messages": messages,
                "tools": [{"type": "function", "function": function}],
                "tool_choice": {"type": "function", "function": named},
            }
        # Some servers refuse this way to ask where no message has the word JSON in it.
        text = f"Answer with one JSON object, and nothing else, that fits this JSON schema:\n{json.dumps(schema)}"
        asked = [{"role": "system", "content": text}, *messages]
        return {"messages": asked, "response_format": {"type": "json_object"}}

    def text(self, reply: ChatCompletionResponse) -> str:
        """Find the JSON text of an answer."""
        # Some models answer in text all the same.
        if self.server.way == "tool" and reply.tool_calls:
            return arguments_of(reply.tool_calls[0].function)
        return reply.text

    def delta(self, chunk: ChatCompletionChunk) -> str:
        """Find the new piece of the JSON text in a chunk."""
        if self.server.way != "tool" or chunk.text:
            return chunk.text
        for choice in chunk.choices:
            for call in choice.delta.tool_calls if is_list(choice.delta.tool_calls) else ():
                if not isinstance(call, ToolCallDelta) or not isinstance(call.function, FunctionCallDelta):
                    continue
                if not choice.index and not call.index and isinstance(call.function.arguments, str):
                    return call.function.arguments
        return ""

    def read(self, reply: ChatCompletionResponse) -> T:
        """Parse the answer of a reply.

        Raises:
            RefusalError: The model refused.
            IncompleteOutputError: The JSON is cut.
            ParseError: The answer does not fit.
        """
        try:
            return self.judge(reply)
        except Unfit as exc:
            error = exc.error
        raise error

    def judge(self, reply: ChatCompletionResponse) -> T:
        """Parse the answer of a reply.

        Raises:
            RefusalError: The model refused.
            Unfit: The answer is cut or does not fit.
        """
        choice = reply.choices[0] if reply.choices else None
        text = self.text(reply)
        finish_reason = choice.finish_reason if choice else None
        refusal = text_of(choice.message.refusal) if choice else ""
        is_filtered = finish_reason == "content_filter"
        # Before the answer is read: a refusal may be JSON that fits.
        if refusal or is_filtered:
            why = "a content filter cut the answer" if is_filtered else "the model refused to answer"
            raise RefusalError(f"{why}; `.reply` holds the reply", reply=reply, text=refusal or text, meta=reply.meta)
        try:
            return self.form.read(text)
        except AnswerProblems as exc:
            found = exc
        is_long = finish_reason == "length"
        if found.is_cut or (is_long and found.problems[0].kind == "json_invalid"):
            why = "max_tokens was reached" if is_long else "it just ended"
            message = f"the answer ends before its JSON does ({why}); `.text` holds what came"
            raise Unfit(IncompleteOutputError(message, reply=reply, text=text, meta=reply.meta), found.told, is_long)
        # A wrong answer may have a problem in each of a thousand items.
        shown = [str(problem) for problem in found.problems[:5]]
        more = f" and {len(found.problems) - 5} more" if len(found.problems) > 5 else ""
        message = f"the answer does not fit {self.form.name}: {'; '.join(shown)}{more}"
        error = ParseError(message, reply=reply, text=text, problems=found.problems, meta=reply.meta)
        raise Unfit(error, found.told, is_long)

    def again(self, reply: ChatCompletionResponse, told: str) -> list[Any]:
        """Make the messages that tell the model what was wrong with its answer."""
        text = f"The answer does not fit the schema: {told}. Answer again, with the whole JSON corrected."
        # The wrong answer itself goes back too: a model corrects what it sees.
        message = said(reply).to_param()
        if self.server.way == "tool" and reply.tool_calls:
            calls = [{"role": "tool", "tool_call_id": call.id, "content": text} for call in reply.tool_calls]
            return [message, *calls]
        return [{**message, "content": message.get("content") or ""}, {"role": "user", "content": text}]
