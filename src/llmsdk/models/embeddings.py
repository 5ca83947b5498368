"""Embeddings: the parameters, the reply, and its vectors as arrays."""

import base64
import binascii
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Required, TypeAlias

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from ..errors import ConfigurationError, ResponseValidationError
from ..utils.keywords import keywords
from .common import (
    NOT_SENT,
    InputUsage,
    Listed,
    Loose,
    Model,
    OrEmpty,
    Reply,
    SentText,
    SentWhole,
    Text,
    is_list,
)

# ---------------------------------------------------------------- requests

EmbeddingInput: TypeAlias = (
    str
    | Annotated[Sequence[str], Listed()]
    | Annotated[Sequence[int], Listed()]
    | Annotated[Sequence[Annotated[Sequence[int], Listed()]], Listed()]
)
"""A text, several texts, the token ids of a text, or those of several."""


@keywords
class EmbeddingParams(TypedDict, total=False):
    """Parameters of embeddings, without the model."""

    input: Required[EmbeddingInput]
    """A text or a list of texts; token ids instead of texts where the server takes them."""
    dimensions: int | None
    """Length of the vectors, for models that can shorten them."""
    encoding_format: Literal["float", "base64"] | str | None
    """Get lists of numbers (`float`), or the same in `base64`: a third of the bytes."""
    input_type: str | None
    """What the texts are, such as `query` or `passage`, for models that tell these apart. Some OpenAI-compatible
    servers."""
    user: str | None
    """Your id of the end user, for the server's abuse monitoring."""


class EmbeddingRequest(EmbeddingParams, total=False):
    """A request of embeddings."""

    model: Required[str]
    """Id of the model."""


# ------------------------------------------------------------------ replies


class _Numbers:
    """Keep a list of numbers as it came, an integer an integer; what is no such list is kept too."""

    def __repr__(self) -> str:
        return "Numbers()"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        # Not `float` alone: pydantic would turn 1 into 1.0, and a dump would differ from what came.
        number = core_schema.union_schema(
            [core_schema.float_schema(strict=True), core_schema.int_schema(strict=True)], mode="smart"
        )
        return core_schema.union_schema(
            [core_schema.list_schema(number), core_schema.any_schema()], mode="left_to_right"
        )


class Embedding(Model):
    """One vector; `as_array` and `as_numpy` read it whichever way it was sent."""

    object: Text = None
    """Kind of object, in the server's own word."""
    index: SentWhole = NOT_SENT
    """Position of the input that this belongs to, from 0."""
    # Text is what a caller has asked for; nobody else should have to ask which of the two it is.
    embedding: Annotated[list[float], _Numbers()]
    """The vector as the server sent it: numbers; with `encoding_format="base64"` text, in base64."""

    def as_array(self) -> "array[float]":
        """Return the vector as an array of 32-bit floats, whichever way it was sent.

        Raises:
            ResponseValidationError: What was sent is neither numbers nor base64 of 32-bit floats.
        """
        sent: Any = self.embedding
        try:
            # A third of the bytes on the wire, and no numbers to parse: OpenAI's own client asks for it by default.
            if isinstance(sent, str):
                return _floats(base64.b64decode(sent, validate=True))
            if is_list(sent):
                return array("f", sent)
        except (binascii.Error, ValueError, TypeError, OverflowError):
            pass  # what came may be anything; the sentence below says so
        raise ResponseValidationError(
            f"embedding: neither a list of numbers nor base64 of 32-bit floats, got {type(sent).__name__}"
        )

    def as_numpy(self) -> Any:
        """Return the vector as a NumPy array of float32.

        Raises:
            ConfigurationError: NumPy is not installed.
            ResponseValidationError: As `as_array`.
        """
        from importlib import import_module

        try:
            numpy: Any = import_module("numpy")
        except ImportError:
            raise ConfigurationError("as_numpy: needs numpy; install it with: pip install 'llmsdk[numpy]'") from None
        return numpy.frombuffer(self.as_array(), dtype=numpy.float32)


class EmbeddingsResponse(Reply):
    """The vectors, in the order of the inputs."""

    object: Text = None
    """Kind of object, in the server's own word."""
    model: SentText = NOT_SENT
    """Model that answered, in the server's own spelling."""
    data: Annotated[list[Embedding], OrEmpty(list)] = Field(default_factory=list[Embedding])
    """The vectors."""
    usage: Annotated[InputUsage | None, Loose()] = None
    """Token counts."""


def _floats(raw: bytes) -> "array[float]":
    """Read little-endian floats; the wire's order is fixed, an array's is that of the machine."""
    values = array("f")
    values.frombytes(raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values
