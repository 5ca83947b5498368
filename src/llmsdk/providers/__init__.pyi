"""The names of `llmsdk.providers`, written by scripts/stubs.py: change it there."""

from .ids import ServerId as ServerId
from .registry import PROVIDERS as PROVIDERS
from .spec import BatchRows as BatchRows
from .spec import ErrorPaths as ErrorPaths
from .spec import Handover as Handover
from .spec import LimitHeaders as LimitHeaders
from .spec import LimitWindow as LimitWindow
from .spec import Page as Page
from .spec import Provider as Provider
from .spec import Route as Route
from .spec import Structured as Structured
from .spec import Turns as Turns

TOGETHER: Provider
WRITER: Provider
WRITER_V1: Provider
R9S: Provider
OPENAI: Provider
LOCAL: Provider
ANTHROPIC: Provider
GEMINI: Provider
OPENAI_RESPONSES: Provider
