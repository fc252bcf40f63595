//! Moves the bytes of OTLP: bytes in, columns out, and spans cut and joined into new requests. The receiver takes them
//! from the network and answers once they are in the log.
//!
//! The modules are plain Rust; this file and `boundary` are the boundary to Python, explained in `eigenspan_kernel.pyi`.

#![forbid(unsafe_code)]

pub mod answer;
pub mod body;
#[cfg(feature = "python")]
mod boundary;
pub mod columns;
pub mod commit;
pub mod door;
pub mod inflate;
pub mod log;
pub mod receive;
pub mod request;
pub mod rows;
pub mod scan;
pub mod splice;
pub mod tls;
pub mod wire;

#[cfg(feature = "python")]
#[pyo3::pymodule]
mod eigenspan_kernel {
    use pyo3::exceptions::{PyRuntimeError, PyValueError};
    use pyo3::prelude::*;
    use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
    use pyo3::types::PyBytes;
    #[pymodule_export]
    use pyo3_arrow::PyRecordBatch;

    #[pymodule_export]
    use crate::boundary::PyReceiver;
    use crate::boundary::{PyLimits, PyLog};
    use crate::columns::{Level, Names, Type, Watch, Watched};
    use crate::splice::{Changes, Edit};

    #[derive(FromPyObject)]
    struct PyWatched {
        column: String,
        #[pyo3(attribute("type"))]
        kind: PyBackedStr,
        keys: Vec<String>,
        level: PyBackedStr,
    }

    impl TryFrom<PyWatched> for Watched {
        type Error = PyErr;

        fn try_from(watched: PyWatched) -> PyResult<Self> {
            let unknown = |what: &str| PyValueError::new_err(format!("column {:?}: {what}", watched.column));
            let kind = match &*watched.kind {
                "string" => Type::String,
                "int" => Type::Int,
                "double" => Type::Double,
                "boolean" => Type::Boolean,
                other => return Err(unknown(&format!("no such type: {other}"))),
            };
            let level = match &*watched.level {
                "span" => Level::Span,
                "resource" => Level::Resource,
                other => return Err(unknown(&format!("no such level: {other}"))),
            };
            Ok(Self { column: watched.column, kind, keys: watched.keys, level })
        }
    }

    /// A watch list and the names to look out for, compiled once.
    #[pyclass(frozen)]
    struct Scanner {
        watch: Watch,
        names: Names,
    }

    type Refusal = (u32, String, usize);

    #[pymethods]
    impl Scanner {
        #[new]
        #[pyo3(signature = (watch, names=Vec::new()))]
        fn new(watch: Vec<PyWatched>, names: Vec<String>) -> PyResult<Self> {
            let watched = watch.into_iter().map(Watched::try_from).collect::<PyResult<_>>()?;
            let watch = Watch::new(watched).map_err(|error| PyValueError::new_err(error.to_string()))?;
            Ok(Self { watch, names: Names::new(&names) })
        }

        fn scan(
            &self,
            py: Python<'_>,
            payloads: Vec<PyBackedBytes>,
        ) -> PyResult<(PyRecordBatch, Vec<Refusal>, Vec<u32>)> {
            let scanned = py
                .detach(|| crate::scan::scan(&payloads, &self.watch, &self.names))
                .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
            let refusals = scanned.errors.into_iter().map(|(payload, e)| (payload, e.reason.to_string(), e.offset));
            Ok((PyRecordBatch::new(scanned.batch), refusals.collect(), scanned.named))
        }

        fn receive(
            &self,
            log: PyLog,
            limits: PyLimits,
            tokens: Vec<String>,
            remember: Vec<(Vec<u8>, u64)>,
        ) -> PyResult<PyReceiver> {
            PyReceiver::start(self.watch.clone(), self.names.clone(), log, limits, tokens, remember)
        }
    }

    /// The bytes of a chunk from the one to the other number.
    struct Part(PyBackedBytes, usize, usize);

    impl AsRef<[u8]> for Part {
        fn as_ref(&self) -> &[u8] {
            self.0.get(self.1..self.2).unwrap_or_default()
        }
    }

    #[derive(FromPyObject)]
    struct PyEdits {
        rows: PyBackedBytes,
        fields: Vec<(PyBackedStr, PyBackedBytes)>,
        adds: Vec<Vec<u32>>,
        states: Vec<PyBackedStr>,
    }

    /// The numbers of an edit, as `eigenspan.collector.spans.EDIT` packs them.
    fn edit(row: &[u8; 20]) -> Edit {
        let number = |at: usize| std::array::from_fn(|byte| row[4 * at + byte]);
        let [part, offset, length] = [0, 1, 2].map(|at| u32::from_le_bytes(number(at)));
        let [add, state] = [3, 4].map(|at| i32::from_le_bytes(number(at)));
        Edit { part, offset, length, add, state }
    }

    #[pyfunction]
    #[pyo3(signature = (parts, edits, restamp=Vec::new()))]
    fn splice<'py>(
        py: Python<'py>,
        parts: Vec<(PyBackedBytes, usize, usize)>,
        edits: PyEdits,
        restamp: Vec<(PyBackedStr, PyBackedStr)>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let PyEdits { rows, fields, adds, states } = edits;
        let (rows, []) = rows.as_chunks() else {
            return Err(PyValueError::new_err("the rows of edits are not whole"));
        };
        let changes = Changes { fields, adds, states };
        let spliced = py.detach(|| {
            let parts: Vec<Part> = parts.into_iter().map(|(chunk, start, stop)| Part(chunk, start, stop)).collect();
            let edits: Vec<Edit> = rows.iter().map(edit).collect();
            crate::splice::splice(&parts, &edits, &changes, &restamp)
        });
        spliced.map(|request| PyBytes::new(py, &request)).map_err(|error| PyValueError::new_err(error.to_string()))
    }
}
