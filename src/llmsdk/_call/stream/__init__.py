"""A streamed reply: bytes become events, events fold, and one way it ended. Start reading at `events.py`.

Imports `reply/` of its neighbours; `_net/streams.py` drives it.
"""
