"""What came back becomes a model or an error. Start reading at `reading.py`, which the flow asks.

`decode.py` does the work, and `error_bodies.py` finds what an error says; both know an `Operation` and no call.
"""
