"""The reference, written from the code by `scripts/docs.py`: one module per kind of page, and what they share."""
