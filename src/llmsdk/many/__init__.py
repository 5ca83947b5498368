"""Many requests: `map` over inputs in memory, `runs` over files. A wing: `sdk` and `resources.base` import it, each by
one door; it may import everything below `sdk`.

Start reading at `map`, the engine; `runs`, `frames` and `ray` are built on it.
"""
