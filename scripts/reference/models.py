"""The pages of requests, replies and aliases."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
from collections.abc import Iterator
from typing import Any

import typing_extensions
from descriptions import strings_below
from pydantic import BaseModel

from llmsdk.models.names import NAMES

from .classes import members_table, public_members
from .docstrings import paragraphs
from .found import documented_models
from .markdown import link, page, table
from .types import description_of, fields_of, members_of, type_text


@functools.cache
def alias_texts() -> dict[str, str]:
    """Read the strings below type aliases: what an alias has for a docstring."""
    found: dict[str, str] = {}
    for module in sorted(NAMES):
        found |= strings_below(ast.parse(inspect.getsource(importlib.import_module(f"llmsdk.models.{module}"))).body)
    return found


def model_pages() -> Iterator[tuple[str, str]]:
    """Write a page for every request type, reply type and alias, and the list of them."""
    rows: dict[str, list[list[str]]] = {"Requests": [], "Replies": [], "Aliases": []}
    here = "models/README.md"
    for name, kind in sorted(documented_models().items()):
        target = f"models/{name.lower()}.md"
        if typing_extensions.is_typeddict(kind):
            group, text, body = "Requests", paragraphs(kind.__doc__), _typed_dict(kind, target)
        elif isinstance(kind, type):
            group, text, body = "Replies", paragraphs(kind.__doc__), _model(kind, target)
        else:
            text = alias_texts().get(name, "")
            group, body = "Aliases", "One of:\n\n" + "\n".join(f"- {item}" for item in _distinct(kind, target))
        rows[group].append([link(name, target, here), text.split("\n\n")[0].split("\n")[0]])
        yield target, page(name, text, body)
    parts = [f"## {group}\n\n{table(['Name', 'What it is'], found)}" for group, found in rows.items()]
    intro = (
        "Requests are typed dicts: write plain dicts, and a type checker checks them. Only what you set is sent; "
        "`None` is sent as null. Replies are pydantic models. Unknown fields are kept, and a field that the server "
        "leaves out is `None`."
    )
    yield here, page("Models", intro, *parts)


def _distinct(kind: Any, here: str) -> list[str]:
    return list(dict.fromkeys(members_of(kind, here)))


def _typed_dict(kind: Any, here: str) -> str:
    rows = [
        [
            f"`{name}`",
            type_text(annotation, here),
            "yes" if name in kind.__required_keys__ else "no",
            description_of(kind, name, annotation),
        ]
        # What is required first, wherever in the line of bases it stands.
        for name, annotation in sorted(fields_of(kind).items(), key=lambda one: one[0] not in kind.__required_keys__)
    ]
    return table(["Field", "Type", "Required", "Description"], rows)


def _model(kind: type[Any], here: str) -> str:
    if not issubclass(kind, BaseModel):
        return members_table(kind, public_members(kind))
    rows = []
    for name, field in kind.model_fields.items():
        required = "yes" if field.is_required() else "no"
        text = description_of(kind, name, field.annotation)
        rows.append([f"`{name}`", type_text(field.annotation, here), required, text])
    members = members_table(kind, public_members(kind))
    return "\n\n".join(filter(None, [table(["Field", "Type", "Required", "Description"], rows), members]))
