"""The providers that this package knows, by server id."""

from __future__ import annotations

from .openai import LOCAL, OPENAI
from .r9s import R9S
from .spec import BatchRows, ErrorPaths, Handover, LimitHeaders, Page, Provider, Route, Structured
from .together import TOGETHER
from .writer import WRITER, WRITER_V1

PROVIDERS: dict[str, Provider] = {
    provider.name: provider for provider in (TOGETHER, WRITER, WRITER_V1, R9S, OPENAI, LOCAL)
}
"""In the order of `server_idx`."""

__all__ = [
    "LOCAL",
    "OPENAI",
    "PROVIDERS",
    "R9S",
    "TOGETHER",
    "WRITER",
    "WRITER_V1",
    "BatchRows",
    "ErrorPaths",
    "Handover",
    "LimitHeaders",
    "Page",
    "Provider",
    "Route",
    "Structured",
]
