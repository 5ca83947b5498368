"""Moderation: whether a text or a picture breaks a policy, by category."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Required, TypeAlias

from pydantic import Field
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from ..utils.shapes import is_object
from .common import Flag, InputUsage, Listed, Loose, Model, OrEmpty, Reply, Text, shown

ModerationInput: TypeAlias = str | Annotated[Sequence[str | Mapping[str, Any]], Listed()]
"""A text, several texts, or parts of one input (`{"type": "text", ...}`, `{"type": "image_url", ...}`)."""


@keywords
class ModerationParams(TypedDict, total=False):
    """Parameters of a moderation, without the model."""

    input: Required[ModerationInput]
    """A text, a list of texts, or the parts of one input."""
    metadata: Mapping[str, Any] | None
    """Labels kept with the request."""


class ModerationRequest(ModerationParams, total=False):
    """A request of a moderation."""

    model: str
    """Id of the model; some servers have a default."""


class ModerationResult(Model):
    """The verdict on one input; the names of the categories are the server's."""

    flagged: Flag = None
    """Whether the server flagged the input; None where it has no such field, see `is_flagged`."""
    categories: Annotated[dict[str, bool | None] | None, Loose()] = None
    """Category of the policy to whether it applies."""
    category_scores: Annotated[dict[str, float | None] | None, Loose()] = None
    """Category to how sure the model is, 0 to 1."""
    category_applied_input_types: Annotated[dict[str, list[str] | None] | None, Loose()] = None
    """Category to the kinds of input that were checked, `text` or `image`."""

    @property
    def is_flagged(self) -> bool:
        """Whether the server flagged the input, or any category where it has no such field."""
        if isinstance(self.flagged, bool):
            return self.flagged
        found: Any = self.categories
        return is_object(found) and any(value is True for value in found.values())


class ModerationResponse(Reply):
    """One result per text; one for a list of parts."""

    id: Text = None
    """Id of the reply, for the server's support."""
    model: Text = None
    """Model that answered, in the server's own spelling."""
    results: Annotated[list[ModerationResult], OrEmpty(list)] = Field(default_factory=list[ModerationResult])
    """The verdicts: one per text, or one for a list of parts."""
    usage: Annotated[InputUsage | None, Loose()] = None
    """Token counts."""

    def _repr_html_(self) -> str:
        html: str = shown().verdicts_html(self.results)
        return html
