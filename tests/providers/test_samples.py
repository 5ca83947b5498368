"""Every operation of every server has a wire sample, and each passes through the real code over a real socket."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmsdk import EventStream, EventStreamAsync, errors
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations import all_operations
from providers.samples import Exchange, at, exchanges, fields_of, plain, sources, wanted
from providers.test_more import INDEX as MORE
from providers.test_wire import INDEX, Sample
from support.canned import CannedServer, Request
from support.colours import KEY, Colour, collect

EXCHANGES = exchanges()
COUNT = 267
RAN: dict[str, set[str]] = {"sync": set(), "asyncio": set()}


def pairs() -> set[tuple[str, str]]:
    """Servers and operations that have a sample, here or among the recorded ones."""
    recorded = {(sample.server, sample.operation) for sample in map(Sample, INDEX)}
    ids = {f"{one.resource}.{one.name}": one.id for one in all_operations().values()}
    recorded |= {(row["server"], ids[row["operation"]]) for row in MORE}
    return recorded | {(one.server, one.operation) for one in EXCHANGES}


def test_every_operation_of_every_server_has_a_sample() -> None:
    # The embedded provider is this package's own: the examples of the docs run against it.
    wanted = {(name, id) for name, one in PROVIDERS.items() if not one.embedded for id in one.routes}
    missing = sorted(f"{server}: {operation}" for server, operation in wanted - pairs())
    assert not missing, f"write samples into tests/data/samples/<server>.toml: {', '.join(missing)}"


def test_every_file_says_where_its_facts_come_from() -> None:
    assert sources().keys() <= PROVIDERS.keys()
    assert [name for name, source in sources().items() if len(source) < 20] == []
    assert len({repr(one) for one in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize("sample", EXCHANGES, ids=repr)
async def test_a_sample_passes(sample: Exchange, colour: Colour, canned: CannedServer) -> None:
    canned.reply(sample.status, sample.reply.encode(), sample.reply_headers)
    # A placeholder in the host has its value in the sample's options, and the path is what counts here.
    base = canned.url + urlsplit(sample.provider.servers[0]).path
    options = {"retry_config": sample.retries, **sample.options}
    async with colour.open(server=sample.server, api_key=KEY, server_url=base, **options) as client:
        if sample.raises:
            with pytest.raises(errors.SDKError) as caught:
                await ended(await client.call(sample.method, **sample.args))
            assert type(caught.value).__name__ == sample.raises
            result: Any = caught.value
        else:
            result = await ended(await client.call(sample.method, **sample.args))
    assert {path: plain(at(result, path)) for path in sample.gives} == dict(sample.gives)
    assert len(canned.requests) == sample.requests
    if canned.requests:
        check_request(sample, canned.last)
    RAN[colour.backend].add(repr(sample))


async def ended(result: Any) -> Any:
    """Take a stream's end in its place."""
    if not isinstance(result, EventStream | EventStreamAsync):
        return result
    await collect(result)
    return result.final


def check_request(sample: Exchange, request: Request) -> None:
    if sample.line is not None:
        assert f"{request.method} {request.target}" == sample.line
    if sample.sent is not None:
        content_type = request.headers.get("content-type", "")
        is_form = content_type.startswith("multipart/form-data")
        assert wanted(sample.sent) == (fields_of(content_type, request.body) if is_form else json.loads(request.body))
    header = sample.provider.key_header
    if header is not None:
        assert request.headers[header[0]] == header[1].format(api_key=KEY)


def test_every_sample_ran(request: pytest.FixtureRequest) -> None:
    """Every sample of every server passed through the real code, sync and async."""
    assert len(EXCHANGES) == COUNT
    if request.config.option.keyword or any("::" in arg for arg in request.config.args):
        pytest.skip("only some of the samples were asked for")
    every = {repr(one) for one in EXCHANGES}
    assert {backend: every - ran for backend, ran in RAN.items()} == {"sync": set(), "asyncio": set()}
