//! Columns and rows that a corpus cannot have.

use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::*;
use arrow_array::*;
use uncsm_index::ErrorCode;
use uncsm_index::corpus::{BadLines, Reader, SchemaOverrides, ends_reading, infer};

use crate::support::*;

#[test]
fn columns_are_refused_at_open_by_name() {
    let (_dir, file) = folder();
    let number = || -> ArrayRef { Arc::new(Int32Array::from(vec![1])) };
    let text = || -> ArrayRef { Arc::new(StringArray::from(vec!["a"])) };
    let binary = || -> ArrayRef { Arc::new(BinaryArray::from(vec![b"a".as_slice()])) };
    let mut numbers = ListBuilder::new(Int32Builder::new());
    numbers.append_value([Some(1)]);
    let numbers: ArrayRef = Arc::new(numbers.finish());
    let mut blobs = ListBuilder::new(BinaryBuilder::new());
    blobs.append_value([Some(b"a".as_slice())]);
    let cases: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Float64Array::from(vec![1.0]))),
        ("text", number()),
        ("text", numbers.clone()),
        ("texts", text()),
        ("split", number()),
        ("image", number()),
        ("image", numbers.clone()),
        ("images", binary()),
        ("images", numbers),
        ("blob", binary()),
        ("blobs", Arc::new(blobs.finish())),
        ("_hidden", number()),
        ("-minus", number()),
    ];
    for (name, column) in cases {
        write(&file, vec![("ok", text()), (name, column)]);
        let error = refused(&file, ErrorCode::BadValue);
        assert!(error.facts().message.contains(&format!("`{name}`")), "{error}");
    }
}

#[test]
fn a_bad_row_is_named_and_the_rest_goes_on() {
    let (_dir, file) = folder();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(StringArray::from(vec!["a", "", "c", "d"]))),
        ("split", Arc::new(StringArray::from(vec![Some("train"), None, Some("dev"), None]))),
        ("x", Arc::new(Float64Array::from(vec![0.0, 1.0, 2.0, f64::INFINITY]))),
        ("y", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
    ];
    write(&file, columns);
    let read = read(&file);
    assert!(read[0].is_ok() && read.len() == 4);
    for (row, code) in [(2, ErrorCode::BadValue), (3, ErrorCode::BadValue), (4, ErrorCode::NotFinite)] {
        let error = read[row - 1].as_ref().unwrap_err();
        let facts = error.facts();
        assert_eq!((facts.code, facts.line), (code, Some(row as u64)), "{error}");
        assert_eq!(facts.file.as_deref(), Some(file.as_path()));
        assert!(facts.message.contains(&format!("row {row}")), "{error}");
        assert!(!ends_reading(code));
    }
    assert!(read[3].as_ref().unwrap_err().to_string().contains("`x`"));
}

#[test]
fn conflicts_of_types_name_rows() {
    // Columns have one type, so the values of one conflict with those of another: the exact twin.
    let (_dir, file) = folder();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("a", Arc::new(StringArray::from(vec![Some("x"), None]))),
        ("a_exact", Arc::new(Int64Array::from(vec![None, Some(1)]))),
    ];
    write(&file, columns);
    let error =
        infer(Reader::open(&file).unwrap(), &file, &SchemaOverrides::default(), BadLines::Skip).unwrap_err();
    assert_eq!((error.code(), error.facts().line), (ErrorCode::SchemaConflict, Some(2)));
    assert!(error.to_string().contains("row 2"), "{error}");
}

/// Two rows, `id` and `text`, compressed with zstd by pyarrow.
#[test]
fn zstd_needs_its_feature() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/zstd.parquet");
    if cfg!(feature = "zstd") {
        assert_eq!(documents(&file)[1].texts, ["two"]);
        return;
    }
    let error = refused(&file, ErrorCode::UnsupportedVersion);
    assert!(error.facts().hint.as_deref().unwrap().contains("feature `zstd`"), "{error}");
}
