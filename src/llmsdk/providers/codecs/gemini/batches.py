"""Batches of Gemini: a long-running operation that holds its rows and, at its end, their results.

Sources: google-genai 3.6.1, `batches.py`; google/rpc/code.proto for the codes of rows that failed.
"""

from __future__ import annotations

from typing import Any

from ..common import Document, beside, child, children, text

_NAME = "batches/"
_STATES = {"pending": "validating", "running": "in_progress", "succeeded": "completed"}
_COUNTS = {"total": "requestCount", "completed": "successfulRequestCount", "failed": "failedRequestCount"}
# Codes of rows that failed are those of gRPC; here they are statuses, as in every other error of this server.
_HTTP = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 13: 500, 14: 503, 16: 401}


def request(params: Document) -> Document:
    """Write a call about batches: all of it is in its path, or in the rows, which come by themselves."""
    named = ("batch_id", "model_id", "endpoint", "completion_window")
    return beside(params, named)


def rows(lines: list[Document]) -> Document:
    """Write the rows of a new batch."""
    requests = [{"request": line["body"], "metadata": {"key": line["custom_id"]}} for line in lines]
    return {"batch": {"displayName": "llmsdk", "inputConfig": {"requests": {"requests": requests}}}}


def reply(document: Document) -> Document:
    """Read a batch; its results are left out, `document` below reads them."""
    name = text(document, "name")
    if not name:
        return document
    said = child(document, "metadata")
    state = text(said, "state").removeprefix("BATCH_STATE_").lower()
    counts = child(said, "batchStats")
    batch_id = name.removeprefix(_NAME)
    read: Document = {
        **beside(document, ("metadata", "response", "error")),
        **beside(said, ("output", "batchStats")),
        "id": batch_id,
        "status": _STATES.get(state, state),
        "endpoint": "/v1/chat/completions",
        "created_at": said.get("createTime"),
        "completed_at": said.get("endTime"),
        "output_file_id": batch_id if child(said, "output") else None,
        "request_counts": {**counts, **{ours: _count(counts.get(theirs)) for ours, theirs in _COUNTS.items()}},
    }
    # Under its own name it would say that the call has failed.
    return {**read, "errors": document["error"]} if document.get("error") is not None else read


def _count(value: Any) -> int:
    """Read a count: JSON of protocol buffers has long integers as text, and leaves out what is 0."""
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0


def listing(document: Document) -> Document:
    """Read a page of the list of batches; one without any has no list."""
    rest = beside(document, ("operations",))
    return {**rest, "data": [reply(batch) for batch in children(document, "operations")]}


def results(document: Document) -> list[Document]:
    """Find the lines of results in a batch that is over."""
    output = child(child(document, "metadata"), "output")
    return children(child(output, "inlinedResponses"), "inlinedResponses")


def result(line: Document) -> Document:
    """Write a result as OpenAI does."""
    rest: Document = {"custom_id": child(line, "metadata").get("key")}
    error = child(line, "error")
    if error:
        code: Any = error.get("code")
        return {**rest, "error": {**error, "code": _HTTP.get(code, code)}}
    return {**rest, "response": {"status_code": 200, "body": line.get("response")}}
