"""Runs over files: what is written, what is sent again and what is not, and what bad input gets."""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, Price, errors
from llmsdk._call.failover.policy import Failover
from llmsdk.errors import BatchError
from llmsdk.local import LocalServer
from llmsdk.many.map.rows import RowQueue
from llmsdk.many.runs import state
from llmsdk.many.runs.file_run import FileRun
from llmsdk.many.runs.journal import Journal
from llmsdk.providers import R9S, TOGETHER

from .conftest import QUICK, Folder, chat_row, read

SAID = [{"role": "user", "content": "Hi"}]


def test_every_row_has_its_reply(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(20)))
    report = folder.run(limit=4)
    assert (report.end, report.rows, report.succeeded, report.failed, report.left) == ("complete", 20, 20, 0, 0)
    assert report.is_complete
    assert folder.keys() == sorted(f"r{number}" for number in range(20))
    for line in read(folder.output):
        assert set(line) == {"custom_id", "key", "response", "error"}
        assert (line["custom_id"], line["error"]) == (line["key"], None)
        assert line["response"]["status_code"] == 200
        assert line["response"]["request_id"].startswith("req-")
        said = line["response"]["body"]["choices"][0]["message"]["content"]
        assert said == f"Embedded provider: you said 'Say {line['key']}'."
    assert sorted(path.name for path in folder.path.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.state.json"]


def test_a_second_run_sends_nothing(folder: Folder) -> None:
    folder.write(chat_row("a"), {"model": "m", "messages": SAID}, {"model": "m", "messages": SAID})
    folder.run()
    before = folder.output.read_bytes()
    sent = folder.sent
    report = folder.run()
    assert (report.done_before, report.succeeded, folder.sent - sent) == (3, 0, 0)
    assert report.is_complete
    assert folder.output.read_bytes() == before


def test_rows_that_were_added_are_sent(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.run()
    folder.write(chat_row("b"), chat_row("a"))
    assert folder.run().succeeded == 1
    assert folder.keys() == ["a", "b"]


def test_options_of_the_run_fill_rows_up_and_do_not_overrule_them(folder: Folder) -> None:
    folder.write({"messages": SAID, "custom_id": "a"}, chat_row("b", model="own"))
    folder.run(model="given", max_tokens=9)
    assert {(request.json["model"], request.json["max_tokens"]) for request in folder.server.requests} == {
        ("given", 9),
        ("own", 9),
    }


@pytest.mark.parametrize(
    "operation, row, field",
    [
        ("completions", {"model": "m", "prompt": "Once"}, "choices"),
        ("embeddings", {"model": "m", "input": ["a", "b"]}, "data"),
        ("images", {"model": "m", "prompt": "a cat", "size": "8x8"}, "data"),
    ],
)
def test_other_operations(folder: Folder, operation: str, row: dict[str, Any], field: str) -> None:
    folder.write(row)
    assert folder.run(operation=operation).is_complete
    assert read(folder.output)[0]["response"]["body"][field]


def test_failures_are_kept_apart_and_run_again(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    folder.server.always({"status": 400})
    report = folder.run()
    assert (report.succeeded, report.failed, dict(report.errors_by_class)) == (0, 2, {"BadRequestError": 2})
    assert report.errors == str(folder.errors)
    assert not report.is_complete
    assert folder.output.read_bytes() == b""
    line = next(line for line in read(folder.errors) if line["key"] == "a")
    assert line["request"] == {name: value for name, value in chat_row("a").items() if name != "custom_id"}
    assert line["response"]["status_code"] == 400
    assert line["error"]["class"] == "BadRequestError"
    assert (line["error"]["status_code"], line["error"]["attempts"], line["error"]["line"]) == (400, 1, 1)
    folder.server.always(None)
    assert folder.run().is_complete
    assert folder.keys() == ["a", "b"]
    assert not folder.errors.exists()


def test_the_file_of_failures_is_an_input(folder: Folder) -> None:
    folder.write(chat_row("a"), {"model": "m", "messages": SAID}, {"model": "m", "messages": SAID})
    folder.server.always({"status": 404})
    folder.run()
    folder.server.always(None)
    keys = sorted(line["key"] for line in read(folder.errors))
    again = folder.path / "again.jsonl"
    assert folder.run(input=folder.errors, output=again).is_complete
    assert sorted(line["key"] for line in read(again)) == keys


def test_what_still_fails_is_there_once(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"), b"{broken")
    folder.server.always({"status": 404})
    folder.run()
    folder.server.always(None)
    folder.server.script({"status": 404})
    folder.run(limit=1)
    assert sorted(line["key"] for line in read(folder.errors)) == ["a", "line:3"]
    assert folder.keys() == ["b"]


def test_a_key_that_the_server_refuses_stops_the_run(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(200)))
    folder.server.always({"status": 401})
    with pytest.raises(BatchError, match="the first 10 rows were refused for their key") as caught:
        folder.run(limit=4)
    assert caught.value.report is not None
    assert folder.sent < 30
    folder.server.always(None)
    assert folder.run().is_complete


def test_a_row_that_is_forbidden_stops_nothing(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(30)))
    folder.server.script(None, *[{"status": 403}] * 20)
    report = folder.run(limit=1)
    assert (report.succeeded, report.failed, report.end) == (10, 20, "complete")


def test_a_passing_fault_is_repeated_within_the_run(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(6)))
    # The cut comes first: on a connection that had served another row it would be repeated at no cost and not counted.
    folder.server.script({"cut_before_headers": True}, {"status": 503}, {"status": 429, "retry_after": "0"})
    report = folder.run(limit=2)
    assert report.is_complete
    assert (report.requests, folder.sent) == (9, 9)


def test_a_row_in_flight_keeps_its_idempotency_key_and_an_answered_one_gets_another(folder: Folder) -> None:
    folder.write(chat_row("a"))
    for fault in ({"cut_before_headers": True}, {"status": 400}, None):
        folder.server.always(fault)
        folder.run(retries=None)
    cut, refused, done = (request.headers["idempotency-key"] for request in folder.server.requests)
    assert cut == refused != done


def test_a_broken_line_fails_alone(folder: Folder) -> None:
    folder.write(
        chat_row("a"), b'{"custom_id": "b"', b"", {"prompt": "x", "model": "m", "custom_id": "c"}, chat_row("d")
    )
    report = folder.run()
    assert (report.rows, report.succeeded, report.failed, report.broken) == (4, 2, 2, 2)
    assert [(line["key"], line["request"]) for line in read(folder.errors)] == [("line:2", None), ("c", None)]
    assert read(folder.errors)[0]["error"]["message"].startswith(f"{folder.input}: line 2: not JSON at column 17")
    assert folder.sent == 2


def test_strict_sends_nothing_if_a_line_is_bad(folder: Folder) -> None:
    folder.write(chat_row("a"), b"{", b"[]")
    with pytest.raises(BatchError, match=r"in\.jsonl: line 2: not JSON .*\(and 1 more\); nothing was sent") as caught:
        folder.run(strict=True)
    assert (caught.value.line, caught.value.path, caught.value.report) == (2, str(folder.input), None)
    assert folder.sent == 0
    assert [path.name for path in folder.path.iterdir()] == ["in.jsonl"]


def test_a_file_of_another_operation_sends_nothing(folder: Folder) -> None:
    folder.write(*({"model": "m", "input": f"text {number}"} for number in range(3)))
    with pytest.raises(BatchError, match=r"line 1: input: unknown .* row looks like one of embeddings\.create \(and 2"):
        folder.run()
    assert folder.sent == 0


def test_a_custom_id_twice_sends_nothing(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"), chat_row("a", temperature=1.0))
    with pytest.raises(BatchError, match=r"line 3: custom_id 'a' is that of line 1 too; use a unique one for each row"):
        folder.run()
    assert folder.sent == 0


def test_an_output_of_another_configuration_is_left_alone(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.run(model="m", temperature=0.5)
    before = folder.output.read_bytes()
    folder.write(chat_row("a"), chat_row("b"))
    with pytest.raises(BatchError) as caught:
        folder.run(model="n", temperature=0.5, max_tokens=3)
    assert str(caught.value) == (
        f'{folder.output}: was written by a run of another configuration: model was "m" and is "n"; max_tokens was not '
        "given and is 3; name another output, or run as before"
    )
    with pytest.raises(BatchError, match=r'operation was "createChatCompletion" and is "createCompletion"'):
        folder.run(operation="completions", model="m", temperature=0.5)
    with LocalServer() as other, pytest.raises(BatchError, match="url was"):
        folder.run(model="m", temperature=0.5, server_url=other.url)
    assert folder.output.read_bytes() == before
    assert folder.run(model="m", temperature=0.5).succeeded == 1


def test_the_side_file_holds_no_secret_and_no_prompt(folder: Folder) -> None:
    folder.write({"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    folder.run(
        sdk={"api_key": "sk-placeholder"},
        http_headers={"x-token": "placeholder-token"},
        extra_body={"system": "a private prompt"},
    )
    written = folder.state.read_text() + folder.output.read_text()
    assert not any(secret in written for secret in ("sk-placeholder", "placeholder-token", "private"))
    assert set(json.loads(folder.state.read_text())["params"]) == {"extra_body"}


def test_a_key_that_the_server_echoes_is_not_written(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.server.always({"status": 401, "body": {"error": {"message": "bad key sk-placeholder-0123456789"}}})
    folder.run(sdk={"api_key": "sk-placeholder-0123456789"})
    assert "sk-placeholder-0123456789" not in folder.errors.read_text()
    assert "bad key" in folder.errors.read_text()


def test_an_output_without_its_side_file(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.run()
    folder.state.unlink()
    with pytest.raises(BatchError, match=r"holds something, but .*state\.json, which says what made it, is"):
        folder.run()
    for other in ("{}", "{", "[" * 100_000):
        folder.state.write_text(other)
        with pytest.raises(BatchError, match="is not the side file of a batch"):
            folder.run()
    folder.state.unlink()
    folder.state.mkdir()
    with pytest.raises(BatchError, match=r"state\.json: cannot be read: Is a directory"):
        folder.run()
    assert folder.sent == 1


def test_a_side_file_without_its_output_binds_nobody(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.run(temperature=0.5)
    before = json.loads(folder.state.read_text())
    folder.output.unlink()
    assert folder.run(temperature=0.7).succeeded == 1
    after = json.loads(folder.state.read_text())
    assert after["params"] == {"temperature": 0.7}
    assert after["run_id"] != before["run_id"]


def test_a_side_file_that_cannot_be_written_stops_the_run(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: str, content: bytes, like: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    folder.write(chat_row("a"))
    monkeypatch.setattr(state, "write_atomically", fail)
    with pytest.raises(BatchError, match=r"state\.json: cannot be written: No space left on device$"):
        folder.run()
    assert folder.sent == 0


@pytest.mark.parametrize("output", ["out.jsonl", "out.csv"])
def test_all_files_are_as_private_as_the_output(folder: Folder, output: str) -> None:
    folder.write(chat_row("a"), chat_row("b", temperature="hot"))
    target = folder.path / output
    target.touch(0o600)
    for _ in range(2):  # the second run writes failures and table anew
        report = folder.run(output=target, report=folder.path / "report", progress=False)
        assert (report.succeeded + report.done_before, report.failed) == (1, 1)
        made = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.path.iterdir() if path != folder.input}
        assert {*made.values()} == {0o600}
        assert len(made) >= 4
    public = folder.run(output=folder.path / "other.jsonl", progress=False)
    assert stat.S_IMODE((folder.path / "other.jsonl").stat().st_mode) == 0o666 & ~umask()
    assert public.errors is not None
    assert stat.S_IMODE(Path(public.errors).stat().st_mode) == 0o666 & ~umask()


def umask() -> int:
    os.umask(found := os.umask(0))
    return found


def test_all_servers_of_a_failover_are_in_the_side_file(folder: Folder) -> None:
    folder.write(chat_row("a"))
    first, second = (replace(one, servers=(folder.server.url,)) for one in (TOGETHER, R9S))
    keys = {"together": "sk-placeholder", "r9s": "sk-placeholder"}
    with SDK(api_key=keys, failover=Failover([first, second])) as sdk:
        assert sdk.batch.run(folder.input, folder.output).is_complete
        assert json.loads(folder.state.read_text())["server"] == "together,r9s"
        with pytest.raises(BatchError, match='server was "together,r9s" and is "r9s,together"'):
            sdk.batch.run(folder.input, folder.output, failover=Failover([second, first]))


def test_half_a_surrogate_pair_in_an_answer_loses_no_row(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    answer = {"index": 0, "message": {"role": "assistant", "content": "half \ud83d"}, "finish_reason": "stop"}
    refusal = {"status": 400, "body": {"error": {"message": "also \ud83d"}}}
    folder.server.script(refusal, {"body": {"id": "c", "object": "chat.completion", "choices": [answer]}})
    report = folder.run(limit=1)
    assert (report.succeeded, report.failed) == (1, 1)
    assert read(folder.errors)[0]["response"]["body"]["error"]["message"] == "also \ufffd"
    assert read(folder.output)[0]["response"]["body"]["choices"][0]["message"]["content"] == "half \ufffd"
    assert folder.run().is_complete


def test_a_file_whose_name_is_no_text(folder: Folder) -> None:
    folder.write(chat_row("a"), b"{")
    odd = folder.path / os.fsdecode(b"in-\xff.jsonl")
    folder.input.rename(odd)
    report = folder.run(input=odd, report=folder.path / "report")
    assert (report.succeeded, report.failed) == (1, 1)
    assert "line 2: not JSON" in read(folder.errors)[0]["error"]["message"]
    assert "in-" in (folder.path / "report.html").read_text("utf-8")


def test_a_report_that_cannot_be_written_leaves_the_results(folder: Folder) -> None:
    folder.write(chat_row("a"))
    (folder.path / "report.html").mkdir()
    with pytest.raises(BatchError, match=r"report: cannot be written: Is a directory"):
        folder.run(report=folder.path / "report")
    assert folder.keys() == ["a"]
    assert folder.run().is_complete
    assert folder.sent == 1


@pytest.mark.parametrize("other", ["a note", '{"key": "a"}', '{"key": 1, "response": {}}', "[]"])
def test_an_output_that_holds_something_else(folder: Folder, other: str) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    folder.run()
    with folder.output.open("a") as file:
        file.write(f"{other}\n")
    with pytest.raises(BatchError, match=r"out\.jsonl: line 3: isn't a result of a batch"):
        folder.run()


@pytest.mark.parametrize("held", ['{"custom_id": "a", "model": "m"}', "a note", "a note\n"])
def test_a_file_of_somebody_else_is_no_output(folder: Folder, held: str) -> None:
    folder.write(chat_row("a"))
    folder.output.write_text(held)
    with pytest.raises(BatchError, match=r"out\.jsonl: holds something, but .* is missing"):
        folder.run()
    assert folder.output.read_text() == held
    assert folder.sent == 0


@pytest.mark.parametrize(
    "held", ['{"custom_id": "a", "model": "m"}', '{"custom_id": "a"}\n{"custom_id": "b"}\n', "a note", "a note\n"]
)
def test_a_file_of_somebody_else_takes_no_failures(folder: Folder, held: str) -> None:
    folder.write(chat_row("a"))
    folder.errors.write_text(held)
    with pytest.raises(
        BatchError, match=r"errors\.jsonl: line 1: isn't a failure of a batch; name another file for err"
    ):
        folder.run()
    assert folder.errors.read_text() == held
    assert folder.sent == 0


@pytest.mark.parametrize("length", [1, 5, 40])
def test_a_torn_failure_is_cut_off(folder: Folder, length: int) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    folder.server.script({"status": 404}, {"status": 404})
    folder.run()
    whole = folder.errors.read_bytes()
    folder.errors.write_bytes(whole + whole[:length])
    assert folder.run().is_complete
    assert not folder.errors.exists()


def test_without_resume_results_are_not_touched(folder: Folder) -> None:
    folder.write(chat_row("a"))
    assert folder.run(resume=False).is_complete
    with pytest.raises(BatchError, match=r"holds results already; resume=True goes on with it, or name another output"):
        folder.run(resume=False)


def test_a_torn_last_line_is_sent_again(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    folder.run(limit=1)
    whole = folder.output.read_bytes()
    folder.output.write_bytes(whole[:-30])
    report = folder.run()
    assert (report.done_before, report.succeeded) == (1, 1)
    assert folder.keys() == ["a", "b"]


def test_two_runs_on_one_output(folder: Folder) -> None:
    folder.write(chat_row("a"))
    with Journal(str(folder.output)), pytest.raises(BatchError, match="another run is writing it; wait for its end"):
        folder.run()
    assert folder.run().is_complete


@pytest.mark.parametrize(
    "given, told",
    [
        ({"output": "in.jsonl"}, "is input and output at once; name another file"),
        ({"errors": "in.jsonl"}, "is input and errors at once; name another file"),
        ({"errors": "out.jsonl"}, "is output and errors at once; name another file"),
        ({"errors": "out.jsonl.state.json"}, "is errors and the output's side file at once"),
        ({"report": "out.jsonl.state"}, "is the output's side file and report at once"),
        ({"output": "out.json", "report": "out"}, "is output and report at once; name another file"),
        ({"input": "gone.jsonl"}, "there is no such file"),
        ({"input": "."}, "cannot be read: Is a directory"),
        ({"output": "."}, "cannot be written: Is a directory"),
        ({"output": "gone/out.jsonl"}, "cannot be written: No such file or directory; make its folder first"),
    ],
)
def test_paths_that_cannot_be(folder: Folder, given: dict[str, str], told: str) -> None:
    folder.write(chat_row("a"))
    with pytest.raises(BatchError, match=told):
        folder.run(**{name: folder.path / path for name, path in given.items()})
    assert folder.sent == 0
    assert [path.name for path in folder.path.iterdir()] == ["in.jsonl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_is_read_only(folder: Folder) -> None:
    folder.write(chat_row("a"))
    folder.path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(BatchError, match="Permission denied; name an output that can be written"):
            folder.run()
    finally:
        folder.path.chmod(0o700)


@pytest.mark.parametrize(
    "given, kind, told",
    [
        ({"operation": "chatt"}, BatchError, "operation: must be one of"),
        ({"modle": "m"}, errors.RequestValidationError, "modle: unknown parameter of chat.create; did you mean"),
        ({"stream": True}, errors.RequestValidationError, "stream: replies of a batch come whole; leave it out"),
        ({"limit": 0}, errors.ConfigurationError, "limit: must be an int from 1"),
        ({"deadline_ms": -1}, errors.ConfigurationError, "deadline_ms"),
        ({"input": 7}, errors.ConfigurationError, "input: got int 7; expected the path of a file"),
        ({"output": ""}, errors.ConfigurationError, "output: got an empty str; expected the path"),
    ],
)
def test_arguments_that_cannot_be(folder: Folder, given: dict[str, Any], kind: type[Exception], told: str) -> None:
    folder.write(chat_row("a"))
    with pytest.raises(kind, match=told):
        folder.run(**given)
    assert folder.sent == 0
    assert [path.name for path in folder.path.iterdir()] == ["in.jsonl"]


def test_a_full_disk_stops_the_run_and_tells_what_is_done(folder: Folder, full_disk: Path) -> None:
    folder.write(chat_row("a"))
    folder.output.symlink_to(full_disk)
    with pytest.raises(BatchError, match="cannot be written: No space left on device; make room, and run") as caught:
        folder.run()
    report = caught.value.report
    assert (report.end, report.succeeded, report.left) == ("stopped", 0, 1)
    folder.output.unlink()
    assert folder.run().is_complete


def test_a_disk_that_fills_up_keeps_whole_lines(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(8)))
    room = 1500
    really = os.write

    def write(descriptor: int, data: bytes) -> int:
        if not (folder.output.exists() and os.path.samestat(os.fstat(descriptor), folder.output.stat())):
            return really(descriptor, data)
        left = room - os.fstat(descriptor).st_size
        if left <= 0:
            raise OSError(28, "No space left on device")
        return really(descriptor, data[:left])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        with pytest.raises(BatchError, match="No space left on device") as caught:
            folder.run(limit=2)
    done = folder.keys()
    assert 0 < len(done) < 8
    assert caught.value.report.succeeded == len(done)
    again = folder.run()
    assert again.is_complete
    assert folder.keys() == sorted(f"r{number}" for number in range(8))
    # Not by what the server saw: it may come to a row that was under way at the end of the first run in the second.
    assert (again.done_before, again.requests) == (len(done), 8 - len(done))


def test_what_came_before_an_interruption_is_written(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    if folder.is_async:
        pytest.skip("nothing comes while a task holds the loop")
    folder.write(*(chat_row(f"r{number}") for number in range(12)))
    really, settle = FileRun.take, RowQueue.settle
    settled: list[Any] = []

    def take(run: FileRun, outcome: Any) -> None:
        monkeypatch.setattr(FileRun, "take", really)
        really(run, outcome)
        limit = time.monotonic() + 10
        while len(settled) < 5 and time.monotonic() < limit:
            time.sleep(0.01)
        assert settled[0].is_full  # so no more rows are sent meanwhile, which bounds what a kill costs
        raise KeyboardInterrupt

    def noted(work: RowQueue, *given: Any) -> None:
        settle(work, *given)
        settled.append(work)

    monkeypatch.setattr(RowQueue, "settle", noted)
    monkeypatch.setattr(FileRun, "take", take)
    with pytest.raises(KeyboardInterrupt) as caught:
        folder.run(limit=4)
    assert caught.value.__notes__[0].startswith("5 of 12 rows done, 0 failed, 7 left")
    assert len(folder.keys()) == folder.sent == 5
    assert not folder.errors.exists()


def test_a_run_that_stops_writes_its_report(folder: Folder, full_disk: Path) -> None:
    folder.write(chat_row("a"))
    folder.output.symlink_to(full_disk)
    with pytest.raises(BatchError, match="No space left on device"):
        folder.run(report=folder.path / "report")
    assert json.loads((folder.path / "report.json").read_text())["end"] == "stopped"


def test_a_row_for_which_nothing_was_sent_counts_no_request(folder: Folder) -> None:
    folder.write(chat_row("a"), {"custom_id": "b", "messages": SAID})
    report = folder.run()
    assert (report.succeeded, report.failed, report.requests, folder.sent) == (1, 1, 1, 1)
    assert read(folder.errors)[0]["error"]["attempts"] == 0


def test_a_deadline_leaves_rows_for_the_next_run(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(30)))
    folder.server.always({"delay_s": 0.05})
    report = folder.run(limit=2, deadline_ms=300)
    assert report.end == "deadline"
    assert report.left > 0
    assert report.succeeded + report.failed + report.left == 30
    folder.server.always(None)
    assert folder.run().is_complete
    assert folder.keys() == sorted(f"r{number}" for number in range(30))


def test_prices_and_tokens_are_summed(folder: Folder) -> None:
    folder.write(chat_row("a"), chat_row("b"))
    report = folder.run(sdk={"prices": {"m": Price(input_per_million=1.0, output_per_million=2.0)}})
    bodies = [line["response"]["body"]["usage"] for line in read(folder.output)]
    assert report.total_tokens == sum(usage["total_tokens"] for usage in bodies) > 0
    assert report.cost == pytest.approx((report.prompt_tokens + 2 * report.completion_tokens) / 1e6)


def test_a_report_is_written_as_json_and_as_a_page(folder: Folder) -> None:
    folder.write(*(chat_row(f"<r{number}>") for number in range(5)), b"{")
    report = folder.run(report=folder.path / "report.html")
    told = json.loads((folder.path / "report.json").read_text())
    assert (told["succeeded"], told["broken"], told["is_complete"]) == (5, 1, False)
    assert set(told["latency_ms"]) == {"mean", "p50", "p90", "p99", "max"}
    assert sum(bucket["rows"] for bucket in told["latency_histogram"]) == sum(told["timeline"]["rows_done"]) == 5
    page = (folder.path / "report.html").read_text()
    assert page == report.as_html()
    assert page.count("<svg") == 3  # throughput, requests in flight, latency
    assert "RequestValidationError" in page
    assert "http" not in page.replace("http://127.0.0.1", "")
    assert "<script" not in page


def test_a_report_tells_attempts_over_time(folder: Folder) -> None:
    folder.write(*(chat_row(f"r{number}") for number in range(4)))
    refusal = {"status": 429, "retry_after": "0"}
    # The cut comes first: on a connection that had served another row it would be repeated at no cost and not counted.
    folder.server.script({"cut_before_headers": True}, refusal, refusal, {"status": 503})
    folder.server.always({"delay_s": 0.05})
    report = folder.run(limit=1, retries=replace(QUICK, max_attempts=8))
    assert report.is_complete
    assert report.retries_by_status == {"429": 2, "503": 1, "no reply": 1}
    assert sum(report.timeline["replies_429"]) == 2
    assert max(report.timeline["requests_in_flight"]) > 0
    page = report.as_html()
    assert "429 per second" in page
    assert "Retries" in page


def test_an_empty_input_is_done_at_once(folder: Folder) -> None:
    folder.write()
    report = folder.run(report=folder.path / "r")
    assert (report.rows, report.is_complete) == (0, True)
    assert (folder.path / "r.html").exists()
    assert Path(folder.output).read_bytes() == b""
