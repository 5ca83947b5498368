"""`tool`: a function, and the schema by which a model knows it."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Generic, ParamSpec, TypeVar, cast, get_type_hints, overload

import typing_extensions
from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, from_json, to_json, to_jsonable_python
from typing_inspection.introspection import AnnotationSource, inspect_annotation

from ..errors import Problem, RequestValidationError
from ..models.tools import FunctionTool
from ..structured.answers import AnswerProblems, validated
from ..structured.schemas import Schema, adapter_of, annotated, names_in, readable, schema_of, typed_dict_of
from ..utils.plain import AsParam
from ..utils.shapes import quoted
from .docstrings import described

P = ParamSpec("P")
R = TypeVar("R")

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_VARIADIC: Mapping[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


class BadArgumentsError(AnswerProblems):
    """Arguments that a tool cannot be called with."""


class Tool(AsParam, Generic[P, R]):
    """A function that a model may ask to be called; calling it calls the function.

    Attributes:
        function: The function itself.
        name: By which the model calls it.
        description: What it does and when to call it, for the model.
        schema: JSON schema of its arguments.
    """

    def __init__(self, function: Callable[P, R], name: str, description: str, arguments: _Arguments) -> None:
        self.function = function
        self.name = name
        self.description = description
        self._arguments = arguments
        # Name, docstring and signature for help() and editors; not its dict, which may hold anything.
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def schema(self) -> dict[str, Any]:
        return self._arguments.schema

    @property
    def param(self) -> FunctionTool:
        """The tool as one of `tools` of a request."""
        told = {"description": self.description} if self.description else {}
        function = {"name": self.name, **told, "parameters": self.schema}
        return cast(FunctionTool, {"type": "function", "function": function})

    @property
    def is_async(self) -> bool:
        """Whether calling it gives something to await."""
        # A decorator that keeps `__wrapped__` may hide a coroutine function behind a plain one.
        inner = inspect.unwrap(self.function)
        return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004 - an object whose call is async

    def bind(self, arguments: Any) -> Callable[[], R]:
        """Read the arguments that a model sent, JSON text or an object, and make the call of them.

        Raises:
            BadArgumentsError: They are no JSON, or do not fit.
        """
        args, kwargs = self._arguments.read(arguments)
        return functools.partial(self.function, *args, **kwargs)

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"


class _Arguments:
    """The parameters of a function as one JSON object."""

    def __init__(self, function: Callable[..., Any], where: str, texts: Mapping[str, str]) -> None:
        self._parameters = _parameters(function, where)
        hints = _hints(function, where, self._parameters)
        self._defaults = {
            name: parameter.default.get_default(call_default_factory=True)
            for name, parameter in self._parameters.items()
            if isinstance(parameter.default, FieldInfo) and not parameter.default.is_required()
        }
        fields = {name: self._field(name, hints[name]) for name in self._parameters}
        # First one by one, as an error in the whole would not say which parameter it is about.
        for name, hint in fields.items():
            adapter_of(hint, f"{where}: parameter {name!r}")  # an error names the parameter
        qualified = {name: self._qualifier(name)[readable(hint)] for name, hint in fields.items()}
        self._adapter = adapter_of(typed_dict_of("Arguments", qualified, ConfigDict(extra="forbid")), where)
        self.schema = self._described(schema_of(self._adapter, where), texts)
        self._known = frozenset(names_in(self.schema))

    def _qualifier(self, name: str) -> Any:
        default = self._parameters[name].default
        is_required = default is inspect.Parameter.empty or (isinstance(default, FieldInfo) and default.is_required())
        return typing_extensions.Required if is_required else typing_extensions.NotRequired

    def _field(self, name: str, hint: Any) -> Any:
        """Add to a parameter's annotation what `Annotated[..., "text"]` and a `Field` for a default say of it."""
        metadata = inspect_annotation(hint, annotation_source=AnnotationSource.ANY).metadata
        added: list[Any] = [Field(description=part) for part in metadata if isinstance(part, str)][:1]
        default = self._parameters[name].default
        if isinstance(default, FieldInfo):
            added += [Field(description=default.description), *default.metadata]
        return annotated(hint, added)

    def _described(self, schema: Schema, texts: Mapping[str, str]) -> Schema:
        """Add what the schema of a type cannot know: the docstring's descriptions, and defaults."""
        properties: Schema = {}
        for name, part in schema.get("properties", {}).items():
            part = dict(part)
            if texts.get(name):
                part.setdefault("description", texts[name])
            default = self._defaults.get(name, self._parameters[name].default)
            if default not in (inspect.Parameter.empty, PydanticUndefined) and not isinstance(default, FieldInfo):
                part.setdefault("default", to_jsonable_python(default, fallback=str))
            properties[name] = part
        # Titles repeat names, and every word of a schema is paid for in each request.
        kept = {key: part for key, part in schema.items() if key not in {"title", "description"}}
        return {**kept, "properties": properties, "additionalProperties": False}

    def read(self, arguments: Any) -> tuple[list[Any], dict[str, Any]]:
        """Read arguments into those by position and those by name.

        Raises:
            BadArgumentsError: They are no JSON, or do not fit.
        """
        text = arguments if isinstance(arguments, str) else to_json(arguments or {}).decode()
        text = text if text.strip() else "{}"
        try:
            data = from_json(text)
        except ValueError:
            raise BadArgumentsError([Problem("", "json_invalid")], "the arguments are not valid JSON") from None
        try:
            values: dict[str, Any] = validated(self._adapter, text, data, self._known, whole="arguments")
        except AnswerProblems as exc:
            raise BadArgumentsError(exc.problems, exc.told) from None
        return self._split({**self._defaults, **values})

    def _split(self, values: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        args: list[Any] = []
        for name, parameter in self._parameters.items():
            # What is left out of the middle ends what can be given by position; the rest has defaults.
            if parameter.kind is not inspect.Parameter.POSITIONAL_ONLY or name not in values:
                break
            args.append(values.pop(name))
        return args, values


def _parameters(function: Callable[..., Any], where: str) -> dict[str, inspect.Parameter]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        raise RequestValidationError(
            f"{where}: its signature cannot be read; wrap it in a function", param="tools"
        ) from None
    for name, parameter in parameters.items():
        # A model is asked for names and types, and these have none.
        if stars := _VARIADIC.get(parameter.kind):
            raise RequestValidationError(
                f"{where}: {stars}{name} can't be described to a model; name each parameter", param="tools"
            )
        if parameter.annotation is inspect.Parameter.empty:
            raise RequestValidationError(
                f"{where}: parameter {name!r} has no annotation; write its type, such as {name}: str", param="tools"
            )
    return dict(parameters)


def _hints(function: Callable[..., Any], where: str, parameters: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    """Evaluate the annotations of the parameters alone: what a function returns may be known to type checkers only."""
    holder: Any = function
    while isinstance(holder, functools.partial):
        holder = holder.func
    if not inspect.isroutine(holder):
        holder = getattr(holder, "__init__" if isinstance(holder, type) else "__call__", holder)
    holder = inspect.unwrap(holder)
    try:
        # As they are written: from Python 3.14 on, asking for one would evaluate all.
        written = typing_extensions.get_annotations(holder, format=typing_extensions.Format.FORWARDREF)
        asked = SimpleNamespace(__annotations__={name: written[name] for name in parameters if name in written})
        hints = get_type_hints(asked, getattr(holder, "__globals__", {}), include_extras=True)
    except Exception as exc:  # whatever evaluating an annotation raises
        raise RequestValidationError(f"{where}: an annotation cannot be read: {exc}", param="tools") from exc
    return {name: hints.get(name, parameter.annotation) for name, parameter in parameters.items()}


@overload
def tool(function: Callable[P, R], /, *, name: str | None = ..., description: str | None = ...) -> Tool[P, R]: ...
@overload
def tool(*, name: str | None = ..., description: str | None = ...) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, description: str | None = None
) -> Any:
    """Make a tool of a function; also a decorator, with or without arguments.

    The schema comes from the signature: types, `Annotated[..., "text"]` or `Field`, defaults, enums, nested models.
    What the function and its parameters are comes from the docstring, in the style of Google, NumPy or Sphinx.

    Args:
        function: Sync or async; every parameter has an annotation that can be evaluated.
        name: Instead of the function's own: letters, digits, underscore and dash, at most 64.
        description: Instead of the docstring's.

    Raises:
        RequestValidationError: A parameter has no annotation, or a type that no JSON schema can say.

    Example:
        >>> tool(get_weather).param
    """
    if function is None:
        return functools.partial(tool, name=name, description=description)
    return made_tool(function, name, description)


def made_tool(function: Any, name: str | None = None, description: str | None = None) -> Tool[..., Any]:
    """Make a tool of what a caller gave, once per function where nothing is renamed."""
    if not callable(function):
        raise RequestValidationError(f"tools: must be functions, got {type(function).__name__}", param="tools")
    texts: dict[str, Any] = {"name": name, "description": description}
    for option, given in texts.items():
        if given is not None and not isinstance(given, str):
            raise RequestValidationError(f"tools: {option} must be a str or None, got {quoted(given)}", param="tools")
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    called = str.__str__(name) if name else str(getattr(inner, "__name__", None) or type(inner).__name__)
    where = f"tools: {called if len(called) <= 64 and called.isprintable() else quoted(called)}"
    if not _NAME.fullmatch(called):
        raise RequestValidationError(
            f"{where}: invalid name of a tool; pass tool(..., name=...) with letters, digits, underscores, at most 64",
            param="tools",
        )
    # The docstring of an object that is called is that of its class, which is about something else.
    is_described = inspect.isroutine(inner) or inspect.isclass(inner)
    text, texts = described(inner.__doc__ if is_described else None)
    arguments = _Arguments(function, where, texts)
    return Tool(function, called, text if description is None else description, arguments)
