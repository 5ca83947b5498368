"""`llmsdk batch`: many requests from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BatchError
from ..many.runs import BatchReport
from ..sdk import SDK
from . import options as opt
from .screen import clean, escaped
from .setup import FAILED, INTERRUPTED, MISUSED, Setup, complain, reporting, say

batch = typer.Typer(help="Send many requests from a file.", no_args_is_help=True, rich_markup_mode=None)


@batch.callback()
def root() -> None:
    """Send many requests from a file."""


@batch.command("run")
def run(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Requests: JSON lines, OpenAI's batch lines, .csv or .parquet.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Replies; run again, it goes on where it was.")],
    operation: Annotated[
        str, typer.Option("--operation", "-k", help="chat, completions, images, embeddings, or an operation's id.")
    ] = "chat",
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    max_tokens: opt.MaxTokens = None,
    temperature: opt.Temperature = None,
    option: opt.Params = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Most requests in flight; by default it is found out.")
    ] = None,
    deadline_s: Annotated[float | None, typer.Option("--deadline-s", help="Stop after so many seconds.")] = None,
    errors: Annotated[
        Path | None, typer.Option("--errors", help="Rows that failed; by default OUT.errors.jsonl.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a report, as .json and as .html.")] = None,
    resume: Annotated[bool, typer.Option("--resume/--no-resume", help="Whether OUT may hold results already.")] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Send nothing if a single line is bad.")] = False,
    progress: Annotated[
        bool, typer.Option("--progress", help="Progress on stderr where it is no terminal too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    debug: opt.Debug = False,
) -> None:
    """Send every row of IN and write each reply to OUT; run again, it goes on where it was."""
    options = {
        "operation": operation,
        "resume": resume,
        "limit": limit,
        "deadline_ms": None if deadline_s is None else deadline_s * 1000,
        "errors": errors,
        "report": report,
        "progress": False if quiet else progress or None,
        "strict": strict,
    }
    setup = Setup(server, server_url, debug)
    with reporting(setup), setup.open() as sdk:
        params = opt.given(option, model=model, max_tokens=max_tokens, temperature=temperature)
        done = _run(sdk, source, output, {**options, **params})
        _tell(done, as_json=as_json)
    if not done.is_complete:
        raise typer.Exit(FAILED)


def _run(sdk: SDK, source: Path, output: Path, options: Mapping[str, Any]) -> BatchReport:
    try:
        return sdk.batch.run(source, output, **options)
    except BatchError as exc:
        complain(f"error: {exc}")
        if exc.report is not None:
            complain(str(exc.report))
        raise typer.Exit(MISUSED if exc.report is None else FAILED) from None
    except KeyboardInterrupt as exc:
        # The run leaves a note of what it kept, on the exception itself.
        complain(f"interrupted: {' '.join(getattr(exc, '__notes__', ['nothing was sent']))}")
        raise typer.Exit(INTERRUPTED) from None


def _tell(report: BatchReport, *, as_json: bool) -> None:
    say(escaped(report.as_json()) if as_json else clean(str(report)))
    if report.errors is not None:
        classes = ", ".join(f"{name} {count:,}" for name, count in report.errors_by_class.items())
        complain(f"failed: {report.failed:,} ({classes}); see {report.errors}; run again to try them anew")
    if report.left:
        complain(f"left: {report.left:,}; run again to go on")
