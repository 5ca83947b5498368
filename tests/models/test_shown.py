"""How replies are printed, and what notebooks show of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llmsdk import SDK, Price, models
from llmsdk.errors import ReplyMeta
from llmsdk.models import ChatCompletionResponse, CompletionResponse, Image, ImageResponse, ModelList, Usage

SAID = [{"role": "user", "content": "Hi"}]
GIF = base64.b64encode(b"GIF89a\x02\0\x03\0" + bytes(300)).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(300)).decode()
SVG = base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg">' + b" " * 300 + b"</svg>").decode()
WEBP = base64.b64encode(b"RIFF1234WEBP" + bytes(300)).decode()


def test_a_reply_is_printed_without_what_is_not_there() -> None:
    reply = ChatCompletionResponse.model_validate(
        {"id": "1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "extra": None}], "x": 1}
    )
    assert repr(reply) == (
        "ChatCompletionResponse(id='1', choices=[ChatChoice(index=0, message=ChatMessage(role='assistant', "
        "content='Hi'))], x=1)"
    )
    assert "None" not in str(reply)


@pytest.mark.parametrize(
    "value, shown",
    [
        (GIF, "<image/gif, 2 x 3, 310 bytes>"),
        (JPEG, "<image/jpeg, 304 bytes>"),
        (f"data:image/gif;base64,{GIF}", "<image/gif, 2 x 3, 310 bytes>"),
        ("x" * 101, "<101 characters>"),
        ("x" * 100, repr("x" * 100)),
        ("你好" * 100, repr("你好" * 100)),
        ('{"city":"Paris",' * 20, repr('{"city":"Paris",' * 20)),
        ("word " * 100, repr("word " * 100)),
        (b"123", "<3 bytes>"),
        ([0.5] * 17, "<17 numbers>"),
        ([1, 2], "[1, 2]"),
        ({"data": GIF, "n": [{"b": b"x"}]}, "{'data': <image/gif, 2 x 3, 310 bytes>, 'n': [{'b': <1 bytes>}]}"),
    ],
)
def test_what_is_nothing_to_read_is_printed_as_what_it_is(value: Any, shown: str) -> None:
    assert repr(models.ModelInfo.model_construct(id="m", thing=value)) == f"ModelInfo(id='m', thing={shown})"


def test_pictures_and_vectors_are_printed_briefly() -> None:
    with SDK(server="local") as sdk:
        image = sdk.images.create(model="m", prompt="a cat", size="64x32", response_format="b64_json")
        vector = sdk.embeddings.create(model="m", input="a", dimensions=128)
    assert "b64_json=<image/png, 64 x 32, " in repr(image)
    assert "embedding=<128 numbers>" in repr(vector)


def test_a_chat_reply_is_its_text_and_a_line_of_facts() -> None:
    with SDK(server="local") as sdk:
        html = sdk.chat.create(model="m", messages=SAID)._repr_html_()
    assert "Embedded provider: you said &#x27;Hi&#x27;." in html
    assert "m · 1 tokens in, 5 out · stop · local · " in html


def test_parsed_answers_and_runs_of_tools_are_shown() -> None:
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    with SDK(server="local") as sdk:
        parsed = sdk.chat.parse(model="m", messages=SAID, response_format=dict[str, int] | None)
        run = sdk.chat.run_tools(model="m", messages=SAID, tools=[weather])
    assert repr(parsed).endswith(f", parsed={parsed.parsed!r})")
    assert run._repr_html_() == run.reply._repr_html_()


def test_what_a_model_writes_is_no_html() -> None:
    evil = "<script>alert(1)</script>"
    call = {"id": "1", "type": "function", "function": {"name": evil, "arguments": evil}}
    message = {"content": evil, "reasoning": evil, "tool_calls": [call]}
    choices = [{"message": message, "finish_reason": evil}, {"message": {"refusal": evil}}]
    reply = ChatCompletionResponse.model_validate({"id": evil, "model": evil, "choices": choices, "usage": evil})
    listed = ModelList.model_validate({"data": [{"id": evil, evil: evil, "config": {evil: evil}}]})
    usage = Usage.model_validate({"prompt_tokens": 1, evil: 2})
    for shown in (reply, listed, usage):
        html = shown._repr_html_()
        assert "&lt;script" in html
        assert "<script" not in html
    assert reply._repr_html_().count("&lt;script") == 7


def test_a_reply_that_belongs_to_no_call() -> None:
    reply = CompletionResponse.model_validate({"choices": [{"text": "a"}, {"text": "b"}]})
    html = reply._repr_html_()
    assert html.count("<div") == 3
    assert html.index(">a<") < html.index(">b<")


@pytest.mark.parametrize(
    "images, kind, part",
    [
        ([{"b64_json": GIF}], "image/gif", GIF),
        ([{"url": f"data:image/jpeg;base64,{JPEG}"}], "image/jpeg", JPEG),
        ([{"b64_json": WEBP}], "text/html", f'<img src="data:image/webp;base64,{WEBP}"'),
        ([{"b64_json": SVG}], "text/html", f'<img src="data:image/svg+xml;base64,{SVG}"'),
        (
            [{"b64_json": GIF}, {"url": "https://a.example/?x=1&y"}],
            "text/html",
            '<img src="https://a.example/?x=1&amp;y"',
        ),
    ],
)
def test_images_are_shown(images: list[dict[str, str]], kind: str, part: str) -> None:
    bundle = ImageResponse.model_validate({"data": images})._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", kind}
    assert part in bundle[kind]


@pytest.mark.parametrize("image", [{}, {"url": "javascript:x"}, {"b64_json": "no base64!"}, {"b64_json": "AA=="}])
def test_what_is_no_image_is_printed(image: dict[str, str]) -> None:
    shown = Image(**image)
    assert shown._repr_mimebundle_() == {"text/plain": repr(shown)}


def test_a_large_image_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmsdk.models._shown._MOST_BYTES", 100)
    assert Image(b64_json=WEBP)._repr_mimebundle_().keys() == {"text/plain"}


def test_lists_and_usage_are_tables() -> None:
    rows = [{"id": f"m{number}", "created": 1_700_000_000, "context_length": 128_000} for number in range(103)]
    html = ModelList.model_validate({"data": rows})._repr_html_()
    assert "<th>id</th><th>created</th><th>context length</th>" in html
    assert "<td>2023-11-14</td><td>128,000</td>" in html
    assert "and 3 more" in html
    odd = ModelList.model_validate(
        {"data": [{"id": "m", "created": 0.5, "running": True, "price": 1.25}]}
    )._repr_html_()
    assert ">0.5</td>" in odd
    assert ">True</td>" in odd
    assert ">1.25</td>" in odd


def test_the_usage_of_an_sdk_is_a_table() -> None:
    with SDK(server="local", prices={"m": Price(input_per_million=1.0)}) as sdk:
        sdk.chat.create(model="m", messages=SAID)
        html = sdk.usage._repr_html_()
    assert "<th>prompt tokens</th><th>completion tokens</th><th>total tokens</th><th>cost</th></tr>" in html
    assert "<td>1</td><td>5</td><td>6</td><td>" in html


def test_a_reply_is_not_shown_by_its_private_facts() -> None:
    reply = ChatCompletionResponse.model_validate({"choices": []})
    reply._meta = ReplyMeta(server="local", elapsed_ms=1500)
    assert "local · 1.5 s" in reply._repr_html_()
    assert repr(reply) == "ChatCompletionResponse(choices=[])"
