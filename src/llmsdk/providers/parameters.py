"""The parameters of each operation, written by scripts/stubs.py: change it there."""

PARAMETERS: dict[str, str] = {
    "cancelBatch": """
        batch_id
    """,
    "countTokens": """
        messages model parallel_tool_calls previous_response_id reasoning reasoning_effort response_format
        thinking tool_choice tools verbosity
    """,
    "createBatch": """
        completion_window endpoint input_file_id metadata model_id output_expires_after priority
    """,
    "createChatCompletion": """
        audio chat_template_kwargs compliance context_length_exceeded_behavior echo frequency_penalty
        function_call functions logit_bias logprobs max_completion_tokens max_tokens messages metadata min_p
        modalities model moderation n parallel_tool_calls prediction presence_penalty previous_response_id
        prompt_cache_key prompt_cache_options prompt_cache_retention reasoning reasoning_effort
        repetition_penalty response_format safety_identifier safety_model seed service_tier stop store
        stream stream_options temperature thinking tool_choice tools top_k top_logprobs top_p user verbosity
        web_search_options
    """,
    "createCompletion": """
        best_of echo frequency_penalty logit_bias logprobs max_tokens min_p min_tokens model n
        presence_penalty prompt repetition_penalty safety_model seed stop stream stream_options suffix
        temperature top_k top_p user
    """,
    "createDecision": """
        input model prompt_cache_key prompt_cache_options questions safety_identifier
    """,
    "createEmbedding": """
        dimensions encoding_format input input_type model user
    """,
    "createImage": """
        aspect_ratio background complexity disable_safety_checker frame_count frame_duration_ms frame_images
        guidance_scale height image_base64 image_loras image_url model moderation n negative_prompt
        output_compression output_format partial_images prompt prompt_extend quality reference_images
        response_format safety_identifier seed size steps stream style svg user watermark width
    """,
    "createModelCustomizationCompletion": """
        best_of customization_id echo frequency_penalty logit_bias logprobs max_tokens min_p min_tokens
        model n presence_penalty prompt repetition_penalty safety_model seed stop stream_options suffix
        temperature top_k top_p user
    """,
    "createModeration": """
        input metadata model
    """,
    "createRerank": """
        documents instruction max_tokens_per_doc model priority query rank_fields relevant_spans
        return_documents top_n
    """,
    "createSpeech": """
        alignment bit_rate conversation_history expressiveness extra_params input instructions language
        metadata model phoneme_hints prompt_cache_key ref_audio response_encoding response_format
        sample_rate segment speed stream stream_format voice
    """,
    "createTranscription": """
        alignment_model chunking_strategy diarize file file_id include keywords known_speaker_names
        known_speaker_references language languages max_completion_tokens max_speakers min_speakers model
        preprocessing prompt response_format stream stream_options temperature timestamp_granularities url
        vad_model
    """,
    "createTranslation": """
        alignment_model file language model preprocessing prompt response_format stream stream_options
        temperature timestamp_granularities to_language url vad_model
    """,
    "deleteFile": """
        file_id
    """,
    "editImage": """
        background complexity frame_count frame_duration_ms image input_fidelity markup mask model
        moderation n output_compression output_format partial_images prompt quality response_format
        safety_identifier size stream style svg user
    """,
    "fileContent": """
        file_id
    """,
    "listBatches": """
        limit
    """,
    "listFiles": """
        limit purpose
    """,
    "listModels": """
        dedicated
    """,
    "retrieveBatch": """
        batch_id
    """,
    "retrieveFile": """
        file_id
    """,
    "retrieveModel": """
        model
    """,
    "uploadFile": """
        file file_name file_type purpose
    """,
}
