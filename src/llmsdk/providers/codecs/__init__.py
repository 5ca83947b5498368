"""Protocols of their own behind `chat.create`: what a request, a reply and an event are in our words.

Each package has one `Codec`: three pure functions between two JSON documents, which know nothing of HTTP or keys. A
provider that speaks a protocol names its codec in the `Route`; nothing else in the package knows of protocols. A codec
may import `common` here and what providers may import. Start reading in `common`, then in `anthropic`.
"""
