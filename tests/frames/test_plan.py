"""What workers are to do is checked where it is said, travels without a key, and says what it lacks in one line."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from llmsdk import SDK, Adaptive
from llmsdk.errors import ConfigurationError, RequestValidationError
from llmsdk.frames import EnvKey, FrameWorker, Plan
from llmsdk.ray import Limiter, map_rows

KEY = "sk-placeholder"

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a literal key": ({"sdk": {"api_key": KEY}}, 'pass the variable\'s name: api_key_env="TOGETHER_API_KEY"'),
    "literal keys by server": ({"sdk": {"api_key": {"openai": KEY}}}, "a literal api_key does not travel"),
    "a function that holds the key": ({"sdk": {"api_key": lambda: KEY}}, "would travel with all that it holds"),
    "a method": ({"sdk": {"api_key": {"openai": KEY.upper}}}, "would travel with all that it holds"),
    "a key in a header": ({"sdk": {"http_headers": {"Authorization": KEY}}}, "holds a key"),
    "a key in a header of calls": ({"options": {"http_headers": {"x-api-key": KEY}}}, "holds a key"),
    "the key for its name": ({"api_key_env": KEY}, "the name of an environment variable"),
    "the keys for their names": ({"api_key_env": {"openai": KEY}}, "the name of an environment variable"),
    "a client": ({"sdk": {"client": object()}}, "a client does not travel"),
    "an unknown option of the SDK": ({"sdk": {"sever": "openai"}}, "did you mean 'server'"),
    "an SDK": ({"sdk": "openai"}, "sdk: must be a mapping, got str"),
    "an unknown option of calls": ({"options": {"deadline_ms": 5}}, "'deadline_ms' isn't an option of a call"),
    "an unknown operation": ({"operation": "dream"}, "operation: must be one of"),
    "a row that is none": ({"row": 3}, "row: must be a column's name, a mapping"),
    "an empty mapping": ({"row": {}}, "row: must be a column's name, a mapping"),
    "a column that is none": ({"row": {"prompt": 3}}, "the column of prompt must be a string"),
    "a limit": ({"limit": 0}, "limit: must be an int from 1"),
    "a key column": ({"key": 3}, "key: must be a string"),
    "no prefix": ({"prefix": ""}, "prefix: must be a string that is not empty"),
    "done of another kind": ({"done": 3}, "done: must be a path, a list of paths or a set of keys"),
    "keys that are numbers": ({"done": {3}}, "done: keys are strings, numbers written as text, got int"),
    "paths that are none": ({"done": [3]}, "done: paths are strings or Path objects"),
    "results of mere keys": ({"done": {"a"}, "carry": True}, "carry: keys alone bring no results"),
}


@pytest.mark.parametrize("given", REFUSED)
def test_what_cannot_be_is_refused_in_one_line(given: str) -> None:
    arguments, message = REFUSED[given]
    with pytest.raises(ConfigurationError) as caught:
        Plan(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_parameters_are_those_of_the_operation() -> None:
    with pytest.raises(RequestValidationError, match=r"max_tokns: unknown parameter of chat\.create; did you mean"):
        Plan(params={"max_tokns": 5})
    with pytest.raises(RequestValidationError, match="sytem: unknown parameter"):
        Plan(row={"sytem": "q"})
    with pytest.raises(RequestValidationError, match="stream: unknown parameter"):
        Plan(params={"stream": True})


def key_of_a_module() -> str:
    return KEY


def test_functions_that_workers_can_import_and_named_variables_travel() -> None:
    data = pickle.dumps(Plan(sdk={"api_key": {"openai": EnvKey("SOME_KEY")}, "timeout_ms": 5}))
    assert pickle.loads(data).sdk["api_key"] == {"openai": EnvKey("SOME_KEY")}
    assert Plan(sdk={"api_key": key_of_a_module}).sdk_options()["api_key"] is key_of_a_module


def test_a_plan_pickles_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    plan = Plan(api_key_env={"openai": "SOME_KEY"}, params={"model": "m"}, sdk={"server_url": "http://127.0.0.1:9"})
    assert plan.pace == Adaptive()
    data = pickle.dumps(plan)
    assert KEY.encode() not in data
    again = pickle.loads(data)
    assert again == plan
    assert again.run_id == plan.run_id
    options = again.sdk_options()
    assert options["api_key"]["openai"]() == KEY


def test_an_sdk_of_a_named_key_pickles_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", KEY)
    with SDK(api_key=EnvKey("SOME_KEY"), server_url="http://127.0.0.1:9") as sdk:
        data = pickle.dumps(sdk)
    assert KEY.encode() not in data
    assert b"SOME_KEY" in data
    pickle.loads(data).close()


def test_a_key_that_is_not_set_where_the_worker_runs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    plan = Plan(api_key_env="SOME_KEY")
    with pytest.raises(ConfigurationError, match="the environment variable SOME_KEY is not set in this worker"):
        plan.sdk_options()


def test_what_is_there_now_is_what_workers_read(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for name in ("a.jsonl", "part/b.parquet", "part/_metadata.parquet", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    both = (f"{tmp_path}/a.jsonl", f"{tmp_path}/part/b.parquet")
    assert Plan(done=tmp_path / "none.parquet").done_paths == ()
    assert Plan(done=f"file://{tmp_path}/none").done_paths == ()
    assert Plan(done=tmp_path).done_paths == both
    assert Plan(done=f"file://{tmp_path}").done_paths == tuple(f"file://{path}" for path in both)
    assert Plan(done=[*both, f"file://{both[0]}"]).done_paths == (*both, f"file://{both[0]}")
    assert Plan(done={"a", "b"}).done_keys == {"a", "b"}
    with pytest.raises(ConfigurationError, match="done: nowhere://x: cannot be read"):
        Plan(done="nowhere://x")


def test_frames_take_a_plan_without_a_limiter() -> None:
    with pytest.raises(ConfigurationError, match="plan: must be a Plan, got dict"):
        FrameWorker({})  # type: ignore[arg-type] # that is what is refused
    with pytest.raises(ConfigurationError, match="only workers of Ray share one"):
        FrameWorker(Plan(limiter="llmsdk"))
    worker = pickle.loads(pickle.dumps(FrameWorker(Plan(key="id"))))
    assert worker.plan.key == "id"


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "ray.data"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ConfigurationError, match=r"llmsdk\[ray\]"):
        Limiter()
    with pytest.raises(ConfigurationError, match=r"llmsdk\[ray\]"):
        Limiter.find("llmsdk")
    with pytest.raises(ConfigurationError, match=r"llmsdk\[ray\]"):
        map_rows(object(), Plan())
