"""Files and batches, as both checkers see them. Never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from llmsdk import SDK, errors
from llmsdk.models import (
    Batch,
    BatchList,
    FileDeleted,
    FileList,
    FileObject,
)
from llmsdk.resources.rows.server import BatchReply, BatchResults


def files(sdk: SDK) -> None:
    assert_type(sdk.files.upload("rows.jsonl"), FileObject)
    assert_type(sdk.files.upload(b"x", purpose="batch", file_name="rows.jsonl", deadline_ms=1000), FileObject)
    assert_type(sdk.files.list(purpose="batch"), FileList)
    assert_type(sdk.files.retrieve("f").bytes, int | None)
    assert_type(sdk.files.delete("f"), FileDeleted)
    assert_type(sdk.files.content("f"), bytes)
    assert_type(sdk.files.content("f", "out.jsonl"), Path)
    assert_type(sdk.files.content("f", Path("out.jsonl"), allow_private=True, timeout_ms=5), Path)
    sdk.files.upload(3)  # type: ignore[arg-type]
    sdk.files.content("f", 3)  # type: ignore[call-overload]


async def batches(sdk: SDK, batch: Batch) -> None:
    assert_type(sdk.batches.create(file="in.jsonl", operation="embeddings"), Batch)
    assert_type(await sdk.batches.create_async(input_file_id="f", metadata={"a": "b"}, server="openai"), Batch)
    assert_type(sdk.batches.list(limit=10), BatchList)
    assert_type(await sdk.batches.cancel_async("b"), Batch)
    assert_type(sdk.batches.wait(batch, poll_ms=5.5, deadline_ms=None), Batch)
    assert_type(sdk.batches.fetch("b"), BatchResults)
    assert_type(sdk.batches.fetch(batch, "out.jsonl", errors="bad.jsonl"), Path)
    assert_type(await sdk.batches.fetch_async(batch, Path("out.jsonl")), Path)
    for custom_id, result in await sdk.batches.fetch_async(batch):
        assert_type(custom_id, str)
        if isinstance(result, errors.SDKError):
            continue
        assert_type(result, BatchReply)
    assert_type(batch.is_over, bool)
    sdk.batches.create(file=3)  # type: ignore[arg-type]
    sdk.batches.wait(3)  # type: ignore[arg-type]
