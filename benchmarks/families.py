"""Questions that are asked at several sizes, and shown in one table."""

from question import Question, Target

GROWING = ("llmsdk", "openai", "anthropic", "httpx")


def _growth() -> list[Question]:
    """Cost at one, ten and a hundred times the size."""
    asked = []
    for times in (1, 10, 100):
        count, size, text = 200 * times, 300 * times, 200 * times
        linear = () if times == 1 else (Target("llmsdk", 1.1, "llmsdk@chunks-x1"),)
        asked += [
            Question(
                f"chunks-x{times}", f"one chunk of a stream of {count:,}", "batch", "stream", f"stream/{count}/bulk",
                "us/chunk",
                1e6 / count, count, clients=GROWING, targets=linear,
            ),
            Question(
                f"chunk-size-x{times}", f"one chunk of {size:,} bytes", "batch", "stream", f"stream/200/bulk-{size}",
                "us/chunk",
                1e6 / 200, 200, clients=GROWING,
            ),
            Question(
                f"reply-size-x{times}", f"one call with a text of {text:,} bytes", "batch", "call", f"reply-{text}",
                "us/call",
                expect=text, clients=GROWING, targets=(Target("llmsdk", 0.95, "httpx"),) if times == 1 else (),
            ),
        ]  # fmt: skip
    return sorted(asked, key=lambda question: question.id.rpartition("-x")[0])


def _shards() -> list[Question]:
    """The number of connection pools against the number of calls in flight: llmsdk has none, httpx as many as given."""
    return [
        Question(
            f"shards-{shards}-{width}", f"{width} calls in flight over {shards} connection pools", "flight", "acall",
            unit="requests/s", expect=200, width=width, clients=("httpx",), floor="", shards=shards,
        )
        for width in (16, 64, 256)
        for shards in (1, 2, 4, 8, 16)
    ]  # fmt: skip


SIZES = tuple(_growth())
POOLS = tuple(_shards())
