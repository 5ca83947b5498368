"""Sounds of the embedded provider: speech that is a tone for each word, and recordings that say how long they are."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping
from functools import cache

from ..utils.shapes import Json
from .httpd import Refusal, Response
from .parsing import ParsedRequest
from .replies import Produced, count_tokens, tokenize

_RATE = 8000  # samples per second
_WORD_S = 0.125
_MAX_WORDS = 2000  # 4 MB of samples
_PIECES = 8  # that a stream comes in, at most
_FORMATS = ("json", "verbose_json", "diarized_json", "text", "srt", "vtt")


def speech(parsed: ParsedRequest) -> Produced | Response:
    """Speak: a wav file, or its samples for `pcm`; other formats take encoders, which this package does not bring."""
    params = parsed.params
    if not params["input"].strip():
        raise Refusal(400, "input must not be empty.", "input")
    samples = _samples(params["input"])
    is_raw = params.get("response_format") in ("pcm", "raw")
    body = samples if is_raw else _wav_head(len(samples)) + samples
    size = max(1, -(-len(body) // _PIECES))
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    tokens = count_tokens(params["input"])
    usage = {"input_tokens": tokens, "output_tokens": len(pieces), "total_tokens": tokens + len(pieces)}
    if parsed.streams or parsed.setting.style.sounds_as == "json":
        chunks: list[Json] = [{"type": "speech.audio.delta", "audio": _b64(piece)} for piece in pieces]
        return Produced(
            reply={"audio_data": _b64(body)}, chunks=[*chunks, {"type": "speech.audio.done", "usage": usage}]
        )
    return Response(events=pieces, content_type="audio/pcm" if is_raw else "audio/wav")


def listen(parsed: ParsedRequest) -> Produced | Response:
    """Write down what a recording says of itself."""
    params = parsed.params
    given = params.get("file")
    heard = f"{len(given)} bytes" if isinstance(given, bytes) else "an address"
    if given == b"":
        raise Refusal(400, "file must not be empty.", "file")
    text = f"Embedded provider: a recording of {heard}."
    form = params.get("response_format") or "json"
    if form not in _FORMATS:
        raise Refusal(400, f"response_format must be one of {', '.join(_FORMATS)}.", "response_format")
    words = tokenize(text)
    end = len(words) * _WORD_S
    usage = {"type": "tokens", "input_tokens": 1, "output_tokens": len(words), "total_tokens": len(words) + 1}
    chunks: list[Json] = [{"type": "transcript.text.delta", "delta": word} for word in words]
    chunks.append({"type": "transcript.text.done", "text": text, "usage": usage})
    if form in ("text", "srt", "vtt") and not parsed.streams:
        return Response(body=_written(form, text, end).encode(), content_type=_types()[form])
    reply: Json = {"text": text, "usage": usage}
    if form in ("verbose_json", "diarized_json"):
        is_translated = parsed.endpoint.operation.id == "createTranslation"
        segments = [{"id": 0, "start": 0.0, "end": end, "text": text}]
        timed = [{"word": word.strip(), "start": n * _WORD_S, "end": (n + 1) * _WORD_S} for n, word in enumerate(words)]
        wants_words = "word" in (params.get("timestamp_granularities") or ())
        reply |= {"task": "translate" if is_translated else "transcribe", "language": "english", "duration": end}
        reply |= {"segments": segments, **({"words": timed} if wants_words else {})}
    return Produced(reply=reply, chunks=chunks)


@cache
def _tone(pitch: int) -> bytes:
    """Make the sound of one word; it begins and ends in silence, so that nothing clicks."""
    count = int(_RATE * _WORD_S)
    waves = (math.sin(math.tau * pitch * n / _RATE) * math.sin(math.pi * n / count) for n in range(count))
    return struct.pack(f"<{count}h", *(int(9000 * wave) for wave in waves))


def _samples(text: str) -> bytes:
    return b"".join(_tone(220 + 20 * (len(word) % 12)) for word in text.split()[:_MAX_WORDS])


def _wav_head(size: int) -> bytes:
    form = struct.pack("<IHHIIHH", 16, 1, 1, _RATE, 2 * _RATE, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)


def _b64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _types() -> Mapping[str, str]:
    return {"text": "text/plain; charset=utf-8", "srt": "application/x-subrip", "vtt": "text/vtt; charset=utf-8"}


def _written(form: str, text: str, end: float) -> str:
    if form == "text":
        return f"{text}\n"
    mark = "," if form == "srt" else "."
    times = f"00:00:00{mark}000 --> 00:00:{int(end):02d}{mark}{round(end % 1 * 1000):03d}"
    return f"1\n{times}\n{text}\n\n" if form == "srt" else f"WEBVTT\n\n{times}\n{text}\n\n"
