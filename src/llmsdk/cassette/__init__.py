"""Record and replay: real exchanges kept in a file, played back without a network.

Optional: only `llmsdk.Cassette` imports it. It may import `_net` and lower layers. Start reading at
`cassette.Cassette`; `players` are the clients that record and replay, `lines` is the file format, `asked` says what a
recording is found by.
"""

from .cassette import Cassette

__all__ = ["Cassette"]
