"""Decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._call.operation import Example, Operation
from ...models.decisions import DecisionRequest, DecisionResponse
from ...utils.shapes import is_listed


def _questions(params: Mapping[str, Any]) -> int:
    """Count the questions: with an answer less, the rest would stand beside other questions than theirs."""
    given = params.get("questions")
    return max(1, len(given)) if is_listed(given) else 1


CREATE_DECISION = Operation(
    id="createDecision",
    resource="decisions",
    name="create",
    example=Example(
        args=(
            'model="embedded-decision"',
            'input="I was charged twice."',
            'questions=[{"type": "predicate", "instructions": "The customer was charged twice."}]',
        ),
        shows="print(res.answers[0].probability)",
    ),
    path="/decisions",
    request=DecisionRequest,
    required=frozenset({"model", "input", "questions"}),
    reply=DecisionResponse,
    # OpenTelemetry's conventions of 2026 have no name for it; they allow one of our own.
    traced_as="decision",
    content="answers",
    results=_questions,
)
