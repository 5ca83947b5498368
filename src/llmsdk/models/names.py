"""The public names of the models by module, written by scripts/stubs.py: change it there."""

NAMES = {
    "batches": "Batch BatchCounts BatchCreateRequest BatchList BatchListRequest BatchRequest BatchStatus",
    "catalog": "ModelInfo ModelList ModelListRequest ModelRequest",
    "chat": "AudioParam ChatCompletionParams ChatCompletionRequest PredictionParam ReasoningParam",
    "chat_folding": "ChatAccumulator",
    "chat_replies": "ChatChoice ChatChunkChoice ChatCompletionChunk ChatCompletionResponse ChatDelta ToolCallDelta",
    "common": "CompletionTokensDetails InputUsage Listed Listing Logprobs Loose Model OrEmpty PromptPart "
    "PromptTokensDetails Reply SamplingParams StreamOptions TokenLogprob TopLogprob Usage",
    "completions": "CompletionAccumulator CompletionChoice CompletionChunk CompletionChunkChoice CompletionDelta "
    "CompletionParams CompletionRequest CompletionResponse CustomizationCompletionRequest",
    "decisions": "ChoiceQuestion DecisionAnswer DecisionChoice DecisionLevel DecisionParams DecisionProbability "
    "DecisionQuestion DecisionRequest DecisionResponse DecisionText DecisionUsage PredicateQuestion "
    "ScoreQuestion",
    "documents": "JsonObject",
    "embeddings": "Embedding EmbeddingParams EmbeddingRequest EmbeddingsResponse",
    "files": "FileDeleted FileList FileListRequest FileObject FileRequest FileUploadRequest",
    "folding": "Accumulator",
    "images": "Fetcher FileInput Image ImageAccumulator ImageChunk ImageChunkItem ImageEditParams ImageEditRequest "
    "ImageLora ImageParams ImageRequest ImageResponse ImageUsage",
    "messages": "AssistantMessage AudioUrlPart ChatMessage ChatMessageParam ContentPart DeveloperMessage FunctionCall"
    " FunctionCallDelta FunctionCallParam FunctionMessage GraphData GraphSource ImageUrl ImageUrlPart "
    "InputAudio InputAudioPart MediaUrl Message MessageItem SystemMessage TextPart ToolCall ToolCallParam"
    " ToolMessage UserMessage VideoUrlPart",
    "moderations": "ModerationInput ModerationParams ModerationRequest ModerationResponse ModerationResult",
    "rerank": "RerankDocument RerankParams RerankRequest RerankResponse RerankResult RerankResultDocument",
    "speech": "Speech SpeechAccumulator SpeechChunk SpeechParams SpeechRequest",
    "token_counts": "TokenCountParams TokenCountRequest TokenCountResponse",
    "tools": "FunctionDefinition FunctionTool GraphDefinition GraphTool JsonObjectFormat JsonSchema "
    "JsonSchemaFormat LlmDefinition LlmTool NamedFunction NamedToolChoice OlderJsonSchemaFormat "
    "QueryConfig RegexFormat ResponseFormatParam TextFormat ToolChoiceParam ToolParam "
    "TranslationDefinition TranslationTool VisionDefinition VisionTool VisionVariable WebSearchDefinition"
    " WebSearchTool WrappedToolChoice",
    "transcriptions": "AudioUsage Transcription TranscriptionAccumulator TranscriptionChunk TranscriptionParams "
    "TranscriptionRequest TranscriptionSegment TranscriptionWord TranslationParams TranslationRequest",
}
