//! Pictures in a column: paths, bytes, structs of both, and lists of these.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::column::{element, is_binary};
use super::value;
use crate::corpus::document::{Picture, resolve};
use crate::error::{Error, Result};

/// The pictures of a cell, the paths among them as the file has them, and what is wrong with those that are left out.
type Read = (Vec<Picture>, Vec<String>, Vec<Error>);

/// Reads a cell; nulls are left out in silence.
pub(super) fn read(array: &dyn Array, row: usize, folder: &Path) -> Result<Read> {
    let mut out = (Vec::new(), Vec::new(), Vec::new());
    if element(array.data_type()).is_none() {
        one(array, row, folder, &mut out)?;
        return Ok(out);
    }
    let list = value::elements(array, row);
    for at in 0..list.len() {
        one(&list, at, folder, &mut out)?;
    }
    Ok(out)
}

fn one(array: &dyn Array, row: usize, folder: &Path, out: &mut Read) -> Result<()> {
    if array.is_null(row) || array.data_type() == &DataType::Null {
        return Ok(());
    }
    if let Some(fields) = array.as_struct_opt() {
        let column = |name: &str| -> Option<&ArrayRef> {
            fields
                .column_by_name(name)
                .filter(|column| column.is_valid(row) && column.data_type() != &DataType::Null)
        };
        return match column("bytes").or_else(|| column("path")) {
            Some(column) => one(column, row, folder, out),
            None => Ok(()),
        };
    }
    if is_binary(array.data_type()) {
        out.0.push(Picture::Bytes(Arc::from(bytes(array, row))));
        return Ok(());
    }
    if let serde_json::Value::String(path) = value::read(array, row)? {
        match resolve(&path, folder) {
            Ok(picture) => {
                out.0.push(picture);
                out.1.push(path);
            }
            Err(error) => out.2.push(error),
        }
    }
    Ok(())
}

fn bytes(array: &dyn Array, row: usize) -> &[u8] {
    match array.data_type() {
        DataType::Binary => array.as_binary::<i32>().value(row),
        DataType::LargeBinary => array.as_binary::<i64>().value(row),
        DataType::BinaryView => array.as_binary_view().value(row),
        _ => array.as_fixed_size_binary().value(row),
    }
}
