"""anthropic, which speaks its own wire format: the server answers it in that."""

from typing import Any

import anthropic

from . import KEY, MODEL, CopiedAdapter, Unsupported

MESSAGES: Any = [{"role": "user", "content": "Say something about the fox and the dog, in one sentence."}]
SYSTEM = "You are a terse assistant."


class Anthropic(CopiedAdapter):
    """The default clients."""

    def make(self) -> Any:
        return anthropic.Anthropic(api_key=KEY, base_url=self.base_url)

    def amake(self) -> Any:
        return anthropic.AsyncAnthropic(api_key=KEY, base_url=self.base_url)

    def open(self, **options: Any) -> Any:
        return self.client.messages.create(model=MODEL, messages=MESSAGES, system=SYSTEM, max_tokens=100, **options)

    def aopen(self, **options: Any) -> Any:
        return self.acopy.messages.create(model=MODEL, messages=MESSAGES, system=SYSTEM, max_tokens=100, **options)

    def delta(self, chunk: Any) -> str:
        return chunk.delta.text if chunk.type == "content_block_delta" else ""

    def call(self) -> int:
        return len(self.open().content[0].text)

    async def acall(self) -> int:
        return len((await self.aopen()).content[0].text)

    def first(self) -> int:
        return next(len(text) for text in map(self.delta, self.open(stream=True)) if text)

    def logprobs(self) -> int:
        raise Unsupported("the API has no logprobs")


ADAPTERS = {"anthropic": Anthropic}
