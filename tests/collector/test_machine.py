"""The pipeline, its log and its state through traffic, time, crashes and late spans, against sets of spans.

What the model says: whatever was acknowledged of a trace that has an error comes out, once, however late the error is; of
any other trace all of it comes out, or nothing.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.collector.building import SECOND, request
from tests.collector.test_pipeline import DAY, Way

TRACES = st.integers(1, 6)
SPANS = st.lists(
    st.fixed_dictionaries(
        {
            "trace": TRACES.map(lambda n: n << 48 | n),  # spread over the thresholds
            "parent": st.sampled_from([0, 1, 1, 1]),
            "status": st.sampled_from([0, 0, 0, 0, 2]),
            "job": st.sampled_from(["", "", "", "submitted", "ended"]),
        }
    ),
    min_size=1,
    max_size=4,
)


def encoded(span: dict) -> dict:
    job = {"quantum.job.id": f"j{span['trace']}", "quantum.provider.name": "ibm"}
    match span["job"]:
        case "submitted":
            more = {"kind": 4, "attributes": job}
        case "ended":
            more = {"attributes": job | {"quantum.job.status": "COMPLETED", "quantum.backend.name": "q"}}
        case _:
            more = {}
    return {k: v for k, v in span.items() if k != "job"} | {"name": span["job"] or "s"} | more


class Machine(RuleBasedStateMachine):
    @initialize(keep=st.sampled_from([0.0, 0.5, 1.0]))
    def begin(self, keep: float) -> None:
        self.keep, self.path = keep, Path(tempfile.mkdtemp())
        self.way = Way(self.path, keep=keep, **DAY)
        self.now_ns = SECOND
        self.spans = 0
        self.acknowledged: defaultdict[int, set[int]] = defaultdict(set)
        self.failed: set[int] = set()
        self.came: defaultdict[int, Counter[int]] = defaultdict(Counter)

    @rule(batches=st.lists(SPANS, min_size=1, max_size=3))
    def send(self, batches: list[list[dict]]) -> None:
        for span in (span for spans in batches for span in spans):
            self.spans += 1
            span["span"] = self.spans
            self.acknowledged[span["trace"]].add(self.spans)
            if span["status"] == 2:
                self.failed.add(span["trace"])
        self.way.door.send(*(request(*map(encoded, spans)) for spans in batches), log_ns=self.now_ns)

    @rule(seconds=st.sampled_from([0.25, 1, 2, 10]))
    def turn(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        self.way.tick(self.now_ns)

    @rule()
    def deliver(self) -> None:
        for span in self.way.sent():
            self.came[int.from_bytes(span.trace_id, "big")][int.from_bytes(span.span_id, "big")] += 1

    @rule()
    def crash(self) -> None:
        self.way.close()
        self.way = Way(self.path, keep=self.keep, **DAY)

    @precondition(lambda self: self.way.regret._count)
    @rule()
    def settle(self) -> None:
        self.way.regret.settle(all_=True)

    @rule()
    def freeze(self) -> None:
        if not self.way.pipeline._turn.dropped and self.way.decided.dropped.freeze(self.now_ns, all_=True):
            self.way.state.forget_dropped()

    def teardown(self) -> None:
        if not hasattr(self, "way"):
            return
        for seconds in (1, 10, 4 * 86_400, 10, 10):
            self.turn(seconds)
        self.deliver()
        self.way.close()
        shutil.rmtree(self.path)
        for trace, spans in self.acknowledged.items():
            came = self.came[trace]
            assert came in (Counter(), Counter(spans)), f"of {trace:x} missing {spans - came.keys()}, came {came}"
            assert came or (trace not in self.failed and self.keep < 1)


Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, derandomize=True)
test_what_the_model_keeps_comes_out_complete = Machine.TestCase
