"""JSON schemas of a caller's types: made by pydantic, and fitted to what a server takes."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import typing_extensions
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from typing_inspection.introspection import AnnotationSource, inspect_annotation, is_union_origin
from typing_inspection.typing_objects import is_annotated, is_literal

from ..errors import RequestValidationError
from ..providers.spec import Structured
from ..utils.forks import FIRST_USE
from ..utils.shapes import is_list, is_mapping, is_object

Schema = dict[str, Any]

_BY_NAME = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else"})
# What no server's strict mode can express, and what no rewriting removes.
_NEVER_STRICT = frozenset({"not", "if", "then", "else", "patternProperties", "dependentRequired", "dependentSchemas"})


class _Generator(GenerateJsonSchema):
    """Leaves out titles of fields, which repeat their names, and does not warn: what cannot be is an error."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as pydantic declares it

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


class NotStrictError(Exception):
    """A schema says something that strict mode cannot."""


def adapter_of(kind: Any, where: str) -> TypeAdapter[Any]:
    """Make the pydantic adapter of a type.

    Raises:
        RequestValidationError: pydantic cannot read the type; `where` begins the line.
    """
    if isinstance(kind, TypeAdapter):
        return kind  # pyright: ignore[reportUnknownVariableType] # of whatever the caller says
    try:
        with FIRST_USE:  # in pydantic's Rust code, too, a first use may be under way when a fork comes
            return TypeAdapter(readable(kind))
    except Exception as exc:  # whatever the type's own hooks raise
        raise RequestValidationError(f"{where}: {_reason(exc)}", param=where) from exc


def schema_of(adapter: TypeAdapter[Any], where: str) -> Schema:
    """Make the JSON schema of an adapter.

    Raises:
        RequestValidationError: The type has no JSON schema; `where` begins the line.
    """
    try:
        return adapter.json_schema(schema_generator=_Generator)
    except Exception as exc:
        raise RequestValidationError(f"{where}: no JSON schema can say it: {_reason(exc)}", param=where) from exc


def _reason(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0] if lines else type(exc).__name__


def readable(kind: Any) -> Any:
    """Rewrite `typing.TypedDict`, which pydantic cannot read before Python 3.12, also inside a type's arguments."""
    if sys.version_info >= (3, 12):
        return kind
    return _readable(kind)


def _readable(kind: Any, open_kinds: tuple[Any, ...] = ()) -> Any:
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        if kind in open_kinds:
            raise NotStrictError(f"{kind.__name__} holds itself; take TypedDict from typing_extensions")
        fields: dict[str, Any] = {}
        for name, hint in get_type_hints(kind, include_extras=True).items():
            inspected = inspect_annotation(hint, annotation_source=AnnotationSource.TYPED_DICT)
            bare = _readable(inspected.type, (*open_kinds, kind))
            # What `from __future__ import annotations` hides from `__required_keys__`, the qualifiers still say.
            named = inspected.qualifiers & {"required", "not_required"}
            is_required = "required" in named if named else name in kind.__required_keys__
            qualifier: Any = typing.Required if is_required else typing.NotRequired
            fields[name] = qualifier[annotated(bare, inspected.metadata)]
        made = typed_dict_of(kind.__name__, fields, getattr(kind, "__pydantic_config__", {}))
        made.__doc__ = kind.__doc__
        return made
    arguments = get_args(kind)
    if not arguments or is_literal(get_origin(kind)):
        return kind
    changed = tuple(_readable(argument, open_kinds) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return kind
    return _with_arguments(kind, changed)


def typed_dict_of(name: str, fields: Mapping[str, Any], config: Any) -> Any:
    """Make a TypedDict of data."""
    make: Any = typing_extensions.TypedDict
    made = make(name, dict(fields))
    made.__pydantic_config__ = config
    return made


def annotated(kind: Any, metadata: Sequence[Any]) -> Any:
    """Put metadata around a type, where there is any."""
    return typing.Annotated[(kind, *metadata)] if metadata else kind


def _with_arguments(kind: Any, arguments: tuple[Any, ...]) -> Any:
    origin = get_origin(kind)
    if is_annotated(origin):
        return typing.Annotated[arguments]
    if is_union_origin(origin):
        return typing.Union[arguments]  # noqa: UP007 - of a tuple
    if hasattr(kind, "copy_with"):
        return kind.copy_with(arguments)
    return origin[arguments] if origin is not None else kind


# ---------------------------------------------------------------- walking


def rebuilt(schema: Any, change: Callable[[Any], Any]) -> Any:
    """Copy a schema, each schema directly inside it changed."""
    if not is_object(schema):
        return schema
    made: Schema = {}
    for key, value in schema.items():
        if key in _BY_NAME and is_object(value):
            made[key] = {name: change(part) for name, part in value.items()}
        elif key in _LISTS and is_list(value):
            made[key] = [change(part) for part in value]
        elif key in _SINGLE and is_object(value):
            made[key] = change(value)
        else:
            made[key] = value
    return made


def names_in(schema: Any) -> Iterator[str]:
    """Name every property that a schema has, at any depth."""
    found: list[Any] = []
    rebuilt(schema, found.append)
    if is_object(schema) and is_object(properties := schema.get("properties")):
        yield from properties
    for part in found:
        yield from names_in(part)


def resolved_root(schema: Schema) -> Schema:
    """Put the schema that the root refers to in the root's place."""
    # Bounded, as the schema may come from a TypeAdapter of anyone's.
    for _ in range(8):  # a reference to a reference to...
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            break
        definitions: Schema = schema.get("$defs", {})
        schema = {**definitions.get(reference.rpartition("/")[2], {}), "$defs": definitions}
    return schema


# ---------------------------------------------------------------- fitting


def fitted(schema: Schema, server: Structured) -> tuple[Schema, bool]:
    """Rewrite a schema for a server.

    Returns:
        The schema, and whether it is strict: a schema with open places stays as it is and is sent without `strict`.
    """
    if server.strict:
        try:
            return _strict(schema, server), True
        except NotStrictError:
            pass
    return _closed(schema, server), False


def _closed(schema: Any, server: Structured) -> Any:
    made = rebuilt(schema, lambda part: _closed(part, server))
    if is_object(made):
        made = _without_lacks(made, server)
        if made.get("properties"):
            made.setdefault("additionalProperties", False)
    return made


def _strict(schema: Any, server: Structured) -> Schema:
    if not is_object(schema) or _NEVER_STRICT & schema.keys():
        raise NotStrictError
    if is_list(parts := schema.get("allOf")):
        if len(parts) != 1 or not is_object(parts[0]):
            raise NotStrictError
        schema = {**parts[0], **{key: value for key, value in schema.items() if key != "allOf"}}
    if not schema.keys() & {"type", "$ref", "anyOf", "oneOf", "enum", "const"}:
        raise NotStrictError  # anything may stand here
    if schema.get("type") == "object":
        schema = _strict_object(schema)
    elif schema.get("type") == "array" and not schema.keys() & {"items", "prefixItems"} and schema.get("maxItems") != 0:
        raise NotStrictError
    made: Schema = rebuilt(schema, lambda part: _strict(part, server))
    made.pop("default", None)
    made.pop("discriminator", None)
    if "oneOf" in made:
        made["anyOf"] = made.pop("oneOf")
    made = _without_lacks(made, server)
    if "$ref" in made and len(made.keys() - {"$defs"}) > 1:  # a reference may have nothing beside it
        made = {"anyOf": [{"$ref": made.pop("$ref")}], **made}
    return made


def _strict_object(schema: Schema) -> Schema:
    properties: Schema = schema.get("properties") or {}
    extra = schema.get("additionalProperties", True)
    if is_object(extra) or ("properties" not in schema and extra is not False):
        raise NotStrictError  # a map of any names
    required: list[str] = schema.get("required") or []
    return {
        **schema,
        "properties": {name: part if name in required else _nullable(part) for name, part in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }


def _nullable(schema: Any) -> Any:
    """Let null stand for a property that may be left out."""
    if not is_object(schema):
        return schema
    null = {"type": "null"}
    for key in ("anyOf", "oneOf"):
        if is_list(options := schema.get(key)):
            return schema if null in options else {**schema, key: [*options, null]}
    if schema.get("type") == "null":
        return schema
    outside = {key: schema[key] for key in ("description",) if key in schema}
    inside = {key: value for key, value in schema.items() if key not in outside and key != "default"}
    return {"anyOf": [inside, null], **outside}


def _without_lacks(schema: Schema, server: Structured) -> Schema:
    """Tell in the description what the server takes no keyword for."""
    lacked = {key: schema[key] for key in schema.keys() & server.lacks}
    if server.formats is not None:
        if "format" in schema and schema["format"] not in server.formats:
            lacked["format"] = schema["format"]
        if "(?" in str(schema.get("pattern", "")):
            lacked["pattern"] = schema["pattern"]  # no lookaround
    if not lacked:
        return schema
    made = {key: value for key, value in schema.items() if key not in lacked}
    lacked.pop("discriminator", None)  # the options say themselves which of them is meant
    if "oneOf" in lacked:
        made["anyOf"] = lacked.pop("oneOf")
    if (items := lacked.pop("prefixItems", None)) is not None and "items" not in made:
        distinct = [item for at, item in enumerate(items) if item not in items[:at]]
        made["items"] = distinct[0] if len(distinct) == 1 else {"anyOf": distinct}
        lacked["order of items"] = ", ".join(str(item.get("type", "see items")) for item in items)
    if not lacked:
        return made
    told = "; ".join(f"{key}: {value}" for key, value in sorted(lacked.items()))
    made["description"] = f"{made['description']} ({told})" if made.get("description") else told
    return made


def place_of(location: tuple[str | int, ...], data: Any, known: frozenset[str]) -> str:
    """Write a pydantic location as a path into the data.

    Names of a union's branches are left out, and names that only the data knows become `*`, as errors quote no answer.
    """
    path = ""
    for at, step in enumerate(location):
        if isinstance(step, int):
            path += f"[{step}]"
            data = data[step] if is_list(data) and -len(data) <= step < len(data) else None
        elif is_mapping(data) and (step in data or (at == len(location) - 1 and step in known)):
            path += f".{step}" if step in known else ".*"
            data = data.get(step)
    return path.lstrip(".")
