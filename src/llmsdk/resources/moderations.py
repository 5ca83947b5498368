"""`sdk.moderations`: whether texts and pictures break a policy."""

from typing import Any, Unpack

from .._call.preview import Preview
from ..models.moderations import ModerationParams, ModerationRequest, ModerationResponse
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import MappedResource
from .operations.moderations import CREATE_MODERATION
from .signatures import described_by


@keywords
class CreateModerationArgs(ModerationParams, CallOptions, total=False):
    """What `moderations.create` takes."""

    model: str
    """Id of the model; some servers have a default."""


class Moderations(MappedResource[ModerationRequest, ModerationResponse]):
    """Moderation: whether texts and images violate a policy."""

    _create = CREATE_MODERATION

    @described_by(CreateModerationArgs, operation=CREATE_MODERATION)
    def create(self, **args: Unpack[CreateModerationArgs]) -> ModerationResponse:
        """Check whether texts or images violate a policy.

        Args:
            input: A text, a list of texts, or the parts of one input.
            model: Id of the model; some servers have a default.
            metadata: Labels kept with the request.
            args: Options of the call, see `CallOptions`.

        Returns:
            One of `results` per text, one for a list of parts; `results[0].is_flagged` is the verdict.

        Raises:
            RequestValidationError: A parameter is missing, unknown, mistyped, or unsupported by the server.
            SDKError: As `chat.create`.

        Example:
            >>> sdk.moderations.create(input="A calm sentence.")
        """
        reply: ModerationResponse = self._runner.call(CREATE_MODERATION, args)
        return reply

    @described_by(CreateModerationArgs, operation=CREATE_MODERATION)
    async def create_async(self, **args: Unpack[CreateModerationArgs]) -> ModerationResponse:
        """Check whether texts or images violate a policy; see `create`."""
        reply: ModerationResponse = await self._runner.call_async(CREATE_MODERATION, args)
        return reply

    @described_by(CreateModerationArgs, operation=CREATE_MODERATION)
    def preview(self, **args: Any) -> Preview:
        """Return the request that `create` would send, and send nothing."""
        return self._runner.preview(CREATE_MODERATION, args)
