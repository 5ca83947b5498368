"""What hangs on the SDK object, `sdk.chat` and its like: a module for each, over one `Runner`.

May import `structured`, `tools`, `_net` and what is below; `sdk` imports it. Start reading at `base.py`, then at
`completions.py`, the plainest; `operations/` describes the endpoints, and `rows/` has the files of requests that
`sdk.batches` uploads and `sdk.batch` sends.

The names here are for functions of your own that hand their arguments on: `**args: Unpack[CreateChatArgs]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..options import CallOptions, SDKOptions
    from .chat import CreateChatArgs, ParseArgs, RunToolsArgs
    from .completions import CreateCompletionArgs
    from .embeddings import CreateEmbeddingArgs
    from .images import CreateImageArgs, EditImageArgs

_HOMES = {
    **dict.fromkeys(("CallOptions", "SDKOptions"), "llmsdk.options"),
    **dict.fromkeys(("CreateChatArgs", "ParseArgs", "RunToolsArgs"), "llmsdk.resources.chat"),
    "CreateCompletionArgs": "llmsdk.resources.completions",
    "CreateEmbeddingArgs": "llmsdk.resources.embeddings",
    **dict.fromkeys(("CreateImageArgs", "EditImageArgs"), "llmsdk.resources.images"),
}

__all__ = [
    "CallOptions",
    "CreateChatArgs",
    "CreateCompletionArgs",
    "CreateEmbeddingArgs",
    "CreateImageArgs",
    "EditImageArgs",
    "ParseArgs",
    "RunToolsArgs",
    "SDKOptions",
]

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too

    def __getattr__(name: str) -> Any:
        """Import a class when its name is first used; `sdk.chat` and its like are imported as they are needed, too."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(_HOMES[name]), name)
        return value
