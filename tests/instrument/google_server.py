"""A server that speaks as much of Google's Quantum Engine as programs and jobs need, over gRPC, for the real client.

A job goes through READY, RUNNING and its end, one state a look; its result is a real simulator's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import cirq
import duet
import grpc
from cirq_google.api import v2
from cirq_google.cloud import quantum
from cirq_google.cloud.quantum_v1alpha1.services.quantum_engine_service.transports import (
    QuantumEngineServiceGrpcAsyncIOTransport as Transport,
)
from cirq_google.engine import Engine
from cirq_google.engine.engine import EngineContext
from cirq_google.serialization import CIRCUIT_SERIALIZER
from google.protobuf.any_pb2 import Any as Packed

SERVICE = "google.cloud.quantum.v1alpha1.QuantumEngineService"
PROCESSOR = "willow_pink"
STATES = ("READY", "RUNNING")
CREATED = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)
AT = {"READY": 0, "RUNNING": 60, "SUCCESS": 62, "FAILURE": 62}


@dataclass
class Service:
    """What the server knows and has been asked."""

    end: str = "SUCCESS"
    programs: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Any] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    def GetQuantumProcessor(self, request: quantum.GetQuantumProcessorRequest) -> Any:
        key = quantum.DeviceConfigKey(run="current", config_alias="default")
        return quantum.QuantumProcessor(name=request.name, default_device_config_key=key)

    def CreateQuantumProgram(self, request: quantum.CreateQuantumProgramRequest) -> Any:
        made = request.quantum_program
        made.name = made.name or f"{request.parent}/programs/prog-{len(self.programs)}"
        self.programs[made.name] = made
        return made

    def CreateQuantumJob(self, request: quantum.CreateQuantumJobRequest) -> Any:
        made = request.quantum_job
        made.name = made.name or f"{request.parent}/jobs/job-{len(self.jobs)}"
        made.create_time = CREATED
        self.jobs[made.name], self.looks[made.name] = made, 0
        return self.look(made, "READY")

    def GetQuantumJob(self, request: quantum.GetQuantumJobRequest) -> Any:
        looks = self.looks[request.name]
        self.looks[request.name] += 1
        return self.look(self.jobs[request.name], STATES[looks] if looks < len(STATES) else self.end)

    def ListQuantumJobs(self, request: quantum.ListQuantumJobsRequest) -> Any:
        label = re.search(r"labels\.(\w+)(?::\*|=)", request.filter)
        found = [job for job in self.jobs.values() if label is None or label[1] in job.labels]
        return quantum.ListQuantumJobsResponse(jobs=found)

    def GetQuantumResult(self, request: quantum.GetQuantumResultRequest) -> Any:
        program = self.programs[request.parent.rpartition("/jobs/")[0]]
        message = v2.program_pb2.Program()
        program.code.Unpack(message)
        circuit = CIRCUIT_SERIALIZER.deserialize(message)
        result = cirq.Simulator().run_sweep(circuit, cirq.UnitSweep, 5)
        packed = Packed()
        packed.Pack(v2.results_to_proto([result], v2.find_measurements(circuit)))
        return quantum.QuantumResult(parent=request.parent, result=packed)

    @staticmethod
    def look(job: Any, state: str) -> Any:
        job.execution_status.state = state
        job.execution_status.processor_name = "" if state == "READY" else f"projects/p/processors/{PROCESSOR}"
        if state != "READY":
            job.execution_status.timing.started_time = CREATED + timedelta(seconds=AT["RUNNING"])
        if state in ("SUCCESS", "FAILURE"):
            job.execution_status.timing.completed_time = CREATED + timedelta(seconds=AT[state])
        if state == "FAILURE":
            job.execution_status.failure.error_code = "SYSTEM_ERROR"
            job.execution_status.failure.error_message = "the fridge is warm"
        return job


_RPCS = {
    "GetQuantumProcessor": quantum.GetQuantumProcessorRequest,
    "CreateQuantumProgram": quantum.CreateQuantumProgramRequest,
    "CreateQuantumJob": quantum.CreateQuantumJobRequest,
    "GetQuantumJob": quantum.GetQuantumJobRequest,
    "ListQuantumJobs": quantum.ListQuantumJobsRequest,
    "GetQuantumResult": quantum.GetQuantumResultRequest,
}


@contextmanager
def serving() -> Iterator[tuple[Service, Engine]]:
    """The server, and Cirq-Google's engine at it."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    state = Service()

    def handler(name: str, kind: Any) -> Any:
        def answer(request: Any, _: grpc.ServicerContext) -> Any:
            with suppress_instrumentation():  # the far end, which is another's program
                return getattr(state, name)(request)

        return grpc.unary_unary_rpc_method_handler(
            answer, request_deserializer=kind.deserialize, response_serializer=lambda made: type(made).serialize(made)
        )

    server = grpc.server(ThreadPoolExecutor(2))
    rpcs = {name: handler(name, kind) for name, kind in _RPCS.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, rpcs),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    def transport(**_: Any) -> Transport:
        return Transport(channel=grpc.aio.insecure_channel(f"127.0.0.1:{port}"))

    context = EngineContext(service_args={"transport": transport}, enable_streaming=False, verbose=False)
    sleep = duet.sleep
    try:
        with patch.object(duet, "sleep", lambda seconds: sleep(seconds / 50)):
            yield state, Engine("p", context=context)
    finally:
        server.stop(None)
