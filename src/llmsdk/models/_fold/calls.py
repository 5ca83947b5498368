"""Which call a piece of a tool call belongs to.

Servers cut calls in many ways. A piece belongs to the first that there is of

1. the call with its id, where it has no name, or that call's;
2. the call with its index;
3. the call at its place in the delta, where it has no index, id or name, and others stand beside it;
4. the call under way, which is the one begun last. Some servers count a call's pieces up in place of its calls.

It goes on with that call, unless it begins another one:

- It has a name, and an index or id that no call has.
- It has a name, and another id than the call. Some servers give all calls the index 0, and some give every piece an id
  of its own, so it begins no other if the name is the same, the arguments of the call have not ended, and it brings a
  part of them.
- It has a name, and no id, or the first one. Some servers send no ids, names in pieces, or the name with every piece,
  so it begins another only if the arguments of the call have ended, or have begun under another name, or if the same
  delta began the call, which has no id either.
- It has no name and an index or id that no call has, and the arguments of the call under way have ended. An empty piece
  needs both.

A call that has the name of the one before, and never gets an id or arguments, is no call: some servers repeat the name
on an empty piece at the end. Arguments have ended where they are a JSON object or list from beginning to end, or came
as an object.
"""

from __future__ import annotations

from typing import Any

from ...utils.shapes import is_object
from ..chat_replies import ToolCallDelta
from ..messages import FunctionCallDelta
from .rule import Fold, Pieces, is_whole_object


class Call:
    """What has come of one call: of a tool, or of a function in the older form."""

    def __init__(self, index: int | None = None) -> None:
        self.index = index
        self.id: Any = None
        self.is_doubtful = False  # it may turn out to be no call of its own
        self._type: Any = None
        self._name: Any = None
        self._custom: Any = None  # name of a custom tool, whose input is no JSON
        self._arguments: Pieces | None = None
        self._object: Any = None  # some servers send an object in place of JSON text
        self._extra = Fold()
        self._function_extra = Fold()

    def add(self, piece: ToolCallDelta) -> None:
        """Take the next piece."""
        # The first id is the one that the result of the call repeats; later ones are of the pieces.
        self.id = self.id or piece.id
        self._type = self._type or piece.type
        self._custom = self._custom or _custom_name(piece)
        self._extra.add(piece.model_extra)
        if isinstance(piece.function, FunctionCallDelta):
            self.add_function(piece.function)

    def add_function(self, function: FunctionCallDelta) -> None:
        """Take name and arguments; names come in pieces too, and each may hold those before it.

        Whole arguments that come again add nothing.
        """
        name, arguments = function.name, _arguments(function)
        if not self._name or not isinstance(self._name, str) or not isinstance(name, str):
            self._name = self._name or name
        elif name.startswith(self._name):
            self._name = name
        else:
            self._name += name
        if isinstance(arguments, str):
            known = self._arguments
            if known is None:
                self._arguments = Pieces(arguments)
            elif arguments and not (known.equals(arguments) and is_whole_object(arguments)):
                known.add(arguments)
        elif arguments is not None:
            self._object = arguments
        self._function_extra.add(function.model_extra)

    def is_named(self, name: Any) -> bool:
        """Whether this is the name."""
        return bool(name == (self._name or self._custom))

    @property
    def is_begun(self) -> bool:
        """Whether any of its arguments have come."""
        return self._object is not None or bool(str(self._arguments or ""))

    @property
    def is_whole(self) -> bool:
        """Whether its arguments have come to their end."""
        return self._object is not None or is_whole_object(str(self._arguments or ""))

    @property
    def is_empty(self) -> bool:
        """Whether it is no call of its own."""
        return self.is_doubtful and not self.is_begun and not self.id

    def function(self) -> dict[str, Any]:
        """Make the function of it."""
        built = self._function_extra.build()
        if self._name:
            built["name"] = self._name
        if self._object is not None:
            built["arguments"] = self._object
        elif self._arguments is not None:
            built["arguments"] = str(self._arguments)
        return built

    def build(self) -> dict[str, Any]:
        """Make the call."""
        built = self._extra.build()
        stated = {"id": self.id or None, "index": self.index, "function": self.function() or None}
        built.update((name, value) for name, value in stated.items() if value is not None)
        return {"type": self._type or "function", **built}


class Calls:
    """The calls of one message, as their pieces come."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._by_index: dict[int, Call] = {}
        self._by_id: dict[str, Call] = {}

    def add(self, pieces: list[ToolCallDelta]) -> None:
        """Take the pieces of one delta."""
        # Calls from here on are those that this delta begins.
        count = len(self._calls)
        for position, piece in enumerate(pieces):
            call = self._found(piece, position if len(pieces) > 1 else None, self._calls[count:])
            if call is None:
                call = Call(piece.index)
                call.is_doubtful = bool(self._calls) and self._calls[-1].is_named(_name(piece)) and not piece.id
                self._calls.append(call)
            if piece.index is not None:
                self._by_index[piece.index] = call
            if piece.id:
                self._by_id[str(piece.id)] = call
            call.add(piece)

    def _found(self, piece: ToolCallDelta, position: int | None, fresh: list[Call]) -> Call | None:
        """Find the call that a piece goes on with; None where it begins one."""
        if not self._calls:
            return None
        name = _name(piece)
        known = self._known(piece, name)
        if name:
            if known is None and (piece.index is not None or piece.id):
                return None
            known = known or self._calls[-1]
            return None if _begins_another(known, piece, name, known in fresh) else known
        if known is not None:
            return known
        if piece.index is None and not piece.id and position is not None and position < len(self._calls):
            return self._calls[position]
        last = self._calls[-1]
        # An empty piece says nothing that a call of its own would be needed for, unless it has both.
        is_unknown = bool(_arguments(piece.function)) and (piece.index is not None or bool(piece.id))
        is_new = is_unknown or (piece.index is not None and bool(piece.id))
        return None if is_new and last.is_whole else last

    def _known(self, piece: ToolCallDelta, name: Any) -> Call | None:
        call = self._by_id.get(str(piece.id)) if piece.id else None
        if call is not None and (not name or call.is_named(name)):
            return call
        return None if piece.index is None else self._by_index.get(piece.index)

    def build(self) -> list[dict[str, Any]]:
        """Make the calls, in the order of their indexes where all have one."""
        calls = [call for call in self._calls if not call.is_empty]
        if all(call.index is not None for call in calls):
            calls.sort(key=lambda call: call.index or 0)
        return [call.build() for call in calls]


def _name(piece: ToolCallDelta) -> Any:
    return piece.function.name if isinstance(piece.function, FunctionCallDelta) else _custom_name(piece)


def _custom_name(piece: ToolCallDelta) -> Any:
    custom = (piece.model_extra or {}).get("custom")
    return custom.get("name") if is_object(custom) else None


def _arguments(function: Any) -> Any:
    return function.arguments if isinstance(function, FunctionCallDelta) else None


def _begins_another(call: Call, piece: ToolCallDelta, name: Any, is_fresh: bool) -> bool:
    """Whether a piece with a name is not of the call that it seems to belong to."""
    arguments: Any = _arguments(piece.function)
    is_other_id = bool(piece.id and call.id and piece.id != call.id)
    if call.is_named(None):
        return is_other_id  # else it brings the name
    if is_other_id:
        is_bare = not arguments or (not isinstance(arguments, str)) or is_whole_object(arguments)
        return not call.is_named(name) or call.is_whole or is_bare
    # The id says that it is the same call, whatever else does not fit.
    if piece.id and piece.id == call.id:
        return not call.is_named(name) and call.is_begun
    is_other = not call.is_named(name) and (call.is_begun or call.is_doubtful)
    return call.is_whole or is_other or (is_fresh and not call.id)
