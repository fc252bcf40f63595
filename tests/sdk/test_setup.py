"""Set-up: what it makes, what it leaves alone, and that it can be undone. Each case runs in a process of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
from pathlib import Path

from eigenspan.sdk.ids import SystemIdGenerator

SRC = Path(__file__).resolve().parents[2] / "python-sdk" / "src"


def run(code: str, **env: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**clean, "PYTHONPATH": str(SRC), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_imports_no_telemetry() -> None:
    run(
        "import eigenspan, sys; assert not [m for m in sys.modules if m.startswith(('opentelemetry', 'cirq', 'qiskit'))]"
    )


def test_setting_up_imports_no_quantum_library() -> None:
    run(
        """
        import sys, eigenspan
        eigenspan.setup("svc", processors=[])
        assert not {"cirq", "qiskit", "qiskit_ibm_runtime"} & set(sys.modules)
        """
    )


def test_a_library_imported_later_is_instrumented_and_put_back() -> None:
    out = run(
        """
        import eigenspan
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)])
        import cirq_google
        import cirq
        circuit = cirq.Circuit(cirq.measure(cirq.LineQubit(0)))
        with eigenspan.workflow("w", version="2", correlation_id="c-1", tenant="t"):
            cirq.Simulator().run(circuit)
        execute, workflow = exporter.get_finished_spans()
        print(execute.name, workflow.name, execute.resource.attributes["service.name"])
        print(execute.attributes["quantum.request.correlation_id"], execute.attributes["quantum.workflow.version"])
        assert execute.parent.span_id == workflow.context.span_id
        eigenspan.shutdown()
        exporter.clear()
        cirq.Simulator().run(circuit)
        assert not exporter.get_finished_spans()
        """
    )
    assert out.splitlines() == ["execute Simulator workflow w svc", "c-1 2"]


def test_names_choose_what_is_instrumented() -> None:
    out = run(
        """
        import eigenspan
        try:
            eigenspan.setup(instrument=["cirq", "quirk"], processors=[])
        except ValueError as error:
            print(error)
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        seen = InMemorySpanExporter()
        eigenspan.setup(instrument="cirq", processors=[SimpleSpanProcessor(seen)], record="counts")
        import cirq
        cirq.Simulator().run(cirq.Circuit(cirq.measure(cirq.LineQubit(0))))
        print([span.name for span in seen.get_finished_spans()])
        """
    )
    assert out.splitlines() == [
        "cannot instrument 'quirk'; valid names are braket, cirq, pennylane, qiskit, qiskit_runtime",
        "['execute Simulator']",
    ]


def test_a_set_up_that_fails_leaves_nothing_behind() -> None:
    out = run(
        """
        import threading, eigenspan
        from opentelemetry import trace
        before = threading.active_count()
        for wrong in ({"instrument": ["cirq", "quirk"]}, {"protocol": "smoke"}, {"prices": "/nonexistent"}, {"record": ["x"]}):
            try:
                eigenspan.setup(**wrong)
            except ValueError as error:
                print(error)
        import cirq
        assert not hasattr(cirq.Simulator.run_sweep, "_eigenspan_call"), "a hook was left behind"
        assert threading.active_count() == before, threading.enumerate()
        done = eigenspan.setup(instrument=False)
        assert trace.get_tracer_provider() is done.provider, "another set-up's provider is the global one"
        eigenspan.shutdown()
        """,
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert [line.split(";")[0] for line in out.splitlines()][:2] == [
        "cannot instrument 'quirk'", "protocol 'smoke' is not known",
    ]  # fmt: skip
    assert len(out.splitlines()) == 4


def exporters(endpoint: str | None = None, protocol: str | None = None, **env: str) -> str:
    code = f"""
    import importlib
    module = importlib.import_module("eigenspan.sdk.configure")
    for processor in module._exporting({endpoint!r}, {protocol!r}):
        exporter = processor._batch_processor._exporter
        print(type(exporter).__module__.split(".")[4] if "otlp" in type(exporter).__module__ else "console",
              getattr(exporter, "_endpoint", ""))
        processor.shutdown()
    """
    return run(code, **env).strip()


def test_endpoint_and_protocol_are_arguments_then_variables_then_defaults() -> None:
    assert exporters() == "grpc localhost:4317"
    assert exporters("10.0.0.1:4317") == "grpc 10.0.0.1:4317"
    assert exporters(OTEL_EXPORTER_OTLP_ENDPOINT="http://other:4317") == "grpc other:4317"
    assert exporters("http://here:4317", OTEL_EXPORTER_OTLP_ENDPOINT="http://other:4317") == "grpc here:4317"
    assert exporters("http://here:4318", "http/protobuf") == "http http://here:4318/v1/traces"
    assert exporters(OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf").startswith("http http://localhost:4318")
    assert exporters(OTEL_TRACES_EXPORTER="none") == ""


def test_a_provider_that_the_program_set_is_kept() -> None:
    run(
        """
        import eigenspan
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        trace.set_tracer_provider(mine)
        assert eigenspan.setup().provider is mine
        eigenspan.shutdown()
        """
    )


def test_setting_up_again_after_a_shutdown_works() -> None:
    out = run(
        """
        import eigenspan
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        for turn in ("first", "second"):
            exporter = InMemorySpanExporter()
            eigenspan.setup(turn, processors=[SimpleSpanProcessor(exporter)], instrument=False)
            with eigenspan.workflow("w"):
                pass
            print(*(span.resource.attributes["service.name"] for span in exporter.get_finished_spans()))
            eigenspan.shutdown()
        """
    )
    assert out.split() == ["first", "second"]


def test_an_error_ends_the_workflow_span_with_its_type() -> None:
    out = run(
        """
        import json, eigenspan
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)], instrument=False)
        try:
            with eigenspan.workflow("w"):
                raise KeyError("k")
        except KeyError:
            pass
        (span,) = exporter.get_finished_spans()
        print(json.dumps([span.attributes["error.type"], span.status.status_code.name, span.attributes["otel.span.type"]]))
        """
    )
    assert json.loads(out) == ["KeyError", "ERROR", "quantum.internal.workflow"]


def test_ids_neither_follow_nor_change_the_state_of_random() -> None:
    generator = SystemIdGenerator()
    random.seed(42)
    state = random.getstate()
    first = (generator.generate_trace_id(), generator.generate_span_id())
    assert random.getstate() == state
    random.seed(42)
    assert (generator.generate_trace_id(), generator.generate_span_id()) != first
    assert 0 < first[0] < 1 << 128
    assert 0 < first[1] < 1 << 64


def test_a_forked_child_makes_ids_of_its_own() -> None:
    out = run(
        """
        import os
        from eigenspan.sdk.ids import SystemIdGenerator
        generator = SystemIdGenerator()
        read, write = os.pipe()
        if os.fork() == 0:
            os.write(write, str(generator.generate_trace_id()).encode())
            os._exit(0)
        os.wait()
        print(os.read(read, 100).decode(), generator.generate_trace_id())
        """
    )
    first, second = out.split()
    assert first != second


def test_an_instrumented_program_can_fork_and_pickle() -> None:
    """Children of a pool run instrumented circuits, and what crosses to them and back is what the library made."""
    run(
        """
        import multiprocessing, pickle
        import eigenspan
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)], instrument=["cirq"])
        import cirq
        circuit = cirq.Circuit(cirq.X(cirq.LineQubit(0)), cirq.measure(cirq.LineQubit(0), key="m"))

        def one(n):
            result = cirq.Simulator().run(circuit, repetitions=n)
            spans = exporter.get_finished_spans()
            return pickle.loads(pickle.dumps(result)) == result and int(result.measurements["m"].sum()), [s.context.span_id for s in spans]

        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map(one, [3, 4, 5, 6])
        assert [ones for ones, _ in found] == [3, 4, 5, 6]
        ids = {ids[-1] for _, ids in found}
        assert len(ids) == 4, ids
        """
    )


def test_setting_up_with_metrics_prices_and_content(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text("[[price]]\nprovider = 'p'\ncurrency = 'USD'\nper_shot = 1\n")
    run(
        f"""
        import eigenspan
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from eigenspan.instrument import _prices, _privacy
        reader = InMemoryMetricReader()
        eigenspan.setup("svc", processors=[], metric_readers=[reader], prices={str(tmp_path / "p.toml")!r}, record=["counts"],
                        redact=lambda key, value: value, instrument=False)
        assert _privacy.allowed("counts") and not _privacy.allowed("prompts")
        assert _prices.prices().find("p", "b").per_shot == 1
        with eigenspan.workflow("w"), eigenspan.spans.execute(provider_name="p", backend_name="b", job_shots=2):
            pass
        scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
        names = {{metric.name for scope in scopes for metric in scope.metrics}}
        assert {{"quantum.circuit.executions", "quantum.stage.duration", "process.cpu.time"}} <= names, names
        eigenspan.shutdown()
        assert not _privacy.allowed("counts") and _prices.prices().prices == ()
        """
    )


def test_metrics_too_work_again_after_a_shutdown() -> None:
    run(
        """
        import eigenspan
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        for turn in ("first", "second"):
            reader = InMemoryMetricReader()
            eigenspan.setup(turn, processors=[], metric_readers=[reader], instrument=["cirq"])
            import cirq
            cirq.Simulator().run(cirq.Circuit(cirq.measure(cirq.LineQubit(0))), repetitions=1)
            with eigenspan.spans.execute(provider_name="p", backend_name="b"):
                pass
            points = [(scope.scope.name, point.value) for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics
                      for metric in scope.metrics if metric.name == "quantum.circuit.executions" for point in metric.data.data_points]
            assert sorted(points) == [("eigenspan.instrument.cirq", 1), ("eigenspan.sdk", 1)], points
            eigenspan.shutdown()
        """
    )


def test_the_programs_random_numbers_are_what_they_were() -> None:
    """Python's and NumPy's next numbers, and a simulator's seeded results, with and without spans around them."""
    run(
        """
        import random
        import numpy
        import cirq
        import eigenspan
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        circuit = cirq.Circuit(cirq.H(cirq.LineQubit(0)), cirq.measure(cirq.LineQubit(0), key="m"))

        def numbers():
            random.seed(7), numpy.random.seed(7)
            with eigenspan.workflow("w", correlation_id="c"):
                bits = cirq.Simulator(seed=numpy.random).run(circuit, repetitions=20).measurements["m"].ravel().tolist()
            return bits, random.random(), numpy.random.random()

        bare = numbers()
        exporter = InMemorySpanExporter()
        eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)], metric_readers=[InMemoryMetricReader()])
        assert numbers() == bare
        assert len(exporter.get_finished_spans()) == 2
        """
    )


def test_threads_and_tasks_of_one_program_keep_their_traces_apart() -> None:
    """Four threads and four asyncio tasks run circuits at once: each execution is below its own workflow."""
    run(
        """
        import asyncio
        from concurrent.futures import ThreadPoolExecutor
        import eigenspan
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        exporter = InMemorySpanExporter()
        eigenspan.setup("svc", processors=[SimpleSpanProcessor(exporter)], instrument=["cirq"])
        import cirq
        circuit = cirq.Circuit(cirq.measure(cirq.LineQubit(0), key="m"))

        def one(n):
            with eigenspan.workflow(f"w{n}"):
                cirq.Simulator().run(circuit)

        async def task(n):
            with eigenspan.workflow(f"w{n}"):
                await asyncio.sleep(0)
                await cirq.Simulator().run_async(circuit)
                await asyncio.sleep(0)

        async def main():
            await asyncio.gather(*(task(n) for n in range(4, 8)))

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(one, range(4)))
        asyncio.run(main())
        spans = exporter.get_finished_spans()
        workflows = {span.context.span_id: span for span in spans if span.name.startswith("workflow")}
        executions = [span for span in spans if span.name == "execute Simulator"]
        assert len(workflows) == len(executions) == 8
        assert len({span.parent.span_id for span in executions}) == 8
        for span in executions:
            assert span.attributes["quantum.workflow.name"] == workflows[span.parent.span_id].attributes["quantum.workflow.name"]
        """
    )
