"""Budgets: reserved before sending, settled by what came, however a call ends."""

from __future__ import annotations

import copy
import gc
import json
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pydantic import BaseModel

from call.flowkit import Clock, env_of, make_call
from llmsdk import SDK, Budget, Failover, Price, errors
from llmsdk._call.budget import NOTHING, Amount, units
from llmsdk._call.effects import Read, Send, Sleep, TransportFailure
from llmsdk._call.flow import run_call
from llmsdk._call.reservations import Terms, _prompt_tokens, terms_of
from llmsdk.local import Fault, LocalServer
from llmsdk.models import ChatCompletionResponse
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations import all_operations
from llmsdk.utils import BackoffStrategy, RetryConfig
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour, collect, settled

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 50}
PRICES = {"m": Price(input_per_million=1, output_per_million=2)}
USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
QUICK = RetryConfig("backoff", BackoffStrategy(1, 2, 1, 10_000), True, max_attempts=3)
SRC = Path(__file__).resolve().parents[2] / "src"


def reply(usage: Any = USAGE) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Hi."}
    made = {"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return made if usage is None else {**made, "usage": usage}


def tokens(budget: Budget) -> tuple[int, int]:
    return budget.spent.tokens, budget.reserved.tokens


# ------------------------------------------------------------ before sending


async def test_a_call_that_may_pass_a_bound_is_not_sent(colour: Colour, canned: CannedServer) -> None:
    for bounds, bound in (({"cost": 1e-5}, "cost"), ({"tokens": 60}, "tokens"), ({"requests": 0}, "requests")):
        budget = Budget(**bounds)  # type: ignore[arg-type] # one of its bounds each
        async with colour.open(server_url=canned.url, prices=PRICES, budget=budget) as client:
            with pytest.raises(errors.BudgetExceededError, match=f"budget: {bound} is bounded by") as caught:
                await client.call("chat.create", **ASK)
        error = caught.value
        assert (error.bound, error.limit, error.spent, error.reserved) == (bound, bounds[bound], 0, 0)
        assert error.needed > error.limit
        assert not error.may_fit_later
        assert budget.reserved == budget.spent
    assert not canned.requests


async def test_what_nobody_could_bound_is_refused(colour: Colour, canned: CannedServer) -> None:
    unbounded = {name: value for name, value in ASK.items() if name != "max_tokens"}
    canned.reply(200, reply())
    async with colour.open(server_url=canned.url, prices=PRICES, budget=Budget(tokens=10_000)) as client:
        with pytest.raises(errors.RequestValidationError, match=r"^max_tokens: a call under a budget needs it"):
            await client.call("chat.create", **unbounded)
    async with colour.open(server_url=canned.url, budget=Budget(cost=1)) as client:
        with pytest.raises(errors.ConfigurationError, match=r"^prices: server 'openai' has no price for the model"):
            await client.call("chat.create", **ASK)
    assert not canned.requests
    async with colour.open(server_url=canned.url, budget=Budget(requests=2)) as client:
        await client.call("chat.create", **unbounded)
    async with colour.open(server_url=canned.url, budget=Budget(tokens=10_000, output_tokens=100)) as client:
        await client.call("chat.create", **unbounded)
        await client.call("chat.create", **unbounded, extra_body={"max_tokens": 3})
    assert "max_tokens" not in canned.requests[-2].json  # nothing of it is sent


async def test_what_costs_nothing_needs_no_room(colour: Colour) -> None:
    async with colour.open(server="local", budget=Budget(requests=0)) as client:
        await client.call("models.list")
        file = await client.call("files.upload", b'{"a": 1}\n')
        await client.call("files.delete", file.id)


@pytest.mark.parametrize(
    "given, told",
    [
        ({}, "budget: needs a bound"),
        ({"output_tokens": 5}, "budget: needs a bound"),
        ({"cost": -1}, "cost: must be a finite number of at least 0, got int -1"),
        ({"cost": float("nan")}, "cost: must be a finite number"),
        ({"cost": "5"}, "cost: must be a finite number of at least 0, got str"),
        ({"tokens": 1.5}, "tokens: must be an integer of at least 0, got float 1.5"),
        ({"requests": True}, "requests: must be an integer of at least 0, got bool True"),
    ],
)
def test_bad_bounds_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        Budget(**given)
    assert str(caught.value).startswith(told)


def test_what_is_no_budget_is_refused() -> None:
    wrong: Any = 5
    with pytest.raises(errors.ConfigurationError, match=r"^budget: must be a Budget, got int 5; Budget\(cost=5.0\)"):
        SDK(server="local", budget=wrong)
    with SDK(server="local") as sdk, pytest.raises(errors.ConfigurationError, match=r"^budget: must be"):
        sdk.track(budget=wrong).__enter__()


def params(operation: str, **given: Any) -> Terms | None:
    return terms_of([Budget(tokens=1)], None, all_operations()[operation], "openai", given)


def terms_for(body: bytes) -> int:
    terms = params("createChatCompletion", max_tokens=5)
    assert terms is not None
    return terms.needed(body).tokens


@pytest.mark.parametrize(
    "operation, given, most",
    [
        ("createChatCompletion", {"max_tokens": 5}, 5),
        ("createChatCompletion", {"max_tokens": 5, "n": 3}, 15),
        ("createChatCompletion", {"max_completion_tokens": 7, "max_tokens": 5}, 7),
        ("createCompletion", {"max_tokens": 5, "n": 2, "best_of": 4}, 20),
        ("createCompletion", {"max_tokens": 5, "prompt": ["a", "b"]}, 10),
        ("createCompletion", {"max_tokens": 5, "prompt": [1, 2, 3]}, 5),
        ("createCompletion", {"max_tokens": 5, "prompt": []}, 5),
        ("createEmbedding", {"input": "x"}, 0),
    ],
)
def test_the_most_that_a_call_may_generate(operation: str, given: dict[str, Any], most: int) -> None:
    terms = params(operation, **given)
    assert terms is not None
    assert terms.output_tokens * terms.choices == most


def test_the_most_that_a_prompt_may_have() -> None:
    assert _prompt_tokens(None) == 0
    assert _prompt_tokens([b"read", b"while", b"sent"]) == 4096
    assert _prompt_tokens(b'{"prompt":"hello"}') == 18
    picture = b"A" * 100_000
    for wire in (b'{"url":"data:image/png;base64,%b"}' % picture, b'{"data":"iVBORw0KGgo%b"}' % picture):
        assert _prompt_tokens(wire) < 5000
    assert _prompt_tokens(b'{"url":"https://example.com/a.png"}') > 4096
    assert _prompt_tokens(b'{"text":"%b"}' % picture) > 100_000
    assert terms_for(b'{"generationConfig":{"maxOutputTokens":900}}') > 900
    assert terms_for(b'{"max_tokens_to_sample":70,"x":"\\"max_tokens\\":5000"}') < 200
    with_tools = params("createChatCompletion", max_tokens=1, tools=[{}])
    assert with_tools is not None
    assert with_tools.needed(b"{}").tokens == 2 + 512 + 1


async def test_files_are_no_text(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"text": "Hi."})
    budget = Budget(tokens=10_000)
    async with colour.open(server_url=canned.url, budget=budget, retry_config=None) as client:
        await client.call("audio.transcribe", file=("a.wav", b"x" * 100_000), model="m")
    assert 4096 < budget.spent.tokens < 5000  # the server says nothing of it


# ------------------------------------------------------------------ settling


@pytest.mark.also_trio
async def test_a_reply_pays_what_it_states(colour: Colour, canned: CannedServer) -> None:
    budget = Budget(cost=1, tokens=10_000, requests=10)
    async with colour.open(server_url=canned.url, prices=PRICES, budget=budget) as client:
        canned.reply(200, reply())
        await client.call("chat.create", **ASK)
        assert budget.spent.cost == pytest.approx(50e-6)
        assert (budget.spent.tokens, budget.spent.requests) == (30, 1)
        canned.reply(200, reply({**USAGE, "cost": 0.25}))
        await client.call("chat.create", **ASK)
        assert budget.spent.cost == pytest.approx(0.25005)
        canned.reply(200, reply({"cost": 0.5}))
        await client.call("chat.create", **ASK)
        assert budget.spent.cost == pytest.approx(0.75005)
        before = budget.spent.tokens
        assert before > 60 + 50  # of the tokens it says nothing: all that was reserved
        canned.reply(200, reply(None))
        await client.call("chat.create", **ASK)
        assert budget.spent.tokens > before + 50
    assert budget.reserved == Budget(cost=1).reserved


@pytest.mark.also_trio
@pytest.mark.parametrize("end", ["finished", "closed", "left", "cut", "failed", "dropped", "whole"])
async def test_a_stream_is_settled_however_it_ends(end: str, colour: Colour) -> None:
    budget = Budget(tokens=10_000)
    with LocalServer() as local:
        async with colour.open(server_url=local.url, retry_config=None, budget=budget) as client:
            if end in ("cut", "failed"):
                local.script(Fault(cut_after_events=2) if end == "cut" else Fault(in_band_error=(1, None)))
            if end == "whole":
                local.script(Fault(status=200, body=reply()))
            stream = await client.call("chat.create", **ASK, stream=True)
            assert tokens(budget)[0] == 0
            assert tokens(budget)[1] > 50
            if end in ("cut", "failed"):
                with pytest.raises(errors.SDKError):
                    await collect(stream)
            elif end in ("finished", "whole"):
                await collect(stream)
            elif end == "left":
                await settled(stream.__anext__() if client.is_async else stream.__next__())
            if end != "dropped":
                await settled(stream.close())
            del stream
            gc.collect()
            spent, held = tokens(budget)
            assert held == 0
            # The embedded provider states 6 tokens, since a budget asks for them.
            assert spent == (30 if end == "whole" else 6) if end in ("finished", "whole") else spent > 50
    assert budget.spent.requests == 1


async def test_errors_pay_for_what_they_may_have_cost(colour: Colour, canned: CannedServer) -> None:
    budget = Budget(tokens=10_000, requests=100)
    async with colour.open(server_url=canned.url, budget=budget, retry_config=None) as client:
        for status, is_known in ((400, True), (429, True), (500, True), (504, False)):
            before = budget.spent
            canned.reply(status, {"error": "no"})
            with pytest.raises(errors.APIStatusError):
                await client.call("chat.create", **ASK)
            assert budget.spent.requests == before.requests + 1
            assert (budget.spent.tokens == before.tokens) is is_known
        for body in (b"<html>", b'{"error": {"message": "no"}}'):
            before = budget.spent
            canned.reply(200, body)
            with pytest.raises(errors.SDKError):
                await client.call("chat.create", **ASK)
            assert budget.spent.tokens > before.tokens
        canned.script = lambda connection, _: connection.close(reset=True)
        before = budget.spent
        with pytest.raises(errors.APIConnectionError):
            await client.call("chat.create", **ASK)
        assert budget.spent.tokens > before.tokens
    before = budget.spent
    async with colour.open(server_url="http://127.0.0.1:9", budget=budget, retry_config=None) as client:
        with pytest.raises(errors.APIConnectionError):
            await client.call("chat.create", **ASK)
    async with colour.open(server="openai", api_key=KEY, budget=budget) as client:
        with pytest.raises(errors.ConfigurationError, match="LLMSDK_OFFLINE"):
            await client.call("chat.create", **ASK)
    assert budget.spent == before
    assert tokens(budget)[1] == 0


async def test_retries_pay_one_by_one(colour: Colour, canned: CannedServer) -> None:
    def script(connection: Connection, _: Request) -> bool:
        status, body = (503, b"{}") if len(canned.requests) % 3 else (200, json.dumps(reply()).encode())
        connection.send(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        return True

    canned.script = script
    budget = Budget(tokens=1000, requests=4)
    async with colour.open(server_url=canned.url, budget=budget, retry_config=QUICK) as client:
        answer = await client.call("chat.create", **ASK)
        assert [attempt.status for attempt in answer.meta.attempts] == [503, 503, 200]
        assert (budget.spent.requests, tokens(budget)) == (3, (30, 0))
        # There is room for one attempt more, and none for trying again: the failure stands.
        with pytest.raises(errors.ServiceUnavailableError) as caught:
            await client.call("chat.create", **ASK)
        assert "not tried again: budget: requests is bounded by 4" in caught.value.__notes__[0]
        with pytest.raises(errors.BudgetExceededError):
            await client.call("chat.create", **ASK)
    assert (len(canned.requests), budget.spent.requests) == (4, 4)


async def test_failover_pays_each_server_by_its_own_price(colour: Colour) -> None:
    with LocalServer("r9s") as first, LocalServer("openai") as second:
        servers = [
            replace(PROVIDERS["r9s"], servers=(first.url,)),
            replace(PROVIDERS["openai"], servers=(second.url,), key_required=False),
        ]
        prices = {"m": Price(input_per_million=0), "theirs": Price(input_per_million=0, per_request=0.25)}
        budget = Budget(cost=1, requests=10)
        options: dict[str, Any] = {"failover": Failover(servers, models={"openai": "theirs"}), "api_key": KEY}
        async with colour.open(**options, prices=prices, retry_config=None, budget=budget) as client:
            first.script(Fault(status=503))
            await client.call("chat.create", **ASK)
            assert (budget.spent.cost, budget.spent.requests) == (0.25, 2)
            first.script(Fault(status=503), Fault(cut_after_events=0))
            for _ in range(2):
                await collect(await client.call("chat.create", **ASK, stream=True))
            gc.collect()
            assert (budget.spent.cost, budget.spent.requests) == (0.75, 6)
        assert budget.reserved.requests == 0


async def test_hooks_and_keys_that_raise_cost_nothing(colour: Colour, canned: CannedServer) -> None:
    class Hook:
        def before_request(self, ctx: Any, request: Any) -> Any:
            raise RuntimeError("no")

    budget = Budget(tokens=1000)
    async with colour.open(server_url=canned.url, budget=budget, hooks=[Hook()]) as client:
        with pytest.raises(RuntimeError):
            await client.call("chat.create", **ASK)
    gc.collect()
    assert tokens(budget) == (0, 0)


def test_a_cancelled_call_counts_as_spent(canned: CannedServer) -> None:
    canned.script = lambda connection, _: connection.saw_close() and False
    budget = Budget(tokens=1000)

    async def main() -> None:
        async with SDK(server_url=canned.url, budget=budget) as sdk:
            with anyio.move_on_after(0.2):
                await sdk.chat.create_async(**ASK)

    anyio.run(main)
    assert tokens(budget)[1] == 0
    assert tokens(budget)[0] > 50


async def test_a_block_has_a_budget_of_its_own(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, reply())
    whole, part = Budget(requests=3), Budget(tokens=200)
    async with colour.open(server_url=canned.url, budget=whole) as client:
        with client.sdk.track(part) as usage:
            assert usage.budget is part
            await client.call("chat.create", **ASK)
            assert (whole.spent.requests, part.spent.tokens) == (1, 30)
            await client.call("chat.create", **ASK)
            with pytest.raises(errors.BudgetExceededError) as caught:
                await client.call("chat.create", **ASK, extra_body={"max_tokens": 150})
            assert caught.value.bound == "tokens"
            assert whole.reserved.requests == 0  # what it had taken from the first is given back
        await client.call("chat.create", **ASK)
        with pytest.raises(errors.BudgetExceededError):
            await client.call("chat.create", **ASK)
        other = client.sdk.with_options(timeout_ms=5000)
        with pytest.raises(errors.BudgetExceededError):
            await settled(other.chat.create_async(**ASK) if client.is_async else other.chat.create(**ASK))
    assert (whole.spent.requests, part.spent.tokens) == (3, 60)


async def test_any_other_path_has_its_part(colour: Colour, canned: CannedServer) -> None:
    budget = Budget(tokens=1000, requests=10)
    async with colour.open(server_url=canned.url, budget=budget) as client:
        canned.reply(200, {"id": "g"})
        await client.call("post", "/graphs", body={"name": "g"})
        await client.call("get", "/graphs")
        assert (tokens(budget), budget.spent.requests) == ((0, 0), 1)
        canned.reply(200, reply())
        await client.call("post", "/chat/completions", body=ASK, cast_to=ChatCompletionResponse)
        assert (tokens(budget), budget.spent.requests) == ((30, 0), 2)
        canned.reply(200, {})
        await client.call("post", "/other", body={"model": "m", "max_tokens": 10})
        assert tokens(budget)[0] > 40
        with pytest.raises(errors.RequestValidationError, match=r"^max_tokens: "):
            await client.call("post", "/other", body={"model": "m"})


async def test_a_stream_that_was_closed_early_pays_for_all_that_may_come(colour: Colour, canned: CannedServer) -> None:
    """Some servers count as they go: what they have counted so far says nothing of the rest."""
    chunk: dict[str, Any] = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}
    last = {**chunk, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    events = [{"choices": [chunk], "usage": usage}] * 3 + [{"choices": [last], "usage": {**usage, "total_tokens": 9}}]
    canned.stream(b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in events) + b"data: [DONE]\n\n")
    budget = Budget(tokens=10_000)
    async with colour.open(server_url=canned.url, budget=budget) as client:
        for count, least in ((1, 50), (4, 9)):
            before = tokens(budget)[0]
            stream = await client.call("chat.create", **ASK, stream=True)
            for _ in range(count):
                await settled(stream.__anext__() if client.is_async else stream.__next__())
            await settled(stream.close())
            spent = tokens(budget)[0] - before
            assert spent == 9 if count == 4 else spent > least
    assert tokens(budget)[1] == 0


async def test_a_model_of_a_path_call_may_stand_in_an_object(colour: Colour, canned: CannedServer) -> None:
    class Asked(BaseModel):
        model: str = "m"
        max_tokens: int = 40

    canned.reply(200, {})
    budget = Budget(tokens=1000)
    async with colour.open(server_url=canned.url, budget=budget) as client:
        await client.call("post", "/ask", body=Asked())
    assert tokens(budget)[0] > 40


# --------------------------------------------------------------- concurrency


async def test_a_hundred_calls_at_once_never_pass_it(colour: Colour, canned: CannedServer) -> None:
    body = json.dumps(reply()).encode()

    def script(connection: Connection, _: Request) -> bool:
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    canned.script = script
    budget, found = Budget(requests=40), list[Any]()
    async with colour.open(server_url=canned.url, budget=budget) as client:

        def ask() -> None:
            try:
                found.append(client.sdk.chat.create(**ASK))
            except errors.BudgetExceededError as exc:
                found.append(exc)

        async def ask_async() -> None:
            try:
                found.append(await client.sdk.chat.create_async(**ASK))
            except errors.BudgetExceededError as exc:
                found.append(exc)

        if client.is_async:
            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(ask_async)
        else:
            threads = [threading.Thread(target=ask) for _ in range(100)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert len(canned.requests) == budget.spent.requests == 40
    assert sum(isinstance(one, errors.BudgetExceededError) for one in found) == 60
    assert budget.reserved.requests == 0


async def test_the_rows_of_a_map_wait_for_calls_under_way(colour: Colour) -> None:
    budget = Budget(tokens=1000)  # there is room for five at once, and for some hundred one after the other
    async with colour.open(server="local", budget=budget) as client:
        rows: list[Any] = [ASK] * 60
        if client.is_async:
            found = [result async for _, result in client.sdk.chat.map_async(rows, limit=16)]
        else:
            found = [result for _, result in client.sdk.chat.map(rows, limit=16)]
        assert [type(one) for one in found] == [ChatCompletionResponse] * 60
        assert tokens(budget) == (360, 0)
        with client.sdk.track(budget=Budget(tokens=100)) as usage:
            assert usage.budget is not None
            usage.budget.reserve(Amount(tokens=60))  # which nobody ever gives back
            if client.is_async:
                found = [result async for _, result in client.sdk.chat.map_async(rows[:1], deadline_ms=300)]
            else:
                found = [result for _, result in client.sdk.chat.map(rows[:1], deadline_ms=300)]
        assert isinstance(found[0], errors.BudgetExceededError)
        rows = [{**ASK, "max_tokens": 900}]
        if client.is_async:
            found = [result async for _, result in client.sdk.chat.map_async(rows)]
        else:
            found = [result for _, result in client.sdk.chat.map(rows)]
        assert isinstance(found[0], errors.BudgetExceededError)


def test_a_run_stops_where_the_budget_ends_and_goes_on_with_more(tmp_path: Path) -> None:
    rows, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [{"custom_id": f"r{number}", "body": ASK} for number in range(20)]
    rows.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    small, told = SDK(server="local", budget=Budget(requests=8)), "raise the budget and run again"
    with small, pytest.raises(errors.BatchError, match=told) as caught:
        small.batch.run(rows, out, limit=4)
    assert isinstance(caught.value.__cause__, errors.BudgetExceededError)
    assert caught.value.report.succeeded == 8
    with SDK(server="local", budget=Budget(requests=12)) as sdk:
        report = sdk.batch.run(rows, out, limit=4)
    assert (report.end, report.done_before, report.succeeded, report.failed) == ("complete", 8, 12, 0)
    assert len(out.read_text("utf-8").splitlines()) == 20


# ---------------------------------------------------------------- simulation


class World:
    """A server as it really is: it works, charges, drops, refuses; and what it has charged."""

    def __init__(self, chance: random.Random, budget: Budget, price: Price) -> None:
        self.chance, self.budget, self.price = chance, budget, price
        self.charged = 0
        self.outcomes: dict[str, int] = {}

    def answer(self, prompt: int, most: int) -> httpx.Response | TransportFailure:
        how = self.chance.choices(
            ("reply", "silent", "drop", "connect", "busy", "broken"), weights=(60, 5, 10, 5, 15, 5)
        )[0]
        self.outcomes[how] = self.outcomes.get(how, 0) + 1
        if how == "connect":
            return TransportFailure("connect", "refused")
        if how == "busy":
            return httpx.Response(self.chance.choice([429, 500, 503]), headers={"x-body": "{}"})
        used, made = self.chance.randint(1, prompt), self.chance.randint(0, most)
        self.charged += units(self.price.of(used, 0, made))
        if how == "drop":
            return TransportFailure("network", "cut")
        if how == "broken":
            return httpx.Response(200, headers={"x-body": "<html>"})
        usage = {"prompt_tokens": used, "completion_tokens": made} if how == "reply" else None
        return httpx.Response(200, headers={"x-body": json.dumps(reply(usage))})


def test_ten_thousand_calls_with_drops_and_retries_never_pass_the_bound() -> None:
    chance, clock = random.Random(7), Clock()
    price = Price(input_per_million=1000, output_per_million=4000)
    budget = Budget(cost=150.0)
    world = World(chance, budget, price)
    base = make_call(
        clock=clock, retries=replace(QUICK, max_attempts=4), content=b'{"model":"m","pad":"%b"}' % (b"x" * 40)
    )
    body: Any = base.plan.encoded.body
    done: dict[str, int] = {}
    running: list[tuple[Any, Any, int]] = []
    left = 10_000
    while left or running:
        if left and len(running) < 50 and (not running or chance.random() < 0.5):
            left -= 1
            most = chance.randint(1, 40)
            terms = Terms((budget,), most, price)
            state = replace(base.state, attempts=[], hook_state={}, held=None)
            plan = base.plan._replace(terms=terms)
            flow = terms.accounted(run_call(plan, state, base.client, env_of(clock)), state)
            running.append((flow, None, most))
            continue
        index = chance.randrange(len(running))
        flow, outcome, most = running.pop(index)
        if chance.random() < 0.01:
            flow.close()  # cancelled, or dropped
            done["dropped"] = done.get("dropped", 0) + 1
            continue
        try:
            effect = flow.throw(outcome) if isinstance(outcome, BaseException) else flow.send(outcome)
        except (StopIteration, errors.SDKError) as end:
            done[type(end).__name__] = done.get(type(end).__name__, 0) + 1
            continue
        match effect:
            case Send():
                outcome = world.answer(len(body), most)
            case Read():
                outcome = effect.response.headers["x-body"].encode()
            case Sleep():
                clock.now += effect.seconds
                outcome = None
            case _:
                outcome = None
        running.append((flow, outcome, most))
        assert world.charged <= units(budget.spent.cost + budget.reserved.cost) + 1
        assert budget.spent.cost + budget.reserved.cost <= 150.0
    gc.collect()
    assert budget.reserved == Budget(cost=1).reserved
    assert world.charged / 1e12 <= budget.spent.cost <= 150.0
    # It was worth simulating: all kinds of ends came, and the budget was used up nearly whole.
    assert {"StopIteration", "BudgetExceededError", "APIConnectionError", "dropped"} <= done.keys()
    assert budget.spent.cost > 149
    assert len(world.outcomes) == 6


# ---------------------------------------------------------------------- files


def test_an_account_outlives_the_process(tmp_path: Path, canned: CannedServer) -> None:
    canned.reply(200, reply())
    path = tmp_path / "account.json"
    for number in range(1, 4):
        budget = Budget(requests=3, tokens=1000, path=path)
        with SDK(server_url=canned.url, budget=budget) as sdk:
            sdk.chat.create(**ASK)
        assert (budget.spent.requests, budget.spent.tokens, budget.reserved.tokens) == (number, 30 * number, 0)
    fourth = SDK(server_url=canned.url, budget=Budget(requests=3, path=path))
    with fourth, pytest.raises(errors.BudgetExceededError):
        fourth.chat.create(**ASK)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["account.json", "account.json.lock"]


HOG = """
import sys
from llmsdk import SDK, Budget, errors
budget = Budget(requests=60, path=sys.argv[1])
sent = 0
with SDK(server_url=sys.argv[2], budget=budget) as sdk:
    for _ in range(40):
        try:
            sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}], max_tokens=5)
            sent += 1
        except errors.BudgetExceededError:
            pass
print(sent)
"""


def test_processes_share_an_account(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    with LocalServer() as local:
        command = [sys.executable, "-c", HOG, str(path), local.url]
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        workers = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
        sent = [int(worker.communicate(timeout=120)[0]) for worker in workers]
    assert sum(sent) == 60
    budget = Budget(requests=60, path=path)
    assert (budget.spent.requests, budget.reserved.requests) == (60, 0)


def test_what_a_process_held_that_died_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    code = f"""
import os
from llmsdk import Budget
from llmsdk._call.budget import Amount
budget = Budget(tokens=100, path={str(path)!r})
budget.reserve(Amount(0, 30, 1))
budget.reserve(Amount(0, 40, 1))
budget.settle(Amount(0, 30, 1), Amount(0, 5, 1))
os._exit(1)
"""
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=60)
    budget = Budget(tokens=100, path=path)
    assert (budget.spent.tokens, budget.reserved.tokens) == (45, 0)
    with pytest.raises(errors.BudgetExceededError):
        budget.reserve(Amount(tokens=56))
    budget.reserve(Amount(tokens=55))


def test_what_others_hold_is_reserved(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    held = {"5@another-machine": [0, 30, 1], f"{os.getppid()}@{os.uname().nodename}": [0, 40, 1]}
    document = {"form": "llmsdk budget 1", "spent": [0, 10, 1], "held": held}
    path.write_text(json.dumps(document), "utf-8")
    budget = Budget(tokens=100, path=path)
    assert (budget.spent.tokens, budget.reserved.tokens) == (10, 70)
    # One that was thought to be gone comes back and settles.
    budget.settle(Amount(tokens=8), Amount(tokens=2))
    assert budget.spent.tokens == 4


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"form": 1}',
        b'{"form": "llmsdk budget 1", "spent": [1, 2]}',
        b'{"form": "llmsdk budget 1", "spent": [1, 2, 3], "held": []}',
    ],
)
def test_a_file_of_something_else_is_left_alone(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with pytest.raises(errors.ConfigurationError, match="is not the file of a budget"):
        _ = Budget(tokens=1, path=path).spent
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.ConfigurationError, match="cannot be used: "):
        _ = Budget(tokens=1, path=tmp_path / "none" / "account.json").spent
    monkeypatch.setattr("llmsdk._call.budget_file._fcntl", None)
    with pytest.raises(errors.ConfigurationError, match="no locks on files"):
        Budget(tokens=1, path=tmp_path / "account.json")


def test_a_process_of_somebody_else_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, signal: int) -> None:
        raise PermissionError

    path = tmp_path / "account.json"
    held = {f"5@{os.uname().nodename}": [0, 40, 1], "x@y": [0, 1, 0]}
    path.write_text(json.dumps({"form": "llmsdk budget 1", "spent": [0, 0, 0], "held": held}), "utf-8")
    monkeypatch.setattr(os, "kill", refuse)
    assert Budget(tokens=100, path=path).reserved.tokens == 41


def test_settling_never_waits_for_another_process(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    budget = Budget(tokens=100, path=path)
    budget.reserve(Amount(tokens=50))
    other = Budget(tokens=100, path=path)
    assert budget._file is not None
    with budget._file.opened():
        budget.settle(Amount(tokens=50), Amount(tokens=20))  # somebody is at the file: it is written later
    with budget._lock:
        budget.settle(NOTHING, Amount(tokens=1))
    assert other.reserved.tokens == 50
    assert (budget.spent.tokens, other.reserved.tokens) == (21, 0)
    budget.reserve(Amount(tokens=3))
    budget.reserve(Amount(tokens=4))
    budget.settle(Amount(tokens=3), NOTHING)
    assert other.reserved.tokens == 4
    budget.settle(Amount(tokens=4), NOTHING)
    budget.reserve(Amount(tokens=50))
    with budget._lock:
        budget.settle(Amount(tokens=50), Amount(tokens=4))
    del budget
    gc.collect()
    assert (other.spent.tokens, other.reserved.tokens) == (25, 0)  # what was left is written when it goes


def in_child(budget: Budget, answers: Any) -> None:
    budget.settle(NOTHING, NOTHING)
    budget.reserve(Amount(tokens=7))
    answers.put((budget.spent.tokens, budget.reserved.tokens))
    os._exit(0)


def test_a_forked_child_has_no_part_in_what_its_parent_settles(tmp_path: Path) -> None:
    budget = Budget(tokens=100, path=tmp_path / "account.json")
    budget.reserve(Amount(tokens=50))
    with budget._lock:
        budget.settle(Amount(tokens=50), Amount(tokens=20))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child: Any = context.Process(target=in_child, args=(budget, answers))
    child.start()
    assert answers.get() == (0, 57)
    child.join()
    assert budget.spent.tokens == 27
    budget._over.append((NOTHING, Amount(tokens=9)))
    budget._pid = 0  # as in a child
    assert budget.spent.tokens == 27


def test_budgets_are_one_account_wherever_they_go(tmp_path: Path) -> None:
    budget = Budget(cost=1, tokens=5, path=tmp_path / "account.json")
    assert repr(budget) == "Budget(cost=1, tokens=5)"
    assert copy.copy(budget) is copy.deepcopy(budget) is budget
    twin = pickle.loads(pickle.dumps(budget))
    budget.reserve(Amount(tokens=3))
    assert twin.reserved.tokens == 3
    assert (twin.cost, twin.tokens, twin.requests, twin.output_tokens) == (1, 5, None, None)
    with pytest.raises(errors.ConfigurationError, match=r"give it path=, a file that they share"):
        pickle.dumps(Budget(cost=1))
    with SDK(server="local", budget=budget) as sdk:
        assert pickle.loads(pickle.dumps(sdk))._config.budget.tokens == 5


def test_errors_travel() -> None:
    with pytest.raises(errors.BudgetExceededError) as caught:
        Budget(cost=1).reserve(Amount(cost=units(1.5)))
    for error in (pickle.loads(pickle.dumps(caught.value)), copy.deepcopy(caught.value)):
        assert (str(error), error.needed, error.limit) == (str(caught.value), 1.5, 1)
