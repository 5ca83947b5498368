"""What workers of Ray and of frames do by themselves, where neither Ray nor pandas is installed."""

import asyncio
import math
import pickle
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import llmsdk.ray
from llmsdk import Adaptive, Budget
from llmsdk.errors import ConfigurationError
from llmsdk.frames import FrameWorker, records
from llmsdk.frames.leases import Grant, LeaseRequest
from llmsdk.local import LocalServer
from llmsdk.ray import Limiter, Plan, Worker
from llmsdk.resources.rows.cells import plain

TABLE = {"id": [0, 1, 2, 3], "q": [f"row {n}" for n in range(4)]}


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


def plan_for(server: LocalServer, **given: Any) -> Plan:
    plan = {"row": {"prompt": "q"}, "params": {"model": "m"}, "key": "id", "sdk": {"server_url": server.url}}
    return Plan(**plan | {"options": {"retries": None}} | given)


def worked_off(plan: Plan, *batches: Any) -> list[Any]:
    async def main() -> list[Any]:
        return [table for batch in batches async for table in worker(batch)]

    worker = Worker(plan)
    try:
        return asyncio.run(main())
    finally:
        worker._session.close()


# ------------------------------------------------------------- workers of Ray


def test_a_batch_comes_back_with_columns(server: LocalServer) -> None:
    server.script(None, {"status": 400})
    (found,) = worked_off(plan_for(server, limit=1), pa.table(TABLE))
    assert found.column_names[:3] == ["id", "q", "llm_key"]
    assert found.schema.field("llm_total_tokens").type == pa.int64()
    assert found["llm_error_class"].to_pylist() == [None, "BadRequestError", None, None]
    assert found["llm_error_status"].to_pylist() == [None, 400, None, None]
    texts = found["llm_text"].to_pylist()
    assert texts[1] is None
    assert all(f"'row {n}'" in texts[n] for n in (0, 2, 3))


def test_batches_of_arrays_are_read(server: LocalServer) -> None:
    talk = np.array([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}], dtype=object)
    cells = {"messages": talk.reshape(2, 1), "max_tokens": np.array([5, 6])}
    (found,) = worked_off(plan_for(server, row=None, key=None, limit=1), cells)
    assert found["llm_error_message"].to_pylist() == [None, None]
    asked = [(request.json["messages"][0]["content"], request.json["max_tokens"]) for request in server.requests]
    assert asked == [("one", 5), ("two", 6)]


GAPS: dict[str, tuple[dict[str, Any], Any]] = {
    "arrays": ({"n": np.array([3, np.nan])}, None),
    "a table with NaN": (pa.table({"n": [3.0, float("nan")]}), None),
    "a table with null": (pa.table({"n": [3.0, None]}), None),
    "decimals": (pa.table({"n": [Decimal("3.00"), None]}), None),
    "objects": ({"n": np.array([{"max_tokens": 3.0}, {"max_tokens": None}], dtype=object)}, "n"),
}


@pytest.mark.parametrize("case", GAPS)
def test_a_gap_in_a_column_of_whole_numbers(server: LocalServer, case: str) -> None:
    cells, column = GAPS[case]
    said = [{"role": "user", "content": "x"}]
    how = {"prompt": "q", "max_tokens": "n"} if column is None else column
    extra: Any = {"id": [1.0, None], "q": ["a", "b"]}
    if column is not None:
        cells = {column: np.array([{**cell, "messages": said} for cell in cells[column]], dtype=object)}
    is_table = isinstance(cells, pa.Table)
    batch = (
        pa.table({**extra, **{name: cells[name] for name in cells.column_names}}) if is_table else {**extra, **cells}
    )
    (found,) = worked_off(plan_for(server, row=how, key=None, limit=1), batch)
    assert found["llm_error_message"].to_pylist() == [None, None]
    assert [repr(request.json.get("max_tokens", "")) for request in server.requests] == ["3", "''"]


def test_a_gap_in_the_keys_leaves_the_other_keys_as_they_are(server: LocalServer) -> None:
    cells = {"id": np.array([1, np.nan, 0]), "q": np.array(["a", "b", "c"], dtype=object)}
    (found,) = worked_off(plan_for(server, done={"0"}), cells)
    assert found["llm_key"].to_pylist() == ["1", None]
    assert found["llm_error_message"].to_pylist() == [None, "key: the column 'id' has no value here"]


def test_dates_are_sent_as_text_and_handed_to_functions_as_they_are(server: LocalServer) -> None:
    day = date(2026, 1, 2)
    table = pa.table({"id": [0], "q": [day]})
    worked_off(plan_for(server), table)
    worked_off(plan_for(server, row=lambda row: {"prompt": f"{row['q']:%d.%m.}"}), table)
    assert [request.json["messages"][0]["content"] for request in server.requests] == ["2026-01-02", "02.01."]


def test_rows_that_are_done_leave_the_others_in_their_places(server: LocalServer) -> None:
    (found,) = worked_off(plan_for(server, done={"0", "2"}), pa.table(TABLE))
    assert found["id"].to_pylist() == [1, 3]
    assert found["llm_key"].to_pylist() == ["1", "3"]
    (none,) = worked_off(plan_for(server, done={"0", "1", "2", "3"}), pa.table(TABLE))
    assert (none.num_rows, none.schema) == (0, found.schema)


def test_an_earlier_output_is_brought_up_to_date(server: LocalServer) -> None:
    server.script({"status": 400})
    (first,) = worked_off(plan_for(server, limit=1), pa.table(TABLE))
    (again,) = worked_off(plan_for(server), first)
    assert again.column_names == first.column_names
    assert again["llm_error_class"].to_pylist() == [None] * 4


def test_one_worker_takes_many_batches_over_its_connections(server: LocalServer) -> None:
    found = worked_off(plan_for(server, limit=2), *[pa.table(TABLE)] * 3)
    assert [table.num_rows for table in found] == [4, 4, 4]
    assert len(server.requests) == 12


def test_workers_share_a_budget_by_its_file(server: LocalServer, tmp_path: Path) -> None:
    budget = Budget(requests=6, tokens=100_000, path=tmp_path / "account.json")
    sdk = {"server_url": server.url, "budget": budget}
    travelled = pickle.dumps(plan_for(server, sdk=sdk, params={"model": "m", "max_tokens": 5}))
    found = [worked_off(pickle.loads(travelled), pa.table(TABLE))[0]["llm_error_class"].to_pylist() for _ in range(2)]
    assert sorted(found[0] + found[1], key=str) == ["BudgetExceededError"] * 2 + [None] * 6
    assert (len(server.requests), budget.spent.requests, budget.reserved.requests) == (6, 6, 0)
    with pytest.raises(ConfigurationError, match="give it path="):
        pickle.dumps(plan_for(server, sdk={"server_url": server.url, "budget": Budget(requests=6)}))


def test_what_fits_no_row_ends_the_batch(server: LocalServer) -> None:
    with pytest.raises(ConfigurationError, match="there is no column 'name'; the table has 'id', 'q'"):
        worked_off(plan_for(server, key="name"), pa.table(TABLE))
    with pytest.raises(ConfigurationError, match="plan: must be a Plan, got dict"):
        Worker({})  # type: ignore[arg-type] # that is what is refused
    assert server.requests == []


class Ray:
    """As much of Ray as a worker needs to find a limiter, which is our own and runs here."""

    class RayError(Exception):
        pass

    class ActorUnavailableError(RayError):
        pass

    def __init__(self) -> None:
        self.limiter = llmsdk.ray._LimiterActor(Adaptive(2, 2))
        self.ask: Callable[[LeaseRequest], Awaitable[Grant]] = self.asked
        self.killed: list[Any] = []
        self.actor = SimpleNamespace(
            ask=SimpleNamespace(remote=lambda asked: self.ask(asked)),
            counts=SimpleNamespace(remote=self.limiter.counts),
        )

    async def asked(self, asked: LeaseRequest) -> Grant:
        return pickle.loads(pickle.dumps(self.limiter.ask(pickle.loads(pickle.dumps(asked)))))

    def get_actor(self, name: str, namespace: str) -> Any:
        if (name, namespace) != ("pace", "llmsdk"):
            raise ValueError(name)
        return self.actor

    def get(self, value: Any, timeout: float) -> Any:
        return value

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Ray:
    here = Ray()
    monkeypatch.setitem(sys.modules, "ray", here)
    monkeypatch.setitem(sys.modules, "ray.exceptions", Ray)
    return here


def test_a_limiter_gives_leave_for_every_attempt(server: LocalServer, ray: Ray) -> None:
    (found,) = worked_off(plan_for(server, limiter="pace"), pa.table(TABLE))
    assert found["llm_error_message"].to_pylist() == [None] * 4
    with Limiter.find("pace") as limiter:
        assert limiter.counts()["granted"] >= 4
        assert ray.killed == []
    assert ray.killed == [ray.actor]


def test_a_limiter_that_is_on_its_way_back_is_waited_for(server: LocalServer, ray: Ray) -> None:
    failures = iter([Ray.ActorUnavailableError()])

    async def ask(asked: LeaseRequest) -> Grant:
        for failure in failures:
            raise failure
        return await ray.asked(asked)

    ray.ask = ask
    (found,) = worked_off(plan_for(server, limiter="pace"), pa.table(TABLE))
    assert found["llm_error_message"].to_pylist() == [None] * 4


@pytest.mark.parametrize(
    "failure, problem",
    [
        (Ray.RayError, "the limiter 'pace' is gone (RayError); start it again"),
        (Ray.ActorUnavailableError, "the limiter 'pace' does not answer (ActorUnavailableError); start it again"),
        (None, "the limiter 'pace' does not answer (TimeoutError); start it again"),
    ],
)
def test_a_limiter_that_is_lost_is_an_error_in_the_rows(
    failure: type[Exception] | None, problem: str, server: LocalServer, ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(asked: LeaseRequest) -> Grant:
        if failure is not None:
            raise failure
        await asyncio.sleep(math.inf)
        raise AssertionError

    ray.ask = ask
    monkeypatch.setattr(llmsdk.ray, "_ANSWER_S", 0.01)
    monkeypatch.setattr(llmsdk.ray, "_PATIENCE_S", -1.0)
    (found,) = worked_off(plan_for(server, limiter="pace"), pa.table(TABLE))
    assert found["llm_error_class"].to_pylist() == ["LimiterError"] * 4
    assert found["llm_error_message"].to_pylist() == [problem] * 4
    assert server.requests == []


@pytest.mark.usefixtures("ray")
def test_a_limiter_that_nobody_made_is_named(server: LocalServer) -> None:
    told = r"limiter: no limiter is named 'nobody'; make it first: llmsdk\.ray\.Limiter\(name='nobody'\)"
    with pytest.raises(ConfigurationError, match=told):
        Limiter.find("nobody")
    with pytest.raises(ConfigurationError, match=told):
        Worker(plan_for(server, limiter="nobody"))


# ------------------------------------------------------------- workers of frames


class Frame(dict[str, Any]):
    """Columns by their names, as a frame has them."""

    @property
    def columns(self) -> list[str]:
        return list(self)


class NAType:
    """Named like the missing value of pandas."""


@pytest.mark.parametrize(
    "cell, value",
    [
        (np.int64(5), 5),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([{"n": np.float64("nan")}, None], dtype=object), [{"n": None}, None]),
        ((np.bool_(True), "x"), [True, "x"]),
        (float("nan"), None),
        (NAType(), None),
        (0.0, 0.0),
        ("", ""),
    ],
)
def test_cells_become_what_json_knows(cell: Any, value: Any) -> None:
    found = plain(cell)
    assert found == value
    assert type(found) is type(value)


def test_rows_of_a_frame_are_mappings() -> None:
    frame = Frame(id=np.array([1, 2]), q=["a", float("nan")])
    assert records(frame) == [{"id": 1, "q": "a"}, {"id": 2, "q": None}]
    assert records(Frame(id=[])) == []


def test_the_schema_for_spark_keeps_its_columns_and_quotes_their_names() -> None:
    worker = FrameWorker(Plan(row={"prompt": "q"}, params={"model": "m"}, prefix="a_"))
    frame = SimpleNamespace(dtypes=[("id", "bigint"), ("odd`name", "array<string>"), ("a_text", "int")])
    kinds = dict(field.rsplit(" ", 1) for field in worker.schema(frame).split(", "))
    assert kinds.pop("`id`") == "bigint"
    assert kinds.pop("`odd``name`") == "array<string>"
    assert kinds.keys() == {f"`{name}`" for name in worker.plan.columns.values()}
    assert (kinds["`a_text`"], kinds["`a_attempts`"], kinds["`a_elapsed_ms`"]) == ("string", "bigint", "double")


def test_a_frame_that_lacks_a_column_is_refused_before_anything_is_sent(server: LocalServer) -> None:
    worker = FrameWorker(plan_for(server))
    for use in (worker, worker.meta):
        with pytest.raises(ConfigurationError, match="there is no column 'q'; the table has 'id'"):
            use(Frame(id=[1]))
    assert server.requests == []
