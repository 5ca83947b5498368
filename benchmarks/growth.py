"""How the cost of a call and of a chunk grows with what is open at once, with the hosts, and with the calls before."""

from question import Question, Target

OURS = ("llmsdk", "llmsdk-aiohttp")
PEERS = ("openai", "anthropic")

CHUNKS = 25  # of a stream: with 2,000 streams at once that makes 50,000

# Figures of one and the same size differ by some 10 % from run to run: what grows by less than this can't be told from
# what doesn't grow.
FLAT = 1.15

_COLLECTOR = (
    "the steps don't grow: a call with 2,000 in flight takes 1,270 calls of functions, one with 16 in flight 1,247. "
    "Neither does the CPU by much where the garbage collector is off: 231 to 257 us against 222, over aiohttp 186 "
    "against 171. What grows is the collector's part, 36 us of 260 with 2,000 in flight: it walks the objects of all "
    "that is open, 35 for each idle connection and 46 for each call in flight. Raw aiohttp, with 56 for each call, "
    "grows by it from 82 us to 139. With 73 for each call, before the default backend had a stream of its own, a call "
    "took 440 us. Freezing what was there before the calls bought nothing. Turning the collector off, or raising its "
    "thresholds, is for applications."
)
_CROWDED = (
    "a chunk takes 205 calls of functions with 1,000 streams at once as with 64, over aiohttp 140 each time. Of 54 us "
    "with 1,000 streams the garbage collector takes 11. Without it they are 42, against 36 with 64 streams, and over "
    "aiohttp 32 against 26: what so many streams hold doesn't fit the caches. Raw aiohttp grows from 13 us with 64 "
    "streams to 27 with 2,000."
)


def _asked(size: int, *, floors_to: int, peers_to: int) -> tuple[str, ...]:
    """Who is asked: those whose cost would grow into minutes leave the largest sizes out."""
    return (*OURS, "aiohttp", *(("httpx",) if size <= floors_to else ()), *(PEERS if size <= peers_to else ()))


def _flat(curve: str, size: int, least: int, profile: str = "") -> tuple[Target, ...]:
    flat = tuple(Target(name, FLAT, f"{name}@{curve}-{least}", profile=profile) for name in OURS)
    return () if size == least else flat


def _in_flight() -> list[Question]:
    return [
        Question(
            f"inflight-{width}", f"one call, {width:,} in flight", "curve", "acall", unit="us/call", expect=200,
            width=width, count=max(width, 500), curve="calls in flight", at=width,
            clients=_asked(width, floors_to=256, peers_to=256), targets=_flat("inflight", width, 1, _COLLECTOR),
        )
        for width in (1, 16, 64, 256, 1000, 2000)
    ]  # fmt: skip


def _streams() -> list[Question]:
    return [
        Question(
            f"streams-{width}", f"one chunk, {width:,} streams at once", "curve", "astream", f"stream/{CHUNKS}/paced",
            "us/chunk", 1e6 / CHUNKS, CHUNKS, width=width, count=max(width, 64), curve="streams at once", at=width,
            clients=_asked(width, floors_to=256, peers_to=64), targets=_flat("streams", width, 1, _CROWDED),
        )
        for width in (1, 16, 64, 256, 1000, 2000)
    ]  # fmt: skip


def _hosts() -> list[Question]:
    return [
        Question(
            f"hosts-{hosts}", f"one call, 64 in flight to {hosts} host{'s'[: hosts - 1]}", "curve", "acall",
            unit="us/call", expect=200, width=64, count=640, curve="hosts, 64 calls in flight", at=hosts, hosts=hosts,
            clients=_asked(hosts, floors_to=50, peers_to=50), targets=_flat("hosts", hosts, 1),
        )
        for hosts in (1, 5, 20, 50)
    ]  # fmt: skip


def _calls() -> list[Question]:
    return [
        Question(
            f"calls-{calls}", f"one call after {calls:,} calls of the client", "curve", "acall", unit="us/call",
            expect=200, width=16, count=1000, curve="calls before, 16 in flight", at=calls, after=calls,
            clients=_asked(calls, floors_to=10_000, peers_to=1000), targets=_flat("calls", calls, 10),
        )
        for calls in (10, 100, 1000, 10_000, 100_000)
    ]  # fmt: skip


CURVES = (*_in_flight(), *_streams(), *_hosts(), *_calls())
