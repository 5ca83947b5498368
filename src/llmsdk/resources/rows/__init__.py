"""Rows of batches: requests read from files, and what becomes of them written to files.

`sdk.batch`, which sends the rows of a file from here, and `sdk.batches`, which hands them to the server, read the same
files and write the same results; frames and Ray workers read their rows by the same rules. So this lies below all four,
and imports nothing above `_call`. What may be a row is not listed here: `Operation.is_row` says so, and
`Operation.reply` is the model that reads what comes of it. What is wrong with a file is a `BatchError` of `problems`.

Start reading at `rows` (one line or one table row becomes a request with a key), then `cells` (values of tables),
`inputs` (JSON lines, CSV, Parquet), `results` (lines of results and failures), `tables` (results as a table) and
`server` (the form in which servers take rows and give results).
"""
