"""The ids of the servers, written by scripts/stubs.py: change it there."""

from typing import Literal, get_args

ServerId = Literal[
    "together",
    "writer",
    "writer_v1",
    "r9s",
    "openai",
    "local",
    "anthropic",
    "azure",
    "baseten",
    "cerebras",
    "cohere",
    "dashscope",
    "deepinfra",
    "deepseek",
    "fireworks",
    "gemini",
    "gemini_openai",
    "groq",
    "huggingface",
    "llamacpp",
    "lmstudio",
    "mistral",
    "moonshot",
    "nebius",
    "novita",
    "nvidia",
    "ollama",
    "openai_responses",
    "openrouter",
    "perplexity",
    "sambanova",
    "vllm",
    "xai",
    "xiaomi",
]
"""Ids in the order of `server_idx`; each is the name of a module beside this one."""

IDS: tuple[ServerId, ...] = get_args(ServerId)

DEFAULT: ServerId = "together"
"""Where neither a server nor a URL is given."""

FOR_URLS: ServerId = "openai"
"""Where a URL is given without a server."""

EMBEDDED: ServerId = "local"
"""What the SDK starts by itself."""
