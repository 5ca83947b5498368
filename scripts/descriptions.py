"""Descriptions of parameters: read where they stand, the string under each field, and written into docstrings.

Editors show the string under a field where its name is hovered, and the docstring of a method while its call is typed.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from llmsdk.options import CallOptions
from llmsdk.resources.signatures import OPTIONS, OPTIONS_TEXT, STREAM_TEXTS

WIDTH = 120
_OBJECT = "All parameters as one object instead."
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


# ------------------------------------------------------------------ reading


def texts_of(kind: type[Any]) -> dict[str, str]:
    """Read the strings under the fields of a class, and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(getattr(kind, "__orig_bases__", kind.__bases__)):
        if isinstance(base, type) and base.__module__.startswith("llmsdk."):
            found |= texts_of(base)
    body = _class_bodies(sys.modules[kind.__module__]).get(kind.__name__, [])
    return found | {name: " ".join(text.split()) for name, text in strings_below(body).items()}


def strings_below(body: list[ast.stmt]) -> dict[str, str]:
    """Read the strings under annotated names, which Python throws away."""
    found: dict[str, str] = {}
    for node, below in itertools.pairwise(body):
        match node, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
            case _:
                pass
    return found


@functools.cache
def _class_bodies(module: ModuleType) -> dict[str, list[ast.stmt]]:
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    return {node.name: node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}


# ------------------------------------------------------------------ writing


@dataclass(frozen=True)
class _Method:
    """A method that `described_by` decorates."""

    node: ast.FunctionDef
    holder: ast.FunctionDef | ast.ClassDef  # what has the docstring: the class of an `__init__`
    decorator: ast.Call
    itself: Any


def with_arguments(module: ModuleType) -> str:
    """Write the source of a module whose methods have a line for each parameter in their docstrings."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    lines = source.splitlines()
    methods = _described(module, ast.parse(source))
    for method in sorted(methods, key=lambda one: one.holder.body[0].lineno, reverse=True):
        text = ast.get_docstring(method.holder) or ""
        if "\n" not in text:
            continue  # a twin, which refers to the other
        docstring = method.holder.body[0]
        fresh = _with_arguments(text, method, _given_texts(module, method.decorator), docstring.col_offset)
        lines[docstring.lineno - 1 : docstring.end_lineno] = _quoted(fresh, docstring.col_offset)
    return "\n".join([*lines, ""])


def with_options(module: ModuleType) -> str:
    """Write the source of `options.py`, whose class of options repeats its descriptions in its docstring."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    (node,) = (
        one for one in ast.parse(source).body if isinstance(one, ast.ClassDef) and one.name == CallOptions.__name__
    )
    docstring = node.body[0]
    head, _, tail = _parts(ast.get_docstring(node) or "")
    lines = [line for name, text in texts_of(CallOptions).items() for line in _entry(name, text, docstring.col_offset)]
    source_lines = source.splitlines()
    text = "\n".join([*head, "", "Args:", *lines, *tail])
    source_lines[docstring.lineno - 1 : docstring.end_lineno] = _quoted(text, docstring.col_offset)
    return "\n".join([*source_lines, ""])


def _described(module: ModuleType, tree: ast.Module) -> Iterator[_Method]:
    for kind in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for node in (one for one in kind.body if isinstance(one, ast.FunctionDef)):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "described_by":
                    itself = inspect.getattr_static(getattr(module, kind.name), node.name)
                    yield _Method(node, kind if node.name == "__init__" else node, decorator, itself)


def _given_texts(module: ModuleType, decorator: ast.Call) -> dict[str, str]:
    texts: dict[str, str] = {}
    for keyword in decorator.keywords:
        if keyword.arg == "operation":
            operation = getattr(module, ast.unparse(keyword.value))
            texts |= texts_of(operation.request)
            if operation.request_name:
                texts[operation.request_name] = _OBJECT
    texts |= STREAM_TEXTS
    # Reversed, as in `described_by`: the usual form has the say where two forms have one name.
    for argument in reversed(decorator.args):
        texts |= texts_of(getattr(module, ast.unparse(argument)))
    return texts


def _with_arguments(text: str, method: _Method, texts: dict[str, str], indent: int) -> str:
    head, args, tail = _parts(text)
    own = [one.arg for one in (*method.node.args.args, *method.node.args.kwonlyargs) if one.arg != "self"]
    entries = dict(_entries(args))
    others = [name for name in inspect.signature(method.itself).parameters if name not in {"self", *own}]
    rest = method.node.args.kwarg.arg if method.node.args.kwarg else ""
    refers = entries.get(rest, "")
    if refers.startswith("Parameters of `"):  # those of another method, which has the lines
        others, texts = [rest], {**texts, rest: refers}
    elif CallOptions.__annotations__.keys() <= set(others):
        # Every method has these: one line in the source, which `described_by` expands for `help`.
        others = [*(name for name in others if name not in CallOptions.__annotations__), OPTIONS]
        texts = {**texts, OPTIONS: OPTIONS_TEXT}
    lines: list[str] = []
    for name in [*own, *others]:
        said = texts.get(name) or (entries.get(name) if name in own else None)
        if said is None:
            raise SystemExit(f"{method.itself.__qualname__}: {name} has no description; put a string under its field")
        lines += _entry(name, said, indent)
    return "\n".join([*head, "", "Args:", *lines, *tail])


def _entry(name: str, text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        f"{name}: {text}",
        WIDTH - indent,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _parts(text: str) -> tuple[list[str], list[str], list[str]]:
    """Part a docstring into what is before the arguments, these, and what is after them."""
    lines = text.splitlines()
    sections = [index for index, line in enumerate(lines) if re.match(r"[A-Z]\w+:$", line)]
    start = next((index for index in sections if lines[index] == "Args:"), None)
    if start is None:
        start = end = sections[0] if sections else len(lines)
        return _trimmed(lines[:start]), [], [""] * bool(sections) + lines[end:]
    end = next((index for index in sections if index > start), len(lines))
    return _trimmed(lines[:start]), lines[start + 1 : end], [""] * (end < len(lines)) + lines[end:]


def _trimmed(lines: list[str]) -> list[str]:
    return "\n".join(lines).rstrip().splitlines()


def _entries(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Read the entries of a section; a name alone may have one."""
    name, said = "", ""
    for line in lines:
        if found := _ENTRY.match(line):
            if name:
                yield name, said
            name, said = found[1], found[2]
        elif line.strip():
            said = f"{said} {line.strip()}"
    if name:
        yield name, said


def _quoted(text: str, indent: int) -> list[str]:
    pad = " " * indent
    first, *rest = text.splitlines()
    return [f'{pad}"""{first}', *(f"{pad}{line}" if line else "" for line in rest), f'{pad}"""']
