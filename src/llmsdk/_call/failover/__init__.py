"""A call that goes on to another server after one has failed. Start reading at `flow.py`, then `policy.py`.

Imports the plan and the flow of one call from the folder above; `_net/runner.py` uses it.
"""
