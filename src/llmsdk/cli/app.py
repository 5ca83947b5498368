"""The commands of `llmsdk`."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import __version__
from ..errors import ResponseValidationError
from ..local.faults import Fault
from ..local.server import LocalServer
from ..models.images import ImageResponse
from ..providers.ids import FOR_URLS
from ..providers.registry import PROVIDERS
from ..resources.completions import Stream
from .batch import batch
from .facts import described, facts, overview
from .screen import show
from .setup import (
    INTERRUPTED,
    MISUSED,
    OK,
    DebugOption,
    MaxTokensOption,
    Misuse,
    ModelOption,
    ServerOption,
    Setup,
    SystemOption,
    TemperatureOption,
    UrlOption,
    complain,
    reporting,
    say,
    tell,
)
from .talk import content_of, converse, piped, prompt_of, response_format_of, turn

app = typer.Typer(
    name="llmsdk",
    help="Talk to hosted language models. Keys come from the environment: TOGETHER_API_KEY and the like.",
    epilog="Exit codes: 0 done, 1 the server refused or failed, 2 wrong usage or set-up, 130 interrupted.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(batch, name="batch")

PlainOption = Annotated[bool, typer.Option("--plain", help="No Markdown, on terminals either.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]
PromptArgument = Annotated[str | None, typer.Argument(help="The prompt; what is piped in is put behind it.")]


def run(argv: Sequence[str]) -> int:
    """Run a command line; the answer is the exit code."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # an answer is not lost for a letter that the terminal does not know
    try:
        code: Any = app(list(argv) or ["--help"], prog_name="llmsdk", standalone_mode=False)
    except typer.Abort:
        complain("interrupted")
        return INTERRUPTED
    except Exception as exc:
        message: Callable[[], str] | None = getattr(exc, "format_message", None)
        if message is None:
            raise
        complain(f"error: {message()}; see llmsdk --help")
        return MISUSED
    if not argv:
        return MISUSED  # a script that names no command has a mistake
    return code if isinstance(code, int) else OK


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _say_version(wanted: bool) -> None:
    if wanted:
        say(f"llmsdk {__version__}")
        raise typer.Exit(OK)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Talk to hosted language models."""


@app.command()
def chat(
    prompt: PromptArgument = None,
    server: ServerOption = None,
    server_url: UrlOption = None,
    model: ModelOption = None,
    system: SystemOption = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="Path or URL; may be repeated.")] = None,
    json_schema: Annotated[
        Path | None, typer.Option("--json-schema", help="File with a JSON schema that the answer has to fit.")
    ] = None,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
    plain: PlainOption = False,
    debug: DebugOption = False,
) -> None:
    """Ask a question, with what is piped in; or hold a conversation, where there is neither."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = _given(
            model=setup.model(model, "chat"),
            max_tokens=max_tokens,
            temperature=temperature,
            response_format=None if json_schema is None else response_format_of(json_schema),
        )
        opening = [] if system is None else [{"role": "system", "content": system}]
        markdown = not plain and json_schema is None
        with setup.open() as sdk:
            if prompt is None and sys.stdin is not None and sys.stdin.isatty():
                if image:
                    raise Misuse("--image needs a prompt")
                converse(sdk, setup, {**params, "messages": opening}, markdown=markdown)
                return
            question = {"role": "user", "content": content_of(prompt_of(prompt), image or [])}
            _, interrupted = turn(sdk, setup, {**params, "messages": [*opening, question]}, markdown=markdown)
        if interrupted:
            raise KeyboardInterrupt


@app.command()
def complete(
    prompt: PromptArgument = None,
    server: ServerOption = None,
    server_url: UrlOption = None,
    model: ModelOption = None,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
    debug: DebugOption = False,
) -> None:
    """Continue a text."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = _given(model=setup.model(model, "text"), max_tokens=max_tokens, temperature=temperature)
        text = prompt if prompt is not None else piped()
        if not text:
            raise Misuse("no prompt; give one as an argument, or pipe one in")
        with setup.open() as sdk:
            create: Any = sdk.completions.create  # the parameters are a plain dict here
            asked: Stream = create(**params, prompt=text, stream=True)
            with asked as stream:
                show(stream.text_deltas(), markdown=False)
                tell(stream.meta, setup, stream.final.usage)


@app.command()
def image(
    prompt: Annotated[str, typer.Argument(help="What to show.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File; without a suffix, it gets that of its format.")],
    server: ServerOption = None,
    server_url: UrlOption = None,
    model: ModelOption = None,
    size: Annotated[str | None, typer.Option("--size", help="WIDTHxHEIGHT.")] = None,
    debug: DebugOption = False,
) -> None:
    """Make an image and save it; the path goes to stdout."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = _given(model=setup.model(model, "image"), prompt=prompt, size=size)
        if output.is_dir():
            raise Misuse(f"--output {output}: is a folder; name a file in it")
        if not output.absolute().parent.is_dir():
            raise Misuse(f"--output {output}: there is no folder {output.absolute().parent}")
        with setup.open() as sdk:
            create: Any = sdk.images.create  # the parameters are a plain dict here
            reply: ImageResponse = create(**params)
            tell(reply.meta, setup)
            if not reply.data:
                raise ResponseValidationError("the reply holds no image", meta=reply.meta)
            say(str(reply.data[0].save(output)))


@app.command()
def models(
    server: ServerOption = None, server_url: UrlOption = None, as_json: JsonOption = False, debug: DebugOption = False
) -> None:
    """List the models of a server, one id in a line."""
    setup = Setup(server, server_url, debug)
    with reporting(setup), setup.open() as sdk:
        listed = sdk.models.list()
        tell(listed.meta, setup)
        if as_json:
            say(json.dumps([model.model_dump(exclude_unset=True) for model in listed], ensure_ascii=False))
            return
        for model in listed:
            say(model.id)


@app.command()
def servers(
    server: Annotated[str | None, typer.Argument(help="Server id, for its parameters.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the servers and the keys that are found, masked; or the parameters of one server."""
    with reporting(Setup(None, None, False)):
        lines = overview() if server is None else described(server)
        if as_json:
            found = [fact for fact in facts() if server in (None, fact["id"])]
            lines = [json.dumps(found if server is None else found[0])]
        say("\n".join(lines))


@app.command()
def preview(
    prompt: PromptArgument = None,
    kind: Annotated[Literal["chat", "complete", "image"], typer.Option("--kind", "-k", help="Which call.")] = "chat",
    server: ServerOption = None,
    server_url: UrlOption = None,
    model: ModelOption = None,
    system: SystemOption = None,
    max_tokens: MaxTokensOption = None,
    temperature: TemperatureOption = None,
) -> None:
    """Show a request as a curl command, and send nothing; $API_KEY stands where the key goes."""
    setup = Setup(server, server_url, False)
    with reporting(setup), setup.open_unsent() as sdk:
        text = prompt_of(prompt)
        if kind == "chat":
            messages = [*([{"role": "system", "content": system}] if system else []), {"role": "user", "content": text}]
            params = _given(
                model=setup.model(model, "chat"), messages=messages, max_tokens=max_tokens, temperature=temperature
            )
            made = sdk.chat.preview(**params)
        elif kind == "complete":
            params = _given(
                model=setup.model(model, "text"), prompt=text, max_tokens=max_tokens, temperature=temperature
            )
            made = sdk.completions.preview(**params)
        else:
            made = sdk.images.preview(model=setup.model(model, "image"), prompt=text)
        say(made.as_curl())


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8080,
    dialect: Annotated[str, typer.Option("--dialect", help="Server id to speak like.")] = FOR_URLS,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help='What a request gets, as JSON: {"status": 503}; one each, in this order.'),
    ] = None,
    always: Annotated[str | None, typer.Option("--always", help="What all other requests get, as JSON.")] = None,
    delay_ms: Annotated[float, typer.Option("--delay-ms", help="Wait before each event of a stream.")] = 0.0,
    api_key: Annotated[str | None, typer.Option("--api-key", help="The only key to let in.")] = None,
) -> None:
    """Serve the embedded provider on this machine, until Ctrl-C."""
    with reporting(Setup(None, None, False)):
        if dialect not in PROVIDERS:
            raise Misuse(f"--dialect: unknown server {dialect[:80]!r}; known are {', '.join(PROVIDERS)}")
        try:
            faults = [Fault.parse(text) for text in fault or ()]
            standing = None if always is None else Fault.parse(always)
        except ValueError as exc:
            raise Misuse(f"--fault, --always: {exc}") from None
        server = LocalServer(dialect, port=port, faults=faults, event_delay_s=delay_ms / 1000, api_key=api_key)
        server.always(standing)
        try:
            server.start()
        except OSError as exc:
            raise Misuse(f"--port {port}: {exc.strerror}") from None
        with server:
            say(f"embedded provider ({dialect}) at {server.url}")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                return  # the way to end it
