"""Messages of a chat: those that are sent, with their parts, and the one that comes back."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required, TypeAlias, cast

from pydantic import BaseModel, Discriminator, Field, GetCoreSchemaHandler, Tag
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from .common import NOT_SENT, Listed, Loose, Model, Objects, SentText, Text
from .tools import tag_by

# ---------------------------------------------------------------- content parts

# What every server agrees on is checked. Where they differ, as in an address that is an object to most and a plain text
# to some, each form passes, and the server decides.


def _form_of(value: Any) -> str | None:
    return "text" if isinstance(value, str) else "object" if isinstance(value, dict) else None


_OBJECT, _TEXT = Tag("object"), Tag("text")
_BY_FORM = Discriminator(_form_of, custom_error_type="form", custom_error_message="a string or a dict")


class TextPart(TypedDict, total=False):
    """Text in a message of several parts."""

    type: Required[Literal["text"]]
    text: Required[str]
    """The text."""


class ImageUrl(TypedDict, total=False):
    """Where an image is."""

    url: Required[str]
    """Address of the image, or a `data:` URL."""
    detail: Literal["auto", "low", "high"] | str
    """How closely to look. Documented by r9s."""


class ImageUrlPart(TypedDict, total=False):
    """An image in a message of several parts."""

    type: Required[Literal["image_url"]]
    image_url: Required[Annotated[Annotated[ImageUrl, _OBJECT] | Annotated[str, _TEXT], _BY_FORM]]


class MediaUrl(TypedDict, total=False):
    """Where a video or a recording is."""

    url: Required[str]
    """Address of the file, or a `data:` URL."""


class VideoUrlPart(TypedDict, total=False):
    """A video in a message of several parts. Documented by Together."""

    type: Required[Literal["video_url"]]
    video_url: Required[Annotated[Annotated[MediaUrl, _OBJECT] | Annotated[str, _TEXT], _BY_FORM]]


class AudioUrlPart(TypedDict, total=False):
    """A recording, by address, in a message of several parts. Documented by Together."""

    type: Required[Literal["audio_url"]]
    audio_url: Required[Annotated[Annotated[MediaUrl, _OBJECT] | Annotated[str, _TEXT], _BY_FORM]]


class InputAudio(TypedDict, total=False):
    """A recording."""

    data: Required[str]
    """The file in base64."""
    format: Required[Literal["wav", "mp3"] | str]
    """Its format; Together: wav."""


class InputAudioPart(TypedDict, total=False):
    """A recording in a message of several parts. Documented by Together."""

    type: Required[Literal["input_audio"]]
    input_audio: Required[Annotated[Annotated[InputAudio, _OBJECT] | Annotated[str, _TEXT], _BY_FORM]]


ContentPart: TypeAlias = Annotated[
    Annotated[TextPart, Tag("text")]
    | Annotated[ImageUrlPart, Tag("image_url")]
    | Annotated[VideoUrlPart, Tag("video_url")]
    | Annotated[AudioUrlPart, Tag("audio_url")]
    | Annotated[InputAudioPart, Tag("input_audio")]
    | Annotated[dict[str, Any], Tag("other")],
    tag_by("type", frozenset({"text", "image_url", "video_url", "audio_url", "input_audio"})),
]
"""A part of a message, distinguished by `type`; parts of other types are sent unchanged."""

ContentParam: TypeAlias = str | Annotated[Sequence[ContentPart], Listed()] | None
"""A message's content: text, or parts."""


# ---------------------------------------------------------------- the message that comes back


class FunctionCallDelta(Model):
    """A piece of a call; pieces without a name go on with the arguments."""

    name: Text = None
    """Name of the function, as a rule in the first piece alone."""
    arguments: Text = None
    """The next part of the arguments."""


class FunctionCall(FunctionCallDelta):
    """A call that the model asks for; `arguments` is JSON text, which may be broken."""

    name: SentText = NOT_SENT  # pyright: ignore[reportIncompatibleVariableOverride] # nobody sets the fields of a reply
    """Name of the function."""
    arguments: SentText = NOT_SENT  # pyright: ignore[reportIncompatibleVariableOverride] # as above
    """Arguments as JSON text, which the model may have written wrong."""


class ToolCall(Model):
    """A call of a tool that the model asks for; answer it with a message of role `tool`."""

    id: SentText = NOT_SENT
    """Id that the answer repeats as `tool_call_id`."""
    # Never None, as callers read `call.function.name` without asking; a call of another kind has an empty one.
    type: Text = None
    """Kind of tool; `function` for functions of yours."""
    function: FunctionCall = Field(default_factory=FunctionCall)
    """What to call; empty for calls of another kind."""
    index: int | None = None
    """Position among the calls, where the server sends it."""


class GraphSource(Model):
    """A piece of a file that an answer is based on."""

    file_id: Text = None
    """Id of the file."""
    snippet: Text = None
    """The text in the file."""


class GraphData(Model):
    """What a knowledge graph of Writer found."""

    sources: Annotated[list[GraphSource | None] | None, Loose()] = None
    """Pieces of files that the answer is based on."""
    status: Text = None
    """How far the search has come."""
    subqueries: Annotated[list[Any] | None, Loose()] = None
    """Questions into which the server split the question."""
    references: Annotated[dict[str, Any] | None, Loose()] = None
    """References of the answer: to files, and to pages of the web."""


class ChatMessage(Model):
    """A message of a reply; it can be sent again as one of `messages`.

    `ChatCompletionResponse.text` and `.reasoning` read every form that a server uses.
    """

    role: Text = None
    """Who speaks; `assistant` in replies."""
    content: Text = None
    """The text, or what the server sends in its place: a list of parts, an object, None beside tool calls."""
    refusal: Text = None
    """Why the model refused, where it did."""
    reasoning: Text = None
    """What the model thought, at servers that call it so; `.reasoning` of a reply reads all names."""
    reasoning_content: Text = None
    """The same as `reasoning`, under the name that other servers use."""
    name: Text = None
    """Name of the speaker, where there is one."""
    tool_calls: Annotated[list[ToolCall] | None, Loose()] = None
    """Calls that the model asks for."""
    function_call: Annotated[FunctionCall | None, Loose()] = None
    """Deprecated form of a tool call."""
    graph_data: Annotated[GraphData | None, Loose()] = None
    """What a knowledge graph of Writer found."""
    blocks: Objects = None
    """The whole answer in the server's own protocol, where it has one; send it back to that server unchanged."""
    blocks_of: Text = None
    """Protocol that `blocks` belongs to."""

    def to_param(self) -> dict[str, Any]:
        """Return the message as a dict for a request: only what the server sent."""
        return self.model_dump(mode="json", exclude_unset=True)


# ---------------------------------------------------------------- messages that are sent


class SystemMessage(TypedDict, total=False):
    """Instructions to the model."""

    role: Required[Literal["system"]]
    content: Required[ContentParam]
    """The instructions."""
    name: str | None
    """Who speaks."""


class DeveloperMessage(TypedDict, total=False):
    """Instructions to the model; OpenAI's newer role for them."""

    role: Required[Literal["developer"]]
    content: Required[ContentParam]
    """The instructions."""
    name: str | None
    """Who speaks."""


class UserMessage(TypedDict, total=False):
    """A message of the user: text, images, audio."""

    role: Required[Literal["user"]]
    content: Required[ContentParam]
    """Text, or parts: text, images, audio."""
    name: str | None
    """Who speaks."""


class FunctionCallParam(TypedDict, total=False):
    """The function of an earlier tool call."""

    name: str | None
    """Name of the function."""
    arguments: str | None
    """The arguments, as JSON text."""


# `index` is there because servers send it with their calls, and callers send those back.
class ToolCallParam(TypedDict, total=False):
    """An earlier tool call of the model."""

    id: str | None
    """Id that the answer's `tool_call_id` repeats."""
    type: Literal["function"] | str | None
    """Kind of tool."""
    function: Required[FunctionCallParam]
    index: int | float | None
    """Place among the calls."""


# A discriminator tries one branch, and an error speaks of it alone: a plain union would list every form of a message.
def _call_tag(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "model"
    kind = cast("dict[str, Any]", value).get("type") if isinstance(value, dict) else None
    return "typed" if kind in (None, "function") else "other"


ToolCallItem: TypeAlias = Annotated[
    Annotated[ToolCallParam, Tag("typed")]
    | Annotated[ToolCall, Tag("model")]
    | Annotated[dict[str, Any], Tag("other")],
    Discriminator(_call_tag),
]
"""A call as a dict, or from a reply; calls of other kinds of tools are sent unchanged."""


class AssistantMessage(TypedDict, total=False):
    """An earlier answer of the model."""

    role: Required[Literal["assistant"]]
    content: ContentParam
    """The text; may be None or left out beside tool calls."""
    name: str | None
    """Who speaks."""
    refusal: str | None
    """Why the model refused."""
    reasoning: str | None
    """The model's reasoning."""
    reasoning_content: str | None
    """The model's reasoning, under another name."""
    tool_calls: Annotated[Sequence[ToolCallItem], Listed()] | None
    """Tool calls of the model."""
    function_call: FunctionCallParam | None
    """Deprecated form of a tool call."""
    blocks: Annotated[Sequence[Mapping[str, Any]], Listed()] | None
    """Content in the server's own protocol; goes back unchanged, and to that server alone."""
    blocks_of: str | None
    """Protocol that `blocks` belongs to."""


class ToolMessage(TypedDict, total=False):
    """The result of a tool."""

    role: Required[Literal["tool"]]
    content: Required[ContentParam]
    """The result as text, or as parts."""
    tool_call_id: str | None
    """Id of the call that this answers; most servers need it."""
    name: str | None
    """Name of the tool."""
    is_error: bool | None
    """Whether the tool failed; for servers with such a mark."""


class FunctionMessage(TypedDict, total=False):
    """The result of a function, in the older form."""

    role: Required[Literal["function"]]
    content: Required[ContentParam]
    """The result as text."""
    name: Required[str]
    """Name of the function."""


ChatMessageParam: TypeAlias = (
    SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | FunctionMessage | dict[str, Any]
)
"""A message to send; messages of other roles are sent unchanged."""


Message: TypeAlias = ChatMessageParam | ChatMessage
"""Every form of a message: one to send, or one of a reply. `messages: list[Message]` is a conversation that grows."""


class _HasRole:
    """Check of a message whose role this package does not know: nothing but that there is one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        role = core_schema.typed_dict_field(core_schema.str_schema(), required=True)
        return core_schema.typed_dict_schema({"role": role})


_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def _message_tag(value: Any) -> str:
    # A message of a reply is checked for its class only: it came from a server, and may have any shape.
    if isinstance(value, BaseModel):
        return "model"
    role = cast("dict[str, Any]", value).get("role") if isinstance(value, dict) else None
    return role if isinstance(role, str) and role in _ROLES else "other"


MessageItem: TypeAlias = Annotated[
    Annotated[SystemMessage, Tag("system")]
    | Annotated[DeveloperMessage, Tag("developer")]
    | Annotated[UserMessage, Tag("user")]
    | Annotated[AssistantMessage, Tag("assistant")]
    | Annotated[ToolMessage, Tag("tool")]
    | Annotated[FunctionMessage, Tag("function")]
    | Annotated[dict[str, Any], _HasRole(), Tag("other")]
    | Annotated[ChatMessage, Tag("model")],
    Discriminator(_message_tag),
]
"""One of `messages`: a message to send, or one that came back."""
