"""Moderation."""

from __future__ import annotations

from ..._call.operation import Example, Operation
from ...models.moderations import ModerationRequest, ModerationResponse

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
    required=frozenset({"input"}),
    reply=ModerationResponse,
    # OpenTelemetry's conventions of 2026 have no name for it; they allow one of our own.
    traced_as="moderation",
    content="results",
    results=1,
)
