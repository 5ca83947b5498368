"""What hangs on the SDK object, written by scripts/stubs.py: change it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..utils.forks import once
from .base import Resources, loaded

if TYPE_CHECKING:
    from .audio import Audio
    from .batches import ServerBatches
    from .chat import Chat
    from .completions import Completions
    from .decisions import Decisions
    from .embeddings import Embeddings
    from .files import Files
    from .images import Images
    from .models import Models
    from .moderations import Moderations
    from .rerank import Rerank


class Attributes(Resources):
    """The resources, each imported when it is first used."""

    @once
    def audio(self) -> Audio:
        """Audio: text to speech, and transcription."""
        made: Audio = loaded(".audio", "Audio")(self._runner)
        return made

    @once
    def batches(self) -> ServerBatches:
        """Batches that the server processes itself; `sdk.batch` sends a file of requests from here."""
        made: ServerBatches = loaded(".batches", "ServerBatches")(self._runner)
        return made

    @once
    def chat(self) -> Chat:
        """Chat completion."""
        made: Chat = loaded(".chat", "Chat")(self._runner)
        return made

    @once
    def completions(self) -> Completions:
        """Text completion."""
        made: Completions = loaded(".completions", "Completions")(self._runner)
        return made

    @once
    def decisions(self) -> Decisions:
        """Decisions: typed questions about an input, answered with probabilities."""
        made: Decisions = loaded(".decisions", "Decisions")(self._runner)
        return made

    @once
    def embeddings(self) -> Embeddings:
        """Embeddings: texts as vectors."""
        made: Embeddings = loaded(".embeddings", "Embeddings")(self._runner)
        return made

    @once
    def files(self) -> Files:
        """Files stored by a server."""
        made: Files = loaded(".files", "Files")(self._runner)
        return made

    @once
    def images(self) -> Images:
        """Image generation and image edit."""
        made: Images = loaded(".images", "Images")(self._runner)
        return made

    @once
    def models(self) -> Models:
        """The models of a server."""
        made: Models = loaded(".models", "Models")(self._runner)
        return made

    @once
    def moderations(self) -> Moderations:
        """Moderation: whether texts and images violate a policy."""
        made: Moderations = loaded(".moderations", "Moderations")(self._runner)
        return made

    @once
    def rerank(self) -> Rerank:
        """Rerank: documents ranked by relevance to a query."""
        made: Rerank = loaded(".rerank", "Rerank")(self._runner)
        return made
