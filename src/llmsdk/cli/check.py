"""`llmsdk check`: is a server what its dialect says?"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ..check.calls import announcement
from ..check.report import CheckReport
from ..providers.spec import Provider
from ..sdk import SDK
from . import options as opt
from .screen import clean, json_text
from .setup import FAILED, Setup, reporting, say


def check(
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Write the provider that fits to this file, as TOML.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    debug: opt.Debug = False,
) -> None:
    """Compare a server with what its dialect says, by some ten small calls. SERVER may be a .toml file."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        options: Any = setup.options()
        if server is not None and server.endswith(".toml"):
            options["server"] = Provider.from_toml(server)
            setup = replace(setup, server=None)  # which no registry knows
        named = setup.model(model, "chat")
        with SDK(**options) as sdk:
            sys.stderr.write(f"llmsdk {clean(announcement(sdk, named))}\n")
            report = sdk.check(named)
        if write is not None:
            report.write(write)
        say(json_text(_as_dict(report)) if as_json else clean(str(report)))
        if not report.fits:
            raise typer.Exit(FAILED)


def _as_dict(report: CheckReport) -> dict[str, Any]:
    """Give what a script needs of a report."""
    kept = ("what", "expected", "seen", "fits")
    rows = [{name: getattr(one, name) for name in kept} for one in report.findings]
    return {
        "server": report.server,
        "base_url": report.base_url,
        "model": report.model,
        "fits": report.fits,
        "requests": report.requests,
        "total_tokens": report.total_tokens,
        "findings": rows,
    }
