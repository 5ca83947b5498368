"""Functions of yours as tools of a model: `tool`, and what `chat.run_tools` returns.

May import `structured`, `_net` and what is below; `resources.chat` imports it on the first `run_tools`. Start reading
at `loop.py`, the rounds of a conversation; `functions.py` makes a tool of a function.
"""

from __future__ import annotations

from .functions import Tool, tool
from .rounds import Round, ToolLike, ToolResult, ToolRun
from .streams import ToolEventStream, ToolEventStreamAsync

__all__ = ["Round", "Tool", "ToolEventStream", "ToolEventStreamAsync", "ToolLike", "ToolResult", "ToolRun", "tool"]
