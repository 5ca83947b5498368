"""The side file of an output: it says what configured the run, so that no other run resumes the output."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..._call.operation import Operation
from ..._net.runner import Runner
from ..._version import __version__
from ...options import CALL_OPTIONS
from ...resources.rows.problems import file_error, os_error
from ...utils.files import write_atomically
from ...utils.secrets import revealed, shown_url
from ...utils.shapes import is_object

_VERSION = 1
_COMPARED = ("operation", "server", "url")
# Timeouts and retries may change between runs; these options change what is asked.
_NOT_COMPARED = CALL_OPTIONS - {"extra_body", "extra_query", "unsupported", "organization_id"}
_SHOWN = (str, int, float, bool, type(None))
_LONGEST_SHOWN = 200


@dataclass(frozen=True, slots=True)
class RunState:
    """What configured an output; no key, header or prompt is in it.

    Attributes:
        run_id: Random, made with the output; idempotency keys of its rows are made from it.
        params: Parameters that the run gives to all rows; of what is long or nested, a digest.
    """

    operation: str
    server: str
    url: str
    params: Mapping[str, Any]
    run_id: str = field(default_factory=lambda: secrets.token_hex(16))

    def idempotency_key(self, key: str, params: Mapping[str, Any], failures: int) -> str:
        """Make the idempotency key of a row: the same when it is sent again after a kill, another after an answer."""
        # A server that remembers keys would answer a row that is tried again with its old error.
        text = json.dumps([self.run_id, key, failures, params], sort_keys=True, default=repr)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def state_of(runner: Runner, operation: Operation, options: Mapping[str, Any]) -> RunState:
    """Describe what a run is configured with."""
    config = runner.config
    target = runner.target(options.get("server"), options.get("server_url"))
    failover = options.get("failover", config.failover)
    servers = [target.provider.name]
    if failover is not None and "server" not in options:
        servers = [getattr(server, "name", str(server)) for server in failover.servers]
    params = {name: _shown(revealed(value)) for name, value in options.items() if name not in _NOT_COMPARED}
    url = shown_url(target.base_url, config.url_params)
    if target.provider.embedded and config.server_url is None:
        url = "embedded"  # it has another port in each process
    return RunState(operation.id, ",".join(servers), url, params)


def _shown(value: Any) -> Any:
    # A prompt may stand in a parameter, and in none of these files but input, output and failures.
    if isinstance(value, _SHOWN) and len(str(value)) <= _LONGEST_SHOWN:
        return value
    text = json.dumps(value, sort_keys=True, default=repr)
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"


def settle(path: str, output: str, mine: RunState, *, is_new: bool) -> RunState:
    """Read the side file of an output and compare, or write it where the output begins."""
    try:
        with open(path, "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        if is_new:
            return _written(path, output, mine)
        advice = "bring that back, or name another output"
        problem = f"holds something, but {path}, which says what made it, is missing; {advice}"
        raise file_error(output, problem) from None
    except OSError as exc:
        raise os_error(path, "read", exc) from exc
    found = _read(path, raw)
    differences = _differences(found, asdict(mine))
    if is_new and differences:
        return _written(path, output, mine)
    if differences:
        advice = "name another output, or run as before"
        problem = f"was written by a run of another configuration: {'; '.join(differences)}; {advice}"
        raise file_error(output, problem)
    return replace(mine, run_id=found["run_id"])


def _differences(found: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    was, now = ({name: state.get(name) for name in _COMPARED} | dict(state["params"]) for state in (found, mine))
    return [
        f"{name} was {_told(was, name)} and is {_told(now, name)}"
        for name in dict.fromkeys([*was, *now])
        if (name in was) != (name in now) or was.get(name) != now.get(name)
    ]


def _told(found: Mapping[str, Any], name: str) -> str:
    return json.dumps(found[name]) if name in found else "not given"


def _read(path: str, raw: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError):
        found = None
    is_ours = is_object(found) and found.get("version") == _VERSION and is_object(found.get("params"))
    if not is_ours or not isinstance(found.get("run_id"), str):
        raise file_error(path, "is not the side file of a batch; name another output")
    return {**found}


def _written(path: str, output: str, state: RunState) -> RunState:
    written = {"version": _VERSION, **asdict(state), "llmsdk": __version__}
    try:
        write_atomically(path, json.dumps(written, indent=1).encode() + b"\n", output)
    except OSError as exc:
        advice = "; make its folder first" if not os.path.isdir(os.path.dirname(path) or ".") else ""
        raise os_error(path, "written", exc, advice) from exc
    return state
