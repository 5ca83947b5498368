"""The tree of errors, and that each of them travels: pickle, deepcopy, process pools, notes, groups."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from llmsdk import SDK, errors
from llmsdk.errors import base, status
from llmsdk.errors.status import class_for
from llmsdk.models import CompletionResponse
from llmsdk.providers import OPENAI
from llmsdk.utils.headers import Headers

PARENTS: dict[str, tuple[str, ...]] = {
    "ConfigurationError": ("SDKError", "ValueError"),
    "CassetteError": ("ConfigurationError",),
    "BatchError": ("SDKError",),
    "BudgetExceededError": ("SDKError",),
    "RequestValidationError": ("SDKError", "ValueError"),
    "UnsupportedParameterError": ("RequestValidationError",),
    "UnsupportedOperationError": ("RequestValidationError",),
    "APIStatusError": ("SDKError",),
    "SDKDefaultError": ("APIStatusError",),
    "APIConnectionError": ("SDKError",),
    "APITimeoutError": ("APIConnectionError",),
    "DeadlineExceededError": ("APITimeoutError",),
    "StreamInterruptedError": ("APIConnectionError",),
    "StreamTimeoutError": ("StreamInterruptedError", "APITimeoutError"),
    "ResponseValidationError": ("SDKError",),
}
STATUSES = {
    400: "BadRequestError", 401: "AuthenticationError", 402: "PaymentRequiredError", 403: "PermissionDeniedError",
    404: "NotFoundError", 408: "RequestTimeoutError", 409: "ConflictError", 413: "PayloadTooLargeError",
    422: "UnprocessableEntityError", 429: "RateLimitError", 500: "InternalServerError", 502: "BadGatewayError",
    503: "ServiceUnavailableError", 504: "GatewayTimeoutError",
}  # fmt: skip


def limits(headers: Any) -> errors.RateLimit:
    return errors.RateLimit(requests=errors.Limit(limit=float(headers["x-limit"])))


def meta_of() -> errors.ReplyMeta:
    return errors.ReplyMeta(
        "together",
        429,
        Headers([("X-Request-ID", "r-1"), ("x-limit", "5"), ("via", "a"), ("via", "b")]),
        "r-1",
        attempts=(errors.Attempt("together", 429, None, 1.5),),
        elapsed_ms=2.5,
        dropped=("echo",),
        read_limits=limits,
    )


def one_of_each() -> list[errors.SDKError]:
    """Make an error of every class, with everything in it."""
    common: dict[str, Any] = {
        "meta": meta_of(),
        "partial": CompletionResponse.model_validate({"choices": [{"text": "a"}]}),
    }
    cut = {**common, "body": "half of a b"}
    stated = {
        **common,
        "code": "c",
        "type": "t",
        "param": "p",
        "body": "b",
        "data": {"error": {"x": [1]}},
        "retry_after_s": 2.0,
    }
    made: list[errors.SDKError] = [
        errors.SDKError("m"),
        errors.ConfigurationError("m"),
        errors.CassetteError("m"),
        errors.BatchError("m", path="in.jsonl", line=7),
        errors.BudgetExceededError("m", bound="cost", limit=1.0, spent=0.5, reserved=0.25, needed=0.5),
        errors.RequestValidationError("m", param="prompt"),
        errors.UnsupportedParameterError("m", param="echo", server="r9s", servers=("together",)),
        errors.UnsupportedOperationError("m", operation="editImage", server="writer", servers=()),
        errors.RemoteError("m", **common),
        errors.APIStatusError("m", status_code=418, **stated),
        errors.SDKDefaultError("m", status_code=418, **stated),
        errors.APIConnectionError("m", **cut),
        errors.APITimeoutError("m", **cut),
        errors.DeadlineExceededError("m", **cut),
        errors.StreamInterruptedError("m", reason="truncated", **cut),
        errors.StreamTimeoutError("m", **cut),
        errors.ResponseValidationError("m", status_code=200, body="<html>", **common),
    ]
    return made + [class_for(status)("m", status_code=status, **stated) for status in STATUSES]


def public() -> set[type[errors.SDKError]]:
    """Find the classes of what a call itself can come to."""
    kinds = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    return {kind for kind in kinds if kind in (*vars(base).values(), *vars(status).values())}


def test_classes_name_the_path_that_users_import() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SDKError)]
    assert len(kinds) > 30
    assert {kind.__module__ for kind in kinds} == {"llmsdk.errors"}
    assert SDK.__module__ == "llmsdk"

    class Own(errors.NotFoundError):
        """A caller's."""

    assert Own.__module__ == __name__


@pytest.fixture
def error(request: pytest.FixtureRequest) -> errors.SDKError:
    """One of each class, made anew."""
    return one_of_each()[request.param]


def state(error: BaseException) -> dict[str, Any]:
    fields = {name: value for name, value in vars(error).items() if name != "meta"}
    meta = getattr(error, "meta", None)
    told = None if meta is None else (meta, meta.rate_limit, meta.headers["x-request-id"], meta.headers["via"])
    return {**fields, "args": error.args, "str": str(error), "told": told}


# --------------------------------------------------------------------- tree


def test_the_tree_is_that_of_the_contract() -> None:
    parents = PARENTS | dict.fromkeys(STATUSES.values(), ("APIStatusError",))
    for name, bases in parents.items():
        kind = getattr(errors, name)
        # RemoteError is the one class beside the tree: what errors that began with a send have in common.
        told = tuple("SDKError" if base is errors.RemoteError else base.__name__ for base in kind.__bases__)
        assert told == bases, name
    assert {kind.__name__ for kind in public()} == {*parents, "SDKError", "RemoteError"}
    assert errors.SDKError.__bases__ == (Exception,)
    assert errors.NoResponseError is errors.APIConnectionError
    assert set(errors.__all__) <= set(vars(errors))


def test_one_of_each_is_of_every_public_class() -> None:
    assert {type(error) for error in one_of_each()} == public()
    assert len(one_of_each()) == 31


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_its_class(status: int) -> None:
    kind = class_for(status)
    assert kind.__name__ == STATUSES.get(status, "SDKDefaultError")
    assert kind.status == (status if status in STATUSES else None)


def test_a_class_registers_its_status_and_takes_none_away() -> None:
    before = dict(errors.APIStatusError.statuses)
    try:

        class TeapotError(errors.APIStatusError, status=418):
            """A status of one's own."""

        class MineError(errors.RateLimitError, status=429):
            """A status that has a class already."""

        assert class_for(418) is TeapotError
        assert class_for(429) is errors.RateLimitError
        assert MineError.status == 429
    finally:
        errors.APIStatusError.statuses.clear()
        errors.APIStatusError.statuses.update(before)
    assert class_for(418) is errors.SDKDefaultError


# ------------------------------------------------------------------- fields


def test_fields_of_a_status_error() -> None:
    error = next(one for one in one_of_each() if type(one) is errors.RateLimitError)
    assert isinstance(error, errors.RateLimitError)
    assert (error.status_code, error.message, error.code, error.type, error.param) == (429, "m", "c", "t", "p")
    assert (error.body, error.data, error.retry_after_s) == ("b", {"error": {"x": [1]}}, 2.0)
    assert (error.server, error.request_id, error.headers["x-REQUEST-id"]) == ("together", "r-1", "r-1")
    assert error.meta is not None
    assert error.meta.attempts[0].status == 429
    assert error.meta.rate_limit.requests.limit == 5.0
    assert str(error) == "429: m (request id r-1)"


def test_an_error_object_inside_a_reply_says_so() -> None:
    meta = errors.ReplyMeta("together", 200)
    assert str(errors.SDKDefaultError("boo", status_code=200, meta=meta)) == "an error object inside a 200 reply: boo"
    mapped = errors.RateLimitError("boo", status_code=429, meta=meta)
    assert str(mapped) == "429 (an error object inside a 200 reply): boo"
    assert str(errors.SDKDefaultError("boo", status_code=302, meta=errors.ReplyMeta("s", 302))) == "302: boo"
    assert str(errors.SDKDefaultError("boo", status_code=204)) == "204: boo"


def test_an_error_of_no_reply_has_empty_fields() -> None:
    error = errors.APIConnectionError("m")
    assert error.body == ""
    assert (error.server, error.request_id, error.headers, error.meta, error.partial) == (None, None, {}, None, None)
    assert str(error) == "m"
    assert errors.ReplyMeta("s").rate_limit == errors.RateLimit()


@pytest.mark.parametrize("error", range(30), ids=str, indirect=True)
def test_the_text_stays_readable(error: errors.SDKError) -> None:
    error.message = "x" * 1_000_000
    if isinstance(error, errors.RemoteError) and error.meta is not None:
        error.meta.request_id = "y" * 90_000
    assert len(str(error)) <= 20_000
    assert "1000000 characters" in str(error)


# ------------------------------------------------------------------- travel


@pytest.mark.parametrize("error", range(30), ids=str, indirect=True)
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(error: errors.SDKError, protocol: int) -> None:
    error.add_note("a note")
    back = pickle.loads(pickle.dumps(error, protocol))
    assert type(back) is type(error)
    assert state(back) == state(error)
    assert back.__notes__ == ["a note"]


@pytest.mark.parametrize("error", range(30), ids=str, indirect=True)
def test_copies(error: errors.SDKError) -> None:
    for back in (copy.deepcopy(error), copy.copy(error)):
        assert type(back) is type(error)
        assert back is not error
        assert state(back) == state(error)
    if isinstance(error, errors.APIStatusError):
        assert copy.deepcopy(error).data is not error.data


def test_an_error_without_a_message_travels_too() -> None:
    bare = errors.SDKError.__new__(errors.SDKError)
    bare.message = "later"
    assert str(pickle.loads(pickle.dumps(bare))) == "later"


def fail(index: int) -> None:
    raise one_of_each()[index]


@pytest.mark.slow
def test_every_class_comes_back_from_a_process_pool() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for index, expected in enumerate(one_of_each()):
            error = pool.submit(fail, index).exception(timeout=60)
            assert type(error) is type(expected)
            assert state(error) == state(expected)


# --------------------------------------------------------------- as exceptions


def test_groups_take_them_apart() -> None:
    caught: list[str] = []
    try:
        raise ExceptionGroup("both", [errors.RateLimitError("m", status_code=429), errors.APITimeoutError("t")])
    except* errors.APIStatusError as group:
        caught += [type(one).__name__ for one in group.exceptions]
    except* errors.APIConnectionError as group:
        caught += [type(one).__name__ for one in group.exceptions]
    assert caught == ["RateLimitError", "APITimeoutError"]


def test_raise_from_and_notes() -> None:
    cause = OSError("reset")
    with pytest.raises(errors.NoResponseError) as info:
        raise errors.APIConnectionError("m") from cause
    assert info.value.__cause__ is cause
    info.value.add_note("while testing")
    assert info.value.__notes__ == ["while testing"]


def test_mistakes_of_the_caller_are_value_errors() -> None:
    with pytest.raises(ValueError, match="m"):
        raise errors.UnsupportedParameterError("m", param="p", server="s", servers=())
    assert not issubclass(errors.APIStatusError, ValueError)


def test_a_stream_timeout_says_idle() -> None:
    error = errors.StreamTimeoutError("m", partial=5)
    assert (error.reason, error.partial) == ("idle", 5)
    assert isinstance(error, errors.StreamInterruptedError)
    assert isinstance(error, errors.APITimeoutError)


def test_meta_travels_with_its_limits() -> None:
    meta = meta_of()
    back = pickle.loads(pickle.dumps(meta))
    assert back.read_limits is None
    assert back.rate_limit == meta.rate_limit
    assert repr(OPENAI.limits) not in repr(meta)
