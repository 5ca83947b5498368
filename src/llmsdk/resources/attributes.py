"""What hangs on the SDK object, written by scripts/stubs.py: change it there."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .base import Resources, loaded

if TYPE_CHECKING:
    from .batches import ServerBatches
    from .chat import Chat
    from .completions import Completions
    from .embeddings import Embeddings
    from .files import Files
    from .images import Images
    from .models import Models


class Attributes(Resources):
    """The resources, each imported when it is first used."""

    @cached_property
    def batches(self) -> ServerBatches:
        """Batches that the server works off by itself; `sdk.batch` sends the requests of a file from here."""
        made: ServerBatches = loaded("batches", "ServerBatches")(self._runner)
        return made

    @cached_property
    def chat(self) -> Chat:
        """Chat completion."""
        made: Chat = loaded("chat", "Chat")(self._runner)
        return made

    @cached_property
    def completions(self) -> Completions:
        """Text completion."""
        made: Completions = loaded("completions", "Completions")(self._runner)
        return made

    @cached_property
    def embeddings(self) -> Embeddings:
        """Texts as vectors."""
        made: Embeddings = loaded("embeddings", "Embeddings")(self._runner)
        return made

    @cached_property
    def files(self) -> Files:
        """Files that a server keeps."""
        made: Files = loaded("files", "Files")(self._runner)
        return made

    @cached_property
    def images(self) -> Images:
        """Image generation and image edit."""
        made: Images = loaded("images", "Images")(self._runner)
        return made

    @cached_property
    def models(self) -> Models:
        """The models that a server offers."""
        made: Models = loaded("models", "Models")(self._runner)
        return made
