"""The page of the root object and of what it is set up with."""

from __future__ import annotations

from descriptions import texts_of

from llmsdk import SDK, Preview, errors, hooks
from llmsdk._call.budget import Budget, BudgetState
from llmsdk._call.prices import Price
from llmsdk._call.usage import ModelUsage, UsageTotals
from llmsdk._net.streams import EventStream, EventStreamAsync
from llmsdk.hooks import HookContext
from llmsdk.options import AsyncHttpClient, DebugLogger, HttpClient, SDKOptions
from llmsdk.resources.operations import all_operations
from llmsdk.utils.retries import BackoffStrategy, RetryBudget, RetryConfig

from .classes import arguments_part, class_part, members_table, public_members
from .docstrings import first_line, paragraphs
from .examples import example_of
from .found import HOOKS, linked, resources
from .markdown import code_block, link, page, table
from .resources import call_options
from .types import fields_of, type_text


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
        members_table(
            SDK, (name for name in public_members(SDK) if name not in resources() and not name.endswith("_async"))
        ),
        f"`with` and `async with` close it. A closed SDK raises {linked(errors.ConfigurationError, here)}.",
        "## Options of a call",
        "Every method accepts these. They take precedence over the options of the SDK.",
        call_options(here),
        *(class_part(kind) for kind in (EventStream, EventStreamAsync)),
        *(arguments_part(kind) for kind in (RetryConfig, BackoffStrategy, RetryBudget)),
        *(class_part(kind) for kind in (UsageTotals, ModelUsage, Price)),
        arguments_part(Budget),
        class_part(BudgetState),
        f"## Hooks\n\n{paragraphs(hooks.__doc__)}",
        *(class_part(kind) for kind in (HookContext, *HOOKS, Preview, HttpClient, AsyncHttpClient, DebugLogger)),
    ]
    return here, page("SDK", *parts)
