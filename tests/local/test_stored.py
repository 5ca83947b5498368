"""Files and batches that the embedded provider keeps: what it refuses, and what it says of bad rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk.local import LocalServer, stored

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PATH = "/v1/chat/completions"


def row(name: str, **more: Any) -> dict[str, Any]:
    return {"custom_id": name, "method": "POST", "url": PATH, "body": CHAT} | more


def over(server: LocalServer, *lines: Any) -> tuple[SDK, Any]:
    """Bring a batch of these lines to its end."""
    content = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    sdk = SDK(server_url=server.url)
    kept = sdk.files.upload(content, purpose="batch")
    return sdk, sdk.batches.wait(sdk.batches.create(input_file_id=kept.id), poll_ms=1)


def test_bad_rows_are_told_by_their_lines(server):
    lines = [row("a"), b"", b"{", row("a"), row("b", url="/v1/embeddings"), {**row("c"), "more": 1}, b"[]"]
    sdk, batch = over(server, *lines)
    sdk.close()
    assert batch.status == "failed"
    problems = batch.model_dump()["errors"]["data"]
    assert [(problem["line"], problem["code"]) for problem in problems] == [
        (3, "invalid_json_line"),
        (4, "duplicate_custom_id"),
        (5, "mismatched_endpoint"),
        (6, "mismatched_endpoint"),
        (7, "invalid_json_line"),
    ]


def test_empty_lines_are_no_rows_and_streams_no_answers(server):
    sdk, batch = over(server, row("a"), b"  ", row("b", body=CHAT | {"stream": True}))
    with sdk:
        assert (batch.status, batch.request_counts.completed, batch.request_counts.failed) == ("completed", 1, 1)
        (failed,) = [json.loads(line) for line in sdk.files.content(batch.error_file_id).splitlines()]
        (fine,) = [json.loads(line) for line in sdk.files.content(batch.output_file_id).splitlines()]
    assert (failed["custom_id"], failed["response"]["body"]["error"]["message"]) == ("b", "No streams here.")
    assert fine["response"]["body"]["choices"][0]["message"]["content"] == "Embedded provider: you said 'Hi'."


def test_endpoints_without_batches_are_refused(call, server):
    with SDK(server_url=server.url) as sdk:
        kept = sdk.files.upload(b"x")
    asked = {"input_file_id": kept.id, "endpoint": "/v1/models", "completion_window": "24h"}
    answer = call(server, "/v1/batches", asked)
    assert (answer.status, answer.json["error"]["param"]) == (400, "endpoint")
    assert answer.json["error"]["message"].startswith("endpoint must be one of /v1/chat/completions, ")


def test_there_is_a_bound_of_bytes(server, monkeypatch):
    monkeypatch.setattr(stored, "MAX_BYTES", 10)
    with SDK(server_url=server.url) as sdk:
        kept = sdk.files.upload(b"123456")
        with pytest.raises(errors.APIStatusError, match="keeps 10 bytes of files; delete some") as caught:
            sdk.files.upload(b"78901")
        assert caught.value.status_code == 413
        sdk.files.delete(kept.id)
        assert sdk.files.content(sdk.files.upload(b"78901").id) == b"78901"


def test_the_oldest_go_where_there_are_too_many(server, monkeypatch):
    monkeypatch.setattr(stored, "MAX_FILES", 2)
    with SDK(server_url=server.url) as sdk:
        names = [sdk.files.upload(name).id for name in (b"a", b"b", b"c")]
        assert [file.id for file in sdk.files.list()] == names[1:]
        with pytest.raises(errors.NotFoundError):
            sdk.files.retrieve(names[0])


def test_a_storage_takes_no_key(call):
    given = {"server": "together", "api_key": "sk-placeholder"}
    with LocalServer("together") as server, SDK(server_url=server.url, **given) as sdk:
        kept = sdk.files.upload(b"x", allow_private=True)
        answer = call(server, stored.STORAGE + kept.id)
        assert (answer.status, answer.json["error"]["message"]) == (400, "A storage takes no key.")
        assert sdk.files.content(kept.id, allow_private=True) == b"x"
