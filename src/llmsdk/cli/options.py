"""The options of the commands, to be named as `opt.Server`; a short one means the same everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from ..providers.ids import IDS
from .setup import Misuse


def complete_server(incomplete: str) -> list[str]:
    """Complete the id of a server."""
    return [name for name in IDS if name.startswith(incomplete)]


Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        "-s",
        envvar="LLMSDK_SERVER",
        autocompletion=complete_server,
        help="Server id, see `llmsdk servers`.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option("--server-url", envvar="LLMSDK_SERVER_URL", help="Base URL; alone, it speaks OpenAI's dialect."),
]
Model = Annotated[str | None, typer.Option("--model", "-m", envvar="LLMSDK_MODEL", help="Name of the model.")]
System = Annotated[str | None, typer.Option("--system", help="System message.")]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="Most tokens to answer with.")]
Temperature = Annotated[float | None, typer.Option("--temperature", help="How much is left to chance.")]
Params = Annotated[
    list[str] | None,
    typer.Option(
        "--option",
        "-o",
        metavar="KEY=VALUE",
        help="Any other parameter, as `llmsdk servers SERVER` lists them; JSON or text. May be repeated.",
    ),
]
Debug = Annotated[
    bool, typer.Option("--debug", help="Say on stderr what was tried: attempts, request id, headers (masked).")
]
Plain = Annotated[bool, typer.Option("--plain", help="No Markdown, on terminals either.")]
Json = Annotated[bool, typer.Option("--json", help="Print the whole reply as JSON.")]
NoStdin = Annotated[
    bool, typer.Option("--no-stdin", "-n", help="Leave stdin alone, as in a `while read` loop or a job.")
]
Prompt = Annotated[str | None, typer.Argument(help="The prompt; what is piped in is put behind it.")]
Images = Annotated[list[str] | None, typer.Option("--image", help="Path or URL; may be repeated.")]
Schema = Annotated[
    Path | None, typer.Option("--json-schema", help="File with a JSON schema that the answer has to fit.")
]
Reasoning = Annotated[bool, typer.Option("--reasoning", help="Show on stderr what the model thinks.")]
Continue = Annotated[bool, typer.Option("--continue", "-c", help="Go on with the last conversation.")]


def given(options: Iterable[str] | None = None, **params: Any) -> dict[str, Any]:
    """Collect the parameters of a call: those that have an option of their own, and those of `-o`."""
    found = {name: value for name, value in params.items() if value is not None}
    for option in options or ():
        name, equals, text = option.partition("=")
        if not equals or not name.isidentifier():
            raise Misuse(f"-o {option[:80]}: must be KEY=VALUE, such as -o top_p=0.9")
        if name in {"messages", "prompt", "stream"}:
            raise Misuse(f"-o {name}: comes from the prompt and the command")
        found[name] = _value(text)  # the last one counts, and counts more than an option of its own
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # most texts are no JSON, and need no quotes then
