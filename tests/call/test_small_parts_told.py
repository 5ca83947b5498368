"""What fetching a file, asking page by page and moving on to other servers say, and their edges."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from call.flowkit import Clock, Player, Turn, failure, fetched, make_call, reply
from call.test_failover_flow import hosts, play_servers
from call.test_small_parts import pages
from llmsdk import errors
from llmsdk._call.effects import TransportFailure
from llmsdk._call.failover.cooldowns import Cooldowns
from llmsdk._call.failover.flow import covers
from llmsdk._call.preview import UPLOAD, _form
from llmsdk._call.reply.body import BodyReader
from llmsdk.providers.spec import Page

FILE = "https://files.example/a.png"
NO_FILE = (
    "the file could not be fetched: no reply from https://files.example (server 'together') after 1 attempt in 0 ms: "
    "broken"
)
PRIVATE = "is in a private network; allow_private=True allows it"


def line_of(error: Any, kind: type[Exception]) -> str:
    assert type(error) is kind, repr(error)
    return str(error)


# ------------------------------------------------------------------ fetching


def test_what_a_fetch_asks_for() -> None:
    player, _ = fetched(reply(302, headers={"location": "b.png"}), reply(200, b"PNG"))
    first, second = player.requests
    assert (first.method, str(first.url), str(second.url)) == ("GET", FILE, "https://files.example/b.png")
    assert first.headers["accept"] == second.headers["accept"] == "image/*, */*;q=0.5"
    assert [name for name, _ in first.headers.raw].count(b"accept") == 1
    assert {name.lower() for name, _ in first.headers.raw} <= {b"host", b"accept", b"accept-encoding", b"user-agent"}


@pytest.mark.parametrize("status", [300, 301, 302, 307, 399])
def test_statuses_that_lead_elsewhere(status: int) -> None:
    player, body = fetched(reply(status, headers={"location": "/b"}), reply(200, b"PNG"))
    assert (body, len(player.requests)) == (b"PNG", 2)


@pytest.mark.parametrize(
    "status, kind",
    [
        (204, errors.SDKDefaultError),
        (302, errors.SDKDefaultError),
        (400, errors.BadRequestError),
        (404, errors.NotFoundError),
    ],
)
def test_statuses_that_bring_no_file(status: int, kind: type[Exception]) -> None:
    headers = {} if status == 302 else {"location": "/b"}
    player, error = fetched(reply(status, b"gone", headers=headers))
    why = "gone" if status >= 400 else "the reply holds neither it nor where it is"
    assert line_of(error, kind).startswith(f"{status}: the file could not be fetched: {why}")
    assert error.status_code == status
    assert len(player.requests) == 1


@pytest.mark.parametrize(
    "turn, kind, line",
    [
        (failure("timeout"), errors.APITimeoutError, "the file did not arrive in time"),
        (failure("network"), errors.APIConnectionError, NO_FILE),
        (failure("connect"), errors.APIConnectionError, NO_FILE),
        (reply(200, TransportFailure("coding", "bad")), errors.ResponseValidationError, "the file cannot be read: bad"),
        (
            reply(200, TransportFailure("network", "cut")),
            errors.APIConnectionError,
            "the file could not be fetched: cut",
        ),
    ],
)
def test_the_line_of_a_file_that_does_not_come(turn: Turn, kind: type[Exception], line: str) -> None:
    thrown = turn.outcome if isinstance(turn.outcome, TransportFailure) else turn.body
    assert isinstance(thrown, TransportFailure)
    cause = thrown.__cause__ = OSError("cause")
    _, error = fetched(turn)
    assert line_of(error, kind) == line
    assert error.__cause__ is cause


def test_the_line_of_a_file_that_is_not_fetched() -> None:
    refused = errors.ResponseValidationError
    _, error = fetched(*[reply(302, headers={"location": "/b"})] * 6)
    assert line_of(error, refused) == "the file's URL redirects more than 5 times"
    _, error = fetched(reply(302, headers={"location": "http://[bad"}))
    assert line_of(error, refused) == "the file's URL redirects to an invalid URL"
    _, error = fetched(url="ftp://files.example/a")
    assert line_of(error, refused).startswith("the file's URL cannot be fetched: ")
    assert not line_of(error, refused).endswith("None")
    _, error = fetched(addresses=("10.0.0.1",))
    assert line_of(error, refused) == f"the file's host files.example {PRIVATE}"
    _, error = fetched(addresses=OSError("unknown"))
    assert line_of(error, errors.APIConnectionError) == "the file's host files.example is not known"


def test_a_url_as_long_as_any_is_fetched() -> None:
    longest = "https://files.example/" + "x" * ((1 << 15) - len("https://files.example/"))
    assert fetched(reply(200, b"PNG"), url=longest)[1] == b"PNG"
    _, error = fetched(url=f"{longest}x")
    assert line_of(error, errors.ResponseValidationError) == (
        "the file's URL cannot be fetched: url: got a str of 32769 characters; expected 32768"
    )


def test_names_are_looked_up_for_the_port_that_is_asked() -> None:
    asked: list[tuple[str, int]] = []
    for url in ("http://files.example/a", "https://files.example:8443/a"):
        fetched(reply(200), url=url, asked=asked)
    assert asked == [("files.example", 80), ("files.example", 8443)]


class _Peer:
    """A connection that has led to `address`."""

    def __init__(self, address: object) -> None:
        self.address = address

    def get_extra_info(self, name: str) -> object:
        return self.address if name == "server_addr" else None


@pytest.mark.parametrize(
    "address, private", [(("10.0.0.1", 443), True), (("8.8.8.8", 443), False), (None, False), ((), False)]
)
def test_the_peer_is_looked_at(address: object, private: bool) -> None:
    turn = reply(200, b"PNG")
    assert isinstance(turn.outcome, httpx.Response)
    turn.outcome.extensions["network_stream"] = _Peer(address)
    _, result = fetched(turn)
    if private:
        assert line_of(result, errors.ResponseValidationError) == f"the file's host {PRIVATE}"
        turn.outcome.extensions["network_stream"] = _Peer(address)
        assert fetched(turn, allow_private=True)[1] == b"PNG"
        assert fetched(turn, home="https://files.example/v1")[1] == b"PNG"
    else:
        assert result == b"PNG"


def test_a_client_whose_replies_have_no_extensions_can_fetch() -> None:
    class Bare:
        status_code = 200

        def __init__(self) -> None:
            self.headers: dict[str, str] = {}

    bare: Any = Bare()
    assert fetched(Turn(bare, b"PNG"))[1] == b"PNG"


# -------------------------------------------------------------------- paging


def test_the_line_of_a_list_that_does_not_end() -> None:
    _, error = pages(*[{"has_more": True, "last_id": "a"}] * 3)
    assert type(error) is errors.ResponseValidationError
    assert error.message == "the server repeats a page of its list"
    assert error.meta.status_code == 200
    assert len(error.meta.attempts) == 2
    _, error = pages(*[{"has_more": True, "last_id": str(number)} for number in range(1_000)])
    assert error.message == "the list has more than 1000 pages"
    assert len(error.meta.attempts) == 1_000


def test_a_page_that_is_a_stream_has_no_next() -> None:
    from call.flowkit import env_of, paged

    clock = Clock()
    player = Player([reply(200)], clock)
    call = make_call(method="GET", stream=True, content=None, clock=clock)
    received = player.run(paged(call, Page(cursor="$.next", param="after"), env_of(clock)))
    assert [one.body for one in received] == [None]


# ------------------------------------------------------------------ failover


def test_cooldowns() -> None:
    cooldowns, one, other = Cooldowns(), ("one", "https://one.test"), ("other", "https://other.test")
    assert cooldowns.left(one, 100) == 0
    cooldowns.start(one, 5, 100)
    assert (cooldowns.left(one, 100), cooldowns.left(one, 104), cooldowns.left(one, 105)) == (5, 1, 0)
    assert cooldowns.left(other, 100) == 0
    cooldowns.start(one, 9, 100)
    assert (cooldowns.left(one, 100), cooldowns.left(one, 110)) == (9, 0)


@pytest.mark.parametrize("status, covered", [(200, True), (299, True), (300, False), (500, True), (501, False)])
def test_an_error_object_in_a_good_reply_counts_as_a_500(status: int, covered: bool) -> None:
    error = errors.SDKDefaultError("x", status_code=status)
    assert covers({500}, error) is covered


def test_no_other_server_is_asked_at_the_deadline() -> None:
    for takes_s, asked in ((4.999, ["together", "r9s"]), (5, ["together"])):
        player, _ = play_servers(reply(503, takes_s=takes_s), reply(200), deadline_in=5)
        assert hosts(player) == asked


def test_the_failure_at_the_deadline_is_that_of_the_server() -> None:
    for takes_s in (4.999, 5):
        turns = [reply(503, takes_s=takes_s), reply(500, takes_s=1)]
        _, error = play_servers(*turns, deadline_in=5)
        assert type(error) is (errors.ServiceUnavailableError if takes_s == 5 else errors.InternalServerError)


# -------------------------------------------------------------------- bodies


def test_how_much_is_kept_of_a_body_beyond_its_bound() -> None:
    bound, shown = 3 << 20, 1 << 20
    cut = BodyReader(None, bound, truncate=True)
    assert cut.feed(b"a" * bound)
    assert not cut.feed(b"b")
    assert cut.received() == b"a" * bound
    whole = BodyReader(None, bound)
    whole.feed(b"a" * bound)
    with pytest.raises(TransportFailure) as caught:
        whole.feed(b"b")
    assert caught.value.body == b"a" * shown
    small = BodyReader(None, 2)
    with pytest.raises(TransportFailure) as caught:
        small.feed(b"abc")
    assert caught.value.body == b"ab"


def test_a_form_as_curl_leaves_out_what_is_null() -> None:
    words = _form({"a": None, "b": ["x", None], "c": UPLOAD}, "--form-string")
    assert words == ["--form-string", "b=x", "-F", "c=@FILE"]
