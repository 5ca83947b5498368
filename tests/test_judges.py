"""Outside judges, which only `make judges` runs: their list and how they print, which need none of their packages."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SHARED = {"__init__", "checks", "sdk_checks"}


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("llmsdk_judges_script", ROOT / "scripts" / "judges.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_judge_is_run(script: ModuleType) -> None:
    files = {file.stem: file.read_text("utf-8") for file in (ROOT / "tests" / "judges").glob("*.py")}
    assert {name for name, _ in script.JUDGES} == files.keys() - SHARED
    for name, _ in script.JUDGES:
        assert re.search(r"^def judge\(checks: Checks\)", files[name], re.MULTILINE), name
    assert all((ROOT / "tests" / "judges" / listed).is_file() for listed in script.ENVIRONMENTS)


def test_a_verdict_names_what_is_wrong_and_what_was_left_out(script: ModuleType) -> None:
    verdict = script.Verdict(version="1.0", count=3, wrong=["chat: no"], skipped=["models: has none"])
    first, wrong, left_out = verdict.lines("some").splitlines()
    assert first.split() == ["some", "1.0", "3", "checks", "1", "wrong"]
    assert (wrong.strip(), left_out.strip()) == ("wrong: chat: no", "left out: models: has none")
    assert script.Verdict(reason="there is no node").lines("some").endswith("not run: there is no node")


def test_a_command_that_hangs_is_ended(script: ModuleType) -> None:
    status, said = script._bounded([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)
    assert (status, said) == (None, "took longer than 0.2 s")
