"""`llmsdk servers`: the dialects, their parameters, and which keys are found."""

from __future__ import annotations

import os
from typing import Any

from .._call.operation import Operation
from ..providers.registry import PROVIDERS, own_files, provider_by_id
from ..providers.spec import Provider, Route
from ..resources.operations import all_operations
from ..utils.shapes import guessed
from .setup import Misuse

_SHOWN_FROM = 20  # of shorter keys not even the end is shown


def facts() -> list[dict[str, Any]]:
    """Describe every server, those in files of users' own at the end."""
    found = map(provider_by_id, dict.fromkeys((*PROVIDERS, *own_files())))
    return [_server(provider) for provider in found if provider is not None]


def _server(provider: Provider) -> dict[str, Any]:
    operations = all_operations()
    return {
        "id": provider.name,
        "url": provider.servers[0] if provider.servers else None,
        "embedded": provider.embedded,
        "env_var": _variable(provider),
        "key": _key(provider),
        "needs_key": provider.key_required and provider.key_header is not None,
        "operations": {
            f"{operations[name].resource}.{operations[name].name}": _operation(operations[name], route)
            for name, route in provider.routes.items()
            if name in operations
        },
    }


def _variable(provider: Provider) -> str | None:
    """Name the variable of the key: the first that is set, or else the first."""
    names = [name for name in (provider.env_var, *provider.other_env_vars) if name]
    return next((name for name in names if os.environ.get(name)), names[0] if names else None)


def _key(provider: Provider) -> str | None:
    key = os.environ.get(_variable(provider) or "")
    if not key:
        return None
    return f"***{key[-4:]}" if len(key) >= _SHOWN_FROM else "***"


def _operation(operation: Operation, route: Route) -> dict[str, Any]:
    names = [name for name in operation.request.__annotations__ if name not in route.unsupported]
    return {
        "path": f"{operation.method} {route.path or operation.path}",
        "parameters": {name: route.rename.get(name, name) for name in names},
        "lacks": sorted(route.unsupported),
    }


def overview() -> list[str]:
    """Describe every server in a line."""
    rows = [
        (fact["id"], fact["url"] or ("in this process" if fact["embedded"] else "--server-url"), _key_line(fact))
        for fact in facts()
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{name:{widths[0]}}  {url:{widths[1]}}  {key}" for name, url, key in rows]


def _key_line(fact: dict[str, Any]) -> str:
    if fact["env_var"] is None:
        return "needs no key"
    if fact["key"] is None:
        return f"{fact['env_var']} is not set" + ("" if fact["needs_key"] else ", and not needed")
    return f"{fact['env_var']} found: {fact['key']}"


def described(name: str) -> list[str]:
    """Describe one server with its parameters, in their own words where they are others."""
    found = next((fact for fact in facts() if fact["id"] == name), None)
    if found is None:
        ids = (*PROVIDERS, *own_files())
        hint = guessed(name.lower(), ids) or f"known are {', '.join(ids)}"
        raise Misuse(f"unknown server {name[:80]!r}; {hint}")
    lines = [f"{found['id']}: {found['url'] or 'no URL of its own'}; {_key_line(found)}"]
    for call, operation in found["operations"].items():
        words = [f"{ours} (as {wire})" if wire != ours else ours for ours, wire in operation["parameters"].items()]
        lines += ["", f"{call}  {operation['path']}", f"  takes {', '.join(words)}"]
        if operation["lacks"]:
            lines.append(f"  lacks {', '.join(operation['lacks'])}")
    return lines
