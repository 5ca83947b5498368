"""Several workers of a real Ray on this machine: one pace, no row lost, errors in columns, results taken up again."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmsdk import Adaptive
from llmsdk.errors import ConfigurationError
from llmsdk.local import LocalServer
from llmsdk.local.limits import RateLimit
from llmsdk.ray import Limiter, Plan, Worker, map_rows
from llmsdk.utils import BackoffStrategy, RetryConfig

ray: Any = pytest.importorskip("ray.data", reason="Ray is not installed; make ray brings it") and __import__("ray")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

KEY = "sk-placeholder"


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    os.environ["LLMSDK_TEST_KEY"] = KEY
    ray.init(num_cpus=8, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
        del os.environ["LLMSDK_TEST_KEY"]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer(api_key=KEY) as running:
        yield running


def plan_for(server: LocalServer, **given: Any) -> Plan:
    plan = {"row": {"prompt": "q"}, "params": {"model": "m"}, "key": "id", "sdk": {"server_url": server.url}}
    return Plan(**plan | {"api_key_env": "LLMSDK_TEST_KEY"} | given)


def rows(count: int, blocks: int = 8) -> Any:
    return ray.data.from_items([{"id": n, "q": f"row {n}"} for n in range(count)], override_num_blocks=blocks)


def check(found: list[dict[str, Any]], count: int) -> None:
    assert sorted(row["id"] for row in found) == list(range(count))
    assert [row["llm_error_message"] for row in found if row["llm_error_class"]] == []
    assert all(f"'row {row['id']}'" in row["llm_text"] for row in found)


def noting_pids(folder: Path) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Make requests, and note in which process."""

    def request(row: dict[str, Any]) -> dict[str, Any]:
        (folder / str(os.getpid())).touch()
        return {"prompt": row["q"]}

    return request


def test_workers_keep_one_pace() -> None:
    rule = RateLimit(per_second=40, burst=10)
    with LocalServer(rate_limit=rule, latency_s=0.1, api_key=KEY) as server, Limiter(name="pace"):
        found = map_rows(rows(400), plan_for(server, limiter="pace"), batch_size=10).take_all()
        counts = Limiter.find("pace").counts()
    check(found, 400)
    assert sum(row["llm_attempts"] for row in found) - 400 == counts["refused"] < 0.02 * 400
    assert counts["granted"] >= 400


def test_a_killed_worker_loses_no_row(server: LocalServer, tmp_path: Path) -> None:
    server.always({"delay_s": 0.05})
    with Limiter(Adaptive(16, 16), name="kill"):
        plan = plan_for(server, row=noting_pids(tmp_path), limiter="kill")
        found: list[dict[str, Any]] = []
        for row in map_rows(rows(300, 12), plan, workers=2, batch_size=5).iter_rows():
            found.append(row)
            if len(found) == 60:
                os.kill(int(next(tmp_path.iterdir()).name), signal.SIGKILL)
    check(found, 300)
    assert len(list(tmp_path.iterdir())) >= 3


def test_errors_are_columns_and_what_failed_is_sent_again(server: LocalServer, tmp_path: Path) -> None:
    server.script(*[{"status": 422}] * 3, *[None] * 5, *[{"status": 401}] * 2)
    first = map_rows(rows(20, 2), plan_for(server, options={"retries": None}), workers=1).materialize()
    failed = {row["id"]: row["llm_error_class"] for row in first.take_all() if row["llm_error_class"]}
    assert sorted(failed.values()) == ["AuthenticationError"] * 2 + ["UnprocessableEntityError"] * 3
    first.write_parquet(str(tmp_path / "out"))
    server.reset()
    again = map_rows(rows(20, 2), plan_for(server, done=tmp_path / "out"), workers=2).take_all()
    assert {row["id"] for row in again} == failed.keys()
    assert len(server.requests) == 5
    carried = map_rows(rows(20, 2), plan_for(server, done=tmp_path / "out", carry=True), workers=2).take_all()
    check(carried, 20)


@pytest.mark.parametrize("form", ["numpy", "pandas", "pyarrow"])
def test_batches_of_every_form(form: str, server: LocalServer) -> None:
    strategy = ray.data.ActorPoolStrategy(size=1)
    found = rows(6, 1).map_batches(
        Worker, fn_constructor_args=(plan_for(server),), batch_format=form, batch_size=3, compute=strategy
    )
    check(found.take_all(), 6)


def test_a_limiter_that_is_gone_is_an_error_in_the_rows(server: LocalServer) -> None:
    server.always({"delay_s": 0.05})
    with contextlib.ExitStack() as stack:
        limiter = stack.enter_context(Limiter(Adaptive(2, 2), name="gone"))
        found: list[dict[str, Any]] = []
        for row in map_rows(rows(200), plan_for(server, limiter="gone"), workers=2, batch_size=5).iter_rows():
            if not found:
                limiter.stop()
            found.append(row)
        stack.pop_all()
    lost = [row for row in found if row["llm_error_class"]]
    assert sorted(row["id"] for row in found) == list(range(200))
    assert {row["llm_error_class"] for row in lost} == {"LimiterError"}
    assert "the limiter 'gone' is gone" in lost[0]["llm_error_message"]
    assert len(found) - len(lost) == len(server.requests)  # nothing that was paid for is lost


def test_a_limiter_that_died_begins_anew(server: LocalServer) -> None:
    server.always({"delay_s": 0.05})
    with Limiter(Adaptive(4, 4), name="died") as limiter:
        found: list[dict[str, Any]] = []
        for row in map_rows(rows(200), plan_for(server, limiter="died"), workers=2, batch_size=5).iter_rows():
            if not found:
                ray.kill(limiter._actor, no_restart=False)
            found.append(row)
        assert 0 < limiter.counts()["granted"] < 200
    check(found, 200)


def test_a_name_that_is_taken_and_one_that_is_not() -> None:
    with Limiter(name="taken"):
        with pytest.raises(ConfigurationError, match="there is a limiter 'taken' already"):
            Limiter(name="taken")
        assert Limiter.find("taken").counts()["granted"] == 0
    with pytest.raises(ConfigurationError, match="there is none named 'nobody'"):
        Limiter.find("nobody")


@pytest.mark.parametrize(
    "given, message",
    [
        ({"api_key_env": "LLMSDK_NOT_SET"}, "the environment variable LLMSDK_NOT_SET is not set in this worker"),
        ({"limiter": "nobody"}, "there is none named 'nobody'"),
        ({"key": "name"}, "there is no column 'name'; the table has 'id', 'q'"),
    ],
)
def test_what_is_wrong_for_all_rows_ends_the_job_before_any_is_sent(
    given: dict[str, Any], message: str, server: LocalServer
) -> None:
    with pytest.raises(Exception, match=message):
        map_rows(rows(4, 1), plan_for(server, **given), workers=1).take_all()
    assert server.requests == []


def test_refusals_are_sent_again(server: LocalServer) -> None:
    server.script(*[{"status": 429}] * 5)
    retries = RetryConfig("backoff", BackoffStrategy(10, 50, 2, 20_000), True)
    with Limiter(name="again"):
        found = map_rows(
            rows(40), plan_for(server, limiter="again", options={"retries": retries}), workers=2
        ).take_all()
    check(found, 40)
    assert sum(row["llm_attempts"] for row in found) == 45
