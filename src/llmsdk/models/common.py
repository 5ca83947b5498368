"""What the families of models share: the base classes, the leniency markers, usage and log probabilities."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeGuard, cast, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, PrivateAttr
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from ..utils.plain import AsSent

if TYPE_CHECKING:
    from ..errors.meta import ReplyMeta

FIRST_TEXT = "_first_text"
"""Where the dict of a chunk holds the text of the first choice of a server that counts from 1."""

# Names of schemas in pydantic-core.
_SCALARS = frozenset({"bool", "float", "int", "str"})
_PLAIN = _SCALARS | {"any", "none", "nullable", "list", "dict"}


def _exact(schema: CoreSchema) -> CoreSchema:
    """Keep scalars from being converted: 1.0 is not an int and "1" is not a number."""
    if schema["type"] == "nullable":
        return cast(CoreSchema, {**schema, "schema": _exact(schema["schema"])})
    if schema["type"] == "union":
        choices = [_exact(choice[0] if isinstance(choice, tuple) else choice) for choice in schema["choices"]]
        return cast(CoreSchema, {**schema, "choices": choices})
    if schema["type"] in _SCALARS:
        return cast(CoreSchema, {**schema, "strict": True})
    return schema


def _is_plain(schema: Any) -> bool:
    """Recognize a type of JSON's own: whatever is read of it comes out as it went in."""
    if schema["type"] == "union":
        return all(_is_plain(choice[0] if isinstance(choice, tuple) else choice) for choice in schema["choices"])
    inner = [schema[name] for name in ("schema", "items_schema", "keys_schema", "values_schema") if name in schema]
    return schema["type"] in _PLAIN and all(_is_plain(one) for one in inner)


class _Mark:
    """Base of what marks a type in its `Annotated`; printed in signatures of models."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Loose(_Mark):
    """Mark a field of a reply that keeps a value of any other type as it came, instead of refusing the reply.

    Of a type of JSON's own nothing is left to check then, and nothing is: log probabilities are read a seventh faster.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Whatever a server sends is kept, so that there is nothing to decide here: no validator, no cost.
        if source in _PLAIN_TYPES or _is_plain(schema := handler(source)):
            return core_schema.any_schema()
        # Not pydantic's smart mode, which would try the second branch too and copy what fits both.
        return core_schema.union_schema([_exact(schema), core_schema.any_schema()], mode="left_to_right")


class OrEmpty(_Mark):
    """Mark a field of a reply whose null reads as an empty value, so that users need no check for None.

    The type's own schema is tried first: only a null costs a call into Python.
    """

    def __init__(self, empty: Callable[[], Any]) -> None:
        self.empty = empty

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def replace(_: None) -> Any:
            return self.empty()

        # The name of a branch ends up in the place of an error; `reply/decode.py` takes it out again.
        null = core_schema.no_info_after_validator_function(replace, core_schema.none_schema())
        return core_schema.union_schema([(handler(source), "value"), (null, "null")], mode="left_to_right")


class Listed(_Mark):
    """Mark a `Sequence` of a request: a list or a tuple is accepted, neither text nor a generator.

    A generator would be used up by the check, and the wire can hold nothing but lists. Where an `Iterable` is accepted,
    it has become a list before (`split_arguments`).
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        item = handler.generate_schema(get_args(source)[0])
        # A tuple is written to JSON as a list is; the list is tried first, as nearly every caller gives one.
        as_tuple = core_schema.tuple_schema([item], variadic_item_index=0)
        return core_schema.union_schema([core_schema.list_schema(item), as_tuple], mode="left_to_right")


# Short, as nearly every field of a reply is one of these.
Text: TypeAlias = Annotated[str | None, Loose()]
Whole: TypeAlias = Annotated[int | None, Loose()]
Number: TypeAlias = Annotated[int | float | None, Loose()]
Flag: TypeAlias = Annotated[bool | None, Loose()]
Object: TypeAlias = Annotated[dict[str, Any] | None, Loose()]
Objects: TypeAlias = Annotated[list[dict[str, Any]] | None, Loose()]
# What no known server leaves out, so that nobody has to ask for None; at one that does, it is None all the same.
SentText: TypeAlias = Annotated[str, Loose()]
SentWhole: TypeAlias = Annotated[int, Loose()]
NOT_SENT: Any = None
# Known to be plain: for nine of ten fields pydantic makes no schema only to have it looked at.
_PLAIN_TYPES = {get_args(alias)[0] for alias in (Text, Whole, Number, Flag, Object, Objects, SentText, SentWhole)}


def shown() -> Any:
    """Import what shows replies to people; calls do without."""
    return import_module("._shown", __package__)


class Model(BaseModel, AsSent):
    """Base of everything that a server sends: unknown fields are kept, in `model_extra` and as attributes."""

    # Validators are built when first used: most calls use few of the models.
    model_config = ConfigDict(extra="allow", protected_namespaces=(), defer_build=True)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Print what there is: nothing that is None, and of pictures and vectors what they are and how large."""
        return [(name, shown().brief(value)) for name, value in super().__repr_args__() if value is not None]


class Reply(Model):
    """Base of whole answers."""

    # Private, as a field of that name would stand in dumps, schemas and comparisons.
    _meta: "ReplyMeta | None" = PrivateAttr(default=None)

    @property
    def meta(self) -> "ReplyMeta":
        """Facts about the call: server, status, headers, request id, rate limits, attempts. Not part of the dump.

        Raises:
            AttributeError: The reply was made by hand and belongs to no call.
        """
        if self._meta is None:
            raise AttributeError(f"this {type(self).__name__} came from no call of an SDK: it has no meta")
        return self._meta


class Listing(Reply):
    """Base of replies that are lists to their reader: each has `data`, and iterates over it.

    Not generic: pydantic would make a further model for every kind of item.
    """

    object: Text = None
    """Kind of object, in the server's own word."""

    if TYPE_CHECKING:
        data: Any

    def __len__(self) -> int:
        return len(self.data)

    def _repr_html_(self) -> str:
        html: str = shown().list_html(self.data)
        return html

    # A reply that came is true, however short its list; what has a length would be false without this.
    def __bool__(self) -> bool:
        return True


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Recognize a list; the items may be anything."""
    return isinstance(value, list)


def text_of(content: Any) -> str:
    """Read the text of a message's content, whether it is a string, a part or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list | tuple):
        return "".join(text_of(part) for part in cast("list[Any]", content))
    if isinstance(content, Mapping):
        text = cast("Mapping[str, Any]", content).get("text")
        return text if isinstance(text, str) else ""
    return ""


class PromptTokensDetails(Model):
    """Details of the tokens of the prompt."""

    cached_tokens: Whole = None
    """Tokens read from the prompt cache."""
    audio_tokens: Whole = None
    """Tokens of audio in the prompt."""


class CompletionTokensDetails(Model):
    """Details of the tokens of the completion."""

    reasoning_tokens: Whole = None
    """Tokens of reasoning."""
    audio_tokens: Whole = None
    """Tokens of audio that the model produced."""
    accepted_prediction_tokens: Whole = None
    """Tokens of the prediction that appear in the answer."""
    rejected_prediction_tokens: Whole = None
    """Tokens of the prediction that don't; they are billed too."""


# Some servers have a count twice, in itself and in the details; `_call/counts.py` reads whichever there is.
class Usage(Model):
    """Token counts of a call; which details are set depends on the server."""

    prompt_tokens: SentWhole = NOT_SENT
    """Tokens of the input."""
    completion_tokens: SentWhole = NOT_SENT
    """Tokens of the output, reasoning included at most servers."""
    total_tokens: SentWhole = NOT_SENT
    """Input and output together."""
    cached_tokens: Whole = None
    """Input tokens read from the prompt cache, where the server counts them beside the details."""
    reasoning_tokens: Whole = None
    """Output tokens of reasoning, where the server counts them beside the details."""
    prompt_tokens_details: Annotated[PromptTokensDetails | None, Loose()] = None
    """What the input tokens were."""
    prompt_token_details: Annotated[PromptTokensDetails | None, Loose()] = None
    """The same as `prompt_tokens_details`, as one server spells it."""
    completion_tokens_details: Annotated[CompletionTokensDetails | None, Loose()] = None
    """What the output tokens were."""

    def _repr_html_(self) -> str:
        html: str = shown().usage_html(self)
        return html


class InputUsage(Model):
    """Token counts of a call that generates no text; which are set depends on the server."""

    prompt_tokens: Whole = None
    """Tokens of the input."""
    completion_tokens: Whole = None
    """Tokens of an answer, 0 where the server counts them at all."""
    total_tokens: Whole = None
    """Tokens of the call."""

    def _repr_html_(self) -> str:
        html: str = shown().usage_html(self)
        return html


class TopLogprob(Model):
    """An alternative token with its log probability."""

    token: Text = None
    """The token as text."""
    logprob: Number = None
    """Its log probability, 0 or below."""
    bytes: Annotated[list[int] | None, Loose()] = None
    """Its bytes in UTF-8, for tokens that are no whole characters."""


class TokenLogprob(TopLogprob):
    """A token with its log probability and the most likely alternatives."""

    top_logprobs: Annotated[list[TopLogprob] | None, Loose()] = None
    """The most likely tokens at this place."""


class Logprobs(Model):
    """Log probabilities, in the form of the server.

    Either `content` and `refusal`, one object per token, or parallel lists: `tokens`, `token_logprobs`, `token_ids`,
    `top_logprobs` (a map, or per token a map or a list) and `text_offset`.
    """

    content: Annotated[list[TokenLogprob] | None, Loose()] = None
    """One object per token of the answer."""
    refusal: Annotated[list[TokenLogprob] | None, Loose()] = None
    """One object per token of the refusal."""
    tokens: Annotated[list[str | None] | None, Loose()] = None
    """The tokens, in servers' older form of parallel lists."""
    token_logprobs: Annotated[list[int | float | None] | None, Loose()] = None
    """Log probability of each of `tokens`."""
    token_ids: Annotated[list[int | None] | None, Loose()] = None
    """Id of each of `tokens`."""
    top_logprobs: Annotated[list[Any] | dict[str, Any] | None, Loose()] = None
    """The most likely alternatives: one map, or a map or a list for each token."""
    text_offset: Annotated[list[int] | None, Loose()] = None
    """Where each of `tokens` begins in the text."""


class PromptPart(Model):
    """The prompt, with log probabilities if requested."""

    text: Text = None
    """The prompt."""
    logprobs: Annotated[Logprobs | None, Loose()] = None
    """Log probabilities of its tokens, if requested."""


class StreamOptions(TypedDict, total=False):
    """Options for streams, such as `{"include_usage": True}`."""

    include_usage: bool
    """Send token counts in the last chunk."""


@keywords
class SamplingParams(TypedDict, total=False):
    """Parameters that chat and text completion have in common: how tokens are chosen, and when to stop."""

    temperature: float | None
    """Sampling temperature: 0 picks the most likely token, higher is more random. Together: 0 to 1; r9s: 0 to 2."""
    top_p: float | None
    """Nucleus sampling: sample from the most likely tokens whose probabilities add up to this, 0 to 1."""
    top_k: int | None
    """Sample from this many of the most likely tokens, at least 1."""
    min_p: float | None
    """Sample only tokens with at least this probability relative to the most likely one, 0 to 1."""
    repetition_penalty: float | None
    """Makes repeated tokens less likely; 1 has no effect."""
    presence_penalty: float | None
    """Makes tokens that already occurred less likely, -2 to 2."""
    frequency_penalty: float | None
    """Makes tokens less likely the more often they occurred, -2 to 2."""
    logit_bias: Mapping[str, float] | None
    """Token ids (as strings) with the bias added to their logits. Together: -100 to 100."""
    stop: str | Annotated[Sequence[str], Listed()] | None
    """Text or texts at which generation stops."""
    seed: int | None
    """Random seed, for reproducible sampling."""
    stream_options: StreamOptions | None
    """Options for streams, such as `{"include_usage": True}`."""
    safety_model: str | None
    """Model that checks the output. Documented by Together."""
    user: str | None
    """Your id of the end user, for the server's abuse monitoring."""
