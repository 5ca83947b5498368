"""The page of the servers."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from llmsdk._call.operation import Operation
from llmsdk.providers import (
    PROVIDERS,
    LimitHeaders,
    Provider,
    Route,
)
from llmsdk.providers.reshape import AsList, OneOf, OneText, PlainParts, PlainText, Refused, Renamed, WidthHeight
from llmsdk.resources.operations import all_operations

from .classes import class_part
from .docstrings import first_line, paragraphs
from .found import DIALECT
from .markdown import codes, link, page, table
from .types import quoted


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
        "`Provider.from_toml(path)`. The environment variable `LLMSDK_PROVIDERS` names such files, or folders of "
        "them; their names are ids then, and go before the ids here. The file of each server in "
        "`src/llmsdk/providers/` states its sources and their date."
    )
    head = ["Index", "Server", "Base URL", "Authorization", "Environment variable"]
    return here, page(
        "Servers",
        intro,
        table(head, rows),
        *(_server_part(provider, here) for provider in PROVIDERS.values()),
        *(class_part(kind) for kind in DIALECT),
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
    yield ["Use", f'`SDK(server="{provider.name}")`']
    yield ["Key", codes(name for name in (provider.env_var, *provider.other_env_vars) if name)]
    yield ["Base URL", _urls(provider)]
    yield ["Request id", codes((*provider.request_id, *provider.error.request_id))]
    yield ["End of a stream", f"`{provider.sentinel.decode()}`"]
    yield ["Base URL from variable", f"`{provider.base_url_var}`" if provider.base_url_var else ""]
    filled = {name for url in provider.servers for name in re.findall(r"{(\w+)}", url)}
    yield ["`url_params`", codes(sorted(filled))]
    yield ["`url_params`, per SDK or call", codes(provider.url_params)]
    yield [f"`{provider.env_var}` also for", codes(provider.key_hosts)]
    yield ["Rate-limit headers", _limits_text(provider.limits)]
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
    return codes((*limits.requests_remaining, *limits.tokens_remaining)) + " and similar"


_SPANS = {10: "10 seconds", 60: "minute", 300: "5 minutes", 3600: "hour", 86_400: "day", 2_592_000: "month"}


def _turns_text(route: Route) -> str:
    turns = route.turns
    if turns is None:
        return "" if route.codec else "sent unchanged"
    names = {"reasoning", "reasoning_content"}
    if turns.reasoning:
        texts = [f"reasoning is sent as `{turns.reasoning}`" + ", which calls must have" * turns.required]
    else:
        texts = ["reasoning is sent unchanged" if names <= turns.keeps else "reasoning isn't sent"]
    texts += [f"{codes(sorted(turns.keeps - names))} kept"] * bool(turns.keeps - names)
    texts += ["unknown fields aren't sent"] * turns.strict
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
    for theirs, names in route.pairs.items():
        yield [method, codes(names), f"together one object, `{theirs}`"]
    for name, other in route.excludes.items():
        yield [method, f"`{name}`", f"not together with `{other}`"]
    for name in sorted(route.optional):
        yield [method, f"`{name}`", "may be left out"]


def _shape_text(shape: Any) -> str:
    match shape:
        case AsList():
            return "a single string becomes a list of one"
        case Renamed(values=values):
            return ", ".join(f"`{quoted(ours)}` becomes `{quoted(theirs)}`" for ours, theirs in values)
        case OneOf(values=values):
            return f"{' or '.join(f'`{quoted(value)}`' for value in values)} alone"
        case Refused(values=values):
            return f"not {' or '.join(f'`{quoted(value)}`' for value in values)}"
        case PlainText(roles=roles):
            return f"parts of text are joined to one in messages of role {codes(roles)}"
        case PlainParts(fields=fields):
            return ", ".join(f"a part `{kind}` is its `{field}` alone" for kind, field in fields)
        case OneText():
            return "one string, not several"
        case WidthHeight():
            return '`"WxH"` becomes `width` and `height`'
        case _:
            line = first_line(type(shape)).removesuffix(".")
            return line[0].lower() + line[1:]
