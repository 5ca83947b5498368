"""Tools of a chat request, the choice among them, and the form asked of the answer."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required, TypeAlias, cast

from pydantic import Discriminator, Tag
from typing_extensions import TypedDict

from .common import Listed


def tag_by(key: str, known: frozenset[str]) -> Discriminator:
    """Choose the branch of a union by a key's value; what is not known goes to the branch "other"."""

    def choose(value: Any) -> str:
        found = cast("dict[str, Any]", value).get(key) if isinstance(value, dict) else None
        return found if isinstance(found, str) and found in known else "other"

    return Discriminator(choose)


# ---------------------------------------------------------------- tools


class FunctionDefinition(TypedDict, total=False):
    """A function that the model may call."""

    name: Required[str]
    """Name of the function."""
    description: str | None
    """What it does and when to call it."""
    parameters: Mapping[str, Any] | None
    """JSON schema of the arguments."""
    strict: bool | None
    """Make the arguments fit the schema exactly."""


class FunctionTool(TypedDict, total=False):
    """A function as a tool; your own code runs it."""

    type: Required[Literal["function"]]
    function: Required[FunctionDefinition]


class QueryConfig(TypedDict, total=False):
    """How Writer searches a knowledge graph."""

    max_subquestions: int
    """1 to 10; 6 by default."""
    search_weight: int
    """Weight of words against meaning, 0 to 100; 50 by default."""
    grounding_level: float
    """How close to the sources, 0 to 1; 0 by default."""
    max_snippets: int
    """1 to 60; 30 by default."""
    max_tokens: int
    """100 to 8000; 4000 by default."""
    keyword_threshold: float
    """0 to 1; 0.7 by default."""
    semantic_threshold: float
    """0 to 1; 0.7 by default."""
    inline_citations: bool
    """Cite the sources inside the text."""


class GraphDefinition(TypedDict, total=False):
    """The knowledge graphs to ask."""

    graph_ids: Required[Annotated[Sequence[str], Listed()]]
    """Ids of the graphs, at least one."""
    subqueries: Required[bool]
    """Split the question into smaller ones."""
    description: str
    """What the graphs know."""
    query_config: QueryConfig


class GraphTool(TypedDict, total=False):
    """Questions to a knowledge graph. Supported by Writer."""

    type: Required[Literal["graph"]]
    function: Required[GraphDefinition]


class LlmDefinition(TypedDict, total=False):
    """The other model."""

    description: Required[str]
    """What the model is good at."""
    model: Required[str]
    """Id of the model."""


class LlmTool(TypedDict, total=False):
    """Another model that the model may use. Supported by Writer."""

    type: Required[Literal["llm"]]
    function: Required[LlmDefinition]


class TranslationDefinition(TypedDict, total=False):
    """How to translate."""

    model: Required[Literal["palmyra-translate"] | str]
    """Id of the model."""
    formality: Required[bool]
    """Use the formal address."""
    length_control: Required[bool]
    """Keep the length of the source."""
    mask_profanity: Required[bool]
    """Mask profane words."""
    source_language_code: str
    """ISO 639-1 code of the source."""
    target_language_code: str
    """ISO 639-1 code of the target."""


class TranslationTool(TypedDict, total=False):
    """Translation. Supported by Writer."""

    type: Required[Literal["translation"]]
    function: Required[TranslationDefinition]


class VisionVariable(TypedDict, total=False):
    """A name in the prompt that stands for an uploaded image."""

    name: Required[str]
    """Name used in the prompt."""
    file_id: Required[str]
    """Id of the uploaded file."""


class VisionDefinition(TypedDict, total=False):
    """The images to look at."""

    model: Required[Literal["palmyra-vision"] | str]
    """Id of the model."""
    variables: Required[Annotated[Sequence[VisionVariable], Listed()]]
    """Images by name."""


class VisionTool(TypedDict, total=False):
    """Analysis of images. Supported by Writer."""

    type: Required[Literal["vision"]]
    function: Required[VisionDefinition]


class WebSearchDefinition(TypedDict, total=False):
    """Where to search."""

    include_domains: Required[Annotated[Sequence[str], Listed()]]
    """Domains to search only."""
    exclude_domains: Required[Annotated[Sequence[str], Listed()]]
    """Domains to leave out."""


class WebSearchTool(TypedDict, total=False):
    """A web search. Supported by Writer."""

    type: Required[Literal["web_search"]]
    function: Required[WebSearchDefinition]


def _tool_tag(value: Any) -> str:
    tool = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    kind = tool.get("type")
    # Servers have tools of the same type in a form of their own: `{"type": "web_search"}` without a `function`.
    is_known = kind == "function" or (kind in _WITH_FUNCTION and "function" in tool)
    return str(kind) if is_known else "other"


_WITH_FUNCTION = frozenset({"graph", "llm", "translation", "vision", "web_search"})

ToolParam: TypeAlias = Annotated[
    Annotated[FunctionTool, Tag("function")]
    | Annotated[GraphTool, Tag("graph")]
    | Annotated[LlmTool, Tag("llm")]
    | Annotated[TranslationTool, Tag("translation")]
    | Annotated[VisionTool, Tag("vision")]
    | Annotated[WebSearchTool, Tag("web_search")]
    | Annotated[dict[str, Any], Tag("other")],
    Discriminator(_tool_tag),
]
"""A tool, distinguished by `type`; tools of other types are sent unchanged."""


# ---------------------------------------------------------------- choice of a tool


class NamedFunction(TypedDict, total=False):
    """A function by its name."""

    name: Required[str]
    """Name of the function."""


class NamedToolChoice(TypedDict, total=False):
    """The one tool that the model must call."""

    type: Required[Literal["function"]]
    function: Required[NamedFunction]


# Writer alone has the choice in an object of its own; the dialect wraps the others.
class WrappedToolChoice(TypedDict, total=False):
    """Writer's form of the choice."""

    value: Required[Literal["none", "auto", "required"] | str | Mapping[str, Any]]
    """The choice itself."""


# By form, as the three objects share no key that would tell them apart.
def _choice_tag(value: Any) -> str | None:
    if isinstance(value, str):
        return "text"
    if not isinstance(value, dict):
        return None
    if "value" in value:
        return "wrapped"
    return "named" if cast("dict[str, Any]", value).get("type") == "function" else "other"


ToolChoiceParam: TypeAlias = Annotated[
    Annotated[Literal["none", "auto", "required"] | str, Tag("text")]
    | Annotated[NamedToolChoice, Tag("named")]
    | Annotated[WrappedToolChoice, Tag("wrapped")]
    | Annotated[dict[str, Any], Tag("other")],
    Discriminator(
        _choice_tag,
        custom_error_type="tool_choice",
        custom_error_message="a string or a dict",
    ),
]
"""Which tool to call: `none`, `auto`, `required`, a tool's name, or an object that names one."""


# ---------------------------------------------------------------- form of the answer


class TextFormat(TypedDict, total=False):
    """Plain text."""

    type: Required[Literal["text"]]


class JsonObjectFormat(TypedDict, total=False):
    """Any JSON object."""

    type: Required[Literal["json_object"]]
    schema: Mapping[str, Any]
    """JSON schema of the answer. Documented by Together."""


class JsonSchema(TypedDict, total=False):
    """A named JSON Schema. Writer accepts any object here."""

    name: str
    """Letters, digits, underscore and dash, at most 64. Together requires it."""
    description: str | None
    """What the answer is."""
    schema: Mapping[str, Any]
    """JSON schema of the answer."""
    strict: bool | None
    """Make the answer fit the schema exactly."""


class JsonSchemaFormat(TypedDict, total=False):
    """JSON that matches a schema."""

    type: Required[Literal["json_schema"]]
    json_schema: Required[JsonSchema]


class OlderJsonSchemaFormat(TypedDict, total=False):
    """JSON that matches a schema, in Together's older form."""

    type: Required[Literal["json_schema"]]
    schema: Required[Mapping[str, Any]]
    """JSON schema of the answer."""


class RegexFormat(TypedDict, total=False):
    """Text that matches a regular expression. Documented by Together."""

    type: Required[Literal["regex"]]
    pattern: Required[str]
    """The regular expression."""


_FORMATS = frozenset({"text", "json_object", "json_schema", "regex"})


def _format_tag(value: Any) -> str:
    if not isinstance(value, dict):
        return "other"
    kind = cast("dict[str, Any]", value).get("type")
    # Together's older form has the same type, and the schema one level higher.
    if kind == "json_schema" and "schema" in value and "json_schema" not in value:
        return "older"
    return kind if isinstance(kind, str) and kind in _FORMATS else "other"


ResponseFormatParam: TypeAlias = Annotated[
    Annotated[TextFormat, Tag("text")]
    | Annotated[JsonObjectFormat, Tag("json_object")]
    | Annotated[JsonSchemaFormat, Tag("json_schema")]
    | Annotated[OlderJsonSchemaFormat, Tag("older")]
    | Annotated[RegexFormat, Tag("regex")]
    | Annotated[dict[str, Any], Tag("other")],
    Discriminator(_format_tag),
]
"""The requested form of the answer, distinguished by `type`; other types are sent unchanged."""
