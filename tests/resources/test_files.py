"""`sdk.files`: up, down and away; a storage elsewhere never sees the key, and no half of a file stays."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from llmsdk import errors
from llmsdk._call.download import RemoteFile
from llmsdk.local import LocalServer
from support import batch_samples as samples
from support.canned import CannedServer, Connection, Request
from support.colours import KEY, Colour
from support.storages import script

BYTES = bytes(range(256)) * 1024


@pytest.fixture
def storage() -> Iterator[CannedServer]:
    with CannedServer() as server:
        yield server


def at(server: LocalServer | CannedServer, dialect: str = "openai") -> dict[str, Any]:
    return {"server": dialect, "server_url": server.url, "api_key": KEY, "http_headers": {"x-api-key": "sk-other"}}


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("dialect", ["openai", "together"])
async def test_a_file_goes_up_comes_down_and_goes_away(colour: Colour, tmp_path: Path, dialect: str) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_bytes(BYTES)
    with LocalServer(dialect) as server:
        async with colour.open(**at(server, dialect)) as client:
            kept = await client.call("files.upload", source)
            assert (kept.filename, kept.bytes) == ("rows.jsonl", len(BYTES))
            assert kept.purpose == ("batch-api" if dialect == "together" else "batch")
            assert (await client.call("files.retrieve", kept.id)).id == kept.id
            assert [file.id for file in await client.call("files.list")] == [kept.id]
            assert await client.call("files.content", kept.id) == BYTES
            target = tmp_path / "back.bin"
            assert await client.call("files.content", kept.id, str(target)) == target
            assert target.read_bytes() == BYTES
            gone = await client.call("files.delete", kept.id)
            assert (gone.id, gone.deleted) == (kept.id, True)
            assert server.requests[-1].body == b""
            with pytest.raises(errors.NotFoundError):
                await client.call("files.content", kept.id)


@pytest.mark.parametrize(
    "given, name", [(b"x", "upload.jsonl"), (("a.txt", b"x"), "a.txt"), (io.BytesIO, None), (Path, "f.jsonl")]
)
async def test_files_come_in_all_forms(colour: Colour, tmp_path: Path, given: Any, name: str | None) -> None:
    (tmp_path / "f.jsonl").write_bytes(b"x")
    given = {io.BytesIO: io.BytesIO(b"x"), Path: tmp_path / "f.jsonl"}.get(given, given)
    async with colour.open(server="local") as client:
        kept = await client.call("files.upload", given, purpose="user_data")
        if name is not None:
            assert kept.filename == name
        assert kept.purpose == "user_data"
        assert await client.call("files.content", kept.id) == b"x"


async def test_a_name_can_be_given(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        assert (await client.call("files.upload", b"x", file_name="mine.jsonl")).filename == "mine.jsonl"


@pytest.mark.parametrize("given", ["gone.jsonl", 3, None])
async def test_what_is_no_file_is_refused(colour: Colour, given: Any) -> None:
    with LocalServer() as server:
        async with colour.open(**at(server)) as client:
            with pytest.raises(errors.RequestValidationError, match=r"^file: "):
                await client.call("files.upload", given)
        assert server.requests == []


async def test_lists_can_be_narrowed(colour: Colour) -> None:
    async with colour.open(server="local") as client:
        for purpose in ("batch", "other"):
            await client.call("files.upload", b"x", purpose=purpose)
        assert [file.purpose for file in await client.call("files.list", purpose="other")] == ["other"]


async def test_the_servers_own_words_are_read(colour: Colour, canned: CannedServer) -> None:
    for dialect, document in (("openai", samples.OPENAI_FILE), ("together", samples.TOGETHER_FILE)):
        script(canned, {"GET /files/f": document, "GET /files": {"data": [document]}})
        async with colour.open(**at(canned, dialect)) as client:
            file = await client.call("files.retrieve", "f")
            assert file.model_dump(exclude_unset=True) == document
            assert [one.id for one in await client.call("files.list")] == [document["id"]]


# ------------------------------------------------------------------ storages


def together(canned: CannedServer, storage: CannedServer, **replies: Any) -> None:
    location = {"Location": f"{storage.url}/bucket/f?signature=s3cr3t", "X-Together-File-Id": "file-30b2f515"}
    script(
        canned,
        {
            "POST /files": (302, location, b""),
            "POST /files/file-30b2f515/preprocess": samples.TOGETHER_FILE,
            "GET /files/f/content": (302, location, b""),
        },
    )
    script(storage, {"PUT /bucket/f": replies.get("put", b""), "GET /bucket/f": replies.get("get", BYTES)})


@pytest.mark.every_backend
async def test_an_upload_is_handed_over_without_the_key(
    colour: Colour, canned: CannedServer, storage: CannedServer
) -> None:
    together(canned, storage)
    async with colour.open(**at(canned, "together")) as client:
        kept = await client.call("files.upload", ("rows.jsonl", BYTES), allow_private=True)
    assert kept.id == "file-30b2f515"
    [put] = storage.requests
    assert (put.method, put.target, put.body) == ("PUT", "/bucket/f?signature=s3cr3t", BYTES)
    assert put.headers.keys() & {"authorization", "x-api-key", "idempotency-key", "cookie"} == set()
    assert KEY not in str(put.headers)
    first, last = canned.requests
    assert first.headers["content-type"].startswith("multipart/form-data")
    for part in (
        b'name="purpose"\r\n\r\nbatch-api',
        b'name="file_name"\r\n\r\nrows.jsonl',
        b'"file_type"\r\n\r\njsonl',
    ):
        assert part in first.body
    assert BYTES not in first.body
    assert (last.method, last.body) == ("POST", b"")
    assert last.headers["authorization"] == first.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.every_backend
async def test_a_download_from_elsewhere_has_no_key(
    colour: Colour, canned: CannedServer, storage: CannedServer, tmp_path: Path
) -> None:
    together(canned, storage)
    async with colour.open(**at(canned, "together")) as client:
        await client.call("files.content", "f", tmp_path / "f.bin", allow_private=True)
    assert (tmp_path / "f.bin").read_bytes() == BYTES
    assert canned.last.headers["authorization"] == f"Bearer {KEY}"
    assert storage.last.headers.keys() & {"authorization", "x-api-key", "cookie"} == set()


async def test_private_storages_are_refused(
    colour: Colour, canned: CannedServer, storage: CannedServer, tmp_path: Path
) -> None:
    together(canned, storage)
    async with colour.open(**at(canned, "together")) as client:
        with pytest.raises(errors.ResponseValidationError, match="private network; allow_private=True allows it"):
            await client.call("files.upload", b"x")
        with pytest.raises(errors.ResponseValidationError, match="private network"):
            await client.call("files.content", "f", tmp_path / "f.bin")
    assert storage.requests == []
    assert list(tmp_path.iterdir()) == []


async def test_a_name_that_turns_private_at_the_connection_is_refused(
    colour: Colour, canned: CannedServer, storage: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_public(file: RemoteFile, url: str) -> Iterator[Any]:
        yield from ()

    monkeypatch.setattr(RemoteFile, "_refuse_private", looked_public)
    together(canned, storage)
    async with colour.open(**at(canned, "together")) as client:
        for target in ((), (tmp_path / "f.bin",)):
            with pytest.raises(errors.ResponseValidationError, match="private network"):
                await client.call("files.content", "f", *target)
    assert list(tmp_path.iterdir()) == []


async def test_a_server_may_take_the_file_itself(colour: Colour, canned: CannedServer, storage: CannedServer) -> None:
    script(canned, {"POST /files": samples.TOGETHER_FILE})
    async with colour.open(**at(canned, "together")) as client:
        kept = await client.call("files.upload", b"x")
    assert kept.id == samples.TOGETHER_FILE["id"]
    assert len(canned.requests) == 1


async def test_hooks_do_not_see_the_storage(colour: Colour, canned: CannedServer, storage: CannedServer) -> None:
    class Signer:
        def before_request(self, ctx: Any, request: Any) -> Any:
            request.headers["x-signed-with"] = "sk-hook"
            return request

    together(canned, storage)
    async with colour.open(**at(canned, "together"), hooks=[Signer()]) as client:
        await client.call("files.upload", b"x", allow_private=True)
        assert await client.call("files.content", "f", allow_private=True) == BYTES
    assert all("x-signed-with" in request.headers for request in canned.requests)
    assert not any("x-signed-with" in request.headers for request in storage.requests)


async def test_a_storage_that_is_busy_is_asked_again(
    colour: Colour, canned: CannedServer, storage: CannedServer
) -> None:
    headers = {"Retry-After": "0"}
    together(canned, storage, put=[(503, headers, b""), b""], get=[(503, headers, b"<busy/>"), BYTES])
    async with colour.open(**at(canned, "together")) as client:
        await client.call("files.upload", b"x", allow_private=True)
        assert await client.call("files.content", "f", allow_private=True) == BYTES
    assert [request.body for request in storage.requests] == [b"x", b"x", b"", b""]


async def test_a_storage_that_refuses_is_an_error(
    colour: Colour, canned: CannedServer, storage: CannedServer, tmp_path: Path
) -> None:
    refusal = (403, {"Content-Type": "application/xml"}, b"<Error>signature=s3cr3t is over</Error>")
    together(canned, storage, put=refusal, get=refusal)
    async with colour.open(**at(canned, "together")) as client:
        for call, given in (("files.upload", (b"x",)), ("files.content", ("f", tmp_path / "f.bin"))):
            with pytest.raises(errors.PermissionDeniedError) as caught:
                await client.call(call, *given, allow_private=True)
            assert "s3cr3t" not in caught.value.body
    assert [request.target for request in canned.requests] == ["/files", "/files/f/content"]  # never said to be there
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("header", ["Location", "X-Together-File-Id"])
async def test_a_redirect_that_lacks_its_parts_is_named(colour: Colour, canned: CannedServer, header: str) -> None:
    headers = {"Location": "http://127.0.0.1:9/x", "X-Together-File-Id": "f"}
    del headers[header]
    script(canned, {"POST /files": (302, headers, b"")})
    async with colour.open(**at(canned, "together")) as client:
        with pytest.raises(errors.ResponseValidationError, match=f"(?i)without {header}"):
            await client.call("files.upload", b"x", allow_private=True)


@pytest.mark.parametrize("location", ["ftp://host/f", "file:///etc/passwd", "http://user:pw@host/f"])
async def test_only_http_is_followed(colour: Colour, canned: CannedServer, location: str) -> None:
    headers = {"Location": location, "X-Together-File-Id": "f"}
    script(canned, {"POST /files": (302, headers, b""), "GET /files/f/content": (302, headers, b"")})
    async with colour.open(**at(canned, "together")) as client:
        for call, given in (("files.upload", b"x"), ("files.content", "f")):
            with pytest.raises(errors.ResponseValidationError, match="cannot be fetched"):
                await client.call(call, given, allow_private=True)


async def test_redirects_do_not_go_on_for_ever(colour: Colour, canned: CannedServer) -> None:
    script(canned, {"GET /files/f/content": (302, {"Location": f"{canned.url}/files/f/content"}, b"")})
    async with colour.open(**at(canned)) as client:
        with pytest.raises(errors.ResponseValidationError, match="redirects more than 5 times"):
            await client.call("files.content", "f")
    assert len(canned.requests) == 6


# -------------------------------------------------------------------- faults


@pytest.mark.also_trio
@pytest.mark.every_backend
@pytest.mark.parametrize("fault", [{"cut_after": 1000}, {"cut_after": 1000, "reset": True}])
async def test_a_download_that_is_cut_leaves_nothing(colour: Colour, tmp_path: Path, fault: dict[str, Any]) -> None:
    target = tmp_path / "f.bin"
    target.write_bytes(b"before")
    with LocalServer() as server:
        async with colour.open(**at(server)) as client:
            kept = await client.call("files.upload", BYTES)
            server.script(fault)
            with pytest.raises(errors.APIConnectionError):
                await client.call("files.content", kept.id, target)
            assert [path.name for path in tmp_path.iterdir()] == ["f.bin"]
            assert target.read_bytes() == b"before"
            await client.call("files.content", kept.id, target)  # and the next one is whole
    assert target.read_bytes() == BYTES


async def test_a_silent_download_ends(colour: Colour, tmp_path: Path) -> None:
    with LocalServer() as server:
        async with colour.open(**at(server)) as client:
            kept = await client.call("files.upload", BYTES)
            server.script({"stall_after": 1000, "stall_s": 5}, {"stall_after": 1000, "stall_s": 5})
            with pytest.raises(errors.APITimeoutError):
                await client.call("files.content", kept.id, tmp_path / "f.bin", timeout_ms=300)
            with pytest.raises(errors.DeadlineExceededError):
                await client.call("files.content", kept.id, tmp_path / "f.bin", deadline_ms=300)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.also_trio
async def test_a_cancelled_download_leaves_nothing(colour: Colour, tmp_path: Path) -> None:
    if not colour.is_async:
        pytest.skip("a blocking read cannot be cancelled")
    with LocalServer() as server:
        async with colour.open(**at(server)) as client:
            kept = await client.call("files.upload", BYTES)
            server.script({"stall_after": 1000, "stall_s": 5})
            with anyio.move_on_after(0.2) as scope:
                await client.call("files.content", kept.id, tmp_path / "f.bin")
    assert scope.cancelled_caught
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status, kind", [(401, errors.AuthenticationError), (404, errors.NotFoundError)])
async def test_statuses_are_errors_of_their_class(
    colour: Colour, tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    with LocalServer() as server:
        server.always({"status": status})
        async with colour.open(**at(server)) as client:
            for call, given in (
                ("upload", (b"x",)),
                ("list", ()),
                ("retrieve", ("f",)),
                ("delete", ("f",)),
                ("content", ("f",)),
                ("content", ("f", tmp_path / "f.bin")),
            ):
                with pytest.raises(kind) as caught:
                    await client.call(f"files.{call}", *given)
                assert caught.value.message == f"Scripted fault: status {status}."
    assert list(tmp_path.iterdir()) == []


async def test_an_upload_is_tried_again_with_the_same_bytes(colour: Colour) -> None:
    with LocalServer(faults=[{"status": 503, "retry_after": 0}]) as server:
        async with colour.open(**at(server)) as client:
            await client.call("files.upload", io.BytesIO(b"x" * 1000))
        first, second = server.requests
    assert first.body == second.body
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]


async def test_coded_files_come_decoded_and_bounded(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    packed = gzip.compress(bytes(4 << 20))
    script(canned, {"GET /files/f/content": (200, {"Content-Encoding": "gzip"}, packed)})
    async with colour.open(**at(canned), max_response_bytes=1 << 20) as client:
        with pytest.raises(errors.ResponseValidationError, match="larger than 1048576 bytes"):
            await client.call("files.content", "f")
        await client.call("files.content", "f", tmp_path / "f.bin")
    assert (tmp_path / "f.bin").stat().st_size == 4 << 20


async def test_half_of_a_coded_file_is_none(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    packed = gzip.compress(BYTES)[:-20]
    script(canned, {"GET /files/f/content": (200, {"Content-Encoding": "gzip"}, packed)})
    async with colour.open(**at(canned)) as client:
        with pytest.raises(errors.ResponseValidationError):
            await client.call("files.content", "f", tmp_path / "f.bin")
    assert list(tmp_path.iterdir()) == []


async def test_a_path_that_cannot_be_written_is_named_before_anything_is_sent(colour: Colour, tmp_path: Path) -> None:
    with LocalServer() as server:
        async with colour.open(**at(server)) as client:
            with pytest.raises(FileNotFoundError) as caught:
                await client.call("files.content", "f", tmp_path / "no" / "f.bin")
        assert server.requests == []
    assert caught.value.filename == str(tmp_path / "no" / "f.bin")


@pytest.mark.own_connections
async def test_a_download_takes_little_memory(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    import tracemalloc

    size, piece = 64 << 20, bytes(1 << 20)

    def answer(connection: Connection, request: Request) -> bool:
        connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // len(piece)):
            connection.send(piece)
        return True

    canned.script = answer
    async with colour.open(**at(canned)) as client:
        tracemalloc.start()
        try:
            await client.call("files.content", "f", tmp_path / "f.bin")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert (tmp_path / "f.bin").stat().st_size == size
    assert peak < 8 << 20


async def test_observers_see_a_transfer(colour: Colour) -> None:
    seen: list[str] = []

    class Watching:
        def start(self, call: Any) -> None:
            seen.append(call.operation_id)

    async with colour.open(server="local", observers=[Watching()]) as client:
        kept = await client.call("files.upload", b"x")
        await client.call("files.content", kept.id)
    assert seen == ["uploadFile", "fileContent"]


async def test_previews_send_nothing(colour: Colour) -> None:
    async with colour.open(server="together", api_key=KEY) as client:
        shown = client.preview("files", file=b"x")
        assert (shown.method, shown.url) == ("POST", "https://api.together.xyz/v1/files")
        assert client.preview("files", file_id="a/b").url.endswith("/files/a%2Fb")
        assert client.preview("files").method == "GET"
        assert client.preview("batches", input_file_id="f").body["endpoint"] == "/v1/chat/completions"
        assert client.preview("batches", batch_id="b").url.endswith("/batches/b")
        assert client.preview("batches").method == "GET"
