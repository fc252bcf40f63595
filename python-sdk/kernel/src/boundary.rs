//! The receiver as Python sees it; `eigenspan_kernel.pyi` explains each call.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::PyBytes;
use pyo3_arrow::PyRecordBatch;

use crate::answer::Refusal;
use crate::columns::{Names, Watch};
use crate::commit::{Clock, Committed, Part, Remembered};
use crate::door::{Admission, Door, Limits, Seen, locked};
use crate::log::{Files, Writer};
use crate::receive::{Plan, Receiver};
use crate::request::Protocol;
use crate::tls::Certificates;

#[derive(FromPyObject)]
pub struct PyLimits {
    request_bytes: usize,
    in_flight_bytes: usize,
    untaken_spans: usize,
    connections: usize,
    read_s: f64,
    idle_s: f64,
}

#[derive(FromPyObject)]
pub struct PyLog {
    directory: PathBuf,
    segment_bytes: u64,
    next_position: u64,
    log_ns: u64,
}

/// Files: certificate chain, private key, authorities of clients.
type PyTls = (PathBuf, PathBuf, Option<PathBuf>);
/// First position of the segment, positions, offsets, lengths, newest received_ns, end of the records.
type PyPart = (u64, Py<PyBytes>, Py<PyBytes>, Py<PyBytes>, u64, u64);
type PyOthers = Vec<(u64, &'static str)>;
/// Columns, parts, others, through, log_ns, payloads, bytes, values that were cut by key.
type PyTaken = (PyRecordBatch, Vec<PyPart>, PyOthers, u64, u64, u64, u64, Vec<(String, u64)>);

/// See `eigenspan_kernel.pyi`.
#[pyclass(frozen, name = "Receiver")]
pub struct PyReceiver(Receiver);

fn millis(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0).round() as u64
}

fn digest(bytes: &[u8]) -> PyResult<[u8; 16]> {
    bytes.try_into().map_err(|_| PyValueError::new_err("a digest is 16 bytes"))
}

fn part(py: Python<'_>, part: &Part) -> PyPart {
    let packed = |numbers: &[u64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        PyBytes::new(py, &bytes).unbind()
    };
    let (positions, offsets, lengths) = (packed(&part.positions), packed(&part.offsets), packed(&part.lengths));
    (part.segment, positions, offsets, lengths, part.last_received_ns, part.end)
}

impl PyReceiver {
    pub fn start(
        watch: Watch,
        sensitive: Names,
        log: PyLog,
        limits: PyLimits,
        tokens: Vec<String>,
        remember: Vec<(Vec<u8>, u64)>,
    ) -> PyResult<Self> {
        let clock = Clock { base_ns: log.log_ns, started: Instant::now() };
        let limits = Limits {
            request_bytes: limits.request_bytes,
            in_flight_bytes: limits.in_flight_bytes,
            untaken_spans: limits.untaken_spans,
            connections: limits.connections,
            read_s: limits.read_s,
            idle_s: limits.idle_s,
        };
        let mut remembered = Remembered::default();
        for (bytes, log_ns) in remember {
            remembered.add(digest(&bytes)?, log_ns);
        }
        let receiver = Receiver::start(Plan {
            door: Arc::new(Door::new(limits, tokens)),
            watch: Arc::new(watch),
            sensitive: Arc::new(sensitive),
            clock,
            writer: Writer::new(Files, log.directory, log.segment_bytes, log.next_position),
            remembered,
        })?;
        Ok(Self(receiver))
    }
}

#[pymethods]
impl PyReceiver {
    #[pyo3(signature = (protocol, endpoint, tls=None))]
    fn listen(&self, py: Python<'_>, protocol: &str, endpoint: &str, tls: Option<PyTls>) -> PyResult<u16> {
        let tls = tls.map(|(chain, key, authorities)| Certificates { chain, key, client_authorities: authorities });
        let protocol = match protocol {
            "grpc" => Protocol::Grpc,
            "http" => Protocol::Http,
            other => return Err(PyValueError::new_err(format!("no such protocol: {other}"))),
        };
        Ok(py.detach(|| self.0.listen(protocol, endpoint, tls))?)
    }

    fn admit(&self, open: bool, reason: String, retry_after_s: f64) {
        self.0.door.admit(Admission { open, reason, retry_ms: millis(retry_after_s) });
    }

    fn take(&self, py: Python<'_>) -> PyResult<Option<PyTaken>> {
        let fresh = Committed::new(&self.0.watch);
        let taken = py.detach(|| {
            let mut out = locked(&self.0.out);
            if out.payloads == 0 {
                return Ok(None);
            }
            let taken = std::mem::replace(&mut *out, fresh);
            self.0.door.untaken.store(0, Ordering::Relaxed);
            drop(out);
            taken.rows.finish_logged().map(|batch| {
                let rest = (taken.through, taken.log_ns, taken.payloads, taken.bytes);
                Some((batch, taken.parts, taken.others, rest, taken.cut))
            })
        });
        let taken = taken.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok(taken.map(|(batch, parts, others, (through, log_ns, payloads, bytes), cut)| {
            let parts = parts.iter().map(|found| part(py, found)).collect();
            let others = others.into_iter().map(|(position, signal)| (position, signal.name())).collect();
            (PyRecordBatch::new(batch), parts, others, through, log_ns, payloads, bytes, cut.into_iter().collect())
        }))
    }

    #[getter]
    fn untaken(&self) -> u64 {
        locked(&self.0.out).bytes
    }

    fn counts(&self) -> Vec<(&'static str, String, u64)> {
        self.0.door.counts()
    }

    fn take_aside<'py>(&self, py: Python<'py>) -> Option<(u64, bool, &'static str, Bound<'py, PyBytes>)> {
        let taken = py.detach(|| self.0.door.take_aside());
        taken.map(|(number, json, signal, body)| (number, json, signal.name(), PyBytes::new(py, &body)))
    }

    fn give_back(&self, number: u64, body: &[u8], name: &[u8], cut: Vec<(String, u64)>) -> PyResult<()> {
        let seen = Seen { digest: digest(name)?, cut };
        self.0.door.give_back(number, Ok((Bytes::copy_from_slice(body), seen)));
        Ok(())
    }

    fn turn_down(&self, number: u64, message: PyBackedStr, malformed: bool) {
        let message = message.to_string();
        let refusal = if malformed { Refusal::Bad(message) } else { Refusal::Unavailable { message, retry_ms: 1000 } };
        self.0.door.give_back(number, Err(refusal));
    }

    fn stop(&self, py: Python<'_>, grace_s: f64) {
        py.detach(|| self.0.stop(Duration::from_millis(millis(grace_s))));
    }
}
