"""Speech of text, and text of speech."""

from __future__ import annotations

from functools import partial

from ..._call.operation import Example, Operation
from ...models.speech import Speech, SpeechAccumulator, SpeechChunk, SpeechRequest, as_piece, as_speech
from ...models.speech import as_chunk as as_speech_chunk
from ...models.transcriptions import (
    Transcription,
    TranscriptionAccumulator,
    TranscriptionChunk,
    TranscriptionRequest,
    TranslationRequest,
    as_chunk,
    as_transcription,
)

_SAID = """sdk.audio.speech(
    model="embedded-speech",
    input="The ferry leaves at nine.",
    voice="calm",
    to="ferry.wav",
)"""
_PRINTED = 'for text in stream.text_deltas():\n    print(text, end="")\nprint()\nprint(stream.final.text)'

CREATE_SPEECH = Operation(
    id="createSpeech",
    resource="audio",
    name="speech",
    example=Example(
        args=('model="embedded-speech"', 'input="The ferry leaves at nine."', 'voice="calm"'),
        shows='print(len(res.audio), res.save("ferry"))',
        streamed="for event in stream:\n    print(len(event.audio))\nprint(stream.final.usage)",
    ),
    path="/audio/speech",
    request=SpeechRequest,
    required=frozenset({"model", "input", "voice"}),
    reply=Speech,
    # OpenTelemetry's conventions of 2026 have no name for these three; they allow names of our own.
    traced_as="speech",
    chunk=SpeechChunk,
    accumulator=SpeechAccumulator,
    as_chunk=as_speech_chunk,
    of_file=as_speech,
    of_piece=as_piece,
    content="audio",
    results=1,  # of a reply without a byte of sound, the server has to say why
)

_operation = partial(
    Operation,
    resource="audio",
    reply=Transcription,
    chunk=TranscriptionChunk,
    accumulator=TranscriptionAccumulator,
    as_chunk=as_chunk,
    of_text=as_transcription,
    files=frozenset({"file"}),
    unnamed="upload",
    content="text",  # which may be empty: of silence, that is the right answer
)

CREATE_TRANSCRIPTION = _operation(
    id="createTranscription",
    name="transcribe",
    example=Example(
        args=('model="m"', 'file=Path("ferry.wav")'),
        shows="print(res.text)",
        streamed=_PRINTED,
        needs=_SAID,
    ),
    path="/audio/transcriptions",
    request=TranscriptionRequest,
    required=frozenset({"model"}),
    one_of=frozenset({"file", "url", "file_id"}),
    traced_as="transcription",
)

CREATE_TRANSLATION = _operation(
    id="createTranslation",
    name="translate",
    example=Example(
        args=('model="m"', 'file=Path("ferry.wav")'),
        shows="print(res.text)",
        streamed=_PRINTED,
        needs=_SAID,
    ),
    path="/audio/translations",
    request=TranslationRequest,
    required=frozenset({"model"}),
    one_of=frozenset({"file", "url"}),
    traced_as="translation",
)
