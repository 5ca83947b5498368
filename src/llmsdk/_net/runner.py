"""Joins what is called, what the SDK is set up with and a driver: arguments in, a reply or a stream out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from .._call.config import SDKConfig
from .._call.core import Core
from .._call.flow import run_call
from .._call.operation import Operation
from .._call.plan import Finish, Plan, plan_call, split_arguments
from .._call.preview import Preview, preview_of
from .._call.secrecy import MAY_HOLD, hide, on_leaving
from .._call.state import CallState
from ..utils.descriptors import raise_lack
from ..utils.forks import FIRST_USE
from ..utils.secrets import shown_url
from .drivers import Drivers

if TYPE_CHECKING:
    from .._call.download import Tools
    from .._call.effects import Flow
    from .._call.failover.policy import Failover
    from .._call.observed import Observed
    from .._call.transfers import Transfer
    from .._call.world import Driver

T = TypeVar("T")


class Runner:
    """Runs the operations of one SDK, sync and async; resources hold it."""

    def __init__(self, drivers: Drivers, config: SDKConfig) -> None:
        self.drivers = drivers
        self.config = config
        self.core = Core(config, drivers.embedded_url)
        self.env = self.core.env
        self.target = self.core.target

    def call(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None = None,
        state: CallState | None = None,
    ) -> Any:
        """Do an operation and wait for it.

        Args:
            finish: Given each reply together with its plan.
            state: Where the call notes what becomes of it, for a caller who looks into it or has tried before.
        """
        if not MAY_HOLD.isdisjoint(args):
            hide(args)  # before anything can fail with a secret in its locals
        try:
            if self.config.hooks.has_async:
                self.config.hooks.refuse_async()
            driver = self.drivers.sync()
            flow, is_stream = self._begin(operation, args, finish, state, driver)
            if not is_stream:
                return driver.run(flow)
            from .streams import EventStream

            return EventStream[Any, Any](driver.run(flow), driver)
        except BaseException as exc:
            on_leaving(exc)
            raise_lack(exc)
            raise

    async def call_async(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None = None,
        state: CallState | None = None,
    ) -> Any:
        """Do an operation and await it; the arguments are those of `call`."""
        if not MAY_HOLD.isdisjoint(args):
            hide(args)
        try:
            driver = self.drivers.asynchronous()
            flow, is_stream = self._begin(operation, args, finish, state, driver)
            if not is_stream:
                return await driver.run(flow)
            from .streams import EventStreamAsync

            return EventStreamAsync[Any, Any](await driver.run(flow), driver)
        except BaseException as exc:
            on_leaving(exc)
            raise_lack(exc)
            raise

    def transfer(self, transfer: Transfer | None, args: Mapping[str, Any], flow: Callable[[Tools], Flow[T]]) -> T:
        """Do what takes a flow of its own: a file up or down, a wait; None where hooks and observers have no part."""
        try:
            from .lookup import sync_tools

            if transfer is not None:
                self.config.hooks.refuse_async()
            driver = self.drivers.sync()
            return driver.run(self._transferring(transfer, args, flow(sync_tools(driver))))
        except BaseException as exc:
            on_leaving(exc)
            raise_lack(exc)
            raise

    async def transfer_async(
        self, transfer: Transfer | None, args: Mapping[str, Any], flow: Callable[[Tools], Flow[T]]
    ) -> T:
        """Do what takes a flow of its own, and await it; as `transfer`."""
        try:
            from .lookup import async_tools

            driver = self.drivers.asynchronous()
            return await driver.run(self._transferring(transfer, args, flow(async_tools(driver))))
        except BaseException as exc:
            on_leaving(exc)
            raise_lack(exc)
            raise

    def _transferring(self, transfer: Transfer | None, args: Mapping[str, Any], flow: Flow[T]) -> Flow[T]:
        # Without observers no generator stands between the driver and the flow: it would be resumed by each effect.
        if self.config.observers and transfer is not None:
            _, params = split_arguments(transfer.plan.operation, args)
            transfer.observed, flow = self._observed(flow, transfer.plan, params)
        return flow

    def preview(self, operation: Operation, args: Mapping[str, Any]) -> Preview:
        """Make the request of a call and send nothing; of one with failover, that to the first server."""
        hide(args)
        try:
            return preview_of(self._plan(operation, args, None)[0][0])
        except BaseException as exc:
            on_leaving(exc)
            raise

    def _begin(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None,
        state: CallState | None,
        driver: Driver,
    ) -> tuple[Flow[Any], bool]:
        """Make the flow of a call, and say whether what it comes to is a stream."""
        state = state or CallState(self.env.clock())
        plans, params, failover = self._plan(operation, args, finish)
        if plans[0].encoded.stream:
            _load_streams(operation)
        elif operation.own is None and not operation.is_bare:
            _ = operation.read_reply  # built before there is a reply, for the reason of `_load_streams`
        if failover is None:
            flow = run_call(plans[0], state, driver, self.env)
        else:
            from .._call.failover.plans import run_servers

            flow = run_servers(plans, failover, self.core, state, driver)
        if plans[0].terms is not None:
            flow = plans[0].terms.accounted(flow, state)
        if self.config.observers:
            state.observed, flow = self._observed(flow, plans[0], params)
        return flow, plans[0].encoded.stream

    def _plan(
        self, operation: Operation, args: Mapping[str, Any], finish: Finish | None
    ) -> tuple[list[Plan], Mapping[str, Any], Failover | None]:
        """Plan a call for each server that it may go to; return its parameters as they were given, too."""
        options, params = split_arguments(operation, args)
        default = self.config.failover
        if default is not None or "failover" in options:
            from .._call.failover.plans import find_failover, plan_servers

            failover = find_failover(options, default if operation.may_go_on else None)
            if failover is not None:
                return plan_servers(self.core, operation, options, params, finish, failover), params, failover
        return [plan_call(self.core, operation, options, params, finish)], params, None

    def _observed(self, flow: Flow[T], plan: Plan, params: Mapping[str, Any]) -> tuple[Observed, Flow[T]]:
        """Have the observers of the SDK watch a flow; they are notified of the call at once."""
        from .._call.observed import Observed, watched
        from ..observers import CallInfo

        operation, target = plan.operation, plan.target
        call = CallInfo(
            operation_id=operation.id,
            resource=operation.resource,
            server=target.provider.name,
            base_url=shown_url(target.base_url, plan.url_params),
            params=params,
            stream=plan.encoded.stream,
            traced_as=operation.traced_as,
        )
        observed = Observed(self.config.observers, call)
        return observed, watched(flow, observed)


def _load_streams(operation: Operation) -> tuple[ModuleType, ...]:
    """Import what streams need before there is a reply, which would be lost if that failed for want of descriptors."""
    if operation.own is None and operation.chunk is not None:
        _ = operation.read_chunk  # pydantic imports more for the first one that it builds
    with FIRST_USE:  # a thread that waits for the import of another is left with half a module if that one fails
        from .._call.stream import beginning
        from . import streams
    return beginning, streams
