"""Typed replies of the hand-written clients: plain pydantic models and the adapters that read them from bytes."""

from pydantic import BaseModel, TypeAdapter


class TopLogprob(BaseModel):
    """One alternative of a token."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class Logprob(TopLogprob):
    """One token."""

    top_logprobs: list[TopLogprob]


class Logprobs(BaseModel):
    """All tokens."""

    content: list[Logprob] | None = None


class Message(BaseModel):
    """The answer."""

    role: str
    content: str | None = None


class Choice(BaseModel):
    """One answer with its reason."""

    index: int
    message: Message
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatReply(BaseModel):
    """A chat reply."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None


class Delta(BaseModel):
    """The new part."""

    role: str | None = None
    content: str | None = None


class ChunkChoice(BaseModel):
    """The new part of one answer."""

    index: int
    delta: Delta
    logprobs: Logprobs | None = None
    finish_reason: str | None = None


class Chunk(BaseModel):
    """One event of a streamed chat."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class Picture(BaseModel):
    """One image."""

    b64_json: str | None = None
    url: str | None = None


class ImageReply(BaseModel):
    """An image reply."""

    created: int
    data: list[Picture]


CHAT = TypeAdapter(ChatReply)
CHUNK = TypeAdapter(Chunk)
IMAGE = TypeAdapter(ImageReply)


class Events:
    """Splits a stream into typed chunks, the shortest way that is right for a well-behaved server."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def feed(self, data: bytes) -> list[Chunk]:
        """Take what was read; the chunks that it completed."""
        if b"\n\n" not in data and not (self.parts and self.parts[-1].endswith(b"\n") and data.startswith(b"\n")):
            self.parts.append(data)
            return []
        if self.parts:
            self.parts.append(data)
            data = b"".join(self.parts)
        *events, rest = data.split(b"\n\n")
        self.parts = [rest] if rest else []
        validate = CHUNK.validate_json
        return [validate(event[6:]) for event in events if event != b"data: [DONE]"]
