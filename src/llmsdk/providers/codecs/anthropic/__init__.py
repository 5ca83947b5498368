"""Anthropic's Messages protocol.

`requests.py` writes, `replies.py` and `events.py` read; start reading with the first.
`batches.py` is about other endpoints.
Imports `common` beside it, and `providers/spec.py`.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, anthropic 2.14.0.
"""

from __future__ import annotations

from ...spec import BatchRows, Codec
from . import batches
from .events import Decoder
from .replies import reply
from .requests import read_by_model, request

MESSAGES = Codec(request=request, reply=reply, decoder=Decoder)
TOKEN_COUNT = Codec(request=read_by_model)
BATCH = Codec(request=batches.request, reply=batches.reply)
BATCHES = Codec(request=batches.request, reply=batches.listing)
BATCH_ROWS = BatchRows(fields=("custom_id", "body"), longest_id=64, inline=batches.rows, result=batches.result)
