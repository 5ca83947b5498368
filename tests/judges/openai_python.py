"""The official OpenAI client, which compares each reply with its models, against the dialects that are OpenAI's."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import get_type_hints

import openai
from pydantic import BaseModel

from llmsdk.local import LocalServer

from .checks import ANSWER, CLIP, FORM, HELLO, KEY, TOOLS, WEATHER, Checks, arguments_of, called, text_of

PACKAGE = "openai"


class Place(BaseModel):
    city: str


VOCABULARY = Path(__file__).parents[1] / "data" / "vocabulary.json"


def judge(checks: Checks) -> None:
    _vocabulary(checks)
    for dialect in ("local", "openai", "r9s"):
        with LocalServer(dialect) as server, _client(server) as client:
            _chat(checks, client, dialect)
            _others(checks, client, dialect)
            _errors(checks, client, server, dialect)
            _audio(checks, client, dialect)
    with LocalServer("openai") as server, _client(server) as client:
        _files(checks, client)
    for dialect in ("together", "groq", "vllm", "llamacpp"):
        with LocalServer(dialect) as server, _client(server) as client:
            _audio(checks, client, dialect)
    with LocalServer("openai_responses") as server, _client(server) as client:
        _responses(checks, client)
        _errors(checks, client, server, "openai_responses")


def _vocabulary(checks: Checks) -> None:
    """The parameters that this release has, beside those that the SDK is known to take or to leave out."""
    for id, entry in json.loads(VOCABULARY.read_text("utf-8"))["operations"].items():
        module, name = entry["class"].split(":")
        theirs = set(get_type_hints(getattr(importlib.import_module(module), name)))
        new = sorted(theirs - set(entry["parameters"]))
        checks.that(f"parameters of {id}", not new, f"new in openai {openai.__version__}: {new}")


def _client(server: LocalServer) -> openai.OpenAI:
    return openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0, _strict_response_validation=True)


def _chat(checks: Checks, client: openai.OpenAI, at: str) -> None:
    create = client.chat.completions.create
    checks.run(f"{at} chat", lambda: ANSWER in create(model="m", messages=HELLO).choices[0].message.content)
    checks.run(f"{at} chat n=2", lambda: len(create(model="m", messages=HELLO, n=2).choices) == 2)
    checks.run(
        f"{at} chat logprobs",
        lambda: len(create(model="m", messages=HELLO, logprobs=True, top_logprobs=2).choices[0].logprobs.content) > 2,
    )
    checks.run(f"{at} chat stream", lambda: ANSWER in text_of(create(model="m", messages=HELLO, stream=True)))
    usage = {"include_usage": True}
    checks.run(
        f"{at} chat stream usage",
        lambda: list(create(model="m", messages=HELLO, stream=True, stream_options=usage))[-1].usage.total_tokens > 0,
    )
    checks.run(f"{at} tools", lambda: called(create(model="m", messages=WEATHER, tools=TOOLS).choices[0].message))
    checks.run(
        f"{at} tools logprobs",
        lambda: called(create(model="m", messages=WEATHER, tools=TOOLS, logprobs=True).choices[0].message),
    )
    checks.run(
        f"{at} tools stream",
        lambda: "Lima" in arguments_of(create(model="m", messages=WEATHER, tools=TOOLS, stream=True)),
    )
    checks.run(
        f"{at} json_schema",
        lambda: "city" in create(model="m", messages=HELLO, response_format=FORM).choices[0].message.content,
    )
    checks.run(
        f"{at} parse",
        lambda: (
            client.chat.completions.parse(model="m", messages=HELLO, response_format=Place)
            .choices[0]
            .message.parsed.city
            != ""
        ),
    )

    def streamed_parse() -> bool:
        with client.chat.completions.stream(model="m", messages=WEATHER, tools=TOOLS) as stream:
            for _ in stream:
                pass
            return called(stream.get_final_completion().choices[0].message)

    checks.run(f"{at} stream helper", streamed_parse)


def _others(checks: Checks, client: openai.OpenAI, at: str) -> None:
    easy = openai.OpenAI(api_key=KEY, base_url=client.base_url, max_retries=0)
    if at != "r9s":  # whose completions are another object, and are judged by its own client
        create = client.completions.create
        checks.run(f"{at} completion", lambda: ANSWER in create(model="m", prompt="Hello").choices[0].text)
        checks.run(f"{at} completion logprobs", lambda: create(model="m", prompt="a", logprobs=2).choices[0].text != "")
        # Not strict: its model of a streamed piece wants a finish reason, which OpenAI itself sends with the last only.
        stream = easy.completions.create
        checks.run(
            f"{at} completion stream",
            lambda: (
                ANSWER
                in "".join(c.choices[0].text for c in stream(model="m", prompt="Hello", stream=True) if c.choices)
            ),
        )
        # Without a format its client asks for base64, undoes it, and has no strict model of what came before.
        embed = client.embeddings.create
        checks.run(
            f"{at} embeddings", lambda: len(embed(model="m", input=["a", "b"], encoding_format="float").data) == 2
        )
        usual = easy.embeddings.create
        checks.run(f"{at} embeddings, packed", lambda: len(usual(model="m", input="a").data[0].embedding) > 2)
        checks.run(f"{at} model", lambda: client.models.retrieve("embedded-chat").id == "embedded-chat")
    checks.run(f"{at} models", lambda: len(list(client.models.list())) == 3)
    checks.run(
        f"{at} image",
        lambda: client.images.generate(model="m", prompt="Hello", size="1024x1024").data[0] is not None,
    )
    if at == "openai":
        checks.run(
            f"{at} image stream",
            lambda: (
                [e.type for e in client.images.generate(model="m", prompt="a", stream=True, partial_images=1)]
                == ["image_generation.partial_image", "image_generation.completed"]
            ),
        )


def _audio(checks: Checks, client: openai.OpenAI, at: str) -> None:
    hear, speak = client.audio.transcriptions.create, client.audio.speech
    if at not in ("vllm", "llamacpp"):
        asked = {"model": "m", "input": "a b", "voice": "nova", "response_format": "wav"}
        checks.run(f"{at} speech", lambda: speak.create(**asked).read()[:4] == b"RIFF")

        def streamed() -> bool:
            with speak.with_streaming_response.create(**asked) as response:
                return b"".join(response.iter_bytes())[:4] == b"RIFF"

        checks.run(f"{at} speech streamed", streamed)
    checks.run(f"{at} transcription", lambda: "12 bytes" in hear(model="m", file=CLIP).text)
    if at in ("local", "openai", "r9s"):
        checks.run(f"{at} subtitles", lambda: "-->" in hear(model="m", file=CLIP, response_format="srt"))
        # Not strict: the embedded provider has one category, where its model wants all thirteen.
        easy = openai.OpenAI(api_key=KEY, base_url=client.base_url, max_retries=0)
        moderate = easy.moderations.create
        checks.run(
            f"{at} moderation",
            lambda: [one.flagged for one in moderate(model="m", input=["a", "flag this"]).results] == [False, True],
        )
    if at in ("local", "openai", "llamacpp"):
        checks.run(
            f"{at} transcription stream",
            lambda: [event.type for event in hear(model="m", file=CLIP, stream=True)][-1] == "transcript.text.done",
        )
    decide = getattr(client, "decisions", None)
    if decide is not None and at in ("local", "openai"):
        asked = [
            {"type": "predicate", "instructions": "late"},
            {"type": "choice", "instructions": "x", "choices": [{"value": "a"}, {"value": True}]},
            {"type": "score", "instructions": "x", "levels": [{"label": "a"}, {"label": "b"}]},
        ]
        checks.run(
            f"{at} decisions",
            lambda: len(decide.create(model="m", input="The ferry is late.", questions=asked).answers) == 3,
        )


def _errors(checks: Checks, client: openai.OpenAI, server: LocalServer, at: str) -> None:
    create = client.responses.create if at == "openai_responses" else client.chat.completions.create
    content = {"input": "Hello"} if at == "openai_responses" else {"messages": HELLO}
    checks.raises(f"{at} 404", 404, lambda: create(model="missing", **content), openai.NotFoundError)
    for status, kind in (
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ):
        server.script({"status": status})
        checks.raises(f"{at} {status}", status, lambda: create(model="m", **content), kind)
    server.script({"in_band_error": (2, None)})

    def interrupted() -> bool:
        try:
            for _ in create(model="m", stream=True, **content):
                pass
        except openai.APIError as exc:
            return "Scripted" in exc.message
        return at == "openai_responses"  # its client hands error events on as events

    checks.run(f"{at} error in a stream", interrupted)


def _files(checks: Checks, client: openai.OpenAI) -> None:
    body = {"model": "m", "messages": HELLO}
    row = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    line = json.dumps(row).encode() + b"\n"
    file = checks.run("files.create", lambda: client.files.create(file=("in.jsonl", line), purpose="batch"))
    checks.run("files.list", lambda: [one.id for one in client.files.list()] == [file.id])
    checks.run("files.content", lambda: client.files.content(file.id).read() == line)
    batch = checks.run(
        "batches.create",
        lambda: client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"),
    )
    checks.run("batches.retrieve", lambda: client.batches.retrieve(batch.id).id == batch.id)
    checks.run("batches.list", lambda: [one.id for one in client.batches.list()] == [batch.id])


def _responses(checks: Checks, client: openai.OpenAI) -> None:
    create = client.responses.create
    count = client.responses.input_tokens.count
    checks.run("responses tokens", lambda: count(model="m", input="Hello").input_tokens > 0)
    checks.run("responses", lambda: ANSWER in create(model="m", input="Hello").output_text)
    checks.run(
        "responses stream",
        lambda: (
            ANSWER
            in "".join(
                e.delta for e in create(model="m", input="Hello", stream=True) if e.type == "response.output_text.delta"
            )
        ),
    )
    tool = {"type": "function", "strict": False, **TOOLS[0]["function"]}
    checks.run(
        "responses tools",
        lambda: (
            "Lima"
            in next(
                one.arguments
                for one in create(model="m", input=WEATHER, tools=[tool]).output
                if one.type == "function_call"
            )
        ),
    )

    def helper() -> bool:
        with client.responses.stream(model="m", input=WEATHER, tools=[tool]) as stream:
            for _ in stream:
                pass
            return any(one.type == "function_call" for one in stream.get_final_response().output)

    checks.run("responses stream helper, tools", helper)
    checks.run(
        "responses parse",
        lambda: client.responses.parse(model="m", input="Hello", text_format=Place).output_parsed.city != "",
    )
