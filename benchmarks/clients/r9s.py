"""r9s."""

from typing import Any

from r9s import R9S

from . import KEY, MESSAGES, MODEL, PROMPT, Unsupported
from .speakeasy import SpeakeasyAdapter


class R9s(SpeakeasyAdapter):
    """The default client, both colours."""

    def make(self) -> Any:
        return R9S(api_key=KEY, server_url=f"{self.base_url}/v1")

    def open(self, **options: Any) -> Any:
        return self.client.chat.create(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.aclient.chat.create_async(model=MODEL, messages=MESSAGES, **options)

    def delta(self, chunk: Any) -> str:
        return super().delta(getattr(chunk, "data", chunk))

    def logprobs(self) -> int:
        raise Unsupported("its type for logprobs has no tokens")

    def image(self) -> int:
        return len(self.client.images.create(model=MODEL, prompt=PROMPT).data[0].b64_json)


ADAPTERS = {"r9s": R9s}
