"""Token counts of a chat that is not sent yet."""

from typing import Required

from ..utils.keywords import keywords
from .chat import ChatFormParams, ChatInputParams
from .common import Reply, Whole

__all__ = ["TokenCountParams", "TokenCountRequest", "TokenCountResponse"]


@keywords
class TokenCountParams(ChatInputParams, ChatFormParams, total=False):
    """Parameters of a token count, without the model: what the model reads."""


class TokenCountRequest(TokenCountParams, total=False):
    """A request of a token count."""

    model: Required[str]
    """Id of the model."""


class TokenCountResponse(Reply):
    """How many tokens a chat has before it is answered."""

    input_tokens: int
    """Tokens of the messages, the instructions, the tools and the form of the answer."""
    cached_tokens: Whole = None
    """How many of these a cache holds, where the server says so."""
