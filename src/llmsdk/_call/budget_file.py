"""The account of a budget in a file, which processes share and which outlives them."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..errors import ConfigurationError
from ..utils.shapes import is_list, is_object

_fcntl: Any = import_module("fcntl") if find_spec("fcntl") else None  # not on Windows
_FORM = "llmsdk budget 1"
_PARTS = 3


class Account:
    """What a file says: what is spent, and what each process holds for its calls under way."""

    def __init__(self, spent: list[int], held: dict[str, list[int]]) -> None:
        self.spent = spent
        self._held = held
        self._me = _name()
        self.is_changed = self._take_from_the_dead()

    @property
    def reserved(self) -> list[int]:
        """What is held by all processes."""
        return [sum(parts) for parts in zip([0] * _PARTS, *self._held.values(), strict=True)]

    def reserve(self, amount: Sequence[int]) -> None:
        """Hold an amount for a call of this process."""
        self._held[self._me] = _sum(self._held.get(self._me), amount)
        self.is_changed = True

    def settle(self, reserved: Sequence[int], spent: Sequence[int]) -> None:
        """Give back what was held, and take what was spent."""
        left = _sum(self._held.get(self._me), reserved, -1)
        if any(part < 0 for part in left):  # somebody thought that we had died, and counted it as spent
            self.spent = _sum(self.spent, reserved, -1)
        else:
            self._held[self._me] = left
        self.spent = _sum(self.spent, spent)
        if not any(self._held.get(self._me, ())):
            self._held.pop(self._me, None)
        self.is_changed = True

    def written(self) -> bytes:
        """Write the account as JSON."""
        return json.dumps({"form": _FORM, "spent": self.spent, "held": self._held}).encode()

    def _take_from_the_dead(self) -> bool:
        """Count as spent what processes held that are gone: what became of their calls, nobody knows."""
        gone = [name for name in self._held if name != self._me and _is_gone(name)]
        for name in gone:
            self.spent = _sum(self.spent, self._held.pop(name))
        return bool(gone)


class BudgetFile:
    """The file; one process at a time reads and writes it.

    Raises:
        ConfigurationError: The system cannot lock files.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if _fcntl is None:
            raise ConfigurationError("path: this system has no locks on files that processes could share a budget by")
        self.path: str = os.path.abspath(os.fspath(path))

    @contextmanager
    def opened(self, *, wait: bool = True) -> Generator[Account, None, None]:
        """Read the account, and write it where it has changed; nobody else does meanwhile.

        Raises:
            BlockingIOError: Somebody else is at it, and `wait` is False.
            ConfigurationError: The file cannot be read or written, or is none of ours.
        """
        try:
            # The lock has a file of its own: the account is replaced as a whole, so that a kill leaves one of the two.
            with open(f"{self.path}.lock", "ab") as lock:
                _fcntl.flock(lock, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))
                account = self._read()
                yield account
                if account.is_changed:
                    self._write(account.written())
        except BlockingIOError:
            raise
        except OSError as exc:
            raise ConfigurationError(f"path: {self.path!r} cannot be used: {exc.strerror or exc}") from exc

    def _read(self) -> Account:
        try:
            with open(self.path, "rb") as file:
                content = file.read()
        except FileNotFoundError:
            return Account([0] * _PARTS, {})
        document: Any = None
        with suppress(ValueError, RecursionError):
            document = json.loads(content)
        if is_object(document) and document.get("form") == _FORM and _is_amount(document.get("spent")):
            held: Any = document.get("held")
            if is_object(held) and all(map(_is_amount, held.values())):
                return Account(document["spent"], held)
        raise ConfigurationError(f"path: {self.path!r} is not the file of a budget")

    def _write(self, content: bytes) -> None:
        draft = f"{self.path}.{os.getpid()}.new"
        with open(draft, "wb") as file:
            file.write(content)
        os.replace(draft, self.path)


def _sum(one: Sequence[int] | None, other: Sequence[int], sign: int = 1) -> list[int]:
    return [mine + sign * theirs for mine, theirs in zip(one or [0] * _PARTS, other, strict=True)]


def _is_amount(value: Any) -> bool:
    return is_list(value) and len(value) == _PARTS and all(type(part) is int for part in value)


def _name() -> str:
    return f"{os.getpid()}@{socket.gethostname()}"


def _is_gone(name: str) -> bool:
    """Tell a process of this machine that has ended; of other machines, nothing is known."""
    number, _, host = name.partition("@")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return True
    except OSError:
        pass  # it is somebody else's, and lives
    return False
