"""`sdk.models`: the models that a server offers."""

from typing import Any, Unpack

from .._call.preview import Preview
from .._call.secrecy import hide
from ..models.catalog import ModelInfo, ModelList, ModelRequest
from ..options import CallOptions
from ..utils.keywords import keywords
from .base import Resource
from .operations.models import LIST_MODELS, RETRIEVE_MODEL
from .signatures import described_by


@keywords
class ListModelsArgs(CallOptions, total=False):
    """What `models.list` takes."""

    dedicated: bool
    """List only models with an endpoint of their own. Together."""


class Models(Resource):
    """The models of a server."""

    @described_by(ListModelsArgs, operation=LIST_MODELS)
    def list(self, **args: Unpack[ListModelsArgs]) -> ModelList:
        """List all models of a server.

        Args:
            dedicated: List only models with an endpoint of their own. Together.
            args: Options of the call, see `CallOptions`.

        Raises:
            UnsupportedOperationError: The server has no such list.
            SDKError: As `chat.create`.
        """
        reply: ModelList = self._runner.call(LIST_MODELS, args)
        return reply

    @described_by(ListModelsArgs, operation=LIST_MODELS)
    async def list_async(self, **args: Unpack[ListModelsArgs]) -> ModelList:
        """List all models of a server; see `list`."""
        reply: ModelList = await self._runner.call_async(LIST_MODELS, args)
        return reply

    # The one parameter by position, as the operation needs nothing else.
    @described_by(CallOptions)
    def retrieve(self, model: str, **args: Unpack[CallOptions]) -> ModelInfo:
        """Return the description of one model.

        Args:
            model: Its id; any characters, they are percent-encoded.
            args: Options of the call, see `CallOptions`.

        Raises:
            NotFoundError: There is no such model.
            UnsupportedOperationError: The server cannot describe one model.
            SDKError: As `chat.create`.
        """
        reply: ModelInfo = self._runner.call(RETRIEVE_MODEL, {"model": model, **hide(args)})
        return reply

    @described_by(CallOptions)
    async def retrieve_async(self, model: str, **args: Unpack[CallOptions]) -> ModelInfo:
        """Return the description of one model; see `retrieve`."""
        reply: ModelInfo = await self._runner.call_async(RETRIEVE_MODEL, {"model": model, **hide(args)})
        return reply

    @described_by(ListModelsArgs, ModelRequest)
    def preview(self, **args: Any) -> Preview:
        """Make the request of `list`, or with `model` of `retrieve`, and send nothing."""
        # `list` has no parameter of this name, so it says which of the two is meant.
        return self._runner.preview(RETRIEVE_MODEL if "model" in args else LIST_MODELS, args)
