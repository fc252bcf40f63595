"""The one error of this package: a document that cannot be trusted as a calibration."""

from __future__ import annotations

from eigenspan.collector.errors import EigenspanError


class CalibrationError(EigenspanError):
    """A calibration document is corrupt, incomplete or absurd; nothing of it was kept.

    `source` says which document, `what` is wrong with it, and `mend` what its owner can do.
    """

    def __init__(self, source: str, what: str, mend: str) -> None:
        super().__init__(f"{source}: {what}; {mend}")
        self.source = source
        self.what = what
        self.mend = mend
