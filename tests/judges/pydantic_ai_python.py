"""Pydantic AI's agents against the dialects of OpenAI."""

from __future__ import annotations

import asyncio

import openai
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.models import Model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from llmsdk.local import LocalServer

from .checks import ANSWER, KEY, Checks

PACKAGE = "pydantic-ai"


class Place(BaseModel):
    city: str


def judge(checks: Checks) -> None:
    for dialect in ("openai", "openai_responses"):
        with LocalServer(dialect) as server:
            asyncio.run(_agents(checks, dialect, server))
    checks.skip("anthropic", "pydantic-ai 2.31 with anthropic 2.14 fails before it sends anything")


def _model(dialect: str, url: str) -> Model:
    client = openai.AsyncOpenAI(api_key=KEY, base_url=url, max_retries=0)
    kind = OpenAIChatModel if dialect == "openai" else OpenAIResponsesModel
    return kind("m", provider=OpenAIProvider(openai_client=client))


async def _agents(checks: Checks, at: str, server: LocalServer) -> None:
    model = _model(at, server.url)

    async def plain() -> bool:
        return ANSWER in (await Agent(model).run("Hello")).output

    async def streamed() -> bool:
        async with Agent(model).run_stream("Hello") as result:
            return ANSWER in await result.get_output()

    async def tools() -> bool:
        agent = Agent(model)
        asked: list[str] = []

        @agent.tool_plain
        def get_weather(city: str) -> str:
            asked.append(city)
            return "rain"

        said = (await agent.run("What's the weather in Lima?")).output
        return asked == ["Lima"] and "rain" in said

    async def structured() -> bool:
        return isinstance((await Agent(model, output_type=Place).run("Lima")).output, Place)

    async def refused() -> bool:
        server.script({"status": 429})
        try:
            await Agent(model).run("Hello")
        except ModelHTTPError as exc:
            return exc.status_code == 429
        return False

    for check in (plain, streamed, tools, structured, refused):
        name = f"{at} {check.__name__}"
        try:
            result: object = await check()
        except Exception as exc:  # its verdict
            result = exc
        checks.that(name, result is True, result)
