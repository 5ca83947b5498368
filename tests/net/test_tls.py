"""Certificates that the environment names."""

from __future__ import annotations

import errno
import shutil
import ssl
from pathlib import Path
from typing import Any

import certifi
import httpx
import pytest

from llmsdk import errors
from llmsdk._net import tls
from support.colours import KEY, Colour

ASK: dict[str, Any] = {"model": "m", "prompt": "p", "server_url": "https://127.0.0.1:1/v1"}


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    tls._context.cache_clear()


def named(tmp_path: Path, kind: str) -> str:
    """Make what a variable names."""
    path = tmp_path / "named"
    if kind == "an empty file":
        path.touch()
    elif kind == "another file":
        path.write_text("no certificate", encoding="utf-8")
    elif kind == "a directory":
        path.mkdir()
    elif kind == "a directory of files":
        path.mkdir()
        shutil.copy(certifi.where(), path / "ca.pem")
    return str(path)


@pytest.mark.also_trio
@pytest.mark.also_aiohttp
@pytest.mark.parametrize("kind", ["nothing", "an empty file", "another file", "a directory", "a directory of files"])
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
async def test_a_variable_that_names_no_certificates_is_one_error(
    colour: Colour, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, kind: str
) -> None:
    monkeypatch.setenv(variable, path := named(tmp_path, kind))
    async with colour.open(api_key=KEY) as client:
        for _ in range(2):
            with pytest.raises(errors.ConfigurationError) as caught:
                await client.call("completions.create", **ASK)
            text = str(caught.value)
            assert text.startswith(f"{variable} names {path!r}, which is no ")
            assert "\n" not in text


def test_what_names_certificates_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", certifi.where())
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "ignored"))
    assert isinstance(tls.shared_context(), ssl.SSLContext)
    assert tls.shared_context() is tls.shared_context()
    monkeypatch.delenv("SSL_CERT_FILE")
    (tmp_path / "hashed").mkdir()
    shutil.copy(certifi.where(), tmp_path / "hashed" / "1a2b3c4d.0")
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path / 'none'}:{tmp_path / 'hashed'}")
    assert isinstance(tls.shared_context(), ssl.SSLContext)


@pytest.mark.parametrize("variable", [None, "SSL_CERT_FILE"])
def test_a_lack_of_descriptors_is_no_fault_of_a_variable(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    def full() -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(httpx, "create_ssl_context", full)
    if variable is not None:
        monkeypatch.setenv(variable, certifi.where())
    with pytest.raises(OSError, match="Too many open files"):
        tls.shared_context()


def test_a_directory_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(_: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tls.os, "listdir", refuse)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(errors.ConfigurationError, match="no directory that can be read"):
        tls.shared_context()
