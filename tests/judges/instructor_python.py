"""Instructor, which asks for answers as pydantic models in several ways, against the embedded provider."""

from __future__ import annotations

import instructor
import openai
from pydantic import BaseModel

from llmsdk.local import LocalServer

from .checks import HELLO, KEY, Checks

PACKAGE = "instructor"


class Place(BaseModel):
    city: str
    people: int


def judge(checks: Checks) -> None:
    with LocalServer("openai") as server, openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0) as client:
        for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA):
            create = instructor.from_openai(client, mode=mode).chat.completions
            asked = {"model": "m", "messages": HELLO, "response_model": Place, "max_retries": 0}
            checks.run(f"{mode.name}", lambda: isinstance(create.create(**asked), Place))
            checks.run(f"{mode.name} partial", lambda: list(create.create_partial(**asked))[-1].city != "")
        many = instructor.from_openai(client, mode=instructor.Mode.TOOLS).chat.completions
        checks.run(
            "iterable", lambda: len(list(many.create_iterable(model="m", messages=HELLO, response_model=Place))) >= 1
        )
