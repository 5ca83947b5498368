"""One call, from its arguments to its reply, without I/O: what is sent, what comes back, when to try again.

May import `models`, `providers`, `errors`, `utils` and the lower part of the face (`options`, `hooks`, `observers`);
`_net` and everything above may import it. Start reading at `flow.py`, whose `exchange` is the policy of a call on one
screen; then `plan.py`, what is decided before, and `verdict.py`, what failures come to.
"""
