"""`sdk.images`: generation, edit by upload, saving; each body in both colours."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shlex
import threading
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
import respx

from llmsdk import errors
from llmsdk.utils.files import write_atomically
from support.canned import CannedServer
from support.colours import KEY, Colour, collect, settled

pytestmark = pytest.mark.every_backend

TOGETHER = "https://api.together.xyz/v1/images/generations"
R9S = "https://api.r9s.ai/v1/images/generations"
EDITS = "https://api.r9s.ai/v1/images/edits"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 20
B64 = {"created": 1, "data": [{"index": 0, "b64_json": base64.b64encode(PNG).decode()}]}


def body_of(route: respx.Route) -> Any:
    return json.loads(route.calls.last.request.content)


async def save(colour: Colour, image: Any, path: Any, **args: Any) -> Path:
    saved: Path = await settled((image.save_async if colour.is_async else image.save)(path, **args))
    return saved


# ---------------------------------------------------------------- generation


@pytest.mark.parametrize(
    "server, url, given, sent",
    [
        ("together", TOGETHER, {"size": "768x512"}, {"width": 768, "height": 512}),
        ("together", TOGETHER, {"response_format": "b64_json"}, {"response_format": "base64"}),
        ("together", TOGETHER, {"response_format": "url", "steps": 3}, {"response_format": "url", "steps": 3}),
        ("r9s", R9S, {"size": "768x512"}, {"size": "768x512"}),
        ("r9s", R9S, {"response_format": "base64"}, {"response_format": "b64_json"}),
        ("r9s", R9S, {"response_format": "novel", "quality": "hd"}, {"response_format": "novel", "quality": "hd"}),
    ],
)
async def test_each_server_gets_its_own_form(
    server: str, url: str, given: dict[str, Any], sent: dict[str, Any], colour: Colour, wire: respx.MockRouter
) -> None:
    route = wire.post(url).respond(json=B64)
    async with colour.open(server=server, api_key=KEY) as client:
        reply = await client.call("images.create", model="m", prompt="a cat", **given)
        await client.call("images.create", image_request={"model": "m", "prompt": "a cat", **given})
    assert reply.data[0].content == PNG
    assert [json.loads(call.request.content) for call in route.calls] == [{"model": "m", "prompt": "a cat", **sent}] * 2


async def test_the_model_is_optional_where_the_server_has_a_default(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(R9S).respond(json=B64)
    async with colour.open(server="r9s", api_key=KEY) as client:
        await client.call("images.create", prompt="a cat")
    assert body_of(route) == {"prompt": "a cat"}
    async with colour.open(server="together", api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match=r"^model: required"):
            await client.call("images.create", prompt="a cat")


@pytest.mark.parametrize("size", ["big", "12", "1x2x3", "ax1"])
async def test_a_size_that_cannot_be_split(size: str, colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(server="together", api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError, match=r"^size: .*WIDTHxHEIGHT"):
            await client.call("images.create", model="m", prompt="p", size=size)
    assert not wire.calls


async def test_together_does_not_stream_images(colour: Colour, wire: respx.MockRouter) -> None:
    route = wire.post(TOGETHER).respond(json=B64)
    async with colour.open(server="together", api_key=KEY) as client:
        with pytest.raises(errors.UnsupportedParameterError, match=r"^stream: "):
            await client.call("images.create", model="m", prompt="p", stream=True)
        await client.call("images.create", model="m", prompt="p", stream=False)
    assert [json.loads(call.request.content) for call in route.calls] == [{"model": "m", "prompt": "p"}]


async def test_a_stream_shows_images_as_they_become_clearer(colour: Colour, wire: respx.MockRouter) -> None:
    events = [
        {"data": [{"index": 0, "b64_json": "iVBO", "progress": 0.5, "is_final": False}]},
        {"data": [{"index": 0, "b64_json": B64["data"][0]["b64_json"], "progress": 1, "is_final": True}]},  # type: ignore[index] # a literal above
    ]
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    wire.post(R9S).respond(content=body, headers={"content-type": "text/event-stream"})
    async with colour.open(server="r9s", api_key=KEY) as client:
        stream = await client.call("images.create", prompt="p", stream=True, partial_images=1)
        assert [event.data[0].is_final for event in await collect(stream)] == [False, True]
        assert [image.content for image in stream.final.data] == [PNG]


# ----------------------------------------------------------------------- edit


def parts_of(route: respx.Route) -> list[tuple[str, str | None, bytes]]:
    """Name, file name and content of each part of a multipart body."""
    request = route.calls.last.request
    boundary = re.search(r"boundary=(\S+)", request.headers["content-type"])
    assert boundary is not None
    found: list[tuple[str, str | None, bytes]] = []
    for part in request.content.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        name = re.search(rb'\bname="([^"]*)"', head)
        file_name = re.search(rb'filename="([^"]*)"', head)
        assert name is not None
        found.append((name[1].decode(), file_name[1].decode() if file_name else None, content[:-2]))
    return found


async def test_an_edit_uploads_its_files(colour: Colour, wire: respx.MockRouter, tmp_path: Path) -> None:
    route = wire.post(EDITS).respond(json=B64)
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"mask")
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call(
            "images.edit",
            model="m",
            prompt="bluer",
            image=b"one",
            mask=mask,
            n=2,
            response_format="base64",
        )
    assert reply.data[0].content == PNG
    assert route.calls.last.request.headers["authorization"] == f"Bearer {KEY}"
    assert sorted(parts_of(route), key=lambda part: part[0]) == [
        ("image", "image.png", b"one"),
        ("mask", "mask.png", b"mask"),
        ("model", None, b"m"),
        ("n", None, b"2"),
        ("prompt", None, b"bluer"),
        ("response_format", None, b"b64_json"),
    ]


@pytest.mark.parametrize("ends", ["b64_json", "[DONE]", "error", "cut", "json"])
async def test_a_streamed_edit_ends_in_one_way(ends: str, colour: Colour, canned: CannedServer) -> None:
    def chunk(progress: float) -> str:
        item = {"index": 0, "b64_json": B64["data"][0]["b64_json"], "progress": progress, "is_final": progress == 1}
        return f"data: {json.dumps({'object': 'image.edit.chunk', 'created': 1, 'data': [item]})}\n\n"

    tail = {
        "b64_json": 'event: image_edit.completed\ndata: {"type": "image_edit.completed", "b64_json": "AAAA"}\n\n',
        "[DONE]": chunk(1) + "data: [DONE]\n\n",
        "error": 'data: {"error": {"message": "No.", "type": "server_error"}}\n\n',
        "cut": "",
    }
    if ends == "json":
        canned.reply(200, B64)
    else:
        canned.stream((("" if ends == "b64_json" else chunk(0.5)) + tail[ends]).encode())
    async with colour.open(server="r9s", api_key=KEY, server_url=canned.url) as client:
        stream = await client.call("images.edit", prompt="p", image=b"x", stream=True, partial_images=1)
        assert canned.last.headers["accept"].startswith("text/event-stream")
        if ends in ("error", "cut"):
            kind = errors.InternalServerError if ends == "error" else errors.StreamInterruptedError
            with pytest.raises(kind) as caught:
                await collect(stream)
            assert len(caught.value.partial.data) == 1
            return
        await collect(stream)
        assert [image.content for image in stream.final.data] == [b"\0\0\0" if ends == "b64_json" else PNG]


async def test_an_edit_takes_files_of_every_form(colour: Colour, wire: respx.MockRouter, tmp_path: Path) -> None:
    route = wire.post(EDITS).respond(json=B64)
    path = tmp_path / "of path.png"
    path.write_bytes(b"path")
    async with colour.open(server="r9s", api_key=KEY) as client:
        with path.open("rb") as file:
            images = [b"bytes", path, file, ("named.png", b"pair"), io.BytesIO(b"memory")]
            await client.call("images.edit", prompt="p", image=images)
        files = [part[1:] for part in parts_of(route) if part[0] == "image[]"]
        assert files == [
            ("image.png", b"bytes"),
            ("of path.png", b"path"),
            ("of path.png", b"path"),
            ("named.png", b"pair"),
            ("image.png", b"memory"),
        ]
        await client.call("images.edit", image_edit_request={"prompt": "p", "image": b"x"}, retries=None)
        assert ("image", "image.png", b"x") in parts_of(route)
        await client.call("images.edit", prompt="p", image=("named.png", b"x"), mask=("m.png", b"y"))
        assert {("image", "named.png", b"x"), ("mask", "m.png", b"y")} <= set(parts_of(route))


async def test_an_upload_is_the_same_bytes_on_every_attempt(colour: Colour, canned: CannedServer) -> None:
    statuses = iter([503, 200])

    def script(connection: Any, _: Any) -> bool:
        body = json.dumps(B64).encode()
        connection.send(
            b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nretry-after-ms: 1\r\n\r\n" % (next(statuses), len(body))
        )
        connection.send(body)
        return True

    canned.script = script
    from llmsdk.utils import BackoffStrategy, RetryConfig

    retries = RetryConfig("backoff", BackoffStrategy(1, 5, 1.0, 5_000), True)
    async with colour.open(server_url=canned.url, api_key=KEY, retry_config=retries) as client:
        await client.call("images.edit", prompt="p", image=io.BytesIO(b"once"))
    first, second = canned.requests
    assert first.body == second.body
    assert b"once" in second.body
    assert first.headers["content-type"] == second.headers["content-type"]


@pytest.mark.parametrize(
    "image, hint",
    [
        ("photo.png", "got str"),
        (io.StringIO("text"), "text mode"),
        (Path("no/such/file.png"), "No such file"),
        ([b"x", 3], "bytes"),
        (None, "None came"),
    ],
)
async def test_a_file_that_is_none(image: Any, hint: str, colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(server="r9s", api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("images.edit", prompt="p", image=image)
    assert str(caught.value).startswith("image")
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not wire.calls


async def test_together_has_no_edit(colour: Colour, wire: respx.MockRouter) -> None:
    async with colour.open(api_key=KEY) as client:
        with pytest.raises(errors.UnsupportedOperationError) as caught:
            await client.call("images.edit", model="m", prompt="p", image=b"x")
    assert caught.value.servers == ("r9s", "openai", "local")


# --------------------------------------------------------------------- saving


async def test_saving_base64_picks_the_suffix(colour: Colour, wire: respx.MockRouter, tmp_path: Path) -> None:
    wire.post(R9S).respond(json=B64)
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        assert await save(colour, reply.data[0], tmp_path / "cat") == tmp_path / "cat.png"
        assert await save(colour, reply.data[0], str(tmp_path / "dog.bin")) == tmp_path / "dog.bin"
    assert (tmp_path / "cat.png").read_bytes() == (tmp_path / "dog.bin").read_bytes() == PNG


@pytest.mark.also_trio
async def test_saving_from_a_url_sends_no_key(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    def script(connection: Any, request: Any) -> bool:
        reply = json.dumps({"data": [{"url": f"{canned.url}/files/cat"}]}).encode()
        body = reply if request.method == "POST" else JPEG
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        return True

    canned.script = script
    headers = {"X-Tenant": "t-placeholder"}
    async with colour.open(server_url=f"{canned.url}/v1", api_key=KEY, http_headers=headers) as client:
        reply = await client.call("images.create", prompt="p")
        saved = await save(colour, reply.data[0], tmp_path / "cat")
    assert saved == tmp_path / "cat.jpg" or saved == tmp_path / "cat.jpeg"
    assert saved.read_bytes() == JPEG
    post, get = canned.requests
    assert post.headers["authorization"] == f"Bearer {KEY}"
    assert (get.method, get.target) == ("GET", "/files/cat")
    assert "authorization" not in get.headers
    assert "x-tenant" not in get.headers


async def test_a_url_in_a_private_network_is_not_fetched(
    colour: Colour, wire: respx.MockRouter, tmp_path: Path
) -> None:
    wire.post(R9S).respond(json={"data": [{"url": "http://169.254.169.254/latest/meta-data"}]})
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        with pytest.raises(errors.ResponseValidationError, match="private network"):
            await save(colour, reply.data[0], tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []
    assert len(wire.calls) == 1


@pytest.mark.parametrize(
    "status, kind",
    [(403, errors.PermissionDeniedError), (404, errors.NotFoundError), (500, errors.InternalServerError)],
)
async def test_a_file_that_cannot_be_fetched(
    status: int, kind: type[Exception], colour: Colour, canned: CannedServer, tmp_path: Path
) -> None:
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        canned.reply(200, {"data": [{"url": f"{canned.url}/gone"}]})
        reply = await client.call("images.create", prompt="p")
        canned.reply(status, b"gone")
        with pytest.raises(kind):
            await save(colour, reply.data[0], tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []


async def test_a_path_that_cannot_be_written(colour: Colour, wire: respx.MockRouter, tmp_path: Path) -> None:
    wire.post(R9S).respond(json=B64)
    path = tmp_path / "no such folder" / "cat.png"
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        with pytest.raises(OSError, match="no such folder") as caught:
            await save(colour, reply.data[0], path)
    assert str(caught.value.filename) == str(path)
    assert list(tmp_path.iterdir()) == []


class _Odd:
    """A path object that answers with bytes."""

    def __fspath__(self) -> bytes:
        return b"cat.png"


@pytest.mark.parametrize(
    "path, text",
    [
        (None, "got NoneType"),
        (5, "got int 5"),
        (b"cat.png", "got bytes"),
        (_Odd(), "got _Odd"),
        ("", "got an empty str"),
        ("cat\0.png", "a NUL"),
        ("cat\ud800.png", "a lone surrogate"),
        (".", "'.' is a folder"),
        ("..", "'..' is a folder"),
        ("folder", "'folder' is a folder"),
        ("folder.png", "'folder.png' is a folder"),
        ("new/", "'new/' is a folder"),
        (Path("folder"), "'folder' is a folder"),
        (Path(""), "'.' is a folder"),
    ],
)
async def test_what_is_no_path_of_a_file(
    path: Any,
    text: str,
    colour: Colour,
    wire: respx.MockRouter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "folder.png"):
        (tmp_path / name).mkdir()
    wire.post(R9S).respond(json={"data": [{"url": "https://files.example/a"}]})
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        with pytest.raises(errors.RequestValidationError, match=r"^path: ") as caught:
            await save(colour, reply.data[0], path)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.param == "path"
    assert len(wire.calls) == 1, "nothing is fetched for what cannot be saved"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder", "folder.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
async def test_a_device_or_a_pipe_is_not_replaced(colour: Colour, wire: respx.MockRouter, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe")
    wire.post(R9S).respond(json=B64)
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        for path in (tmp_path / "pipe", tmp_path / "link.png"):
            with pytest.raises(errors.RequestValidationError, match=r"^path: .* is a device or a pipe; expected"):
                await save(colour, reply.data[0], path)
    with pytest.raises(OSError, match="Is a device or a pipe") as caught:
        write_atomically(tmp_path / "pipe", b"x")
    assert caught.value.filename == str(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert len(list(tmp_path.iterdir())) == 2, "no draft stays"


@pytest.mark.parametrize("value", ["no", 1, None])
async def test_private_networks_are_allowed_by_a_bool_alone(
    value: Any, colour: Colour, wire: respx.MockRouter, tmp_path: Path
) -> None:
    wire.post(R9S).respond(json={"data": [{"url": "http://127.0.0.1:1/a"}]})
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        with pytest.raises(errors.RequestValidationError, match=r"^allow_private: got .*; expected a bool$"):
            await save(colour, reply.data[0], tmp_path / "cat", allow_private=value)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_is_written_beside_the_event_loop(
    colour: Colour, wire: respx.MockRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[int] = []
    fsync = os.fsync

    def watched(number: int) -> None:
        writers.append(threading.get_ident())
        fsync(number)

    wire.post(R9S).respond(json=B64)
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        monkeypatch.setattr("os.fsync", watched)
        await save(colour, reply.data[0], tmp_path / "cat")
    assert (writers[0] == threading.get_ident()) is not colour.is_async


async def test_a_save_that_is_cancelled_leaves_nothing_half_written(
    colour: Colour, wire: respx.MockRouter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not colour.is_async:
        pytest.skip("a sync save cannot be cancelled")
    begun = threading.Event()

    def slow(number: int) -> None:
        begun.set()
        time.sleep(0.2)

    wire.post(R9S).respond(json=B64)
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        monkeypatch.setattr("os.fsync", slow)
        async with anyio.create_task_group() as group:
            group.start_soon(reply.data[0].save_async, tmp_path / "cat")
            with anyio.fail_after(10):
                while not begun.is_set():
                    await anyio.sleep(0.005)
            group.cancel_scope.cancel()
    assert [path.name for path in tmp_path.iterdir()] == ["cat.png"]
    assert (tmp_path / "cat.png").read_bytes() == reply.images[0].content


@pytest.mark.parametrize("data", [{}, {"b64_json": "***"}, {"url": ""}, {"url": "ftp://x.example/a"}])
async def test_an_image_that_is_none(
    data: dict[str, Any], colour: Colour, wire: respx.MockRouter, tmp_path: Path
) -> None:
    wire.post(R9S).respond(json={"data": [data]})
    async with colour.open(server="r9s", api_key=KEY) as client:
        reply = await client.call("images.create", prompt="p")
        with pytest.raises(errors.ResponseValidationError):
            await save(colour, reply.data[0], tmp_path / "cat")
    assert list(tmp_path.iterdir()) == []


def test_preview_of_an_edit_does_not_show_the_files(wire: respx.MockRouter) -> None:
    with Colour("sync").open(server="r9s", api_key=KEY).sdk as sdk:
        preview = sdk.images.preview(model="m", prompt="p", image=b"x" * 1000)
        created = sdk.images.preview(model="m", prompt="p", size="auto")
    assert preview.url == EDITS
    assert preview.body == {"model": "m", "prompt": "p", "image": "(file)"}
    words = shlex.split(preview.as_curl())
    assert words[-6:] == ["--form-string", "model=m", "--form-string", "prompt=p", "-F", "image=@FILE"]
    assert "multipart" not in preview.as_curl()  # with a boundary of ours, curl's form could not be read
    assert (created.url, created.body) == (R9S, {"model": "m", "prompt": "p", "size": "auto"})
    assert not wire.calls
