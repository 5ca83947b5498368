"""The embedded provider: an offline server on a loopback port that speaks every dialect, for tests, demos and examples.

`SDK(server="local")` starts one itself. In tests, `LocalServer` is a context manager, and the pytest plugin has the
fixture `llm_server`; `python -m llmsdk.local` serves any client.

Optional: only `sdk` and `cli` import it. It may import everything below `sdk`, but pydantic and httpx only inside
functions, so that starting a server stays cheap. Start reading at `app.App.handle`, which answers a request without
any socket; `server` and `sending` have the sockets, `faults` what a script makes of a reply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .faults import Fault
    from .httpd import Request
    from .limits import RateLimit
    from .server import FAULT_HEADER, LocalServer

__all__ = ["FAULT_HEADER", "Fault", "LocalServer", "RateLimit", "Request"]

if not TYPE_CHECKING:  # to a checker, a module with `__getattr__` has every name, misspelt ones too

    def __getattr__(name: str) -> object:
        # Imported when first used: pytest imports this package, for its plugin, in every run of every project.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import faults, httpd, limits, server

        found = next(vars(module)[name] for module in (server, faults, httpd, limits) if name in vars(module))
        globals()[name] = found
        return found
