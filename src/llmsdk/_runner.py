"""Joins operation, provider, options and driver: a call in, a reply or a stream out."""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ._core.auth import KeySource, Secret, Secrets
from ._core.decode import decode_reply
from ._core.encode import Extras, encode
from ._core.events import EventDecoder, fold_whole
from ._core.flow import BuildRequest, Call, Env, Received, exchange
from ._core.spec import Operation
from ._version import __version__
from .config import (
    DEFAULT_IDLE_TIMEOUT_MS,
    SDKConfig,
    Target,
    checked_headers,
    checked_ms,
    checked_retries,
    checked_unsupported,
    logger,
    resolve,
)
from .errors import ConfigurationError, RemoteError, ReplyMeta, RequestValidationError, SDKError
from .hooks import HookContext
from .options import CALL_OPTIONS, STREAM_OPTIONS
from .providers import PROVIDERS
from .utils.codings import accepted_codings
from .utils.headers import masked, new_idempotency_key
from .utils.urls import path_text

if TYPE_CHECKING:
    from ._core.effects import Flow
    from ._core.failover import Bench
    from ._io.async_driver import AsyncDriver
    from ._io.drivers import Drivers
    from ._io.sync_driver import SyncDriver
    from ._relay import Relay, Shared, Stop
    from ._transfers import Tools
    from .observers import Observed
    from .preview import Preview
    from .streaming import Progress
    from .usage import Meter, Pending, UsageTotals

_USER_AGENT = f"llmsdk-python/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"
T = TypeVar("T")
Finish = Callable[[Any, str], None]
_ENV = Env(clock=time.monotonic, jitter=random.random)
_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"\xef\xbb\xbfdata:")  # as no JSON begins
_MAX_PENDING = 1000  # usages of replies kept until somebody asks for their sum


class Runner:
    """Runs the operations of one SDK in both colours; resources hold it."""

    def __init__(self, drivers: Drivers, config: SDKConfig) -> None:
        self.drivers = drivers
        self.config = config
        self.env = _ENV
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
        from .streaming import EventStream

        return EventStream[Any, Any](begun, driver)

    async def call_async(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        finish: Finish | None = None,
        shared: Shared | None = None,
    ) -> Any:
        """Do an operation and await it; the arguments are those of `call`."""
        driver = self.drivers.asynchronous()
        plan = self._route(operation, args, finish, shared)
        if not self.config.observers:
            return await self._perform_async(plan, driver)
        with self._observe(operation, plan, args) as observed:
            return observed.begun(await self._perform_async(plan, driver))

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
        from .streaming import EventStreamAsync

        return EventStreamAsync[Any, Any](begun, driver)

    def transfer(self, plan: Plan, args: Mapping[str, Any], flow: Callable[[Tools], Flow[T]]) -> T:
        """Do what takes a flow of its own: a file up or down, a wait."""
        from ._io.lookup import lookup
        from ._transfers import Tools

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

        from ._io.lookup import lookup_async
        from ._transfers import Tools

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
        from .observers import CallInfo, Observed

        plans = [plan] if isinstance(plan, Plan) else plan.plans
        first = plans[0]
        params = _split(operation, {name: value for name, value in args.items() if name != "failover"})[1]
        target = first.target
        call = CallInfo(
            operation.id, operation.resource, target.provider.name, target.base_url, params, first.encoded.stream
        )
        observed = Observed(self.config.observers, call)
        for one in plans:
            one.observed = observed
        return observed

    def preview(self, operation: Operation, args: Mapping[str, Any]) -> Preview:
        """Make the request of a call and send nothing; of one with failover, that to the first server."""
        plan = self._route(operation, args, None)
        return (plan if isinstance(plan, Plan) else plan.plans[0]).preview()

    def _route(
        self, operation: Operation, args: Mapping[str, Any], finish: Finish | None, shared: Shared | None = None
    ) -> Plan | Relay:
        """Make the request of a call, or those of one that may go to several servers."""
        default = self.config.failover
        if default is None and "failover" not in args:
            return Plan(operation, args, self, finish, shared=shared)
        from ._relay import Relay, find_failover

        # What one server has to show, such as its list of models, is not what another has.
        failover = find_failover(args, default if operation.method == "POST" and not operation.is_stored else None)
        args = {name: value for name, value in args.items() if name != "failover"}
        if failover is None:
            return Plan(operation, args, self, finish, shared=shared)
        return Relay(operation, args, self, failover, finish, shared)

    @property
    def bench(self) -> Bench:
        """The servers that asked calls with failover for a rest."""
        if self._bench is None:
            from ._core.failover import Bench

            # Of two threads that come here together, one finds the other's.
            self._bench = vars(self).setdefault("_one_bench", Bench())
        return cast("Bench", self._bench)

    def metering(self) -> Meter:
        """Answer with what sums the token counts, from the first reply on."""
        if self.meter is None:
            from .usage import Meter

            # Of two threads that come here together, one finds the other's.
            self.meter = vars(self).setdefault("_one_meter", Meter(self._pending, self.config.prices))
        return cast("Meter", self.meter)

    def count(self, server: str, model: str, usage: Any, tracked: tuple[UsageTotals, ...]) -> None:
        """Take the token counts of a reply; they are summed when somebody asks, or when many have come."""
        self._pending.append((server, model, usage, tracked))
        if len(self._pending) > _MAX_PENDING:
            self.metering().settle(wait=False)


class Plan:
    """One call, from its arguments to its result, without the I/O between."""

    def __init__(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        runner: Runner,
        finish: Finish | None = None,
        stop: Stop | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.finish = finish
        self.operation = operation
        self.config = runner.config
        self._is_stop = stop is not None
        self.shared = shared if stop is None else stop.shared
        self.observed: Observed | None = None
        self.started = _ENV.clock() if self.shared is None else self.shared.started
        options, params = _split(operation, args)
        self.options = options
        if stop is None:
            self.target = runner.target(options.get("server"), options.get("server_url"))
        else:
            self.target = runner.target(stop.provider, None)
            params = stop.renamed(params)
        if self.config.track_usage and params.get("stream"):
            params = self._asking_for_usage(params)
        model: Any = params.get("model")
        self._model = str.__str__(model) if isinstance(model, str) else None
        self._n = params.get("n")
        self._runner = runner
        self._tracked = () if runner.meter is None else runner.meter.active()
        url_params = dict(self.config.url_params)
        if options.get("organization_id") is not None:
            url_params["organization_id"] = _organization(options["organization_id"])
        self.encoded = encode(
            operation,
            self.target.provider,
            params,
            base_url=self.target.base_url,
            url_params=url_params,
            unsupported=checked_unsupported(options.get("unsupported"), self.config.unsupported),
            providers=PROVIDERS,
            extras=Extras(body=_mapping(options, "extra_body"), query=_mapping(options, "extra_query")),
        )
        if stop is None:
            self._warn_of_dropped()
        timeout_ms = options.get("timeout_ms")
        self.timeout_s = checked_ms(self.config.timeout_ms if timeout_ms is None else timeout_ms, "timeout_ms") / 1000
        idle_ms = options.get("idle_timeout_ms")
        if idle_ms is not None and params.get("stream") is None:
            raise RequestValidationError(
                "idle_timeout_ms: bounds the silence of a stream, and this call is none; pass stream=True with it",
                param="idle_timeout_ms",
            )
        self.idle_s = checked_ms(DEFAULT_IDLE_TIMEOUT_MS if idle_ms is None else idle_ms, "idle_timeout_ms") / 1000
        deadline_ms = options.get("deadline_ms")
        self.deadline = None if deadline_ms is None else self.started + checked_ms(deadline_ms, "deadline_ms") / 1000

    def flow(self, build: BuildRequest) -> Flow[list[Received]]:
        """Make the flow of the call."""
        if self.observed is not None:
            self.observed.at_server(self.target.provider.name, self.target.base_url, self._model)
        if self._is_stop:
            self._warn_of_dropped()  # only now: most calls never come to their second server
        self.call = call = self._call(build)
        page = self.target.provider.routes[self.operation.id].page
        if page is not None:
            from ._core.paging import paged

            return (yield from paged(call, self.config.hooks, _ENV, page))
        return [(yield from exchange(call, self.config.hooks, _ENV))]

    def _warn_of_dropped(self) -> None:
        dropped = self.encoded.dropped
        if dropped:
            logger.warning("server %r does not take %s; dropped", self.target.provider.name, ", ".join(dropped))

    def reply(self, received: list[Received]) -> Any:
        """Make the reply of what was received: one body, or the pages of a list."""
        try:
            reply = self._one(received[0])
            for page in received[1:]:
                reply.data += self._one(page).data
        except SDKError as exc:
            if isinstance(exc, RemoteError) and exc.partial is not None:
                self.finished(exc.partial, received[0].meta)
            # The frames below hold what the server sent, which may be anything, an echo of the key too.
            raise exc.with_traceback(None) from exc.__cause__
        if self.operation.method == "POST" and not self.operation.is_stored:
            self.count(getattr(reply, "usage", None))
        return self.finished(reply, received[0].meta)

    def count(self, usage: Any) -> None:
        """Take the token counts of the reply, or of the stream at its end."""
        self._runner.count(self.target.provider.name, self._model or "", usage, self._tracked)

    def _asking_for_usage(self, params: dict[str, Any]) -> dict[str, Any]:
        """Add what makes the server's streams report usage; what the caller said of it himself stands."""
        route = self.target.provider.routes.get(self.operation.id)
        return params if route is None else {**route.usage_wish, **params}

    def finished(self, reply: Any, meta: ReplyMeta) -> Any:
        """Give a reply what it needs beside its data."""
        reply._meta = meta
        if self.finish is not None:
            self.finish(reply, self.target.base_url)
        return reply

    def progress(self, received: Received) -> Progress:
        """Make the state of a stream whose headers have come."""
        from .streaming import Progress

        return Progress(
            response=received.response,
            meta=received.meta,
            decoder=self._decoder(received),
            countdown=received.countdown,
            timeout_s=self.timeout_s,
            idle_s=self.idle_s,
            deadline=self.deadline,
            finish=self.finished,
            count=self.count,
        )

    def preview(self) -> Preview:
        """Show the request."""
        from ._core.secrecy import is_secret_name
        from .preview import UPLOAD, Preview

        encoded = self.encoded
        given = self._given_headers()
        content, headers, key = self._content_headers_key(given)
        shown = {name: "***" if is_secret_name(name) else value for name, value in headers}
        if "idempotency-key" not in given:
            shown.pop("idempotency-key", None)  # one that is made anew for every call
        if key is not None:
            shown["authorization"] = key.form.format(api_key="***")
        body: Any = None
        if encoded.files is not None:
            body = {**(encoded.form or {}), **dict.fromkeys(encoded.files, UPLOAD)}
        elif content is not None:
            from pydantic_core import from_json

            body = from_json(content)
        self._learn(secrets := Secrets(), given)
        return Preview(encoded.method, masked(encoded.url, secrets), shown, body, encoded.dropped)

    def _call(self, build: BuildRequest) -> Call:
        provider = self.target.provider
        given = self._given_headers()
        content, headers, key = self._content_headers_key(given)
        log = self.config.debug_logger
        call = Call(
            encoded=self.encoded,
            content=content,
            provider=provider,
            key=key,
            headers=headers,
            context=HookContext(self.operation.id, provider.name, self.target.base_url),
            build=build,
            rebuild=_rebuilt,
            retries=checked_retries(self.options.get("retries", self.config.retry_config), "retries"),
            budget=self.config.retry_budget,
            timeout_s=self.timeout_s,
            deadline=self.deadline,
            max_response_bytes=self.config.max_response_bytes,
            log=log.debug if log is not None else None,
        )
        self._learn(call.secrets, given)
        if self.shared is not None:
            call.attempts = self.shared.attempts
            call.context.state = self.shared.state
            call.earlier = self.shared.earlier
            self.shared.call = call
        return call

    def _learn(self, secrets: Secrets, given: Mapping[str, str]) -> None:
        """Learn what the caller put into headers and URL that is as secret as a key."""
        url_params = self.config.url_params
        if given or url_params or "?" in self.encoded.url:
            from ._core.secrecy import learn

            learn(secrets, given, url_params, self.encoded.url)

    def _given_headers(self) -> dict[str, str]:
        return {**self.config.http_headers, **checked_headers(self.options.get("http_headers"))}

    def _content_headers_key(
        self, given: dict[str, str]
    ) -> tuple[bytes | None, list[tuple[str, str]], KeySource | None]:
        encoded, key = self.encoded, self.target.key
        if "authorization" in given:
            # What the caller wrote goes where the key would, and no local shows it.
            key = KeySource(Secret(given.pop("authorization")))
        own = {
            "accept": "text/event-stream, application/json" if encoded.stream else "application/json",
            "accept-encoding": accepted_codings(),
            "user-agent": _USER_AGENT,
        }
        content = encoded.content
        if encoded.files is not None:
            from ._io.multipart import write_form

            content, own["content-type"] = write_form(encoded.form or {}, encoded.files)
        elif content is not None:
            own["content-type"] = "application/json"
        if encoded.method == "POST":
            own["idempotency-key"] = new_idempotency_key() if self.shared is None else self.shared.idempotency_key
        if self.observed is not None:
            own |= {name: value for name, value in self.observed.headers().items() if name not in own}
        return content, list({**own, **given}.items()), key

    def _one(self, received: Received) -> Any:
        body = received.body or b""
        content_type = received.headers.get("content-type", "")
        is_stream = "text/event-stream" in content_type or body[:64].lstrip().startswith(_EVENT_STARTS)
        if self.operation.chunk is not None and is_stream:
            reply = fold_whole(self._decoder(received, decoded=True), body)
        else:
            reply = decode_reply(
                self.operation,
                self.target.provider,
                body,
                content_type=content_type,
                meta=received.meta,
                secrets=self.call.secrets,
            )
        return reply

    def _decoder(self, received: Received, *, decoded: bool = False) -> EventDecoder:
        return EventDecoder(
            self.operation,
            self.target.provider,
            received.meta,
            self.call.secrets,
            coding=None if decoded else received.headers.get("content-encoding"),
            max_event_bytes=self.config.max_event_bytes,
            max_response_bytes=self.config.max_response_bytes,
            is_single=(_mapping(self.options, "extra_body") or {}).get("n", self._n) in (None, 1),
        )


def _rebuilt(response: Any, body: bytes) -> Any:
    from ._io.client import rebuild  # only hooks need it

    return rebuild(response, body)


def _split(operation: Operation, args: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the options from the parameters, in either calling form.

    Raises:
        RequestValidationError: Both forms are mixed, or the model is named twice.
    """
    options = {name: value for name, value in args.items() if name in CALL_OPTIONS}
    params = {name: value for name, value in args.items() if name not in CALL_OPTIONS}
    for name in options.keys() & STREAM_OPTIONS:
        if operation.chunk is None:
            raise RequestValidationError(f"{name}: {operation.resource}.{operation.name} does not stream", param=name)
    model_id = None if "model_id" in operation.request.__annotations__ else params.pop("model_id", None)
    if operation.request_name is not None and operation.request_name in params:
        params = _from_object(operation, params)
    if model_id is not None:
        if "model" in params and _differ(params["model"], model_id):
            raise RequestValidationError(
                "model_id: differs from model; give one of them, or the same value", param="model_id"
            )
        params["model"] = model_id
    return options, params


def _organization(value: Any) -> str:
    """Check it for every server: that most have no place for it is no reason to take anything."""
    try:
        return path_text(value)
    except ValueError as exc:
        raise RequestValidationError(f"organization_id: {exc}", param="organization_id") from None


def _differ(one: Any, other: Any) -> bool:
    """Compare two values of which only strings will do; what is none is refused later."""
    return type(one) is not type(other) or (isinstance(one, str) and one != other)


_BESIDE_OBJECT = frozenset({"model", "customization_id", "stream"})


def _from_object(operation: Operation, params: dict[str, Any]) -> dict[str, Any]:
    name = operation.request_name or ""
    request: Any = params.pop(name)
    if not isinstance(request, Mapping):
        raise RequestValidationError(
            f"{name}: must be a {operation.request.__name__} or another mapping, got {type(request).__name__}",
            param=name,
        )
    fields = cast("Mapping[str, Any]", request)
    for other, value in params.items():
        if other not in _BESIDE_OBJECT:
            raise RequestValidationError(f"{other}: cannot be mixed with {name}; put it into {name}", param=other)
        if other != "stream" and other in fields and _differ(fields[other], value):
            raise RequestValidationError(f"{other}: differs from {name}[{other!r}]; give one of them", param=other)
    return {**fields, **params}


def _here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _mapping(options: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value: Any = options.get(name)
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RequestValidationError(f"{name}: must be a mapping, got {type(value).__name__}", param=name)
    return cast("Mapping[str, Any]", value)
