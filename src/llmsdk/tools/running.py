"""`chat.run_tools`: takes the steps of the loop, in either colour."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, assert_never

from .._net.runner import Runner
from .._net.steps import take, take_async
from ..errors import ConfigurationError
from ..resources.operations.chat import CREATE_CHAT_COMPLETION
from .loop import Job, Jobs, Loop, Request, Step, Tell
from .rounds import ToolResult
from .streams import ToolEventStream, ToolEventStreamAsync


def run_tools(
    runner: Runner, tools: Any, args: Mapping[str, Any], max_rounds: Any, on_error: Any, on_round: Any
) -> Any:
    """Run the loop to its end, or begin its stream."""
    loop = Loop(tools, args, max_rounds, on_error, on_round, is_async=False)

    def do(step: Step) -> Any:
        if isinstance(step, Request):
            return runner.call(CREATE_CHAT_COMPLETION, step.args)
        return perform(loop, step)

    return ToolEventStream(loop, do).start() if args.get("stream") is True else take(loop.steps(), do)


async def run_tools_async(
    runner: Runner, tools: Any, args: Mapping[str, Any], max_rounds: Any, on_error: Any, on_round: Any
) -> Any:
    """Run the loop to its end, or begin its stream."""
    loop = Loop(tools, args, max_rounds, on_error, on_round, is_async=True)

    async def do(step: Step) -> Any:
        if isinstance(step, Request):
            return await runner.call_async(CREATE_CHAT_COMPLETION, step.args)
        return await perform_async(loop, step)

    return (
        await ToolEventStreamAsync(loop, do).start()
        if args.get("stream") is True
        else await take_async(loop.steps(), do)
    )


def perform(loop: Loop, step: Jobs | Tell) -> Any:
    """Run tools one after the other, or tell the caller."""
    match step:
        case Jobs():
            # In order, as sync code expects; use the async twin for calls that wait.
            results: list[ToolResult] = []
            for job in step.jobs:
                results.append(_result(job))
                if step.stops and results[-1].error is not None:
                    break
            return results
        case Tell():
            return loop.on_round(step.round) if loop.on_round is not None else None
        case _:
            assert_never(step)


def _result(job: Job) -> ToolResult:
    if job.run is None:
        return job.failed(job.problem or ConfigurationError("nothing to run"))
    try:
        value = job.run()
    except Exception as exc:
        return job.failed(exc)
    # Closed, as one that nobody awaits would warn later and elsewhere.
    if inspect.iscoroutine(value):
        value.close()
        return job.failed(
            ConfigurationError(f"tool {job.name} gave a coroutine, which a sync call cannot await; use run_tools_async")
        )
    return job.succeeded(value)


async def perform_async(loop: Loop, step: Jobs | Tell) -> Any:
    """Run tools at the same time, those that are not async in threads; or tell the caller."""
    match step:
        case Jobs():
            return await _results(step.jobs)
        case Tell():
            told = loop.on_round(step.round) if loop.on_round is not None else None
            return await told if inspect.isawaitable(told) else told
        case _:
            assert_never(step)


async def _results(jobs: list[Job]) -> list[ToolResult]:
    import anyio

    # In the order of the calls, whichever ends first.
    results: dict[int, ToolResult] = {}

    async def put(at: int, job: Job) -> None:
        results[at] = await _result_async(job)

    # A task group would put a further frame into every traceback.
    if len(jobs) == 1:
        await put(0, jobs[0])
    else:
        async with anyio.create_task_group() as group:
            for at, job in enumerate(jobs):
                group.start_soon(put, at, job)
    return [results[at] for at in range(len(jobs))]


async def _result_async(job: Job) -> ToolResult:
    if job.run is None:
        return job.failed(job.problem or ConfigurationError("nothing to run"))
    try:
        if job.is_async:
            value = job.run()
        else:
            from anyio import to_thread

            # In a thread, as a tool that blocks would stop every other call of the event loop.
            value = await to_thread.run_sync(job.run)
        return job.succeeded(await value if inspect.isawaitable(value) else value)
    except Exception as exc:
        return job.failed(exc)
