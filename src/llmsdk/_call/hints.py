"""What to say to names that users of other clients type."""

from __future__ import annotations

from collections.abc import Iterable

from .. import errors
from ..utils.shapes import guessed

_URL = "pass server_url="
_KEY = "pass api_key="
_HEADERS = "pass http_headers="
_TIMEOUT = "pass timeout_ms=, in milliseconds"
_CLIENT = "pass client= or async_client=, an HTTP client that is set up with it"

_OF_SDK = {
    **dict.fromkeys(("base_url", "api_base", "azure_endpoint", "endpoint", "host", "url"), _URL),
    **dict.fromkeys(
        ("token", "api_token", "auth_token", "access_token", "bearer_auth", "api_key_auth", "security", "key"), _KEY
    ),
    **dict.fromkeys(("headers", "default_headers", "extra_headers", "supplied_headers"), _HEADERS),
    **dict.fromkeys(("timeout", "timeout_s", "request_timeout"), _TIMEOUT),
    **dict.fromkeys(
        ("max_retries", "retries", "num_retries"), "pass retry_config=, a number of retries or a RetryConfig"
    ),
    **dict.fromkeys(("http_client", "session", "transport"), "pass client= or async_client="),
    **dict.fromkeys(
        ("proxy", "proxies", "verify", "cert", "auth", "cookies", "limits", "trust_env", "event_hooks"), _CLIENT
    ),
    **dict.fromkeys(("default_query", "params"), "pass extra_query= to each call"),
    "organization": 'pass http_headers={"OpenAI-Organization": ...}',
    "project": 'pass http_headers={"OpenAI-Project": ...}',
    **dict.fromkeys(
        ("model", "messages", "prompt", "input", "system", "stream", "temperature", "max_tokens", "tools"),
        "pass it to each call, as in sdk.chat.create(model=..., messages=...)",
    ),
    "api_version": 'pass extra_query={"api-version": ...} to each call',
    "provider": "pass server=",
}
_OF_CALL = {
    **dict.fromkeys(("base_url", "api_base"), _URL),
    **dict.fromkeys(("headers", "extra_headers", "default_headers"), _HEADERS),
    **dict.fromkeys(("timeout", "timeout_s", "request_timeout"), _TIMEOUT),
    **dict.fromkeys(
        ("max_retries", "retry_config", "num_retries"), "pass retries=, a number of retries or a RetryConfig"
    ),
    **dict.fromkeys(("api_key", "token"), "pass it to SDK(api_key=...), or sdk.with_options(api_key=...)"),
    **dict.fromkeys(("engine", "deployment", "deployment_id", "model_name"), "pass model="),
    **dict.fromkeys(("response_model", "text_format", "output_type"), "call sdk.chat.parse(response_format=...)"),
    "json_mode": 'pass response_format={"type": "json_object"}',
    **dict.fromkeys(("params", "query"), "pass extra_query="),
    "json": "pass extra_body=",
    "organization": 'pass http_headers={"OpenAI-Organization": ...}',
    "system": 'pass it as the first of messages, {"role": "system", "content": ...}',
    "instructions": 'pass it as the first of messages, {"role": "system", "content": ...}',
    "functions": "pass tools=",
}
# These are named otherwise by each operation: the first that it knows is meant.
_NAMES_OF_CALL = {
    **dict.fromkeys(("input", "prompt", "text", "query", "contents", "inputs"), ("messages", "prompt", "input")),
    "messages": ("prompt", "input"),
    **dict.fromkeys(("max_output_tokens", "max_new_tokens", "max_tokens_to_sample"), ("max_tokens",)),
    "stop_sequences": ("stop",),
    "voice_id": ("voice",),
    "file_url": ("url",),
    **dict.fromkeys(("audio", "audio_file", "recording"), ("file",)),
    "audio_format": ("response_format",),
}


def hint_of_option(name: object, known: Iterable[str]) -> str:
    """Return what an unknown option of an SDK is called here; "" where nothing is likely."""
    return _hint(name, _OF_SDK, known)


def hint_of_parameter(name: object, known: Iterable[str], options: Iterable[str]) -> str:
    """Return what an unknown parameter of a call is called here; "" where nothing is likely."""
    known = tuple(known)
    if isinstance(name, str):
        for other in _NAMES_OF_CALL.get(str.__str__(name), ()):
            if other in known:
                return f"; pass {other}="
    return _hint(name, _OF_CALL, (*known, *options))


def hint_of_value(name: object, value: object) -> str:
    """Return where a class or a function goes that was given as a parameter; "" where nothing is likely."""
    if name == "response_format" and isinstance(value, type):
        return "; answers of a class are asked for by sdk.chat.parse(response_format=...)"
    if name in ("tools", "functions"):
        return "; functions are called by sdk.chat.run_tools(tools=[...]), and tools=[tool(function)] describes one"
    return ""


def _hint(name: object, words: dict[str, str], known: Iterable[str]) -> str:
    if not isinstance(name, str):
        return ""
    text = str.__str__(name)
    if text in words:
        return f"; {words[text]}"
    hint = guessed(text, known)
    return hint and f"; {hint}"


_OF_ATTRIBUTES = {
    ("Chat", "completions"): "call sdk.chat.create(...) itself",
    ("Chat", "stream"): "call sdk.chat.create(..., stream=True)",
    ("Images", "generate"): "call sdk.images.create(...)",
    ("Images", "generations"): "call sdk.images.create(...)",
    ("Embeddings", "embed"): "call sdk.embeddings.create(...)",
    ("Audio", "transcriptions"): "call sdk.audio.transcribe(...)",
    ("Audio", "translations"): "call sdk.audio.translate(...)",
    ("Models", "get"): "call sdk.models.retrieve(...)",
    ("SDK", "responses"): "call sdk.chat.create(...)",
    ("SDK", "messages"): "call sdk.chat.create(...)",
    ("SDK", "completion"): "call sdk.chat.create(...) or sdk.completions.create(...)",
    ("SDK", "beta"): "call sdk.chat.parse(...) for structured output",
    ("SDK", "copy"): "call sdk.with_options(...)",
}


def missing(holder: object, name: str) -> AttributeError:
    """Make the error of an attribute that an SDK or a resource does not have."""
    kind = type(holder).__name__
    words = dict.fromkeys(("with_raw_response", "with_streaming_response"), "replies and streams have .meta for that")
    words |= {attribute: text for (owner, attribute), text in _OF_ATTRIBUTES.items() if owner == kind}
    public = [known for known in dir(type(holder)) if not known.startswith("_")]
    hint = _hint(name, words, public)
    # Without `obj`: Python would add a guess of its own.
    return AttributeError(f"{kind} has no attribute {name!r}{hint}")


def hint_of_name(name: str, known: Iterable[str]) -> str:
    """Return where a name is that the package does not have; "" where nothing is likely."""
    words = {one: f"it is llmsdk.errors.{one}" for one in errors.__all__}
    words |= dict.fromkeys(("OpenAI", "AsyncOpenAI", "Client", "AsyncClient", "AsyncSDK"), "use SDK, sync and async")
    return _hint(name, words, known)
