"""`sdk.audio`: speech made of text, and text made of speech."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, Required, Unpack, overload

from .._call.preview import Preview
from .._call.secrecy import hide
from .._net.saving import save_stream, save_stream_async
from .._net.streams import EventStream, EventStreamAsync
from ..models.speech import Speech, SpeechChunk, SpeechParams
from ..models.transcriptions import Transcription, TranscriptionChunk, TranscriptionParams, TranslationParams
from ..options import CallOptions
from ..utils.files import checked_path
from ..utils.keywords import keywords
from .base import Resource
from .operations.audio import CREATE_SPEECH, CREATE_TRANSCRIPTION, CREATE_TRANSLATION
from .signatures import described_by

AnyPath = str | os.PathLike[str]
SpeechStream = EventStream[SpeechChunk, Speech]
SpeechStreamAsync = EventStreamAsync[SpeechChunk, Speech]
Stream = EventStream[TranscriptionChunk, Transcription]
StreamAsync = EventStreamAsync[TranscriptionChunk, Transcription]

# Read as it comes, though the server is not asked for a stream, which some servers have in one format alone.
_SAVE_SPEECH = CREATE_SPEECH.__replace__(is_opened=True)


@keywords
class SpeechArgs(SpeechParams, CallOptions, total=False):
    """What `audio.speech` takes."""

    model: Required[str]
    """Id of the model."""


@keywords
class SaveSpeechArgs(SpeechArgs, total=False):
    """What `audio.speech` takes to write a file."""

    to: Required[AnyPath]
    """Path to write to, piece by piece, whole or not at all."""


@keywords
class TranscribeArgs(TranscriptionParams, CallOptions, total=False):
    """What `audio.transcribe` takes."""

    model: str  # not `Required`: some servers have a default
    """Id of the model; some servers have a default."""


@keywords
class TranslateArgs(TranslationParams, CallOptions, total=False):
    """What `audio.translate` takes."""

    model: str
    """Id of the model; some servers have a default."""


class Audio(Resource):
    """Audio: text to speech, and transcription."""

    @overload
    def speech(self, *, stream: Literal[False] = ..., **args: Unpack[SpeechArgs]) -> Speech: ...
    @overload
    def speech(self, *, stream: bool = ..., **args: Unpack[SaveSpeechArgs]) -> Path: ...
    @overload
    def speech(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[SpeechArgs]
    ) -> SpeechStream: ...
    @overload
    def speech(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[SpeechArgs]
    ) -> Speech | SpeechStream: ...
    @described_by(SpeechArgs, SaveSpeechArgs, operation=CREATE_SPEECH)
    def speech(self, **args: Any) -> Any:
        """Turn text into speech.

        Args:
            input: What to say. The longest text depends on the model.
            voice: Name of the voice, or `{"id": ...}` of one that is your own.
            model: Id of the model.
            response_format: File format; which of them, the server decides.
            speed: How fast to speak, 0.25 to 4; 1 by default.
            instructions: How to speak.
            stream_format: Stream events, or the file itself.
            sample_rate: Samples per second.
            response_encoding: How raw samples are written, such as `pcm_s16le`.
            bit_rate: Bits per second of an mp3.
            language: Language of the text.
            alignment: Stream the times of words, too: `word` or `none`.
            segment: When to begin to speak: `sentence`, `immediate` or `never`.
            extra_params: What else the model takes.
            ref_audio: A recording, in base64, of the voice to imitate.
            expressiveness: How lively to speak.
            phoneme_hints: How words are pronounced.
            conversation_history: What was said before.
            metadata: Labels kept with the request.
            prompt_cache_key: Requests of one key share a cache.
            to: Path to write to, piece by piece, whole or not at all.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

        Returns:
            The sound in `audio`, within `max_response_bytes`; with `to` the path written; with `stream=True` an
            `EventStream` of pieces, each with its `audio`, which keeps none of them.

        Raises:
            OSError: The path cannot be written; nothing half-written stays.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.audio.speech(model="m", input="The ferry leaves at nine.", voice="v").save("ferry")
        """
        if args.get("to") is None:
            return self._runner.call(CREATE_SPEECH, _without_path(hide(args)))
        path = checked_path(args["to"], "to")
        return save_stream(partial(self._runner.call, _SAVE_SPEECH, _without_path(hide(args))), path)

    @overload
    async def speech_async(self, *, stream: Literal[False] = ..., **args: Unpack[SpeechArgs]) -> Speech: ...
    @overload
    async def speech_async(self, *, stream: bool = ..., **args: Unpack[SaveSpeechArgs]) -> Path: ...
    @overload
    async def speech_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[SpeechArgs]
    ) -> SpeechStreamAsync: ...
    @overload
    async def speech_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[SpeechArgs]
    ) -> Speech | SpeechStreamAsync: ...
    @described_by(SpeechArgs, SaveSpeechArgs, operation=CREATE_SPEECH)
    async def speech_async(self, **args: Any) -> Any:
        """Turn text into speech; see `speech`."""
        if args.get("to") is None:
            return await self._runner.call_async(CREATE_SPEECH, _without_path(hide(args)))
        path = checked_path(args["to"], "to")
        return await save_stream_async(partial(self._runner.call_async, _SAVE_SPEECH, _without_path(hide(args))), path)

    @overload
    def transcribe(self, *, stream: Literal[False] = ..., **args: Unpack[TranscribeArgs]) -> Transcription: ...
    @overload
    def transcribe(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[TranscribeArgs]
    ) -> Stream: ...
    @overload
    def transcribe(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[TranscribeArgs]
    ) -> Transcription | Stream: ...
    @described_by(TranscribeArgs, operation=CREATE_TRANSCRIPTION)
    def transcribe(self, **args: Any) -> Any:
        """Transcribe a recording.

        Args:
            model: Id of the model; some servers have a default.
            file: The recording. Its name says its format to many servers.
            url: Address of the recording, which the server fetches, in place of a file.
            language: Language that is spoken, as ISO 639-1.
            prompt: Text in the style that is wanted, or names that occur.
            response_format: Get an object, one with times, plain text, or subtitles; which of them, the server decides.
            temperature: Sampling temperature, 0 to 1; at some servers several, to fall back to.
            timestamp_granularities: Get the times of words, segments, or both.
            stream_options: Options for streams, such as `{"include_usage": True}`.
            vad_model: Model that finds where somebody speaks.
            alignment_model: Model that finds the times of words.
            preprocessing: How the sound is changed first.
            file_id: Id of a recording that the server keeps, in place of a file.
            languages: Languages that may be spoken.
            keywords: Words that may occur, such as names.
            include: What else to return, such as `logprobs`.
            chunking_strategy: How long recordings are cut into pieces.
            diarize: Tell speakers apart.
            min_speakers: How many speakers there are at least.
            max_speakers: How many speakers there are at most.
            known_speaker_names: Names of speakers that are known.
            known_speaker_references: A recording of each of them, as the server takes it, in the same order.
            max_completion_tokens: Most tokens of the text.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

        Returns:
            The `text`, and what else the server says. With `stream=True` an `EventStream` of its pieces.

        Raises:
            RequestValidationError: The file cannot be read, beside what `chat.create` says.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.audio.transcribe(model="m", file=Path("ferry.wav")).text
        """
        return self._runner.call(CREATE_TRANSCRIPTION, args)

    @overload
    async def transcribe_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[TranscribeArgs]
    ) -> Transcription: ...
    @overload
    async def transcribe_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[TranscribeArgs]
    ) -> StreamAsync: ...
    @overload
    async def transcribe_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[TranscribeArgs]
    ) -> Transcription | StreamAsync: ...
    @described_by(TranscribeArgs, operation=CREATE_TRANSCRIPTION)
    async def transcribe_async(self, **args: Any) -> Any:
        """Transcribe a recording; see `transcribe`."""
        return await self._runner.call_async(CREATE_TRANSCRIPTION, args)

    @overload
    def translate(self, *, stream: Literal[False] = ..., **args: Unpack[TranslateArgs]) -> Transcription: ...
    @overload
    def translate(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[TranslateArgs]
    ) -> Stream: ...
    @overload
    def translate(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[TranslateArgs]
    ) -> Transcription | Stream: ...
    @described_by(TranslateArgs, operation=CREATE_TRANSLATION)
    def translate(self, **args: Any) -> Any:
        """Translate a recording into English text, or into another language at some servers.

        Args:
            model: Id of the model; some servers have a default.
            file: The recording. Its name says its format to many servers.
            url: Address of the recording, which the server fetches, in place of a file.
            language: Language that is spoken, as ISO 639-1.
            prompt: Text in the style that is wanted, or names that occur.
            response_format: Get an object, one with times, plain text, or subtitles; which of them, the server decides.
            temperature: Sampling temperature, 0 to 1; at some servers several, to fall back to.
            timestamp_granularities: Get the times of words, segments, or both.
            stream_options: Options for streams, such as `{"include_usage": True}`.
            vad_model: Model that finds where somebody speaks.
            alignment_model: Model that finds the times of words.
            preprocessing: How the sound is changed first.
            to_language: Language to translate to; English by default.
            stream: Get a stream of events instead of the whole reply.
            idle_timeout_ms: Streams only: bound of the time without an event; comments and pings don't count. 120,000
                by default.
            args: Options of the call, see `CallOptions`.

        Returns:
            As `transcribe`.

        Raises:
            SDKError: As `transcribe`.
        """
        return self._runner.call(CREATE_TRANSLATION, args)

    @overload
    async def translate_async(
        self, *, stream: Literal[False] = ..., **args: Unpack[TranslateArgs]
    ) -> Transcription: ...
    @overload
    async def translate_async(
        self, *, stream: Literal[True], idle_timeout_ms: float = ..., **args: Unpack[TranslateArgs]
    ) -> StreamAsync: ...
    @overload
    async def translate_async(
        self, *, stream: bool, idle_timeout_ms: float = ..., **args: Unpack[TranslateArgs]
    ) -> Transcription | StreamAsync: ...
    @described_by(TranslateArgs, operation=CREATE_TRANSLATION)
    async def translate_async(self, **args: Any) -> Any:
        """Translate a recording into English text; see `translate`."""
        return await self._runner.call_async(CREATE_TRANSLATION, args)

    @described_by(SpeechArgs, TranscribeArgs, operation=CREATE_SPEECH)
    def preview(self, **args: Any) -> Preview:
        """Return the request of `speech`, or with `file`, `url` or `file_id` of `transcribe`, and send nothing."""
        listens = not args.keys().isdisjoint(CREATE_TRANSCRIPTION.one_of)
        return self._runner.preview(CREATE_TRANSCRIPTION if listens else CREATE_SPEECH, args)


def _without_path(args: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in args.items() if name != "to"}
