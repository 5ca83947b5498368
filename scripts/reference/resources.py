"""The page of each resource."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

from descriptions import texts_of

from llmsdk import errors
from llmsdk._call.operation import Operation
from llmsdk.errors.status import class_for
from llmsdk.options import CALL_OPTIONS, CallOptions
from llmsdk.resources.signatures import STREAM_TEXTS

from .classes import public_members
from .docstrings import first_line, paragraphs, section
from .examples import example_of
from .found import linked, operations_of, resources, routes_of, servers_text, shorter
from .markdown import code_block, codes, link, page, table
from .types import description_of, fields_of, type_text

# What one reads before the reference of a resource.
GUIDES = {
    "audio": "audio.md",
    "batch": "batch.md",
    "batches": "batches.md",
    "chat": "chat.md",
    "embeddings": "embeddings.md",
    "files": "batches.md",
    "images": "images.md",
    "moderations": "moderation.md",
    "rerank": "rerank.md",
}


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
    guide = f" {link('Guide with examples', GUIDES[resource], here)}." if resource in GUIDES else ""
    intro = (
        f"{first_line(kind)}{guide}\n\nEvery method has an async version with `_async` at the end of its name, which "
        "accepts the same arguments. *Sent to* in the tables names the servers that aren't known to lack a parameter. "
        f"At the other servers, the call raises an error before anything is sent; see {servers}."
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
