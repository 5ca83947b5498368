"""What the calls of one SDK have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..utils.forks import forkable_lock, once
from .config import SDKConfig, limits_of
from .failover.cooldowns import Cooldowns
from .secrecy import on_leaving
from .target import Target, resolve
from .world import ENV

if TYPE_CHECKING:
    from .budget import Budget
    from .operation import Operation
    from .reservations import Terms
    from .usage import Meter, Pending, UsageTotals

MAX_PENDING = 1000
"""Replies whose token counts are kept as they came, until somebody asks for their sum."""


class Core:
    """What plans are made from: the configuration, where calls go, the clock, the sums of token counts."""

    def __init__(self, config: SDKConfig, embedded_url: Callable[[], str]) -> None:
        self.config = config
        self.env = ENV
        self.usual_limits = limits_of(config)
        self.cooldowns = Cooldowns()
        # All that a call touches: appending needs no lock, and may be done by a finalizer that interrupts anything.
        self.pending: Pending = deque()
        self.meter: Meter | None = None
        self._embedded_url = embedded_url
        self._lock = forkable_lock()

    @once
    def usual_target(self) -> Target | None:
        """Where a call goes that does not say it; None where that has to be found out anew each time.

        An embedded server has no URL before it runs, and another one in a forked child.
        """
        return None if self.config.provider.embedded else resolve(self.config, None, None, self._embedded_url)

    def target(self, server: Any, server_url: Any) -> Target:
        """Find where a call goes.

        Raises:
            ConfigurationError: An unknown server, a bad URL, or no key where one is needed.
        """
        # Found once: it reads the environment, and warns of keys that go over plain http.
        is_usual = server is None and server_url is None
        found = self.usual_target if is_usual else None
        try:
            return found or resolve(self.config, server, server_url, self._embedded_url)
        except BaseException as exc:
            on_leaving(exc)  # resources ask before they call: an error may leave here
            raise

    def metering(self) -> Meter:
        """Return what sums the token counts, from the first reply on; few programs ever ask for it."""
        with self._lock:  # two meters would each have a part of the counts
            if self.meter is None:
                from .usage import Meter

                self.meter = Meter(self.pending, self.config.prices)
            return self.meter

    def budgets(self, tracked: tuple[UsageTotals, ...]) -> tuple[Budget, ...]:
        """Collect the budgets that a call belongs to."""
        given = (self.config.budget, *(totals.budget for totals in tracked))
        return tuple(dict.fromkeys(budget for budget in given if budget is not None))

    def terms_of(
        self, budgets: tuple[Budget, ...], operation: Operation, server: str, params: Mapping[str, Any]
    ) -> Terms | None:
        """Find out what a call may take of its budgets."""
        # By its name: few programs have a budget.
        find: Any = import_module(f"{__package__}.reservations").terms_of
        terms: Terms | None = find(budgets, self.config.prices, operation, server, params)
        return terms

    def cost_of(self, server: str, model: str, usage: Any) -> float | None:
        """Return the cost of one call, when somebody asks for it."""
        return self.metering().cost_of(server, model, usage)
