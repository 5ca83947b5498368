"""Wire truth: every recorded sample passes through the real code, over a real socket, in both colours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from llmsdk import errors
from llmsdk.providers import PROVIDERS
from support.canned import CannedServer, Request
from support.colours import KEY, Colour, each

FIXTURES = Path(__file__).parents[1] / "data" / "fixtures"
INDEX: list[dict[str, Any]] = json.loads((FIXTURES / "index.json").read_text())

# Operation of the index -> server id that speaks it (None: the provider's own name), operation, method of the SDK.
OPERATIONS: dict[str, tuple[str | None, str, str]] = {
    "completions": (None, "createCompletion", "completions.create"),
    "completions-stream": (None, "createCompletion", "completions.create"),
    "customization-completions": (
        None,
        "createModelCustomizationCompletion",
        "completions.create_model_customization_completion",
    ),
    "chat": (None, "createChatCompletion", "chat.create"),
    "images": (None, "createImage", "images.create"),
    "models": (None, "listModels", "models.list"),
    "model": (None, "retrieveModel", "models.retrieve"),
    "v1-completions": ("writer_v1", "createCompletion", "completions.create"),
    "v1-chat": ("writer_v1", "createChatCompletion", "chat.create"),
    "v1-models": ("writer_v1", "listModels", "models.list"),
}
# Names of the index's path parameters in the unified vocabulary.
PATH_NAMES = {"organizationId": "organization_id", "modelId": "model", "customizationId": "customization_id"}

# The smallest arguments of each method, for samples that are replies.
ARGS: dict[str, dict[str, Any]] = {
    "completions.create": {"model": "m", "prompt": "p"},
    "completions.create_model_customization_completion": {"model": "m", "prompt": "p", "customization_id": "c"},
    "chat.create": {"model": "m", "messages": [{"role": "user", "content": "p"}]},
    "images.create": {"model": "m", "prompt": "p"},
    "models.list": {},
    "models.retrieve": {"model": "m"},
}


class Sample:
    """One row of the index with its file."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = row
        self.file: str = row["file"]
        self.body = (FIXTURES / self.file).read_bytes()
        server, self.operation, self.method = OPERATIONS[row["operation"]]
        self.server = server or row["provider"]
        self.provider = PROVIDERS[self.server]
        self.route = self.provider.routes[self.operation]
        self.path_params = {PATH_NAMES.get(name, name): value for name, value in row.get("path_params", {}).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def options(self) -> dict[str, Any]:
        """Options of an SDK for this sample; the organization is Writer's."""
        return {"server": self.server, "api_key": KEY, "organization_id": 1, "retry_config": None}

    def url(self, canned: CannedServer) -> str:
        """The canned server with the path of the provider's base URL."""
        return canned.url + urlsplit(self.provider.servers[0]).path

    def serve(self, canned: CannedServer) -> None:
        canned.reply(self.row["status"], self.body, self.row["headers"])

    def __repr__(self) -> str:
        return self.file


RAN: dict[str, list[str]] = {"sync": [], "asyncio": []}


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    if "sample" in request.fixturenames and request.getfixturevalue("colour").over == "own":
        RAN[request.getfixturevalue("colour").backend].append(request.getfixturevalue("sample").file)


def samples(kind: str) -> Any:
    rows = [Sample(row) for row in INDEX if row["kind"] == kind]
    return pytest.mark.parametrize("sample", rows, ids=repr)


# ---------------------------------------------------------------- requests


def call_args(sample: Sample) -> dict[str, Any]:
    """Say a recorded body in the unified vocabulary."""
    unified = {theirs: ours for ours, theirs in sample.route.rename.items()}
    args = {unified.get(name, name): value for name, value in sample.json.items()}
    if sample.row["operation"].endswith("-stream"):
        args["stream"] = True
    return {**args, **sample.path_params}


def reply_to(sample: Sample, *, stream: bool) -> Sample:
    """Find a recorded reply to a recorded request."""
    kind = "stream" if stream else "response"
    found = (row for row in INDEX if row["kind"] == kind and row["operation"] == sample.row["operation"])
    return Sample(next(row for row in found if row["provider"] == sample.row["provider"]))


def expected_target(sample: Sample) -> str:
    """The recorded path, its parameters percent-encoded here by hand and not by the code under test."""
    path: str = sample.row["path"]
    for name, value in sample.row.get("path_params", {}).items():
        encoded = "".join(
            chr(byte) if chr(byte).isascii() and (chr(byte).isalnum() or chr(byte) in "-._~") else f"%{byte:02X}"
            for byte in str(value).encode()
        )
        path = path.replace(f"{{{name}}}", encoded)
    return urlsplit(sample.row["server"]).path + path


@samples("request")
@pytest.mark.every_backend
async def test_request(sample: Sample, colour: Colour, canned: CannedServer) -> None:
    args = call_args(sample)
    reply_to(sample, stream=bool(args.get("stream"))).serve(canned)
    async with colour.open(**sample.options, server_url=sample.url(canned)) as client:
        answer = await client.call(sample.method, **args)
        if args.get("stream"):
            assert [event async for event in each(answer)]

    assert len(canned.requests) == 1
    check_request(sample, canned.last)


def check_request(sample: Sample, request: Request) -> None:
    assert request.method == sample.row["method"]
    assert request.target == expected_target(sample)
    bare = sample.server == "writer"
    assert request.headers["authorization"] == (KEY if bare else f"Bearer {KEY}")
    assert request.headers["content-type"] == "application/json"
    assert request.json == sample.json


# ----------------------------------------------------------------- replies


@samples("response")
async def test_response(sample: Sample, colour: Colour, canned: CannedServer) -> None:
    sample.serve(canned)
    async with colour.open(**sample.options, server_url=sample.url(canned)) as client:
        reply = await client.call(sample.method, **ARGS[sample.method] | sample.path_params)

    dump = reply.model_dump(mode="json", exclude_unset=True)
    recorded = sample.json
    assert dump == ({"data": recorded} if isinstance(recorded, list) else recorded)
    assert reply.meta.status_code == 200
    assert reply.meta.server == sample.server
    assert canned.last.method == sample.row["method"]


# ----------------------------------------------------------------- streams


def recorded_events(body: bytes) -> list[dict[str, Any]]:
    """Read the data of all events, the plain way that the recordings allow."""
    blocks = body.decode().replace("\r\n", "\n").split("\n\n")
    datas = [line[5:].strip() for block in blocks for line in block.split("\n") if line.startswith("data:")]
    return [json.loads(data) for data in datas if data not in ("", "[DONE]")]


def is_error(event: dict[str, Any]) -> bool:
    return "error" in event or "tpe" in event


def first_text(event: dict[str, Any]) -> str:
    """The new text of choice 0 in a recorded event, whatever its dialect."""
    if "value" in event:
        return str(event["value"])
    for choice in event.get("choices") or []:
        if choice.get("index", 0) == 0:
            delta = choice.get("delta") or {}
            content = delta.get("content")
            return str((choice.get("text") if content is None else content) or "")
    return ""


def tool_arguments(events: list[dict[str, Any]]) -> list[str]:
    """The arguments of choice 0's tool calls, put together by index or, where pieces have none, by their ids."""
    calls: dict[Any, str] = {}
    for event in events:
        for choice in event.get("choices") or []:
            pieces = (choice.get("delta") or {}).get("tool_calls") or []
            for piece in pieces if choice.get("index", 0) == 0 else []:
                key = piece.get("index", piece.get("id"))
                calls[key] = calls.get(key, "") + ((piece.get("function") or {}).get("arguments") or "")
    return list(calls.values())


@samples("stream")
@pytest.mark.every_backend
async def test_stream(sample: Sample, colour: Colour, canned: CannedServer) -> None:
    sample.serve(canned)
    recorded = recorded_events(sample.body)
    good = [event for event in recorded if not is_error(event)]
    got: list[Any] = []
    raised: errors.APIStatusError | None = None
    async with colour.open(**sample.options, server_url=sample.url(canned)) as client:
        stream = await client.call(sample.method, **ARGS[sample.method] | sample.path_params, stream=True)
        assert stream.meta.status_code == 200
        try:
            async for event in each(stream):
                got.append(event)  # noqa: PERF401 - what came before an error counts
        except errors.APIStatusError as exc:
            raised = exc
        ended = stream.partial if raised else stream.final

    assert [event.model_dump(mode="json", exclude_unset=True) for event in got] == good
    if sample.operation == "createImage":
        check_images(ended, good)
    else:
        check_fold(ended, good)
    if sample.file in FAILED:
        assert type(raised) is FAILED[sample.file]
        assert raised.message == stated_message(recorded[-1])
        assert raised.partial.model_dump() == ended.model_dump()
    else:
        assert raised is None
        assert stated_message(recorded[-1]) is None


# Streams that end in an error, and the class that its code or type stands for; the class of none is the default.
FAILED: dict[str, type[errors.APIStatusError]] = {
    "together/completions.error.stream.sse": errors.InternalServerError,
    "together/chat.error.stream.sse": errors.ServiceUnavailableError,
    "together/chat.error-string.stream.sse": errors.SDKDefaultError,
    "together/chat.choice-error.stream.sse": errors.InternalServerError,
    "writer/v1-completions.error.stream.sse": errors.ServiceUnavailableError,
    "writer/v1-chat.error.stream.sse": errors.InternalServerError,
    "r9s/completions.error.stream.sse": errors.InternalServerError,
    "r9s/chat.error.stream.sse": errors.InternalServerError,
}


def stated_message(event: dict[str, Any]) -> str | None:
    """The server's words in the last event of a stream that failed, or in one of its choices."""
    if "errors" in event:
        return str(event["errors"][0]["description"])
    failed = [choice["error"] for choice in event.get("choices") or [] if "error" in choice]
    for error in [event["error"]] if "error" in event else failed:
        return str(error if isinstance(error, str) else error["message"])
    return None


def check_fold(whole: Any, events: list[dict[str, Any]]) -> None:
    assert whole.text == "".join(first_text(event) for event in events)
    usages = [event["usage"] for event in events if event.get("usage")]
    if usages:
        assert whole.usage.model_dump(mode="json", exclude_unset=True) == usages[-1]
    else:
        assert whole.usage is None
    reasons: dict[int, Any] = {}
    for event in events:
        for choice in event.get("choices") or []:
            reason = choice.get("finish_reason") or event.get("finish_reason")
            reasons[choice.get("index", 0)] = reason or reasons.get(choice.get("index", 0))
    if reasons:
        assert {choice.index or 0: choice.finish_reason for choice in whole.choices} == reasons
    for name in ("reasoning", "reasoning_content"):
        deltas = [(choice.get("delta") or {}) for event in events for choice in event.get("choices") or []]
        if any(isinstance(delta.get(name), str) for delta in deltas):
            assert getattr(whole.choices[0].message, name) == "".join(delta.get(name) or "" for delta in deltas)
    if arguments := tool_arguments(events):
        assert [call.function.arguments for call in whole.choices[0].message.tool_calls] == arguments


def check_images(whole: Any, events: list[dict[str, Any]]) -> None:
    last = events[-1]
    item = last["data"][0] if "data" in last else last
    assert [image.b64_json for image in whole.data] == [item["b64_json"]]
    assert whole.usage.model_dump(mode="json", exclude_unset=True) == last["usage"]


# ------------------------------------------------------------------ errors


def server_message(body: Any) -> str:
    if "error" in body:
        return str(body["error"]["message"])
    return str(body["errors"][0]["description"] if body.get("errors") else body["tpe"])


@samples("error")
async def test_error(sample: Sample, colour: Colour, canned: CannedServer) -> None:
    sample.serve(canned)
    async with colour.open(**sample.options, server_url=sample.url(canned)) as client:
        with pytest.raises(errors.APIStatusError) as caught:
            await client.call(sample.method, **ARGS[sample.method] | sample.path_params)

    error = caught.value
    status = sample.row["status"]
    assert type(error) is errors.APIStatusError.statuses[status]
    assert error.status_code == status
    assert error.message == server_message(sample.json)
    assert error.data == sample.json
    assert error.body == sample.body.decode()
    assert len(canned.requests) == 1


def test_every_sample_ran(request: pytest.FixtureRequest) -> None:
    """Every file is in the index, and every row of the index ran in both colours."""
    assert len(INDEX) == 214
    assert {row["file"] for row in INDEX} == {str(path.relative_to(FIXTURES)) for path in FIXTURES.glob("*/*")}
    if request.config.option.keyword or any("::" in arg for arg in request.config.args):
        pytest.skip("only some of the samples were asked for")
    files = sorted(row["file"] for row in INDEX)
    assert {backend: sorted(ran) for backend, ran in RAN.items()} == {"sync": files, "asyncio": files}
