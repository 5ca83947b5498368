"""The five models of a hand-written typed client: they read the chat replies of the benchmark, and its chunks."""

from pydantic import BaseModel


class ToolCall(BaseModel):
    """A function that the model calls."""

    id: str
    type: str


class Message(BaseModel):
    """The answer, or the new part of it."""

    role: str | None = None
    content: str | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(BaseModel):
    """One answer with its reason."""

    index: int
    message: Message | None = None
    delta: Message | None = None
    finish_reason: str | None = None


class Usage(BaseModel):
    """Token counts."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Reply(BaseModel):
    """A chat reply, or one chunk of it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
