"""A client of a language server over stdin and stdout: what an editor asks while somebody types."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CARET = "|"
_PATIENCE_S = 300.0  # a machine at work may need it; what answers takes under a second


class LanguageServer:
    """Pyright's, for one document at a time; ends with its `with` block."""

    def __init__(self, root: Path, extra_paths: Sequence[Path]) -> None:
        settings = {"extraPaths": [str(path) for path in extra_paths], "pythonVersion": "3.11", "include": []}
        (root / "pyrightconfig.json").write_text(json.dumps(settings), "utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=root,
        )
        # Whatever hangs ends in a read that finds nothing more.
        self._watch = threading.Timer(_PATIENCE_S, self._process.kill)
        self._watch.daemon = True
        self._watch.start()
        self._uri = (root / "typed.py").as_uri()
        self._asked = 0
        formats = {"contentFormat": ["markdown"], "documentationFormat": ["markdown"]}
        folder = {"uri": root.as_uri(), "name": root.name}
        self._ask(
            "initialize",
            processId=None,
            rootUri=root.as_uri(),
            workspaceFolders=[folder],
            capabilities={
                "workspace": {"configuration": True},
                "textDocument": {"hover": formats, "signatureHelp": {"signatureInformation": formats}},
            },
        )
        self._send(method="initialized", params={})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.cancel()
        self._process.kill()
        self._process.communicate()

    def hover(self, text: str) -> str:
        """Give what is shown over the name at the caret."""
        found = self._at("hover", text)
        return "" if found is None else str(found["contents"]["value"])

    def completions(self, text: str) -> list[str]:
        """Give the names that are offered at the caret."""
        found = self._at("completion", text)
        return [item["label"] for item in found["items"]]

    def signatures(self, text: str) -> list[tuple[str, str]]:
        """Give the signatures of the call at the caret, each with its documentation."""
        found = self._at("signatureHelp", text)
        return [(one["label"], one.get("documentation", {}).get("value", "")) for one in found["signatures"]]

    def _at(self, what: str, text: str) -> Any:
        before, _, after = text.partition(CARET)
        document = {"uri": self._uri, "languageId": "python", "version": 1, "text": before + after}
        self._send(method="textDocument/didOpen", params={"textDocument": document})
        line, column = before.count("\n"), len(before.rpartition("\n")[2])
        place = {"textDocument": {"uri": self._uri}, "position": {"line": line, "character": column}}
        answer = self._ask(f"textDocument/{what}", **place)
        self._send(method="textDocument/didClose", params={"textDocument": {"uri": self._uri}})
        return answer

    def _ask(self, method: str, **params: Any) -> Any:
        self._asked += 1
        self._send(id=self._asked, method=method, params=params)
        while True:
            message = self._read()
            if (
                "method" in message and "id" in message
            ):  # the server asks, too: for settings, and for places to report to
                items = message.get("params", {}).get("items", [])
                self._send(id=message["id"], result=[{} for _ in items] or None)
            elif message.get("id") == self._asked:
                return message["result"]

    def _send(self, **message: Any) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        assert length, "the language server ended"
        return json.loads(self._process.stdout.read(length))
