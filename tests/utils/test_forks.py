"""A forked child works, whatever the threads of its parent were in the middle of."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import llmsdk
from llmsdk._call.adapters import at_first
from llmsdk.local import LocalServer
from llmsdk.resources.operations.chat import CREATE_CHAT_COMPLETION
from llmsdk.utils import forks
from llmsdk.utils.forks import FIRST_USE, forkable_lock, once

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

# What the interpreter holds to its very end through the functions that forks call; modules are emptied before.
REACHED_FROM_HOOKS = """
import gc, sys, types
import llmsdk.resources.chat
from llmsdk.utils import forks

found, waiting = {}, [forks._before, forks._after, forks._after_in_child]
while waiting:
    for one in gc.get_referents(waiting.pop()):
        if id(one) not in found and not isinstance(one, types.ModuleType):
            found[id(one)] = one
            waiting.append(one)
looked_for = [vars(forks), vars(sys.modules["typing"]), llmsdk.models.messages.ChatMessage]
print(*(id(one) in found for one in looked_for))
"""

# Threads at their first call, which imports most of the package, and a fork a moment later.
FORK_DURING_FIRST_CALLS = """
import asyncio, os, signal, sys, threading, time
from llmsdk import SDK

sdk = SDK(server_url=sys.argv[1])
one = {"model": "m", "messages": [{"role": "user", "content": "x"}]}

def add(a: int) -> int:
    "Add."
    return a

calls = {
    "create": lambda: sdk.chat.create(**one),
    "create_async": lambda: asyncio.run(sdk.chat.create_async(**one)),
    "get": lambda: sdk.get("/models"),
    "map": lambda: list(sdk.chat.map([one])),
    "run_tools": lambda: sdk.chat.run_tools(tools=[add], **one),
}
call = calls[sys.argv[3]]

threads = [threading.Thread(target=call) for _ in range(4)]
for thread in threads:
    thread.start()
time.sleep(float(sys.argv[2]))
child = os.fork()
if not child:
    signal.alarm(30)
    call()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
for thread in threads:
    thread.join()
sdk.close()
"""


def run(url: str, wait_s: float, call: str) -> tuple[int, str, str]:
    env = {**os.environ, "PYTHONPATH": str(Path(llmsdk.__file__).parent.parent)}
    command = [sys.executable, "-W", "ignore", "-c", FORK_DURING_FIRST_CALLS, url, str(wait_s), call]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=env)
    return done.returncode, done.stdout, done.stderr


def test_a_child_calls_though_the_first_calls_of_its_parent_were_under_way() -> None:
    waits = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
    # All of these import, and not all of what they import is ours.
    calls = ["create", "map", "run_tools", "get", "create_async", "map", "run_tools", "create"]
    with LocalServer() as server, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(run, [server.url] * len(waits), waits, calls))
    assert found == [(0, "0\n", "")] * len(waits)


class Slow:
    """A module whose import takes until it is told to end; imported by a file that the test names."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.over = threading.Event(), threading.Event()
        name = "slow_to_import"
        (folder / f"{name}.py").write_text("from builtins import slow\nslow.began.set()\nslow.over.wait(30)\n")
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr("builtins.slow", self, raising=False)
        monkeypatch.delitem(sys.modules, name, raising=False)

    @contextmanager
    def imported_by(self, file: str) -> Iterator[None]:
        code = compile("import slow_to_import", file, "exec")
        thread = threading.Thread(target=exec, args=(code, {}))
        thread.start()
        assert self.began.wait(30)
        try:
            yield
        finally:
            self.over.set()
            thread.join()
            del sys.modules["slow_to_import"]


def test_a_fork_waits_for_the_imports_of_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(tmp_path, monkeypatch)
    with slow.imported_by(f"{forks._PACKAGE}chat.py"):
        threading.Timer(0.2, slow.over.set).start()
        assert in_child() == 0
        assert slow.over.is_set()


@pytest.mark.parametrize("file, patience_s", [(f"{forks._PACKAGE}chat.py", 0.1), ("app.py", 60)])
def test_a_fork_waits_for_no_import_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, patience_s: float
) -> None:
    """What a program imports may be the program itself; and an import may hang."""
    monkeypatch.setattr(forks, "_PATIENCE_S", patience_s)
    slow = Slow(tmp_path, monkeypatch)
    with slow.imported_by(file):
        assert in_child() == 0
        assert not slow.over.is_set()


def in_child() -> int:
    """Fork while a thread holds locks; the answer is how a child ends that wants them."""
    child = os.fork()
    if not child:
        os._exit(0 if lock.acquire(timeout=1) and FIRST_USE.acquire(timeout=1) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


lock = forkable_lock()


def test_a_lock_that_a_thread_holds_is_free_in_the_child() -> None:
    with lock:
        assert in_child() == 0
        assert lock.locked()


def test_a_fork_waits_for_a_first_use() -> None:
    began, over = threading.Event(), threading.Event()

    def use() -> None:
        with FIRST_USE:
            began.set()
            over.wait(0.3)
            ended.append(True)

    ended = list[bool]()
    thread = threading.Thread(target=use)
    thread.start()
    began.wait(10)
    assert in_child() == 0
    assert ended == [True]
    thread.join()


def test_a_fork_waits_for_the_first_use_of_a_validator_alone() -> None:
    kept: list[Any] = []

    def validate(body: bytes, *, strict: bool = False) -> tuple[bytes, bool]:
        if body == b"wrong":
            raise ValueError(body)
        return body, FIRST_USE._is_owned()

    first = at_first(validate, kept.append)
    with pytest.raises(ValueError, match="wrong"):
        first(b"wrong")
    assert kept == []  # it may have failed before it came to much
    assert first(b"1", strict=True) == (b"1", True)
    assert kept == [validate]
    assert first(b"2") == (b"2", False)


def test_operations_keep_their_validators_after_the_first_use() -> None:
    operation = CREATE_CHAT_COMPLETION.__replace__()
    before = operation.read_reply, operation.read_chunk, operation.check_types
    operation.read_reply(b'{"choices": []}')
    operation.read_chunk(b'{"choices": []}')
    operation.check_types({"model": "m", "messages": []}, strict=True)
    after = operation.read_reply, operation.read_chunk, operation.check_types
    assert {one.__name__ for one in before} == {"first"}
    assert [one.__name__ for one in after] == ["validate_json", "validate_json", "validate_python"]


def test_a_first_use_that_never_ends_keeps_a_fork_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmsdk.utils.forks._PATIENCE_S", 0.1)
    began, over = threading.Event(), threading.Event()

    def use() -> None:
        with FIRST_USE:
            began.set()
            over.wait(60)

    thread = threading.Thread(target=use)
    thread.start()
    began.wait(10)
    assert in_child() == 0
    over.set()
    thread.join()


def test_a_property_is_computed_once() -> None:
    class Home:
        made = 0

        @once
        def value(self) -> int:
            """What it is."""
            self.made += 1
            return self.made

    home = Home()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: home.value, range(20))) == [1] * 20
    assert Home.value.__doc__ == "What it is."
    assert Home.__dict__["value"] is Home.value


def test_no_property_holds_a_lock_that_a_fork_does_not_wait_for() -> None:
    package = Path(llmsdk.__file__).parent
    found = [path for path in package.rglob("*.py") if "functools import cached_property" in path.read_text("utf-8")]
    assert found == [package / "utils" / "forks.py"]


def test_a_lock_that_a_thread_never_lets_go_is_free_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork is not kept for ever, and the child has no thread that could release it."""
    held, hanging, over = threading.RLock(), threading.Event(), threading.Event()
    monkeypatch.setattr(forks, "FIRST_USE", held)
    monkeypatch.setattr(forks, "_PATIENCE_S", 0.01)

    def hang() -> None:
        held.acquire()
        hanging.set()
        over.wait()

    thread = threading.Thread(target=hang)
    thread.start()
    assert hanging.wait(10)
    forks._before()
    assert not held.acquire(blocking=False)
    forks._after_in_child()
    assert held.acquire(blocking=False)
    over.set()
    thread.join()


def test_what_forks_call_keeps_nothing_else_alive_at_exit() -> None:
    command = [sys.executable, "-c", REACHED_FROM_HOOKS]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ran.stdout.split() == ["True", "False", "False"], ran.stderr
