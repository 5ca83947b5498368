"""Outside judges: other people's clients against the embedded provider, and this SDK against other people's servers.

`make judges` runs them. Each module is one judge: `PACKAGE` is the distribution whose version is printed, and `judge`
does the checking. A judge runs in a process of its own, so that one that hangs or crashes says nothing about the next.
"""
