"""OpenTelemetry for quantum and hybrid (LLM + quantum) services."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eigenspan.sdk import setup, shutdown, spans, stage, workflow

__version__ = "0.1.0"
__all__ = ["__version__", "setup", "shutdown", "spans", "stage", "workflow"]


def __getattr__(name: str) -> Any:
    """The SDK's functions, imported when first used: the package itself costs nothing to import."""
    if name in __all__:
        from eigenspan import sdk

        return getattr(sdk, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
