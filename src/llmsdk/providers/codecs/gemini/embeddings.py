"""Embeddings of Gemini: one request inside for each text.

Sources: ai.google.dev/api/embeddings, read on 2026-11-28; google-genai 3.6.1, `EmbedContentResponse`.
"""

from __future__ import annotations

from typing import Any

from ...spec import CannotSay
from ..common import Document, as_list, beside, child, children, given, number

# Words that other servers know for what a text is.
_TASKS = {"query": "RETRIEVAL_QUERY", "passage": "RETRIEVAL_DOCUMENT", "document": "RETRIEVAL_DOCUMENT"}


def request(params: Document) -> Document:
    """Write our parameters as a body of batchEmbedContents."""
    left = given(params)
    if left.pop("encoding_format", "float") != "float":
        raise CannotSay("encoding_format", 'must be "float" for this server')
    texts = as_list(left.pop("input", None))
    if not all(isinstance(text, str) for text in texts):
        raise CannotSay("input", "must be a text or a list of texts for this server: it takes no token ids")
    each: Document = {"model": f"models/{left.pop('model', None)}"}
    if "input_type" in left:
        kind = str(left.pop("input_type"))
        each["taskType"] = _TASKS.get(kind, kind.upper())
    if "dimensions" in left:
        each["outputDimensionality"] = left.pop("dimensions")
    return {**left, "requests": [{**each, "content": {"parts": [{"text": text}]}} for text in texts]}


def reply(document: Document) -> Document:
    """Read the vectors, which come in the order of the texts."""
    if document.get("error") is not None:
        return document
    data: list[Any] = [
        {**beside(found, ("values",)), "object": "embedding", "index": at, "embedding": found.get("values")}
        for at, found in enumerate(children(document, "embeddings"))
    ]
    made = {**beside(document, ("embeddings", "usageMetadata")), "object": "list", "data": data}
    counts = child(document, "usageMetadata")
    if counts:
        prompt = number(counts, "promptTokenCount")
        total = number(counts, "totalTokenCount")
        made["usage"] = {**counts, "prompt_tokens": prompt, "total_tokens": prompt if total is None else total}
    return made
