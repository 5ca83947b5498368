"""Uploads have a name and a type that fit their bytes, whatever the caller gives a file as."""

from __future__ import annotations

import contextlib
import gc
import io
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmsdk import errors
from support.canned import CannedServer
from support.colours import KEY, Colour

PNG = b"\x89PNG\r\n\x1a\n" + b"p" * 8
JPEG = b"\xff\xd8\xff" + b"j" * 8
WEBP = b"RIFF\x00\x00\x00\x00WEBPVP8 "
DONE = {"created": 1, "data": [{"b64_json": "QQ=="}]}


_OPEN = contextlib.ExitStack()  # the files of one test


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    _OPEN.close()


class Upload:
    """What FastAPI hands to a route for an upload: an open file, beside coroutines that read it in a thread."""

    def __init__(self, data: bytes, filename: str | None) -> None:
        self.file = _OPEN.enter_context(tempfile.SpooledTemporaryFile(max_size=1 << 20))  # noqa: SIM115 - the stack closes it
        self.file.write(data)
        self.file.seek(0)
        self.filename = filename

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)


def spooled(data: bytes) -> Any:
    return Upload(data, None).file


def temporary(data: bytes) -> Any:
    file = _OPEN.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack closes it
    file.write(data)
    file.seek(0)
    return file


def numbered(data: bytes) -> Any:
    made = io.BytesIO(data)
    made.name = 3  # type: ignore[attr-defined]  # as files that have no name on disk
    return made


def part_of(canned: CannedServer, name: str) -> tuple[str, str, bytes]:
    """Give file name, type and bytes of a part of the form that came."""
    boundary = re.search(r"boundary=(\S+)", canned.last.headers["content-type"])
    assert boundary is not None
    for part in canned.last.body.split(b"--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        if f'name="{name}"'.encode() in head:
            found = re.search(r'filename="([^"]*)"\r\nContent-Type: (\S+)', head.decode())
            assert found is not None
            return found[1], found[2], content[:-2]
    raise AssertionError(f"no part {name}")


@pytest.mark.parametrize("form", [bytes, io.BytesIO, spooled, temporary, numbered, lambda data: Upload(data, None)])
@pytest.mark.parametrize(
    "data, name, kind",
    [
        (PNG, "image.png", "image/png"),
        (JPEG, "image.jpg", "image/jpeg"),
        (WEBP, "image.webp", "image/webp"),
        (b"no known picture", "image.png", "image/png"),
    ],
)
async def test_what_has_no_name_is_named_by_its_bytes(
    form: Callable[[bytes], Any], data: bytes, name: str, kind: str, colour: Colour, canned: CannedServer
) -> None:
    canned.reply(200, DONE)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        await client.call("images.edit", model="m", prompt="p", image=form(data), mask=form(data))
    assert part_of(canned, "image") == part_of(canned, "mask") == (name, kind, data)


async def test_names_that_there_are_stay_and_get_a_suffix(colour: Colour, canned: CannedServer, tmp_path: Path) -> None:
    canned.reply(200, DONE)
    (tmp_path / "photo").write_bytes(JPEG)
    (tmp_path / "scan.dat").write_bytes(JPEG)
    (tmp_path / "words").write_bytes(b"words")
    images: list[Any] = [
        (tmp_path / "photo", ("photo.jpg", "image/jpeg")),
        (tmp_path / "scan.dat", ("scan.dat", "image/jpeg")),
        (tmp_path / "words", ("words", "application/octet-stream")),
        (("given", JPEG), ("given", "image/jpeg")),
        (("given.png", b"words"), ("given.png", "image/png")),
        (Upload(WEBP, "of a form"), ("of a form.webp", "image/webp")),
        (Upload(JPEG, "folder/cat.jpeg"), ("cat.jpeg", "image/jpeg")),
    ]
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for image, named in images:
            await client.call("images.edit", model="m", prompt="p", image=image)
            assert part_of(canned, "image")[:2] == named


async def test_rows_without_a_name_stay_rows(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, {"id": "f", "filename": "x", "purpose": "batch"})
    rows = b'{"custom_id": "a"}\n'
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        for file in (rows, io.BytesIO(rows), spooled(rows), Upload(rows, None)):
            await client.call("files.upload", file=file, purpose="batch")
            assert part_of(canned, "file")[0] == "upload.jsonl"
            assert part_of(canned, "file")[2] == rows


class Async:
    async def read(self) -> bytes:
        return b"x"


class Odd:
    def read(self) -> Any:
        return 5


@pytest.mark.parametrize(
    "made, hint",
    [
        (Async, "its read() is async"),
        (Odd, "its read() gives int"),
        (io.StringIO, "text mode"),
        (io.BytesIO, "it is empty"),
        (lambda: Upload(b"", "a.png"), "it is empty"),
    ],
)
async def test_what_is_no_file_is_refused_for_what_it_is(
    made: Callable[[], Any], hint: str, colour: Colour, canned: CannedServer
) -> None:
    file = made()
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        with pytest.raises(errors.RequestValidationError) as caught:
            await client.call("images.edit", model="m", prompt="p", image=[b"x", file])
    assert str(caught.value).startswith("image[1]: ")
    assert hint in str(caught.value)
    assert canned.requests == []
    gc.collect()  # a coroutine that nobody awaits would warn now


async def test_an_optional_file_that_is_none_is_as_not_given(colour: Colour, canned: CannedServer) -> None:
    canned.reply(200, DONE)
    async with colour.open(server_url=canned.url, api_key=KEY) as client:
        await client.call("images.edit", model="m", prompt="p", image=b"x", mask=None)
        with pytest.raises(errors.RequestValidationError, match=r"image: .* None came"):
            await client.call("images.edit", model="m", prompt="p", image=None)
        assert "mask" not in client.sdk.images.preview(prompt="p", image=b"x", mask=None).body
    assert b'name="mask"' not in canned.last.body
