"""The snapshot of a span tree, as a program's own tests use it."""

from __future__ import annotations

import pytest

from eigenspan.sdk import spans, workflow
from eigenspan.testing import Captured, capture
from eigenspan.testing.captured import Tree


def service() -> None:
    with workflow("w", version="1", correlation_id="c-1") as run:
        with spans.post_process(result_size=2):
            pass
        with pytest.raises(OSError, match="x"), spans.scoring():
            raise OSError("x")
        run.outcome(success=True)


def test_a_tree_is_compared_as_text(captured: Captured) -> None:
    service()
    assert (
        captured.tree()
        == """
        workflow w INTERNAL
          post process INTERNAL
          scoring INTERNAL ! OSError
    """
    )
    assert captured.tree() != "workflow w INTERNAL"


def test_attributes_are_shown_when_named(captured: Captured) -> None:
    service()
    assert captured.tree("quantum.result.size").splitlines()[1] == "  post process INTERNAL result.size=2"
    assert "request.correlation_id='c-1'" in captured.tree("*")
    assert captured.points("quantum.outcome.answers", "quantum.workflow.name") == {("w",): 1}
    captured.clear()
    assert captured.tree() == ""


def test_each_block_has_its_own() -> None:
    trees = []
    for _ in range(2):
        with capture() as captured:
            service()
            trees.append(captured.tree())
    assert trees[0] == trees[1]


def test_libraries_instrumented_inside_use_it() -> None:
    cirq = pytest.importorskip("cirq")
    from eigenspan.instrument.cirq import CirqInstrumentor

    with capture() as captured:
        CirqInstrumentor().instrument()
        try:
            cirq.Simulator().run(cirq.Circuit(cirq.measure(cirq.LineQubit(0))), repetitions=2)
        finally:
            CirqInstrumentor().uninstrument()
        assert captured.tree() == "execute Simulator INTERNAL"
        assert captured.points("quantum.circuit.executions", "quantum.backend.name") == {("Simulator",): 1}


def test_a_span_whose_parent_is_elsewhere_is_shown_at_the_top(captured: Captured) -> None:
    with workflow("w"):
        with spans.scoring():
            pass
        assert captured.tree() == "scoring INTERNAL"


def test_trees_are_equal_whatever_they_are_indented_by() -> None:
    assert hash(Tree("a\n  b")) == hash(Tree("\n    a\n      b\n    "))
    assert Tree("a\n  b") != "a\n b"
