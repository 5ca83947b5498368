"""What is asked of the clients, and what llmsdk has to reach."""

from families import POOLS, SIZES
from growth import CURVES
from question import Question, Target

CHUNKS = 1000  # in a stream of a chunk question
EVENT_MB = 8.0
IMAGE_MB = 4.0


# Where the cost lies, by profile.
_OVER_AIOHTTP = (
    "raw aiohttp, without types, is the most that can be had. Alone, a call over it takes 67 us; of ours the plan "
    "takes 10 more, the attempt and the reply's model 16, the token counts 2.5, and what the backend does beside "
    "aiohttp 5. The parts are cheaper alone than together: 100 us become 145 to 155, as their code and data do not "
    "fit the caches at once and the garbage collector, which has 95 objects of each call in flight to look at where "
    "raw aiohttp has 60, takes some 8. Kept of what was tried: no tracing, no hashing of URLs, no scope around a "
    "close that waits for nothing, keys of random bits instead of UUIDs, no question for the process or the loop "
    "where none is needed, no import inside a call, and since then one timer over all sends, bodies taken whole where "
    "they came with their head, headers as the texts that aiohttp takes, counts read in loops that stop, plans as "
    "named tuples (975,000 instructions down to 863,000; raw aiohttp 520,000). Bought nothing: to sum the counts more "
    "often. Left as they are: a look whether a free connection was closed, and the head of a reply read by itself, so "
    "that a fault of the body does not hide it."
)
_CHUNK = (
    "of 5.5 us (floor: 4.4) validation takes 2.9 where the floor's models take 2.4: they have 12 fields, ours 26, and "
    "an absent one costs 25 ns. The fold that `.final` needs takes 0.65. Kept of what was tried: events as bare bytes "
    "instead of frames, instance dicts instead of attributes (together 0.25). Bought nothing: models without unions or "
    "without unknown fields. Not built: chains of C iterators, as all generators between socket and caller take 0.06."
)
_LOGPROBS = (
    "the floor's own code takes nearly as much where it runs in another process (`httpx-typed`), as it depends on when "
    "the garbage collector passes. With it off, floor and llmsdk take the same time. Unknown fields are kept, which is "
    "one more dict for each of 6,000 objects and makes for more passes, and the heap they go through is larger (48,500 "
    "objects against 39,400). Kept of what was tried: no validator where every value of JSON is taken as it came (3.3 "
    "ms of validation down to 2.8, the floor's models take 2.75). Turning the collector off is for applications. Whole "
    "runs have given 1.09x, 1.48x and 1.72x."
)
_FLIGHT_512 = (
    "a call takes 510 to 530 us of CPU with 512 in flight and 490 to 520 with 16, on connections that are open. What "
    "is beyond that is what the machine does beside."
)
_CROWD = (
    "an open stream holds 15 kB, and its caller has an event of 3. What is beyond is the text for `.final`, and what "
    "has arrived and waits for its task, 1 MiB over all and 4 KiB for each."
)
_IMPORT = (
    "73 million instructions, counted under valgrind, whatever the clock says: whole runs have given 14.6, 16.2 and "
    "18.2 ms, and runs of this question alone 14.3. Kept of what was tried: models, dialects of rare calls, records "
    "and patterns are loaded or compiled when they are first needed."
)
_START = (
    "five plain models over httpx are far above 1.3x already (`httpx-typed`): importing pydantic and building its "
    "validators is what types cost. On top come some 11 ms for importing llmsdk, 20 for the models of messages and "
    "replies, 16 for the request and its stream. Kept of what was tried: models of a resource only when it is used, "
    "validators built at the first use, none for a request of plain texts (13 ms), records and patterns compiled when "
    "they are needed, and no name of `typing` in what forks call, which kept every model alive to the very end of the "
    "process."
)


def _flight(width: int, *targets: Target) -> Question:
    return Question(
        f"flight-{width}",
        f"{width} calls in flight, async",
        "flight",
        "acall",
        unit="requests/s",
        expect=200,
        width=width,
        loops=True,
        targets=targets,
    )


def _chunk(way: str, colour: str, *targets: Target) -> Question:
    title = {"bulk": "many in each write", "single": "each a write of its own", "paced": "each in a read of its own"}[
        way
    ]
    return Question(
        f"chunk-{way}-{colour}",
        f"one streamed chunk of 300 bytes, {title}, {colour}",
        "batch",
        "stream" if colour == "sync" else "astream",
        f"stream/{CHUNKS}/{way}",
        "us/chunk",
        1e6 / CHUNKS,
        CHUNKS,
        loops=colour == "async" and way != "bulk",
        targets=(Target("llmsdk", 1.25, "httpx", profile=_CHUNK), *targets),
    )


def _started() -> tuple[Target, ...]:
    """Beside bare httpx the honest floor: httpx with five small models, which is what pydantic costs anyone."""
    return Target("llmsdk", 1.25, "httpx-typed", profile=_START), Target("llmsdk", 1.3, "httpx", profile=_START)


def _crowd(name: str, title: str, path: str, note: str, *targets: Target) -> Question:
    return Question(
        name,
        title,
        "crowd",
        "astream",
        path,
        "events/s of CPU",
        expect=200,
        width=512,
        warm="stream/200/bulk",
        clients=("llmsdk", "llmsdk-aiohttp", "openai", "openai-aiohttp", "anthropic", "httpx", "aiohttp"),
        extra={"memory": "MB", "lost": "lost streams"},
        floor="",
        targets=targets,
        note=note,
    )


QUESTIONS: tuple[Question, ...] = (
    Question(
        "call-sync", "one small chat call, sync, kept alive", "batch", "call", unit="us/call", expect=200,
        targets=(Target("llmsdk", 0.95, "httpx"), Target("llmsdk", 0.5, "best peer")),
    ),
    Question(
        "call-async", "one small chat call, async, one at a time", "batch", "acall", unit="us/call", expect=200,
        loops=True,
        targets=(
            Target("llmsdk", 0.95, "httpx"),
            Target("llmsdk-aiohttp", 0.40, "httpx", profile=_OVER_AIOHTTP),
        ),
    ),
    _flight(16),
    _flight(
        64,
        Target("llmsdk", 1.8, "openai", at_least=True),
        Target("llmsdk", 1.3, "httpx", at_least=True),
        Target("llmsdk-aiohttp", 0.5, "aiohttp", at_least=True, profile=_OVER_AIOHTTP),
        Target("llmsdk-aiohttp", 5.5, "openai-aiohttp", at_least=True, profile=_OVER_AIOHTTP),
    ),
    _flight(100, Target("llmsdk", 1.3, "httpx", at_least=True)),
    _flight(512, Target("llmsdk", 0.8, "llmsdk@flight-16", at_least=True, profile=_FLIGHT_512)),
    Question(
        "rows", "many rows, 64 in flight", "rows", "arows", unit="requests/s", expect=200, width=64,
        clients=(
            "llmsdk", "llmsdk-map", "openai", "httpx",
            "llmsdk-aiohttp", "llmsdk-map-aiohttp", "openai-aiohttp", "aiohttp",
        ),
        targets=(
            Target("llmsdk-map", 1.0, "httpx", at_least=True),
            Target("llmsdk-map", 1.5, "openai", at_least=True),
        ),
        note=(
            "One job of {rows:,} small chats. `llmsdk-map` is `sdk.chat.map_async(requests, limit=64)`, which paces "
            "itself, retries, and reads its rows as it sends them. The others are `asyncio.gather` over one coroutine "
            "per row that awaits the client's call under an `asyncio.Semaphore(64)`; `llmsdk` is so with "
            "`create_async`. Without types, retries or pacing: `httpx` and `aiohttp`, whose replies are read by "
            "`.json()`."
        ),
    ),
    _chunk("bulk", "sync", Target("llmsdk", 1 / 3, "best peer", profile=_CHUNK)),
    _chunk("bulk", "async", Target("llmsdk", 1 / 3, "best peer", profile=_CHUNK)),
    _chunk("single", "sync"),
    _chunk("single", "async", Target("llmsdk-aiohttp", 15.0)),
    _chunk("paced", "sync"),
    _chunk("paced", "async"),
    _crowd(
        "crowd",
        "512 streams of 200 chunks at once, 50 chunks a second in each",
        "stream/200/turns-240@20000",
        "A chunk carries a token of a few letters. Memory is the peak above what was resident after one stream. "
        "The server sends whether or not the client has read: one that doesn't keep up with 25,600 chunks a second "
        "holds what has arrived meanwhile. httpx opens 100 connections at most, and lets the other streams wait.",
        Target("llmsdk", 12, field="memory", profile=_CROWD),
        Target("llmsdk", 0, field="lost"),
    ),
    _crowd(
        "crowd-fast",
        "512 streams of 200 chunks of 300 bytes at once, as fast as they are read",
        "stream/200/single",
        "Each chunk is a write of its own, and what has arrived at a connection is read together.",
        Target("llmsdk", 60_000, at_least=True, profile=_CROWD),
        Target("llmsdk", 0, field="lost"),
    ),
    Question(
        "event-sync", "one event of 8 MB in 16 KiB chunks, sync", "batch", "text", "event8m", "ms", 1e3,
        targets=(Target("llmsdk", 1.5, "httpx"),),
    ),
    Question(
        "event-async", "one event of 8 MB in 16 KiB chunks, async", "batch", "atext", "event8m", "ms", 1e3,
        targets=(Target("llmsdk", 1.5, "httpx"),),
    ),
    Question(
        "event-memory", "peak memory of one event of 8 MB", "memory", "text", "event8m", "MB", warm="stream/20/bulk",
        targets=(Target("llmsdk", 3 * EVENT_MB),),
    ),
    Question(
        "logprobs", "one reply of 200 kB with logprobs", "batch", "logprobs", "logprobs", "ms", 1e3,
        targets=(Target("llmsdk", 1.1, "httpx", profile=_LOGPROBS),),
    ),
    Question(
        "image", "one image reply of 4 MB", "batch", "image", "image4m", "ms", 1e3, 4000000,
        targets=(Target("llmsdk", 1.1, "httpx"),),
    ),
    Question(
        "image-memory", "peak memory of one image reply of 4 MB", "memory", "image", "image4m", "MB", warm="image-1000",
        expect=4000000, targets=(Target("llmsdk", 2.5 * IMAGE_MB),),
    ),
    Question(
        "import", "import, beyond httpx and pydantic", "imports", unit="ms", floor="", extra={"modules": "modules"},
        targets=(Target("llmsdk", 15.0, profile=_IMPORT), Target("llmsdk", 60, field="modules")),
    ),
    Question(
        "construct", "construct the first client of a process, and the second", "construct", unit="ms", floor="",
        extra={"second": "ms, the second"}, targets=(Target("llmsdk", 1.0), Target("llmsdk", 1.0, field="second")),
    ),
    Question(
        "start-call", "fresh process to its first reply, CPU of the whole process", "start", "call", unit="ms",
        expect=200, targets=_started(),
    ),
    Question(
        "start-stream", "fresh process to its first streamed event, CPU of the whole process", "start", "first",
        "stream/20/bulk", "ms", targets=_started(),
    ),
    Question(
        "memory", "growth of memory over 20,000 chunks consumed one by one", "memory", "stream",
        "stream/20000/bulk", "MB", expect=20000, floor="", warm="stream/2000/bulk", targets=(Target("llmsdk", 2.0),),
    ),
    *SIZES,
    *POOLS,
    *CURVES,
)  # fmt: skip
