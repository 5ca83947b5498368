"""openrouter."""

from typing import Any

from openrouter import OpenRouter

from . import KEY, MESSAGES, MODEL
from .speakeasy import SpeakeasyAdapter


class Router(SpeakeasyAdapter):
    """The default client, both colours."""

    def make(self) -> Any:
        return OpenRouter(api_key=KEY, server_url=f"{self.base_url}/v1")

    def open(self, **options: Any) -> Any:
        return self.client.chat.send(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.aclient.chat.send_async(model=MODEL, messages=MESSAGES, **options)


ADAPTERS = {"openrouter": Router}
