"""The only I/O of a call: two drivers perform what a flow asks for, over transports, pools and network streams.

`runner` and `streams` are what resources use. Start with `sync_driver`, which performs the effects of
`_call/effects.py`; `async_driver` is its twin. Each stands on a transport: `transport` (the default, over `pool`,
`network`, `proxies` and `tls`), `aiohttp_transport`, or `supplied` (clients of the user's). `hook_views` is what hooks
see of requests and responses.

It imports `_call` and what is below; what is above may import it: resources, what chat does beyond one call, the face,
and the optional packages.
"""
