"""The end of the interpreter, and a fork, with a map that nobody closed."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import llmsdk
from llmsdk import SDK
from llmsdk.errors import ConfigurationError
from llmsdk.local import LocalServer

RUNS = 8
AT_ONCE = 4  # of two cores: what happens at the end of a process that has to wait for its turn

# Long replies and short turns: threads are then in the middle of reading a reply when the interpreter ends.
LEFT_IN_A_GLOBAL = """
import itertools, sys
from llmsdk import SDK

sys.setswitchinterval(1e-5)
sdk = SDK(server_url=sys.argv[1])
row = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
results = sdk.chat.map(itertools.repeat(row), limit=8)
for _ in range(20):
    next(results)
print("done")
"""


def long_reply() -> str:
    token = {"token": "a", "logprob": -1.0, "bytes": [97]}
    logprobs = {"content": [{**token, "top_logprobs": [token] * 5}] * 300}
    message = {"role": "assistant", "content": "a"}
    choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
    return json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


def run(url: str) -> tuple[int, str, str]:
    command = [sys.executable, "-c", LEFT_IN_A_GLOBAL, url]
    env = {**os.environ, "PYTHONPATH": str(Path(llmsdk.__file__).parent.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=env)
    return done.returncode, done.stdout, done.stderr


def test_a_map_left_in_a_global_ends_with_the_interpreter() -> None:
    with LocalServer() as server, ThreadPoolExecutor(AT_ONCE) as pool:
        server.always({"status": 200, "body": long_reply()})
        assert list(pool.map(run, [server.url] * RUNS)) == [(0, "done\n", "")] * RUNS


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_map_stays_in_the_process_that_started_it() -> None:
    row: Any = {"model": "m", "prompt": "x"}
    with LocalServer() as server, SDK(server_url=server.url) as sdk, sdk.completions.map([row] * 20) as results:
        next(results)
        child = os.fork()
        if not child:
            try:
                next(results)
            except ConfigurationError as error:
                results.close()  # which waits for no thread here
                os._exit(0 if "cannot go on in another process" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert len(list(results)) == 19
