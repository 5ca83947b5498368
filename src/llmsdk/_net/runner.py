"""Joins operation, provider, options and driver: a call in, a reply or a stream out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._call.arguments import split_arguments
from .._call.config import SDKConfig
from .._call.operation import Operation
from .._call.plan import ENV, Finish, Plan
from .._call.secrecy import forget_locals, hide
from .._call.target import Target, resolve
from ..errors import ConfigurationError, SDKError

if TYPE_CHECKING:
    from .._call.effects import Flow
    from .._call.failover.flow import Bench
    from .._call.failover.relay import Relay, Shared
    from .._call.observed import Observed
    from .._call.preview import Preview
    from .._call.transfers import Tools
    from .._call.usage import Meter, Pending, UsageTotals
    from .async_driver import AsyncDriver
    from .drivers import Drivers
    from .sync_driver import SyncDriver

T = TypeVar("T")

_MAX_PENDING = 1000  # usages of replies kept until somebody asks for their sum


class Runner:
    """Runs the operations of one SDK in both colours; resources hold it."""

    def __init__(self, drivers: Drivers, config: SDKConfig) -> None:
        self.drivers = drivers
        self.config = config
        self.env = ENV
        self.meter: Meter | None = None
        self._pending: Pending = deque()
        self._bench: Bench | None = None
        self._usual: Target | None = None

    def target(self, server: Any, server_url: Any) -> Target:
        """Find where a call goes; what the SDK was set up for is found once."""
        if server is not None or server_url is not None or self.config.provider.embedded:
            return resolve(self.config, server, server_url, self.drivers.embedded_url)
        if self._usual is None:
            self._usual = resolve(self.config, None, None, self.drivers.embedded_url)
        return self._usual

    def call(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None = None,
        shared: Shared | None = None,
    ) -> Any:
        """Do an operation and wait for it.

        Args:
            finish: Given each reply together with the server's URL.
            shared: What this call has in common with those that tried the same before.
        """
        hide(args)
        try:
            if self.config.hooks.has_async:
                raise ConfigurationError(
                    "hooks: one of them is async, and a sync call cannot wait for it; call the _async method instead"
                )
            driver = self.drivers.sync()
            plan = self._route(operation, args, finish, shared)
            if not self.config.observers:
                return self._perform(plan, driver)
            with self._observe(operation, plan, args) as observed:
                return observed.begun(self._perform(plan, driver))
        except BaseException as exc:
            forget_locals(exc)
            raise

    def _perform(self, plan: Plan | Relay, driver: SyncDriver) -> Any:
        if isinstance(plan, Plan):
            received = driver.run(plan.flow(driver.build))
            if not plan.encoded.stream:
                return plan.reply(received)
            begun = plan.progress(received[0])
        else:
            begun = driver.run(plan.flow(driver.build, driver.chunks))
            if not plan.is_stream:
                return begun
        from .streams import EventStream

        return EventStream[Any, Any](begun, driver)

    async def call_async(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None = None,
        shared: Shared | None = None,
    ) -> Any:
        """Do an operation and await it; the arguments are those of `call`."""
        hide(args)
        try:
            driver = self.drivers.asynchronous()
            plan = self._route(operation, args, finish, shared)
            if not self.config.observers:
                return await self._perform_async(plan, driver)
            with self._observe(operation, plan, args) as observed:
                return observed.begun(await self._perform_async(plan, driver))
        except BaseException as exc:
            forget_locals(exc)
            raise

    async def _perform_async(self, plan: Plan | Relay, driver: AsyncDriver) -> Any:
        if isinstance(plan, Plan):
            received = await driver.run(plan.flow(driver.build))
            if not plan.encoded.stream:
                return plan.reply(received)
            begun = plan.progress(received[0])
        else:
            begun = await driver.run(plan.flow(driver.build, driver.chunks))
            if not plan.is_stream:
                return begun
        from .streams import EventStreamAsync

        return EventStreamAsync[Any, Any](begun, driver)

    def transfer(self, plan: Plan, args: Mapping[str, Any], flow: Callable[[Tools], Flow[T]]) -> T:
        """Do what takes a flow of its own: a file up or down, a wait."""
        from .._call.transfers import Tools
        from .lookup import lookup

        if self.config.hooks.has_async:
            raise ConfigurationError(
                "hooks: one of them is async, and a sync call cannot wait for it; call the _async method instead"
            )
        driver = self.drivers.sync()
        with self._observe(plan.operation, plan, args) as observed:
            try:
                result = driver.run(flow(Tools(driver.build, driver.chunks, lookup(driver), _here)))
            except SDKError as exc:
                raise exc.with_traceback(None) from exc.__cause__  # as in `Plan.reply`
            observed.begun(result)
            return result

    async def transfer_async(self, plan: Plan, args: Mapping[str, Any], flow: Callable[[Tools], Flow[T]]) -> T:
        """Do what takes a flow of its own, and await it."""
        from anyio.to_thread import run_sync

        from .._call.transfers import Tools
        from .lookup import lookup_async

        driver = self.drivers.asynchronous()
        with self._observe(plan.operation, plan, args) as observed:
            try:
                result = await driver.run(flow(Tools(driver.build, driver.chunks, lookup_async(driver), run_sync)))
            except SDKError as exc:
                raise exc.with_traceback(None) from exc.__cause__  # as in `Plan.reply`
            observed.begun(result)
            return result

    def _observe(self, operation: Operation, plan: Plan | Relay, args: Mapping[str, Any]) -> Observed:
        """Tell the observers that a call starts."""
        from .._call.observed import Observed
        from ..observers import CallInfo

        plans = [plan] if isinstance(plan, Plan) else plan.plans
        first = plans[0]
        params = split_arguments(operation, {name: value for name, value in args.items() if name != "failover"})[1]
        target = first.target
        call = CallInfo(
            operation_id=operation.id,
            resource=operation.resource,
            server=target.provider.name,
            base_url=target.base_url,
            params=params,
            stream=first.encoded.stream,
            traced_as=operation.traced_as,
        )
        observed = Observed(self.config.observers, call)
        for one in plans:
            one.observed = observed
        return observed

    def preview(self, operation: Operation, args: Mapping[str, Any]) -> Preview:
        """Make the request of a call and send nothing; of one with failover, that to the first server."""
        hide(args)
        plan = self._route(operation, args, None)
        return (plan if isinstance(plan, Plan) else plan.plans[0]).preview()

    def _route(
        self, operation: Operation, args: Mapping[str, Any], finish: Finish | None, shared: Shared | None = None
    ) -> Plan | Relay:
        """Make the request of a call, or those of one that may go to several servers."""
        default = self.config.failover
        if default is None and "failover" not in args:
            return Plan(operation, args, self, finish, shared=shared)
        from .._call.failover.relay import Relay, find_failover

        # What one server has to show, such as its list of models, is not what another has.
        failover = find_failover(args, default if operation.method == "POST" and not operation.is_stored else None)
        args = {name: value for name, value in args.items() if name != "failover"}
        if failover is None:
            return Plan(operation, args, self, finish, shared=shared)
        return Relay(operation, args, self, failover, finish, shared)

    @staticmethod
    def rebuild(response: Any, body: bytes) -> Any:
        """Make a response that has been read readable for hooks."""
        from .client import rebuild  # only hooks need it

        return rebuild(response, body)

    @property
    def bench(self) -> Bench:
        """The servers that asked calls with failover for a rest."""
        if self._bench is None:
            from .._call.failover.flow import Bench

            # Of two threads that come here together, one finds the other's.
            self._bench = vars(self).setdefault("_one_bench", Bench())
        return cast("Bench", self._bench)

    def metering(self) -> Meter:
        """Answer with what sums the token counts, from the first reply on."""
        if self.meter is None:
            from .._call.usage import Meter

            # Of two threads that come here together, one finds the other's.
            self.meter = vars(self).setdefault("_one_meter", Meter(self._pending, self.config.prices))
        return cast("Meter", self.meter)

    def count(self, server: str, model: str, usage: Any, tracked: tuple[UsageTotals, ...]) -> None:
        """Take the token counts of a reply; they are summed when somebody asks, or when many have come."""
        self._pending.append((server, model, usage, tracked))
        if len(self._pending) > _MAX_PENDING:
            self.metering().settle(wait=False)


def _here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
