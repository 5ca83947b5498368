"""Decisions: typed questions about an input, each answered by a probability, a choice or a score."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Required, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from .common import Listed, Loose, Model, Number, Object, OrEmpty, Reply, Text, Whole, shown

DecisionText: TypeAlias = str | Annotated[Sequence[Mapping[str, Any]], Listed()]
"""A text, or parts of it: `{"type": "input_text", ...}`, `{"type": "input_image", ...}`."""


class PredicateQuestion(TypedDict, total=False):
    """A question for how likely a statement about the input is true."""

    type: Required[Literal["predicate"]]
    """Always `predicate`."""
    instructions: Required[DecisionText]
    """The statement."""
    name: str
    """Name of the question, which the answer repeats."""


class DecisionChoice(TypedDict, total=False):
    """One of the values to choose from."""

    value: Required[str | bool]
    """The value; a text and a boolean are different values."""
    description: str
    """When to choose it."""


class ChoiceQuestion(TypedDict, total=False):
    """A question for one of several values."""

    type: Required[Literal["choice"]]
    """Always `choice`."""
    instructions: Required[DecisionText]
    """What to choose by."""
    choices: Required[Annotated[Sequence[DecisionChoice], Listed()]]
    """The values, at least two."""
    name: str
    """Name of the question, which the answer repeats."""


class DecisionLevel(TypedDict, total=False):
    """One level of a scale."""

    label: Required[str]
    """Name of the level."""
    description: str
    """What it stands for."""


class ScoreQuestion(TypedDict, total=False):
    """A question for a place on a scale."""

    type: Required[Literal["score"]]
    """Always `score`."""
    instructions: Required[DecisionText]
    """What to rate."""
    levels: Required[Annotated[Sequence[DecisionLevel], Listed()]]
    """The levels, the lowest first; they count from 0."""
    name: str
    """Name of the question, which the answer repeats."""


DecisionQuestion: TypeAlias = PredicateQuestion | ChoiceQuestion | ScoreQuestion | Mapping[str, Any]
"""A question of one of the three kinds; other kinds, which servers may come to have, are passed on."""


@keywords
class DecisionParams(TypedDict, total=False):
    """Parameters of a decision, without the model."""

    input: Required[DecisionText]
    """What the questions are about: a text, or messages with text and images."""
    questions: Required[Annotated[Sequence[DecisionQuestion], Listed()]]
    """The questions; the answers come in the same order."""
    prompt_cache_key: str | None
    """Requests of one key share a cache."""
    prompt_cache_options: Mapping[str, Any] | None
    """How the server caches the input."""
    safety_identifier: str | None
    """Your own id of the end user, hashed, for abuse checks."""


class DecisionRequest(DecisionParams, total=False):
    """A request of a decision."""

    model: str
    """Id of the model."""


class DecisionProbability(Model):
    """How likely one of the values, or one of the levels, is."""

    value: Annotated[str | bool | int | None, Loose()] = None
    """The value, or the number of the level."""
    label: Text = None
    """Name of the level."""
    probability: Number = None
    """How likely it is, 0 to 1."""


class DecisionAnswer(Model):
    """The answer to one question; which fields are set depends on its type."""

    type: Text = None
    """`predicate`, `choice` or `score` as the question; `refusal` where the model declined to answer it."""
    name: Text = None
    """Name of the question; None if it has none."""
    probability: Number = None
    """Of a predicate: how likely the statement is true, 0 to 1."""
    choice: Annotated[str | bool | None, Loose()] = None
    """Of a choice: the likeliest value."""
    score: Number = None
    """Of a score: the place on the scale, which may lie between two levels."""
    confidence: Number = None
    """Of a choice and of a score: how sure the model is, 0 to 1."""
    probabilities: Annotated[list[DecisionProbability] | None, Loose()] = None
    """Of a choice and of a score: how likely each value or level is."""

    @property
    def is_refusal(self) -> bool:
        """Whether the model declined to answer this question."""
        return self.type == "refusal"


class DecisionUsage(Model):
    """Token counts of decisions."""

    input_tokens: Whole = None
    """Tokens of the input and of the questions."""
    output_tokens: Whole = None
    """Tokens of the answers."""
    total_tokens: Whole = None
    """Tokens of the call."""
    input_tokens_details: Object = None
    """What the input's tokens were, such as cached ones."""
    output_tokens_details: Object = None
    """What the output's tokens were."""


class DecisionResponse(Reply):
    """The answers, in the order of the questions."""

    model: Text = None
    """Model that answered, in the server's own spelling."""
    answers: Annotated[list[DecisionAnswer], OrEmpty(list)] = Field(default_factory=list[DecisionAnswer])
    """The answers, in the order of the questions."""
    usage: Annotated[DecisionUsage | None, Loose()] = None
    """Token counts."""

    def _repr_html_(self) -> str:
        html: str = shown().list_html(self.answers)
        return html

    @property
    def by_name(self) -> dict[str, DecisionAnswer]:
        """The answers to questions with a name."""
        return {answer.name: answer for answer in self.answers if isinstance(answer.name, str)}
