"""Images are saved whole, from wherever they are."""

import asyncio
import base64
import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from llmsdk.errors import ConfigurationError, ResponseValidationError
from llmsdk.models.images import Image, ImageEditRequest, ImageResponse
from llmsdk.utils.files import suffix_of, write_atomically

PNG = b"\x89PNG\r\n\x1a\n-data"
B64 = base64.b64encode(PNG).decode()


class Fetcher:
    def __init__(self) -> None:
        self.lock = threading.Lock()  # makes copies and pickles fail, as a real one would
        self.asked: list[tuple[str, bool]] = []

    def fetch(self, url: str, *, allow_private: bool) -> bytes:
        self.asked.append((url, allow_private))
        return PNG

    async def fetch_async(self, url: str, *, allow_private: bool) -> bytes:
        return self.fetch(url, allow_private=allow_private)


@pytest.mark.parametrize(
    "image",
    [
        Image(b64_json=B64),
        Image(b64_json=f"{B64[:8]}\n{B64[8:]}"),
        Image(b64_json=B64, url="https://example.com/other.png"),
        Image(b64_json="", url=f"data:image/png;base64,{B64}"),
        Image(url="data:image/png,%89PNG%0D%0A%1A%0A-data"),
    ],
)
def test_an_image_in_the_reply_is_saved(image: Image, tmp_path: Path) -> None:
    assert image.save(tmp_path / "cat") == tmp_path / "cat.png"
    assert asyncio.run(image.save_async(str(tmp_path / "dog.bin"))) == tmp_path / "dog.bin"
    assert [(path.name, path.read_bytes()) for path in sorted(tmp_path.iterdir())] == [
        ("cat.png", PNG),
        ("dog.bin", PNG),
    ]
    assert image.content == image.read(allow_private=True) == asyncio.run(image.read_async()) == PNG


def test_an_address_is_fetched(tmp_path: Path) -> None:
    fetcher = Fetcher()
    reply = ImageResponse.model_validate({"data": [{"url": "https://example.com/a"}]})
    reply.attach(fetcher)
    reply.data[0].save(tmp_path / "a")
    asyncio.run(reply.data[0].save_async(tmp_path / "b", allow_private=True))
    assert fetcher.asked == [("https://example.com/a", False), ("https://example.com/a", True)]
    assert reply.images is reply.data
    assert asyncio.run(reply.images[0].read_async()) == reply.images[0].content == PNG
    assert (tmp_path / "b.png").read_bytes() == PNG


def test_the_fetcher_is_not_copied_and_not_pickled() -> None:
    reply = ImageResponse.model_validate({"data": [{"url": "https://example.com/a", "x": 1}]})
    reply.attach(Fetcher())
    image = reply.data[0]
    copies = [
        copy.copy(image),
        copy.deepcopy(image),
        image.model_copy(),
        image.model_copy(deep=True),
        pickle.loads(pickle.dumps(image)),
        copy.deepcopy(reply).data[0],
        pickle.loads(pickle.dumps(reply)).data[0],
    ]
    assert [made.model_dump() for made in copies] == [image.model_dump()] * 7
    for made in copies:
        with pytest.raises(ConfigurationError, match="b64_json"):
            made.read()
    assert image.content == PNG


@pytest.mark.parametrize("fields", [{"b64_json": "no base64!"}, {"url": "data:image/png;base64,!"}, {}, {"url": ""}])
def test_what_is_no_image_is_an_error_of_the_reply(fields: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ResponseValidationError, match=r"base64|neither"):
        Image(**fields).save(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["missing/cat.png", "folder"])
def test_a_file_that_cannot_be_written_names_its_path(where: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target = tmp_path / where
    with pytest.raises(OSError, match=r"cat|folder") as caught:
        write_atomically(target, b"data")
    assert caught.value.filename == str(target)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_failing_write_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "cat.png"
    target.write_bytes(b"old")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("cat.png", b"old")]


def test_a_file_is_replaced_through_its_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize(
    "data, suffix",
    [
        (PNG, ".png"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"GIF89a", ".gif"),
        (b"RIFF1234WEBPVP8", ".webp"),
        (b"\0\0\0\x20ftypavif", ".avif"),
        (b"RIFF1234WAVE", ".wav"),
        (b"", ""),
    ],
)
def test_the_suffix_comes_from_the_bytes(data: bytes, suffix: str) -> None:
    assert suffix_of(data) == suffix


def test_files_of_an_edit_are_checked_unread(tmp_path: Path) -> None:
    check = TypeAdapter(ImageEditRequest).validate_python
    (tmp_path / "a").write_bytes(PNG)
    with (tmp_path / "a").open("rb") as file:
        for image in (PNG, tmp_path / "none", file, ("a.png", PNG), [PNG, file]):
            assert check({"prompt": "p", "image": image, "mask": PNG}, strict=True)["image"] is image
        assert file.tell() == 0
    for wrong in (3, "path.png", [3], ("a", "b")):
        with pytest.raises(ValidationError, match="Input should be bytes"):
            check({"prompt": "p", "image": wrong}, strict=True)
