"""openai, by default and on aiohttp."""

from typing import Any

import openai

from . import KEY, MESSAGES, MODEL, PROMPT, CopiedAdapter, Unsupported


class OpenAI(CopiedAdapter):
    """The default clients."""

    path = "/v1"

    def make(self) -> Any:
        return openai.OpenAI(api_key=KEY, base_url=f"{self.base_url}/v1")

    def amake(self) -> Any:
        return openai.AsyncOpenAI(api_key=KEY, base_url=f"{self.base_url}/v1")

    def open(self, **options: Any) -> Any:
        return self.client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.acopy.chat.completions.create(model=MODEL, messages=MESSAGES, **options)

    def image(self) -> int:
        return len(self.client.images.generate(model=MODEL, prompt=PROMPT).data[0].b64_json)


class OpenAIOnAiohttp(OpenAI):
    """The async client over aiohttp, as its extra offers it."""

    def make(self) -> Any:
        raise Unsupported("the backend is async")

    def amake(self) -> Any:
        client = openai.DefaultAioHttpClient()
        return openai.AsyncOpenAI(api_key=KEY, base_url=f"{self.base_url}/v1", http_client=client)


ADAPTERS = {"openai": OpenAI, "openai-aiohttp": OpenAIOnAiohttp}
