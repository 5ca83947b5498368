"""What the embedded provider keeps in memory: files, batches and their results."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .app import STORAGE, App, Refusal, Reply, Target
from .httpd import Request
from .kinds import Json, is_object
from .replies import Produced

MAX_FILES = 1000
MAX_BYTES = 256 << 20
_WINDOW_S = 86_400
_BEGUN = 1_700_000_000  # replies don't change with the time of day

Kept = TypeVar("Kept")


@dataclass
class File:
    """A file; `content` is None until a storage has it."""

    id: str
    name: str
    purpose: str
    content: bytes | None
    created_at: int

    def shown(self) -> Json:
        """Describe it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": len(self.content or b""),
            "created_at": self.created_at,
            "filename": self.name,
            "purpose": self.purpose,
            "status": "uploaded" if self.content is None else "processed",
        }


@dataclass
class Batch:
    """A batch; each look at it takes it one step on."""

    id: str
    input_file_id: str
    endpoint: str
    created_at: int
    authorization: str | None
    status: str = "validating"
    given: Json = field(default_factory=dict[str, Any])
    output_file_id: str | None = None
    error_file_id: str | None = None
    counts: tuple[int, int, int] = (0, 0, 0)
    problems: list[Json] = field(default_factory=list[Json])

    def shown(self) -> Json:
        """Describe it."""
        total, completed, failed = self.counts
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": {"object": "list", "data": self.problems} if self.problems else None,
            "input_file_id": self.input_file_id,
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.created_at,
            "expires_at": self.created_at + _WINDOW_S,
            "completed_at": self.created_at + 1 if self.status == "completed" else None,
            "request_counts": {"total": total, "completed": completed, "failed": failed},
            **self.given,
        }


class Store:
    """The files and batches of one embedded provider; the oldest go when there are too many."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._lock = threading.RLock()
        self._files: dict[str, File] = {}
        self._batches: dict[str, Batch] = {}
        self._numbers = itertools.count(1)

    def answer(self, target: Target, params: Json, request: Request) -> Reply | Produced:
        """Answer a call about a file or a batch."""
        answered = _ANSWERS[target.operation.id](self, target, params, request)
        return answered if isinstance(answered, Reply) else Produced(reply=answered, chunks=[])

    def put(self, request: Request) -> Reply:
        """Take the bytes of a file as a storage does, or give them."""
        if "authorization" in request.headers:
            raise Refusal(400, "A storage takes no key.")
        file = self._file(request.path.removeprefix(STORAGE))
        if request.method == "PUT":
            self._check_room(request.body)
            file.content = request.body
            return Reply(status=200)
        return Reply(status=200, body=file.content or b"", content_type="application/octet-stream")

    # ------------------------------------------------------------- files

    def upload(self, target: Target, params: Json, request: Request) -> Reply | Json:
        content = params.get("file")
        purpose, shape = str(params["purpose"]), target.route.reshape.get("purpose")
        purpose = shape(purpose)["purpose"] if shape else purpose
        handover = target.route.handover
        if handover is not None:
            file = self._keep(str(params.get("file_name") or "upload"), purpose, None)
            headers = {"location": f"{self._app.origin}{STORAGE}{file.id}", handover.id_header: file.id}
            return Reply(status=handover.status, headers=headers)
        if not isinstance(content, bytes):
            raise Refusal(400, "file must be one file.", "file")
        named = re.search(rb'\bfilename="([^"]*)"', request.body)
        name = named[1].decode("utf-8", "replace") if named else "upload"
        return self._keep(name, purpose, content).shown()

    def list_files(self, target: Target, params: Json, request: Request) -> Json:
        with self._lock:
            files = [file.shown() for file in self._files.values() if params.get("purpose") in (None, file.purpose)]
        return self._app.paged(files, target.route.page, request.query, params.get("limit"))

    def retrieve_file(self, target: Target, params: Json, request: Request) -> Json:
        return self._file(params["file_id"]).shown()

    def delete_file(self, target: Target, params: Json, request: Request) -> Json:
        with self._lock:
            file = self._file(params["file_id"])
            del self._files[file.id]
        return {"id": file.id, "object": "file", "deleted": True}

    def content(self, target: Target, params: Json, request: Request) -> Reply:
        file = self._file(params["file_id"])
        if target_storage := self._app.provider.routes["uploadFile"].handover:
            location = {"location": f"{self._app.origin}{STORAGE}{file.id}"}
            return Reply(status=target_storage.status, headers=location)
        return Reply(status=200, body=file.content or b"", content_type="application/octet-stream")

    def _keep(self, name: str, purpose: str, content: bytes | None) -> File:
        with self._lock:
            self._check_room(content or b"")
            number = next(self._numbers)
            file = File(f"file-embedded-{number:06d}", name, purpose, content, _BEGUN + number)
            self._files[file.id] = file
            _drop_oldest(self._files)
        return file

    def _check_room(self, content: bytes) -> None:
        with self._lock:
            kept = sum(len(file.content or b"") for file in self._files.values())
        if kept + len(content) > MAX_BYTES:
            raise Refusal(413, f"The embedded provider keeps {MAX_BYTES} bytes of files; delete some.", "file")

    def _file(self, file_id: str) -> File:
        return self._known(self._files, file_id, "file")

    # ----------------------------------------------------------- batches

    def create(self, target: Target, params: Json, request: Request) -> Json:
        self._file(params["input_file_id"])
        if params["endpoint"] not in self._endpoints:
            raise Refusal(400, f"endpoint must be one of {', '.join(self._endpoints)}.", "endpoint")
        given: Json = {name: params[name] for name in ("completion_window", "metadata", "model_id") if name in params}
        number = next(self._numbers)
        batch = Batch(
            f"batch-embedded-{number:06d}",
            params["input_file_id"],
            params["endpoint"],
            _BEGUN + number,
            request.headers.get("authorization"),
            given=given,
        )
        with self._lock:
            self._batches[batch.id] = batch
            _drop_oldest(self._batches)
        return batch.shown()

    def retrieve(self, target: Target, params: Json, request: Request) -> Json:
        batch = self._batch(params["batch_id"])
        with self._lock:
            if batch.status == "validating":
                lines, batch.problems = self._lines(batch)
                batch.counts = (len(lines), 0, 0)
                batch.status = "failed" if batch.problems else "in_progress"
            elif batch.status == "in_progress":
                self._work(batch, self._lines(batch)[0])
                batch.status = "completed"
        return batch.shown()

    def list_batches(self, target: Target, params: Json, request: Request) -> Json:
        with self._lock:
            batches = [batch.shown() for batch in self._batches.values()]
        return self._app.paged(batches, target.route.page, request.query, params.get("limit"))

    def cancel(self, target: Target, params: Json, request: Request) -> Json:
        batch = self._batch(params["batch_id"])
        with self._lock:
            if batch.status not in ("validating", "in_progress"):
                raise Refusal(409, f"The batch is {batch.status}.", "batch_id")
            batch.status = "cancelled"
        return batch.shown()

    def _batch(self, batch_id: str) -> Batch:
        return self._known(self._batches, batch_id, "batch")

    def _known(self, kept: Mapping[str, Kept], name: str, kind: str) -> Kept:
        with self._lock:
            if name not in kept:
                raise Refusal(404, f"No such {kind}: {name[:100]!r}.", f"{kind}_id")
            return kept[name]

    @property
    def _endpoints(self) -> list[str]:
        return [f"/v1{path}" for path in ("/chat/completions", "/completions", "/embeddings", "/images/generations")]

    def _lines(self, batch: Batch) -> tuple[list[Json], list[Json]]:
        """Read the rows of a batch, and what is wrong with them."""
        fields = self._app.provider.routes["createBatch"].rows.fields
        lines: list[Json] = []
        problems: list[Json] = []
        seen: set[str] = set()
        for number, raw in enumerate((self._file(batch.input_file_id).content or b"").splitlines(), 1):
            if not raw.strip():
                continue
            problem = None
            try:
                line: Any = json.loads(raw)
            except ValueError:
                line = None
            if not is_object(line) or not is_object(line.get("body")) or not isinstance(line.get("custom_id"), str):
                problem = "invalid_json_line", "The line is no request."
            elif line["custom_id"] in seen:
                problem = "duplicate_custom_id", "The custom_id is not the only one of its name."
            elif line.keys() != set(fields) or line.get("url", batch.endpoint) != batch.endpoint:
                problem = "mismatched_endpoint", f"A line has {', '.join(fields)}, and the batch's endpoint."
            else:
                seen.add(line["custom_id"])
                lines.append(line)
            if problem is not None:
                problems.append({"code": problem[0], "message": problem[1], "line": number, "param": None})
        return lines, problems

    def _work(self, batch: Batch, lines: list[Json]) -> None:
        """Answer the rows as if each were a request."""
        headers = {"content-type": "application/json"}
        if batch.authorization is not None:
            headers["authorization"] = batch.authorization
        answers: list[bytes] = []
        errors: list[bytes] = []
        for number, line in enumerate(lines, 1):
            request_id = f"req-{batch.id}-{number:06d}"
            path = self._app.base + batch.endpoint.removeprefix("/v1")
            body = json.dumps(line["body"]).encode()
            row = Request(method="POST", path=path, version="HTTP/1.1", query={}, headers=headers, body=body)
            reply = self._app.handle(row, request_id)
            answer = json.loads(reply.body) if reply.events is None else {"error": {"message": "No streams here."}}
            response = {"status_code": reply.status, "request_id": request_id, "body": answer}
            result = {"id": request_id, "custom_id": line["custom_id"], "response": response, "error": None}
            is_error = reply.status != 200 or reply.events is not None
            if is_error and "url" not in line:  # a dialect of bare lines has bare errors
                result = {"custom_id": line["custom_id"], "error": answer["error"]}
            (errors if is_error else answers).append(json.dumps(result).encode() + b"\n")
        batch.counts = (len(lines), len(answers), len(errors))
        for name, found in (("output", answers), ("error", errors)):
            if found:
                kept = self._keep(f"{batch.id}_{name}.jsonl", "batch_output", b"".join(found))
                setattr(batch, f"{name}_file_id", kept.id)


def _drop_oldest(kept: dict[str, Any]) -> None:
    while len(kept) > MAX_FILES:
        del kept[next(iter(kept))]


_ANSWERS: Mapping[str, Callable[[Store, Target, Json, Request], Reply | Json]] = {
    "uploadFile": Store.upload,
    "listFiles": Store.list_files,
    "retrieveFile": Store.retrieve_file,
    "deleteFile": Store.delete_file,
    "fileContent": Store.content,
    "createBatch": Store.create,
    "retrieveBatch": Store.retrieve,
    "listBatches": Store.list_batches,
    "cancelBatch": Store.cancel,
}
