"""What a source of jobs speaks of: a job as its provider describes it, its states, and the tags that tie it to its submission."""

from eigenspan.instrument._jobs import Job, Status
from eigenspan.instrument._prices import Cost
from eigenspan.instrument._propagate import carrier, labels, listed

__all__ = ["Cost", "Job", "Status", "carrier", "labels", "listed"]
