"""A secret stays one, and the same, wherever it is copied to."""

from __future__ import annotations

import copy

from llmsdk.utils.secrets import Secret


def test_copies_of_a_secret_are_the_secret() -> None:
    secret = Secret("sk-placeholder")
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"api_key": [secret]})["api_key"][0] is secret
    assert "placeholder" not in repr(secret)
