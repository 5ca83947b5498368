"""The end of the interpreter, and a fork, with a server that nobody closed."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import llmsdk
from llmsdk.local.listener import Listener

RUNS = 6
AT_ONCE = 3  # of two cores: what happens at the end of a process that has to wait for its turn

# Large requests and short turns: a thread is then in the middle of checking one when the interpreter ends.
LEFT_IN_A_GLOBAL = """
import json, socket, sys, threading, urllib.parse
from llmsdk import SDK

sys.setswitchinterval(1e-5)
sdk = SDK(server="local")
one = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
sdk.chat.create(**one)
to = urllib.parse.urlsplit(sdk.chat.preview(**one).url)
parts = [{"type": "text", "text": "x"}] * 3000
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()
head = f"POST {to.path} HTTP/1.1\\r\\nHost: {to.netloc}\\r\\nContent-Length: {len(body)}\\r\\n"
sockets = [socket.create_connection((to.hostname, to.port)) for _ in range(4)]
for each in sockets:
    each.sendall(head.encode() + b"\\r\\n" + body)
print("done")
"""


def run(_: int) -> tuple[int, str, str]:
    env = {**os.environ, "PYTHONPATH": str(Path(llmsdk.__file__).parent.parent)}
    command = [sys.executable, "-W", "ignore", "-c", LEFT_IN_A_GLOBAL]  # of the SDK that is not closed
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=env)
    return done.returncode, done.stdout, done.stderr


def test_a_server_left_in_a_global_ends_with_the_interpreter() -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert list(pool.map(run, range(RUNS))) == [(0, "done\n", "")] * RUNS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_leaves_the_connections_of_its_parent_open() -> None:
    listener = Listener(("127.0.0.1", 0), lambda connection, closing: connection.sendall(connection.recv(9)))
    listener.start()
    host, port = listener.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        while not listener.connection_count:
            time.sleep(0.01)
        child = os.fork()
        if not child:
            listener.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        client.sendall(b"hello")
        assert client.recv(9) == b"hello"
    listener.close()
