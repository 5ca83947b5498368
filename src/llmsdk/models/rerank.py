"""Rerank: documents in the order of how well they answer a query."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Required, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ..utils.shapes import is_object
from .common import Listed, Loose, Model, Number, OrEmpty, Reply, Text, Usage, Whole

RerankDocument: TypeAlias = str | Mapping[str, Any]
"""A text, or an object of named fields where the model accepts these."""


class RerankParams(TypedDict, total=False):
    """Parameters of a rerank, without the model."""

    query: Required[Annotated[str, Field(description="What the documents are compared with.")]]
    documents: Required[
        Annotated[
            Sequence[RerankDocument],
            Listed(),
            Field(description="The documents: texts, or objects of named fields for models that read these."),
        ]
    ]
    top_n: Annotated[int | None, Field(description="Return only this many results, the best first; all where unset.")]
    return_documents: Annotated[bool | None, Field(description="Return the documents with the results.")]
    rank_fields: Annotated[
        Annotated[Sequence[str], Listed()] | None,
        Field(description="Fields of object documents to compare, in order of importance."),
    ]
    max_tokens_per_doc: Annotated[int | None, Field(description="Cut longer documents to this many tokens.")]
    instruction: Annotated[str | None, Field(description="What makes a document relevant, for models that follow it.")]
    relevant_spans: Annotated[
        Mapping[str, Any] | None, Field(description="Whether to mark the relevant parts of documents, and how.")
    ]
    priority: Annotated[int | None, Field(description="Lower numbers are served first where servers are busy.")]


class RerankRequest(RerankParams, total=False):
    """A request of a rerank."""

    model: Annotated[str, Field(description="Id of the model.")]


class RerankResultDocument(Model):
    """A document as the server returned it; an object document comes as its JSON text at some servers."""

    text: Text = None


class RerankResult(Model):
    """One document's place: its index among the documents sent, and how relevant it is.

    `relevance_score` is 0 to 1 at most servers, and any number where the model's own score is returned.
    """

    index: Whole = None
    relevance_score: Number = None
    document: Annotated[RerankResultDocument | None, Loose()] = None

    @model_validator(mode="before")
    @classmethod
    def _text_as_document(cls, value: Any) -> Any:
        """Some servers return a document as its text alone."""
        if is_object(value) and isinstance(value.get("document"), str):
            return {**value, "document": {"text": value["document"]}}
        return value


class RerankResponse(Reply):
    """The results, best first."""

    id: Text = None
    object: Text = None
    model: Text = None
    results: Annotated[list[RerankResult], OrEmpty(list)] = Field(default_factory=list[RerankResult])
    usage: Annotated[Usage | None, Loose()] = None
