"""Google's own client against the dialect `gemini`."""

from __future__ import annotations

from google import genai
from google.genai import errors, types

from llmsdk.local import LocalServer

from .checks import ANSWER, KEY, SCHEMA, Checks

PACKAGE = "google-genai"
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="get_weather", description="Weather", parameters_json_schema=SCHEMA)
    ]
)


def judge(checks: Checks) -> None:
    with LocalServer("gemini") as server:
        options = types.HttpOptions(
            base_url=server.origin, api_version=server.url.removeprefix(server.origin).strip("/")
        )
        client = genai.Client(api_key=KEY, http_options=options)
        models = client.models
        setting = types.GenerateContentConfig(
            tools=[TOOL], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
        )
        weather = "What's the weather in Lima?"
        checks.run("content", lambda: ANSWER in models.generate_content(model="m", contents="Hello").text)
        checks.run(
            "stream",
            lambda: (
                ANSWER in "".join(one.text or "" for one in models.generate_content_stream(model="m", contents="Hello"))
            ),
        )
        checks.run(
            "usage", lambda: models.generate_content(model="m", contents="a").usage_metadata.total_token_count > 0
        )
        checks.run(
            "tools",
            lambda: (
                models.generate_content(model="m", contents=weather, config=setting).function_calls[0].args["city"]
                == "Lima"
            ),
        )
        checks.run(
            "tools stream",
            lambda: any(
                one.function_calls
                for one in models.generate_content_stream(model="m", contents=weather, config=setting)
            ),
        )
        form = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)
        checks.run("json_schema", lambda: "city" in models.generate_content(model="m", contents="a", config=form).text)
        checks.run("tokens", lambda: models.count_tokens(model="m", contents="Hello").total_tokens > 0)
        embed = types.EmbedContentConfig(output_dimensionality=8)
        checks.run(
            "embeddings",
            lambda: (
                [
                    len(one.values)
                    for one in models.embed_content(model="m", contents=["a", "b"], config=embed).embeddings
                ]
                == [8, 8]
            ),
        )
        checks.run("batch", lambda: _batch(client) == ["a", "b"])
        checks.run("models", lambda: len(list(models.list())) == 3)
        checks.run("model", lambda: models.get(model="embedded-chat").name == "models/embedded-chat")
        for status, kind in ((401, errors.ClientError), (404, errors.ClientError), (500, errors.ServerError)):
            server.script({"status": status})
            checks.raises(f"{status}", status, lambda: models.generate_content(model="m", contents="a"), kind)
        server.script({"in_band_error": (2, None)})
        checks.raises(
            "error in a stream", 500, lambda: list(models.generate_content_stream(model="m", contents="Hello"))
        )
        client.close()


def _batch(client: genai.Client) -> list[str]:
    rows = [{"contents": "Hello", "metadata": {"key": name}} for name in ("a", "b")]
    batch = client.batches.create(model="m", src=rows)
    while batch.state.name != "JOB_STATE_SUCCEEDED":  # each look takes it one step on
        batch = client.batches.get(name=batch.name)
    assert batch.name in [one.name for one in client.batches.list()]
    found = batch.dest.inlined_responses
    assert all(ANSWER in one.response.text for one in found)
    return [one.metadata["key"] for one in found]
