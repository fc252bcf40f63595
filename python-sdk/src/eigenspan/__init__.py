"""OpenTelemetry for quantum and hybrid (LLM + quantum) services."""

__version__ = "0.1.0"
