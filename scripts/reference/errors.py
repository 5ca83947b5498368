"""The pages of the errors and of the values that they carry."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from llmsdk import errors
from llmsdk.resources.operations import all_operations

from .classes import class_part, escaped
from .docstrings import first_line, paragraphs, section
from .found import documented_errors, home_of, linked
from .markdown import codes, link, page, table
from .resources import documenting

_WHERE: tuple[tuple[type[Exception], str], ...] = (
    (errors.StreamInterruptedError, "while a stream is iterated"),
    (errors.DeadlineExceededError, "when `deadline_ms` passes: before an attempt, in it, or inside a stream"),
    (errors.APIConnectionError, "by every call, when its last attempt got no reply; inside a stream too"),
    (errors.ResponseValidationError, "by every call, and while a stream is iterated"),
    (errors.APIStatusError, "by every call, and while a stream is iterated if the server sends an error in it"),
    (errors.RequestValidationError, "by every call, before anything is sent"),
    (errors.ConfigurationError, "by `SDK(...)` and by every call, before anything is sent"),
)
# What the docstring of the class says in prose.
_FIELD_TEXTS = {
    "message": "What went wrong; one line, unless the server wrote it.",
    "param": "The parameter.",
    "operation": "Id of the operation.",
    "servers": "The servers that support it.",
    "reason": 'Why: `"truncated"`, `"connection"` or `"idle"`.',
    "status_code": "HTTP status.",
    "server": "Id of the server.",
}


def error_pages() -> Iterator[tuple[str, str]]:
    """Write a page for every error class and every value they carry, and the tree of them."""
    for name, kind in documented_errors().items():
        here = f"errors/{name.lower()}.md"
        if not issubclass(kind, Exception):
            yield here, page(name, *class_part(kind).split("\n\n")[1:])
            continue
        bases = ", ".join(linked(base, here) if home_of(base) else f"`{base.__name__}`" for base in kind.__bases__)
        parts = [
            paragraphs(kind.__doc__),
            f"Status: {status}" if (status := getattr(kind, "status", None)) else "",
            f"Base class: {bases}",
            f"## Fields\n\n{table(['Field', 'Type', 'Description'], _error_fields(kind))}",
            f"## Where it is raised\n\n{_where(kind, here)}",
        ]
        yield here, page(name, *parts)
    yield _error_index()


def _error_fields(kind: type[Any]) -> list[list[str]]:
    described: dict[str, str] = {}
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("llmsdk"):
            continue
        described |= section(base.__doc__, "Attributes")
        if "__init__" in vars(base):
            found = {name: kind for name, kind in found.items() if name != "message"}
            signature = inspect.signature(vars(base)["__init__"])
            found = (
                {"message": "str"}
                | found
                | {name: str(parameter.annotation) for name, parameter in list(signature.parameters.items())[1:]}
            )
        for name, value in vars(base).items():
            if isinstance(value, property) and value.fget is not None:
                found[name] = str(inspect.signature(value.fget).return_annotation)
                described.setdefault(name, first_line(value))
    return [
        [f"`{name}`", f"`{escaped(text)}`", described.get(name) or _FIELD_TEXTS.get(name, "")]
        for name, text in found.items()
    ]


def _where(kind: type[Any], here: str) -> str:
    other = "as one of its subclasses" if kind.__subclasses__() else "by the methods whose documentation names it"
    text = next((text for base, text in _WHERE if issubclass(kind, base)), other)
    rows = []
    for operation in all_operations().values():
        servers = documenting(operation).get(getattr(kind, "status", None) or 0)
        if servers:
            method = f"{operation.resource}.{operation.name}"
            target = f"sdks/{operation.resource}/README.md#{operation.name}"
            rows.append([link(method, target, here), codes(servers)])
    documented = f"\n\nDocumented by:\n\n{table(['Operation', 'Servers'], rows)}" if rows else ""
    return f"{text[0].upper()}{text[1:]}.{documented}"


def _error_index() -> tuple[str, str]:
    here = "errors/README.md"
    tree = "\n".join(_tree(errors.SDKError, here, 0))
    values = [
        [linked(kind, here), first_line(kind)]
        for kind in documented_errors().values()
        if not issubclass(kind, Exception)
    ]
    intro = (
        "All errors are in `llmsdk.errors`. The class depends on the HTTP status alone, not on the body. "
        "`NoResponseError` is another name for `APIConnectionError`. Exceptions of HTTP clients and parsers are only "
        "visible as `__cause__`."
    )
    return here, page("Errors", intro, tree, "## Values on errors and replies", table(["Name", "What it is"], values))


def _tree(kind: type[Any], here: str, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}- {linked(kind, here)}: {first_line(kind)}"
    for child in kind.__subclasses__():
        if home_of(child) and child.__bases__[0] is kind:
            yield from _tree(child, here, depth + 1)
