"""The main job, without a key or a network: chat, completion and image, on the embedded provider.

Run it with `make demo`, or `python examples/demo.py`. With a key it is the same code: `SDK(server="together")`.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from llmsdk import SDK

MODEL = "embedded-chat"
QUESTION = "Why is the sky blue?"


def talk(sdk: SDK) -> None:
    """Print a chat as it arrives, a completion, and where an image was saved."""
    print("chat:       ", end="")
    with sdk.chat.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}], stream=True) as stream:
        for text in stream.text_deltas():
            print(text, end="", flush=True)
    print()

    completion = sdk.completions.create(model="embedded-text", prompt="Once upon a time", max_tokens=50)
    print("completion: ", completion.text)

    image = sdk.images.create(model="embedded-image", prompt="a cat", size="512x512", response_format="b64_json")
    target = Path(tempfile.mkdtemp(prefix="llmsdk-demo-")) / "cat.png"
    image.data[0].save(target)
    print("image:      ", target)


async def talk_async(sdk: SDK) -> None:
    """Print the same chat, by async calls."""
    print("async chat: ", end="")
    messages = [{"role": "user", "content": QUESTION}]
    async with await sdk.chat.create_async(model=MODEL, messages=messages, stream=True) as stream:
        async for text in stream.text_deltas():
            print(text, end="", flush=True)
    print()


async def main_async() -> None:
    async with SDK(server="local") as sdk:
        await talk_async(sdk)


def main() -> None:
    with SDK(server="local") as sdk:
        talk(sdk)
    asyncio.run(main_async())


if __name__ == "__main__":
    main()
