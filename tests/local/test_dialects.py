"""Every dialect, operation and form of reply, as that dialect's clients send and read it."""

from __future__ import annotations

import json
import struct
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from llmsdk import SDK
from llmsdk.local import LocalServer
from llmsdk.local.app import App
from llmsdk.providers import PROVIDERS, ErrorPaths, Provider, Route
from llmsdk.providers.reshape import AsList
from llmsdk.resources.operations import all_operations

FIXTURES = Path(__file__).parent.parent / "data" / "fixtures"
INDEX: list[dict[str, Any]] = json.loads((FIXTURES / "index.json").read_text())
REQUESTS = [row for row in INDEX if row["kind"] == "request"]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TEXT = {"model": "m", "prompt": "Hi"}
SAID = "Embedded provider: you said 'Hi'."
LEGACY = "/llm/organization/7/model/a%2Fb"

# dialect, path, body, whether it streams, operation
CALLS: list[tuple[str, str, dict[str, Any] | None, bool, str]] = [
    *(
        (dialect, "/v1" + path, body | ({"stream": True} if streams else {}), streams, operation)
        for dialect in ("openai", "local", "together", "r9s")
        for path, body, operation in (
            ("/completions", TEXT, "createCompletion"),
            ("/chat/completions", CHAT, "createChatCompletion"),
            ("/images/generations", TEXT, "createImage"),
        )
        for streams in (False, True)
        if not (dialect == "together" and streams and operation == "createImage")
    ),
    *((dialect, "/v1/models", None, False, "listModels") for dialect in ("openai", "local", "together", "r9s")),
    *((dialect, "/v1/models/a%2Fb", None, False, "retrieveModel") for dialect in ("openai", "local", "r9s")),
    ("writer", f"{LEGACY}/completions", {"prompt": "Hi"}, False, "createCompletion"),
    ("writer", f"{LEGACY}/completions/stream", {"prompt": "Hi"}, True, "createCompletion"),
    ("writer", f"{LEGACY}/customization/c/completions", {"prompt": "Hi"}, False, "createModelCustomizationCompletion"),
    ("writer", "/llm/organization/7/model", None, False, "listModels"),
    ("writer_v1", "/v1/completions", TEXT, False, "createCompletion"),
    ("writer_v1", "/v1/completions", TEXT | {"stream": True}, True, "createCompletion"),
    ("writer_v1", "/v1/chat", CHAT, False, "createChatCompletion"),
    ("writer_v1", "/v1/chat", CHAT | {"stream": True}, True, "createChatCompletion"),
    ("writer_v1", "/v1/models", None, False, "listModels"),
]


@pytest.mark.parametrize("dialect, path, body, streams, operation", CALLS)
def test_replies_are_what_the_models_read(call, dialect, path, body, streams, operation):
    spec, route = all_operations()[operation], PROVIDERS[dialect].routes[operation]
    with LocalServer(dialect) as server:
        answer = call(server, path, body)
        assert answer.status == 200, answer.body
        assert server.requests[0].operation == operation
    assert answer.headers[PROVIDERS[dialect].request_id[0]] == "req-embedded-000001"
    assert answer.headers[PROVIDERS[dialect].limits.requests_limit[0]] == "600"
    if not streams:
        document = answer.json
        if operation == "listModels":
            items = document if route.reply == {"$.data": "$"} else document[route.reply.get("$.data", "$.data")[2:]]
            assert len(items) == 3
            document = {"data": items}
        spec.reply.model_validate(document)
        return
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.data[-1] == "[DONE]") is not route.ends_with_connection
    for event in answer.events:
        spec.chunk.model_validate(event)
    if operation == "createCompletion":
        texts = [event["value"] if route.event else _first(event, "text") for event in answer.events]
        assert "".join(texts) == SAID
    if operation == "createChatCompletion":
        assert "".join(_first(event, "delta").get("content") or "" for event in answer.events) == SAID


def test_usage_of_a_text_comes_with_its_last_piece_at_together(call: Any) -> None:
    # As recorded; a chat's has an event of its own, without choices. Together's client reads choices[0] of each.
    with LocalServer("together") as server:
        *pieces, last = call(server, "/v1/completions", TEXT | {"stream": True}).events
    assert all(piece["usage"] is None and piece["choices"] for piece in pieces)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"]["total_tokens"] > 0


def test_a_chat_of_writer_has_a_uuid(call: Any) -> None:
    # writer_v1's description gives the id this format, which a validating proxy enforces.
    with LocalServer("writer_v1") as server:
        whole = call(server, "/v1/chat", CHAT).json["id"]
        streamed = {event["id"] for event in call(server, "/v1/chat", CHAT | {"stream": True}).events}
    assert str(uuid.UUID(whole)) == whole
    assert [str(uuid.UUID(one)) for one in streamed] == list(streamed)


def _first(event: Any, name: str) -> Any:
    choices = event["choices"]
    return choices[0][name] if choices else {} if name == "delta" else ""


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["file"])
def test_recorded_requests_are_accepted(call, row):
    dialect = "writer_v1" if row["provider"] == "writer" and row["path"].startswith("/v1") else row["provider"]
    path = urlsplit(row["server"]).path.rstrip("/") + row["path"]
    for name, value in row.get("path_params", {}).items():
        path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
    with LocalServer(dialect) as server:
        answer = call(server, path, json.loads((FIXTURES / row["file"]).read_text()))
    assert answer.status == 200, answer.body


def test_all_recorded_requests_were_tried():
    assert len(REQUESTS) == 31


REFUSED = [
    ("openai", "/v1/completions", {"model": "m"}, "prompt"),
    ("openai", "/v1/completions", TEXT | {"max_tokens": "5"}, "max_tokens"),
    ("openai", "/v1/completions", TEXT | {"max_tokens": 0}, "max_tokens"),
    ("openai", "/v1/completions", TEXT | {"n": 1000}, "n"),
    ("openai", "/v1/completions", TEXT | {"stream": "yes"}, "stream"),
    ("openai", "/v1/chat/completions", CHAT | {"messages": []}, "messages"),
    ("openai", "/v1/images/generations", TEXT | {"response_format": "base64"}, "response_format"),
    ("together", "/v1/completions", TEXT | {"stop": "x"}, "stop"),
    ("together", "/v1/completions", TEXT | {"user": "u"}, "user"),
    ("together", "/v1/completions", TEXT | {"nonsense": 1}, "nonsense"),
    ("together", "/v1/images/generations", TEXT | {"size": "1x1"}, "size"),
    ("together", "/v1/images/generations", TEXT | {"response_format": "b64_json"}, "response_format"),
    ("together", "/v1/images/generations", TEXT | {"stream": True}, "stream"),
    ("writer", f"{LEGACY}/completions", {"prompt": "Hi", "max_tokens": 5}, "max_tokens"),
    ("writer", f"{LEGACY}/completions", {"prompt": "Hi", "maxTokens": "5"}, "maxTokens"),
    ("writer", f"{LEGACY}/completions", {"prompt": "Hi", "model": "m"}, "model"),
    ("writer", f"{LEGACY}/completions", {"prompt": "Hi", "stream": True}, "stream"),
    ("writer_v1", "/v1/completions", TEXT | {"seed": 1}, "seed"),
    ("r9s", "/v1/completions", TEXT | {"logprobs": 1}, "logprobs"),
]


@pytest.mark.parametrize("dialect, path, body, name", REFUSED)
def test_bad_parameters_are_refused_in_the_dialects_words(call, dialect, path, body, name):
    with LocalServer(dialect) as server:
        answer = call(server, path, body)
    assert answer.status == 400
    if dialect.startswith("writer"):
        assert answer.json["tpe"] == "BadRequest"
        assert name in answer.json["errors"][0]["description"]
    else:
        assert answer.json["error"]["param"] == name
        assert name in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "dialect, header, status",
    [
        ("together", "", 401),
        ("together", "sk-placeholder", 401),
        ("together", "Bearer sk-placeholder", 200),
        ("r9s", "Bearer ", 401),
        ("writer_v1", "sk-placeholder", 401),
        ("local", "", 200),
        ("openai", "Basic x", 401),
    ],
)
def test_keys_are_looked_at(call, dialect, header, status):
    with LocalServer(dialect) as server:
        answer = call(server, "/v1/models", headers={"Authorization": header})
    assert answer.status == status


def test_writer_takes_the_bare_key_and_no_other(call):
    with LocalServer("writer", api_key="sk-right") as server:
        path = "/llm/organization/7/model"
        for header, status in (("sk-right", 200), ("Bearer sk-right", 401), ("sk-wrong", 401)):
            assert call(server, path, headers={"Authorization": header}).status == status


def test_an_optional_key_may_be_left_out_unless_one_is_set(call):
    with LocalServer("openai") as server:
        assert call(server, "/v1/models", headers={"Authorization": "Bearer x"}).status == 200
    with LocalServer("openai", api_key="sk-right") as server:
        assert call(server, "/v1/models", headers={"Authorization": "Bearer x"}).status == 401


def test_unknown_paths_methods_and_models(call, server):
    assert call(server, "/v1/nothing").status == 404
    assert call(server, "/completions", TEXT).status == 404
    refused = call(server, "/v1/models", TEXT)
    assert (refused.status, refused.headers["allow"]) == (405, "GET")
    assert call(server, "/v1/chat/completions", CHAT | {"model": "missing-1"}).status == 404
    assert call(server, "/v1/models/missing-1").status == 404
    assert call(server, "/files/x.png").status == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model": NaN}', b"\xff", b"[" * 100_000])
def test_bodies_that_are_no_json_object(call, server, body):
    answer = call(server, "/v1/completions", body)
    assert answer.status == 400
    assert "JSON" in answer.json["error"]["message"]


def test_together_says_its_text_twice_and_usage_unasked(call):
    with LocalServer("together") as server:
        events = call(server, "/v1/completions", TEXT | {"stream": True}).events
        assert [event["choices"][0]["delta"]["content"] for event in events] == [
            event["choices"][0]["text"] for event in events
        ]
        assert events[-1]["usage"]["total_tokens"] == 6
        scores = call(server, "/v1/chat/completions", CHAT | {"logprobs": 2, "stream": True}).events[1]
        assert len(scores["choices"][0]["logprobs"]["top_logprobs"][0]) == 2
        echoed = call(server, "/v1/completions", TEXT | {"echo": True, "logprobs": 1}).json
        assert echoed["prompt"][0]["text"] == "Hi"
        assert echoed["choices"][0]["text"] == SAID
        thought = call(server, "/v1/chat/completions", CHAT | {"reasoning_effort": "low"}).json
        assert "quotes the prompt" in thought["choices"][0]["message"]["reasoning"]


def test_writer_spells_log_probabilities_its_own_way(call):
    with LocalServer("writer") as server:
        body = {"prompt": "Hi", "logprobs": 1, "maxTokens": 2, "n": 2}
        reply = call(server, f"{LEGACY}/completions", body).json
    assert list(reply) == ["choices"]
    first, second = reply["choices"]
    assert first["text"] == "Embedded provider:"
    assert first["logprobs"].keys() == {"tokens", "tokenLogprobs", "topLogprobs", "textOffset"}
    assert isinstance(first["logprobs"]["topLogprobs"][0]["Embedded"], str)
    assert second["logprobs"]["tokens"] == ["Embedded", " provider:"]


def test_a_providers_own_tables_are_enough(call):
    mine = Provider(
        name="mine",
        servers=("https://api.example.com/api/v9",),
        auth="Key {api_key}",
        error=ErrorPaths(message=("$.fault.reasons[0]",), code=("$.fault.code",)),
        request_id=("x-mine",),
        routes={
            "createCompletion": Route(
                path="/{model}/write",
                rename={"prompt": "input", "max_tokens": "limit"},
                reshape={"stop": AsList("stop")},
                reply={"$.choices[*].text": "$.choices[*].message.output"},
                event={"$.choices[0].text": "$.piece"},
            )
        },
    )
    with LocalServer(mine) as server:
        assert server.url.endswith("/api/v9")
        reply = call(server, "/api/v9/my%20model/write", {"input": "Hi", "limit": 1})
        assert reply.json["choices"][0]["message"] == {"output": "Embedded"}
        assert reply.json["model"] == "my model"
        assert "x-mine" in reply.headers
        stream = call(server, "/api/v9/m/write", {"input": "Hi", "stream": True})
        assert "".join(event.get("piece", "") for event in stream.events) == SAID
        refused = call(server, "/api/v9/m/write", {"limit": 1})
        assert refused.json["fault"]["reasons"] == ["input is required."]
        assert refused.json["fault"]["code"] == "BadRequest"


def test_images_are_real_and_can_be_fetched(call):
    with LocalServer("together") as server:
        reply = call(server, "/v1/images/generations", TEXT | {"width": 300, "height": 20, "n": 2}).json
        first, second = (item["url"] for item in reply["data"])
        assert first != second
        picture = call(server, urlsplit(first).path)
        assert picture.headers["content-type"] == "image/png"
        assert struct.unpack(">II", picture.body[16:24]) == (300, 20)


def test_images_stream_in_parts(call):
    with LocalServer("r9s") as server:
        body = {"prompt": "Hi", "stream": True, "partial_images": 2, "size": "64x64"}
        events = call(server, "/v1/images/generations", body).events
    assert [event["data"][0]["is_final"] for event in events] == [False, False, True]
    assert "usage" in events[-1]


def test_image_edits_are_multipart(call, server):
    boundary = "xyz"
    fields = [
        b'Content-Disposition: form-data; name="prompt"\r\n\r\nmake it red',
        b'Content-Disposition: form-data; name="n"\r\n\r\n2',
        b'Content-Disposition: form-data; name="image[]"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG',
    ]
    start = f"--{boundary}\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    whole = start + (b"\r\n" + start).join(fields) + f"\r\n--{boundary}--\r\n".encode()
    answer = call(server, "/v1/images/edits", whole, headers=headers)
    assert answer.status == 200, answer.body
    assert len(answer.json["data"]) == 2
    without_image = start + fields[0] + f"\r\n--{boundary}--\r\n".encode()
    refused = call(server, "/v1/images/edits", without_image, headers=headers)
    assert refused.json["error"]["param"] == "image"
    assert call(server, "/v1/images/edits", TEXT).status == 400


def test_lists_of_models_come_in_pages(call):
    with LocalServer("openai", page_size=2) as server:
        first = call(server, "/v1/models").json
        assert (len(first["data"]), first["has_more"]) == (2, True)
        second = call(server, f"/v1/models?after={first['last_id']}").json
        assert (len(second["data"]), second["has_more"]) == (1, False)


@pytest.mark.parametrize("operation_id", all_operations())
def test_every_operation_has_a_handler(operation_id):
    assert operation_id in App(PROVIDERS["openai"]).handlers, f"the embedded provider does not answer {operation_id}"


def test_an_operation_without_a_handler_is_named(call, server):
    del server.app.handlers["createEmbedding"]
    answer = call(server, "/v1/embeddings", {"model": "m", "input": "x"})
    assert answer.status == 501
    assert answer.json["error"]["message"] == "The embedded provider has no handler of createEmbedding."


TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    "wrong, param",
    [
        ({"messages": [{"role": "usr", "content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}, "messages[0].content[0].type"),
        ({"response_format": {"type": "json"}}, "response_format.type"),
        ({"response_format": {}}, "response_format.type"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "function"}]}, "tools[1].function: "),
        ({"tools": [{"type": "function", "function": {"name": None}}]}, "tools[0].function.name: "),
    ],
)
@pytest.mark.parametrize("dialect", ["openai", "together", "r9s"])
def test_what_no_server_takes_is_refused(call, dialect, wrong, param):
    with LocalServer(dialect) as server:
        answer = call(server, "/v1/chat/completions", CHAT | wrong)
    assert answer.status == 400
    assert answer.json["error"]["message"].startswith(param)


def test_a_call_has_no_log_probabilities(call, server):
    asked = CHAT | {"tools": [TOOL], "tool_choice": "required", "logprobs": True}
    choice = call(server, "/v1/chat/completions", asked).json["choices"][0]
    assert (choice["finish_reason"], choice["logprobs"]) == ("tool_calls", None)


def test_images_stream_in_openais_shape(call, server):
    body = {"prompt": "Hi", "stream": True, "partial_images": 2, "size": "64x64"}
    answer = call(server, "/v1/images/generations", body)
    partial, completed = "image_generation.partial_image", "image_generation.completed"
    assert [event["type"] for event in answer.events] == [partial, partial, completed]
    assert [event.get("partial_image_index") for event in answer.events] == [0, 1, None]
    assert answer.body.startswith(b"event: image_generation.partial_image\ndata: {")
    assert answer.events[-1]["usage"]["input_tokens_details"] == {"text_tokens": 1, "image_tokens": 0}
    with SDK(server_url=server.url) as sdk, sdk.images.create(**body, model="m") as stream:
        assert len(list(stream)) == 3
        assert stream.final.images[0].content.startswith(b"\x89PNG")


def test_uploads_to_together_take_its_clients_checksum(call):
    fields = {"purpose": "batch-api", "file_name": "a.jsonl", "file_type": "jsonl", "checksum": "0" * 64}
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with LocalServer("together") as server:
        answer = call(server, "/v1/files", ("".join(parts) + "--x--\r\n").encode(), headers=headers)
        assert answer.status == 302, answer.body
        described = call(server, f"/v1/files/{answer.headers['x-together-file-id']}").json
    assert (described["FileType"], described["Processed"]) == ("jsonl", False)


def test_answers_are_bounded(call, server):
    long = "a " * 20_000
    refused = call(server, "/v1/completions", {"model": "m", "prompt": long, "echo": True})
    assert (refused.status, refused.json["error"]["param"]) == (400, "prompt")
    assert call(server, "/v1/completions", {"model": "m", "prompt": long}).status == 200
    refused = call(server, "/v1/embeddings", {"model": "m", "input": ["a"] * 2049})
    assert (refused.status, refused.json["error"]["param"]) == (400, "input")


ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}


@pytest.mark.parametrize("page", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:5173"])
def test_pages_of_this_machine_may_use_it(call, server, page):
    asked = call(server, "/v1/chat/completions", method="OPTIONS", headers={"Origin": page, **ASKED})
    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["access-control-allow-headers"] == "authorization, content-type"
    assert "POST" in asked.headers["access-control-allow-methods"]
    server.script(None, {"status": 503})
    for status in (200, 503, 200):
        answer = call(server, "/v1/chat/completions", CHAT, headers={"Origin": page})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, page)


@pytest.mark.parametrize("page", ["https://evil.example", "null", "http://127.0.0.1.evil.example", "file://", "x"])
def test_pages_of_other_machines_may_not(call, server, page):
    asked = call(server, "/v1/chat/completions", method="OPTIONS", headers={"Origin": page, **ASKED})
    assert asked.status == 403
    answer = call(server, "/v1/chat/completions", CHAT, headers={"Origin": page})
    assert [name for name in (*asked.headers, *answer.headers) if name.startswith("access-control")] == []


def test_options_alone_is_no_method(call, server):
    answer = call(server, "/v1/models", method="OPTIONS")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, POST, DELETE")
