"""writer-sdk."""

from typing import Any

import writerai

from . import KEY, MESSAGES, MODEL, ChatAdapter


class Writer(ChatAdapter):
    """The default clients."""

    def make(self) -> Any:
        return writerai.Writer(api_key=KEY, base_url=self.base_url)

    def amake(self) -> Any:
        return writerai.AsyncWriter(api_key=KEY, base_url=self.base_url)

    def open(self, **options: Any) -> Any:
        return self.client.chat.chat(model=MODEL, messages=MESSAGES, **options)

    def aopen(self, **options: Any) -> Any:
        return self.aclient.chat.chat(model=MODEL, messages=MESSAGES, **options)


ADAPTERS = {"writer-sdk": Writer}
