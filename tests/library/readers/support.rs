//! Parquet files and their rows.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use uncsm_index::corpus::{Document, Reader};
use uncsm_index::{Error, ErrorCode, Result};

pub fn write(path: &Path, columns: Vec<(&str, ArrayRef)>) {
    write_with(path, columns, WriterProperties::builder().set_compression(Compression::SNAPPY).build());
}

pub fn write_with(path: &Path, columns: Vec<(&str, ArrayRef)>, properties: WriterProperties) {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

pub fn folder() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("corpus.parquet");
    (dir, file)
}

pub fn read(path: &Path) -> Vec<Result<Document>> {
    Reader::open(path).unwrap().map(|read| read.map_err(Error::from)).collect()
}

pub fn documents(path: &Path) -> Vec<Document> {
    read(path).into_iter().map(Result::unwrap).collect()
}

/// The documents of the JSON Lines `lines`, in a file beside `path`.
pub fn lines(path: &Path, lines: &str) -> Vec<Document> {
    let file = path.with_extension("jsonl");
    std::fs::write(&file, lines).unwrap();
    documents(&file)
}

/// Opens `path`, which must fail with `code`.
pub fn refused(path: &Path, code: ErrorCode) -> Error {
    let error = Reader::open(path).unwrap_err();
    assert_eq!((error.code(), error.facts().file.as_deref()), (code, Some(path)), "{error}");
    error
}
