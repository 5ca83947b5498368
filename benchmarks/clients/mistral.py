"""mistralai."""

from typing import Any

from mistralai.client import Mistral

from . import KEY, MESSAGES, MODEL, Unsupported
from .speakeasy import SpeakeasyAdapter


class MistralAI(SpeakeasyAdapter):
    """The default client, both colours."""

    def make(self) -> Any:
        return Mistral(api_key=KEY, server_url=self.base_url)

    def open(self, *, stream: bool = False, **options: Any) -> Any:
        chat = self.client.chat
        return (chat.stream if stream else chat.complete)(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, *, stream: bool = False, **options: Any) -> Any:
        chat = self.aclient.chat
        return (chat.stream_async if stream else chat.complete_async)(model=MODEL, messages=MESSAGES, **options)

    def delta(self, chunk: Any) -> str:
        return super().delta(chunk.data)

    def logprobs(self) -> int:
        raise Unsupported("the API has no logprobs")


ADAPTERS = {"mistralai": MistralAI}
