"""Speech made of text: the parameters, the reply, its chunks and how they fold."""

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Required

from pydantic import PrivateAttr, field_serializer, model_validator
from typing_extensions import TypedDict

from ..errors import ConfigurationError
from ..utils.files import checked_path, decoded_base64, type_of, write_suffixed
from ..utils.keywords import keywords
from ..utils.shapes import is_object
from ._fold.rule import Fold
from .common import Listed, Loose, Model, OrEmpty, Reply, Text, shown
from .folding import Accumulator
from .transcriptions import AudioUsage

# ---------------------------------------------------------------- requests


@keywords
class SpeechParams(TypedDict, total=False):
    """Parameters of speech, without the model."""

    input: Required[str]
    """What to say. The longest text depends on the model."""
    voice: str | Mapping[str, Any] | None
    """Name of the voice, or `{"id": ...}` of one that is your own."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | str | None
    """File format; which of them, the server decides."""
    speed: float | None
    """How fast to speak, 0.25 to 4; 1 by default."""
    instructions: str | None
    """How to speak."""
    stream_format: Literal["sse", "audio"] | str | None
    """Stream events, or the file itself."""
    sample_rate: int | None
    """Samples per second."""
    response_encoding: str | None
    """How raw samples are written, such as `pcm_s16le`."""
    bit_rate: int | None
    """Bits per second of an mp3."""
    language: str | None
    """Language of the text."""
    alignment: str | None
    """Stream the times of words, too: `word` or `none`."""
    segment: str | None
    """When to begin to speak: `sentence`, `immediate` or `never`."""
    extra_params: Mapping[str, Any] | None
    """What else the model takes."""
    ref_audio: str | None
    """A recording, in base64, of the voice to imitate."""
    expressiveness: float | None
    """How lively to speak."""
    phoneme_hints: Mapping[str, Any] | None
    """How words are pronounced."""
    conversation_history: Annotated[Sequence[Any], Listed()] | None
    """What was said before."""
    metadata: Mapping[str, Any] | None
    """Labels kept with the request."""
    prompt_cache_key: str | None
    """Requests of one key share a cache."""


class SpeechRequest(SpeechParams, total=False):
    """A request of speech."""

    model: str
    """Id of the model."""
    stream: bool | None
    """Get the sound in pieces, as it is made."""


# ---------------------------------------------------------------- replies

_ENCODED = ("audio", "audio_data", "b64", "delta")


class _Sound(Model):
    """Bytes of sound, which JSON holds in base64 and which are printed as what they are and how many."""

    audio: Annotated[bytes, OrEmpty(bytes)] = b""
    """The bytes of the sound."""

    @model_validator(mode="before")
    @classmethod
    def _decoded(cls, value: Any) -> Any:
        """Take the sound out of the field that the server has it in."""
        if is_object(value):
            for name in _ENCODED:
                if isinstance(text := value.get(name), str):
                    rest = {key: one for key, one in value.items() if key != name}
                    return {**rest, "audio": decoded_base64(text)}
        return value

    @field_serializer("audio", when_used="json")
    def _encoded(self, audio: bytes) -> str:
        return base64.b64encode(audio).decode()

    def __repr_args__(self) -> Any:
        for name, value in super().__repr_args__():
            if name == "audio":
                yield name, f"<{self._told()}>"
            elif value is not None:
                yield name, value

    def _told(self) -> str:
        return f"{len(self.audio)} bytes of {type_of('', self.audio) or 'sound'}"


class Speech(Reply, _Sound):
    """Spoken text."""

    usage: Annotated[AudioUsage | None, Loose()] = None
    """What the call used, where the server says it."""

    # How many bytes a stream has handed out, which are not here then.
    _handed_out: int = PrivateAttr(default=0)

    @property
    def media_type(self) -> str:
        """Type of the file, by its bytes or as the server says; else `application/octet-stream`."""
        stated = "" if self._meta is None else self._meta.headers.get("content-type", "").partition(";")[0].strip()
        known = type_of("", self.audio)
        return known or (stated.lower() if stated.lower().startswith("audio/") else "application/octet-stream")

    @property
    def content(self) -> bytes:
        """The bytes of the sound, as `audio`; raises ConfigurationError where they were streamed, and not kept."""
        return self._kept()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the sound to a file, whole or not at all.

        Args:
            path: Where to; a path without suffix gets the one of the format, where the bytes tell it.

        Returns:
            The path written.

        Raises:
            RequestValidationError: The path is none, or that of a folder, device or pipe.
            OSError: The file cannot be written; `filename` is its path, and nothing half-written stays.
            ConfigurationError: The sound was streamed, and not kept.
        """
        return write_suffixed(checked_path(path), self._kept())

    async def save_async(self, path: str | os.PathLike[str]) -> Path:
        """Write the sound to a file, whole or not at all; as `save`, in another thread."""
        from anyio.to_thread import run_sync

        return await run_sync(self.save, path)

    def _told(self) -> str:
        return f"{self._handed_out} bytes, handed out in pieces" if self._handed_out else super()._told()

    def _kept(self) -> bytes:
        if self._handed_out:
            raise ConfigurationError(
                f"the sound was handed out in pieces, {self._handed_out} bytes, and is not kept; "
                "to=path writes it to a file, a call without stream keeps it"
            )
        return self.audio

    def _repr_html_(self) -> str:
        """Show a player in a notebook."""
        html: str = shown().sound_html(self.media_type, self.audio, self._told())
        return html


class SpeechChunk(_Sound):
    """One piece of streamed speech; what else an event says, such as the times of words, stands beside it."""

    type: Text = None
    """Kind of event; None where the file itself is streamed."""
    usage: Annotated[AudioUsage | None, Loose()] = None
    """What the call used; in the last event."""

    @property
    def text(self) -> str:
        """Sound has no text; here so that every stream can be asked for it."""
        return ""


def as_chunk(reply: Speech) -> SpeechChunk:
    """Make one event of speech that came whole."""
    return SpeechChunk(audio=reply.audio, usage=reply.usage)


def as_speech(body: bytes) -> Speech:
    """Make the reply of a file."""
    return Speech(audio=body)


def as_piece(data: bytes) -> SpeechChunk:
    """Make an event of a piece of the file."""
    return SpeechChunk.model_construct({"audio"}, audio=data)


# ---------------------------------------------------------------- folding


class SpeechAccumulator(Accumulator[SpeechChunk, Speech]):
    """Folds the events of speech. The sound of a stream is handed out and not kept, so that it may be of any length."""

    def __init__(self) -> None:
        self._rest = Fold(is_state=True)
        self._usage: AudioUsage | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_over = False

    def add(self, chunk: SpeechChunk) -> None:
        """Take the next event."""
        self._size += len(chunk.audio)
        if not self.is_streamed:
            self._pieces.append(chunk.audio)
        if (
            chunk.type is not None or chunk.usage is not None or chunk.model_extra
        ):  # a piece of a file says nothing else
            self._usage = self._usage if chunk.usage is None else chunk.usage
            self._is_over = self._is_over or (isinstance(chunk.type, str) and chunk.type.endswith(".done"))
            self._rest.add(chunk.model_extra)

    @property
    def is_empty(self) -> bool:
        """Whether no sound has come."""
        return not self._size

    @property
    def ended(self) -> bool:
        """Whether an event has said that it was the last."""
        return self._is_over

    @property
    def finished(self) -> bool:
        """Whether all has come."""
        return self._is_over or self.whole is not None

    @property
    def usage(self) -> Any:
        """What the call used, where the server has said it."""
        return self._usage

    def build(self) -> Speech:
        """Make the reply of what has come so far; of a stream without its sound."""
        if self.whole is not None and not self.is_streamed:
            return self.whole
        made = Speech.model_validate({**self._rest.build(), "audio": b"".join(self._pieces), "usage": self._usage})
        if self.is_streamed:
            made._handed_out = self._size  # pyright: ignore[reportPrivateUsage] # of the same module
        return made
