"""The form asked of an answer: a type's schema on the way out, its value on the way back."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from typing_inspection.typing_objects import is_typealiastype

from ..errors import IncompleteOutputError, ParseError, Problem, RefusalError, RequestValidationError
from ..models.chat import ChatCompletionChunk, ChatCompletionResponse, ToolCallDelta
from ..models.common import text_of
from ..models.messages import FunctionCall
from ..providers.spec import Structured
from ..utils.shapes import is_list, is_object
from .schemas import Schema, adapter_of, fitted, names_in, place_of, resolved_root, schema_of
from .steps import arguments_of, said

T = TypeVar("T")

_WHERE = "response_format"
_KINDS: Any = (type, TypeAdapter)
_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n?(.*?)(?:\n?```\s*)?", re.DOTALL)


@dataclass(frozen=True)
class Form(Generic[T]):
    """A type, and the JSON schema of an object that holds its value.

    `is_wrapped` says that the value stands under `value`, as servers want an object and the type is none.
    """

    adapter: TypeAdapter[T]
    name: str
    schema: Schema
    is_wrapped: bool

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Names that may stand in an error: those of the type, not those of an answer."""
        return frozenset(names_in(self.schema))

    def read(self, text: str) -> T:
        """Parse an answer.

        Raises:
            AnswerProblems: It is no JSON, or does not fit.
        """
        text = unfenced(text)
        try:
            data = from_json(text)
        except ValueError:
            raise AnswerProblems([Problem("", "json_invalid")], is_cut=_is_cut(text)) from None
        if self.is_wrapped and is_object(data) and "value" in data:
            data = data["value"]
            text = to_json(data).decode()
        try:
            return self.adapter.validate_json(text)
        except ValidationError as exc:
            if (pruned := _without_nulls(exc, data)) is None:
                raise self._problems(exc, data) from None
        try:
            return self.adapter.validate_json(to_json(pruned))
        except ValidationError as exc:
            raise self._problems(exc, pruned) from None

    def _problems(self, exc: ValidationError, data: Any) -> AnswerProblems:
        errors = exc.errors(include_url=False, include_context=False, include_input=False)
        problems = [Problem(place_of(error["loc"], data, self.known_names), error["type"]) for error in errors]
        told = [
            f"{problem.place or 'the answer'}: {error['msg']}" for problem, error in zip(problems, errors, strict=True)
        ]
        return AnswerProblems(list(dict.fromkeys(problems)), told=list(dict.fromkeys(told)))


class AnswerProblems(Exception):
    """What is wrong with an answer; `told` may quote it, and goes to the model alone."""

    def __init__(self, problems: list[Problem], *, is_cut: bool = False, told: Sequence[str] = ()) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
        self.is_cut = is_cut
        self.told = "; ".join(told) or str(self)


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
    is_wrapped = schema.get("type") != "object"
    if is_wrapped:
        inner = {key: part for key, part in schema.items() if key != "$defs"}
        outer: Schema = {"type": "object", "properties": {"value": inner}, "required": ["value"]}
        schema = {**outer, "$defs": schema["$defs"]} if "$defs" in schema else outer
    return Form(adapter, name.strip("_")[:64] or "answer", schema, is_wrapped)


def unfenced(text: str) -> str:
    """Take off the Markdown fence that models like to put around JSON."""
    match = _FENCED.fullmatch(text) if text.lstrip()[:3] == "```" else None
    return match[1] if match else text


def _is_cut(text: str) -> bool:
    """Tell JSON that lacks its end only; with more behind its end it is whole, and wrong."""
    try:
        from_json(text, allow_partial=True)
    except ValueError:
        return False
    try:
        json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return True
    return False


def _without_nulls(exc: ValidationError, data: Any) -> Any:
    """Leave out the nulls that were refused: in strict mode null stands for a property that may be left out."""
    places = [error["loc"] for error in exc.errors(include_url=False, include_context=False) if error["input"] is None]
    pruned = json.loads(to_json(data))
    dropped = [_drop_null(pruned, place) for place in places]
    return pruned if any(dropped) else None


def _drop_null(data: Any, place: tuple[str | int, ...]) -> bool:
    """Delete the deepest null of a place, whose steps may name branches of a union too."""
    holder: Any = None
    name: Any = None
    for step in place:
        if is_object(data) and step in data:
            holder, name, data = data, step, data[str(step)]
        elif is_list(data) and isinstance(step, int) and step < len(data):
            holder, name, data = None, None, data[step]
    if data is None and is_object(holder):
        del holder[name]
        return True
    return False


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

    @cached_property
    def _fitted(self) -> tuple[Schema, bool]:
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
        text = f"Answer with one JSON object, and nothing else, that fits this JSON schema:\n{json.dumps(schema)}"
        asked = [{"role": "system", "content": text}, *messages]
        return {"messages": asked, "response_format": {"type": "json_object"}}

    def text(self, reply: ChatCompletionResponse) -> str:
        """Find the JSON text of an answer."""
        if self.server.way == "tool" and reply.tool_calls:
            return arguments_of(reply.tool_calls[0])
        return reply.text

    def delta(self, chunk: ChatCompletionChunk) -> str:
        """Find the new piece of the JSON text in a chunk."""
        if self.server.way != "tool" or chunk.text:
            return chunk.text
        for choice in chunk.choices:
            for call in choice.delta.tool_calls if is_list(choice.delta.tool_calls) else ():
                if not isinstance(call, ToolCallDelta) or not isinstance(call.function, FunctionCall):
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
        shown = [str(problem) for problem in found.problems[:5]]
        more = f" and {len(found.problems) - 5} more" if len(found.problems) > 5 else ""
        message = f"the answer does not fit {self.form.name}: {'; '.join(shown)}{more}"
        error = ParseError(message, reply=reply, text=text, problems=found.problems, meta=reply.meta)
        raise Unfit(error, found.told, is_long)

    def again(self, reply: ChatCompletionResponse, told: str) -> list[Any]:
        """Make the messages that tell the model what was wrong with its answer."""
        text = f"The answer does not fit the schema: {told}. Answer again, with the whole JSON corrected."
        message = said(reply).to_param()
        if self.server.way == "tool" and reply.tool_calls:
            calls = [{"role": "tool", "tool_call_id": call.id, "content": text} for call in reply.tool_calls]
            return [message, *calls]
        return [{**message, "content": message.get("content") or ""}, {"role": "user", "content": text}]


def partial_json(text: str) -> Any:
    """Parse as much of a JSON text as has come; None where that is nothing yet. Never raises."""
    try:
        return from_json(unfenced(text), allow_partial="trailing-strings")
    except ValueError:
        return None


def unwrapped(form: Form[Any], value: Any) -> Any:
    """Take the value out of the object that a server wants around it."""
    if not form.is_wrapped:
        return value
    return value.get("value") if is_object(value) else None
