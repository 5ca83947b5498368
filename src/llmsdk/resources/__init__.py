"""What hangs on the SDK object, `sdk.chat` and its like: a module for each, over one `Runner`.

May import `structured`, `tools`, `_net` and what is below; `sdk` imports it. Start reading at `base.py`, then at
`completions.py`, the plainest; `operations/` describes the endpoints, and `rows/` has the files of requests that
`sdk.batches` uploads and `sdk.batch` sends.
"""
