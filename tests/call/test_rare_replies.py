"""Replies and parameters that hardly anybody sends, read to their end."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from llmsdk import SDK, errors

SAID = [{"role": "user", "content": "Hi"}]


def answering(body: str, kind: str = "application/json") -> SDK:
    reply = httpx.Response(200, text=body, headers={"content-type": kind})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    return SDK(api_key="sk-placeholder", server_url="http://127.0.0.1:9", client=client, retry_config=None)


@pytest.mark.parametrize("finish_reason", [{}, {"finish_reason": None}, {"finish_reason": ""}])
def test_a_message_without_words_and_without_a_reason_is_an_answer(finish_reason: dict[str, Any]) -> None:
    message = {"role": "assistant", "content": None}
    body = json.dumps({"choices": [{"index": 0, "message": message, **finish_reason}]})
    with answering(body) as sdk:
        reply = sdk.chat.create(model="m", messages=SAID)
    assert reply.choices[0].message.content is None


def test_an_event_with_more_digits_than_a_parser_takes_is_read() -> None:
    chunk = '{"choices":[{"index":0,"delta":{"content":"a"}}],"n":' + "9" * 5_000 + "}"
    last = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
    body = f"data: {chunk}\n\ndata: {last}\n\ndata: [DONE]\n\n"
    with answering(body, "text/event-stream") as sdk, sdk.chat.create(model="m", messages=SAID, stream=True) as stream:
        assert [chunk.text for chunk in stream] == ["a", ""]


class _Later:
    """Can be awaited, and is no coroutine."""

    def __await__(self) -> Generator[None]:
        yield


class _AsyncFile:
    name = "a.png"

    def read(self, _: int = -1) -> Any:
        return _Later()


def test_a_file_that_is_read_later_is_refused() -> None:
    text = r"^image: its read\(\) is async; expected bytes"
    with answering("{}") as sdk, pytest.raises(errors.RequestValidationError, match=text):
        sdk.images.edit(model="m", prompt="p", image=_AsyncFile())
