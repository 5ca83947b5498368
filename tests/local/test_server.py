"""The server as such: HTTP, threads, the command line, the pytest plugin."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import llmsdk
from llmsdk.errors import ConfigurationError
from llmsdk.local import LocalServer, httpd
from llmsdk.local import server as local_server

pytest_plugins = ["pytester"]

CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PATH = "/v1/chat/completions"


SOURCE = str(Path(llmsdk.__file__).parents[1])
ENV = {**os.environ, "PYTHONPATH": SOURCE}  # the tests run from a checkout that is not installed, too


def local_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("llmsdk-local")]


def test_close_leaves_nothing(call):
    server = LocalServer("openai").start()
    assert server.start() is server
    connection = http.client.HTTPConnection(*server.origin.removeprefix("http://").split(":"), timeout=5)
    connection.request("GET", "/v1/models")
    connection.getresponse().read()
    assert local_threads()
    server.close()
    server.close()
    connection.close()
    assert local_threads() == []
    with pytest.raises(RuntimeError, match="not running"):
        _ = server.url
    with server:
        assert call(server, PATH, CHAT).status == 200


def test_unknown_dialects_are_named():
    with pytest.raises(ConfigurationError, match=r"'nope'.*together"):
        LocalServer("nope")


def test_connections_are_kept(server):
    host, port = server.origin.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=5)
    own = set()
    for body in (CHAT, CHAT | {"stream": True}, CHAT):
        connection.request("POST", PATH, json.dumps(body))
        assert connection.getresponse().read()
        own.add(connection.sock.getsockname())
    connection.close()
    assert len(own) == 1


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_five_hundred_at_once(server):
    host, port = server.origin.removeprefix("http://").split(":")
    connections = [http.client.HTTPConnection(host, int(port), timeout=30) for _ in range(500)]
    for connection in connections:
        connection.connect()

    def ask(number: int) -> str:
        body = CHAT | {"messages": [{"role": "user", "content": f"<{number}>"}]}
        connections[number].request("POST", PATH, json.dumps(body))
        return json.loads(connections[number].getresponse().read())["choices"][0]["message"]["content"]

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(ask, range(500)))
    for connection in connections:
        connection.close()
    assert all(f"'<{number}>'" in text for number, text in enumerate(said))


@pytest.mark.parametrize(
    "request_bytes, status",
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET  /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1 \r\nHost: localhost\r\n\r\n", 505),
        (b"GET /v1/models HTTP/2.0\r\n\r\n", 505),
        (b"GET /v1/models FTP/1.0\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\na: \0\r\n\r\n", 400),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\n\r\n", 417),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 201 + b"\r\n", 431),
        (b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n" + b"a: %b\r\n" % (b"b" * 600) * 150 + b"\r\n", 431),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 431),
    ],
)
def test_what_is_no_request_is_answered_all_the_same(raw, server, request_bytes, status):
    received = raw(server, request_bytes)
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(received.partition(b"\r\n\r\n")[2])["error"]["message"]


CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "headers, body, status",
    [
        *(
            (f"Content-Length: {length}\r\n", "x" * 20, 400)
            for length in ("x", "0x9", "+9", "-9", "9 9", "9, 9", "\xb2")
        ),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", "{}", 400),
        (f"Content-Length: {'0' * 30}2\r\n", "{}", 400),
        (f"Content-Length: {'0' * 9}2\r\n", "{}", 200),
        ("Content-Length: 99999999999\r\n", "", 413),
        ("Transfer-Encoding: gzip\r\n", "", 400),
        (CHUNKED + "Content-Length: 2\r\n", "2\r\n{}\r\n0\r\n\r\n", 400),
        (CHUNKED + CHUNKED, "2\r\n{}\r\n0\r\n\r\n", 400),
        (CHUNKED, "2\r\n{}\r\n0\r\n\r\n", 200),
        (CHUNKED, "02;name=value\r\n{}\r\n0\r\nTrailer: x\r\n\r\n", 200),
        (CHUNKED, "2 ;name=value\r\n{}\r\n0\r\n\r\n", 200),
        *(
            (CHUNKED, size + "\r\n{}\r\n0\r\n\r\n", 400)
            for size in ("0x2", "+2", "2 ", " 2", "2\t", "zz", "", "2;", "2;a ", "0" * 16 + "2", "2\n")
        ),
        (CHUNKED, "1\r\nabc\r\n0\r\n\r\n", 400),
        (CHUNKED, "2\n{}\r\n0\r\n\r\n", 400),
        (CHUNKED, "fffffffff\r\n", 413),
        (CHUNKED, "2\r\n{}\r\n0\r\n" + "a: b\r\n" * 201 + "\r\n", 431),
        (CHUNKED, "2\r\n{}\r\n0\r\na: " + "b" * 70_000 + "\r\n\r\n", 431),
        (CHUNKED, "2\r\n{}\r\n0\r\nbad trailer\r\n\r\n", 400),
    ],
)
def test_lengths_are_read_by_the_letter(raw, server, headers, body, status):
    server.always({"status": 200, "body": "{}", "close_after": True})
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"
    received = raw(server, (head + body).encode("latin-1"))
    assert received.startswith(b"HTTP/1.1 %d " % status)
    if status == 200:
        assert server.requests[0].body == b"{}"


def test_http_1_0_has_no_chunks(raw, server):
    assert raw(server, f"POST {PATH} HTTP/1.0\r\n{CHUNKED}\r\n0\r\n\r\n".encode()).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "head, status",
    [
        ("GET {path} HTTP/1.1\r\n", 400),
        ("GET {path} HTTP/1.0\r\n", 200),
        ("GET {path} HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n", 400),
        *(
            (f"GET {{path}} HTTP/1.1\r\nHost: {host}\r\n", 200)
            for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80", "a.localhost")
        ),
        *(
            (f"GET {{path}} HTTP/1.1\r\nHost: {host}\r\n", 421)
            for host in (
                "evil.example",
                "evil.example:80",
                "127.0.0.1.evil.example",
                "localhost.evil.example",
                "",
                "10.0.0.1",
            )
        ),
        ("GET {path} HTTP/1.0\r\nHost: evil.example\r\n", 421),
        # The host of an absolute target is the one that counts.
        ("GET http://localhost{path} HTTP/1.1\r\nHost: evil.example\r\n", 200),
        ("GET http://evil.example{path} HTTP/1.1\r\nHost: localhost\r\n", 421),
    ],
)
def test_a_request_for_another_host_is_refused(raw, server, head, status):
    received = raw(server, f"{head.format(path='/v1/models')}Connection: close\r\n\r\n".encode())
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert len(server.requests) == (status == 200)


def test_a_server_for_other_machines_has_any_name(raw):
    with LocalServer(host="0.0.0.0") as server:
        request = b"GET /v1/models HTTP/1.1\r\nHost: build-7.example\r\nConnection: close\r\n\r\n"
        assert raw(server, request).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("sent", [b"GET /v1/models HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_has_its_time_as_a_whole(server, monkeypatch, sent):
    monkeypatch.setattr(httpd, "HEAD_S", 0.3)
    host, port = server.origin.removeprefix("http://").split(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(sent)
        connection.settimeout(0.05)
        received = b""
        while time.monotonic() < began + 8 and not received:  # each header on time, the head never complete
            try:
                connection.sendall(b"a: b\r\n")
                received = connection.recv(65_536)
            except TimeoutError:
                continue
        assert received.startswith(b"HTTP/1.1 408 ")


def test_a_body_has_its_time_as_a_whole(server, monkeypatch):
    monkeypatch.setattr(httpd, "BODY_S", 0.3)
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 408 ")


def test_a_silent_connection_is_closed(server, monkeypatch):
    monkeypatch.setattr(httpd, "IDLE_S", 0.2)
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        assert connection.recv(100) == b""


def test_recorded_requests_are_bounded_in_bytes(call, server, monkeypatch):
    monkeypatch.setattr(local_server, "KEPT_BYTES", 1000)
    for size in (300, 400, 500, 5000):
        call(server, PATH, b"x" * size)
        assert sum(len(request.body) for request in server.requests[:-1]) <= 1000
    assert [len(request.body) for request in server.requests] == [5000]  # the last one stays in any case
    call(server, PATH, b"x")
    assert [len(request.body) for request in server.requests] == [1]


def test_large_bodies_take_turns(call, server, monkeypatch):
    monkeypatch.setattr(httpd, "SMALL_BODY", 1000)
    server._room._left = httpd.MAX_BODY + 1000
    server.script({"delay_s": 0.3}, None)
    with ThreadPoolExecutor(4) as pool:
        chunked = {"Transfer-Encoding": "chunked"}
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (2000, b"x" * 2000)
        answers = [pool.submit(call, server, PATH, body, headers=chunked) for _ in range(2)]
        answers += [pool.submit(call, server, PATH, b"x" * 2000) for _ in range(2)]
        assert [answer.result(10).status for answer in answers] == [400] * 4
    assert server._room._left == httpd.MAX_BODY + 1000


def test_who_only_announces_a_large_body_keeps_nobody_waiting(call, server, monkeypatch):
    monkeypatch.setattr(httpd, "SMALL_BODY", 1000)
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n{" % httpd.MAX_BODY)
        assert call(server, PATH, b"x" * 2000).status == 400
        assert server._room._left == local_server.READ_BYTES


def test_old_clients_chunked_bodies_expectations_and_heads(raw, server):
    body = json.dumps(CHAT | {"stream": True}).encode()
    post = f"POST {PATH} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    old = raw(server, post)
    assert b"transfer-encoding" not in old
    assert old.endswith(b"data: [DONE]\n\n")
    chunked = b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n"
    body = json.dumps(CHAT).encode()
    chunks = b"%x;x=y\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(body), body)
    both = raw(server, chunked + b"Host: localhost\r\nConnection: close\r\n\r\n" + chunks)
    assert both.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    head = raw(server, b"\r\nHEAD http://localhost/v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert head.endswith(b"\r\n\r\n")
    assert raw(server, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 404")


def test_requests_are_recorded_without_showing_keys(call, server):
    call(server, PATH + "?a=1&a=2", CHAT)
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("POST", PATH, {"a": "2"})
    assert request.json == CHAT
    assert request.headers["authorization"] == "Bearer sk-placeholder"
    assert "sk-placeholder" not in repr(request)
    assert request.completed


@pytest.mark.parametrize(
    "content",
    [
        b"GET /v1/mod",
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["line", "headers", "body"],
)
def test_a_client_that_stops_in_the_middle_gets_no_answer(server, content):
    host, port = server.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert server.requests == []
    assert server.counts == {}


def test_a_body_that_is_no_json_is_recorded_all_the_same(call, server):
    assert call(server, PATH, b"{").status == 400
    assert call(server, PATH, b"[" * 200_000).status == 400
    assert [(request.json, len(request.body)) for request in server.requests] == [(None, 1), (None, 200_000)]


def test_waits_before_replies_and_events_change_nothing_else(call, server):
    with LocalServer("openai", latency_s=0.002, event_delay_s=0.002) as slow:
        for body in (CHAT, CHAT | {"stream": True}):
            began = time.monotonic()
            answer = call(slow, PATH, body)
            assert time.monotonic() - began >= 0.002 * (1 + len(answer.data))
            assert answer.body == call(server, PATH, body).body


def test_a_connection_that_no_thread_can_be_had_for_is_closed(call, server, monkeypatch):
    start, refused = threading.Thread.start, []

    def refuse_once(thread):
        if thread.name == "llmsdk-local-connection" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse_once)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        call(server, PATH, CHAT)
    assert call(server, PATH, CHAT).status == 200
    server.close()
    assert server.counts == {200: 1}


def test_a_lack_of_file_descriptors_is_waited_out(call, server, monkeypatch):
    accept, failed = socket.socket.accept, []

    def fail_once(listener):
        if not failed:
            failed.append(listener)
            raise OSError(errno.EMFILE, "too many open files")
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", fail_once)
    assert call(server, PATH, CHAT).status == 200
    assert len(failed) == 1


def test_a_failure_of_its_own_is_told_to_the_client(call, server, capfd, monkeypatch):
    def fail(*_):
        raise KeyError("choices")

    monkeypatch.setattr(server.app, "handle", fail)
    answer = call(server, PATH, CHAT)
    assert answer.status == 500
    assert answer.json["error"]["message"] == "The embedded provider failed: KeyError('choices')."
    monkeypatch.undo()
    assert call(server, PATH, CHAT).status == 200
    assert capfd.readouterr() == ("", "")


def test_starting_is_light():
    code = (
        "import sys, llmsdk.local as l; l.LocalServer().start().close(); print({'httpx', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=ENV, check=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_nothing_is_printed(call, capfd, server):
    call(server, "/v1/nothing")
    call(server, PATH, b"{")
    assert capfd.readouterr() == ("", "")


def test_the_command_serves_until_interrupted():
    command = [sys.executable, "-m", "llmsdk.local", "--port", "0", "--dialect", "r9s", "--fault", '{"status": 503}']
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=ENV) as process:
        try:
            line = process.stdout.readline()
            port = int(re.search(r"http://127\.0\.0\.1:(\d+)/v1$", line.strip())[1])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/v1/models", headers={"Authorization": "Bearer x"})
            assert connection.getresponse().status == 503
            connection.close()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                out, err = process.communicate(timeout=60)
            finally:
                process.kill()
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--host", "192.0.2.1"], "not a loopback address"),
        (["--host", "example.com"], "not a loopback address"),
        (["--fault", "{"], "--fault"),
        (["--dialect", "nope"], "invalid choice"),
    ],
)
def test_the_command_refuses(capsys, arguments, said):
    from llmsdk.local.__main__ import main

    with pytest.raises(SystemExit) as caught:
        main(["--port", "0", *arguments])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_command_tells_of_a_taken_port(capsys, server):
    from llmsdk.local.__main__ import main

    assert main(["--port", server.origin.rpartition(":")[2]]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_the_plugin_gives_each_test_a_server(pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", SOURCE)
    is_installed = bool(entry_points(group="pytest11", name="llmsdk"))
    load = [] if is_installed else ["-p", "llmsdk.local.pytest_plugin"]
    pytester.makepyfile(
        """
        import pytest

        def test_plain(llm_server):
            assert llm_server.url.endswith("/v1")
            assert llm_server.provider.name == "openai"

        @pytest.mark.llm_server(dialect="writer", faults=[{"status": 429}])
        def test_marked(llm_server):
            assert llm_server.provider.name == "writer"
            assert llm_server.requests == []
        """
    )
    result = pytester.runpytest_subprocess(*load, "--strict-markers", "-W", "error")
    result.assert_outcomes(passed=2)
