"""What came back becomes a model or an error. Start reading at `decode.py`; `error_bodies.py` finds what an error says.

Imports nothing of `_call` but `operation.py` and `effects.py`.
"""
