"""The part without I/O: what is sent, what comes back, when to try again."""
