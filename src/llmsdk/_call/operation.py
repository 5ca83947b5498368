"""Operation: one endpoint, described once, independent of provider and of sync or async."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Required, Union, cast, get_args, get_origin

from ..providers.spec import Route
from ..utils.forks import once
from ..utils.records import Record
from .adapters import adapter, at_first, reader

if TYPE_CHECKING:
    from ..models.folding import Accumulator


class ChunkMaker(Protocol):
    """Makes one chunk of a whole reply."""

    def __call__(self, reply: Any, /) -> Any: ...


class OwnForm(Protocol):
    """Writes the request of one call and reads its reply, where neither is any operation's that we know."""

    @property
    def route(self) -> Route:
        """What stands in for the dialect's entry, at every server."""
        ...

    def encode(self, base_url: str, extras: Any) -> Any:
        """Make the request."""
        ...

    def read(self, plan: Any, state: Any, received: Sequence[Any]) -> Any:
        """Read a reply, which of a list may have come in pages."""
        ...

    def decoder(self, plan: Any, secrets: Any, meta: Any, coding: str | None) -> Any:
        """Make what reads a stream."""
        ...


class Example(NamedTuple):
    """How the documentation shows an operation; the tests run it against the embedded provider.

    Attributes:
        shows: What is done with the result, `res`.
        args: Arguments of the method, as source.
        streamed: What is done with the stream, `stream`; None where the operation does not stream.
        needs: What has to be done first.
    """

    shows: str
    args: tuple[str, ...] = ()
    streamed: str | None = None
    needs: str | None = None


class Operation(Record):
    """One endpoint, independent of provider and of sync or async.

    What other parts of the package have to know of an endpoint stands here and has no default where a forgotten value
    would go unnoticed: tracing reads `traced_as`, batches read `is_row`, the docs read `example`.

    Attributes:
        id: Name of the endpoint in OpenAPI terms, such as `createChatCompletion`.
        resource, name: Where it is on the SDK object: `chat`, `create`.
        example: How the documentation shows it.
        path: Default path; a name in braces is filled from the parameters, which then leave the body.
        request: TypedDict of the parameters.
        request_name: Argument that takes them as one object; None where there is no such form.
        required: Parameters that no server can do without, unless its route says `optional`.
        one_of: Parameters of which exactly one is needed.
        reply: Model of the whole answer.
        traced_as: Value of `gen_ai.operation.name` in OpenTelemetry's conventions; None for what is no work of a model.
        chunk, accumulator, as_chunk: Model of one streamed event, how events fold into the reply, and how a whole
            reply becomes one event; None where the operation does not stream.
        of_text: Makes the reply of a body that is plain text; None where replies are JSON.
        of_file: Makes the reply of a body that is a file; None where replies are JSON.
        of_piece: Makes an event of a piece of that file; None where the operation does not stream it.
        is_opened: Whether the reply is read as it comes, as a stream, without the server being asked for one.
        query: Parameters that go to the URL's query.
        files: Parameters that are uploaded; the request is then multipart.
        unnamed: The name of an uploaded file that has none.
        content: Field of the reply that carries the result; a reply without it may be an error in disguise.
        results: How many results a reply must have, or how that follows from the parameters. For choices it is one,
            whatever `n` is: servers may make fewer than asked for, and one that makes none has to say why.
        is_blank: Tells a result that holds nothing, which does not count.
        is_stored: Whether it is about what one server keeps, a file or a batch: no other server can take it over, it
            costs no tokens, and it is no row of a batch.
        own: Writes the request and reads the reply of a call to a path of the caller's; None for all that we know.
    """

    # Fields without a default are those that a new endpoint must not be able to forget.
    id: str
    resource: str
    name: str
    example: Example
    path: str
    request: type[Any]
    reply: type[Any]
    traced_as: str | None
    method: str = "POST"
    request_name: str | None = None
    required: frozenset[str] = frozenset()
    one_of: frozenset[str] = frozenset()
    chunk: type[Any] | None = None
    accumulator: Callable[[], Accumulator[Any, Any]] | None = None
    as_chunk: ChunkMaker | None = None
    of_text: Callable[[str], Any] | None = None
    of_file: Callable[[bytes], Any] | None = None
    of_piece: Callable[[bytes], Any] | None = None
    is_opened: bool = False
    query: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    unnamed: str = "image.png"
    content: str = "choices"
    results: int | Callable[[Mapping[str, Any]], int] = 0
    is_blank: Callable[[Any], bool] | None = None
    is_stored: bool = False
    own: OwnForm | None = None

    # Found once: every call asks for them.

    @once
    def parameters(self) -> frozenset[str]:
        """The names of the parameters."""
        return frozenset(self.request.__annotations__)

    @once
    def plain_kinds(self) -> dict[str, frozenset[type]]:
        """Which parameters may be plain values, and of which types."""
        return {name: kinds for name, kind in self.request.__annotations__.items() if (kinds := _plain_kinds(kind))}

    @once
    def check_types(self) -> Callable[..., Any]:
        """Checks the types of parameters; pydantic's `validate_python`."""
        return self._at_first("check_types", adapter(self.request).validator.validate_python)

    @once
    def read_reply(self) -> Callable[[bytes], Any]:
        """Reads the JSON of a reply."""
        return self._at_first("read_reply", reader(self.reply).validate_json)

    @once
    def read_chunk(self) -> Callable[[bytes], Any]:
        """Reads the JSON of a streamed chunk."""
        return self._at_first("read_chunk", reader(cast(Any, self.chunk)).validate_json)

    def _at_first(self, name: str, validate: Callable[..., Any]) -> Callable[..., Any]:
        return at_first(validate, partial(vars(self).__setitem__, name))

    @once
    def accept(self) -> tuple[str, str]:
        """The Accept header of a call, and of a stream. Which type of file or text is wanted, a parameter says."""
        # A stream may be answered with JSON: an error, or the whole reply from servers that do not stream.
        whole = "*/*" if self.is_bare else "application/json"
        return whole, f"text/event-stream, {whole}"

    @once
    def is_bare(self) -> bool:
        """Whether its replies may be no JSON: a text alone, or a file."""
        return self.of_text is not None or self.of_file is not None

    @property
    def may_go_on(self) -> bool:
        """Whether another server may do it in the place of the first."""
        # What one server has to show, such as its list of models, is not what another has.
        return self.method == "POST" and not self.is_stored and self.own is None

    @property
    def is_row(self) -> bool:
        """Whether requests of it can stand in a file of rows: JSON to a model, and JSON back."""
        return self.is_paid and not self.files and self.reply is not bytes and self.of_file is None

    @once
    def is_paid(self) -> bool:
        """Whether it costs tokens: lists, counts and what a server keeps do not."""
        return self.method == "POST" and not self.is_stored and self.traced_as is not None


def _plain_kinds(kind: Any) -> frozenset[type]:
    if get_origin(kind) is Required:
        kind = get_args(kind)[0]
    members = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    found = {member for member in members if member in (str, bool, int, float)}
    return frozenset(found | {int} if float in found else found)
