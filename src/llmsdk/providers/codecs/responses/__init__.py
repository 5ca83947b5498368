"""OpenAI's Responses protocol, which others speak as well.

`requests.py` writes, `replies.py` and `events.py` read; start reading with the first.
Imports `common` beside it, and `providers/spec.py`.

Sources: recorded traffic of 2025 and 2026; types of the vendor's Python package, openai 3.57.0.
"""

from __future__ import annotations

from ...spec import Codec
from .events import Decoder
from .replies import reply
from .requests import request

RESPONSES = Codec(request=request, reply=reply, decoder=Decoder)
TOKEN_COUNT = Codec(request=request)
