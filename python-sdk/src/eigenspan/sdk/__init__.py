"""Set-up in one line, spans by hand, and ids that leave the program's random state alone."""

from eigenspan.sdk import spans
from eigenspan.sdk.configure import Setup, setup, shutdown
from eigenspan.sdk.ids import SystemIdGenerator
from eigenspan.sdk.spans import stage, workflow

__all__ = ["Setup", "SystemIdGenerator", "setup", "shutdown", "spans", "stage", "workflow"]
