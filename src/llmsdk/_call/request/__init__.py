"""Parameters become a request: checked, named and shaped for the dialect, written as JSON or as a form.

Start reading at `encode.py`. Imports nothing of `_call` but `operation.py`.
"""
