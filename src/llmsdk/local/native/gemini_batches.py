"""Gemini's batches: what the vendor's Python package, google-genai 3.6.1, writes and reads in `batches.py`."""

from __future__ import annotations

from ...utils.shapes import Json
from .common import Native, child, children, moment

_STATES = {"validating": "PENDING", "in_progress": "RUNNING", "completed": "SUCCEEDED"}
_CODES = {400: 3, 401: 16, 404: 5, 429: 8, 503: 14}  # of gRPC


def read(body: Json) -> Json:
    """Read a new batch, whose rows come with it."""
    rows = children(child(child(child(body, "batch"), "inputConfig"), "requests"), "requests")
    if not rows:
        raise ValueError("requests must not be empty")
    lines = [
        {"custom_id": child(row, "metadata").get("key") or f"row-{at}", "body": row["request"]}
        for at, row in enumerate(rows)
    ]
    return {"endpoint": "/v1/models/{model}:generateContent", "requests": lines}


def write(batch: Json) -> Json:
    """Write a batch as the operation that it is."""
    counts = batch["request_counts"]
    state = _STATES.get(batch["status"], batch["status"].upper())
    said: Json = {
        "state": f"BATCH_STATE_{state}",
        "createTime": moment(batch["created_at"]),
        "batchStats": {
            "requestCount": str(counts["total"]),
            "successfulRequestCount": str(counts["completed"]),
            "failedRequestCount": str(counts["failed"]),
        },
    }
    if batch["completed_at"] is not None:
        said["endTime"] = moment(batch["completed_at"])
    if "lines" in batch:
        said["output"] = {"inlinedResponses": {"inlinedResponses": batch["lines"]}}
    return {"name": f"batches/{batch['id']}", "metadata": said, "done": state not in {"PENDING", "RUNNING"}}


def write_list(batches: Json) -> Json:
    """Write a page of batches."""
    page: Json = {"operations": [write(batch) for batch in batches["data"]]}
    token = batches.get("nextPageToken")
    return page if token is None else {**page, "nextPageToken": token}


def write_line(line: Json) -> Json:
    """Write what became of a row."""
    name = {"metadata": {"key": line["custom_id"]}}
    error = line.get("error")
    if error is None:
        return {"response": line["response"]["body"], **name}
    return {"error": {"code": _CODES.get(error["code"], 13), "message": error["message"]}, **name}


NEW_BATCH = Native(read=read, write=write)
BATCH = Native(read=lambda body: body, write=write)
BATCHES = Native(read=lambda body: body, write=write_list)
LINE = Native(read=lambda body: body, write=write_line)
