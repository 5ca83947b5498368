"""together."""

from typing import Any

import together

from . import KEY, MESSAGES, MODEL, PROMPT, ChatAdapter


class Together(ChatAdapter):
    """The default clients."""

    def make(self) -> Any:
        return together.Together(api_key=KEY, base_url=f"{self.base_url}/v1")

    def amake(self) -> Any:
        return together.AsyncTogether(api_key=KEY, base_url=f"{self.base_url}/v1")

    def open(self, **options: Any) -> Any:
        return self.client.chat.completions.create(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.aclient.chat.completions.create(model=MODEL, messages=MESSAGES, **options)

    def logprobs(self) -> int:
        return len(self.open(logprobs=1).choices[0].logprobs.content)

    def image(self) -> int:
        return len(self.client.images.generate(model=MODEL, prompt=PROMPT).data[0].b64_json)


ADAPTERS = {"together": Together}
