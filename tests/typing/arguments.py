"""What arguments are accepted, from the plainest to the whole vocabulary. Never run."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import httpx

from llmsdk import SDK, HookContext, Provider, Route
from llmsdk.models import ChatCompletionRequest, ChatMessageParam, CompletionRequest
from llmsdk.providers import PROVIDERS
from llmsdk.utils import BackoffStrategy, RetryBudget, RetryConfig


class Before:
    def sdk_init(self, config: Any) -> None: ...

    async def before_request(self, ctx: HookContext, request: httpx.Request) -> httpx.Request:
        return request


class After:
    def after_error(
        self, ctx: HookContext, response: httpx.Response | None, error: Exception | None
    ) -> tuple[httpx.Response | None, Exception | None]:
        return response, error


async def later() -> str:
    return "sk-placeholder"


def sdks(client: httpx.Client, async_client: httpx.AsyncClient) -> list[SDK]:
    mine = Provider(name="mine", servers=("https://mine.example",), routes={"createCompletion": Route()})
    return [
        SDK(),
        SDK(api_key=None, server=None, server_url=None, client=None),
        SDK(api_key="sk-placeholder", server="together"),
        SDK(server=PROVIDERS[mine.name]),
        SDK(api_key=lambda: "sk-placeholder", server_idx=1, organization_id=5),
        SDK(api_key=later, server=mine),
        SDK(api_key={"together": "sk-placeholder", "r9s": later}),
        SDK(server_url="https://{region}.example", url_params={"region": "eu"}),
        SDK(client=client, async_client=async_client, timeout_ms=1_000, unsupported="drop"),
        SDK(
            retry_config=RetryConfig("backoff", BackoffStrategy(500, 60_000, 1.5, 300_000), True),
            retry_budget=RetryBudget(),
            hooks=[Before(), After()],
            http_headers={"X-A": "1"},
            debug_logger=logging.getLogger("x"),
            max_response_bytes=1,
            max_event_bytes=1,
        ),
        SDK(retry_config=None),
    ]


def options_of_a_call(sdk: SDK) -> None:
    sdk.chat.create(
        model="m",
        messages=[],
        server="r9s",
        server_url="https://x.example",
        organization_id="o",
        retries=None,
        timeout_ms=1.5,
        deadline_ms=None,
        http_headers={"X-A": "1"},
        extra_body={"a": [1]},
        extra_query={"a": True},
        unsupported="pass",
    )


def completion_parameters(sdk: SDK) -> None:
    sdk.completions.create(
        model="m",
        prompt="p",
        max_tokens=1,
        min_tokens=None,
        temperature=1,
        top_p=0.5,
        top_k=1,
        min_p=0.1,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0,
        logit_bias={"1": 2.5},
        stop="x",
        n=1,
        best_of=1,
        echo=True,
        logprobs=1,
        seed=1,
        safety_model="s",
        user="u",
        stream_options={"include_usage": True},
        suffix="s",
    )
    sdk.completions.create(model="m", prompt="p", stop=["a", "b"])
    sdk.completions.create(model="m", prompt="p", stop=("a", "b"))
    request: CompletionRequest = {"model": "m", "prompt": "p", "stream": True}
    sdk.completions.create(completion_request=request)


def messages(sdk: SDK) -> None:
    conversation: list[ChatMessageParam] = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}]},
    ]
    reply = sdk.chat.create(
        model="m",
        messages=conversation,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        tool_choice="auto",
        response_format={"type": "json_object"},
    )
    # A message that came back is given as it is.
    sdk.chat.create(
        model="m",
        messages=[
            *conversation,
            reply.choices[0].message,
            {"role": "tool", "tool_call_id": "t", "content": "c"},
        ],
        tool_choice={"type": "function", "function": {"name": "f"}},
    )
    sdk.chat.create(chat_completion_request=ChatCompletionRequest(messages=[]), model="m")


def image_parameters(sdk: SDK, path: Path) -> None:
    sdk.images.create(
        model="m",
        prompt="p",
        n=1,
        size="512x512",
        width=512,
        height=512,
        steps=4,
        seed=1,
        negative_prompt="n",
        image_url="u",
        response_format="b64_json",
        image_loras=[{"path": "p", "scale": 1.0}],
    )
    with path.open("rb") as file:
        sdk.images.edit(prompt="p", image=file, mask=path)
    sdk.images.edit(prompt="p", image=[io.BytesIO(), path, ("a.png", b"x")])
    sdk.images.create(prompt="p").data[0].save(path)
