"""A table of what is promised, how it is tested, and with how many cases; written by the run that passed them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

_TESTS = Path(__file__).resolve().parent.parent

# Promise, how it is tested, and the test files (or folders) that do so. A file counts for the first row that has it.
PROMISES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Requests are what the providers document; replies are parsed without loss",
        "every wire sample through the real code over a loopback server, sync and async",
        ("providers", "test_seeds.py", "models"),
    ),
    (
        "An error has the class of its status, whatever its body",
        "every provider x status x body shape; pickles, copies, process pools",
        ("test_statuses.py", "errors", "field", "call/test_decode.py", "call/test_error_bodies.py"),
    ),
    (
        "A stream ends in exactly one way, and bytes cut anywhere give the same events",
        "WHATWG rules as tables and as properties, wire samples at their cuts, a real server",
        (
            "utils/test_sse.py",
            "call/test_events.py",
            "net/test_streaming.py",
            "faults/test_streams.py",
            "faults/test_tails.py",
        ),
    ),
    (
        "Streams can be read by hand and in parts, by one reader at a time, and are closed when nobody reads on",
        "next, islice, zip, two iterators, break, inside `with` and without; two threads and tasks at one stream",
        ("net/test_by_hand.py", "faults/test_one_reader.py"),
    ),
    (
        "Proxies, certificates and names of hosts are taken from the environment; wrong ones raise before sending",
        "NO_PROXY by tables, proxies over loopback, broken URLs, ports and IDNA names",
        ("net/test_proxies.py", "net/test_tls.py", "utils/test_urls.py"),
    ),
    (
        "Closing an SDK ends calls that wait, in any thread, and name resolution obeys the time limits",
        "threads and tasks that wait for names, connections, handshakes, replies and retries",
        ("faults/test_closing.py", "net/test_interrupted.py", "net/test_given_up.py"),
    ),
    (
        "Network failures raise the SDK's errors, in time, and leave the connection pool usable",
        "a fault server: kind of fault x phase x sync or async x client x reply",
        ("faults/test_transport.py", "net"),
    ),
    (
        "No server can make the SDK use unbounded memory",
        "bombs, endless bodies, errors, lines and events, measured in processes of their own",
        ("faults/test_bounds.py",),
    ),
    (
        "Compressed bodies are decoded in pieces of bounded size; cut and corrupt ones raise an error",
        "every coding, at every cut; bombs; bodies that a hook has read",
        ("utils/test_codings.py", "faults/test_read_by_hooks.py"),
    ),
    (
        "Uploads are never in memory as a whole; retries send the same bytes; early answers are read",
        "100 MB sent twice, from paths and handles; servers that answer and close, over TLS too",
        ("faults/test_uploads.py", "resources/test_uploads.py", "net/test_early.py"),
    ),
    (
        "Too few file descriptors raise an error with the reason; nothing else limits the number of connections",
        "a limit of 64 in processes of their own; 1,500 streams that wait for each other",
        ("faults/test_descriptors.py",),
    ),
    (
        "Invalid replies raise an error; unusual but valid ones are accepted",
        "invalid, cut, deep, empty, foreign, in other encodings and content types",
        ("faults/test_replies.py",),
    ),
    (
        "Retries do what the policy says, and no more",
        "the request loop by hand and as a state machine; a real server in real time",
        ("utils/test_retries.py", "call/test_flow.py", "call/test_flow_machine.py", "faults/test_retries.py"),
    ),
    (
        "Cancellation, deadlines and timeouts take effect at once, in every phase",
        "asyncio, trio, threads and Ctrl-C against a server that stalls and drips",
        ("faults/test_cancellation.py",),
    ),
    (
        "Nothing is lost or crossed under load",
        "500 calls at once with a tenth of them failing, threads and tasks, streamed and not",
        ("faults/test_load.py",),
    ),
    (
        "A map returns each row once, also when it is read in parts; a run of a file survives being killed",
        "sync, asyncio and trio; early ends, full disks, kills at random moments",
        ("many/map/test_map.py", "many/map/test_rows.py", "many/runs/test_run.py", "many/runs/test_kill.py"),
    ),
    (
        "A fork and the end of the interpreter are safe while other threads are in the middle of a call",
        "first calls of each kind and a fork; maps and embedded servers left in globals",
        ("utils/test_forks.py", "many/map/test_exit.py", "local/test_exit.py"),
    ),
    (
        "An SDK works across threads, event loops, forks, pickles and interpreter exit",
        "each of them, in processes of their own where needed",
        ("faults/test_travel.py", "test_sdk.py"),
    ),
    (
        "Keys and prompts don't leak",
        "every error path with the locals of our frames, logs, pickles, redirects, other hosts, images",
        (
            "faults/test_security.py",
            "faults/test_tracebacks.py",
            "call/test_secrecy.py",
            "call/test_secret_names.py",
            "utils/test_headers.py",
            "utils/test_secrets.py",
        ),
    ),
    (
        "Files are written as a whole or not at all, and are as private as those they replace or stand beside",
        "modes, links, full disks, folders that can't be written",
        ("utils/test_files.py",),
    ),
    (
        "The command line has documented output and exit codes, and no text of a server controls the terminal",
        "control sequences and bidirectional overrides in names, errors, links and answers",
        ("cli", "many/runs/test_cli.py", "many/runs/test_progress.py"),
    ),
    (
        "Recordings are untrusted files: a wrong one raises CassetteError with its line",
        "depth, types, times, statuses, headers; recorded and played, sync and async",
        ("cassette",),
    ),
    (
        "Arguments are checked before anything is sent",
        "each resource, sync and async, over a mocked network; the request made by hand",
        ("resources", "call", "utils"),
    ),
    (
        "The embedded provider speaks every dialect, reads requests by RFC 9112, and answers this machine only",
        "raw sockets and http.client, each dialect x operation; other hosts, bad lengths, slow and endless requests",
        ("local",),
    ),
    (
        "Documentation is true",
        "every code block is run, generated pages are compared with the code",
        ("test_docs.py", "test_usage.py"),
    ),
    (
        "What is imported is declared, with minimum versions that work; the wheel is the same when built again",
        "imports compared with metadata, two builds compared; `make oldest` runs the oldest versions",
        ("test_dependencies.py", "test_package.py"),
    ),
)
# Measured with benchmarks/peaks.py; the tests hold the bounds beside them.
_PEAKS = """## Peak memory

| what | growth of the peak |
| --- | --- |
| an upload of 200 MB that is sent twice, from a path or a handle, sync or asyncio | 4 to 6 MB |
| the same with `backend="aiohttp"` | 5 to 6 MB |
| 1,500 streams at once that wait for each other's first event, asyncio | 47 MB |
| the same with `backend="aiohttp"` | 40 MB |
| the embedded provider under 40 requests of 16 MiB at once | 200 to 280 MB |

Measured on Linux with `PYTHONPATH=src .venv/bin/python benchmarks/peaks.py`. The embedded provider holds 64 MiB of
bodies that are being read, 64 MiB of the last requests, for tests to look at, and several times the size of one body
while it parses the JSON; the rest is what the memory allocator keeps.
"""
_OTHER = ("Everything else", "features, package, layers, parity, exports", ())


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--reliability", metavar="FILE", help="write the table of promises and passed cases to FILE")


def pytest_configure(config: pytest.Config) -> None:
    homes = {home for _, _, homes in PROMISES for home in homes}
    if gone := sorted(home for home in homes if not (_TESTS / home).exists()):
        raise pytest.UsageError(f"support/reliability.py names tests that are not there: {', '.join(gone)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    target = config.getoption("--reliability")
    if not target:
        return
    passed = Counter(
        row_of(report.nodeid) for report in terminalreporter.stats.get("passed", []) if report.when == "call"
    )
    failed = len(terminalreporter.stats.get("failed", [])) + len(terminalreporter.stats.get("error", []))
    if failed:
        terminalreporter.write_line(f"{target} not written: {failed} cases failed")
        return
    Path(target).write_text(page(passed), encoding="utf-8")
    terminalreporter.write_line(f"wrote {target}: {sum(passed.values())} cases")


def row_of(node: str) -> int:
    """Find the row of a test by its file, the most exact name first."""
    path = node.partition("::")[0].removeprefix("tests/")
    for exact in (True, False):
        for index, (_, _, homes) in enumerate(PROMISES):
            if any(path == home if exact else path.startswith(f"{home}/") for home in homes):
                return index
    return len(PROMISES)


def page(passed: Counter[int]) -> str:
    """Write the page."""
    rows = [
        f"| {promise} | {how} | {passed[index]:,} |"
        for index, (promise, how, _) in enumerate((*PROMISES, _OTHER))
        if passed[index]
    ]
    return "\n".join(
        (
            "# Reliability",
            "",
            "What llmsdk guarantees, how it is tested, and how many test cases passed. `make reliability` runs",
            "the tests and writes this page, if all of them pass.",
            "",
            "| Guarantee | How it is tested | Test cases |",
            "| --- | --- | --- |",
            *rows,
            f"| **All** | | **{sum(passed.values()):,}** |",
            "",
            _PEAKS,
        )
    )
