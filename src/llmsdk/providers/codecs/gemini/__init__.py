"""Google's generateContent protocol.

`requests.py` and `conversation.py` write, `replies.py` and `events.py` read; start reading with the first.
`embeddings.py` and `batches.py` are about other endpoints. Imports `common` beside it, and `providers/spec.py`.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, google-genai 3.6.1.
"""

from __future__ import annotations

from ...spec import BatchRows, Codec
from . import batches, embeddings
from .events import Decoder
from .replies import reply
from .requests import request, token_count

GENERATE_CONTENT = Codec(request=request, reply=reply, decoder=Decoder)
TOKEN_COUNT = Codec(request=token_count)
BATCH = Codec(request=batches.request, reply=batches.reply)
BATCHES = Codec(request=batches.request, reply=batches.listing)
BATCH_ROWS = BatchRows(
    fields=("custom_id", "body"),
    inline=batches.rows,
    model="model_id",
    result=batches.result,
    document=batches.results,
)
EMBEDDINGS = Codec(request=embeddings.request, reply=embeddings.reply)
