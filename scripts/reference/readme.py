"""README's table of operations."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from llmsdk._call.operation import Operation
from llmsdk.providers import PROVIDERS

from .docstrings import first_line
from .found import operations_of, resources, routes_of, servers_text
from .markdown import link, table
from .resources import beside_operations

README = Path(__file__).resolve().parents[2] / "README.md"


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
