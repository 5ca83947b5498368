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
from typer.testing import CliRunner

from llmsdk import cli
from llmsdk.cli.app import app, run
from llmsdk.cli.screen import settled_length, show
from llmsdk.cli.setup import clean
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
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert error_of("chat", "-s", "local") == "no prompt; give one as an argument, or pipe one in"
    assert error_of("complete", "-s", "local") == "no prompt; give one as an argument, or pipe one in"


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
    result = ask("image", "a cat", "-s", "local", "-o", str(tmp_path / "cat"), "--size", "64x64")
    assert result.stdout == f"{tmp_path / 'cat.png'}\n"
    assert (tmp_path / "cat.png").read_bytes().startswith(PNG[:8])
    assert "there is no folder" in error_of("image", "a cat", "-s", "local", "-o", str(tmp_path / "none" / "cat"))
    assert "is a folder" in error_of("image", "a cat", "-s", "local", "-o", str(tmp_path))


def test_an_image_reply_without_images(server: LocalServer, tmp_path: Path) -> None:
    server.script(Fault(body={"created": 1, "data": []}))
    where = ("-m", "m", "--server-url", server.url, "-o", str(tmp_path / "cat"))
    assert "image" in error_of("image", "a cat", *where, code=1)


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
    assert error_of("servers", "togethr") == "unknown server 'togethr'; did you mean together?"
    assert "known are together" in error_of("servers", "zzz")


def test_preview_sends_nothing_and_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ask("preview", "Hi", "-s", "together", "-m", "m", "--system", "Be brief").stdout
    assert text.startswith("curl -X POST https://api.together.xyz/v1/chat/completions")
    assert '"authorization: Bearer $API_KEY"' in text
    assert '"role": "system"' in text
    assert "/completions" in ask("preview", "Hi", "-k", "complete", "-s", "r9s", "-m", "m").stdout
    assert "/images/" in ask("preview", "Hi", "-k", "image", "-s", "r9s", "-m", "m").stdout
    monkeypatch.setenv("TOGETHER_API_KEY", "sk-placeholder-from-env")
    assert "from-env" not in ask("preview", "Hi", "-s", "together", "-m", "m").stdout


def test_errors_of_the_server_are_one_line_and_exit_1(server: LocalServer) -> None:
    where = ("-m", "m", "--server-url", server.url)
    server.script(Fault(status=401, body={"error": {"message": "no\nsuch \x1b[31mkey"}}))
    assert error_of("chat", "x", *where, code=1) == "401: no such [31mkey (request id req-embedded-000001)"
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
    ("chat", "x"): "api_key: server 'together' needs one",
    ("chat", "x", "-s", "togethr"): "did you mean 'together'?",
    ("chat", "x", "--server-url", "nonsense"): "server_url: ",
    ("chat", "x", "--server-url", "http://127.0.0.1:9"): "no model is named; pass --model or set LLMSDK_MODEL",
    ("serve", "--dialect", "nobody"): "--dialect: unknown server 'nobody'",
    ("serve", "--fault", "{"): "--fault, --always: ",
    ("serve", "--always", '{"stauts": 1}'): "unknown fault field 'stauts'",
}


@pytest.mark.parametrize("args", MISUSES, ids=" ".join)
def test_misuse_is_one_line_and_exit_2(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    if args == ("chat", "x"):
        monkeypatch.setenv("LLMSDK_MODEL", "m")
    assert MISUSES[args] in error_of(*args)


@pytest.mark.parametrize("args", [["chta"], ["chat", "--nope"], ["image", "x"], ["serve", "--port", "99999999"]])
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
    assert len(SHOWN) == 6
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"llmsdk {command.callback.__name__}" in text
    assert all(f"\n| {code} | " in text for code in (0, 1, 2, 130, 141))
