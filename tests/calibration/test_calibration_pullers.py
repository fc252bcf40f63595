"""Live services: real SDK objects, and local servers that speak the providers' wire formats."""

from __future__ import annotations

import json
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from click.testing import CliRunner

from eigenspan.calibration import CalibrationStore, Snapshot, StatusSample, instants
from eigenspan.calibration.importers.detect import import_bytes
from eigenspan.calibration.pullers.braket import BraketSource
from eigenspan.calibration.pullers.google import GoogleSource
from eigenspan.calibration.pullers.http import Client
from eigenspan.calibration.pullers.ibm import IbmSource
from eigenspan.calibration.pullers.opening import plans
from eigenspan.calibration.pullers.poller import FIRST_RETRY_S, Plan, Poller
from eigenspan.calibration.pullers.source import Busy, Document, Unreachable
from eigenspan.calibration.pullers.web import AzureSource, IqmSource
from eigenspan.cli.calibration import calibration
from eigenspan.collector.settings import PollSettings
from tests.calibration.test_calibration_providers import IONQ, iqm_station

NS = 10**9
NOW = instants.parse("2026-07-01T00:00:00Z")
SECRET = "s3cret-token-that-must-not-be-said"


@contextmanager
def serving(answers: dict[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """A local server: path → JSON, or (status, headers, body). Gives its URL and the requests that it saw."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append((self.path, self.headers.get("Authorization")))
            found = answers.get(self.path.partition("?")[0], (404, {}, b"{}"))
            if callable(found):
                found = found(self.path)
            status, headers, body = found if isinstance(found, tuple) else (200, {}, json.dumps(found).encode())
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def read(document: Document | None) -> Snapshot:
    assert document is not None
    return import_bytes(document.data, "poll", document.hints)


def test_ibm_by_its_fake_backends(ibm: dict[str, Snapshot]) -> None:
    fake_provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        provider = fake_provider.FakeProviderForBackendV2()
        source = IbmSource(provider)
        assert "fake_torino" in source.backends()
        snapshot = read(source.document("fake_torino"))
        (sample,) = source.status("fake_torino", 5)
    assert snapshot.snapshot.version == ibm["props_torino.json"].snapshot.version
    assert (sample.status, sample.queue_length) == ("online", None)  # a 0 may be a queue that nobody told


class IbmService:
    """The service's side of the SDK: a real IBMBackend on a client that answers from documents, newest last."""

    def __init__(self, documents: list[dict[str, Any]], configuration: Any) -> None:
        from qiskit_ibm_runtime import IBMBackend

        self.asked: list[datetime | None] = []
        self.documents = documents
        self._backend = IBMBackend(configuration, self, self)  # type: ignore[arg-type]

    def backends(self) -> list[Any]:
        return [self._backend]

    def backend(self, _name: str) -> Any:
        return self._backend

    def backend_status(self, name: str) -> dict[str, Any]:
        return {
            "backend_name": name,
            "backend_version": "1",
            "operational": True,
            "status_msg": "active",
            "pending_jobs": 4,
        }

    def backend_properties(self, _name: str, datetime: datetime | None = None, **_: Any) -> Any:
        self.asked.append(datetime)
        before = [d for d in self.documents if datetime is None or _date(d) < datetime]
        return json.loads(json.dumps(before[-1])) if before else None


def _in_utc(node: Any) -> Any:
    """The document as the service serves it; the published ones carry the offset of whoever fetched them."""
    if isinstance(node, dict):
        dates = ("date", "last_update_date")
        return {
            key: datetime.fromisoformat(value).astimezone(UTC).isoformat() if key in dates else _in_utc(value)
            for key, value in node.items()
        }
    return [_in_utc(value) for value in node] if isinstance(node, list) else node


def _date(document: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(document["last_update_date"])


def test_ibms_past_is_walked_through_the_real_backend_class(
    store: CalibrationStore, raw_history: dict[str, dict[str, Any]]
) -> None:
    fake_provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    documents = sorted((_in_utc(d) for name, d in raw_history.items() if name.startswith("valencia_")), key=_date)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        configuration = fake_provider.FakeValenciaV2().configuration()
        configuration.backend_name = "ibmq_valencia"
        service = IbmService(documents, configuration)
        last = instants.to_ns(_date(documents[-1])) + NS
        clock = [last]
        plan = Plan("ibm", lambda: IbmSource(service), history_s=1e9, status_interval_s=1e9)
        poller = Poller(store, [plan], lambda: clock[0], lambda: clock[0])
        for _ in range(6):
            clock[0] += int(poller.step() * NS) if clock[0] > last else 1
    timeline = store.index().timeline("ibm", "valencia")
    assert [s.valid_from_ns for s in timeline] == sorted({instants.to_ns(_date(d)) for d in documents})
    assert store.index().polled_ns("ibm", "ibmq_valencia") is not None
    asked = len(service.asked)
    again = Poller(store, [plan], lambda: clock[0], lambda: clock[0])
    for _ in range(3):
        again.step()
    assert len(service.asked) <= asked + 3  # the past is walked once


def test_google_by_the_virtual_engine(store: CalibrationStore, google: dict[str, Snapshot]) -> None:
    factory = pytest.importorskip("cirq_google.engine.virtual_engine_factory")
    from cirq_google.engine.simulated_local_engine import SimulatedLocalEngine
    from cirq_google.engine.simulated_local_processor import SimulatedLocalProcessor

    calibration = factory.load_median_device_calibration("rainbow")
    processor = SimulatedLocalProcessor(
        processor_id="rainbow",
        device=factory.create_device_from_processor_id("rainbow"),
        device_specification=factory.create_device_spec_from_processor_id("rainbow"),
        calibrations={calibration.timestamp // 1000: calibration},
    )
    source = GoogleSource(SimulatedLocalEngine([processor]))
    assert source.backends() == ["rainbow"]
    snapshot = read(source.document("rainbow"))
    shipped = google["rainbow"]
    assert snapshot.snapshot.valid_from == shipped.snapshot.valid_from
    assert snapshot.snapshot.provider_calibration_id == str(calibration.timestamp // 1000)
    assert snapshot.gates == shipped.gates
    assert source.status("rainbow", 7) == [StatusSample("google", "rainbow", 7, "online")]
    poller = Poller(store, [Plan("google", lambda: source, history_s=1e12)], lambda: NOW, lambda: NOW)
    for _ in range(4):
        poller.step()
    assert store.index().match("google", "rainbow", NOW).kind == "as_of"
    assert poller.counts["google", "new"] == 1


def test_braket_by_boto3_and_a_local_service(store: CalibrationStore, shared_data: Path) -> None:
    pytest.importorskip("braket.aws")
    import gzip

    import boto3
    from braket.aws import AwsSession

    directory = shared_data / "calibration" / "braket"
    capabilities = gzip.decompress((directory / "iqm_54q_20251106T210431.json.gz").read_bytes()).decode()
    arn = "arn:aws:braket:eu-north-1::device/qpu/iqm/Emerald"
    device = {
        "deviceArn": arn, "deviceName": "Emerald", "deviceType": "QPU", "providerName": "IQM", "deviceStatus": "ONLINE",
        "deviceCapabilities": capabilities,
        "deviceQueueInfo": [{"queue": "QUANTUM_TASKS_QUEUE", "queueSize": ">4000", "queuePriority": "Normal"}],
    }  # fmt: skip
    path = "/device/arn%3Aaws%3Abraket%3Aeu-north-1%3A%3Adevice%2Fqpu%2Fiqm%2FEmerald"
    with serving({path: device}) as (url, seen):
        keys = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": SECRET, "region_name": "eu-north-1"}
        session = boto3.Session(**keys)
        client = session.client("braket", endpoint_url=url, **keys)
        source = BraketSource(AwsSession(boto_session=session, braket_client=client))
        poller = Poller(store, [Plan("braket", lambda: source, [arn])], lambda: NOW, lambda: NOW)
        poller.step()
        poller.step()
    assert seen
    index = store.index()
    match = index.match("iqm", "emerald", NOW)
    assert (match.kind, match.snapshot and match.snapshot.operational_pairs) == ("as_of", 83)
    sample = index.status("iqm", "Emerald", NOW)
    assert sample is not None
    assert (sample.status, sample.queue_length, sample.lower_bound) == ("busy", 4000, True)
    assert sample.window_start_ns is not None


def test_brakets_devices_are_found_in_all_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = pytest.importorskip("braket.aws")
    arn = "arn:aws:braket:us-west-1::device/qpu/rigetti/Ankaa-3"
    entry = {
        "deviceArn": arn,
        "deviceName": "Ankaa-3",
        "providerName": "Rigetti",
        "deviceType": "QPU",
        "deviceStatus": "ONLINE",
    }
    answers = {
        "/devices": {"devices": [entry]},
        f"/device/{quote(arn, safe='')}": {**entry, "deviceCapabilities": "{}"},
    }
    with serving(answers) as (url, seen):
        for name, value in {
            "AWS_ENDPOINT_URL_BRAKET": url, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "eu-north-1", "AWS_EC2_METADATA_DISABLED": "true",
        }.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        source = BraketSource()
        assert source.backends() == [arn]
        (sample,) = source.status(arn, 5)
    assert (sample.provider, sample.backend, sample.status) == ("rigetti", "Ankaa-3", "online")
    regions = {authorization.split("/")[2] for _, authorization in seen}
    assert regions == set(aws.AwsDevice.REGIONS)


def test_ionq(store: CalibrationStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IONQ_API_KEY", SECRET)
    past = [
        IONQ | {"id": f"c-{i}", "date": f"2026-06-{30 - i:02}T00:00:00Z", "timing": {"t1": 90 + i}} for i in range(14)
    ]

    def characterizations(path: str) -> Any:
        query = dict(part.split("=") for part in path.partition("?")[2].split("&"))
        size, page = int(query["limit"]), int(query.get("page", 1))
        return {"characterizations": past[(page - 1) * size : page * size], "pages": 2}

    answers = {
        "/backends": [
            {"backend": "qpu.aria-1", "status": "available"},
            {"backend": "simulator", "status": "available"},
        ],
        "/backends/qpu.aria-1": (
            200,
            {"X-RateLimit-Remaining": "17"},
            b'{"backend": "qpu.aria-1", "status": "calibrating"}',
        ),
        "/backends/qpu.aria-1/characterizations": characterizations,
    }
    with serving(answers) as (url, seen):
        clock = [NOW]
        settings = [PollSettings(provider="ionq", endpoint=url, history_days=30)]
        poller = Poller(store, plans(settings), lambda: NOW, lambda: clock[0])
        for _ in range(5):
            clock[0] += int(min(poller.step(), 1.0) * NS)
    assert {authorization for _, authorization in seen} == {f"apiKey {SECRET}"}
    assert len(store.index().timeline("ionq", "Aria-1")) == 14
    assert store.index().match("ionq", "aria-1", NOW, "c-13").kind == "id"
    sample = store.index().status("ionq", "qpu.aria-1", NOW)
    assert sample is not None
    assert (sample.status, sample.rate_limit_remaining) == ("calibration", 17)


def test_iqm_and_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IQM_TOKEN", SECRET)
    monkeypatch.setenv("AZURE_QUANTUM_TOKEN", SECRET)
    statuses = {"value": [{"id": "ionq", "targets": [{"id": "ionq.qpu.forte-1", "currentAvailability": "Available"}]}]}
    answers = {"/api/v1/calibration-sets/garnet/default/metrics": iqm_station(), "/w/providerStatus": statuses}
    with serving(answers) as (url, seen):
        snapshot = read(IqmSource(url, ["garnet"]).document("garnet"))
        (sample,) = AzureSource(url + "/w").status("*", 5)
    assert (snapshot.backend.name, snapshot.backend.num_qubits) == ("garnet", 3)
    assert (sample.backend, sample.status) == ("ionq.qpu.forte-1", "online")
    assert {authorization for _, authorization in seen} == {f"Bearer {SECRET}"}


BAD_ANSWERS = {
    "too many": ((429, {"Retry-After": "120"}, b""), Busy, "come back later"),
    "unavailable": ((503, {}, b""), Busy, "come back later"),
    "refused": ((401, {}, SECRET.encode()), Unreachable, "answers 401"),
    "redirected": ((302, {"Location": "http://127.0.0.1:1/"}, b""), Unreachable, "answers 302"),
    "cut short": ((200, {"Content-Length": "99"}, b"{"), Unreachable, "ended its answer 98 bytes early"),
}


@pytest.mark.parametrize("case", BAD_ANSWERS)
def test_bad_answers_say_what_went_wrong_and_no_credential(case: str) -> None:
    answer, error, message = BAD_ANSWERS[case]
    with serving({"/x": answer}) as (url, _):
        client = Client(url, lambda: {"Authorization": SECRET}, timeout_s=5)
        with pytest.raises(error) as caught:
            client.get("/x")
    assert SECRET not in str(caught.value)
    if case == "too many":
        assert caught.value.retry_after_s == 120  # type: ignore[attr-defined]
    assert message in str(caught.value)


def test_credentials_go_over_tls_only() -> None:
    with pytest.raises(Unreachable, match="https only"):
        Client("http://example.org", dict)
    with pytest.raises(Unreachable, match="https only"):
        Client("file:///etc/passwd", dict)


def test_an_answer_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eigenspan.calibration.pullers.http.MAX_BYTES", 10)
    with serving({"/x": {"a": "b" * 100}}) as (url, _), pytest.raises(Unreachable, match="more than 10 bytes"):
        Client(url, dict).get("/x")


class Scripted:
    """A source that does what the test says next: an exception to raise, or a document."""

    provider = "ionq"

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.asked = 0

    def backends(self) -> list[str]:
        return ["qpu.aria-1"]

    def document(self, _backend: str) -> Document | None:
        self.asked += 1
        found = self.script.pop(0)
        if isinstance(found, BaseException):
            raise found
        return Document(json.dumps(found).encode() if isinstance(found, dict) else found)

    def status(self, _backend: str, _now_ns: int) -> list[StatusSample]:
        return []

    def history(self, _backend: str, _since_ns: int, _until_ns: int) -> Iterator[Document]:
        return iter(())


def test_outages_are_waited_out_and_said_once(store: CalibrationStore, caplog: pytest.LogCaptureFixture) -> None:
    class SdkError(Exception):
        pass

    source = Scripted(SdkError(SECRET), SdkError(SECRET), Busy("ionq", 500.0), IONQ, IONQ)
    clock = [NOW]
    poller = Poller(store, [Plan("ionq", lambda: source, status_interval_s=1e6)], lambda: clock[0], lambda: clock[0])
    waits = []
    with caplog.at_level(logging.INFO):
        poller.step()
        for _ in range(6):
            wait_s = poller.step()
            waits.append(wait_s)
            clock[0] += int(wait_s * NS)
    assert source.asked == 5
    assert waits[:4] == [FIRST_RETRY_S, 2 * FIRST_RETRY_S, 500.0, pytest.approx(3600.0 - 30 - 60 - 500, abs=1)]
    assert poller.counts == {
        ("ionq", "failed"): 2,
        ("ionq", "busy"): 1,
        ("ionq", "new"): 1,
        ("ionq", "known"): 1,
        ("ionq", "polled"): 2,
    }
    assert "SdkError" in caplog.text
    assert SECRET not in caplog.text
    assert sum("cannot be asked" in r.message for r in caplog.records) == 1
    assert sum("answers again" in r.message for r in caplog.records) == 1


def test_what_cannot_be_read_is_quarantined_and_proves_nothing(store: CalibrationStore) -> None:
    source = Scripted(IONQ | {"timing": {"t1": 1e10}, "date": "2026-06-01T00:00:00Z"})
    poller = Poller(store, [Plan("ionq", lambda: source)], lambda: NOW, lambda: NOW)
    poller.step()
    poller.step()
    (refused,) = store.quarantined()
    assert "t1_s" in refused.reason
    assert json.loads(store.quarantined_body(refused.raw_sha256))["id"] == IONQ["id"]
    assert store.index().backends == []
    assert (poller.counts["ionq", "refused"], poller.counts["ionq", "polled"]) == (1, 0)


def test_a_source_that_cannot_be_opened_is_tried_again(store: CalibrationStore) -> None:
    tries = []

    def broken() -> Any:
        tries.append(1)
        raise ImportError("no such SDK")

    clock = [NOW]
    poller = Poller(store, [Plan("ibm", broken)], lambda: clock[0], lambda: clock[0])
    for _ in range(3):
        clock[0] += int(poller.step() * NS)
    assert len(tries) == 3
    assert poller.counts["ibm", "failed"] == 3


def test_the_thread_asks_and_stops(store: CalibrationStore) -> None:
    asked = threading.Event()

    class Once(Scripted):
        def document(self, backend: str) -> Document | None:
            asked.set()
            return super().document(backend)

    poller = Poller(store, [Plan("ionq", lambda: Once(IONQ))])
    poller.start()
    assert asked.wait(5)
    poller.stop()
    assert not poller._thread.is_alive()


def test_every_provider_of_the_settings_can_be_planned() -> None:
    providers = ["ibm", "google", "braket", "ionq", "iqm", "azure"]
    made = plans([PollSettings(provider=p, endpoint="https://127.0.0.1", backends=["b"]) for p in providers])  # type: ignore[arg-type]
    assert [plan.provider for plan in made] == providers
    for plan in made[3:]:
        assert plan.open().provider == plan.provider


def test_a_service_is_asked_once_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IONQ_API_KEY", SECRET)
    answers = {
        "/backends/qpu.aria-1": {"backend": "qpu.aria-1", "status": "available"},
        "/backends/qpu.aria-1/characterizations": {"characterizations": [IONQ]},
    }
    ask = ["pull", "ionq", "--data", str(tmp_path), "--backend", "qpu.aria-1", "--endpoint"]
    with serving(answers) as (url, _):
        done = CliRunner().invoke(calibration, [*ask, url])
    assert done.exit_code == 0, done.output
    assert "new             1" in done.output
    monkeypatch.delenv("IONQ_API_KEY")
    failed = CliRunner().invoke(calibration, [*ask, "https://127.0.0.1:1"])
    assert failed.exit_code == 1
    assert "ionq could not be asked" in failed.output
