"""The embedded provider of this package, see `llmsdk.local`: offline, in this process, without a key."""

from __future__ import annotations

from .compatible import ROUTES
from .spec import Provider, Route

PROVIDER = Provider(
    name="local", auth=None, key_required=False, embedded=True, routes={**ROUTES, "countTokens": Route()}
)
