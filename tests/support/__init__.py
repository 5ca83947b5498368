"""Helpers of the tests; nothing in here is a test."""

import re


def shown(value: object) -> str:
    """Write a value as the id of a test, the same in every process: without addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
