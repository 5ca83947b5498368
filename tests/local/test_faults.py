"""Scripted faults, as a client on the wire sees them."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
import time

import pytest

from llmsdk.local import FAULT_HEADER, Fault, LocalServer

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PATH = "/v1/chat/completions"
STREAM = CHAT | {"stream": True}


def test_scripts_are_used_up_one_by_one(call, server):
    server.script(
        Fault(status=429, retry_after=1.5), None, {"status": 503, "body": "busy", "content_type": "text/plain"}
    )
    first, second, third, fourth = (call(server, PATH, CHAT) for _ in range(4))
    assert (first.status, first.headers["retry-after"]) == (429, "1.5")
    assert first.json["error"]["type"] == "rate_limit_error"
    assert (second.status, third.status, fourth.status) == (200, 503, 200)
    assert (third.body, third.headers["content-type"]) == (b"busy", "text/plain")
    assert [request.status for request in server.requests] == [429, 200, 503, 200]


def test_a_scripted_failure_waits_only_where_told(call):
    with LocalServer("together", faults=[None, Fault(status=503), Fault(status=503, retry_after=3)]) as server:
        headers = [call(server, PATH, CHAT).headers for _ in range(3)]
    assert [header.get("retry-after") for header in headers] == ["2", None, "3"]


def test_always_lasts_until_reset(call, server):
    server.always(Fault(status=500))
    assert [call(server, PATH, CHAT).status for _ in range(2)] == [500, 500]
    server.reset()
    assert call(server, PATH, CHAT).status == 200
    assert len(server.requests) == 1


def test_any_client_can_ask_for_a_fault(call, server):
    answer = call(server, PATH, CHAT, headers={FAULT_HEADER: '{"status": 418, "headers": {"X-A": "b"}}'})
    assert (answer.status, answer.headers["x-a"]) == (418, "b")


@pytest.mark.parametrize("text", ["{", "[]", '{"nonsense": 1}', '{"status": "429"}', '{"split": true}'])
def test_a_fault_that_is_none_is_told(call, server, text):
    answer = call(server, PATH, CHAT, headers={FAULT_HEADER: text})
    assert answer.status == 400
    assert FAULT_HEADER in answer.json["error"]["message"]


def test_cuts_before_in_and_after_the_body(call, server):
    for fault in (Fault(cut_before_headers=True), Fault(cut_before_headers=True, reset=True)):
        server.script(fault)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            call(server, PATH, CHAT)
    for body in (CHAT, STREAM):
        server.script(Fault(cut_after=20))
        with pytest.raises(http.client.IncompleteRead):
            call(server, PATH, body)
    for count in (0, 2, 999):
        server.script(Fault(cut_after_events=count))
        with pytest.raises(http.client.IncompleteRead) as caught:
            call(server, PATH, STREAM)
        assert caught.value.partial.count(b"data: ") == min(count, 8)
    server.script(Fault(cut_after=5, reset=True))
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        call(server, PATH, STREAM)
    assert not any(request.completed for request in server.requests)


def test_streams_end_early_in_good_order_or_with_an_error(call, server):
    server.script(Fault(end_after_events=2), Fault(in_band_error=(1, None)), Fault(in_band_error=(1, "oops")))
    assert len(call(server, PATH, STREAM).data) == 2
    failed = call(server, PATH, STREAM)
    assert failed.events[-1]["error"]["type"] == "server_error"
    assert len(failed.events) == 2
    assert call(server, PATH, STREAM).data[-1] == "oops"


def test_in_band_errors_have_the_dialects_event_name(call):
    with LocalServer("writer_v1", faults=[{"in_band_error": [1, {"tpe": "X"}]}]) as server:
        answer = call(server, "/v1/completions", {"model": "m", "prompt": "Hi", "stream": True})
    assert answer.body.endswith(b'event: error\ndata: {"tpe":"X"}\n\n')


def test_split_pieces_and_compression_change_no_byte(call, server):
    whole = call(server, PATH, STREAM).body
    server.script(Fault(split=1), Fault(content_encoding="gzip"), Fault(content_encoding="gzip", split=3))
    assert call(server, PATH, STREAM).body == whole
    for _ in range(2):
        packed = call(server, PATH, STREAM)
        assert packed.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed.body) == whole


def test_bodies_of_all_forms_and_statuses_without_a_name(call, server):
    server.script(
        {"status": 599, "body": b"\xff\x00"},
        {"body": "h\u00e9"},
        {"body": {"a": [1]}},
        {"status": 204, "body": "unsent"},
    )
    odd, text, value, empty = (call(server, PATH, CHAT) for _ in range(4))
    assert (odd.status, odd.body) == (599, b"\xff\x00")
    assert (text.status, text.body, value.json) == (200, "h\u00e9".encode(), {"a": [1]})
    assert (empty.status, empty.body) == (204, b"")
    assert all(request.completed for request in server.requests)


def test_raw_bytes_are_sent_as_they_are(raw, server):
    server.script(Fault(raw=b"HTTP/1.1 200 OK\r\nbroken"), {"raw": "\u00ff"})
    request = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    assert raw(server, request) == b"HTTP/1.1 200 OK\r\nbroken"
    assert raw(server, request) == b"\xff"


def test_waits_are_kept_and_close_ends_them(call, server):
    began = time.monotonic()
    server.script(Fault(delay_s=0.1), Fault(stall_after=10, stall_s=0.1), Fault(stall_after_events=1, stall_s=0.1))
    assert [call(server, PATH, body).status for body in (CHAT, CHAT, STREAM)] == [200, 200, 200]
    assert 0.3 <= time.monotonic() - began < 5
    server.script(Fault(stall_after_events=1, stall_s=60))
    came = len(server.requests)

    def close_in_the_stall() -> None:
        while len(server.requests) == came and time.monotonic() < began + 10:
            time.sleep(0.01)
        server.close()

    began = time.monotonic()
    closer = threading.Thread(target=close_in_the_stall)
    closer.start()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        call(server, PATH, STREAM)
    closer.join(10)
    assert time.monotonic() - began < 10


def test_a_client_that_leaves_ends_a_stall(server):
    server.script(Fault(stall_after_events=1, stall_s=60))
    host, port = server.origin.removeprefix("http://").split(":")
    body = json.dumps(STREAM).encode()
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.sendall(head + body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    deadline = time.monotonic() + 5
    while server.connection_count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.connection_count == 0
    assert not server.requests[0].completed


def test_closing_after_a_reply(call, server):
    server.script(Fault(close_after=True))
    assert call(server, PATH, CHAT).headers["connection"] == "close"
    assert call(server, PATH, CHAT).headers["connection"] == "keep-alive"
