"""Many requests: `map` over inputs in memory, `runs` over files. A wing: `sdk` and `resources.base` each have a door.

Start reading at `map`, the engine; `runs`, `frames` and `ray` are built on it.
"""
