"""What may not be sent, wherever it would go."""

from __future__ import annotations

import os
from typing import NoReturn

from ..errors import ConfigurationError
from ..utils.urls import is_loopback

OFFLINE = "LLMSDK_OFFLINE"


def refuse_offline(host: str) -> None:
    """Refuse to leave this machine where `LLMSDK_OFFLINE=1` says so, even for the address of a host.

    Raises:
        ConfigurationError: The host is not loopback.
    """
    if os.environ.get(OFFLINE) == "1" and not is_loopback(host):
        raise ConfigurationError(f"LLMSDK_OFFLINE=1 is set, so nothing is sent to {host}; only loopback is allowed")


def refuse_closed() -> NoReturn:
    """Refuse to open anew what nobody would close any more.

    Raises:
        ConfigurationError: The SDK is closed.
    """
    raise ConfigurationError("the SDK was closed while this call was under way, so it is not tried again")
