//! Matrices of numpy: read in place, and handed out without a copy.

use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// Rows of features, held while they are read. The face in Python has made them of `f32`, row after row.
pub(crate) struct Rows<'py> {
    pub(crate) media: String,
    array: PyReadonlyArray2<'py, f32>,
}

/// Rows of features without the lock of the interpreter.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) media: &'a str,
    /// `[n, columns]`.
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl<'py> Rows<'py> {
    pub(crate) fn new(media: String, array: PyReadonlyArray2<'py, f32>) -> Self {
        Self { media, array }
    }

    /// # Errors
    /// `ValueError` for an array that is not contiguous.
    pub(crate) fn matrix(&self) -> PyResult<Matrix<'_>> {
        let values = self.array.as_slice().map_err(|error| PyValueError::new_err(error.to_string()))?;
        let &[rows, columns] = self.array.shape() else {
            return Err(PyValueError::new_err("features have two dimensions"));
        };
        Ok(Matrix { media: &self.media, values, rows, columns })
    }
}

impl<'a> Matrix<'a> {
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        self.values.get(row * self.columns..(row + 1) * self.columns).unwrap_or_default()
    }
}

/// `values` as `[n, columns]`: numpy takes over their memory.
pub(crate) fn matrix<'py>(
    py: Python<'py>,
    values: Vec<f32>,
    columns: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let rows = values.len().checked_div(columns).unwrap_or(0);
    PyArray1::from_vec(py, values).reshape([rows, columns])
}
