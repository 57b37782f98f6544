//! Queries: keyword arguments to plain data.

use std::path::PathBuf;

use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use uncsm_index::search::{Image, RequestSpec};

use crate::arrays::Rows;
use crate::error::raised;
use crate::json::to_object;

/// Keys that JSON has no plain form of: pictures, and rows of numpy.
const PICTURES: [&str; 2] = ["image", "not_image"];
const ROWS: &str = "feature_rows";

/// The query of `keys`: those of a batch line; pictures are paths or `bytes`, `feature_rows` a list of media types and arrays.
pub(crate) fn spec(keys: &Bound<'_, PyDict>) -> PyResult<RequestSpec> {
    let (plain, py) = (keys.copy()?, keys.py());
    let mut pictures = [Vec::new(), Vec::new()];
    for (key, out) in PICTURES.iter().zip(&mut pictures) {
        let Some(given) = plain.get_item(key)? else { continue };
        plain.del_item(key)?;
        for value in given.try_iter()? {
            let value = value?;
            out.push(match value.cast::<PyBytes>() {
                Ok(bytes) => Image::Bytes(bytes.as_bytes().to_vec()),
                Err(_) => Image::Path(value.extract::<PathBuf>()?),
            });
        }
    }
    let mut features = Vec::new();
    if let Some(given) = plain.get_item(ROWS)? {
        plain.del_item(ROWS)?;
        for (media, array) in given.extract::<Vec<(String, PyReadonlyArray2<'_, f32>)>>()? {
            let rows = Rows::new(media, array);
            let matrix = rows.matrix()?;
            features.extend((0..matrix.rows).map(|row| (matrix.media.to_owned(), matrix.row(row).to_vec())));
        }
    }
    let mut spec = RequestSpec::from_json(to_object(&plain)?).map_err(|error| raised(py, &error))?;
    [spec.image, spec.not_image] = pictures;
    spec.features.extend(features);
    Ok(spec)
}
