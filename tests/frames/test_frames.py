"""Frames of pandas, Dask and Spark through the same worker."""

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from llmsdk.errors import ConfigurationError
from llmsdk.frames import FrameWorker, Plan
from llmsdk.local import LocalServer

pd: Any = pytest.importorskip("pandas", reason="pandas is not installed; make ray brings it")


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def worker_of(server: LocalServer, **given: Any) -> FrameWorker:
    plan = {"row": {"prompt": "q"}, "params": {"model": "m"}, "key": "id", "sdk": {"server_url": server.url}}
    return FrameWorker(Plan(**plan | {"options": {"retries": None}} | given))


def frame(rows: int = 4) -> Any:
    return pd.DataFrame({"id": range(rows), "q": [f"row {n}" for n in range(rows)]}, index=range(10, 10 + rows))


def check(found: Any, rows: int) -> None:
    assert sorted(found["id"]) == list(range(rows))
    assert all(f"'row {n}'" in text for n, text in zip(found["id"], found["llm_text"], strict=True))


def test_a_frame_comes_back_with_columns(server: LocalServer) -> None:
    found = worker_of(server)(frame())
    check(found, 4)
    assert list(found.index) == [10, 11, 12, 13]
    assert found["llm_total_tokens"].dtype == "Int64"
    assert list(found["llm_error_class"]) == [None] * 4


def test_rows_that_are_done_are_left_out(server: LocalServer) -> None:
    found = worker_of(server, done={"0", "3"})(frame())
    assert list(found["id"]) == [1, 2]
    assert list(found.index) == [11, 12]


def test_failed_rows_can_be_sent_again(server: LocalServer) -> None:
    server.script({"status": 400})
    first = worker_of(server)(frame())
    again = worker_of(server)(first[first["llm_error_class"].notna()])
    assert len(again) == 1
    assert list(again.columns) == list(first.columns)
    assert again["llm_error_class"].isna().all()


def test_cells_are_plain_values(server: LocalServer) -> None:
    import numpy as np

    cells = pd.DataFrame(
        {
            "messages": [np.array([{"role": "user", "content": "Hi"}], dtype=object)],
            "max_tokens": np.array([5], dtype="int64"),
            "temperature": [float("nan")],
            "top_k": pd.array([None], dtype="Int64"),
        }
    )
    found = worker_of(server, row=None, key=None)(cells)
    assert found["llm_error_message"][0] is None
    assert server.requests[0].json.keys() == {"model", "messages", "max_tokens"}


@pytest.mark.parametrize("kind", ["float64", "object", "Int64", "Float64", "int64[pyarrow]", "double[pyarrow]"])
def test_a_gap_in_a_column_of_whole_numbers(server: LocalServer, kind: str) -> None:
    cells = pd.DataFrame({"id": [0, 1], "q": ["a", "b"], "n": pd.Series([3, None], dtype=kind)})
    found = worker_of(server, row={"prompt": "q", "max_tokens": "n"}, options={"retries": None}, limit=1)(cells)
    assert list(found["llm_error_message"]) == [None, None]
    assert [repr(request.json.get("max_tokens", "")) for request in server.requests] == ["3", "''"]


def test_dates_and_nested_lists(server: LocalServer) -> None:
    cells = pd.DataFrame({"when": pd.to_datetime(["2026-01-02", None]), "stop": [["a", "b"], None], "q": ["x", "y"]})
    worker = worker_of(server, row={"prompt": "q", "user": "when", "stop": "stop"}, key=None, limit=1)
    assert list(worker(cells)["llm_error_message"]) == [None, None]
    first, second = (request.json for request in server.requests)
    assert (first["user"], first["stop"]) == ("2026-01-02T00:00:00", ["a", "b"])
    assert second.keys() == {"model", "messages"}


def test_an_empty_frame(server: LocalServer) -> None:
    worker = worker_of(server)
    found = worker(frame(0))
    assert len(found) == 0
    assert dict(found.dtypes[2:]) == dict(worker.meta(frame()).dtypes[2:]) == dict(worker(frame()).dtypes[2:])
    assert len(server.requests) == 4


def test_a_missing_column_is_named(server: LocalServer) -> None:
    with pytest.raises(ConfigurationError, match="there is no column 'q'; the table has 'id'"):
        worker_of(server)(frame()[["id"]])


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("scheduler", ["sync", "threads"])
def test_dask(scheduler: str, server: LocalServer) -> None:
    dd = pytest.importorskip("dask.dataframe", reason="dask is not installed; make ray brings it")
    worker = worker_of(server)
    data = dd.from_pandas(frame(12), npartitions=3)
    lazy = data.map_partitions(worker, meta=worker.meta(data))
    assert server.requests == []
    found = lazy.compute(scheduler=scheduler)
    check(found, 12)
    assert len(server.requests) == 12


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_spark(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark", reason="pyspark is not installed, which needs Java")
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )
    try:
        data = spark.createDataFrame([(n, f"row {n}") for n in range(12)], "id long, q string").repartition(3)
        worker = worker_of(server)
        found = data.mapInPandas(worker.frames, schema=worker.schema(data)).toPandas()
    finally:
        spark.stop()
    check(found, 12)
    assert len(server.requests) == 12
