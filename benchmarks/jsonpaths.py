"""Compare our walk along plain paths with `jsonpath-python`: microseconds a path, milliseconds at import."""

import subprocess
import sys
from copy import copy
from pathlib import Path
from timeit import repeat

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from jsonpath import JSONPath

from llmsdk.utils.jsonpaths import first

PATHS = ("$.error.message", "$.errors[0].description", "$.detail.status")
BODY = {"error": {"message": "too many requests", "type": "rate_limit", "param": None, "code": "429"}}
ROUNDS = 5_000


def main() -> None:
    """Print the best of five rounds for each path, and of five imports."""
    for path in PATHS:
        parsed = JSONPath(path)  # in a copy, as threads share it and it keeps its results in itself
        for name, run in (("ours", lambda p=path: first(p, BODY)), ("package", lambda p=parsed: copy(p).parse(BODY))):
            print(f"{path:26} {name:8} {min(repeat(run, number=ROUNDS, repeat=5)) / ROUNDS * 1e6:6.2f} us")
    code = "import time; begin = time.perf_counter(); import jsonpath; print((time.perf_counter() - begin) * 1e3)"
    command = [sys.executable, "-c", code]
    taken = [float(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(5)]
    print(f"{'import':26} {'package':8} {min(taken):6.2f} ms")


if __name__ == "__main__":
    main()
