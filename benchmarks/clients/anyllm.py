"""any-llm, by its provider object, which keeps a client."""

from typing import Any

from any_llm import AnyLLM

from . import KEY, MESSAGES, MODEL, ChatAdapter


class AnyLlm(ChatAdapter):
    """Its provider for OpenAI."""

    def make(self) -> Any:
        return AnyLLM.create("openai", api_key=KEY, api_base=f"{self.base_url}/v1")

    def amake(self) -> Any:
        return self.make()

    def open(self, **options: Any) -> Any:
        return self.client.completion(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.aclient.acompletion(model=MODEL, messages=MESSAGES, **options)

    def close(self) -> None:
        """Nothing: the object has no way to close it."""
        self.sync_client = None

    async def aclose(self) -> None:
        self.async_client = None


ADAPTERS = {"any-llm": AnyLlm}
