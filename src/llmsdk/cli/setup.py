"""What all commands share: their common options, the SDK that they open, how they fail."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from .._call.config import configure
from ..errors import ConfigurationError, RemoteError, ReplyMeta, RequestValidationError, SDKError
from ..options import SDKOptions
from ..sdk import SDK
from ..utils.secrets import MASK, is_secret_name

if TYPE_CHECKING:
    from ..providers.ids import ServerId

KEY_VARIABLE = "LLMSDK_API_KEY"
OK, FAILED, MISUSED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

# What a terminal obeys instead of showing: everything below the blank but tab and newline, DEL, and the C1 block.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

ServerOption = Annotated[
    str | None, typer.Option("--server", "-s", envvar="LLMSDK_SERVER", help="Server id, see `llmsdk servers`.")
]
UrlOption = Annotated[
    str | None,
    typer.Option("--server-url", envvar="LLMSDK_SERVER_URL", help="Base URL; alone, it speaks OpenAI's dialect."),
]
ModelOption = Annotated[str | None, typer.Option("--model", "-m", envvar="LLMSDK_MODEL", help="Name of the model.")]
SystemOption = Annotated[str | None, typer.Option("--system", help="System message.")]
MaxTokensOption = Annotated[int | None, typer.Option("--max-tokens", help="Most tokens to answer with.")]
TemperatureOption = Annotated[float | None, typer.Option("--temperature", help="How much is left to chance.")]
DebugOption = Annotated[
    bool, typer.Option("--debug", help="Say on stderr what was tried: attempts, request id, headers (masked).")
]


class Misuse(Exception):
    """The command was called wrong; the text is one line."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The options that every command takes."""

    server: str | None
    server_url: str | None
    debug: bool

    def options(self) -> SDKOptions:
        """Give what of them goes to the SDK, and the key for a server that has no variable of its own."""
        options = SDKOptions()
        if self.server is not None:
            options["server"] = cast("ServerId", self.server)  # the SDK says which there are
        if self.server_url is not None:
            options["server_url"] = self.server_url
        if key := os.environ.get(KEY_VARIABLE):
            options["api_key"] = key
        return options

    def open(self) -> SDK:
        """Make the SDK."""
        return SDK(**self.options())

    def open_unsent(self) -> SDK:
        """Make an SDK that sends nothing, so that it needs no key."""
        options = self.options()
        provider = configure(options).provider
        if provider.auth is not None and not (provider.env_var and os.environ.get(provider.env_var)):
            options.setdefault("api_key", "placeholder")
        return SDK(**options)

    def model(self, given: str | None, kind: str) -> str:
        """Find the model; the embedded provider takes any.

        Raises:
            Misuse: None is named.
        """
        if given:
            return given
        if configure(self.options()).provider.embedded:
            return f"embedded-{kind}"
        raise Misuse("no model is named; pass --model or set LLMSDK_MODEL (`llmsdk models` lists them)")


def clean(text: str) -> str:
    """Take out what a terminal would obey."""
    return _CONTROLS.sub("", text)


def say(text: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """Write one line to stderr."""
    sys.stderr.write(f"llmsdk: {clean(' '.join(text.split()))}\n")
    sys.stderr.flush()


@contextmanager
def reporting(setup: Setup) -> Generator[None, None, None]:
    """Turn what goes wrong into one line and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except (ConfigurationError, RequestValidationError, Misuse) as exc:
        complain(f"error: {exc}")
        raise typer.Exit(MISUSED) from None
    except SDKError as exc:
        failed(exc, setup)
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        # Whoever read has gone; what is still buffered would be complained about at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as exc:
        complain(f"error: {exc.filename}: {exc.strerror}" if exc.filename else f"error: {exc}")
        raise typer.Exit(MISUSED) from None


def failed(exc: SDKError, setup: Setup) -> None:
    """Say in one line that a call failed, and with --debug what is known about it."""
    complain(f"error: {exc}")
    if setup.debug:
        complain(f"debug: {type(exc).__name__}")
        if isinstance(exc, RemoteError) and exc.meta is not None:
            tell(exc.meta, setup)


def tell(meta: ReplyMeta | None, setup: Setup, usage: Any = None) -> None:
    """With --debug, say what is known about a call."""
    if not setup.debug or meta is None:
        return
    for number, attempt in enumerate(meta.attempts, 1):
        outcome = attempt.error if attempt.status is None else attempt.status
        complain(f"debug: attempt {number}: {attempt.server} {outcome} {attempt.elapsed_ms:.0f} ms")
    complain(f"debug: server {meta.server}, status {meta.status_code}, request id {meta.request_id}")
    if usage is not None:
        counts = {name: value for name, value in usage if isinstance(value, int)}
        complain(f"debug: usage {', '.join(f'{name} {value}' for name, value in counts.items())}")
    for name, value in meta.headers.items():
        complain(f"debug: header {name}: {MASK if is_secret_name(name) else value}")
