"""Budget: a bound of what calls may cost or use together, which holds because each reserves before it is sent."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple
from weakref import finalize

from ..errors import BudgetExceededError, ConfigurationError
from ..utils.forks import forkable_lock
from ..utils.shapes import described
from .budget_file import Account, BudgetFile

_UNIT = 10**12  # of a currency, in whole numbers: sums of floats would leave a rest where nothing is reserved
_MOST = 1e15


class Amount(NamedTuple):
    """What a call takes of a budget; `cost` in units of 1e-12."""

    cost: int = 0
    tokens: int = 0
    requests: int = 0

    def plus(self, other: Amount, sign: int = 1) -> Amount:
        """Add another amount, or take it away."""
        return Amount(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Amount()


def units(cost: float) -> int:
    """Write a cost in whole units."""
    return round(cost * _UNIT)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a budget stands.

    Attributes:
        cost: In the currency of the prices.
        tokens: Of prompts and completions together.
        requests: Attempts that were sent.
    """

    cost: float = 0.0
    tokens: int = 0
    requests: int = 0


class Budget:
    """A bound of what calls may cost or use together, kept by all that share it, in threads and tasks.

    A call reserves what it may take at the most, before a byte is sent, and pays what it took once that is known. Pass
    it as `SDK(budget=...)` or `sdk.track(budget=...)`.

    Args:
        cost: Most that the calls may cost, in the currency of `SDK(prices=...)`.
        tokens: Most tokens that they may use, of prompts and completions together.
        requests: Most requests that they may send; each retry is one.
        output_tokens: What a call without `max_tokens` may generate; without it, such calls are refused where `cost`
            or `tokens` are bounded.
        path: File that keeps the account, for a budget that outlives the process, or that several processes share.

    Raises:
        ConfigurationError: No bound, or one that cannot be.
    """

    def __init__(
        self,
        *,
        cost: float | None = None,
        tokens: int | None = None,
        requests: int | None = None,
        output_tokens: int | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        self._cost: float | None = _checked(cost, "cost", float)
        self._tokens: int | None = _checked(tokens, "tokens", int)
        self._requests: int | None = _checked(requests, "requests", int)
        self._output_tokens: int | None = _checked(output_tokens, "output_tokens", int)
        if (cost, tokens, requests) == (None, None, None):
            raise ConfigurationError("budget: needs a bound: cost=, tokens= or requests=")
        self._file = None if path is None else BudgetFile(path)
        self._lock = forkable_lock()
        self._spent = self._reserved = NOTHING
        # What is over and not yet written into the sums. A finalizer may append at any moment, where it could take no
        # lock: the thread that it interrupts may hold it.
        self._over: deque[tuple[Amount, Amount]] = deque()
        self._pid = os.getpid()
        if self._file is not None:  # also at the end of the process
            finalize(self, _write_down, self._file, self._over)

    @property
    def cost(self) -> float | None:
        """The bound of the cost."""
        return self._cost

    @property
    def tokens(self) -> int | None:
        """The bound of the tokens."""
        return self._tokens

    @property
    def requests(self) -> int | None:
        """The bound of the requests."""
        return self._requests

    @property
    def output_tokens(self) -> int | None:
        """What a call without `max_tokens` is taken to generate."""
        return self._output_tokens

    @property
    def spent(self) -> BudgetState:
        """What the calls have taken that are over."""
        return _shown(self._read()[0])

    @property
    def reserved(self) -> BudgetState:
        """What is held for calls under way."""
        return _shown(self._read()[1])

    def reserve(self, amount: Amount) -> None:
        """Take an amount, or nothing.

        Raises:
            BudgetExceededError: It would pass a bound.
        """
        with self._lock:
            if self._file is None:
                self._settle_here()
                self._check(amount, self._spent, self._reserved)
                self._reserved = self._reserved.plus(amount)
                return
            with self._file.opened() as account:
                self._settle_in(account)
                self._check(amount, Amount(*account.spent), Amount(*account.reserved))
                account.reserve(amount)

    def settle(self, reserved: Amount, spent: Amount) -> None:
        """Give back what was reserved, and take what was spent; never waits, as a finalizer may be the caller."""
        self._over.append((reserved, spent))
        if self._file is None or not self._lock.acquire(blocking=False):
            return  # whoever looks next writes it into the sums
        try:
            with suppress(BlockingIOError), self._file.opened(wait=False) as account:
                self._settle_in(account)
        finally:
            self._lock.release()

    def _read(self) -> tuple[Amount, Amount]:
        with self._lock:
            if self._file is None:
                self._settle_here()
                return self._spent, self._reserved
            with self._file.opened() as account:
                self._settle_in(account)
                return Amount(*account.spent), Amount(*account.reserved)

    def _settle_here(self) -> None:
        while self._over:
            reserved, spent = self._over.popleft()
            self._reserved, self._spent = self._reserved.plus(reserved, -1), self._spent.plus(spent)

    def _settle_in(self, account: Account) -> None:
        if os.getpid() != self._pid:  # a fork: what is over was the parent's, which settles it
            self._pid = os.getpid()
            self._over.clear()
        _settle_all(account, self._over)

    def _check(self, amount: Amount, spent: Amount, reserved: Amount) -> None:
        bounds = (None if self._cost is None else int(self._cost * _UNIT), self._tokens, self._requests)
        for index, name in enumerate(Amount._fields):
            bound = bounds[index]
            if bound is not None and spent[index] + reserved[index] + amount[index] > bound:
                values = (amount[index], bound, spent[index], reserved[index])
                needed, limit, gone, held = (one / _UNIT for one in values) if name == "cost" else values
                raise BudgetExceededError(
                    f"budget: {name} is bounded by {limit:.12g}, of which {gone:.12g} is spent and {held:.12g} "
                    f"reserved for calls under way; this call may take {needed:.12g} and was not sent",
                    bound=name,
                    limit=limit,
                    spent=gone,
                    reserved=held,
                    needed=needed,
                )

    def __repr__(self) -> str:
        bounds = {"cost": self._cost, "tokens": self._tokens, "requests": self._requests}
        return f"Budget({', '.join(f'{name}={bound:g}' for name, bound in bounds.items() if bound is not None)})"

    def __copy__(self) -> Budget:
        return self  # one account, however many hold it

    def __deepcopy__(self, memo: Any) -> Budget:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        if self._file is None:
            raise ConfigurationError(
                "budget: a copy in another process would be a second account; give it path=, a file that they share"
            )
        return _made, (self._cost, self._tokens, self._requests, self._output_tokens, self._file.path)


def _settle_all(account: Account, over: deque[tuple[Amount, Amount]]) -> None:
    while over:
        account.settle(*over.popleft())


def _write_down(file: BudgetFile, over: deque[tuple[Amount, Amount]]) -> None:
    """Write what is over into the file, when a budget goes."""
    if over:
        with suppress(ConfigurationError), file.opened() as account:
            _settle_all(account, over)


def _made(cost: Any, tokens: Any, requests: Any, output_tokens: Any, path: str) -> Budget:
    return Budget(cost=cost, tokens=tokens, requests=requests, output_tokens=output_tokens, path=path)


def _checked(value: Any, name: str, kind: type[Any]) -> Any:
    if value is None:
        return None
    accepted = int | float if kind is float else int
    if isinstance(value, bool) or not isinstance(value, accepted) or not 0 <= value <= _MOST:
        wanted = "a finite number" if kind is float else "an integer"
        raise ConfigurationError(f"{name}: must be {wanted} of at least 0, got {described(value)}")
    return value


def _shown(amount: Amount) -> BudgetState:
    return BudgetState(amount.cost / _UNIT, amount.tokens, amount.requests)


def checked_budget(value: Any) -> Budget | None:
    """Check the option.

    Raises:
        ConfigurationError: It is no budget.
    """
    if value is None or isinstance(value, Budget):
        return value
    raise ConfigurationError(f"budget: must be a Budget, got {described(value)}; Budget(cost=5.0) bounds the cost")
