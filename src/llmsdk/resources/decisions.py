"""`sdk.decisions`: typed questions about an input, answered with probabilities."""

from typing import Any, Required, Unpack

from .._call.preview import Preview
from ..models.decisions import DecisionParams, DecisionRequest, DecisionResponse
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.decisions import CREATE_DECISION
from .signatures import described_by


@keywords
class CreateDecisionArgs(DecisionParams, CallOptions, total=False):
    """What `decisions.create` takes."""

    model: Required[str]
    """Id of the model."""


class Decisions(MappedResource[DecisionRequest, DecisionResponse]):
    """Decisions: typed questions about an input, answered with probabilities."""

    _create = CREATE_DECISION

    @described_by(CreateDecisionArgs, operation=CREATE_DECISION)
    def create(self, **args: Unpack[CreateDecisionArgs]) -> DecisionResponse:
        """Ask typed questions about an input, and return an answer with probabilities for each.

        Args:
            input: What the questions are about: a text, or messages with text and images.
            questions: The questions; the answers come in the same order.
            model: Id of the model.
            prompt_cache_key: Requests of one key share a cache.
            prompt_cache_options: How the server caches the input.
            safety_identifier: Your own id of the end user, hashed, for abuse checks.
            args: Options of the call, see `CallOptions`.

        Returns:
            `answers` in the order of the questions; `by_name` has those of questions with a name.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            SDKError: As `chat.create`.

        Example:
            >>> question = {"type": "predicate", "instructions": "The customer was charged twice."}
            >>> sdk.decisions.create(model="m", input="I was charged twice.", questions=[question])
        """
        reply: DecisionResponse = self._runner.call(CREATE_DECISION, args)
        return reply

    @described_by(CreateDecisionArgs, operation=CREATE_DECISION)
    async def create_async(self, **args: Unpack[CreateDecisionArgs]) -> DecisionResponse:
        """Ask typed questions about an input, and return an answer with probabilities for each; see `create`."""
        reply: DecisionResponse = await self._runner.call_async(CREATE_DECISION, args)
        return reply

    @described_by(CreateDecisionArgs, operation=CREATE_DECISION)
    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_DECISION, args)
