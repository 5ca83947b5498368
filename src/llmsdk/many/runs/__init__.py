"""`sdk.batch`: the requests of a file sent from here, and their replies written to a file.

The same rows sent by the server itself are `sdk.batches` in `resources`; one call over many inputs in memory is
`sdk.chat.map` in `many.map`, which this is built on. It may import everything below `sdk` and nothing imports it but
the SDK's property `batch` and the command line.

Start reading at `batch` (the method), then `file_run` (which rows are sent, and what becomes of them). `journal` is a
file that outlives a kill, `state` the side file that says what configured a run; `counts` are its numbers as it goes,
which `progress` shows and `figures`, `page` and `report` sum up. Rows themselves are read in `resources.rows`.
"""

from .report import BatchReport

__all__ = ["BatchReport"]
