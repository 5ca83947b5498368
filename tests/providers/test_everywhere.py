"""Every server by its id: through the embedded provider, from a file, and counted right."""

from __future__ import annotations

import ast
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import llmsdk
from llmsdk import Provider
from llmsdk.local import LocalServer
from llmsdk.providers import GROQ, PROVIDERS
from llmsdk.providers.ids import IDS
from support.canned import CannedServer
from support.colours import KEY, Colour, collect

CHAT: dict[str, Any] = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "Why?"}]}
CHATTING = [name for name, one in PROVIDERS.items() if "createChatCompletion" in one.routes and not one.embedded]
DATA = Path(__file__).parents[1] / "data" / "twins"


def at(server: LocalServer, name: str) -> Provider:
    """The dialect of a server, where the embedded provider speaks it."""
    provider = PROVIDERS[name]
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(server.url))
    return replace(provider, servers=(origin + urlsplit(provider.servers[0]).path,), base_url_var=None)


def test_there_are_thirty_four() -> None:
    assert len(IDS) == len(set(IDS)) == len(PROVIDERS) == 34
    assert list(IDS[6:]) == sorted(IDS[6:])


def test_no_server_is_named_outside_its_file() -> None:
    """Servers are data: code that asks for one by its id would be a deviation that no file of a provider can say."""
    source = Path(llmsdk.__file__).parent
    # The ids themselves, written by a script; and what the embedded provider answers as, by dialect.
    lists = {source / "providers" / "ids.py", source / "local" / "wire.py"}
    found = [
        f"{path.relative_to(source)}:{node.lineno}: {node.value}"
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and node.value in IDS and path not in lists
        # A codec may name the protocol that it speaks, on the blocks of its messages.
        if node.value != path.stem and "codecs" not in path.parts
    ]
    assert found == []


@pytest.mark.parametrize("name", CHATTING)
async def test_a_conversation_with_the_embedded_provider(name: str, colour: Colour) -> None:
    with LocalServer(dialect=name) as server:
        async with colour.open(server=at(server, name), api_key=KEY) as client:
            reply = await client.call("chat.create", **CHAT)
            assert "Why?" in reply.text
            stream = await client.call("chat.create", **CHAT, stream=True)
            await collect(stream)
            assert stream.final.text == reply.text
            messages = [*CHAT["messages"], reply.choices[0].message, {"role": "user", "content": "And why?"}]
            assert "And why?" in (await client.call("chat.create", **{**CHAT, "messages": messages})).text
        assert server.requests[-1].headers.keys() & {(PROVIDERS[name].key_header or ("",))[0]}


def test_one_of_them_as_a_file_is_the_same() -> None:
    read = Provider.from_toml(DATA / "groq.toml")
    assert {one.name: getattr(read, one.name) for one in fields(Provider)} == {
        one.name: getattr(GROQ, one.name) for one in fields(Provider)
    }


async def test_counts_on_every_chunk_count_once(colour: Colour, canned: CannedServer) -> None:
    """Perplexity and Baseten state the counts so far on each chunk."""
    event = '{"id":"p","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":%s}],"usage":%s}'
    usages = [f'{{"prompt_tokens":10,"completion_tokens":{n},"total_tokens":{10 + n}}}' for n in (1, 2, 3)]
    texts = [event % (finish, usage) for finish, usage in zip(("null", "null", '"stop"'), usages, strict=True)]
    canned.stream("".join(f"data: {text}\n\n" for text in texts).encode())
    async with colour.open(server="perplexity", server_url=canned.url, api_key=KEY) as client:
        stream = await client.call("chat.create", **CHAT, stream=True)
        await collect(stream)
        assert (client.sdk.usage.calls, client.sdk.usage.total_tokens) == (1, 13)
