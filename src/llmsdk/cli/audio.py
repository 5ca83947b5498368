"""`llmsdk speak` and `llmsdk transcribe`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from . import options as opt
from .prompts import image_path_of, piped
from .screen import clean
from .setup import Misuse, Setup, reporting, say, say_reply, tell

_STDIN = "-"


def speak(
    text: Annotated[str | None, typer.Argument(help="What to say; or else what is piped in.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="File, or - for stdout; by default named after the text. Without suffix, it gets one.",
        ),
    ] = None,
    voice: Annotated[
        str | None, typer.Option("--voice", help="Name of the voice; some servers have a default.")
    ] = None,
    form: Annotated[str | None, typer.Option("--format", help="File format, such as mp3 or wav.")] = None,
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    option: opt.Params = None,
    debug: opt.Debug = False,
) -> None:
    """Say a text and save the sound; the path goes to stdout. With --output - the sound itself does, as it comes."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        said = (text if text is not None else piped()).strip()
        if not said:
            raise Misuse("no text; give one as an argument, or pipe one in")
        is_piped = str(output) == _STDIN
        if is_piped and sys.stdout.isatty():
            raise Misuse("--output -: a terminal shows no sound; pipe it into a player, or name a file")
        path = None if is_piped else image_path_of(output, said, "speech")
        params = opt.given(option, model=setup.model(model, "speech"), voice=voice, response_format=form)
        with setup.open() as sdk:
            create: Any = sdk.audio.speech  # the parameters are a plain dict here
            if path is None:
                with create(**params, input=said, stream=True) as stream:
                    for event in stream:
                        sys.stdout.buffer.write(event.audio)
                        sys.stdout.buffer.flush()
                tell(stream.meta, setup, stream.final.usage)
            elif path.suffix:
                say(str(create(**params, input=said, to=path)))
            else:  # what it is called depends on what comes
                reply = create(**params, input=said)
                tell(reply.meta, setup, reply.usage)
                say(str(reply.save(path)))


def transcribe(
    recording: Annotated[str, typer.Argument(help="Path or URL of the recording, or - for stdin.")],
    form: Annotated[
        str | None, typer.Option("--format", help="json, verbose_json, text, srt or vtt, as the server has them.")
    ] = None,
    language: Annotated[str | None, typer.Option("--language", help="Language that is spoken, as ISO 639-1.")] = None,
    translate: Annotated[bool, typer.Option("--translate", help="Write it down in English.")] = False,
    server: opt.Server = None,
    server_url: opt.Url = None,
    model: opt.Model = None,
    option: opt.Params = None,
    as_json: opt.Json = False,
    debug: opt.Debug = False,
) -> None:
    """Write down what is said in a recording."""
    setup = Setup(server, server_url, debug)
    with reporting(setup):
        params = opt.given(option, model=setup.model(model, "asr"), language=language, response_format=form)
        params |= _recording(recording)
        with setup.open() as sdk:
            create: Any = sdk.audio.translate if translate else sdk.audio.transcribe
            reply = create(**params)
            tell(reply.meta, setup, reply.usage)
            if as_json:
                say_reply(reply)
            else:
                said = clean(reply.text) if sys.stdout.isatty() else reply.text
                say(said.rstrip("\n"))


def _recording(given: str) -> dict[str, Any]:
    if given.startswith(("http://", "https://")):
        return {"url": given}
    if given != _STDIN:
        return {"file": Path(given)}
    if sys.stdin is None or sys.stdin.isatty():
        raise Misuse("-: nothing is piped in; name the file of a recording")
    return {"file": sys.stdin.buffer.read()}
