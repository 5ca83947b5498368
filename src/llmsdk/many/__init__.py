"""Many requests: `map` over inputs in memory, `runs` over files. Optional: `sdk` and `resources.base` import it, in
one place each; it may import everything below `sdk`.

Start reading at `map`, the engine; `runs`, `frames` and `ray` are built on it.
"""
