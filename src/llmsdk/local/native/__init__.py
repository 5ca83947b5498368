"""Protocols of servers' own, from the server's side: what the codecs in `providers` write is read here, and back.

Start reading at the module of a protocol.
"""

from __future__ import annotations

from .anthropic import MESSAGES
from .common import Native
from .gemini import GENERATE_CONTENT
from .responses import RESPONSES

__all__ = ["GENERATE_CONTENT", "MESSAGES", "RESPONSES", "Native"]
