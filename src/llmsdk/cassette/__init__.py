"""Record and replay: real exchanges kept in a file, played back without a network."""

from .tape import Cassette

__all__ = ["Cassette"]
