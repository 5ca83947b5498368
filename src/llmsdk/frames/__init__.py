"""Calls over pandas frames: a function for pandas itself, Dask's `map_partitions` and Spark's `mapInPandas`.

Public are `FrameWorker`, `Plan` and `EnvKey`; the rest is shared with `llmsdk.ray`, which does the same for Ray. It may
import everything below `sdk` and the map engine in `many.map`; only `ray` imports it.

Start reading at `plan` (what workers do, checked where it is made), then `travel` (what it may carry), `session` (one
SDK over all batches of rows), `requests` (a row becomes a request), `columns` (what became of it) and `earlier` (rows
that are done). `leases` and `gate` are the pace that workers of Ray share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from ..errors import ConfigurationError
from ..resources.rows.cells import plain
from .columns import NAMES, kept_rows
from .plan import Plan, checked_plan
from .requests import check_columns
from .session import Session
from .travel import EnvKey

__all__ = ["EnvKey", "FrameWorker", "Plan"]

# Int64 is the one of pandas that has gaps: int64 would make floats of a column with a row that failed.
_DTYPES = {str: "object", int: "Int64", float: "float64"}
_SPARK = {str: "string", int: "bigint", float: "double"}


class FrameWorker:
    """Sends a request for each row of a frame, and returns the frame with the results in columns of their own.

    It pickles to its plan, and never raises for a row. Rows that are done already are left out, or carried through.

    Example:
        >>> worker = FrameWorker(Plan(row={"prompt": "question"}, params={"model": "m"}, key="id"))
        >>> answers = worker(frame)
        >>> answers = ddf.map_partitions(worker, meta=worker.meta(ddf))
        >>> answers = sdf.mapInPandas(worker.frames, schema=worker.schema(sdf))
    """

    def __init__(self, plan: Plan) -> None:
        if checked_plan(plan).limiter is not None:
            raise ConfigurationError(
                "limiter: only workers of Ray share one; leave it out, and divide the limit among them"
            )
        self.plan = plan
        self.__name__ = f"llmsdk.{plan.operation}"  # Dask asks functions for it

    def __call__(self, frame: Any) -> Any:
        """Process one frame.

        Raises:
            ConfigurationError: A column is missing, or no key is set here.
        """
        # With an SDK for this one frame: Dask pickles the function, and calls it in processes of its own.
        for done in self.frames((frame,)):
            return done
        raise AssertionError("one frame in, one frame out")

    def frames(self, frames: Iterable[Any]) -> Iterator[Any]:
        """Process frames one after the other, with one SDK for all of them."""
        with Session(self.plan) as session:
            for frame in frames:
                yield _worked_off(session, frame)

    def meta(self, frame: Any) -> Any:
        """Make the empty frame from which Dask learns what comes; without it, Dask calls the function to find out.

        Args:
            frame: A frame of pandas or Dask.
        """
        like = getattr(frame, "_meta", frame)
        check_columns(self.plan, list(like.columns))
        return joined(like.iloc[:0], self.plan, [])

    def schema(self, frame: Any) -> str:
        """Write the schema of what Spark gets.

        Args:
            frame: A data frame of Spark.
        """
        ours = {self.plan.columns[name]: _SPARK[kind] for name, kind in NAMES.items()}
        theirs = {name: kind for name, kind in frame.dtypes if name not in ours}
        return ", ".join(f"`{name.replace('`', '``')}` {kind}" for name, kind in (theirs | ours).items())


def records(frame: Any) -> list[dict[str, Any]]:
    """Return the rows of a frame in plain values; what is missing is None."""
    names = list(frame.columns)
    columns = [[plain(value) for value in frame[name]] for name in names]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def joined(frame: Any, plan: Plan, found: list[dict[str, Any] | None]) -> Any:
    """Put the columns beside the rows that they are about; rows without any are left out."""
    pandas: Any = import_module("pandas")
    kept, columns = kept_rows(found)
    rows = frame.iloc[kept]
    added = {
        plan.columns[name]: pandas.Series(cells, index=rows.index, dtype=_DTYPES[kind])
        for name, (kind, cells) in columns.items()
    }
    return rows.drop(columns=list(added), errors="ignore").assign(**added)


def _worked_off(session: Session, frame: Any) -> Any:
    check_columns(session.plan, list(frame.columns))
    return joined(frame, session.plan, session.begin(records(frame)).result())
