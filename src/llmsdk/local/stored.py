"""What the embedded provider keeps in memory: files, batches and their results."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ..utils.shapes import Json, is_object
from .handlers import Handler, paged
from .httpd import Refusal, Request, Response
from .native import BATCH_LINE
from .parsing import ParsedRequest, endpoints_of
from .replies import CREATED, Produced

STORAGE = "/embedded-storage/"
"""Where dialects that hand files over have their storage; it wants no key, and refuses one."""

MAX_FILES = 1000
MAX_BYTES = 256 << 20
_WINDOW_S = 86_400


@dataclass
class Kept:
    """A file or a batch: how it is described, and what is not shown of it; `content` is None until a file has come.

    `key` are the headers that held the key of whoever made it.
    """

    shown: Json
    content: bytes | None = None
    key: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass
class Store:
    """The files and batches of one embedded provider; the oldest go when there are too many.

    Attributes:
        handle: Answers a row of a batch as if it were a request.
    """

    handle: Callable[[Request, str], Response]
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _kept: dict[str, dict[str, Kept]] = field(default_factory=lambda: {"file": {}, "batch": {}})
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What handles an operation, by its id."""
        return {
            "uploadFile": self._upload,
            "listFiles": self._list_files,
            "retrieveFile": lambda parsed: _described(self._file(parsed.params["file_id"])),
            "deleteFile": self._delete_file,
            "fileContent": self._content,
            "createBatch": self._create_batch,
            "retrieveBatch": self._retrieve_batch,
            "listBatches": lambda parsed: Produced(reply=paged(parsed, self._all("batch"))),
            "cancelBatch": self._cancel_batch,
        }

    def storage(self, request: Request) -> Response:
        """Keep the bytes of a file as a storage does, or give them."""
        if "authorization" in request.headers:
            raise Refusal(400, "A storage takes no key.")
        file = self._file(request.path.removeprefix(STORAGE))
        if request.method == "PUT":
            self._fill(file, request.body)
            return Response()
        return _download(file)

    # ------------------------------------------------------------- files

    def _upload(self, parsed: ParsedRequest) -> Produced | Response:
        content, route = parsed.params.get("file"), parsed.endpoint.route
        purpose, shape = str(parsed.params["purpose"]), route.reshape.get("purpose")
        purpose = shape(purpose)["purpose"] if shape else purpose  # it was read in our word, and is shown in theirs
        if route.handover is not None:
            file = self._keep_file(str(parsed.params.get("file_name") or "upload"), purpose, None)
            headers = {"location": _address(parsed, file), route.handover.id_header: file.shown["id"]}
            return Response(status=route.handover.status, headers=headers)
        if not isinstance(content, bytes):
            raise Refusal(400, "file must be one file.", "file")
        named = re.search(rb'\bfilename="([^"]*)"', parsed.request.body)
        return _described(self._keep_file(named[1].decode("utf-8", "replace") if named else "upload", purpose, content))

    def _list_files(self, parsed: ParsedRequest) -> Produced:
        wanted = parsed.params.get("purpose")
        return Produced(reply=paged(parsed, [one for one in self._all("file") if wanted in (None, one["purpose"])]))

    def _delete_file(self, parsed: ParsedRequest) -> Produced:
        with self._lock:
            name = self._file(parsed.params["file_id"]).shown["id"]
            del self._kept["file"][name]
        return Produced(reply={"id": name, "object": "file", "deleted": True})

    def _content(self, parsed: ParsedRequest) -> Response:
        file = self._file(parsed.params["file_id"])
        uploads = parsed.setting.provider.routes.get("uploadFile")
        handover = None if uploads is None else uploads.handover
        if handover is not None:
            return Response(status=handover.status, headers={"location": _address(parsed, file)})
        return _download(file)

    def _keep_file(self, name: str, purpose: str, content: bytes | None) -> Kept:
        shown = {"object": "file", "filename": name, "purpose": purpose, "bytes": 0, "status": "uploaded"}
        with self._lock:
            self._check_room(content or b"")
            file = self._keep("file", shown)
            if content is not None:
                self._fill(file, content)
        return file

    def _fill(self, file: Kept, content: bytes) -> None:
        with self._lock:
            self._check_room(content)
            file.content = content
            file.shown |= {"bytes": len(content), "status": "processed"}

    def _check_room(self, content: bytes) -> None:
        if sum(len(one.content or b"") for one in self._kept["file"].values()) + len(content) > MAX_BYTES:
            raise Refusal(413, f"The embedded provider keeps {MAX_BYTES} bytes of files; delete some.", "file")

    def _file(self, name: str) -> Kept:
        return self._known("file", name)

    # ----------------------------------------------------------- batches

    def _create_batch(self, parsed: ParsedRequest) -> Produced:
        rows = parsed.params.get("requests")  # that came with the batch
        if rows is not None:
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            parsed.params["input_file_id"] = self._keep_file("rows.jsonl", "batch", lines).shown["id"]
            parsed.params["endpoint"] = parsed.params["endpoint"].format(model=parsed.params.get("model_id"))
        self._file(parsed.params["input_file_id"])
        if rows is None and parsed.params["endpoint"] not in (known := _batch_endpoints(parsed)):
            raise Refusal(400, f"endpoint must be one of {', '.join(known)}.", "endpoint")
        given = ("input_file_id", "endpoint", "completion_window", "metadata", "model_id")
        shown = {
            "object": "batch",
            "status": "validating",
            "expires_at": CREATED + _WINDOW_S,
            "request_counts": _counted(0),
            **dict.fromkeys(("errors", "output_file_id", "error_file_id", "completed_at")),
            **{name: parsed.params[name] for name in given if name in parsed.params},
        }
        names = {"authorization", *(parsed.setting.provider.key_header or ())[:1]}
        headers = {name: value for name, value in parsed.request.headers.items() if name in names}
        return _described(self._keep("batch", shown, headers))

    def _retrieve_batch(self, parsed: ParsedRequest) -> Produced:
        """Describe a batch; each look at it takes it one step on."""
        batch = self._known("batch", parsed.params["batch_id"])
        with self._lock:
            if batch.shown["status"] == "validating":
                lines, problems = self._lines(parsed, batch)
                batch.shown["request_counts"] = _counted(len(lines))
                batch.shown["status"] = "failed" if problems else "in_progress"
                batch.shown["errors"] = {"object": "list", "data": problems} if problems else None
            elif batch.shown["status"] == "in_progress":
                self._work(parsed, batch)
                batch.shown |= {"status": "completed", "completed_at": batch.shown["created_at"] + 1}
        return _described(batch)

    def _cancel_batch(self, parsed: ParsedRequest) -> Produced:
        batch = self._known("batch", parsed.params["batch_id"])
        with self._lock:
            if batch.shown["status"] not in ("validating", "in_progress"):
                raise Refusal(409, f"The batch is {batch.shown['status']}.", "batch_id")
            batch.shown["status"] = "cancelled"
        return _described(batch)

    def _lines(self, parsed: ParsedRequest, batch: Kept) -> tuple[list[Json], list[Json]]:
        """Read the rows of a batch, and what is wrong with them."""
        fields = parsed.setting.provider.routes["createBatch"].rows.fields
        endpoint = batch.shown["endpoint"]
        lines: dict[str, Json] = {}
        problems: list[Json] = []
        for number, raw in enumerate((self._file(batch.shown["input_file_id"]).content or b"").splitlines(), 1):
            if not raw.strip():
                continue
            try:
                line = json.loads(raw)
            except ValueError:
                line = None
            if not is_object(line) or not is_object(line.get("body")) or not isinstance(line.get("custom_id"), str):
                problem = "invalid_json_line", "The line is no request."
            elif line["custom_id"] in lines:
                problem = "duplicate_custom_id", "The custom_id is not the only one of its name."
            elif line.keys() != set(fields) or line.get("url", endpoint) != endpoint:
                problem = "mismatched_endpoint", f"A line has {', '.join(fields)}, and the batch's endpoint."
            else:
                lines[line["custom_id"]] = line
                continue
            problems.append({"code": problem[0], "message": problem[1], "line": number, "param": None})
        return list(lines.values()), problems

    def _work(self, parsed: ParsedRequest, batch: Kept) -> None:
        """Answer the rows as if each were a request."""
        headers = {"content-type": "application/json", **batch.key}
        path = parsed.setting.base + batch.shown["endpoint"].removeprefix("/v1")
        results: dict[str, list[bytes]] = {"output": [], "error": []}
        lines, _ = self._lines(parsed, batch)
        for number, line in enumerate(lines, 1):
            request_id = f"req-{batch.shown['id']}-{number:06d}"
            body = json.dumps(line["body"]).encode()
            row = Request(method="POST", path=path, version="HTTP/1.1", query={}, headers=headers, body=body)
            reply = self.handle(row, request_id)
            answer = json.loads(reply.body) if reply.events is None else {"error": {"message": "No streams here."}}
            response = {"status_code": reply.status, "request_id": request_id, "body": answer}
            result = {"id": request_id, "custom_id": line["custom_id"], "response": response, "error": None}
            is_error = reply.status != 200 or reply.events is not None
            if is_error and "url" not in line:  # a dialect of bare lines has bare errors
                result = {"custom_id": line["custom_id"], "error": answer["error"]}
            results["error" if is_error else "output"].append(json.dumps(result).encode() + b"\n")
        batch.shown["request_counts"] = _counted(len(lines), len(results["output"]), len(results["error"]))
        native = parsed.setting.style.natives.get(BATCH_LINE)
        if native is not None:  # one file, known by the batch's own id
            lines_of = [native.write(json.loads(line)) for found in results.values() for line in found]
            content = b"".join(json.dumps(line).encode() + b"\n" for line in lines_of)
            self._kept["file"][batch.shown["id"]] = Kept({"id": batch.shown["id"]}, content)
            batch.shown["lines"] = lines_of
            return
        for name, found in results.items():
            if found:
                kept = self._keep_file(f"{batch.shown['id']}_{name}.jsonl", "batch_output", b"".join(found))
                batch.shown[f"{name}_file_id"] = kept.shown["id"]

    # -------------------------------------------------------------- both

    def _keep(self, kind: str, shown: Json, key: Mapping[str, str] | None = None) -> Kept:
        with self._lock:
            number = next(self._numbers)
            # A time of its own for each, in order, and the same in every run.
            shown = {"id": f"{kind}-embedded-{number:06d}", "created_at": CREATED + number, **shown}
            kept = Kept(shown, key=key or {})
            self._kept[kind][kept.shown["id"]] = kept
            while len(self._kept[kind]) > MAX_FILES:
                del self._kept[kind][next(iter(self._kept[kind]))]
        return kept

    def _known(self, kind: str, name: str) -> Kept:
        with self._lock:
            if name not in self._kept[kind]:
                raise Refusal(404, f"No such {kind}: {name[:100]!r}.", f"{kind}_id")
            return self._kept[kind][name]

    def _all(self, kind: str) -> list[Json]:
        with self._lock:
            return [dict(kept.shown) for kept in self._kept[kind].values()]


def _described(kept: Kept) -> Produced:
    return Produced(reply=dict(kept.shown))


def _download(file: Kept) -> Response:
    return Response(body=file.content or b"", content_type="application/octet-stream")


def _address(parsed: ParsedRequest, file: Kept) -> str:
    return f"{parsed.setting.origin}{STORAGE}{file.shown['id']}"


def _counted(total: int, completed: int = 0, failed: int = 0) -> Json:
    return {"total": total, "completed": completed, "failed": failed}


def _batch_endpoints(parsed: ParsedRequest) -> list[str]:
    """List what a batch can be of; a path that holds parameters cannot be named."""
    rows = (one for one in endpoints_of(parsed.setting.provider) if one.operation.is_row and not one.pattern.groups)
    return sorted(f"/v1{one.route.path or one.operation.path}" for one in rows)
