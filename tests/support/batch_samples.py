"""What the servers send, written by hand after their documentation: the recorded fixtures hold no files and batches.

Source: platform.openai.com, references of batches and files; docs.together.ai, reference/batch-create and
docs/inference/batch/manage; the upload in together's Python package, lib/resources/files.py.
"""

from __future__ import annotations

import json
from typing import Any

OPENAI_FILE = {
    "id": "file-abc123",
    "object": "file",
    "bytes": 120000,
    "created_at": 1677610602,
    "expires_at": 1680202602,
    "filename": "rows.jsonl",
    "purpose": "batch",
    "status": "processed",
}
OPENAI_BATCH = {
    "id": "batch_abc123",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "errors": None,
    "input_file_id": "file-abc123",
    "completion_window": "24h",
    "status": "completed",
    "output_file_id": "file-out",
    "error_file_id": "file-err",
    "created_at": 1711471533,
    "in_progress_at": 1711471538,
    "expires_at": 1711557933,
    "completed_at": 1711493163,
    "failed_at": None,
    "request_counts": {"total": 3, "completed": 1, "failed": 2},
    "metadata": {"job": "nightly"},
    "usage": {"input_tokens": 8, "output_tokens": 2, "total_tokens": 10},
}
TOGETHER_FILE = {
    "id": "file-30b2f515",
    "bytes": 420,
    "created_at": 1234567890,
    "filename": "rows.jsonl",
    "FileType": "jsonl",
    "LineCount": 0,
    "Processed": True,
    "purpose": "batch-api",
    "object": "file",
}
TOGETHER_BATCH = {
    "id": "01234567-8901-2345-6789-012345678901",
    "user_id": "user_1",
    "input_file_id": "file-30b2f515",
    "file_size_bytes": 420,
    "status": "IN_PROGRESS",
    "job_deadline": "2026-01-15T15:30:00Z",
    "created_at": "2026-01-14T14:30:00Z",
    "endpoint": "/v1/chat/completions",
    "progress": 75,
    "model_id": "some/model",
    "output_file_id": "file-out",
    "error_file_id": "file-err",
    "error": "",
}

_REPLY = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1711471533,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
}
_REFUSED = {"error": {"message": "Too long.", "type": "invalid_request_error", "code": "context_length_exceeded"}}


def lines(*documents: Any) -> bytes:
    """Write JSON lines; the last one has no end, as some servers leave it."""
    return b"\n".join(json.dumps(document).encode() for document in documents)


OUTPUT = lines(
    {
        "id": "batch_req_1",
        "custom_id": "one",
        "response": {"status_code": 200, "request_id": "req-1", "body": _REPLY},
        "error": None,
    }
)
OPENAI_ERRORS = lines(
    {
        "id": "batch_req_2",
        "custom_id": "two",
        "response": {"status_code": 400, "request_id": "req-2", "body": _REFUSED},
        "error": None,
    },
    {
        "id": "batch_req_3",
        "custom_id": "three",
        "response": None,
        "error": {"code": "batch_expired", "message": "The window was over."},
    },
)
TOGETHER_ERRORS = lines(
    {"custom_id": "two", "error": {"message": "No such model.", "code": "invalid_model"}},
    {"custom_id": "three", "error": {"message": "Took too long.", "code": "timeout"}},
)
