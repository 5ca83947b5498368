"""How dialects write speech and transcriptions: what their routes don't say about the events and replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..utils.shapes import Json


def mistral_event(event: Json, params: Mapping[str, Any]) -> Json:
    """Write an event of a transcription with the names of Mistral."""
    kind = event["type"].replace("transcript.text.done", "transcription.done")
    said = {"text": event["delta"]} if "delta" in event else {"text": event["text"], "usage": event["usage"]}
    return {"type": kind.replace("transcript.", "transcription."), "model": params.get("model"), **said}


def mistral_sound(event: Json, params: Mapping[str, Any]) -> Json:
    """Write an event of speech with the names of Mistral."""
    return {"audio_data" if name == "audio" else name: value for name, value in event.items()}


def mistral_reply(reply: Json, params: Mapping[str, Any]) -> Json:
    """Write a transcription as Mistral does."""
    usage = {"prompt_audio_seconds": 1, "prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return {"model": params["model"], "text": reply["text"], "language": None, "segments": [], "usage": usage}


def together_sound(event: Json, params: Mapping[str, Any]) -> Json | None:
    """Write an event of speech as Together does, which has none for the end."""
    if "audio" not in event:
        return None
    return {"object": "audio.tts.chunk", "model": params["model"], "b64": event["audio"]}


def vllm_event(event: Json, params: Mapping[str, Any]) -> Json:
    """Write an event of a transcription as vLLM does, like one of a chat."""
    choice: Json = (
        {"delta": {"content": event["delta"]}} if "delta" in event else {"delta": {}, "finish_reason": "stop"}
    )
    top = {"id": "transcribe-embedded", "object": "transcription.chunk", "created": 0, "model": params.get("model")}
    return {**top, "choices": [choice], **({"usage": event["usage"]} if "usage" in event else {})}
