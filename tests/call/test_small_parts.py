"""Countdowns, bodies, keys, pages and fetched files."""

from __future__ import annotations

import gzip
import json
import pickle
import socket
from typing import Any

import httpx
import pytest

from call.flowkit import KEY, Clock, Player, Turn, env_of, failure, fetched, make_call, paged, reply
from llmsdk import errors
from llmsdk._call.countdown import Countdown
from llmsdk._call.effects import TransportFailure
from llmsdk._call.keys import KeySource, check_key
from llmsdk._call.observed import Observed
from llmsdk._call.reply.body import BodyReader
from llmsdk.observers import CallInfo
from llmsdk.providers.spec import Page
from llmsdk.utils import BackoffStrategy, RetryConfig
from llmsdk.utils.secrets import Secret, Secrets

# ---------------------------------------------------------------- countdown


def test_a_countdown_knows_what_is_left() -> None:
    clock = Clock()
    countdown = Countdown(5, clock)
    assert countdown.left() == 5.0
    clock.now += 4.5
    countdown.check()
    assert countdown.left() == 0.5
    clock.now += 0.5
    with pytest.raises(TimeoutError):
        countdown.check()
    countdown.restart(3)
    countdown.check()
    countdown.shorten(10)
    assert countdown.left() == 3
    countdown.shorten(1)
    assert countdown.left() == 1


# --------------------------------------------------------------------- body


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize("coding", [None, "identity", "gzip"])
def test_a_body_in_pieces(size: int, coding: str | None) -> None:
    whole = b"0123456789" * 20
    raw = gzip.compress(whole) if coding == "gzip" else whole
    reader = BodyReader(coding, 200)
    for at in range(0, len(raw), size):
        assert reader.feed(raw[at : at + size])
    assert reader.finish() == whole
    assert reader.received() == whole


def test_an_empty_body() -> None:
    assert BodyReader(None, 10).finish() == b""


def test_a_body_beyond_its_bound_is_refused_or_cut() -> None:
    reader = BodyReader(None, 10)
    assert reader.feed(b"0123456789")
    with pytest.raises(TransportFailure) as info:
        reader.feed(b"x")
    assert (info.value.kind, info.value.began, info.value.body) == ("too large", True, b"0123456789")
    assert "10 bytes" in str(info.value)
    reader = BodyReader(None, 10, truncate=True)
    assert reader.feed(b"0123")
    assert not reader.feed(b"456789abc")
    assert reader.received() == b"0123456789"


def test_a_bomb_is_stopped_at_the_bound() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(TransportFailure) as info:
        BodyReader("gzip", 100_000).feed(bomb)
    assert info.value.kind == "too large"
    assert len(info.value.body) <= 100_000
    reader = BodyReader("gzip", 1_000, truncate=True)
    assert not reader.feed(bomb)
    assert reader.received() == b"\0" * 1_000


def test_a_broken_coding_keeps_what_came() -> None:
    raw = gzip.compress(b"0123456789" * 50_000)
    for use in (BodyReader("rot13", 10).finish, lambda: BodyReader("rot13", 10).feed(b"x")):
        with pytest.raises(TransportFailure) as info:
            use()
        assert info.value.kind == "coding"
    reader = BodyReader("gzip", 10**6)
    reader.feed(raw[: len(raw) // 2])
    with pytest.raises(TransportFailure) as info:
        reader.finish()
    assert info.value.kind == "coding"
    assert info.value.body.startswith(b"0123456789")
    with pytest.raises(TransportFailure) as info:
        BodyReader("gzip", 10**6).feed(b"not gzip")
    assert info.value.kind == "coding"
    with pytest.raises(TransportFailure) as info:
        list(BodyReader("gzip", 10**6).decoded(b"not gzip"))
    assert info.value.kind == "coding"


def test_the_text_of_an_error_that_only_says_that_it_is_coded_is_kept() -> None:
    reader = BodyReader("gzip", 12, truncate=True)
    assert reader.feed("sch\u00f6n".encode())
    assert reader.feed(b" bad")
    assert not reader.feed(b" gateway")
    assert reader.received() == b"sch\xc3\xb6n bad g"
    for before, raw, body in (
        (b"", b"half\0coded", b""),
        (b"", b"\xff\xfe", b""),
        (gzip.compress(b"whole")[:-8], b"otherwise", b"whole"),
    ):
        reader = BodyReader("gzip", 100, truncate=True)
        reader.feed(before)
        with pytest.raises(TransportFailure) as info:
            reader.feed(raw)
        assert (info.value.kind, info.value.body) == ("coding", body)


# --------------------------------------------------------------------- keys


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret(KEY)
    secrets = Secrets()
    secrets.add(secret)
    source = KeySource(secret, "Bearer {api_key}")
    for shown in (repr(secret), str(secret), f"{secret}", repr(source), repr(secrets)):
        assert KEY not in shown
    assert list(secrets) == [KEY]
    assert secret.reveal() == KEY
    with pytest.raises(errors.ConfigurationError, match="api_key: a literal key cannot be pickled"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    "bad, words",
    [
        ("", "empty"),
        (" ", "empty"),
        ("a\nb", "newline"),
        ("a\rb", "newline"),
        ("a\x00b", "control"),
        ("a\x7fb", "control"),
        ("a\x85b", "control"),
        ("kl\u00fc\u0142", "Latin-1"),
        (" a", "blanks"),
        ("a ", "blanks"),
        (5, "string"),
        (None, "string"),
    ],
)
def test_what_cannot_be_a_key_is_refused_without_showing_it(bad: Any, words: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"^NAME: ") as info:
        check_key(Secret(bad), "NAME")
    assert words in str(info.value)
    if isinstance(bad, str) and len(bad) > 2:
        assert bad not in str(info.value)


def test_latin_1_is_a_key() -> None:
    assert check_key(Secret("sch\u00f6n-placeholder"), "k").reveal() == "sch\u00f6n-placeholder"


# -------------------------------------------------------------------- pages

PAGE = Page(more="$.has_more", cursor="$.last_id", param="after")


def pages(*bodies: Any, page: Page = PAGE) -> tuple[Player, Any]:
    raw = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
    turns = [reply(200, body, headers={"x-echo": KEY}) for body in raw]
    player = Player(turns)
    call = make_call(method="GET", url="https://host.example/v1/models?x=1", content=None)
    try:
        return player, player.run(paged(call, page, env_of(player.clock)))
    except errors.SDKError as exc:
        return player, exc


def test_a_list_is_asked_for_page_by_page() -> None:
    player, received = pages(
        {"has_more": True, "last_id": "a&b"}, {"has_more": True, "last_id": "c"}, {"has_more": False, "last_id": "d"}
    )
    assert len(received) == 3
    assert [str(request.url) for request in player.requests] == [
        "https://host.example/v1/models?x=1",
        "https://host.example/v1/models?x=1&after=a%26b",
        "https://host.example/v1/models?x=1&after=c",
    ]
    player.check_closed()


@pytest.mark.parametrize(
    "last",
    [{"data": []}, {"has_more": False, "last_id": "a"}, {"has_more": "yes", "last_id": "a"}, b"", b"<html>", [], None],
)
def test_a_list_ends_where_no_next_page_is_named(last: Any) -> None:
    _, received = pages(last)
    assert len(received) == 1


@pytest.mark.parametrize("cursor", [{}, {"last_id": ""}, {"last_id": None}, {"last_id": True}, {"last_id": ["a"]}])
def test_a_list_that_goes_on_nowhere_is_an_error(cursor: dict[str, Any]) -> None:
    _, error = pages({"has_more": True, "last_id": "a"}, {"has_more": True, **cursor})
    assert type(error) is errors.ResponseValidationError
    assert error.message == "the server says that its list goes on, and not from where"
    assert (error.meta.status_code, error.headers["x-echo"]) == (200, "***")


def test_a_cursor_may_be_a_number() -> None:
    player, received = pages({"has_more": True, "last_id": 0}, {"has_more": False, "last_id": 7})
    assert len(received) == 2
    assert str(player.requests[1].url).endswith("?x=1&after=0")


@pytest.mark.parametrize("last", [{"next": None}, {"next": ""}, {"next": False}, {}])
def test_a_server_that_names_no_more_but_a_cursor(last: dict[str, Any]) -> None:
    _, received = pages({"next": "a"}, last, page=Page(cursor="$.next", param="cursor"))
    assert len(received) == 2


def test_a_cursor_that_comes_again_is_an_error() -> None:
    player, error = pages(*[{"has_more": True, "last_id": "a"}] * 5)
    assert type(error) is errors.ResponseValidationError
    assert "repeats" in str(error)
    assert error.headers["x-echo"] == "***"
    assert len(player.requests) == 2


def test_pages_without_end_are_an_error() -> None:
    player, error = pages(*[{"has_more": True, "last_id": str(number)} for number in range(1_005)])
    assert type(error) is errors.ResponseValidationError
    assert error.headers["x-echo"] == "***"
    assert len(player.requests) == 1_000


def test_an_error_on_a_later_page_is_that_of_the_call() -> None:
    turns = [reply(200, b'{"has_more": true, "last_id": "a"}'), reply(404)]
    player = Player(turns)
    call = make_call(method="GET", content=None)
    with pytest.raises(errors.NotFoundError):
        player.run(paged(call, PAGE, env_of(Clock())))
    player.check_closed()


# ------------------------------------------------------------------ fetching


def test_a_file_is_fetched_without_a_key() -> None:
    player, body = fetched(reply(200, b"PNG"))
    assert body == b"PNG"
    assert player.names() == ["invoke", "send", "pull", "pull", "close", "close"]
    assert player.requests[0].method == "GET"
    assert "authorization" not in player.requests[0].headers
    assert fetched(reply(200, b"x" * 100))[1] == b"x" * 100
    error = fetched(reply(200, b"x" * 101))[1]
    assert isinstance(error, errors.ResponseValidationError)
    assert str(error) == "the file is larger than 100 bytes"


def test_redirects_are_followed_and_each_target_is_checked() -> None:
    player, body = fetched(
        reply(302, headers={"location": "/b"}),
        reply(301, headers={"location": "https://x.example/c#f"}),
        reply(200, b"PNG"),
    )
    assert body == b"PNG"
    assert player.names() == ["invoke", "send", "close"] * 2 + [*("invoke", "send", "pull", "pull", "close", "close")]
    addresses = {"files.example": ["8.8.8.8"], "inside.example": ["10.0.0.1"]}
    player, error = fetched(reply(302, headers={"location": "http://inside.example/"}), addresses=addresses)
    assert isinstance(error, errors.ResponseValidationError)
    assert "private" in str(error)
    assert len(player.requests) == 1
    player.check_closed()


def test_redirects_without_end() -> None:
    player, error = fetched(*[reply(302, headers={"location": "/b"}) for _ in range(9)])
    assert isinstance(error, errors.ResponseValidationError)
    assert len(player.requests) == 6
    player.check_closed()


@pytest.mark.parametrize(
    "location",
    [
        "http://[bad",
        "file:///etc/passwd",
        "ftp://x.example/",
        "https://u:p@x.example/",
        "https://x.example:99999/",
        "javascript:alert(1)",
        "https://x.example/" + "y" * 70_000,
    ],
)
def test_redirects_to_what_is_not_fetched(location: str) -> None:
    player, error = fetched(reply(302, headers={"location": location}))
    assert isinstance(error, errors.ResponseValidationError), repr(error)
    player.check_closed()
    player, error = fetched(url=location)
    assert isinstance(error, errors.ResponseValidationError), repr(error)
    assert player.steps == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%lo", "::ffff:192.168.0.1", "0.0.0.0"]
)
def test_private_networks_are_not_fetched_from(address: str) -> None:
    player, error = fetched(addresses=("8.8.8.8", address))
    assert isinstance(error, errors.ResponseValidationError)
    assert "allow_private" in str(error)
    assert player.requests == []
    assert fetched(reply(200, b"PNG"), addresses=(address,), allow_private=True)[1] == b"PNG"
    assert fetched(reply(200, b"PNG"), addresses=(address,), home="https://files.example/v1")[1] == b"PNG"


def test_a_name_that_leads_elsewhere_the_second_time() -> None:
    class Peer:
        def get_extra_info(self, name: str) -> object:
            return ("10.0.0.1", 443) if name == "server_addr" else None

    turn = reply(200, b"PNG")
    assert isinstance(turn.outcome, httpx.Response)
    turn.outcome.extensions["network_stream"] = Peer()
    _, error = fetched(turn, addresses=("8.8.8.8",))
    assert isinstance(error, errors.ResponseValidationError)
    assert "private" in str(error)


@pytest.mark.parametrize("problem", [socket.gaierror("unknown"), UnicodeError("label too long")])
def test_a_host_that_is_not_known(problem: Exception) -> None:
    _, error = fetched(addresses=problem)
    assert type(error) is errors.APIConnectionError
    assert error.__cause__ is problem


@pytest.mark.parametrize(
    "turn, kind",
    [
        (failure("timeout"), errors.APITimeoutError),
        (failure("network"), errors.APIConnectionError),
        (reply(200, TransportFailure("timeout", "slow")), errors.APITimeoutError),
        (reply(200, TransportFailure("coding", "bad")), errors.ResponseValidationError),
        (reply(200, TransportFailure("network", "cut")), errors.APIConnectionError),
        (reply(404), errors.NotFoundError),
        (reply(418), errors.SDKDefaultError),
        (reply(302), errors.SDKDefaultError),
        (reply(204), errors.SDKDefaultError),
    ],
)
def test_a_file_that_does_not_come(turn: Turn, kind: Any) -> None:
    player, error = fetched(turn)
    assert type(error) is kind
    player.check_closed()


def test_a_fetch_that_is_interrupted_closes_and_one_that_is_dropped_asks_for_nothing() -> None:
    player, error = fetched(reply(200, KeyboardInterrupt()))
    assert isinstance(error, KeyboardInterrupt)
    player.check_closed()
    player, error = fetched(reply(200, GeneratorExit()))
    assert isinstance(error, GeneratorExit)
    assert player.names() == ["invoke", "send", "pull"]


def test_a_fetch_is_bounded_as_a_whole() -> None:
    player, _ = fetched(reply(302, headers={"location": "/b"}, takes_s=4), reply(200, b"x"))
    assert player.sends[1].countdown.left() == pytest.approx(6.0)
    player, error = fetched(reply(302, headers={"location": "/b"}, takes_s=4), reply(200, b"x", reading_s=7))
    assert type(error) is errors.APITimeoutError
    player.check_closed()


def test_a_storage_that_is_busy_is_asked_again() -> None:
    turns = (reply(503), failure("connect"), reply(200, b"PNG"))
    player, body = fetched(*turns, retries=RetryConfig("backoff", BackoffStrategy(1, 1, 1, 9_000), True))
    assert (body, len(player.requests)) == (b"PNG", 3)
    player.check_closed()


def test_what_a_proxy_carries_is_guarded_by_name() -> None:
    class Proxy:
        def get_extra_info(self, name: str) -> object:
            return ("10.0.0.1", 3128) if name == "server_addr" else None

    turn = reply(200, b"PNG")
    assert isinstance(turn.outcome, httpx.Response)
    turn.outcome.extensions["network_stream"] = Proxy()
    assert fetched(turn, proxied=True)[1] == b"PNG"
    assert "private" in str(fetched(turn, addresses=("10.1.1.1",), proxied=True)[1])
    error = fetched(addresses=socket.gaierror("unknown"), proxied=True)[1]
    assert type(error) is errors.APIConnectionError
    assert str(error) == (
        "the file's host files.example is not known; a proxy may know it: allow_private=True leaves that to the proxy"
    )
    assert fetched(turn, addresses=socket.gaierror("unknown"), proxied=True, allow_private=True)[1] == b"PNG"


# ---------------------------------------------------------------- observers


class _Told:
    """An observer and its observation: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, call: CallInfo) -> Any:
        return self

    def headers(self) -> dict[str, str]:
        return {}

    def at_server(self, server: str, base_url: str, model: str | None) -> None:
        self.told.append(server)

    def first_event(self) -> None:
        self.told.append("first event")

    def finished(self, reply: Any, meta: Any) -> None:
        self.told.append("finished")

    def abandoned(self, reply: Any, meta: Any) -> None:
        self.told.append("abandoned")

    def failed(self, error: BaseException, partial: Any) -> None:
        self.told.append("failed")


def test_observers_are_told_of_a_first_event_and_of_an_end_once() -> None:
    told = _Told()
    observed = Observed((told,), CallInfo("createChatCompletion", "chat", "together", "http://127.0.0.1", {}, True))
    observed.first_event()
    observed.first_event()
    observed.failed(OSError("broken"))
    observed.failed(OSError("closed after that"))
    assert told.told == ["first event", "failed"]
