"""CI runs what a checkout runs, actions are pinned, and a release waits for a person and holds no token."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_commits_and_rights_are_few(path: Path) -> None:
    text = path.read_text("utf-8")
    used = re.findall(r"uses: +(\S+)(?: # (v\d+\.\d+\.\d+))?$", text, re.MULTILINE)
    assert used
    for action, version in used:
        assert action.startswith("./") or (re.search(r"@[0-9a-f]{40}$", action) and version), action
    assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE)
    assert set(re.findall(r"\b(\w[\w-]*): write", text)) <= {"id-token"}
    # Values that others choose, such as names of branches, are no part of a script.
    assert not re.search(r"run:[^\n]*\$\{\{", text)


def test_ci_runs_the_script_of_the_repository_on_every_python() -> None:
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    assert "run: bash .ci/run" in text
    assert "run: make site" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert re.findall(r'"(3\.\d+)"', text.split("python: [")[1].split("]")[0]) == declared


def test_a_release_is_checked_then_waits_for_approval_and_is_trusted_by_its_environment() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    build, publish = text.split("\n  build:\n")[1].split("\n  publish:\n")
    assert "needs: checks" in build
    assert "needs: build" in publish
    assert "environment:\n      name: pypi" in publish
    assert "id-token: write" in publish
    assert "id-token" not in build
    assert "secrets." not in text
    assert "password" not in text


def test_addresses_of_the_project_are_nobody_elses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(project["urls"])
    assert all(re.match(r"https://llmsdk\.example/", url) for url in project["urls"].values())
