"""The logger of the package."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass


logger = logging.getLogger("llmsdk")
