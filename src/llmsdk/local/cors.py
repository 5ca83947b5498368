"""Which pages in a browser may use the embedded provider: those that come from this machine.

The servers themselves let in pages of all origins, since a key protects them. Here any key may be let in, and a page
of the web could read what a developer has uploaded.
"""

from __future__ import annotations

from ..utils.urls import is_loopback, origin
from .httpd import Refusal, Request, Response


def headers_of(request: Request) -> dict[str, str]:
    """Make the headers that let the page of a request read the response."""
    page = request.headers.get("origin")
    if page is None or not _is_local(page):
        return {}
    return {"access-control-allow-origin": page, "access-control-expose-headers": "*", "vary": "origin"}


def preflight(request: Request) -> Response:
    """Answer a browser that asks what the request of a page may hold."""
    asked = request.headers.get("access-control-request-method")
    if asked is None:
        raise Refusal(405, "OPTIONS is not allowed here.", "GET, POST, DELETE")
    if not headers_of(request):
        raise Refusal(403, "Pages of other machines may not use the embedded provider.", "origin")
    named = request.headers.get("access-control-request-headers", "")
    headers = {"access-control-allow-methods": "GET, POST, DELETE", "access-control-max-age": "600"}
    return Response(status=204, headers={**headers, "access-control-allow-headers": named})


def _is_local(page: str) -> bool:
    try:
        return is_loopback(origin(page)[1])
    except ValueError:  # such as "null", which a file or a sandbox has
        return False
