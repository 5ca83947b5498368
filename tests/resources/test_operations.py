"""What every operation has to have; what a new one lacks fails here, or in the samples and docs, by its name."""

from __future__ import annotations

import pytest

from llmsdk import SDK
from llmsdk.providers import PROVIDERS
from llmsdk.resources.operations import all_operations
from llmsdk.utils.urls import placeholders

OPERATIONS = all_operations().values()


@pytest.fixture(scope="module")
def sdk() -> SDK:
    return SDK(server="local")


def test_every_operation_is_a_pair_of_methods(sdk: SDK) -> None:
    missing = []
    for operation in OPERATIONS:
        resource = getattr(sdk, operation.resource, None)
        names = (operation.name, f"{operation.name}_async", "preview")
        missing += [f"sdk.{operation.resource}.{name}" for name in names if not callable(getattr(resource, name, None))]
    assert missing == []


def test_every_operation_is_had_by_some_server() -> None:
    had = {name for provider in PROVIDERS.values() for name in provider.routes}
    assert sorted(all_operations().keys() ^ had) == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_required_parameters_are_parameters(operation: object) -> None:
    one = all_operations()[operation.id]  # type: ignore[attr-defined] # an operation
    names = one.request.__annotations__.keys() | set(placeholders(one.path))
    assert one.required | one.query | one.files <= names
    assert (one.chunk is None) == (one.accumulator is None) == (one.as_chunk is None) == (one.example.streamed is None)
