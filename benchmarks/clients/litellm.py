"""litellm: functions, with clients that it keeps by itself."""

from typing import Any

import litellm

from . import KEY, MESSAGES, MODEL, PROMPT, ChatAdapter

litellm.telemetry = False
litellm.suppress_debug_info = True


class LiteLLM(ChatAdapter):
    """Its provider for OpenAI-compatible servers."""

    def options(self) -> dict[str, Any]:
        """What every call names."""
        return {"model": f"openai/{MODEL}", "api_key": KEY, "api_base": f"{self.base_url}/v1"}

    def make(self) -> Any:
        return litellm

    def open(self, **options: Any) -> Any:
        return litellm.completion(messages=MESSAGES, **self.options(), **options)

    def aopen(self, **options: Any) -> Any:
        return litellm.acompletion(messages=MESSAGES, **self.options(), **options)

    def image(self) -> int:
        return len(litellm.image_generation(prompt=PROMPT, **self.options()).data[0].b64_json)

    def close(self) -> None:
        """Nothing: its clients are its own."""


ADAPTERS = {"litellm": LiteLLM}
