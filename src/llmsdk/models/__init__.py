"""Requests, replies and chunks of every operation; a module is imported when one of its names is first used.

May import `errors` and `utils`. Start reading at `chat.py`, `completions.py` or `images.py`: a request's parameters,
and what comes back; `folding.py` begins how chunks become a reply, `common.py` has what the families share.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

# The one list of public names, by their module. What type checkers read, `__init__.pyi`, is written from it by
# `python scripts/stubs.py`.
_NAMES = {
    "batches": "Batch BatchCounts BatchCreateRequest BatchList BatchListRequest BatchRequest BatchStatus",
    "catalog": "ModelInfo ModelList ModelListRequest ModelRequest",
    "chat": "AudioParam ChatCompletionParams ChatCompletionRequest ReasoningParam",
    "chat_folding": "ChatAccumulator",
    "chat_replies": "ChatChoice ChatChunkChoice ChatCompletionChunk ChatCompletionResponse ChatDelta ToolCallDelta",
    "common": "CompletionTokensDetails Listed Logprobs Loose Model OrEmpty PromptTokensDetails Reply StreamOptions "
    "TokenLogprob TopLogprob Usage",
    "completions": "CompletionAccumulator CompletionChoice CompletionChunk CompletionChunkChoice CompletionDelta "
    "CompletionParams CompletionRequest CompletionResponse CustomizationCompletionRequest PromptPart",
    "embeddings": "Embedding EmbeddingParams EmbeddingRequest EmbeddingsResponse",
    "files": "FileDeleted FileList FileListRequest FileObject FileRequest FileUploadRequest",
    "folding": "Accumulator",
    "images": "Fetcher FileInput Image ImageAccumulator ImageChunk ImageChunkItem ImageEditParams ImageEditRequest "
    "ImageLora ImageParams ImageRequest ImageResponse ImageUsage",
    "messages": "AssistantMessage AudioUrlPart ChatMessage ChatMessageParam ContentPart DeveloperMessage FunctionCall "
    "FunctionCallParam FunctionMessage GraphData GraphSource ImageUrl ImageUrlPart InputAudio InputAudioPart MediaUrl "
    "SystemMessage TextPart ToolCall ToolCallParam ToolMessage UserMessage VideoUrlPart",
    "tools": "FunctionDefinition FunctionTool GraphDefinition GraphTool JsonObjectFormat JsonSchema JsonSchemaFormat "
    "LlmDefinition LlmTool NamedFunction NamedToolChoice OlderJsonSchemaFormat QueryConfig RegexFormat "
    "ResponseFormatParam TextFormat ToolChoiceParam ToolParam TranslationDefinition TranslationTool VisionDefinition "
    "VisionTool VisionVariable WebSearchDefinition WebSearchTool WrappedToolChoice",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too
    __all__ = sorted(_HOME)  # noqa: PLE0605 - from the table; checkers read the stub

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_HOME})
