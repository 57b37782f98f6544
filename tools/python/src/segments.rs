//! Stored rows in place: numpy sees the mapped file, and nothing is copied.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tantivy::SegmentReader;
use uncsm_index::index::{Index, SegmentVectors};
use uncsm_index::media::Dtype;
use uncsm_index::schema::ID_FIELD;
use uncsm_index::{Error, ErrorCode, Result};

/// The items of one media type in one segment.
#[pyclass(frozen, name = "Segment", module = "uncsm_index._native")]
pub(crate) struct PySegment {
    vectors: Arc<SegmentVectors>,
    media: usize,
    id: String,
    ids: Vec<Option<String>>,
    live: Vec<bool>,
}

/// One column of them, which stands in the mapped file: numpy reads it through `__array_interface__`.
#[pyclass(frozen, name = "Column", module = "uncsm_index._native")]
pub(crate) struct PyColumn {
    /// Holds the file open while an array looks at it; the format never changes a file.
    vectors: Arc<SegmentVectors>,
    media: usize,
    name: Name,
}

#[derive(Clone, Copy)]
enum Name {
    Vectors,
    Docs,
    Ordinals,
    Spans,
    Hashes,
    InverseNorms,
}

/// The segments of `readers`, which are of `index`.
///
/// # Errors
/// Those of opening the vectors; [`ErrorCode::UnknownMedia`].
pub(crate) fn of(index: &Index, readers: &[SegmentReader], media: &str) -> Result<Vec<PySegment>> {
    let media = index.bundle().media_index(media)?;
    let segment = |reader: &SegmentReader| {
        let vectors = index.cache().get(reader)?;
        let docs = vectors.view(media).docs;
        let bad = |error: &dyn std::fmt::Display| Error::new(ErrorCode::Engine, error.to_string());
        let column = reader.fast_fields().str(ID_FIELD).map_err(|error| bad(&error))?;
        let (mut ids, mut text) = (Vec::with_capacity(docs.len()), String::new());
        for &doc in docs {
            let ord = column.as_ref().and_then(|column| column.term_ords(doc).next());
            ids.push(match (&column, ord) {
                (Some(column), Some(ord)) => {
                    text.clear();
                    column.ord_to_str(ord, &mut text).map_err(|error| bad(&error))?.then(|| text.clone())
                }
                _ => None,
            });
        }
        let live = docs.iter().map(|&doc| !reader.is_deleted(doc)).collect();
        Ok(PySegment { vectors, media, id: reader.segment_id().uuid_string(), ids, live })
    };
    readers.iter().map(segment).collect()
}

#[pymethods]
impl PySegment {
    /// Its name, as `inspect` shows it.
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// `[n]`: the id of the document of each item.
    #[getter]
    fn ids(&self) -> Vec<Option<String>> {
        self.ids.clone()
    }

    /// `[n]`: whether the document of each item is live.
    #[getter]
    fn live(&self) -> Vec<bool> {
        self.live.clone()
    }

    /// Columns by name.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        for (text, name) in [
            ("vectors", Name::Vectors),
            ("docs", Name::Docs),
            ("ordinals", Name::Ordinals),
            ("spans", Name::Spans),
            ("hashes", Name::Hashes),
            ("inverse_norms", Name::InverseNorms),
        ] {
            let column = PyColumn { vectors: Arc::clone(&self.vectors), media: self.media, name };
            out.set_item(text, column.into_pyobject(py)?)?;
        }
        Ok(out)
    }
}

#[pymethods]
impl PyColumn {
    /// The array interface of numpy, version 3: where the values stand, of which type and shape, read-only.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let uvec = self.vectors.uvec();
        let view = self.vectors.view(self.media);
        let (start, kind, columns) = match self.name {
            Name::Vectors => {
                let bytes = uvec.column_bytes(self.media, uncsm_format::Column::Vectors);
                let is_f32 = matches!(uvec.media()[self.media].dtype, Dtype::F32);
                (bytes.as_ptr().expose_provenance(), if is_f32 { "<f4" } else { "<f2" }, Some(view.dim))
            }
            Name::Docs => (view.docs.as_ptr().expose_provenance(), "<u4", None),
            Name::Ordinals => (view.ordinals.as_ptr().expose_provenance(), "<u4", None),
            Name::Spans => (view.spans.as_ptr().expose_provenance(), "<u4", Some(2)),
            Name::Hashes => (view.hashes.as_ptr().expose_provenance(), "|u1", Some(16)),
            Name::InverseNorms => (view.inverse_norms.as_ptr().expose_provenance(), "<f4", None),
        };
        let out = PyDict::new(py);
        out.set_item("version", 3)?;
        out.set_item("typestr", kind)?;
        out.set_item(
            "shape",
            PyTuple::new(py, std::iter::once(view.len()).chain(columns).collect::<Vec<_>>())?,
        )?;
        out.set_item("data", (start, true))?;
        Ok(out)
    }
}
