"""The command line: what it prints, how it fails and with which exit code, in this process and in others."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from llmsdk import cli
from llmsdk.cli import history
from llmsdk.cli.app import app, run
from llmsdk.cli.screen import clean, settled_length, show
from llmsdk.local import Fault, LocalServer
from llmsdk.providers import PROVIDERS

PNG = b"\x89PNG\r\n\x1a\nrest"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
SHOWN = re.findall(r"^```sh\n([^`]*)^```\n\n```text\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("LLMSDK_HISTORY", str(tmp_path_factory.mktemp("history") / "state" / "chat.json"))
    for name in ("LLMSDK_SERVER", "LLMSDK_SERVER_URL", "LLMSDK_MODEL", "LLMSDK_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def ask(*args: str, given: str | bytes = "", code: int = 0) -> Any:
    """Run a command line in this process."""
    result = CliRunner().invoke(app, list(args), input=given)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    return result


def error_of(*args: str, given: str = "", code: int = 2) -> str:
    """Run a command line that fails, and give its one line."""
    result = ask(*args, given=given, code=code)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    return str(result.stderr.removeprefix("llmsdk: error: ").rstrip("\n"))


@contextmanager
def started(*args: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Run a command line in a process of its own, which ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "llmsdk.cli", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        **{"stdin": subprocess.DEVNULL} | options,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_one_question(server: LocalServer) -> None:
    result = ask("chat", "Hello", "-m", "m", "--server-url", server.url, "--system", "Be brief", "--max-tokens", "50")
    assert (result.stdout, result.stderr) == ("Embedded provider: you said 'Hello'.\n", "")
    assert server.requests[0].json["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Hello"},
    ]
    assert server.requests[0].json["max_tokens"] == 50
    assert server.requests[0].json["stream"] is True


def test_what_is_piped_in_stands_behind_the_prompt(server: LocalServer) -> None:
    ask("chat", "Sum up:", "-m", "m", "--server-url", server.url, given="a text\n")
    ask("chat", "-m", "m", "--server-url", server.url, given="alone\n")
    assert [request.json["messages"][0]["content"] for request in server.requests] == ["Sum up:\n\na text", "alone"]
    assert error_of("chat", "-s", "local") == "no prompt; pass one as an argument or through a pipe"
    assert error_of("complete", "-s", "local") == "no prompt; pass one as an argument or through a pipe"


def test_the_environment_says_server_and_model(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSDK_SERVER_URL", server.url)
    monkeypatch.setenv("LLMSDK_MODEL", "from-env")
    monkeypatch.setenv("LLMSDK_API_KEY", "sk-placeholder-from-env")
    ask("chat", "Hi")
    assert server.requests[0].json["model"] == "from-env"
    assert server.requests[0].headers["authorization"] == "Bearer sk-placeholder-from-env"


def test_pictures(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    picture, url = str(tmp_path / "a.png"), "https://example.com/a.png"
    ask("chat", "What?", "-m", "m", "--server-url", server.url, "--image", picture, "--image", url)
    parts = server.requests[0].json["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert parts[2]["image_url"]["url"] == url
    (tmp_path / "a.txt").write_text("text", "utf-8")
    assert "No such file" in error_of("chat", "x", "-s", "local", "--image", str(tmp_path / "none.png"))
    assert "not a picture" in error_of("chat", "x", "-s", "local", "--image", str(tmp_path / "a.txt"))


def test_an_answer_in_the_form_of_a_schema(server: LocalServer, tmp_path: Path) -> None:
    file = tmp_path / "my schema.json"
    file.write_text('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}', "utf-8")
    result = ask("chat", "x", "-m", "m", "--server-url", server.url, "--json-schema", str(file))
    assert isinstance(json.loads(result.stdout)["n"], int)
    assert server.requests[0].json["response_format"]["json_schema"]["name"] == "my_schema"
    for text, message in (("{", "not JSON"), ("[]", "a JSON schema is an object, this is list")):
        file.write_text(text, "utf-8")
        assert error_of("chat", "x", "-s", "local", "--json-schema", str(file)).endswith(message)
    assert "No such file" in error_of("chat", "x", "-s", "local", "--json-schema", str(tmp_path / "none"))


def test_completion() -> None:
    result = ask("complete", "Once upon a time", "-s", "local", "--max-tokens", "40", "--temperature", "0.5")
    assert "Once upon a time" in result.stdout
    assert ask("complete", "-s", "local", given="piped").stdout.count("piped") == 1


def test_image(tmp_path: Path) -> None:
    result = ask("image", "a cat", "-s", "local", "--output", str(tmp_path / "cat"), "--size", "64x64")
    assert result.stdout == f"{tmp_path / 'cat.png'}\n"
    assert (tmp_path / "cat.png").read_bytes().startswith(PNG[:8])
    assert "there is no folder" in error_of("image", "a cat", "-s", "local", "--output", str(tmp_path / "none" / "cat"))
    assert "is a folder" in error_of("image", "a cat", "-s", "local", "--output", str(tmp_path))


def test_an_image_reply_without_images(server: LocalServer, tmp_path: Path) -> None:
    server.script(Fault(body={"created": 1, "data": []}))
    where = ("-m", "m", "--server-url", server.url, "--output", str(tmp_path / "cat"))
    assert "image" in error_of("image", "a cat", *where, code=1)


# ---------------------------------------------------------------- sounds


def test_speech_goes_to_a_file_or_into_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("speak", "The ferry / leaves.", "-s", "local").stdout == "the-ferry-leaves.wav\n"
    assert ask("speak", "-s", "local", "--output", "a.wav", given="The ferry / leaves.").stdout == "a.wav\n"
    whole = (tmp_path / "a.wav").read_bytes()
    assert whole[:4] == b"RIFF"
    assert (tmp_path / "the-ferry-leaves.wav").read_bytes() == whole
    assert ask("speak", "The ferry / leaves.", "-s", "local", "--output", "-").stdout_bytes == whole
    assert "no text" in error_of("speak", "-s", "local")
    assert "is a folder" in error_of("speak", "x", "-s", "local", "--output", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "the-ferry-leaves.wav"]


def test_recordings_are_written_down(server: LocalServer, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFFxx")
    where = ("-m", "m", "--server-url", server.url)
    said = "Embedded provider: a recording of 6 bytes.\n"
    assert ask("transcribe", str(tmp_path / "a.wav"), *where).stdout == said
    assert ask("transcribe", "-", *where, "--translate", given=b"RIFFxx").stdout == said
    assert ask("transcribe", str(tmp_path / "a.wav"), *where, "--format", "vtt").stdout.startswith("WEBVTT\n\n00:")
    assert json.loads(ask("transcribe", str(tmp_path / "a.wav"), *where, "--json").stdout)["text"] == said.rstrip()
    assert "an address" in ask("transcribe", "https://example.org/a.mp3", *where, "--language", "de").stdout
    assert server.requests[-1].body.count(b"example.org") == 1
    assert "cannot be read" in error_of("transcribe", str(tmp_path / "none.wav"), *where)
    assert "is empty" in error_of("transcribe", "-", *where)
    server.script(Fault(status=400))
    error_of("transcribe", str(tmp_path / "a.wav"), *where, code=1)


def test_models() -> None:
    assert ask("models", "-s", "local").stdout.split() == ["embedded-chat", "embedded-text", "embedded-image"]
    listed = json.loads(ask("models", "-s", "local", "--json").stdout)
    assert [model["id"] for model in listed] == ["embedded-chat", "embedded-text", "embedded-image"]


def test_servers_and_masked_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-placeholder-quite-long-1234")
    monkeypatch.setenv("R9S_API_KEY", "short")
    text = ask("servers").stdout
    assert re.search(r"^together +https://api.together.xyz/v1 +TOGETHER_API_KEY found: \*\*\*1234$", text, re.MULTILINE)
    assert re.search(r"R9S_API_KEY found: \*\*\*$", text, re.MULTILINE)
    assert re.search(r"WRITER_API_KEY is not set$", text, re.MULTILINE)
    assert "placeholder" not in text
    writer = ask("servers", "writer").stdout
    assert "max_tokens (as maxTokens)" in writer
    assert "\n  lacks " in writer
    found = json.loads(ask("servers", "--json").stdout)
    assert [one["id"] for one in found] == list(PROVIDERS)
    assert found[0]["key"] == "***1234"
    assert json.loads(ask("servers", "r9s", "--json").stdout)["id"] == "r9s"
    assert error_of("servers", "togethr") == "unknown server 'togethr'; did you mean 'together'?"
    assert "known are together" in error_of("servers", "zzz")


def test_servers_of_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "acme.toml").write_text(
        'name = "acme"\nservers = ["http://127.0.0.1:9/v1"]\nenv_var = "ACME_KEY"\nother_env_vars = ["ACME_TOKEN"]\n'
        "key_required = false\n[routes.createChatCompletion]\n"
    )
    monkeypatch.setenv("LLMSDK_PROVIDERS", str(tmp_path))
    assert re.search(
        r"^acme +http://127.0.0.1:9/v1 +ACME_KEY is not set, and not needed$", ask("servers").stdout, re.MULTILINE
    )
    monkeypatch.setenv("ACME_TOKEN", "short")
    assert ask("servers", "acme").stdout.startswith("acme: http://127.0.0.1:9/v1; ACME_TOKEN found: ***\n")
    assert error_of("servers", "acmee") == "unknown server 'acmee'; did you mean 'acme'?"
    assert "xiaomi, acme" in error_of("serve", "--dialect", "zzz")


def test_preview_sends_nothing_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ask("preview", "Hi", "-s", "together", "-m", "m", "--system", "Be brief").stdout
    assert text.startswith("curl -X POST https://api.together.xyz/v1/chat/completions")
    assert '"authorization: Bearer $API_KEY"' in text
    assert '"role": "system"' in text
    assert "/completions" in ask("preview", "Hi", "-k", "completions", "-s", "r9s", "-m", "m").stdout
    assert "/images/" in ask("preview", "Hi", "-k", "images", "-s", "r9s", "-m", "m").stdout
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-placeholder-from-env")
    assert "from-env" not in ask("preview", "Hi", "-s", "together", "-m", "m").stdout


def test_errors_of_the_server_are_one_line_and_exit_1(server: LocalServer) -> None:
    where = ("-m", "m", "--server-url", server.url)
    server.script(Fault(status=401, body={"error": {"message": "no\nsuch \x1b[31mkey"}}))
    facts = f"the SDK sent no key, server 'openai' at {server.url.removesuffix('/v1')}, request id req-embedded-000001"
    assert error_of("chat", "x", *where, code=1) == f"401: no such [31mkey ({facts})"
    server.script(Fault(cut_after_events=2))
    cut = ask("chat", "x", *where, code=1)
    assert cut.stdout.endswith("\n")
    assert len(cut.stdout) > 1  # what came stays
    assert cut.stderr.count("\n") == 1
    assert "inside the stream" in cut.stderr
    server.always(Fault(cut_before_headers=True))
    assert "request id" not in error_of("models", "--server-url", server.url, code=1)


def test_debug_tells_more_without_keys(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSDK_API_KEY", "sk-placeholder-key")
    where = ("-m", "m", "--server-url", server.url, "--debug")
    server.script(Fault(status=429, retry_after=0), Fault(status=404, headers={"set-cookie": "session=abc"}))
    text = ask("chat", "x", *where, code=1).stderr
    assert "debug: NotFoundError\n" in text
    assert "debug: attempt 1: openai 429 " in text
    assert "debug: attempt 2: openai 404 " in text
    assert "request id req-embedded-000002" in text
    assert "debug: header set-cookie: ***" in text
    assert "debug: header x-ratelimit-remaining-tokens: 99000" in text
    assert "sk-placeholder" not in text
    assert "Traceback" not in text
    good = ask("chat", "x", *where)
    assert "you said" in good.stdout
    assert "status 200" in good.stderr


MISUSES = {
    ("chat", "x"): "export TOGETHER_API_KEY=...",
    ("chat", "x", "-s", "togethr"): "more, see `llmsdk servers`; did you mean 'together'?",
    ("chat", "x", "--server-url", "nonsense"): "--server-url: got a str without http://",
    (
        "chat",
        "x",
        "--server-url",
        "http://127.0.0.1:9/{b}",
        "-m",
        "m",
    ): "nothing fills {b}; write its value into the URL",
    ("models", "-s", "openai"): "export OPENAI_API_KEY=...",
    ("complete", "x", "-s", "writer", "-m", "m"): "pass -o organization_id=...",
    (
        "complete",
        "x",
        "-s",
        "writer",
        "-m",
        "m",
        "-o",
        "organization_id=1",
        "-o",
        "seed=1",
    ): "servers that do: together",
    (
        "complete",
        "x",
        "-s",
        "local",
        "--max-tokens",
        "0",
        "-o",
        "max_tokens=x",
    ): "--max-tokens: must be an integer",
    ("chat", "x", "-s", "local", "-o", "nonsense"): "-o nonsense: must be KEY=VALUE, such as -o top_p=0.9",
    ("chat", "x", "-s", "local", "-o", "=1"): "-o =1: must be KEY=VALUE",
    ("chat", "x", "-s", "local", "-o", "stream=true"): "-o stream: comes from the prompt and the command",
    ("chat", "x", "-s", "local", "-o", "tempratur=1"): "did you mean 'temperature'?",
    ("chat", "-n", "-s", "local"): "no prompt",
    ("chat", "\udcff", "-s", "local"): "the prompt is not UTF-8 text",
    ("image", "x", "-s", "r9s"): "export R9S_API_KEY=...",
    ("chat", "x", "-s", "local", "--continue"): "--continue: there is no conversation yet",
    ("chat", "x", "--server-url", "http://127.0.0.1:9"): "no model is named; pass --model or export LLMSDK_MODEL=...",
    ("serve", "--dialect", "nobody"): "--dialect: unknown server 'nobody'",
    ("serve", "--fault", "{"): "--fault, --always: ",
    ("serve", "--always", '{"stauts": 1}'): "unknown fault field 'stauts'",
}


@pytest.mark.parametrize("args", MISUSES, ids=" ".join)
def test_misuse_is_one_line_and_exit_2(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOGETHER_API_KEY", "R9S_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WRITER_API_KEY", "sk-placeholder")
    if args == ("chat", "x") or args[0] == "image":
        monkeypatch.setenv("LLMSDK_MODEL", "m")
    said = error_of(*args)
    assert MISUSES[args] in said
    assert not re.search(
        r"SDK\(|Provider\b|\w=\.\.\.[,)]|\bset [A-Z]|extra_body|server_url=", said
    )  # that would be Python


@pytest.mark.parametrize("args", [["chta"], ["chat", "--nope"], ["image"], ["serve", "--port", "99999999"]])
def test_wrong_words_are_one_line_and_exit_2(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(args) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("llmsdk: error: ")
    assert err.count("\n") == 1


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("llmsdk 0.")
    assert cli.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert "Exit codes: 0 done, 1 the server refused or failed" in text
    assert cli.main([]) == 2
    assert capsys.readouterr().out == text


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None if name == "rich" else object())
    assert cli.main(["chat", "x"]) == 2
    assert capsys.readouterr().err == "llmsdk: error: rich not installed; install llmsdk[cli]\n"


def test_ctrl_c_keeps_what_came_and_closes_the_stream(server: LocalServer) -> None:
    server.always(Fault(stall_after_events=3, stall_s=30))
    with started("chat", "Hello", "-m", "m", "--server-url", server.url) as process:
        assert process.stdout is not None
        first = process.stdout.read(8)
        time.sleep(0.5)  # the rest of what comes is printed by then, and the command waits for more
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (130, "llmsdk: interrupted\n")
        assert (first + out).startswith("Embedded")
        assert out.endswith("\n")
        ends = time.monotonic() + 5
        while server.connection_count and time.monotonic() < ends:
            time.sleep(0.01)
        assert server.connection_count == 0


def test_a_reader_that_leaves_early_is_no_error(server: LocalServer) -> None:
    server.always(Fault(chunk_delay_s=0.02))
    with started("chat", "Hello " * 50, "-m", "m", "--server-url", server.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(timeout=20) == 141
        assert process.stderr.read() == ""
        process.stderr.close()


def test_a_port_that_is_taken(server: LocalServer) -> None:
    port = server.origin.rpartition(":")[2]
    assert error_of("serve", "--port", port).startswith(f"--port {port}: ")


def test_serve_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    fault = '{"status": 503, "retry_after": 0}'
    with started("serve", "--port", "0", "--dialect", "together", "--fault", fault, "--api-key", "sk-x") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"embedded provider \(together\) at (http://127\.0\.0\.1:\d+\S*)\n", line)
        assert found is not None, line
        monkeypatch.setenv("LLMSDK_API_KEY", "sk-x")
        result = ask("chat", "Hi", "-s", "together", "-m", "m", "--server-url", found[1], "--debug")
        assert "attempt 1: together 503" in result.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 0


# Makes its stdin the terminal that Ctrl-C is typed on.
IN_TERMINAL = (
    "import fcntl, runpy, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "runpy.run_module('llmsdk.cli', run_name='__main__')"
)


class Terminal:
    """The command in a terminal of its own; what it shows is read until something is seen."""

    def __init__(self, *args: str) -> None:
        self._end, other = pty.openpty()
        self._process = subprocess.Popen(
            [sys.executable, "-c", IN_TERMINAL, *args],
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
            env=os.environ
            | {"PYTHONPATH": str(Path(cli.__file__).parents[2]), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
        )
        os.close(other)
        self.shown = ""

    def until(self, text: str) -> str:
        """Read until a text is shown; give what was shown before it since the last time."""
        timer = threading.Timer(60, self._process.kill)
        timer.start()
        try:
            while text not in self.shown:
                self.shown += os.read(self._end, 65536).decode("utf-8", "replace")
        except OSError:
            raise AssertionError(f"{text!r} was not shown: {self.shown!r}") from None
        finally:
            timer.cancel()
        before, _, self.shown = self.shown.partition(text)
        return before

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def interrupt(self) -> None:
        time.sleep(0.3)  # readline misses a signal that comes between the prompt and its wait
        self.type("\x03")

    def code(self) -> int:
        try:
            while os.read(self._end, 65536):
                pass
        except OSError:
            pass  # the other end is closed
        return self._process.wait(timeout=20)

    def close(self) -> None:
        self._process.kill()
        self._process.wait(timeout=20)
        os.close(self._end)


@pytest.fixture
def terminals() -> Iterator[Callable[..., Terminal]]:
    """Opens terminals, which end with the test."""
    opened: list[Terminal] = []

    def make(*args: str) -> Terminal:
        opened.append(Terminal(*args))
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.close()


@pytest.mark.slow
def test_a_conversation_in_a_terminal(server: LocalServer, terminals: Callable[..., Terminal]) -> None:
    terminal = terminals("chat", "-m", "m", "--server-url", server.url, "--system", "Be brief", "--plain")
    terminal.until("> ")
    terminal.type("one\n")
    terminal.until("you said 'one'")
    terminal.until("> ")
    server.script(Fault(status=404))
    terminal.type("two\n")
    terminal.until("llmsdk: error: 404")
    terminal.until("> ")
    server.script(Fault(stall_after_events=3, stall_s=30))
    terminal.type("three\n")
    terminal.until("Embedded")
    terminal.interrupt()
    terminal.until("the answer was stopped")
    terminal.until("> ")
    terminal.type("four\n")
    terminal.until("you said 'four'")
    terminal.until("> ")
    terminal.type("/what\n/clear\n")
    terminal.until("forgotten")
    terminal.type("five\n")
    terminal.until("you said 'five'")
    terminal.until("> ")
    terminal.type("\x04")
    assert terminal.code() == 0
    said = [[item["content"] for item in request.json["messages"]] for request in server.requests]
    first, stopped = said[2][2], said[3][4]
    assert said[0] == ["Be brief", "one"]
    assert said[1] == ["Be brief", "one", first, "two"]
    assert said[2] == ["Be brief", "one", first, "three"]  # what failed is not part of the conversation
    assert said[3][:4] == ["Be brief", "one", first, "three"]
    assert "Embedded".startswith(stopped[:8])  # what came before the stop is
    assert said[4] == ["Be brief", "five"]


@pytest.mark.slow
def test_ctrl_c_at_the_prompt_exits_130(terminals: Callable[..., Terminal]) -> None:
    terminal = terminals("chat", "-s", "local")
    terminal.until("> ")
    terminal.type("/exit\n")
    assert terminal.code() == 0
    terminal = terminals("chat", "-s", "local", "--image", "x.png")
    terminal.until("--image needs a prompt")
    assert terminal.code() == 2
    terminal = terminals("chat", "-s", "local")
    terminal.until("> ")
    terminal.interrupt()
    terminal.until("interrupted")
    assert terminal.code() == 130


@pytest.mark.slow
def test_markdown_on_a_terminal_only(server: LocalServer, terminals: Callable[..., Terminal]) -> None:
    events = [
        json.dumps({"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": end}]})
        for piece, end in (("# Head\n\nSome **bold**", None), (" text\n\n1. one", None), ("\x1b[2J end", "stop"))
    ]
    body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
    server.always(Fault(body=body, content_type="text/event-stream"))
    where = ("chat", "x", "-m", "m", "--server-url", server.url)
    terminal = terminals(*where)
    shown = terminal.until("end")
    assert "**" not in shown
    assert "\x1b[2J" not in shown
    assert terminal.code() == 0
    assert "**bold**" in ask(*where).stdout
    terminal = terminals(*where, "--plain")
    assert "**bold**" in terminal.until("end")
    assert terminal.code() == 0


@pytest.mark.parametrize(
    "text, settled",
    [
        ("", 0),
        ("one line", 0),
        ("one\n\ntwo", 5),
        ("one\n\ntwo\n\n", 10),
        ("```\na\n\nb", 0),
        ("```\na\n\nb\n```\n\nend", 14),
        ("````\n```\n\n````\n\n", 16),
        ("~~~ py\n\n```\n\n~~~\n\n", 18),
    ],
)
def test_what_later_lines_cannot_change(text: str, settled: int) -> None:
    assert settled_length(text) == settled


def test_plain_text_keeps_its_bytes_away_from_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    show(["a\x1b[31m", "", "b\n"], markdown=True)
    show([], markdown=True)
    assert capsys.readouterr().out == "a\x1b[31mb\n"
    assert clean("a\x1b[31mb\x9b\x00\tc\n") == "a[31mb\tc\n"


@pytest.mark.slow
@pytest.mark.parametrize("commands, output", SHOWN)
def test_the_page_shows_what_the_commands_print(commands: str, output: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'llmsdk() {{ "{sys.executable}" -m llmsdk.cli "$@"; }}\n{commands}'],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == (output, "")


def test_the_page_has_every_command_and_code() -> None:
    text = PAGE.read_text("utf-8")
    assert len(SHOWN) == 7
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"llmsdk {command.callback.__name__}" in text
    assert all(f"\n| {code} | " in text for code in (0, 1, 2, 130, 141))


# ---------------------------------------------------------------- options


def leaves(command: Any, *names: str) -> Iterator[tuple[str, Any]]:
    """Every command with its name."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, *names, name)
    if not hasattr(command, "commands"):
        yield " ".join(names), command


def test_a_short_option_means_one_thing() -> None:
    meanings: dict[str, set[str]] = {}
    for _, command in leaves(get_command(app)):
        for option in (name for param in command.params for name in param.opts if re.fullmatch("-[a-zA-Z]", name)):
            long = next(
                name for param in command.params for name in param.opts if option in param.opts and name != option
            )
            meanings.setdefault(option, set()).add(long)
    assert {option: names for option, names in meanings.items() if len(names) > 1} == {}
    assert set(meanings) == {"-c", "-k", "-m", "-n", "-o", "-q", "-s"}


@pytest.mark.parametrize(
    "command", ["", "chat", "complete", "image", "models", "servers", "preview", "serve", "batch run"]
)
def test_h_is_help(command: str) -> None:
    assert "Usage: llmsdk" in ask(*command.split(), "-h").stdout.replace("root", "llmsdk")


def test_any_parameter_by_its_name(server: LocalServer) -> None:
    where = ("-m", "m", "--server-url", server.url)
    ask("chat", "Hi", *where, "-o", "top_p=0.5", "-o", 'stop=["a", "b"]', "-o", "user=me=you", "-o", "seed=7")
    ask("complete", "Hi", *where, "-o", "echo=true", "--max-tokens", "3", "-o", "max_tokens=4")
    ask("image", "Hi", *where, "-o", "quality=low", "--json")
    chat, complete, image = (request.json for request in server.requests)
    assert (chat["top_p"], chat["stop"], chat["user"], chat["seed"]) == (0.5, ["a", "b"], "me=you", 7)
    assert (complete["echo"], complete["max_tokens"], image["quality"]) == (True, 4, "low")
    assert '"top_p": 0.5' in ask("preview", "Hi", "-s", "local", "-o", "top_p=0.5").stdout
    assert '"input": "Hi"' in ask("preview", "Hi", "-s", "local", "-k", "embeddings").stdout


def test_the_whole_reply_as_json(server: LocalServer, tmp_path: Path) -> None:
    where = ("-m", "m", "--server-url", server.url, "--json")
    assert json.loads(ask("chat", "Hi", *where).stdout)["choices"][0]["message"]["content"].endswith("'Hi'.")
    assert json.loads(ask("complete", "Hi", *where).stdout)["usage"]["prompt_tokens"] == 1
    assert json.loads(ask("image", "Hi", *where, "-o", "response_format=url").stdout)["data"][0]["url"].endswith(".png")
    assert list(tmp_path.iterdir()) == []
    ask("image", "Hi", *where, "--output", str(tmp_path / "a"))
    assert (tmp_path / "a.png").exists()


def test_reasoning_goes_to_stderr(server: LocalServer) -> None:
    where = ("-m", "m", "--server-url", server.url, "-o", "reasoning_effort=low")
    shown = ask("chat", "Hi", *where, "--reasoning")
    assert shown.stderr == "The embedded provider quotes the prompt; effort low.\n\n"
    assert shown.stdout == ask("chat", "Hi", *where).stdout == "Embedded provider: you said 'Hi'.\n"


def test_an_image_is_named_after_its_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [ask("image", "A cat / on\na mat!", "-s", "local", "--size", "64x64").stdout.strip() for _ in range(3)]
    assert names == ["a-cat-on-a-mat.png", "a-cat-on-a-mat-2.png", "a-cat-on-a-mat-3.png"]
    assert ask("image", "\u2602", "-s", "local", "--size", "64x64").stdout.strip() == "image.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "image.png"])


# ------------------------------------------------------- going on, and not


def test_a_conversation_goes_on(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path(os.environ["LLMSDK_HISTORY"])
    history.save(history.Conversation([{"role": "user", "content": "one"}], None, server.url, "first"))
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    ask("chat", "two", "--continue")
    ask("chat", "three", "-c", "-m", "other", "--server-url", server.url)
    assert [request.json["model"] for request in server.requests] == ["first", "other"]
    said = [[item["content"] for item in request.json["messages"]] for request in server.requests]
    assert said[0] == ["one", "two"]
    assert said[1] == ["one", "two", "Embedded provider: you said 'two'.", "three"]
    assert list(kept.parent.iterdir()) == [kept]
    monkeypatch.setenv("LLMSDK_HISTORY", "")
    assert "no conversation is kept" in error_of("chat", "x", "-c")
    history.save(history.Conversation())  # is nowhere
    for broken in ("{", "[]", '{"messages": 1}', '{"more": 1}', '{"messages": [], "model": 5}'):
        kept.write_text(broken, "utf-8")
        monkeypatch.setenv("LLMSDK_HISTORY", str(kept))
        assert error_of("chat", "x", "-c") == f"--continue: {kept} holds no conversation; delete it"


def test_what_scripts_ask_is_not_kept(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    ask("chat", "a question", "-m", "m", "--server-url", server.url)
    assert not Path(os.environ["LLMSDK_HISTORY"]).exists()
    monkeypatch.delenv("LLMSDK_HISTORY")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert history._path() == Path("/state/llmsdk/chat.json")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert history._path() == Path("/home/me/.local/state/llmsdk/chat.json")


def test_stdin_is_left_alone(server: LocalServer) -> None:
    where = f"-m m --server-url {server.url}"
    python = f'"{sys.executable}" -m llmsdk.cli'
    done = subprocess.run(
        ["/bin/sh", "-c", f'printf "one\\ntwo\\n" | while read l; do {python} chat "$l" -n {where}; done'],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )
    assert done.stdout == "Embedded provider: you said 'one'.\nEmbedded provider: you said 'two'.\n"
    assert "-n" in ask("chat", "--help").stdout


def test_a_silent_stdin_is_told(server: LocalServer) -> None:
    with started("chat", "Hi", "-m", "m", "--server-url", server.url, stdin=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "llmsdk: reading stdin to its end; --no-stdin leaves it alone\n"
        out, _ = process.communicate("more", timeout=20)
    assert out == "Embedded provider: you said 'Hi\n\nmore'.\n"


def test_stdin_that_is_no_text(server: LocalServer) -> None:
    where = ("-m", "m", "--server-url", server.url)
    for command in ("chat", "complete"):
        result = ask(command, *where, given=b"ab\xff\n", code=2)
        assert result.stderr == ("llmsdk: error: stdin is not UTF-8 text (byte 3); pass pictures with --image\n")
    assert server.requests == []


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&-"])
def test_closed_streams_are_no_traceback(server: LocalServer, closed: str) -> None:
    command = f'"{sys.executable}" -m llmsdk.cli chat Hi -m m --server-url {server.url} {closed}'
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=60, check=False, env=env)
    said = "Embedded provider: you said 'Hi'.\n"
    expected = {
        ">&-": (2, "", "llmsdk: error: stdout is closed\n"),
        "2>&-": (0, said, ""),
        "<&-": (0, said, ""),
        ">&- 2>&-": (2, "", ""),
    }
    assert (done.returncode, done.stdout, done.stderr) == expected[closed]


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.1, 0.2, 0.35, 0.5])
def test_an_early_ctrl_c_is_quiet(delay_s: float) -> None:
    # It says that it is on where its first step is done: before that, Ctrl-C ends the program around it.
    code = """
import signal, sys, llmsdk.cli as cli
own = signal.signal
def first(*args):
    signal.signal = own
    own(*args)
    print("on", flush=True)
signal.signal = first
sys.argv[1:] = ["serve", "--port", "0"]
sys.exit(cli.main())
"""
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) in {(-signal.SIGINT, ""), (130, "llmsdk: interrupted\n"), (0, "")}


@pytest.mark.slow
@pytest.mark.parametrize("has_readline", [True, False])
def test_what_is_pasted_is_one_question(
    server: LocalServer, terminals: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch, has_readline: bool
) -> None:
    if not has_readline:
        monkeypatch.setattr(
            sys.modules[__name__], "IN_TERMINAL", f"import sys; sys.modules['readline'] = None; {IN_TERMINAL}"
        )
    terminal = terminals("chat", "-m", "m", "--server-url", server.url, "--plain")
    terminal.until("> ")
    lines = "one\ntwo\nthree"
    terminal.type(f"\x1b[200~{lines}\x1b[201~\n" if has_readline else f"{lines}\n")
    terminal.until("you said 'one")
    terminal.until("> ")
    terminal.type("/exit\n")
    assert terminal.code() == 0
    assert [request.json["messages"][-1]["content"] for request in server.requests] == [lines]
    assert json.loads(Path(os.environ["LLMSDK_HISTORY"]).read_text("utf-8"))["messages"][0]["content"] == lines


@pytest.mark.slow
@pytest.mark.parametrize(
    "words, found",
    [("chat --serv", "--server"), ("chat --server tog", "together"), ("serv", "servers"), ("servers r", "r9s")],
)
def test_shells_complete(words: str, found: str) -> None:
    env = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parents[2]), "_LLMSDK_COMPLETE": "complete_bash"}
    line = f"llmsdk {words}"
    env |= {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "llmsdk.cli"], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert found in done.stdout.split()
    assert done.stderr == ""


# --------------------------------------------------- what a terminal obeys

TRICKS = "a\x1b]0;x\x07\x9b31m\u202eb\u2066\nc"


def test_names_of_models_obey_nobody(server: LocalServer) -> None:
    server.always({"body": {"object": "list", "data": [{"id": TRICKS}], "has_more": False}})
    shown = ask("models", "--server-url", server.url).stdout
    assert shown == "a]0;x31m<U+202E>b<U+2066> c\n"
    written = ask("models", "--server-url", server.url, "--json").stdout
    assert json.loads(written) == [{"id": TRICKS}]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", written)


def test_error_texts_obey_nobody(server: LocalServer) -> None:
    server.always({"status": 400, "body": {"error": {"message": TRICKS}}})
    said = error_of("chat", "x", "-m", "m", "--server-url", server.url, code=1)
    assert "a]0;x31m<U+202E>b<U+2066> c" in said


@pytest.mark.slow
def test_links_show_where_they_lead(server: LocalServer, terminals: Callable[..., Terminal]) -> None:
    text = "[bank](https://evil.example/x) &#x202e;flip &#27;[2J ![pic](https://evil.example/p.png) end"
    event = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    body = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n"
    server.always({"body": body, "content_type": "text/event-stream"})
    terminal = terminals("chat", "x", "-m", "m", "--server-url", server.url)
    shown = terminal.until("end")
    assert "https://evil.example/x" in shown
    assert "<U+202E>" in shown
    assert "\x1b]8" not in shown  # a link that the terminal would hide
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert terminal.code() == 0


def test_check_compares_a_server_with_its_dialect(tmp_path: Path, server: LocalServer) -> None:
    path = tmp_path / "acme.toml"
    result = ask("check", "-m", "m", "--server-url", server.url, "--write", str(path))
    assert "with at most 12 requests of 256 tokens" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout.splitlines()[-1].endswith("10 requests, 77 tokens; the server fits its dialect")
    assert f"asks m at {server.url}" in result.stderr
    again = json.loads(ask("check", "-s", str(path), "-m", "m", "--json").stdout)
    assert (again["server"], again["fits"], again["base_url"]) == ("acme", True, server.url)
    assert {"what": "end mark", "expected": "[DONE]", "seen": "[DONE]", "fits": True} in again["findings"]
    assert ask("check", "-s", "local").stdout
    server.always(Fault(end_after_events=3))
    assert "NO  end mark" in ask("check", "-m", "m", "--server-url", server.url, code=1).stdout


def test_check_says_why_it_cannot(tmp_path: Path, server: LocalServer) -> None:
    server.always(Fault(status=401))
    result = ask("check", "-m", "m", "--server-url", server.url, code=1)
    assert "401" in result.stderr.splitlines()[-1]
    assert error_of("check", "--server-url", server.url).startswith("no model is named; pass --model")
    assert "none.toml: cannot be read" in error_of("check", "-s", str(tmp_path / "none.toml"), "-m", "m")
