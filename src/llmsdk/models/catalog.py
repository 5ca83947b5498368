"""The models that a server offers."""

from collections.abc import Iterator
from typing import Annotated, Required

from pydantic import Field
from typing_extensions import TypedDict

from .common import Flag, Listing, Number, Object, OrEmpty, Reply, Text, Whole


class ModelListRequest(TypedDict, total=False):
    """Parameters of the list of models."""

    dedicated: Annotated[bool | None, Field(description="List only models with an endpoint of their own. Together.")]


class ModelRequest(TypedDict, total=False):
    """Parameters of the description of one model."""

    model: Required[Annotated[str, Field(description="Id of the model.")]]


class ModelInfo(Reply):
    """A model, as its server describes it; which fields are set depends on the server."""

    # Required: it is what a request names.
    id: str
    object: Text = None
    created: Number = None
    type: Text = None
    name: Text = None
    display_name: Text = None
    organization: Text = None
    owned_by: Text = None
    link: Text = None
    license: Text = None
    context_length: Whole = None
    running: Flag = None
    config: Object = None
    pricing: Object = None


class ModelList(Listing):
    """The models of a server; iterate over it."""

    data: Annotated[list[ModelInfo], OrEmpty(list)] = Field(default_factory=list[ModelInfo])

    def __iter__(self) -> Iterator[ModelInfo]:  # type: ignore[override]  # the base yields fields, which nobody wants
        return iter(self.data)
