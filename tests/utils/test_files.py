"""Files are written whole or not at all, and are as private as what they replace or stand beside."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from llmsdk.utils.files import Draft, open_like, write_atomically

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions are of POSIX")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made(path: Path, mode: int) -> Path:
    path.write_bytes(b"before")
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o664, 0o400, 0o777])
def test_what_is_replaced_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = made(tmp_path / "file", mode)
    write_atomically(path, b"after")
    assert (path.read_bytes(), mode_of(path)) == (b"after", mode)


def test_the_mode_is_that_of_the_file_behind_a_link(tmp_path: Path) -> None:
    path = made(tmp_path / "file", 0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    write_atomically(link, b"after")
    assert link.is_symlink()
    assert mode_of(path) == 0o600


def test_a_new_file_has_the_usual_mode_or_that_of_another(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "plain", b"")
        write_atomically(tmp_path / "like", b"", made(tmp_path / "private", 0o600))
        write_atomically(tmp_path / "unlike", b"", tmp_path / "missing")
    finally:
        os.umask(old)
    assert [mode_of(tmp_path / name) for name in ("plain", "like", "unlike")] == [0o640, 0o600, 0o640]


def test_what_is_replaced_comes_before_what_it_is_like(tmp_path: Path) -> None:
    path = made(tmp_path / "file", 0o644)
    write_atomically(path, b"after", made(tmp_path / "private", 0o600))
    assert mode_of(path) == 0o644


def test_a_draft_is_private_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    chmod = os.chmod

    def watched(path: str | os.PathLike[str], mode: int) -> None:
        seen.append(mode_of(Path(path)))
        chmod(path, mode)

    path = made(tmp_path / "file", 0o644)
    with monkeypatch.context() as patch:
        patch.setattr(os, "chmod", watched)
        draft = Draft(path)
    draft.discard()
    assert seen == [0o600]
    assert mode_of(tmp_path / "file") == 0o644


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = made(tmp_path / "file", 0o644)
    os.close(open_like(path, os.O_WRONLY, made(tmp_path / "private", 0o600)))
    assert mode_of(path) == 0o644


@pytest.mark.parametrize("may", [True, False])
def test_another_group_is_kept_or_shut_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, may: bool) -> None:
    private = made(tmp_path / "private", 0o660)
    real: Callable[..., os.stat_result] = os.stat
    owned: list[int] = []

    def other(path: str | os.PathLike[str], **more: bool) -> os.stat_result:
        found = real(path, **more)
        return os.stat_result((*found[:5], found.st_gid + 1, *found[6:10])) if path == private else found

    def chown(path: str | os.PathLike[str], user: int, group: int) -> None:
        if not may:
            raise PermissionError
        owned.append(group)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", other)
        patch.setattr(os, "chown", chown)
        write_atomically(tmp_path / "new", b"", private)
    assert mode_of(tmp_path / "new") == (0o660 if may else 0o600)
    assert owned == ([private.stat().st_gid + 1] if may else [])
