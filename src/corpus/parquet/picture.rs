//! Media files in a column: paths, bytes, structs of both, and lists of these.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

use super::column::{element, is_binary};
use super::value;
use crate::corpus::document::one::{Given, resolve};
use crate::corpus::reader::source::ReadError;
use crate::error::Error;

/// What a cell holds.
#[derive(Default)]
pub(super) struct Files {
    pub(super) items: Vec<Given>,
    /// The paths among them, as the file has them.
    pub(super) paths: Vec<String>,
    /// What is wrong with those that are left out.
    pub(super) flaws: Vec<Error>,
    /// Whether it is a list.
    pub(super) is_list: bool,
}

/// Reads a cell of the media type `media`, whose paths are relative to `folder`; nulls are left out in silence.
pub(super) fn read(
    array: &dyn Array,
    row: usize,
    (folder, media): (&Path, &str),
) -> Result<Files, ReadError> {
    let mut out = Files { is_list: element(array.data_type()).is_some(), ..Files::default() };
    if !out.is_list {
        one(array, row, (folder, media), &mut out)?;
        return Ok(out);
    }
    let list = value::elements(array, row);
    for at in 0..list.len() {
        one(&list, at, (folder, media), &mut out)?;
    }
    Ok(out)
}

fn one(array: &dyn Array, row: usize, from: (&Path, &str), out: &mut Files) -> Result<(), ReadError> {
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
            Some(column) => one(column, row, from, out),
            None => Ok(()),
        };
    }
    if is_binary(array.data_type()) {
        out.items.push(Given::Bytes(Arc::from(bytes(array, row))));
        return Ok(());
    }
    if let serde_json::Value::String(path) = value::read(array, row)? {
        match resolve(&path, from.0, from.1) {
            Ok(file) => {
                if file.path().is_some() {
                    out.paths.push(path);
                }
                out.items.push(file);
            }
            Err(error) => out.flaws.push(error),
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
