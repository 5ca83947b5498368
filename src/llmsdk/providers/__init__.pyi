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
AZURE: Provider
BASETEN: Provider
CEREBRAS: Provider
COHERE: Provider
DASHSCOPE: Provider
DEEPINFRA: Provider
DEEPSEEK: Provider
FIREWORKS: Provider
GEMINI: Provider
GEMINI_OPENAI: Provider
GROQ: Provider
HUGGINGFACE: Provider
LLAMACPP: Provider
LMSTUDIO: Provider
MISTRAL: Provider
MOONSHOT: Provider
NEBIUS: Provider
NOVITA: Provider
NVIDIA: Provider
OLLAMA: Provider
OPENAI_RESPONSES: Provider
OPENROUTER: Provider
PERPLEXITY: Provider
SAMBANOVA: Provider
VLLM: Provider
XAI: Provider
XIAOMI: Provider
