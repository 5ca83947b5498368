"""Anthropic's message batches: types of the vendor's Python package, anthropic 2.14.0."""

from __future__ import annotations

from ...utils.shapes import Json
from .common import Native, children, moment


def read(body: Json) -> Json:
    """Read a new batch, whose rows come with it."""
    rows = children(body, "requests")
    if not rows:
        raise ValueError("requests must not be empty")
    lines = [{"custom_id": row["custom_id"], "body": row["params"]} for row in rows]
    return {"endpoint": "/v1/messages", "requests": lines}


def write(batch: Json) -> Json:
    """Write a batch."""
    status, counts = batch["status"], batch["request_counts"]
    is_over = status in {"completed", "cancelled", "failed"}
    is_cancelled = status == "cancelled"
    left = counts["total"] - counts["completed"] - counts["failed"]
    begun, ended = moment(batch["created_at"]), moment(batch["completed_at"] or batch["created_at"])
    return {
        "id": batch["id"],
        "type": "message_batch",
        "processing_status": "ended" if is_over else "in_progress",
        "request_counts": {
            "processing": 0 if is_over else left,
            "succeeded": counts["completed"],
            "errored": counts["failed"],
            "canceled": left if is_cancelled else 0,
            "expired": 0,
        },
        "created_at": begun,
        "expires_at": moment(batch["expires_at"]),
        "ended_at": ended if is_over else None,
        "cancel_initiated_at": ended if is_cancelled else None,
        "archived_at": None,
        "results_url": f"/v1/messages/batches/{batch['id']}/results" if is_over else None,
    }


def write_list(batches: Json) -> Json:
    """Write a page of batches."""
    data = [write(batch) for batch in batches["data"]]
    return {"data": data, "has_more": batches["has_more"], "first_id": None, "last_id": batches.get("last_id")}


def write_line(line: Json) -> Json:
    """Write what became of a row."""
    if line.get("error") is None:
        return {"custom_id": line["custom_id"], "result": {"type": "succeeded", "message": line["response"]["body"]}}
    error = {"type": "error", "error": line["error"], "request_id": None}
    return {"custom_id": line["custom_id"], "result": {"type": "errored", "error": error}}


NEW_BATCH = Native(read=read, write=write)
BATCH = Native(read=lambda body: body, write=write)
BATCHES = Native(read=lambda body: body, write=write_list)
LINE = Native(read=lambda body: body, write=write_line)
