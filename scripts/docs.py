"""Write docs/sdks, docs/models, docs/errors, docs/servers.md and README's table; `--check` says what is stale.

What one reads there is the code's own: descriptions of parameters, docstrings, routes of the providers, and the
examples of the operations, which the tests run.
"""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import functools
import importlib
import inspect
import itertools
import posixpath
import re
import sys
import types
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typing_extensions
from pydantic import BaseModel

from llmsdk import SDK, Preview, errors, hooks, models
from llmsdk._call.failover.policy import Failover
from llmsdk._call.operation import Example, Operation
from llmsdk._call.prices import Price, Prices
from llmsdk._call.usage import ModelUsage, UsageTotals
from llmsdk._net.streams import EventStream, EventStreamAsync
from llmsdk.errors.status import class_for
from llmsdk.hooks import AfterErrorHook, AfterSuccessHook, BeforeRequestHook, HookContext, SDKInitHook
from llmsdk.models.names import NAMES
from llmsdk.observers import Observer
from llmsdk.options import CALL_OPTIONS, AsyncHttpClient, CallOptions, DebugLogger, HttpClient, SDKOptions
from llmsdk.providers import (
    PROVIDERS,
    ErrorPaths,
    LimitHeaders,
    LimitWindow,
    Page,
    Provider,
    Route,
    ServerId,
    Structured,
    Turns,
)
from llmsdk.providers.reshape import AsList, OneOf, PlainParts, PlainText, Refused, Renamed, WidthHeight
from llmsdk.resources.operations import all_operations
from llmsdk.resources.signatures import STREAM_TEXTS
from llmsdk.utils.forks import once
from llmsdk.utils.records import Record
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

sys.path.insert(0, str(Path(__file__).resolve().parent))  # a test runs this file from elsewhere

from descriptions import strings_below, texts_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
GENERATED = ("sdks", "models", "errors", "servers.md")

# Exported for annotations and for those who fold chunks themselves; they describe nothing that goes over the wire.
MACHINERY = {
    "Accumulator",
    "Fetcher",
    "Listed",
    "Loose",
    "Model",
    "OrEmpty",
    "Reply",
    "Listing",
}

# Named as text in the options, since a plain call loads none of them.
_LATE = {"Failover": Failover, "Hook": hooks.Hook, "Observer": Observer, "Prices": Prices}

NOTE = "<!-- Written by scripts/docs.py from the code; change it there. -->"


# ---------------------------------------------------------------- examples


_LINE = 88


def example_of(operation: Operation, *, is_async: bool = False, stream: bool = False) -> str:
    """Write an example that runs as it stands."""
    example = operation.example
    body = _streamed(operation, example) if stream else _whole(operation, example)
    dialect = _dialect_of(operation)
    body = f"with {_opened(dialect)} as sdk:\n{_indented(body)}"
    if is_async:
        body = _in_async(body)
    if dialect:
        body = f'with LocalServer(dialect="{dialect}") as server:\n{_indented(body)}'
    if is_async:
        body = f"\nasync def main() -> None:\n{_indented(body)}\n\n\nasyncio.run(main())"
    return f"{_imports(example, dialect, is_async=is_async)}\n\n{body}"


def _whole(operation: Operation, example: Example) -> str:
    return "\n".join(filter(None, [example.needs, _call("res = ", operation, example.args), example.shows]))


def _streamed(operation: Operation, example: Example) -> str:
    call = _call("with ", operation, (*example.args, "stream=True"))
    return "\n".join(filter(None, [example.needs, f"{call} as stream:\n{_indented(example.streamed or '')}"]))


def _call(before: str, operation: Operation, args: tuple[str, ...]) -> str:
    start = f"{before}sdk.{operation.resource}.{operation.name}("
    line = f"{start}{', '.join(args)})"
    return line if len(line) <= _LINE else f"{start}\n{_indented(chr(10).join(f'{arg},' for arg in args))}\n)"


def _dialect_of(operation: Operation) -> str | None:
    """Name the server whose dialect the embedded provider has to speak; None where its own will do."""
    servers = routes_of(operation)
    return None if "local" in servers else next(iter(servers))


def _opened(dialect: str | None) -> str:
    if dialect is None:
        return 'SDK(server="local")'
    args = ('api_key="sk-placeholder"', f'server="{dialect}"', "server_url=server.url", "organization_id=9981")
    return "SDK(\n" + _indented("\n".join(f"{arg}," for arg in args)) + "\n)"


def _in_async(text: str) -> str:
    """Colour a sync example: its calls, `with` and `for`."""
    text = re.sub(r"\bsdk\.(\w+)\.(\w+)\(", r"await sdk.\1.\2_async(", text)
    text = re.sub(r"((?:\w+\.)*(?:data\[0\]|res))\.save\(", r"await \1.save_async(", text)
    text = re.sub(r"^( *)with ", r"\1async with ", text, flags=re.MULTILINE)
    return re.sub(r"^( *)for (.*) in stream", r"\1async for \2 in stream", text, flags=re.MULTILINE)


def _imports(example: Example, dialect: str | None, *, is_async: bool) -> str:
    standard = ["import asyncio"] * is_async + ["from pathlib import Path"] * any(
        "Path(" in text for text in (*example.args, example.needs or "")
    )
    own = ["from llmsdk import SDK"] + ["from llmsdk.local import LocalServer"] * (dialect is not None)
    return "\n".join([*standard, *([""] if standard else []), *own])


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.splitlines())


# ---------------------------------------------------------------- Markdown


def code_block(text: str) -> str:
    """Fence Python."""
    return f"```python\n{text.rstrip()}\n```"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table without padding, so that a changed row is one changed line."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(' '.join(cell.split()) for cell in row)} |" for row in rows]
    return "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines)


def page(title: str, *parts: str) -> str:
    """Join a page of its parts; empty ones are left out."""
    return "\n\n".join([NOTE, f"# {title}", *(part.strip() for part in parts if part.strip())]) + "\n"


def link(text: str, target: str, here: str) -> str:
    """Link from one page of docs/ to another."""
    path, _, anchor = target.partition("#")
    relative = posixpath.relpath(path, posixpath.dirname(here) or ".")
    return f"[{text}]({relative}{'#' + anchor if anchor else ''})"


def codes(names: Iterable[str]) -> str:
    """List names as code."""
    return ", ".join(f"`{name}`" for name in names)


# ---------------------------------------------------------------- what there is


@functools.cache
def resources() -> dict[str, type[Any]]:
    """Find the classes of `sdk.completions` and its like, by the alphabet."""
    with SDK(server="local") as sdk:
        members = [item for kind in reversed(SDK.__mro__) for item in vars(kind).items()]
        names = [name for name, value in members if isinstance(value, once)]
        return {name: type(getattr(sdk, name)) for name in sorted(names)}


@functools.cache
def documented_models() -> dict[str, Any]:
    """Every exported request type, reply type and alias of them, by name."""
    offered = {name: getattr(models, name) for name in vars(models)["__all__"]}
    return {
        name: value for name, value in offered.items() if name not in MACHINERY and not name.endswith("Accumulator")
    }


@functools.cache
def documented_errors() -> dict[str, type[Any]]:
    """Every exported error class, and the values that they and replies carry."""
    return {name: getattr(errors, name) for name in errors.__all__ if getattr(errors, name).__name__ == name}


_HOOKS = (SDKInitHook, BeforeRequestHook, AfterSuccessHook, AfterErrorHook)
_DIALECT = (Provider, Route, Turns, Structured, ErrorPaths, LimitHeaders, LimitWindow, Page)
_ON_SHARED_PAGES: dict[Any, str] = {
    **dict.fromkeys(_DIALECT, "servers.md"),
    **dict.fromkeys(
        (
            *(EventStream, EventStreamAsync, RetryConfig, BackoffStrategy, RetryBudget, UsageTotals, ModelUsage, Price),
            *(Preview, *_HOOKS, HookContext, HttpClient, AsyncHttpClient, DebugLogger),
        ),
        "sdks/sdk/README.md",
    ),
}


def home_of(kind: type[Any]) -> str | None:
    """Find the page of a class, below docs/."""
    if kind in _ON_SHARED_PAGES:
        return f"{_ON_SHARED_PAGES[kind]}#{kind.__name__.lower()}"
    if documented_models().get(kind.__name__) is kind:
        return f"models/{kind.__name__.lower()}.md"
    if documented_errors().get(kind.__name__) is kind:
        return f"errors/{kind.__name__.lower()}.md"
    return None


def linked(kind: type[Any], here: str) -> str:
    """Name a class, with a link where it has a page."""
    home = home_of(kind)
    return link(kind.__name__, home, here) if home and home != here else f"`{kind.__name__}`"


def operations_of(resource: str) -> list[Operation]:
    """List the operations of a resource, in the order of the code."""
    return [operation for operation in all_operations().values() if operation.resource == resource]


def routes_of(operation: Operation) -> dict[str, Route]:
    """Find the servers that have an operation, with their routes."""
    return {
        name: provider.routes[operation.id] for name, provider in PROVIDERS.items() if operation.id in provider.routes
    }


# ---------------------------------------------------------------- types and fields


def type_text(annotation: Any, here: str) -> str:
    """Write a type for readers, with links to the pages of our own."""
    return " \\| ".join(dict.fromkeys(_members(annotation, here)))


def _members(annotation: Any, here: str) -> Iterator[str]:
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        yield "`None`"
    elif annotation is ServerId:
        yield link("server id", "servers.md", here)
    elif origin is Annotated or origin in (typing_extensions.Required, typing_extensions.NotRequired):
        yield from _members(args[0], here)
    elif origin in (Union, types.UnionType):
        for member in args:
            yield from _members(member, here)
    elif origin is Literal:
        yield from (f"`{_quoted(value)}`" for value in args)
    elif origin in (list, collections.abc.Sequence):
        yield f"list of {_grouped(args[0], here)}"
    elif origin is collections.abc.Iterable:
        yield f"iterable of {_grouped(args[0], here)}"
    elif origin in (dict, collections.abc.Mapping):
        yield f"dict of {_grouped(args[0], here)} to {_grouped(args[1], here)}"
    elif origin is tuple:
        yield f"({', '.join(type_text(item, here) for item in args)})"
    elif origin is collections.abc.Callable:
        yield "function"
    elif isinstance(annotation, type) and home_of(annotation):
        yield linked(annotation, here)
    else:
        yield f"`{_plain_name(annotation)}`"


def _grouped(annotation: Any, here: str) -> str:
    text = type_text(annotation, here)
    return f"({text})" if "\\|" in text else text


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _plain_name(annotation: Any) -> str:
    if annotation is Any:
        return "Any"
    name = getattr(annotation, "__name__", None) or str(annotation)
    arguments = ", ".join(_plain_name(item) for item in get_args(annotation))
    return f"{name}[{arguments}]" if arguments else name


def description_of(kind: type[Any], name: str, annotation: Any) -> str:
    """Find the description of a field: its own, else that of its type."""
    found = texts_of(kind).get(name)
    if found is not None:
        return found
    bare = _bare(annotation)
    if get_origin(bare) is Literal and len(get_args(bare)) == 1:
        return f"Always `{_quoted(get_args(bare)[0])}`."
    named = [one for one in _classes(annotation) if home_of(one)]
    return first_line(named[0]) if len(named) == 1 else ""


def _bare(annotation: Any) -> Any:
    while get_origin(annotation) in (Annotated, typing_extensions.Required, typing_extensions.NotRequired):
        annotation = get_args(annotation)[0]
    return annotation


def _classes(annotation: Any) -> list[type[Any]]:
    if isinstance(annotation, type) and not get_args(annotation):
        return [annotation]
    return [kind for member in get_args(annotation) for kind in _classes(member)]


def fields_of(kind: Any) -> dict[str, Any]:
    """Give the fields of a TypedDict with their whole annotations."""
    return typing_extensions.get_type_hints(kind, localns=_LATE, include_extras=True)


def paragraphs(text: str | None) -> str:
    """Take the prose of a docstring, without its sections of fields and arguments."""
    prose = re.split(r"\n(?=(?:Args|Attributes|Returns|Raises|Example|Source):)", inspect.cleandoc(text or ""))[0]
    return _paged(prose)


def _paged(prose: str) -> str:
    """Fence what is indented, so that its lines stay lines."""
    parts = prose.strip().split("\n\n")
    return "\n\n".join(f"```text\n{inspect.cleandoc(part)}\n```" if part.startswith("    ") else part for part in parts)


def first_line(thing: Any) -> str:
    """Take the first sentence of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].split("\n    ")[0].replace("\n", " ").strip()


def section(text: str | None, name: str) -> dict[str, str]:
    """Read a section of a docstring, such as Attributes; `a, b: text` describes both."""
    found = re.search(rf"^{name}:\n((?:    .*\n?|\n)+)", inspect.cleandoc(text or ""), re.MULTILINE)
    described: dict[str, str] = {}
    names: list[str] = []
    for line in found[1].splitlines() if found else ():
        head = re.match(r"    (\w+(?:, \w+)*): (.*)", line)
        if head:
            names = head[1].split(", ")
        for each in names:
            described[each] = f"{described.get(each, '')} {head[2] if head else line.strip()}".strip()
    return described


# ---------------------------------------------------------------- docs/sdks/<resource>


def resource_page(resource: str) -> tuple[str, str]:
    """Write the page of one resource."""
    here = f"sdks/{resource}/README.md"
    kind = resources()[resource]
    operations = operations_of(resource)
    rows = [
        [
            f"[{operation.name}](#{operation.name})",
            first_line(getattr(kind, operation.name)),
            servers_text(operation),
        ]
        for operation in operations
    ]
    servers = link("Servers", "servers.md", here)
    intro = (
        f"{first_line(kind)}\n\nEvery method has an async version with `_async` at the end of its name, which accepts "
        "the same arguments. *Sent to* in the tables of parameters names the servers that are not known to lack a "
        f"parameter. For the others, it raises an error before anything is sent: see {servers}."
    )
    preview = ""
    if hasattr(kind, "preview"):
        shown = link("Preview", "sdks/sdk/README.md#preview", here)
        preview = (
            f"## preview\n\n{paragraphs(kind.preview.__doc__)} It accepts the same arguments, has no async version, "
            f"and returns a {shown}: method, URL, headers with the key masked, body, and `as_curl()`."
        )
    parts = [operation_part(operation, here) for operation in operations]
    parts += [method_part(kind, name) for name in beside_operations(kind, operations)]
    rows += [
        [f"[{name}](#{name})", first_line(getattr(kind, name)), rows[0][2] if operations else "all"]
        for name in beside_operations(kind, operations)
    ]
    options = call_options(here, streams=any(operation.chunk is not None for operation in operations))
    options = f"## Options of a call\n\nEvery method accepts these, in addition to its parameters.\n\n{options}"
    body = [intro, table(["Method", "What it does", "Servers"], rows), *parts, preview, options]
    return here, page(f"{kind.__name__} (`sdk.{resource}`)", *body)


def beside_operations(kind: type[Any], operations: Sequence[Operation]) -> list[str]:
    """Name the public methods that are no operation of their own, such as `chat.parse`."""
    known = {"preview", *(operation.name for operation in operations)}
    return [name for name in public_members(kind) if name not in known and not name.endswith("_async")]


def _own_names(method: Any) -> tuple[str, ...]:
    """Name the parameters that a method has of its own; others have a table elsewhere on the page."""
    code = method.__code__
    keywords = bool(code.co_flags & inspect.CO_VARKEYWORDS)
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + keywords])


def method_part(kind: type[Any], name: str) -> str:
    """Write what the docstring of a method says."""
    text = getattr(kind, name).__doc__
    own = _own_names(getattr(kind, name))
    parts = [f"## {name}", paragraphs(text)]
    for head, column, title in (("Args", "Argument", "Arguments"), ("Raises", "Error", "Errors")):
        rows = [[f"`{key}`", value] for key, value in section(text, head).items() if head != "Args" or key in own]
        parts.append(f"### {title} of {name}\n\n{table([column, 'Description'], rows)}")
    returned = re.search(r"^Returns:\n((?:    .*\n?)+)", inspect.cleandoc(text), re.MULTILINE)
    parts.append(f"### Result of {name}\n\n{' '.join(returned[1].split())}" if returned else "")
    return "\n\n".join(filter(None, parts))


def operation_part(operation: Operation, here: str) -> str:
    """Write what there is to say of one operation."""
    kind = resources()[operation.resource]
    parts = [
        f"## {operation.name}",
        paragraphs(getattr(kind, operation.name).__doc__),
        *_examples(operation),
        f"### Parameters of {operation.name}",
        parameter_table(operation, here),
        _own_arguments(kind, operation),
        _object_form(operation, here),
        f"### Response of {operation.name}",
        _response(operation, here),
        f"### Errors of {operation.name}",
        _error_table(operation, here),
    ]
    return "\n\n".join(part for part in parts if part)


def _own_arguments(kind: type[Any], operation: Operation) -> str:
    """Write what a method takes that is no parameter of the request."""
    described = section(getattr(kind, operation.name).__doc__, "Args")
    known = {*fields_of(operation.request), *CALL_OPTIONS, operation.request_name, "stream"}
    names = [name for name in described if name not in known]
    return table(["Argument", "Description"], [[f"`{name}`", described[name]] for name in names]) if names else ""


def _examples(operation: Operation) -> Iterator[str]:
    yield code_block(example_of(operation))
    yield "Async:"
    yield code_block(example_of(operation, is_async=True))
    if operation.chunk is not None:
        yield "Streamed:"
        yield code_block(example_of(operation, stream=True))
        yield "Streamed and async:"
        yield code_block(example_of(operation, is_async=True, stream=True))


def parameter_table(operation: Operation, here: str) -> str:
    """Write one row per parameter, with the servers that take it."""
    annotations = fields_of(operation.request)
    names = [name for name in annotations if _takers(operation, name)]
    names.sort(key=lambda name: name not in operation.required)
    rows = [
        [
            f"`{name}`",
            type_text(annotations[name], here),
            f"{_requirement(operation, name)} {description_of(operation.request, name, annotations[name])}",
            _takers(operation, name),
        ]
        for name in names
    ]
    return table(["Parameter", "Type", "Description", "Sent to"], rows)


def _requirement(operation: Operation, name: str) -> str:
    routes = routes_of(operation)
    needing = [server for server, route in routes.items() if name in operation.required - route.optional]
    if len(needing) == len(routes):
        return "**Required.**"
    return f"**Required by {codes(needing)}.**" if needing else ""


def _takers(operation: Operation, name: str) -> str:
    routes = routes_of(operation)
    takers = [
        server
        for server, route in routes.items()
        if name not in route.unsupported and (name != "stream" or route.streams)
    ]
    return shorter(takers, routes)


def _object_form(operation: Operation, here: str) -> str:
    if operation.request_name is None:
        return ""
    text = (
        f"You can also pass all parameters as one object: `{operation.request_name}=`, a "
        f"{linked(operation.request, here)}. The two forms can't be mixed; only `model` is accepted beside the object."
    )
    if operation.resource == "completions":
        text += " `model_id` is another name for `model` in both forms."
    return text


def _response(operation: Operation, here: str) -> str:
    if operation.reply is bytes:
        return "`bytes`, or the path of the file written."
    text = linked(operation.reply, here)
    if operation.chunk is not None:
        stream = link("EventStream", "sdks/sdk/README.md#eventstream", here)
        text += (
            f"; with `stream=True`, an {stream} (`EventStreamAsync` from the async method) of "
            f"{linked(operation.chunk, here)}, whose `final` is a {linked(operation.reply, here)}"
        )
    return f"{text}. `.meta` holds server, request id, rate limits and attempts: {linked(errors.ReplyMeta, here)}."


def _error_table(operation: Operation, here: str) -> str:
    rows = [
        [linked(class_for(status), here), str(status), codes(servers)]
        for status, servers in sorted(documenting(operation).items())
    ]
    rows += [
        [linked(errors.APIStatusError, here), "any other", "the class for that status; any server can send any status"],
        [linked(errors.APIConnectionError, here), "", "no reply, or an incomplete one"],
        [linked(errors.ResponseValidationError, here), "", "an invalid reply: HTML, broken JSON, wrong types"],
        [linked(errors.RequestValidationError, here), "", "raised before anything is sent"],
        [linked(errors.ConfigurationError, here), "", "raised before anything is sent"],
    ]
    return table(["Error", "Status", "Documented by"], rows)


def documenting(operation: Operation) -> dict[int, list[str]]:
    """Find which servers document which error statuses of an operation."""
    found: dict[int, list[str]] = {}
    for server, route in routes_of(operation).items():
        for status in route.statuses:
            found.setdefault(status, []).append(server)
    return found


def call_options(here: str, *, streams: bool = True) -> str:
    """Write the options of a call."""
    annotations = fields_of(CallOptions)
    rows = [[f"`{name}`", type_text(kind, here), texts_of(CallOptions)[name]] for name, kind in annotations.items()]
    if streams:
        rows.append(["`idle_timeout_ms`", "`float`", STREAM_TEXTS["idle_timeout_ms"]])
    return table(["Option", "Type", "Description"], rows)


# ---------------------------------------------------------------- docs/sdks/sdk


def sdk_page() -> tuple[str, str]:
    """Write the page of the root object and of what it is set up with."""
    here = "sdks/sdk/README.md"
    options = fields_of(SDKOptions)
    rows = [[f"`{name}`", type_text(kind, here), texts_of(SDKOptions)[name]] for name, kind in options.items()]
    offered = [
        [link(f"`sdk.{name}`", f"sdks/{name}/README.md", here), first_line(kind)] for name, kind in resources().items()
    ]
    example = code_block(example_of(all_operations()["createChatCompletion"]))
    parts = [
        paragraphs(SDK.__doc__),
        example,
        "## Options",
        "Pass options by keyword. All are optional; keys come from environment variables by default.",
        table(["Option", "Type", "Description"], rows),
        "## Resources",
        table(["Resource", "What it is"], offered),
        "## Methods",
        members_table(SDK, (name for name in public_members(SDK) if name not in resources())),
        f"`with` and `async with` close it. A closed SDK raises {linked(errors.ConfigurationError, here)}.",
        "## Options of a call",
        "Every method accepts these. They take precedence over the options of the SDK.",
        call_options(here),
        *(class_part(kind) for kind in (EventStream, EventStreamAsync)),
        *(arguments_part(kind) for kind in (RetryConfig, BackoffStrategy, RetryBudget)),
        *(class_part(kind) for kind in (UsageTotals, ModelUsage, Price)),
        f"## Hooks\n\n{paragraphs(hooks.__doc__)}",
        *(class_part(kind) for kind in (HookContext, *_HOOKS, Preview, HttpClient, AsyncHttpClient, DebugLogger)),
    ]
    return here, page("SDK", *parts)


def class_part(kind: type[Any]) -> str:
    """Describe a class by its docstring, fields and public members."""
    described = section(kind.__doc__, "Attributes")
    rows = [[f"`{name}`", f"`{_escaped(type_)}`", described.get(name, "")] for name, type_ in _fields(kind).items()]
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
        rows.append([f"`{name}`{where}", f"`{_escaped(str(parameter.annotation))}`", default, described.get(name, "")])
    head = ["Argument", "Type", "Default", "Description"]
    return f"## {kind.__name__}\n\n{paragraphs(kind.__doc__)}\n\n{table(head, rows)}"


def _fields(kind: type[Any]) -> dict[str, str]:
    """Give the fields of a dataclass, a named tuple or a record, with their annotations."""
    if dataclasses.is_dataclass(kind):
        return {field.name: str(field.type) for field in dataclasses.fields(kind) if field.name not in _INNER}
    names = kind.takes if issubclass(kind, Record) else getattr(kind, "_fields", ())
    annotations = inspect.get_annotations(kind)
    return {name: str(getattr(annotations[name], "__forward_arg__", annotations[name])) for name in names}


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


# Public for other modules of the package, and of no use to its users.
_PROPERTIES = (property, once)
_INNER = {"abandon", "add", "attach", "of", "read_cost", "read_limits"}


def public_members(kind: type[Any]) -> list[str]:
    """Name the public methods and properties that the code of a class or of its bases in this package defines."""
    found: dict[str, None] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("llmsdk") and base is not models.Model:
            for name, value in vars(base).items():
                if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, _PROPERTIES)):
                    found[name] = None
    return [name for name in found if name not in _INNER and not hasattr(BaseModel, name)]


def members_table(kind: type[Any], names: Iterable[str]) -> str:
    """Write one row per method or property."""
    rows = []
    for name in names:
        member = inspect.getattr_static(kind, name)
        shown = f"`.{name}`" if isinstance(member, _PROPERTIES) else f"`.{name}({_arguments(member)})`"
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


# ---------------------------------------------------------------- docs/models


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
    return list(dict.fromkeys(_members(kind, here)))


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


# ---------------------------------------------------------------- docs/errors

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
        [f"`{name}`", f"`{_escaped(text)}`", described.get(name) or _FIELD_TEXTS.get(name, "")]
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


# ---------------------------------------------------------------- docs/servers.md


def servers_page() -> tuple[str, str]:
    """Write what each server's dialect is."""
    here = "servers.md"
    rows = [
        [
            str(index),
            f"[`{name}`](#{name})",
            _urls(provider),
            _auth(provider),
            codes(name for name in (provider.env_var, *provider.other_env_vars) if name),
        ]
        for index, (name, provider) in enumerate(PROVIDERS.items())
    ]
    intro = (
        'Choose a server by its id: `SDK(server="groq")`, or `server=` on a call. Each id stands for a dialect: base '
        "URL, key, paths, names of parameters, and forms of replies, errors and events. You use the same parameters "
        "everywhere, and the dialect translates them.\n\n"
        "A parameter that a server is known to lack raises `UnsupportedParameterError` before anything is sent. With "
        '`unsupported="drop"` it is left out with a warning, with `"pass"` it is sent anyway. What isn\'t documented '
        "either way is sent. Pass parameters of a single vendor in `extra_body`, which is sent unchanged; those that "
        "several servers share, such as `thinking`, are typed.\n\nFor a server that isn't listed, pass its "
        "`server_url`, or write a [`Provider`](#provider): a constant in Python, or a TOML file read by "
        "`Provider.from_toml(path)`. The environment variable `LLMSDK_PROVIDERS` names folders whose TOML files are "
        "known by their ids. The file of each server in `src/llmsdk/providers/` states the sources of its facts and "
        "their date."
    )
    head = ["Index", "Server", "Base URL", "Authorization", "Environment variable"]
    return here, page(
        "Servers",
        intro,
        table(head, rows),
        *(_server_part(provider, here) for provider in PROVIDERS.values()),
        *(class_part(kind) for kind in _DIALECT),
    )


def _urls(provider: Provider) -> str:
    if provider.embedded:
        return "in this process"
    return codes(provider.servers) or "`server_url`, which is required"


def _auth(provider: Provider) -> str:
    if provider.key_header is None:
        return "none"
    name, form = provider.key_header
    form = form.replace("{api_key}", "KEY") if name == "authorization" else f"{name}: KEY"
    if provider.key_optional_elsewhere:
        return f"`{form}`, optional at another URL"
    return f"`{form}`" if provider.key_required else f"`{form}`, optional"


def _server_part(provider: Provider, here: str) -> str:
    about = paragraphs(sys.modules[f"llmsdk.providers.{provider.name}"].__doc__)
    parts = [f"## {provider.name}", about, table(["What", "Value"], [row for row in _facts(provider) if row[1]])]
    operations = [operation for operation in all_operations().values() if operation.id in provider.routes]
    parts.append(
        table(["Method", "Path", "Streams"], [_path_row(operation, provider, here) for operation in operations])
    )
    differences = [row for operation in operations for row in _difference_rows(operation, provider)]
    if differences:
        parts.append(table(["Method", "Parameter", "On the wire"], differences))
    for field, head in (
        ("unsupported", "Parameters refused before the call"),
        ("own", "Parameters of its own, for `extra_body`"),
    ):
        named = [
            [f"`{operation.resource}.{operation.name}`", codes(sorted(getattr(provider.routes[operation.id], field)))]
            for operation in operations
            if getattr(provider.routes[operation.id], field)
        ]
        if named:
            parts.append(table(["Method", head], named))
    return "\n\n".join(parts)


def _facts(provider: Provider) -> Iterator[list[str]]:
    """What there is to say of a server beside its operations; a row without a value is left out."""
    yield ["Request id", codes((*provider.request_id, *provider.error.request_id))]
    yield ["End of a stream", f"`{provider.sentinel.decode()}`"]
    yield ["Base URL from", f"`{provider.base_url_var}`" if provider.base_url_var else ""]
    filled = {name for url in provider.servers for name in re.findall(r"{(\w+)}", url)}
    yield ["`url_params`", codes(sorted(filled))]
    yield ["`url_params`, per SDK or call", codes(provider.url_params)]
    yield [f"`{provider.env_var}` also for", codes(provider.key_hosts)]
    yield ["Limits, where it sends them", _limits_text(provider.limits)]
    route = provider.routes.get("createChatCompletion")
    if route is not None:
        structured = route.structured
        how = f"`{structured.way}`" + ", strict" * structured.strict
        yield ["Structured output", how]
        yield ["Keywords of JSON Schema that it refuses", codes(sorted(structured.lacks))]
        yield ["Token counts of a stream", "on request" if route.usage_wish else "always, or never"]
        yield ["Messages of earlier turns", _turns_text(route)]


def _limits_text(limits: LimitHeaders) -> str:
    """Say which limits headers tell: those of several windows, or one of each kind by the names of its headers."""
    if limits.windows:
        return ", ".join(f"{one.of} per {_SPANS.get(one.seconds, f'{one.seconds} s')}" for one in limits.windows)
    return codes((*limits.requests_remaining, *limits.tokens_remaining)) + " and their like"


_SPANS = {60: "minute", 3600: "hour", 86_400: "day", 2_592_000: "month"}


def _turns_text(route: Route) -> str:
    turns = route.turns
    if turns is None:
        return "" if route.codec else "sent unchanged"
    names = {"reasoning", "reasoning_content"}
    if turns.reasoning:
        texts = [f"reasoning is sent as `{turns.reasoning}`" + ", which calls must have" * turns.required]
    else:
        texts = ["reasoning is sent unchanged" if names <= turns.keeps else "reasoning is left out"]
    texts += [f"{codes(sorted(turns.keeps - names))} kept"] * bool(turns.keeps - names)
    texts += ["fields that the server does not know left out"] * turns.strict
    texts += ["calls of other servers marked"] * bool(turns.call_default)
    texts += [f"ids of calls replaced that do not match `{turns.call_id}`"] * bool(turns.call_id)
    texts += ["reasoning is written as `<think>…</think>` in front of the text"] * turns.tagged
    return "; ".join(texts)


def _path_row(operation: Operation, provider: Provider, here: str) -> list[str]:
    route = provider.routes[operation.id]
    target = f"sdks/{operation.resource}/README.md#{operation.name}"
    streams = "no" if operation.chunk is None or not route.streams else "yes"
    if route.stream_path and streams == "yes":
        streams = f"`{route.stream_path}`"
    name = link(f"`{operation.resource}.{operation.name}`", target, here)
    return [name, f"`{operation.method} {route.path or operation.path}`", streams]


def _difference_rows(operation: Operation, provider: Provider) -> Iterator[list[str]]:
    route = provider.routes[operation.id]
    method = f"`{operation.resource}.{operation.name}`"
    for name, theirs in route.rename.items():
        yield [method, f"`{name}`", f"`{theirs}`"]
    for name, shape in route.reshape.items():
        yield [method, f"`{name}`", _shape_text(shape)]
    for name in sorted(route.optional):
        yield [method, f"`{name}`", "may be left out"]


def _shape_text(shape: Any) -> str:
    match shape:
        case AsList():
            return "a single string becomes a list of one"
        case Renamed(values=values):
            return ", ".join(f"`{_quoted(ours)}` becomes `{_quoted(theirs)}`" for ours, theirs in values)
        case OneOf(values=values):
            return f"{' or '.join(f'`{_quoted(value)}`' for value in values)} alone"
        case Refused(values=values):
            return f"not {' or '.join(f'`{_quoted(value)}`' for value in values)}"
        case PlainText(roles=roles):
            return f"parts of text are joined to one in messages of role {codes(roles)}"
        case PlainParts(fields=fields):
            return ", ".join(f"a part `{kind}` is its `{field}` alone" for kind, field in fields)
        case WidthHeight():
            return '`"WxH"` becomes `width` and `height`'
        case _:
            return first_line(type(shape))


# ---------------------------------------------------------------- writing and checking


def pages() -> dict[str, str]:
    """Write every page, by its path below docs/."""
    found = [resource_page(resource) for resource in resources()]
    return dict([sdk_page(), *found, *model_pages(), *error_pages(), servers_page()])


def undescribed(found: dict[str, str]) -> list[str]:
    """Name the rows of tables that describe nothing: a field, a parameter or a member without a word about it."""
    holes = []
    for name, text in found.items():
        column = None
        for line in text.splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not cells:
                column = None
            elif column is None:
                column = next(
                    (cells.index(head) for head in ("Description", "What it is", "What it does") if head in cells),
                    len(cells),
                )
            elif column < len(cells) and not cells[column]:
                holes.append(f"{name}: {cells[0]}")
    return holes


def stale(docs: Path = DOCS) -> list[str]:
    """Name the pages that are missing, differ, or belong to nothing any more."""
    fresh = pages()
    differing = [name for name, text in fresh.items() if _read(docs / name) != text]
    return sorted([*differing, *(name for name in _written(docs) if name not in fresh)])


README = ROOT / "README.md"
_TABLE = re.compile(r"(<!-- operations, written by scripts/docs\.py -->\n).*?(\n<!-- end -->)", re.DOTALL)


def readme(text: str) -> str:
    """Put the table of operations into a README."""
    rows = []
    for resource, kind in resources().items():
        operations = operations_of(resource)
        servers = [counted(operation) for operation in operations]
        methods = [operation.name for operation in operations] + beside_operations(kind, operations)
        for name, where in itertools.zip_longest(methods, servers, fillvalue=servers[0] if servers else "all"):
            method = link(f"`{resource}.{name}`", f"docs/sdks/{resource}/README.md#{name}", "README.md")
            rows.append([method, first_line(getattr(kind, name)), where])
    fresh = table(["Method (also with `_async`)", "What it does", "Servers"], rows)
    return _TABLE.sub(lambda found: found[1] + fresh + found[2], text)


def counted(operation: Operation) -> str:
    """Say how many servers have an operation where their names would fill the page."""
    text, having = servers_text(operation), routes_of(operation)
    return f"{len(having)} of {len(PROVIDERS)}" if text.count(",") > 6 else text


def servers_text(operation: Operation) -> str:
    """Name the servers that have an operation, the shorter way round."""
    return shorter(routes_of(operation), PROVIDERS)


def shorter(having: Iterable[str], servers: Iterable[str]) -> str:
    """Name some servers, or the others if these are fewer."""
    having = list(having)
    lacking = [name for name in servers if name not in having]
    if len(lacking) < len(having):
        return f"all but {codes(lacking)}" if lacking else "all"
    return codes(having)


def _read(path: Path) -> str | None:
    return path.read_bytes().decode() if path.is_file() else None


def _written(docs: Path) -> list[str]:
    files = (path for name in GENERATED for path in [docs / name, *(docs / name).rglob("*")])
    return [path.relative_to(docs).as_posix() for path in files if path.is_file()]


def write(docs: Path = DOCS) -> None:
    """Write what is stale, and remove pages that belong to nothing any more."""
    fresh = pages()
    for name in stale(docs):
        path = docs / name
        if name in fresh:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(fresh[name].encode())
        else:
            path.unlink()


def main(arguments: Sequence[str]) -> int:
    """Write, or with `--check` only look."""
    if arguments not in ([], ["--check"]):
        print("usage: python scripts/docs.py [--check]", file=sys.stderr)
        return 2
    text = README.read_text(encoding="utf-8")
    fresh = readme(text)
    if not arguments:
        write()
        README.write_text(fresh, encoding="utf-8")
        return 0
    old = [f"docs/{name}" for name in stale()] + ["README.md"] * (fresh != text)
    for name in old:
        print(f"{name} is stale; run: make docs")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
