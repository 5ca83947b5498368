"""Flows that are dropped on the way ask for nothing more: nobody would perform it."""

from __future__ import annotations

import socket
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from call.flowkit import Clock, Player, env_of, keyless, make_call, reply
from llmsdk._call.download import Tools, fetch
from llmsdk._call.effects import Close, Flow, Pull, Send
from llmsdk._call.failover.flow import first_event
from llmsdk._call.stream.beginning import begin_stream
from llmsdk._call.stream.progress import Progress

HOME = "https://api.example/v1"


def drop(flow: Flow[Any], player: Player, at: type) -> None:
    """Perform effects up to one of a kind, and drop the flow there."""
    effect = next(flow)
    while not isinstance(effect, at):
        effect = flow.send(player.perform(effect))
    flow.close()  # raises RuntimeError where the flow yields once more


@pytest.mark.parametrize("at", [Send, Pull, Close])
def test_a_file_under_way(at: type) -> None:
    player = Player([reply(302, headers={"location": "/b.png"}), reply(200, b"PNG")])
    call = make_call(clock=player.clock, timeout_s=10.0, max_response_bytes=100, retries=None)
    template = keyless(call.plan._replace(target=replace(call.plan.target, base_url=HOME)), HOME)
    core: Any = SimpleNamespace(usual_limits=call.plan.limits, env=env_of(player.clock))

    def resolve(host: str, port: int, seconds: float) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", port))]

    tools = Tools(call.client, resolve, lambda url: False, lambda function, *args: function(*args))
    drop(fetch(core, template, "https://files.example/a.png", False, tools), player, at)


def begun() -> tuple[Progress, Any]:
    """Begin a stream, with a driver for its bytes."""
    clock = Clock()
    call = make_call(clock=clock, stream=True, retries=None)
    flow = call.exchange(env_of(clock))
    next(flow)
    with pytest.raises(StopIteration) as stop:
        flow.send(httpx.Response(200, headers={"content-type": "text/event-stream"}))
    progress = begin_stream(call.plan, call.state, stop.value.value)
    chunks = object()
    return progress, SimpleNamespace(chunks=lambda response, countdown: chunks)


def test_a_stream_before_its_first_event() -> None:
    progress, driver = begun()
    ahead = first_event(progress, driver)
    assert isinstance(next(ahead), Pull)
    ahead.close()


def test_a_stream_that_ends_at_once_has_no_first_event() -> None:
    progress, driver = begun()
    ahead = first_event(progress, driver)
    next(ahead)
    with pytest.raises(StopIteration) as stop:
        ahead.send(b"data: [DONE]\n\n")
    assert stop.value.value is progress
    assert progress.ahead is None
