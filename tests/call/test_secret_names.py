"""One verdict on what a name says of its value, in previews, cassettes, errors, logs, pickles and on the screen."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import llmsdk.ray
from llmsdk import SDK, Cassette
from llmsdk.cli.setup import Setup, tell
from llmsdk.errors import APIStatusError, ConfigurationError, ReplyMeta
from llmsdk.frames import FrameWorker
from llmsdk.frames.plan import Plan
from llmsdk.local import Fault, LocalServer
from llmsdk.utils.headers import Headers
from llmsdk.utils.secrets import is_secret_name, shown_url

VALUE = "placeholder-0123456789"
SECRET = (
    *("authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "x-auth-token"),
    *("x-amz-security-token", "ocp-apim-subscription-key", "x-functions-key", "api-subscription-key", "apikey"),
    *("x-rapidapi-key", "private-token", "cf-access-client-secret", "cf-access-jwt-assertion", "x-hub-signature-256"),
    *("X-Amz-Signature", "X-Amz-Credential", "x-vault-token", "helicone-auth", "accesstoken", "x-sessionkey", "dpop"),
)
OPEN = (
    *(
        "idempotency-key",
        "x-idempotency-key",
        "x-request-id",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-limit-tokens",
    ),
    *("x-ratelimit-token-limit", "max-tokens", "x-max-token", "user-agent", "x-app", "x-portkey-provider", "x-author"),
    *("x-cache-key", "surrogate-key", "x-token-count", "tokenizer", "x-amz-date", "traceparent", "openai-organization"),
)
# Names that a query has and a header hardly.
QUERY_SECRET = (*SECRET, "key", "sig", "code", "access_token", "subscription-key", "AWSAccessKeyId", "client_secret")
QUERY_OPEN = (*OPEN, "api-version", "page_token", "pageToken", "se", "sp", "max_tokens", "model")

CARRIERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an SDK": lambda options: SDK(server="local", **options),
    "the SDK of frames": lambda options: Plan(sdk=options),
    "the calls of frames": lambda options: Plan(options=options),
    "the SDK of Ray": lambda options: llmsdk.ray.Plan(sdk=options),
    "a worker of frames": lambda options: FrameWorker(Plan(options=options)),
}


@pytest.mark.parametrize("name", QUERY_SECRET)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)
    assert is_secret_name(name.upper())
    assert is_secret_name(name.lower())


@pytest.mark.parametrize("name", [*QUERY_OPEN, "", "www-authenticate", "proxy-authenticate", ":authority", None, 5])
def test_other_names(name: Any) -> None:
    assert not is_secret_name(name)


@pytest.fixture(scope="module")
def server() -> Any:
    with LocalServer(dialect="openai") as server:
        yield server


def told_of(name: str, place: str, server: LocalServer, path: Path, caplog: Any, capsys: Any) -> dict[str, str]:
    """Send a value under a name to a server that repeats it, and collect what is shown of the call."""
    given: dict[str, Any] = {"server": "openai", "server_url": server.url, "api_key": "sk-placeholder"}
    given |= {"http_headers": {name: VALUE}} if place == "header" else {"server_url": f"{server.url}?{name}={VALUE}"}
    ask: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    shown: dict[str, str] = {}
    caplog.set_level(logging.DEBUG)
    server.script(Fault(status=400, body={"error": {"message": f"what is {VALUE}?"}}, headers={"x-echo": VALUE}))
    with Cassette(path) as tape, SDK(**given, client=tape.client(), debug_logger=logging.getLogger("debug")) as sdk:
        preview = sdk.chat.preview(**ask)
        shown["preview"] = f"{preview!r} {preview.as_curl()}"
        with pytest.raises(APIStatusError) as caught:
            sdk.chat.create(**ask)
    error = caught.value
    shown["error"] = f"{error} {error.data} {error.body} {dict(error.headers)}"
    shown["pickled error"] = pickle.dumps(error).decode("latin-1")
    shown["cassette"] = path.read_text("utf-8")
    shown["log"] = "\n".join(record.getMessage() for record in caplog.records if record.name in ("debug", "llmsdk"))
    if place == "header":
        shown["repr of headers"] = repr(Headers({name: VALUE}))
        tell(replace(ReplyMeta("openai"), headers=Headers({name: VALUE})), Setup(None, None, debug=True))
        shown["command line"] = capsys.readouterr().err
    else:
        shown["URL"] = shown_url(given["server_url"])
    return shown


@pytest.mark.parametrize(
    "place, name",
    [
        *(("header", name) for name in (*SECRET, *OPEN) if name != "user-agent"),
        *(("query", name) for name in (*QUERY_SECRET, *QUERY_OPEN)),
    ],
)
def test_the_verdict_is_the_same_everywhere(
    place: str, name: str, server: LocalServer, tmp_path: Path, caplog: Any, capsys: Any
) -> None:
    shown = told_of(name, place, server, tmp_path / "tape.jsonl", caplog, capsys)
    if is_secret_name(name):
        assert [where for where, text in shown.items() if VALUE in text] == []
    else:
        # The log has no headers and no queries at all; a recording has the headers of the reply.
        assert [where for where, text in shown.items() if VALUE not in text] == ["log"]


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", SECRET)
def test_a_header_with_a_secret_is_not_pickled(carrier: str, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        pickle.dumps(CARRIERS[carrier]({"http_headers": {"x-app": "mine", name: VALUE}}))
    assert f"http_headers: {name!r}" in str(caught.value)
    assert VALUE not in str(caught.value)


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("name", OPEN)
def test_other_headers_are_pickled(carrier: str, name: str) -> None:
    carried = CARRIERS[carrier]({"http_headers": {name: VALUE}})
    assert VALUE.encode() in pickle.dumps(carried)
    assert type(pickle.loads(pickle.dumps(carried))) is type(carried)


@pytest.mark.parametrize(
    "options, place",
    [
        ({"server_url": f"http://127.0.0.1:1/v1?key={VALUE}"}, "server_url: 'key' in its query"),
        (
            {"server_url": "http://127.0.0.1:1/{access_token}", "url_params": {"access_token": VALUE}},
            "url_params: 'acc",
        ),
    ],
)
def test_a_url_with_a_secret_is_not_pickled(options: dict[str, Any], place: str) -> None:
    for made in (lambda: SDK(**options), lambda: Plan(sdk=options)):
        with pytest.raises(ConfigurationError) as caught:
            pickle.dumps(made())
        assert place in str(caught.value)
        assert VALUE not in str(caught.value)


def test_the_log_shows_no_key_in_a_path(server: LocalServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url, params = f"{server.url}/{{access_token}}", {"access_token": VALUE}
    logger = logging.getLogger("debug")
    sdk = SDK(server="openai", server_url=url, url_params=params, api_key="sk-placeholder", debug_logger=logger)
    with sdk, pytest.raises(APIStatusError):
        sdk.chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    shown = [record.getMessage() for record in caplog.records if record.name == "debug"]
    assert any(f"{server.url}/***/chat/completions" in line for line in shown)
    assert VALUE not in "".join(shown)


def test_a_plan_that_got_a_key_since_is_not_pickled() -> None:
    options: dict[str, Any] = {"http_headers": {"x-app": "mine"}}
    plan = Plan(sdk=options)
    options["http_headers"]["x-goog-api-key"] = VALUE
    with pytest.raises(ConfigurationError, match="'x-goog-api-key' holds a key"):
        pickle.dumps(plan)


def test_a_call_with_a_query_of_its_own_does_not_travel_in_a_plan() -> None:
    with pytest.raises(ConfigurationError, match="options: extra_query: 'key' holds a key"):
        Plan(options={"extra_query": {"key": VALUE}})
    assert json.dumps(VALUE) not in str(Plan(options={"extra_query": {"api-version": "1"}}))


@pytest.mark.parametrize(
    "url, shown",
    [
        ("https://h/v1", "https://h/v1"),
        ("https://user:placeholder@h/v1", "https://h/v1"),
        ("https://h/v1?a=b%20c&key=placeholder&d", "https://h/v1?a=b%20c&key=***&d"),
        ("https://h/v1?%6Bey=placeholder", "https://h/v1?%6Bey=***"),
        ("https://h/v1?key&key=", "https://h/v1?key&key=***"),
    ],
)
def test_urls_are_shown_without_secrets(url: str, shown: str) -> None:
    assert shown_url(url) == shown
