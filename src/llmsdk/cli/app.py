"""The commands of `llmsdk`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import __version__
from ..errors import ResponseValidationError
from ..local.faults import Fault
from ..local.server import LocalServer
from ..models.images import ImageResponse
from ..providers.ids import FOR_URLS
from ..providers.registry import PROVIDERS, own_files, provider_by_id
from ..resources.completions import Stream
from . import history
from . import options as opt
from .audio import speak, transcribe
from .batch import batch
from .check import check
from .facts import described, facts, overview
from .prompts import content_of, image_path_of, piped, prompt_of, response_format_of
from .screen import clean_line, json_text, show
from .setup import INTERRUPTED, MISUSED, OK, Misuse, Setup, complain, reporting, say, say_reply, tell
from .talk import Talk

app = typer.Typer(
    name="llmsdk",
    help="Talk to hosted language models. Keys come from the environment: TOGETHER_API_KEY and the like.",
    epilog="Exit codes: 0 done, 1 the server refused or failed, 2 wrong usage or set-up, 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # what goes wrong is a line; rich's tracebacks can show locals, keys among them
    rich_markup_mode=None,  # help is text for pipes and `grep` too
)

app.add_typer(batch, name="batch")


def run(argv: Sequence[str]) -> int:
    """Run a command line; the answer is the exit code."""
    if sys.stdout is None:  # as `>&-` leaves it; what is opened next would take its place, and get the answer
        complain("error: stdout is closed")
        return MISUSED
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")  # an answer is not lost for a letter that the terminal does not know
    try:
        code: Any = app(list(argv) or ["--help"], prog_name="llmsdk", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except Exception as exc:
        # What the parser of options raises: asked for by what it can do, since typer has it from different places.
        message: Callable[[], str] | None = getattr(exc, "format_message", None)
        if message is None:
            raise
        complain(f"error: {message()}; see llmsdk --help")
        return MISUSED
    if not argv:
        return MISUSED  # a script that names no command has a mistake
    return code if isinstance(code, int) else OK


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
    prompt: opt.Prompt = None,
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    system: opt.System = None,
    image: opt.Images = None,
    json_schema: opt.Schema = None,
    max_tokens: opt.MaxTokens = None,
    temperature: opt.Temperature = None,
    option: opt.Params = None,
    go_on: opt.Continue = False,
    reasoning: opt.Reasoning = False,
    as_json: opt.Json = False,
    plain: opt.Plain = False,
    no_stdin: opt.NoStdin = False,
    debug: opt.Debug = False,
) -> None:
    """Ask a question, with what is piped in; or hold a conversation, where there is neither."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        last = history.load() if go_on else history.Conversation()
        if server is None and server_url is None and last.model is not None:  # else the model is one of another server
            setup, model = replace(setup, server=last.server, server_url=last.server_url), model or last.model
        model = setup.model(model, "chat")
        form = response_format_of(json_schema)
        params = opt.given(option, model=model, max_tokens=max_tokens, temperature=temperature, response_format=form)
        messages = [*([{"role": "system", "content": system}] if system else []), *last.messages]
        with setup.open() as sdk:
            talk = Talk(
                sdk=sdk,
                setup=setup,
                params=params,
                markdown=not plain and form is None,
                reasoning=reasoning,
                as_json=as_json,
            )
            if prompt is None and not no_stdin and sys.stdin is not None and sys.stdin.isatty():
                if image or as_json:
                    raise Misuse(f"{'--image' if image else '--json'} needs a prompt")
                messages, interrupted = talk.converse(messages), False
            else:
                content = content_of(prompt_of(prompt, no_stdin=no_stdin), image or [])
                messages, interrupted = talk.ask([*messages, {"role": "user", "content": content}])
        if go_on or sys.stdout.isatty():  # what a script asks is nobody's conversation
            history.save(history.Conversation(messages, setup.server, setup.server_url, model))
        if interrupted:
            raise KeyboardInterrupt


@app.command()
def complete(
    prompt: opt.Prompt = None,
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    max_tokens: opt.MaxTokens = None,
    temperature: opt.Temperature = None,
    option: opt.Params = None,
    as_json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Continue a text: the argument, or else what is piped in."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = opt.given(option, model=setup.model(model, "text"), max_tokens=max_tokens, temperature=temperature)
        text = prompt if prompt is not None else piped()
        if not text:
            raise Misuse("no prompt; pass one as an argument or through a pipe")
        with setup.open() as sdk:
            create: Any = sdk.completions.create  # the parameters are a plain dict here
            if as_json:
                reply = create(**params, prompt=text)
                tell(reply.meta, setup, reply.usage)
                say_reply(reply)
                return
            asked: Stream = create(**params, prompt=text, stream=True)
            with asked as stream:
                show(stream.text_deltas(), markdown=False)
                tell(stream.meta, setup, stream.final.usage)


@app.command()
def image(
    prompt: Annotated[str, typer.Argument(help="What to show.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="File; by default named after the prompt. The suffix is that of its format."),
    ] = None,
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    size: Annotated[str | None, typer.Option("--size", help="WIDTHxHEIGHT.")] = None,
    option: opt.Params = None,
    as_json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Make an image and save it; the path goes to stdout. With --json, the reply does, and only --output saves."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = opt.given(option, model=setup.model(model, "image"), size=size)
        path = None if as_json and output is None else image_path_of(output, prompt)
        with setup.open() as sdk:
            create: Any = sdk.images.create  # the parameters are a plain dict here
            reply: ImageResponse = create(**params, prompt=prompt)
            tell(reply.meta, setup)
            if not reply.data:
                raise ResponseValidationError("the reply holds no image", meta=reply.meta)
            saved = None if path is None else reply.data[0].save(path)  # which adds the suffix of what came
            if as_json:
                say_reply(reply)
            else:
                say(str(saved))


app.command()(speak)
app.command()(transcribe)
app.command()(check)


@app.command()
def models(
    server: opt.Server = None, server_url: opt.Url = None, as_json: opt.Json = False, debug: opt.Debug = False
) -> None:
    """List the models of a server, one id in a line."""
    setup = Setup(server, server_url, debug)
    with reporting(setup), setup.open() as sdk:
        listed = sdk.models.list()
        tell(listed.meta, setup)
        if as_json:
            say(json_text([model.model_dump(mode="json", exclude_unset=True) for model in listed]))
            return
        for model in listed:
            say(clean_line(str(model.id)))


@app.command()
def servers(
    server: Annotated[
        str | None, typer.Argument(autocompletion=opt.complete_server, help="Server id, for its parameters.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """List the servers and the keys that are found, masked; or the parameters of one server."""
    with reporting(Setup()):
        lines = overview() if server is None else described(server)
        if as_json:
            found = [fact for fact in facts() if server in (None, fact["id"])]
            lines = [json_text(found if server is None else found[0])]
        say("\n".join(lines))


@app.command()
def preview(
    prompt: opt.Prompt = None,
    operation: Annotated[
        Literal["chat", "completions", "images", "embeddings"], typer.Option("--operation", "-k", help="Which call.")
    ] = "chat",
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    system: opt.System = None,
    max_tokens: opt.MaxTokens = None,
    temperature: opt.Temperature = None,
    option: opt.Params = None,
    no_stdin: opt.NoStdin = False,
) -> None:
    """Show a request as a curl command, and send nothing; $API_KEY stands where the key goes."""
    setup = Setup(server, server_url)
    with reporting(setup), setup.open_unsent() as sdk:
        text = prompt_of(prompt, no_stdin=no_stdin)
        params = opt.given(option, max_tokens=max_tokens, temperature=temperature)
        if operation == "chat":
            opening = [{"role": "system", "content": system}] if system else []
            params["messages"] = [*opening, {"role": "user", "content": text}]
        else:
            params["input" if operation == "embeddings" else "prompt"] = text
        kind = {"completions": "text", "images": "image"}.get(operation, "chat")
        resource: Any = getattr(sdk, operation)
        say(resource.preview(model=setup.model(model, kind), **params).as_curl())


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8080,
    dialect: Annotated[
        str, typer.Option("--dialect", autocompletion=opt.complete_server, help="Server id to speak like.")
    ] = FOR_URLS,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help='What a request gets, as JSON: {"status": 503}; one each, in this order.'),
    ] = None,
    always: Annotated[str | None, typer.Option("--always", help="What all other requests get, as JSON.")] = None,
    delay_ms: Annotated[float, typer.Option("--delay-ms", help="Wait before each event of a stream.")] = 0.0,
    api_key: Annotated[str | None, typer.Option("--api-key", help="The only key to let in.")] = None,
) -> None:
    """Serve the embedded provider on this machine, until Ctrl-C."""
    with reporting(Setup()):
        if provider_by_id(dialect) is None:
            known = ", ".join((*PROVIDERS, *own_files()))
            raise Misuse(f"--dialect: unknown server {dialect[:80]!r}; known are {known}")
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
                threading.Event().wait()  # until Ctrl-C; the server has threads of its own
            except KeyboardInterrupt:
                return  # the way to end it
