"""What all commands share: the SDK that they open, what they write, how they fail."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import typer

from .._call.config import configure
from ..errors import ConfigurationError, RemoteError, ReplyMeta, RequestValidationError, SDKError
from ..options import SDKOptions
from ..providers.ids import ServerId
from ..sdk import SDK
from ..utils.secrets import MASK, is_secret_name
from .screen import clean_line, json_text

KEY_VARIABLE = "LLMSDK_API_KEY"  # an option would show the key to everyone who lists processes
# 128 and the number of the signal, as shells count: SIGINT is 2, SIGPIPE 13.
OK, FAILED, MISUSED, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

# The SDK's advice is Python; here are the words of it that a shell has others for.
_IN_SHELL = tuple(
    (re.compile(pattern), shell)
    for pattern, shell in (
        (r"pass SDK\(api_key=\.\.\.\) or set (\w+)", r"export \1=..."),
        (r"""SDK\(server=["'](\w+)["']\)""", r"--server \1"),
        (r"pass server_url=", "pass --server-url URL"),
        (r"; pass url_params=\{.*?\}", "; write its value into the URL"),
        (r"pass (\w+)= to the call, or set it once as SDK\(\1=\.\.\.\)", r"pass -o \1=..."),
        (r"""\(unsupported=["']drop["'].*?\)""", ""),
        (r", or a Provider\b", ""),
        (r" more of docs/servers\.md", " more, see `llmsdk servers`"),
        (r"^server_url: ", "--server-url: "),
        (r"^max_tokens: ", "--max-tokens: "),
        (r"^(server|model|temperature|size): ", r"--\1: "),
    )
)


class Misuse(Exception):
    """The command was called wrong; the text is one line."""


@dataclass(frozen=True, slots=True)
class Setup:
    """The options that every command takes."""

    server: str | None = None
    server_url: str | None = None
    debug: bool = False

    def options(self) -> SDKOptions:
        """Return what of them goes to the SDK, and the key for a server that has no variable of its own."""
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
            options.setdefault("api_key", "placeholder")  # masked in what is shown
        return SDK(**options)

    def model(self, given: str | None, kind: str) -> str:
        """Find the model; the embedded provider takes any."""
        if given:
            return given
        if configure(self.options()).provider.embedded:
            return f"embedded-{kind}"  # as it lists them, so that what is tried here can be looked up
        raise Misuse("no model is named; pass --model or export LLMSDK_MODEL=... (`llmsdk models` lists them)")


def say(text: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_reply(reply: Any) -> None:
    """Write a whole reply to stdout, as JSON."""
    say(json_text(reply.model_dump(mode="json", exclude_unset=True)))


def complain(text: str) -> None:
    """Write one line to stderr, where there is one."""
    if sys.stderr is not None:
        sys.stderr.write(f"llmsdk: {clean_line(text)}\n")
        sys.stderr.flush()


def in_shell(text: str) -> str:
    """Say in words of a shell what an error of the SDK says in those of Python."""
    for pattern, shell in _IN_SHELL:
        text = pattern.sub(shell, text)
    return text


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
        complain(f"error: {in_shell(str(exc))}")
        raise typer.Exit(MISUSED) from None
    except SDKError as exc:
        failed(exc, setup)
        raise typer.Exit(FAILED) from None
    except BrokenPipeError:
        # Whoever read has gone; what is still buffered would be complained about at the end of the process.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(PIPE_CLOSED) from None
    except OSError as exc:  # of a file that the caller named; those of the network are SDKErrors
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
