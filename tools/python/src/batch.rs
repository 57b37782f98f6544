//! Answers: of one query, and of many as a table.

use std::time::Duration;

use pyo3::exceptions::{PyIndexError, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use uncsm_index::Result;
use uncsm_index::search::Response;

use crate::error::raised;
use crate::json::plain;
use crate::table;

/// A response as a dict, with its milliseconds.
pub(crate) fn answered<'py>(
    py: Python<'py>,
    response: &Response,
    took: Duration,
) -> PyResult<Bound<'py, PyAny>> {
    let answer = plain(py, response)?;
    answer.set_item("took_ms", took.as_secs_f64() * 1000.0)?;
    Ok(answer)
}

/// The answers of a batch: dicts by position, and an Arrow table of all hits.
#[pyclass(frozen, name = "Batch", module = "uncsm_index._native")]
pub(crate) struct PyBatch {
    pub(crate) answers: Vec<Result<Response>>,
    pub(crate) took: Duration,
}

#[pymethods]
impl PyBatch {
    fn __len__(&self) -> usize {
        self.answers.len()
    }

    /// The answer of the query at a position; raises its error, if it has one.
    fn answer<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        match self.answers.get(at) {
            Some(Ok(response)) => plain(py, response),
            Some(Err(error)) => Err(raised(py, error)),
            None => Err(PyIndexError::new_err("no such query")),
        }
    }

    /// Positions of queries that failed.
    fn failed(&self) -> Vec<usize> {
        (0..).zip(&self.answers).filter(|(_, answer)| answer.is_err()).map(|(at, _)| at).collect()
    }

    #[getter]
    fn took_ms(&self) -> f64 {
        self.took.as_secs_f64() * 1000.0
    }

    /// The stream of the Arrow PyCapsule interface.
    fn arrow_c_stream<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let stream = py.detach(|| table::stream(&self.answers));
        let stream = stream.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
    }
}
