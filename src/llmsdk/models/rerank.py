"""Rerank: documents in the order of how well they answer a query."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Required, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from ..utils.shapes import is_list, is_object
from .common import InputUsage, Listed, Loose, Model, Number, OrEmpty, Reply, Text, Whole, shown

RerankDocument: TypeAlias = str | Mapping[str, Any]
"""A text, or an object of named fields where the model accepts these."""


@keywords
class RerankParams(TypedDict, total=False):
    """Parameters of a rerank, without the model."""

    query: Required[str | Mapping[str, Any]]
    """What the documents are compared with; for models that see, `{"content": [...]}` with parts as in a chat."""
    documents: Required[Annotated[Sequence[RerankDocument], Listed()] | Mapping[str, Any]]
    """The documents: texts, or objects of named fields or `{"content": [...]}` for models that read these."""
    top_n: int | None
    """Return only this many results, the best first; all where unset."""
    return_documents: bool | None
    """Return the documents with the results."""
    rank_fields: Annotated[Sequence[str], Listed()] | None
    """Fields of object documents to compare, in order of importance."""
    max_tokens_per_doc: int | None
    """Cut longer documents to this many tokens."""
    instruction: str | None
    """What makes a document relevant, for models that follow it."""
    relevant_spans: Mapping[str, Any] | None
    """Whether to mark the relevant parts of documents, and how."""
    priority: int | None
    """Lower numbers are served first where servers are busy."""


class RerankRequest(RerankParams, total=False):
    """A request of a rerank."""

    model: str
    """Id of the model."""


class RerankResultDocument(Model):
    """A document as the server returned it; an object document comes as its JSON text at some servers."""

    text: Text = None
    """The text of the document."""


class RerankResult(Model):
    """A document with its relevance."""

    index: Whole = None
    """Position among the documents sent, from 0."""
    relevance_score: Number = None
    """How relevant it is, the higher the more; 0 to 1 at most servers."""
    document: Annotated[RerankResultDocument | None, Loose()] = None
    """The document, if `return_documents` asks for it."""

    @model_validator(mode="before")
    @classmethod
    def _in_one_form(cls, value: Any) -> Any:
        """Some servers return a document as its text, and text-embeddings-inference has names of its own."""
        if is_object(value):
            document = value.get("document", value.get("text"))
            if isinstance(document, str):
                value = {**value, "document": {"text": document}}
            if "score" in value and "relevance_score" not in value:
                value = {**value, "relevance_score": value["score"]}
        return value


class RerankResponse(Reply):
    """The results, best first."""

    id: Text = None
    """Id of the reply, for the server's support."""
    object: Text = None
    """Kind of object, in the server's own word."""
    model: Text = None
    """Model that answered, in the server's own spelling."""
    results: Annotated[list[RerankResult], OrEmpty(list)] = Field(default_factory=list[RerankResult])
    """The results, best first."""
    usage: Annotated[InputUsage | None, Loose()] = None
    """Token counts."""

    def _repr_html_(self) -> str:
        html: str = shown().list_html(self.results)
        return html

    @model_validator(mode="before")
    @classmethod
    def _of_results(cls, value: Any) -> Any:
        """Take a list without an envelope, which is how text-embeddings-inference answers."""
        return {"results": value} if is_list(value) else value
