"""OpenTelemetry spans and metrics of every call, by the conventions for generative AI.

Nothing imports it but applications, which pass `instrument()` to `SDK(observers=[...])`. It may import `observers`,
`errors` and `utils`; of a call it knows what `CallInfo` says. Start reading at `tracing.Tracing.start`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from ..observers import Observer


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    capture_content: bool = False,
) -> Observer:
    """Make the observer that `SDK(observers=[...])` takes.

    Args:
        tracer_provider: Where spans go; the process's own provider where left out.
        meter_provider: Where measurements go; likewise.
        capture_content: Whether spans hold prompts, messages, tool definitions and answers.

    Raises:
        ConfigurationError: The extra `otel` is not installed.
    """
    try:
        from .tracing import Tracing
    except ImportError:
        raise ConfigurationError(
            "instrument: needs opentelemetry-api; install it with: pip install 'llmsdk[otel]'"
        ) from None
    return Tracing(tracer_provider, meter_provider, capture_content=capture_content)
