"""Traces of a service as figures see them: quiet by default, with one thing changed at a time."""

from __future__ import annotations

from random import Random

from eigenspan.figures.runs import Execution, Run

NS = 10**9
NOW_NS = 1_790_000_000 * NS
HOUR_S = 3600.0


def run(
    number: int, at_s: float, *, failed: bool = False, weight: float | None = 1.0, version: str = "1.0", stages=None, backend: str = "ibm_lagos",
    queue_s: float = 5.0, fallback: bool = False, execution_failed: bool = False,
) -> Run:  # fmt: skip
    """One trace that began `at_s` seconds before now."""
    stages = stages or {"transpile": 0.2, "queue": queue_s, "execute": 2.0, "post_process": 0.1}
    start_ns = NOW_NS - int(at_s * NS)
    execution = Execution("ibm", backend, start_ns, 2.0, execution_failed, queue_s, 4000, "ghz")
    return Run(
        f"{number:032x}", start_ns, start_ns + int(sum(stages.values()) * NS), "run", "svc", failed or execution_failed, weight,
        frozenset({("service", "svc", version)}), stages, (execution,), fallback,
    )  # fmt: skip


def quiet(seed: int = 1, n: int = 120, **changed) -> list[Run]:
    """Two hours of traces that wobble as real ones do, 2 % of them failed; `changed` gives arguments for the last hour."""
    random = Random(seed)
    out = []
    for i in range(n):
        at_s = 2 * HOUR_S * (n - i - 0.5) / n
        wobble = random.uniform(0.8, 1.25)
        stages = {"transpile": 0.2 * wobble, "queue": 5 * wobble, "execute": 2 * wobble, "post_process": 0.1}
        usual = {"failed": i % 50 == 7, "queue_s": 5 * wobble, "stages": stages}
        now = {k: v(i, wobble) if callable(v) else v for k, v in changed.items()} if at_s < HOUR_S else {}
        out.append(run(i, at_s, **(usual | now)))
    return out
