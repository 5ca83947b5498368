"""`llmsdk batch run`: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmsdk.cli.app import app
from llmsdk.local import LocalServer
from llmsdk.many.runs.batch import FileBatch

from .conftest import Folder, chat_row


@pytest.fixture
def files(tmp_path: Path, server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> Folder:
    for name in ("LLMSDK_SERVER", "LLMSDK_MODEL", "LLMSDK_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLMSDK_SERVER_URL", server.url)
    folder = Folder(tmp_path, server, is_async=False)
    folder.write(chat_row("a"), chat_row("b"))
    return folder


def ask(folder: Folder, *options: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["batch", "run", str(folder.input), str(folder.output), *options])
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr, result.exception)
    return result


def test_all_rows_are_done(files: Folder) -> None:
    result = ask(files, "--max-tokens", "9")
    assert result.stdout.startswith("2 of 2 rows done, 0 failed, ")
    assert result.stderr == ""
    assert {request.json["max_tokens"] for request in files.server.requests} == {9}


@pytest.mark.parametrize("options, wanted", [([], None), (["--progress"], True), (["--progress", "-q"], False)])
def test_progress_is_asked_for(files: Folder, monkeypatch: pytest.MonkeyPatch, options: list[str], wanted: Any) -> None:
    given: list[Any] = []
    really = FileBatch.run

    def run(self: FileBatch, *args: Any, **options: Any) -> Any:
        given.append(options["progress"])
        return really(self, *args, **options)

    monkeypatch.setattr(FileBatch, "run", run)
    ask(files, *options)
    assert given == [wanted]


def test_the_report_as_json(files: Folder) -> None:
    told = json.loads(ask(files, "--json", "-q", "--report", str(files.path / "r")).stdout)
    assert (told["succeeded"], told["is_complete"]) == (2, True)
    assert (files.path / "r.html").exists()


def test_failures_are_exit_code_1(files: Folder) -> None:
    files.server.script({"status": 400})
    result = ask(files, "-q", "--limit", "1", code=1)
    assert result.stderr == (f"llmsdk: failed: 1 (BadRequestError 1); see {files.errors}; run again to try them anew\n")
    ask(files, "-q")


def test_rows_that_are_left_are_exit_code_1(files: Folder) -> None:
    files.server.always({"delay_s": 0.4})
    result = ask(files, "-q", "--limit", "1", "--deadline-s", "0.2", code=1)
    assert "left: 1; run again to go on" in result.stderr


@pytest.mark.parametrize(
    "options, told",
    [
        (
            ["-k", "chatt"],
            "error: operation: must be one of chat, completions, decisions, embeddings, images, moderations, rerank",
        ),
        (["--errors", "{input}"], "error: {input}: is input and errors at once; name another file"),
        (["--report", "{input}/x"], "error: {input}/x: there is no folder {input}; make it first"),
    ],
)
def test_misuse_is_one_line(files: Folder, options: list[str], told: str) -> None:
    given = [option.format(input=files.input) for option in options]
    result = CliRunner().invoke(app, ["batch", "run", str(files.input), str(files.output), "-q", *given])
    assert result.exit_code == 2
    assert told.format(input=files.input) in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_exit_code_1(files: Folder, full_disk: Path) -> None:
    files.output.symlink_to(full_disk)
    result = ask(files, "-q", code=1)
    assert "No space left on device; make room, and run again" in result.stderr
    assert "0 of 2 rows done" in result.stderr


def test_an_output_of_another_configuration_is_exit_code_2(files: Folder) -> None:
    ask(files, "-m", "m")
    assert 'model was "m" and is "n"' in ask(files, "-m", "n", code=2).stderr
