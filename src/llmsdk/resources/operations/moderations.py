"""Moderation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._call.operation import Example, Operation
from ...models.moderations import ModerationRequest, ModerationResponse
from ...utils.shapes import is_listed


def _inputs(params: Mapping[str, Any]) -> int:
    """Count the inputs: a list of texts is one for each, a list of parts is one together."""
    # With a result less, the rest would stand beside other texts than theirs.
    given = params.get("input")
    return len(given) if is_listed(given) and given and all(isinstance(one, str) for one in given) else 1


CREATE_MODERATION = Operation(
    id="createModeration",
    resource="moderations",
    name="create",
    example=Example(
        args=('model="embedded-moderation"', 'input=["A calm sentence.", "Another one."]'),
        shows="for result in res.results:\n    print(result.is_flagged)",
    ),
    path="/moderations",
    request=ModerationRequest,
    required=frozenset({"model", "input"}),  # the model has a default at OpenAI and r9s
    reply=ModerationResponse,
    # OpenTelemetry's conventions of 2026 have no name for it; they allow one of our own.
    traced_as="moderation",
    content="results",
    results=_inputs,
)
