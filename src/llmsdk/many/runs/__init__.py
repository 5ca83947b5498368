"""Many requests from a file, their replies into a file: `sdk.batch`.

`rows` reads lines as requests, each with its key; `tables` does so with CSV and Parquet. `journal` writes files that
only grow, `ledger` remembers keys in a few bytes each, `state` tells runs of another configuration apart, `results`
writes what came of a row. `job` has the files of one run, `run` joins it with `llmsdk.many.map`, `tally` counts,
`progress` shows it as it goes, and `page` lays the report out.
"""

from .tally import BatchReport

__all__ = ["BatchReport"]
