"""The quantum semantic conventions: constants and tables, nothing that costs an import.

Generated from the registry by semconv/generate.py: edit the model, not this file.
"""

from typing import Final

SCHEMA_URL: Final = "https://eigenspan.github.io/schemas/quantum/0.2.0"
"""The schema that telemetry made with these constants follows."""
VERSION: Final = "0.2.0"
"""The version of that schema."""
