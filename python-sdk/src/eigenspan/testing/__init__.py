r"""Help for tests of programs that use eigenspan: spans in memory, their tree as text to compare with, and conformance.

    def test_my_service(captured):
        run_my_service()
        assert captured.tree() == "workflow portfolio INTERNAL\n  execute Simulator INTERNAL"

`captured` and `conformance` are pytest fixtures that come with the package; `capture()` is the same as a block.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eigenspan.testing.captured import Captured, capture

__all__ = ["Captured", "capture"]


def __getattr__(name: str) -> Any:
    """Imported when first used: pytest imports this package in every run, also where the SDK is not installed."""
    if name in __all__:
        from eigenspan.testing import captured as module

        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
