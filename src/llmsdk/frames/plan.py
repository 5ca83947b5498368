"""Plan: what workers on other machines are to do with each row; it pickles, and no key is in it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._call.config import configure
from .._call.operation import Operation
from .._call.request.validate import check_names
from ..errors import BatchError, ConfigurationError
from ..many.map.pace import Adaptive, as_adaptive
from ..options import CALL_OPTIONS
from ..resources.rows.rows import column_names, row_operation
from ..utils.forks import once
from ..utils.shapes import described, is_mapping, quoted
from .columns import NAMES
from .earlier import files_of
from .travel import EnvKey, check_open, check_sdk, check_variables

RowSource = str | Mapping[str, str] | Callable[[dict[str, Any]], Mapping[str, Any]] | None
"""How a row becomes a request."""

# No streams, and no deadline: a row has none of its own, and a worker is handed rows for as long as there are any.
_OPTIONS = CALL_OPTIONS - {"idle_timeout_ms", "deadline_ms"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Say what workers do with each row. All of it is checked here, before anything travels.

    Args:
        operation: `chat`, `completions`, `images`, `embeddings`, or an operation's id.
        row: How a row becomes a request: the name of a column that holds requests as objects or JSON text, also as
            OpenAI's batch lines; a mapping of parameters to columns; or a function of the row. By default every column
            that is named like a parameter is one. For chat, `prompt` and `system` may stand for `messages`.
        params: Parameters of all rows, such as `model`; those of a row come first.
        key: Column that rows are known by; else a request's `custom_id`, else a hash of its parameters, by which equal
            rows are one.
        sdk: Options of the SDK that each worker makes, as in `SDK(...)`, without `api_key` and clients.
        api_key_env: Name of the environment variable, in the workers, that holds the key; or a mapping of server ids
            to such names. Left out, the server's own variable is read.
        options: Options of every call, as `retries` and `timeout_ms`.
        done: Results of earlier runs, as Parquet or JSON lines (a path that workers can read, a folder, a URL such
            as `s3://bucket/folder`, or a list of these), or a set of keys: rows that ended well there are not sent. A
            path that does not exist yet says nothing.
        carry: Whether such rows come out again with their earlier results, which each worker then keeps in memory; by
            default they are left out.
        limit: Requests in flight in each worker, and their rate where no limiter is shared.
        limiter: Name of a limiter that workers share, see `llmsdk.ray.Limiter`.
        prefix: What the names of the output's columns begin with.

    Raises:
        ConfigurationError: A wrong value, or one that would send a key with the plan.
        RequestValidationError: A parameter that the operation does not have.
    """

    operation: str = "chat"
    row: RowSource = None
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str | None = None
    sdk: Mapping[str, Any] = field(default_factory=dict[str, Any])
    api_key_env: str | Mapping[str, str] | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    done: Any = ()
    carry: bool = False
    limit: Adaptive | int = field(default_factory=Adaptive)
    limiter: str | None = None
    prefix: str = "llm_"
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex, init=False, repr=False)

    def __post_init__(self) -> None:
        operation = self.described_operation
        where = f"{operation.resource}.{operation.name}"
        _check_mapping(self.params, "params")
        check_names(self.params, operation.parameters - {"stream"}, where=where)
        _check_mapping(self.sdk, "sdk")
        check_sdk(self.sdk)
        # As each worker will: what is wrong with an option shows here, not after the cluster has started.
        configure({**self.sdk})  # type: ignore[typeddict-item] # that is what it checks
        _check_mapping(self.options, "options")
        for name in self.options.keys() - _OPTIONS:
            accepted = ", ".join(sorted(_OPTIONS))
            raise ConfigurationError(f"options: {quoted(name)} isn't an option of a call; options are {accepted}")
        check_open(self.options, "options")
        _check_row(self.row, column_names(operation), where)
        check_variables(self.api_key_env)
        as_adaptive(self.limit)  # which checks it
        for name in ("key", "limiter", "prefix"):
            value = getattr(self, name)
            if not (isinstance(value, str) and value) and (value is not None or name == "prefix"):
                came = "an empty one" if value == "" else described(value)
                raise ConfigurationError(f"{name}: must be a string that is not empty, got {came}")
        self._check_done()

    @once
    def described_operation(self) -> Operation:
        """The operation itself.

        Raises:
            ConfigurationError: There is none of that name.
        """
        try:
            return row_operation(self.operation)
        except BatchError as exc:
            raise ConfigurationError(str(exc)) from None

    @property
    def pace(self) -> Adaptive:
        """The bounds of one worker."""
        return as_adaptive(self.limit)

    @property
    def columns(self) -> dict[str, str]:
        """Names of the output's columns by what they hold."""
        return {name: f"{self.prefix}{name}" for name in NAMES}

    def sdk_options(self) -> dict[str, Any]:
        """Return the options of a worker's SDK.

        Raises:
            ConfigurationError: A variable that should hold a key is not set here.
        """
        names = self.api_key_env
        if names is None:
            return dict(self.sdk)
        keys: Any = EnvKey(names) if isinstance(names, str) else {name: EnvKey(env) for name, env in names.items()}
        for key in keys.values() if is_mapping(keys) else (keys,):
            key()  # what is missing shows before the first row
        return {**self.sdk, "api_key": keys}

    @property
    def done_paths(self) -> tuple[str, ...]:
        """The files of earlier results."""
        done: Any = self.done
        return () if isinstance(done, frozenset) else done

    @property
    def done_keys(self) -> frozenset[str]:
        """The keys that were named one by one."""
        done: Any = self.done
        return frozenset() if isinstance(done, tuple) else done

    def __getstate__(self) -> dict[str, Any]:
        check_sdk(self.sdk)  # again: a mapping of the caller's may have got a key since
        check_open(self.options, "options")
        # The operation is made again there: its models are not worth their way through the network.
        return {name: value for name, value in self.__dict__.items() if name != "described_operation"}

    def _check_done(self) -> None:
        """Tell paths from keys. Files that are there now are what every worker is to read, and no others."""
        is_one = isinstance(self.done, str | os.PathLike)
        given: Any = [self.done] if is_one else self.done
        is_keys = type(given) in (set, frozenset)
        if not is_keys and type(given) not in (list, tuple):
            raise ConfigurationError(f"done: must be a path, a list of paths or a set of keys, got {described(given)}")
        accepted = (str,) if is_keys else (str, os.PathLike)
        misfits: list[Any] = [one for one in given if not (isinstance(one, accepted) and one)]
        if misfits:
            kind = "keys are strings, numbers written as text" if is_keys else "paths are strings or Path objects"
            raise ConfigurationError(f"done: {kind}, got {described(misfits[0])}")
        if is_keys and self.carry:
            raise ConfigurationError("carry: keys alone bring no results; pass the path of the earlier output as done")
        paths: list[Any] = [] if is_keys else list(given)
        files = tuple(file for path in paths for file in files_of(path))
        object.__setattr__(self, "done", frozenset(given) if is_keys else files)


def checked_plan(plan: Any) -> Plan:
    """Refuse what is no plan.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(plan, Plan):
        raise ConfigurationError(f"plan: must be a Plan, got {type(plan).__name__}")
    return plan


def _check_mapping(value: object, name: str) -> None:
    if not is_mapping(value):
        raise ConfigurationError(f"{name}: must be a mapping, got {described(value)}")


def _check_row(row: object, known: frozenset[str], where: str) -> None:
    if row is None or callable(row) or (isinstance(row, str) and row):
        return
    if not is_mapping(row) or not row:
        raise ConfigurationError(
            f"row: must be a column's name, a mapping of parameters to columns, or a function, got {described(row)}"
        )
    check_names(row, known, where=where)
    for name, column in row.items():
        if not isinstance(column, str):
            raise ConfigurationError(f"row: the column of {name} must be a string, got {described(column)}")
