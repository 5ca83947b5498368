"""Classes by their docstrings, fields, arguments and members."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from llmsdk import models
from llmsdk.utils.forks import once
from llmsdk.utils.records import Record

from .docstrings import first_line, paragraphs, section
from .markdown import table


def class_part(kind: type[Any]) -> str:
    """Describe a class by its docstring, fields and public members."""
    described = section(kind.__doc__, "Attributes")
    rows = [[f"`{name}`", f"`{escaped(type_)}`", described.get(name, "")] for name, type_ in class_fields(kind).items()]
    parts = [f"## {kind.__name__}", paragraphs(kind.__doc__)]
    parts += [table(["Field", "Type", "Description"], rows)] if rows else []
    members = members_table(kind, public_members(kind))
    return "\n\n".join([*parts, members] if members else parts)


def arguments_part(kind: type[Any]) -> str:
    """Describe a class by the arguments that make it."""
    described = section(kind.__doc__, "Args")
    rows = []
    for name, parameter in inspect.signature(kind).parameters.items():
        default = "" if parameter.default is parameter.empty else f"`{parameter.default!r}`"
        where = " (keyword)" if parameter.kind is parameter.KEYWORD_ONLY else ""
        rows.append([f"`{name}`{where}", f"`{escaped(str(parameter.annotation))}`", default, described.get(name, "")])
    head = ["Argument", "Type", "Default", "Description"]
    return f"## {kind.__name__}\n\n{paragraphs(kind.__doc__)}\n\n{table(head, rows)}"


def class_fields(kind: type[Any]) -> dict[str, str]:
    """Give the fields of a dataclass, a named tuple or a record, with their annotations."""
    if dataclasses.is_dataclass(kind):
        return {field.name: str(field.type) for field in dataclasses.fields(kind) if field.name not in INNER}
    names = kind.takes if issubclass(kind, Record) else getattr(kind, "_fields", ())
    annotations = inspect.get_annotations(kind)
    return {name: str(getattr(annotations[name], "__forward_arg__", annotations[name])) for name in names}


def escaped(text: str) -> str:
    return text.replace("|", "\\|")


# Public for other modules of the package, and of no use to its users.
PROPERTIES = (property, once)


INNER = {"abandon", "add", "attach", "of", "read_cost", "read_limits"}


def public_members(kind: type[Any]) -> list[str]:
    """Name the public methods and properties that the code of a class or of its bases in this package defines."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("llmsdk") and base is not models.Model:
            for name, value in vars(base).items():
                if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, PROPERTIES)):
                    found[name] = None
    return [name for name in found if name not in INNER and not hasattr(BaseModel, name)]


def members_table(kind: type[Any], names: Iterable[str]) -> str:
    """Write one row per method or property."""
    rows = []
    for name in names:
        member = inspect.getattr_static(kind, name)
        shown = f"`.{name}`" if isinstance(member, PROPERTIES) else f"`.{name}({_arguments(member)})`"
        rows.append([shown, first_line(member)])
    return table(["Member", "What it is"], rows) if rows else ""


def _arguments(method: Any) -> str:
    shown = []
    parameters = list(inspect.signature(method).parameters.items())[1:]
    if len(parameters) > 8:
        return "..."  # nobody reads a table that wide; the options have a table of their own
    for name, parameter in parameters:
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        shown += ["*"] * (parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown) + [f"{name}{default}"]
    return ", ".join(shown)
