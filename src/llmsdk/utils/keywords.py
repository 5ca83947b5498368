"""TypedDicts whose fields are the keywords of methods."""

from typing import TypeVar

from typing_extensions import dataclass_transform

T = TypeVar("T")


# Type checkers read `**args: Unpack[Params]`. Jedi, which completes in many editors, does not know `Unpack`; it knows
# the keywords of classes that are marked so, and `described_by` hands them on to the method.
@dataclass_transform(kw_only_default=True)
def keywords(kind: type[T]) -> type[T]:
    """Mark a TypedDict whose fields are keywords of a method; on every class in its line of bases."""
    return kind
