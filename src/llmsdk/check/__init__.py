"""Is a server what its dialect says? Ten small calls, and what deviates.

Optional: `sdk.check` and the command `llmsdk check` import it. It may import `resources` and what is below. Start
reading at `calls.py`, which has the calls; `look.py` reads what came, `report.py` is what a person sees of it.
"""

from .report import CheckReport, Finding

__all__ = ["CheckReport", "Finding"]
