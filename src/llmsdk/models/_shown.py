"""What people see of replies: what is short in a terminal, and text, pictures and tables in a notebook.

Loaded when something is shown. Everything here comes from a server: as HTML, it is escaped.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from ..utils.files import type_of
from ..utils.shapes import is_list, is_object
from .common import Model, Reply

if TYPE_CHECKING:
    from .images import Image

_LONGEST_WORD = 100
# Only letters that base64 has: other languages write without spaces, and JSON can.
_ENCODED = re.compile(rf"data:|[A-Za-z0-9+/=_-]{{{_LONGEST_WORD}}}")
_MOST_NUMBERS = 16
_MOST_ROWS = 100  # of a table
_MOST_COLUMNS = 6
_MOST_BYTES = 16 << 20  # of a picture in a notebook, which holds it as text
_FIRST_SECONDS = 1_000_000_000  # of 2001: no count of anything else that replies hold as a date
_AS_PICTURE = frozenset({"image/png", "image/jpeg", "image/gif"})  # that all notebooks show; others go in as HTML
_AS_SOUND = frozenset(f"audio/{kind}" for kind in ("wav", "mpeg", "ogg", "flac", "mp4", "aac", "opus"))
_SPOKEN = ("start", "end", "speaker", "text")
_FAINT = "color: gray; font-size: smaller"


class _Brief:
    """What stands for a value that is too long to print."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return f"<{self._text}>"


def brief(value: Any) -> Any:
    """Replace what is nothing to read by what it is and how large: pictures, sounds and vectors."""
    if isinstance(value, str):
        is_encoded = len(value) > _LONGEST_WORD and _ENCODED.match(value)
        return _Brief(_encoded(value)) if is_encoded else value
    if isinstance(value, bytes):
        return _Brief(f"{len(value):,} bytes")
    if is_list(value):
        if len(value) > _MOST_NUMBERS and all(isinstance(item, int | float) for item in value):
            return _Brief(f"{len(value):,} numbers")
        return [brief(item) for item in value]
    if is_object(value):
        return {name: brief(item) for name, item in value.items()}
    return value


def _encoded(text: str) -> str:
    """Describe base64, or the text that it is not."""
    data = text.partition(",")[2] if text[:5].lower() == "data:" else text
    head = _decoded(data)
    kind = type_of("", head)
    if kind is None:
        return f"{len(text):,} characters"
    size = _pixels(head)
    return ", ".join([kind, *([size] if size else []), f"{len(data.rstrip('=')) * 3 // 4:,} bytes"])


def _pixels(head: bytes) -> str:
    """Read width and height where they stand at the beginning."""
    if head[12:16] == b"IHDR":
        return f"{int.from_bytes(head[16:20], 'big')} x {int.from_bytes(head[20:24], 'big')}"
    if head[:3] == b"GIF":
        return f"{int.from_bytes(head[6:8], 'little')} x {int.from_bytes(head[8:10], 'little')}"
    return ""


# ------------------------------------------------------------------ notebooks


def reply_html(reply: Any) -> str:
    """Show the texts of a reply, each as it came, and a line of facts."""
    parts: list[str] = []
    if thoughts := getattr(reply, "reasoning", ""):
        parts.append(f"<details><summary>reasoning</summary>{_text(thoughts)}</details>")
    parts += [_text(text) for text in _answers(reply)]
    return "".join([*parts, f'<div style="{_FAINT}">{escape(" · ".join(_facts(reply)))}</div>'])


def _answers(reply: Any) -> list[str]:
    texts: list[str] = []
    for choice in reply.choices:
        one = reply.model_copy(update={"choices": [choice]})
        calls = [f"{call.function.name}({call.function.arguments})" for call in getattr(one, "tool_calls", ())]
        texts.append("\n".join(filter(None, [one.text or _refusal(choice), *calls])))
    return texts


def _refusal(choice: Any) -> str:
    return str(getattr(getattr(choice, "message", None), "refusal", None) or "")


def _facts(reply: Any) -> list[str]:
    usage = reply.usage
    counts = (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
    reasons = dict.fromkeys(str(one.finish_reason) for one in reply.choices if one.finish_reason)
    return [
        *([str(reply.model)] if reply.model else []),
        *([f"{counts[0]:,} tokens in, {counts[1]:,} out"] if all(isinstance(one, int) for one in counts) else []),
        *reasons,
        *_of_call(reply),
    ]


def _of_call(reply: Reply) -> list[str]:
    meta = reply._meta  # pyright: ignore[reportPrivateUsage] # of the same package; `meta` raises where there is none
    return [] if meta is None else [meta.server, f"{meta.elapsed_ms / 1000:.1f} s"]


def _text(text: str) -> str:
    # As text and not as Markdown, in which notebooks would run whatever HTML a model writes.
    return f'<div style="white-space: pre-wrap; text-align: left">{escape(text)}</div>'


def image_bundle(images: Sequence[Image], plain: str) -> dict[str, Any]:
    """Show images as a notebook does, an address as the browser does."""
    parts = [_picture(image) for image in images]
    shown = {"text/plain": plain}
    if len(parts) == 1 and parts[0][0] in _AS_PICTURE:
        return {**shown, parts[0][0]: parts[0][1]}
    pages = [html for kind, data in parts if (html := _image_html(kind, data))]
    return {**shown, "text/html": "".join(pages)} if pages else shown


def _picture(image: Image) -> tuple[str, str]:
    """Find the type and the base64 of an image, or "" and its address, or what else there is."""
    url, text = str(image.url or ""), image.b64_json
    if not (isinstance(text, str) and text):
        if url[:5].lower() != "data:":
            return "", url
        text = url.partition(",")[2]
    head = _decoded(text)
    drawn = "image/svg+xml" if head.lstrip()[:1] == b"<" else ""
    return type_of("", head) or drawn, text


def _decoded(text: str) -> bytes:
    """Decode the beginning of base64; b"" where it is something else."""
    try:
        return base64.b64decode(text[:64], validate=True)
    except (binascii.Error, ValueError):
        return b""


def _image_html(kind: str, data: str) -> str:
    if len(data) * 3 // 4 > _MOST_BYTES or not data:
        return ""
    source = f"data:{kind};base64,{data}" if kind else data
    # An address of another scheme is nothing to show.
    return f'<img src="{escape(source)}" style="max-width: 100%">' if kind or data.startswith("http") else ""


def sound_html(kind: str, data: bytes, plain: str) -> str:
    """Show a sound as a player, where browsers play it."""
    line = f'<div style="{_FAINT}">{escape(plain)}</div>'
    if kind not in _AS_SOUND or not 0 < len(data) <= _MOST_BYTES:
        return line
    return f'<audio controls src="data:{kind};base64,{base64.b64encode(data).decode()}"></audio>{line}'


def said_html(reply: Any) -> str:
    """Show what is said in a recording: who says what when, or the text, and a line of facts."""
    spoken = [one for one in reply.segments or () if isinstance(one, Model)] if is_list(reply.segments) else []
    length = [f"{reply.duration:,.6g} s"] if isinstance(reply.duration, int | float) else []
    facts = [*(str(one) for one in (reply.language, reply.model) if one), *length, *_of_call(reply)]
    rows = [{name: getattr(one, name) for name in _SPOKEN} for one in spoken[:_MOST_ROWS]]
    columns = [name for name in _SPOKEN if any(row[name] is not None for row in rows)]
    shown = table(rows, columns) if rows else _text(reply.text)
    return f'{shown}<div style="{_FAINT}">{escape(" · ".join(facts))}</div>'


def verdicts_html(results: Sequence[Any]) -> str:
    """Show which inputs are flagged, and for what."""
    rows = [
        {
            "flagged": one.is_flagged,
            "categories": ", ".join(name for name, value in _object(one.categories).items() if value is True),
        }
        for one in results
    ]
    return table(rows, ["flagged", "categories"])


def _object(value: Any) -> Mapping[str, Any]:
    return value if is_object(value) else {}


def usage_html(usage: Model) -> str:
    """Show token counts as a table."""
    counts = {name: value for name, value in usage if isinstance(value, int)}
    return table([counts], list(counts))


def list_html(items: Sequence[Model]) -> str:
    """Show a list as a table of what its items have."""
    rows = [{name: value for name, value in item if name != "object"} for item in items[:_MOST_ROWS]]
    names = dict.fromkeys(name for row in rows for name in row)
    # Objects and lists have no place in a cell.
    filled = [name for name in names if any(isinstance(row.get(name), str | int | float) for row in rows)]
    left = len(items) - len(rows)
    more = f'<div style="{_FAINT}">and {left:,} more</div>' if left else ""
    return table(rows, filled[:_MOST_COLUMNS]) + more


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Write a table, its numbers to the right."""
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in columns)
    lines = [f"<tr>{''.join(_cell(name, row.get(name)) for name in columns)}</tr>" for row in rows]
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = escape(str(value)) if isinstance(value, str | bool) else ""
        return f'<td style="text-align: left">{text}</td>'
    if name.startswith("created") or name.endswith("_at"):
        is_date = _FIRST_SECONDS < value < 10 * _FIRST_SECONDS
        text = datetime.fromtimestamp(value, UTC).date().isoformat() if is_date else f"{value}"
    else:
        text = f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    return f"<td>{text}</td>"
