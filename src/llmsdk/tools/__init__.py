"""Functions of yours as tools of a model: `tool`, and what `chat.run_tools` gives back."""

from __future__ import annotations

from .functions import Tool, tool
from .rounds import Round, ToolLike, ToolResult, ToolRun
from .streams import ToolEventStream, ToolEventStreamAsync

__all__ = ["Round", "Tool", "ToolEventStream", "ToolEventStreamAsync", "ToolLike", "ToolResult", "ToolRun", "tool"]
