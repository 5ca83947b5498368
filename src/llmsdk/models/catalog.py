"""The models of a server."""

from collections.abc import Iterator
from typing import Annotated, Required

from pydantic import Field
from typing_extensions import TypedDict

from ..utils.keywords import keywords
from .common import Flag, Listing, Number, Object, OrEmpty, Reply, Text, Whole


@keywords
class ModelListRequest(TypedDict, total=False):
    """Parameters of the list of models."""

    dedicated: bool | None
    """List only models with an endpoint of their own. Documented by Together."""


@keywords
class ModelRequest(TypedDict, total=False):
    """Parameters of the description of one model."""

    model: Required[str]
    """Id of the model."""


class ModelInfo(Reply):
    """A model, as its server describes it; which fields are set depends on the server."""

    # Required: it is what a request names.
    id: str
    """Id, as requests name the model."""
    object: Text = None
    """Kind of object, in the server's own word."""
    created: Number = None
    """Seconds since 1970 when the server began to offer it."""
    type: Text = None
    """What the model does, such as `chat`, `image` or `embedding`."""
    name: Text = None
    """Name for people."""
    display_name: Text = None
    """Name for people, as other servers call it."""
    organization: Text = None
    """Who made the model."""
    owned_by: Text = None
    """Who made or hosts the model."""
    link: Text = None
    """Page about the model."""
    license: Text = None
    """Its license."""
    context_length: Whole = None
    """Most tokens of input and output together."""
    running: Flag = None
    """Whether it is running now."""
    config: Object = None
    """Chat template, stop texts and the like. Documented by Together."""
    pricing: Object = None
    """Prices, in the server's own form."""


class ModelList(Listing):
    """The models of a server; iterate over it."""

    data: Annotated[list[ModelInfo], OrEmpty(list)] = Field(default_factory=list[ModelInfo])
    """The models."""

    def __iter__(self) -> Iterator[ModelInfo]:  # type: ignore[override]  # the base yields fields, which nobody wants
        return iter(self.data)
