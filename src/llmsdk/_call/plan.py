"""The plan of one call: what is sent, where and within which limits; and how its reply is read."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..errors import RemoteError, ReplyMeta, RequestValidationError, SDKError
from ..hooks import HookContext
from ..providers.registry import PROVIDERS
from ..utils.codings import accepted_codings
from ..utils.headers import new_idempotency_key
from ..utils.log import logger
from ..utils.secrets import MASK, Secret, Secrets, is_secret_name, masked
from .arguments import checked_organization, mapping_option, split_arguments
from .checks import checked_headers, checked_ms, checked_retries, checked_unsupported
from .config import DEFAULT_IDLE_TIMEOUT_MS
from .flow import BuildRequest, Call, Env, Received, exchange
from .keys import KeySource
from .operation import Operation
from .reply.decode import decode_reply
from .request.encode import Extras, encode
from .stream.events import EventDecoder, fold_whole
from .target import Target

if TYPE_CHECKING:
    from .effects import Flow
    from .failover.relay import Shared, Stop
    from .observed import Observed
    from .preview import Preview
    from .stream.progress import Progress


_USER_AGENT = f"llmsdk-python/{__version__} python/{sys.version_info.major}.{sys.version_info.minor}"


Finish = Callable[[Any, str], None]


ENV = Env(clock=time.monotonic, jitter=random.random)


_EVENT_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"\xef\xbb\xbfdata:")  # as no JSON begins


class Plan:
    """One call, from its arguments to its result, without the I/O between."""

    def __init__(
        self,
        operation: Operation,
        args: Mapping[str, Any],
        runner: Any,
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
        self.started = ENV.clock() if self.shared is None else self.shared.started
        options, params = split_arguments(operation, args)
        self.options = options
        if stop is None:
            self.target: Target = runner.target(options.get("server"), options.get("server_url"))
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
            url_params["organization_id"] = checked_organization(options["organization_id"])
        self.encoded = encode(
            operation,
            self.target.provider,
            params,
            base_url=self.target.base_url,
            url_params=url_params,
            unsupported=checked_unsupported(options.get("unsupported"), self.config.unsupported),
            providers=PROVIDERS,
            extras=Extras(body=mapping_option(options, "extra_body"), query=mapping_option(options, "extra_query")),
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
            from .paging import paged

            return (yield from paged(call, self.config.hooks, ENV, page))
        return [(yield from exchange(call, self.config.hooks, ENV))]

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
        from .stream.progress import Progress

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
        from .preview import UPLOAD, Preview

        encoded = self.encoded
        given = self._given_headers()
        content, headers, key = self._content_headers_key(given)
        shown = {name: MASK if is_secret_name(name) else value for name, value in headers}
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
        secrets = Secrets()
        secrets.learn(given, self.config.url_params, encoded.url)
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
            rebuild=self._runner.rebuild,
            retries=checked_retries(self.options.get("retries", self.config.retry_config), "retries"),
            budget=self.config.retry_budget,
            timeout_s=self.timeout_s,
            deadline=self.deadline,
            max_response_bytes=self.config.max_response_bytes,
            log=log.debug if log is not None else None,
        )
        call.secrets.learn(given, self.config.url_params, self.encoded.url)
        if self.shared is not None:
            call.attempts = self.shared.attempts
            call.context.state = self.shared.state
            call.earlier = self.shared.earlier
            self.shared.call = call
        return call

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
            from .request.multipart import write_form

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
            is_single=(mapping_option(self.options, "extra_body") or {}).get("n", self._n) in (None, 1),
        )
