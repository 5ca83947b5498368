"""LangChain's chat model for OpenAI against the embedded provider."""

from __future__ import annotations

import openai
from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from llmsdk.local import LocalServer

from .checks import ANSWER, KEY, TOOLS, Checks

PACKAGE = "langchain-openai"


class Place(BaseModel):
    city: str


def judge(checks: Checks) -> None:
    with LocalServer("openai") as server:
        _chat(checks, server)
        embeddings = OpenAIEmbeddings(model="m", base_url=server.url, api_key=KEY, check_embedding_ctx_length=False)
        checks.run("embeddings", lambda: len(embeddings.embed_documents(["a", "b"])) == 2)
    with LocalServer("openai_responses") as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key=KEY, use_responses_api=True)
        checks.run("responses", lambda: ANSWER in model.invoke("Hello").text)
        checks.run("responses stream", lambda: ANSWER in "".join(one.text for one in model.stream("Hello")))


def _chat(checks: Checks, server: LocalServer) -> None:
    model = ChatOpenAI(model="m", base_url=server.url, api_key=KEY, max_retries=0, stream_usage=True)
    checks.run("chat", lambda: ANSWER in model.invoke("Hello").content)
    checks.run("usage", lambda: model.invoke("Hello").usage_metadata["total_tokens"] > 0)
    checks.run("stream", lambda: ANSWER in "".join(one.content for one in model.stream("Hello")))
    tooled, weather = model.bind_tools(TOOLS), "What's the weather in Lima?"
    checks.run("tools", lambda: tooled.invoke(weather).tool_calls[0]["args"] == {"city": "Lima"})

    def streamed() -> bool:
        first, *rest = tooled.stream(weather)
        for one in rest:
            first += one
        return first.tool_calls[0]["args"] == {"city": "Lima"}

    checks.run("tools stream", streamed)

    def second_round() -> bool:
        asked = tooled.invoke(weather)
        told = ToolMessage("rain", tool_call_id=asked.tool_calls[0]["id"])
        return "rain" in tooled.invoke([("user", weather), asked, told]).content

    checks.run("result of a tool", second_round)
    for method in ("json_schema", "function_calling", "json_mode"):
        if method != "json_mode":
            form = model.with_structured_output(Place, method=method)
            checks.run(f"structured, {method}", lambda form=form: isinstance(form.invoke("Lima"), Place))
    server.script({"status": 429})
    checks.raises("429", 429, lambda: model.invoke("Hello"), openai.RateLimitError)
