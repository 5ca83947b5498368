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
    required=frozenset({"input"}),  # the model has a default at OpenAI and r9s; who needs it says so in a 400
    reply=ModerationResponse,
    # OpenTelemetry's conventions of 2026 have no name for it; they allow one of our own.
    traced_as="moderation",
    content="results",
    results=1,  # a list of parts is one input with one result, a list of texts has one for each
)
