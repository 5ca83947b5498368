"""What is as secret as a key: which names say so, and what is learnt of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmsdk.utils.secrets import Secrets, is_secret_name


def learnt(
    headers: Mapping[str, str] | None = None, url_params: Mapping[str, Any] | None = None, url: str = "https://h/v1"
) -> set[str]:
    secrets = Secrets()
    secrets.learn(headers or {}, url_params or {}, url)
    return {*secrets}


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Authorization",
            "x-auth",
            "proxy-authorization",
            "Cookie",
            "set-cookie",
            "client_secret",
            "PASSWORD",
            "passwd",
        ),
        *(
            "api-key",
            "api_key",
            "apikey",
            "x-api-key",
            "key",
            "access-key",
            "my_key_id",
            "token",
            "X-Token",
            "access_token",
        ),
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["idempotency-key", "accept", "user-agent", "x-app", "monkey", "keyboard", "max_tokens", "tokenizer", "model"],
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


def test_a_value_is_learnt_whole_and_by_its_parts() -> None:
    cookie = "theme=dark; session=placeholder-1, 12345678;a=1234567"
    assert learnt({"Cookie": cookie}) == {cookie, "placeholder-1", "12345678"}
    assert learnt({"X-Token": "Bearer\tplaceholder-1"}) == {"Bearer\tplaceholder-1", "placeholder-1"}


def test_headers_parameters_and_the_query_are_looked_at() -> None:
    assert (
        learnt({"x-app": "application"}, {"organization_id": "organization"}, "https://h/v1?model=some-model") == set()
    )
    assert learnt(url_params={"access_token": 1234567890}) == {"1234567890"}
    assert learnt(url="https://h/v1?a=b&api_key=place%20holder") == {"place holder"}
    assert learnt(url="https://h/v1/api_key=placeholder") == set()
