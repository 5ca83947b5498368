"""Transcription and translation of speech: the parameters, the reply, its chunks and how they fold."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeAlias

from typing_extensions import TypedDict

from ..utils.keywords import keywords
from ..utils.shapes import is_list, is_object
from ._fold.rule import Fold
from .common import Listed, Loose, Model, Number, Objects, Reply, StreamOptions, Text, Whole, shown
from .folding import Accumulator
from .images import CheckedFile

# ---------------------------------------------------------------- requests

Texts: TypeAlias = Annotated[Sequence[str], Listed()]


@keywords
class _ListenParams(TypedDict, total=False):
    """What transcription and translation have in common; one of `file`, `url` and `file_id` is needed."""

    file: CheckedFile
    """The recording. Its name says its format to many servers."""
    url: str
    """Address of the recording, which the server fetches, in place of a file."""
    language: str | None
    """Language that is spoken, as ISO 639-1."""
    prompt: str | None
    """Text in the style that is wanted, or names that occur."""
    response_format: Literal["json", "verbose_json", "text", "srt", "vtt", "diarized_json"] | str | None
    """Get an object, one with times, plain text, or subtitles; which of them, the server decides."""
    temperature: float | Annotated[Sequence[float], Listed()] | None
    """Sampling temperature, 0 to 1; at some servers several, to fall back to."""
    timestamp_granularities: Literal["word", "segment"] | Texts | None
    """Get the times of words, segments, or both."""
    stream_options: StreamOptions | None
    """Options for streams, such as `{"include_usage": True}`."""
    vad_model: str | None
    """Model that finds where somebody speaks."""
    alignment_model: str | None
    """Model that finds the times of words."""
    preprocessing: str | None
    """How the sound is changed first."""


@keywords
class TranscriptionParams(_ListenParams, total=False):
    """Parameters of a transcription, without the model; one of `file`, `url` and `file_id` is needed."""

    file_id: str
    """Id of a recording that the server keeps, in place of a file."""
    languages: Texts | None
    """Languages that may be spoken."""
    keywords: Texts | None
    """Words that may occur, such as names."""
    include: Texts | None
    """What else to return, such as `logprobs`."""
    chunking_strategy: Literal["auto"] | Mapping[str, Any] | str | None
    """How long recordings are cut into pieces."""
    diarize: bool | None
    """Tell speakers apart."""
    min_speakers: int | None
    """How many speakers there are at least."""
    max_speakers: int | None
    """How many speakers there are at most."""
    known_speaker_names: Texts | None
    """Names of speakers that are known."""
    known_speaker_references: Texts | None
    """A recording of each of them, as the server takes it, in the same order."""
    max_completion_tokens: int | None
    """Most tokens of the text."""


class TranscriptionRequest(TranscriptionParams, total=False):
    """A request of a transcription."""

    model: str
    """Id of the model; some servers have a default."""
    stream: bool | None
    """Stream the text as events."""


@keywords
class TranslationParams(_ListenParams, total=False):
    """Parameters of a translation, without the model; one of `file` and `url` is needed."""

    to_language: str | None
    """Language to translate to; English by default."""


class TranslationRequest(TranslationParams, total=False):
    """A request of a translation."""

    model: str
    """Id of the model; some servers have a default."""
    stream: bool | None
    """Stream the text as events."""


# ---------------------------------------------------------------- replies


class _Spoken(Model):
    """Something that somebody says at some time."""

    start: Number = None
    """Where it begins, in seconds."""
    end: Number = None
    """Where it ends, in seconds."""
    speaker: Text = None
    """Who says it, where speakers are told apart."""
    speaker_id: Text = None
    """The same, in the field that some servers have for it."""

    def model_post_init(self, context: Any, /) -> None:
        """Fill in the speaker where the server has another field for it; a dump of what was set is what came."""
        if self.speaker is None and self.speaker_id is not None:
            self.speaker = self.speaker_id
            self.model_fields_set.discard("speaker")


class TranscriptionWord(_Spoken):
    """A word with its time."""

    word: Text = None
    """The word."""


class TranscriptionSegment(_Spoken):
    """A part of the text with its time."""

    id: Annotated[int | str | None, Loose()] = None
    """Number or id of the segment."""
    text: Text = None
    """What is said."""
    words: Annotated[list[TranscriptionWord] | None, Loose()] = None
    """Its words, at servers that put them here."""


class AudioUsage(Model):
    """What listening or speaking cost: tokens, or seconds."""

    type: Text = None
    """Whether tokens or the duration are counted: `tokens` or `duration`."""
    seconds: Number = None
    """Length of the recording that is paid for."""
    prompt_audio_seconds: Number = None
    """Length of the recording, at servers that name it so."""
    input_tokens: Whole = None
    """Tokens of the input."""
    output_tokens: Whole = None
    """Tokens of the output."""
    prompt_tokens: Whole = None
    """Tokens of the input, at servers that name them so."""
    completion_tokens: Whole = None
    """Tokens of the output, at servers that name them so."""
    total_tokens: Whole = None
    """All tokens."""


class Transcription(Reply):
    """What is said in a recording; how much is known beside the text depends on the server and on `response_format`."""

    text: str
    """What is said; with `srt` and `vtt` the subtitles."""
    language: Text = None
    """Language of the text."""
    duration: Number = None
    """Length of the recording in seconds."""
    task: Text = None
    """`transcribe` or `translate`."""
    segments: Annotated[list[TranscriptionSegment] | None, Loose()] = None
    """Parts of the text with their times."""
    words: Annotated[list[TranscriptionWord] | None, Loose()] = None
    """Words with their times."""
    speaker_segments: Annotated[list[TranscriptionSegment] | None, Loose()] = None
    """What each speaker says in a row."""
    languages: Objects = None
    """Languages that were found."""
    logprobs: Objects = None
    """Log probabilities of the tokens."""
    model: Text = None
    """Model that answered."""
    usage: Annotated[AudioUsage | None, Loose()] = None
    """What the call used."""

    def _repr_html_(self) -> str:
        html: str = shown().said_html(self)
        return html


class TranscriptionChunk(Model):
    """One event of a streamed transcription: the next piece of the text, a segment, or the end."""

    type: Text = None
    """Kind of event; None at servers whose events are those of a chat."""
    delta: Text = None
    """The next piece of the text, in OpenAI's events."""
    choices: Objects = None
    """The next piece of the text, in events like those of a chat."""
    usage: Annotated[AudioUsage | None, Loose()] = None
    """What the call used; in the last event."""

    @property
    def text(self) -> str:
        """The next piece of the text; "" for other events."""
        if isinstance(self.delta, str):
            return self.delta
        if self.choices is not None:
            return "".join(map(_content_of, self.choices)) if is_list(self.choices) else ""
        # Under `text` stands a piece at some servers, and all of it in the last event.
        text = (self.model_extra or {}).get("text")
        is_piece = not isinstance(self.type, str) or self.type.endswith(".delta")
        return text if is_piece and isinstance(text, str) else ""

    @property
    def segment(self) -> TranscriptionSegment | None:
        """The segment, where the event is one."""
        if not isinstance(self.type, str) or not self.type.endswith(".segment"):
            return None
        return TranscriptionSegment.model_validate(self.model_extra or {})

    @property
    def is_last(self) -> bool:
        """Whether the event says that the text is complete."""
        if is_list(self.choices):
            return any(is_object(choice) and bool(choice.get("finish_reason")) for choice in self.choices)
        return isinstance(self.type, str) and self.type.endswith(".done")


def _content_of(choice: Any) -> str:
    delta = choice.get("delta") if is_object(choice) else None
    content = delta.get("content") if is_object(delta) else None
    return content if isinstance(content, str) else ""


def as_chunk(reply: Transcription) -> TranscriptionChunk:
    """Make one event of a whole transcription."""
    return TranscriptionChunk(type="transcript.text.done", delta=reply.text, usage=reply.usage)


def as_transcription(text: str) -> Transcription:
    """Make the reply of a text that came alone."""
    return Transcription(text=text)


# ---------------------------------------------------------------- folding


class TranscriptionAccumulator(Accumulator[TranscriptionChunk, Transcription]):
    """Folds the events of a transcription: pieces are joined, and what the last event says of it all counts more."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._segments: list[dict[str, Any]] = []
        self._rest = Fold(is_state=True)
        self._logprobs: list[Any] = []
        self._last: dict[str, Any] = {}
        self._is_over = False

    def add(self, chunk: TranscriptionChunk) -> None:
        """Take the next event."""
        said = chunk.model_dump(exclude_unset=True, exclude={"type", "delta", "choices"})
        self._is_over = self._is_over or chunk.is_last
        if chunk.is_last and chunk.choices is None:
            self._last = said
        elif chunk.segment is not None:
            self._segments.append(said)
        elif chunk.text:
            self._texts.append(chunk.text)
            logprobs = said.pop("logprobs", None)
            self._logprobs += logprobs if is_list(logprobs) else []
            self._rest.add({name: value for name, value in said.items() if name not in ("text", "segment_id")})
        else:
            if isinstance(language := said.pop("audio_language", None), str):
                said["language"] = language
            self._rest.add(said)

    @property
    def is_empty(self) -> bool:
        """Whether no text has come."""
        return not self._texts and not self._last and self.whole is None

    @property
    def ended(self) -> bool:
        """Whether an event has said that it was the last; one like a chat's may be followed by token counts."""
        return bool(self._last)

    @property
    def finished(self) -> bool:
        """Whether the text is complete."""
        return self._is_over or self.whole is not None

    def build(self) -> Transcription:
        """Make the transcription of what has come so far."""
        if self.whole is not None:
            return self.whole
        found: dict[str, Any] = {"text": "".join(self._texts)}
        if self._segments:
            found["segments"] = self._segments
        if self._logprobs:
            found["logprobs"] = self._logprobs
        found |= self._rest.build()
        # An empty list of segments in the last event says that they came before it.
        found |= {name: value for name, value in self._last.items() if value not in (None, "", []) or name not in found}
        return Transcription.model_validate(found)
