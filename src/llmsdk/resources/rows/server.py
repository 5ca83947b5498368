"""A server's batch: the rows as it takes them, and what it says became of each."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from pydantic_core import from_json, to_json

from ..._call.checks import checked_unsupported
from ..._call.operation import Operation
from ..._call.reply.decode import decode_error, stated_error
from ..._call.reply.reading import decode_reply
from ..._call.request.encode import Extras, encode
from ..._net.runner import Runner
from ...errors import (
    ConfigurationError,
    ReplyMeta,
    RequestValidationError,
    ResponseValidationError,
    SDKError,
)
from ...models import (
    ChatCompletionResponse,
    CompletionResponse,
    DecisionResponse,
    EmbeddingsResponse,
    ImageResponse,
    ModerationResponse,
    RerankResponse,
)
from ...providers.registry import PROVIDERS
from ...providers.spec import BatchRows, Provider
from ...utils.files import Draft
from ...utils.shapes import is_object
from .inputs import check_extra, read_rows
from .problems import file_error
from .results import failed, succeeded
from .rows import BatchRow, InvalidRow, endpoint_of

BatchReply: TypeAlias = (
    ChatCompletionResponse
    | CompletionResponse
    | EmbeddingsResponse
    | ImageResponse
    | DecisionResponse
    | ModerationResponse
    | RerankResponse
)
"""What type checkers know of the replies: the models of all operations that are rows."""

_HASHED = "sha256:"
_OWN_NAME = re.compile(r"sha256:[0-9a-f]{64}(#[0-9]+)?")  # of a row that had none in its file


# ---------------------------------------------------------------------- up


def wire_file(
    path: str | os.PathLike[str], operation: Operation, rows: BatchRows, runner: Runner, options: Mapping[str, Any]
) -> tuple[str, bytes]:
    """Rewrite a file of rows as what a server takes, each body as a call would send it.

    Returns:
        A name for the file, and its bytes.

    Raises:
        BatchError: A line is no such row, or repeats a `custom_id`; named with its number. Nothing was sent.
    """
    # In memory as a whole: servers take some 100 to 200 MB of rows (OpenAI's bound is 200 MB and 50,000 rows).
    lines = bytearray()
    for custom_id, _, body in _wire_rows(path, operation, rows, runner, options):
        parts = {
            "custom_id": to_json(custom_id),
            "method": to_json(operation.method),
            "url": to_json(endpoint_of(operation)),
            "body": body,
        }
        lines += b"{%b}\n" % b",".join(b'"%b":%b' % (name.encode(), parts[name]) for name in rows.fields)
    return f"{Path(path).stem or 'batch'}.jsonl", bytes(lines)


def inline_rows(
    path: str | os.PathLike[str], operation: Operation, rows: BatchRows, runner: Runner, options: Mapping[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """Rewrite a file of rows as the fields of a new batch.

    Returns:
        The fields, and the model of the rows where they have but one.

    Raises:
        BatchError: As `wire_file`; or the rows have several models where a batch has one.
    """
    lines: list[dict[str, Any]] = []
    model: str | None = None
    for custom_id, row, body in _wire_rows(path, operation, rows, runner, options):
        named = str(row.params.get("model", row.params.get("model_id")))
        if rows.model is not None and model not in (None, named):
            problem = f"model: a batch of this server has one model, {model!r} in the lines before, got {named!r}"
            raise file_error(os.fspath(path), problem, line=row.line)
        model = named
        lines.append({"custom_id": custom_id, "body": from_json(body)})
    return ({} if rows.inline is None else rows.inline(lines)), model


def _wire_rows(
    path: str | os.PathLike[str], operation: Operation, rows: BatchRows, runner: Runner, options: Mapping[str, Any]
) -> Iterator[tuple[str, BatchRow, bytes]]:
    """Check the rows of a file; each is returned with its name and with the body that a call would send."""
    shown = os.fspath(path)
    target = runner.target(options.get("server"), options.get("server_url"))
    unsupported = checked_unsupported(options.get("unsupported"), runner.config.unsupported)
    check_extra(shown)
    seen: dict[str, int] = {}
    for row in read_rows(shown, operation):
        try:
            if isinstance(row, InvalidRow):
                raise ValueError(row.problem)
            custom_id = _custom_id(row, rows.longest_id)
            if (first := seen.setdefault(custom_id, row.line)) != row.line:
                raise ValueError(f"custom_id: the same as in line {first}; use a unique one for each row")
            params, extras = _split(row.params)
            encoded = encode(
                operation,
                target.provider,
                params,
                base_url=target.base_url,
                url_params=runner.config.url_params,
                unsupported=unsupported,
                providers=PROVIDERS,
                extras=extras,
            )
        except (ValueError, RequestValidationError) as exc:
            raise file_error(shown, str(exc), line=row.line) from None
        yield custom_id, row, encoded.body if isinstance(encoded.body, bytes) else b"{}"
    if not seen:
        raise file_error(shown, "holds no rows")


def _custom_id(row: BatchRow, longest: int | None) -> str:
    """Name a row; the hash of one without a name is cut to what the server takes."""
    if longest is None or len(row.key) <= longest:
        return row.key
    if row.custom_id is not None:
        raise ValueError(f"custom_id: the server takes {longest} characters, got {len(row.custom_id)}")
    digest, _, number = row.key.removeprefix(_HASHED).partition("#")
    behind = f"-{number}" if number else ""  # some servers take letters, digits, "-" and "_" alone
    return digest[: longest - len(behind)] + behind


def _split(params: Mapping[str, Any]) -> tuple[dict[str, Any], Extras]:
    body = params.get("extra_body")
    if body is not None and not is_object(body):
        raise ValueError(f"extra_body: must be an object, got {type(body).__name__}")
    rest = {name: value for name, value in params.items() if name not in ("extra_body", "model_id")}
    if "model_id" in params:
        rest.setdefault("model", params["model_id"])
    return rest, Extras(body=body)


# -------------------------------------------------------------------- down


class BatchResults:
    """The results of a batch: pairs of `custom_id` and reply or error to iterate over, in the server's order.

    They are read from a file on this machine's disk, so that a plain `for` does in async code too; `close`, or `with`,
    deletes it.
    """

    def __init__(self, operation: Operation, provider: Provider) -> None:
        self._operation = operation
        self._provider = provider
        route = provider.routes.get("createBatch")
        self._rows = BatchRows() if route is None else route.rows
        # Without a name, where the system can: a process that is killed leaves no replies behind.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`, or with this object

    def add(self, piece: bytes) -> None:
        """Take a piece of a file of results."""
        self._file.write(piece)

    def end_file(self) -> None:
        """Take the end of one file, whose last line may lack its own."""
        self._file.write(b"\n")
        if self._rows.document is not None:
            self._by_line(self._rows.document)

    def _by_line(self, lines_of: Callable[[dict[str, Any]], list[dict[str, Any]]]) -> None:
        """Rewrite results that came as one document line by line; what is no document stays as one odd line."""
        self._file.seek(0)
        try:
            document: Any = from_json(self._file.read())
        except ValueError:
            return
        self._file.seek(0)
        self._file.truncate()
        for line in lines_of(document) if is_object(document) else ():
            self._file.write(to_json(line) + b"\n")

    def __iter__(self) -> Iterator[tuple[str, BatchReply | SDKError]]:
        if self._file.closed:
            raise ConfigurationError("the results are closed; fetch them again, or keep the loop inside their `with`")
        self._file.seek(0)
        for number, raw in enumerate(self._file, 1):
            if raw.strip():
                yield self._read(raw, number)

    def write(self, output: str | os.PathLike[str], errors: str | os.PathLike[str] | None) -> Path:
        """Write the lines of a local run: replies to one file, failures, where there are any, to the other."""
        to_errors = f"{os.fspath(output)}.errors.jsonl" if errors is None else errors
        if os.path.realpath(output) == os.path.realpath(to_errors):
            raise file_error(os.fspath(output), "is output and errors at once; name another file")
        replies, failures, has_failed = Draft(output), Draft(to_errors, output), False
        try:
            for custom_id, result in self:
                row = BatchRow(custom_id, None if _OWN_NAME.fullmatch(custom_id) else custom_id, {}, 0)
                if isinstance(result, SDKError):
                    has_failed = True
                    # The request is in the input alone: the server does not send it back.
                    failures.write(failed(row, result, attempts=1, failures=1, with_request=False))
                else:
                    replies.write(succeeded(row, result))
            if has_failed:
                failures.commit()
            replies.commit()
        finally:
            replies.discard()
            failures.discard()
        return Path(output)

    def close(self) -> None:
        """Delete the files; may be called again."""
        self._file.close()

    def __del__(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, raw: bytes, number: int) -> tuple[str, BatchReply | SDKError]:
        try:
            value: Any = from_json(raw)
        except ValueError:
            value = None
        if is_object(value) and self._rows.result is not None:
            value = self._rows.result(value)
        if not is_object(value) or not isinstance(value.get("custom_id"), str):
            text = raw[:1000].decode("utf-8", "replace")
            return f"line:{number}", ResponseValidationError("a line of the results isn't a result", body=text)
        try:
            return value["custom_id"], self._reply(value)
        except SDKError as exc:
            # It is handed out, not raised: its frames would keep the line and the reply alive.
            return value["custom_id"], exc.with_traceback(None)

    def _reply(self, value: dict[str, Any]) -> Any:
        """Make the reply of a line, or raise its error.

        Source: platform.openai.com, reference of the batch output object; docs.together.ai, docs/inference/batch/manage
        for lines that hold an error and no response.
        """
        response, stated = value.get("response"), value.get("error")
        answer: dict[str, Any] = response if is_object(response) else {}
        status = _status(answer.get("status_code", value.get("status_code")))
        request_id = answer.get("request_id")
        meta = ReplyMeta(
            server=self._provider.name,
            status_code=status,
            request_id=request_id if isinstance(request_id, str) else None,
        )
        if status is not None and status >= 400:
            # The class is that of the status, as for a call; the text may stand in the reply or beside it.
            body = to_json(answer.get("body") or ({"error": stated} if stated else response))
            now = datetime.now(UTC)
            raise decode_error(self._provider, status, body, reason=str, meta=meta, secrets=(), now=now)
        if stated:
            raise stated_error(self._provider, {"error": stated}, meta=meta, secrets=())
        body = to_json(answer.get("body", response))
        kind = "application/json"
        least = 0 if self._operation.results == 0 else 1  # of a request that only the server has
        reply = decode_reply(
            self._operation, self._provider, body, content_type=kind, meta=meta, secrets=(), results=least
        )
        reply._meta = meta  # a reply's own way to know its call
        return reply


def _status(value: object) -> int | None:
    """Read a status, which some gateways write as text."""
    found = re.fullmatch(r"([1-5][0-9]{2})(\.0)?", str(value))
    return int(found[1]) if found else None
