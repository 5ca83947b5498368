"""Message batches of Anthropic: the rows go along with the batch, and the results are one file under its id.

Sources: anthropic 2.14.0, `types/messages/message_batch.py`, `message_batch_individual_response.py`.
"""

from __future__ import annotations

from typing import Any

from ..common import Document, beside, child, children, number, text

_STATUSES = {"in_progress": "in_progress", "canceling": "cancelling", "ended": "completed"}
_FAILURES = ("errored", "canceled", "expired")
_WHY = {
    "canceled": "the batch was cancelled before this row was answered",
    "expired": "the batch expired before this row was answered",
}


def request(params: Document) -> Document:
    """Write a call about batches: all of it is in its path, in its query, or in the rows, which come by themselves."""
    return beside(params, ("batch_id", "endpoint", "completion_window"))


def rows(lines: list[Document]) -> Document:
    """Write the rows of a new batch."""
    return {"requests": [{"custom_id": line["custom_id"], "params": line["body"]} for line in lines]}


def reply(document: Document) -> Document:
    """Read a batch."""
    if document.get("type") == "error" or "processing_status" not in document:
        return document
    counts = child(document, "request_counts")
    done, failed = number(counts, "succeeded") or 0, sum(number(counts, name) or 0 for name in _FAILURES)
    status = text(document, "processing_status")
    is_cancelled = status == "ended" and document.get("cancel_initiated_at") is not None
    return {
        **document,
        "object": document.get("type"),
        "status": "cancelled" if is_cancelled else _STATUSES.get(status, status),
        "endpoint": "/v1/chat/completions",
        "completed_at": document.get("ended_at"),
        # Their address says no more than the id, and a key must not follow one that a reply names.
        "output_file_id": document.get("id") if document.get("results_url") else None,
        "request_counts": {
            **counts,
            "total": done + failed + (number(counts, "processing") or 0),
            "completed": done,
            "failed": failed,
        },
    }


def listing(document: Document) -> Document:
    """Read a page of the list of batches."""
    if "data" not in document:
        return document
    return {**document, "data": [reply(batch) for batch in children(document, "data")]}


def result(line: Document) -> Document:
    """Write a line of results as OpenAI does."""
    came = child(line, "result")
    kind = text(came, "type")
    rest: Document = {"custom_id": line.get("custom_id")}
    if kind == "succeeded":
        return {**rest, "response": {"status_code": 200, "body": came.get("message")}}
    stated: Any = child(child(came, "error"), "error") or {"type": kind, "message": _WHY.get(kind, kind)}
    return {**rest, "error": stated}
