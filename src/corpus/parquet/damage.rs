//! Errors of the Parquet library as errors of this crate, its panics too.

use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use crate::error::{Error, ErrorCode, Result};

/// Why a part of a file does not read.
#[derive(Debug)]
pub(super) enum Fault {
    /// The system does not give its bytes: then nothing of the file reads.
    System(Error),
    /// Its bytes are not sound, or more than is read.
    Bytes(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Bytes(error)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::System(error) | Fault::Bytes(error) => error,
        }
    }
}

impl Fault {
    /// An error of the system.
    pub(super) fn system(error: std::io::Error) -> Self {
        Self::System(Error::new(ErrorCode::Io, error.to_string()).source(error))
    }
}

pub(super) fn damaged(what: impl Into<String>) -> Error {
    Error::new(ErrorCode::Damaged, what).hint("write the file again")
}

/// Runs `work`, which reads a file that may be damaged in any way.
///
/// The library checks most of what it reads, but on some damaged files it panics; that is an error of the file.
pub(super) fn guard<T>(work: impl FnOnce() -> T) -> Result<T> {
    crate::guard::catch(work).map_err(|said| damaged(format!("the Parquet file is damaged: {said}")))
}

/// What went wrong when the footer was read.
pub(super) fn opening(error: &ParquetError) -> Fault {
    convert(error, "not a whole Parquet file")
}

/// What went wrong when rows were read.
pub(super) fn reading(error: &arrow_schema::ArrowError) -> Fault {
    use arrow_schema::ArrowError as A;
    match error {
        A::ExternalError(cause) => match cause.downcast_ref::<ParquetError>() {
            Some(error) => convert(error, "the Parquet file is damaged"),
            None => Fault::Bytes(damaged(format!("the Parquet file is damaged: {cause}"))),
        },
        A::IoError(message, cause) => io(cause).unwrap_or_else(|| Fault::Bytes(damaged(message.clone()))),
        other => Fault::Bytes(damaged(format!("the Parquet file is damaged: {other}"))),
    }
}

fn convert(error: &ParquetError, what: &str) -> Fault {
    Fault::Bytes(match error {
        ParquetError::External(cause) => {
            if let Some(fault) = cause.downcast_ref::<std::io::Error>().and_then(io) {
                return fault;
            }
            damaged(format!("{what}: {cause}"))
        }
        ParquetError::NYI(message) => Error::new(
            ErrorCode::UnsupportedVersion,
            format!("the Parquet file is of an unknown kind: {message}"),
        ),
        other => damaged(format!("{what}: {other}")),
    })
}

/// An error of the system, as opposed to one of the bytes.
fn io(error: &std::io::Error) -> Option<Fault> {
    use std::io::ErrorKind as K;
    // Decoders report bad bytes as one of these.
    let bytes = matches!(error.kind(), K::InvalidData | K::InvalidInput | K::UnexpectedEof | K::Other);
    (!bytes).then(|| Fault::System(Error::new(ErrorCode::Io, error.to_string())))
}

/// Refuses sizes that the file, of `bytes` bytes, cannot hold: the library would ask for memory of that size.
pub(super) fn check(metadata: &ParquetMetaData, bytes: u64) -> Result<()> {
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err(damaged("a row group has a negative number of rows"));
        }
        for column in group.columns() {
            let (start, length) = (column.data_page_offset(), column.compressed_size());
            let end =
                u64::try_from(start).ok().zip(u64::try_from(length).ok()).and_then(|(a, b)| a.checked_add(b));
            // The length counts from the dictionary page, which comes first, so that the sum may pass the end of the
            // column, but the length alone never passes that of the file.
            if end.is_none() || u64::try_from(length).is_ok_and(|length| length > bytes) {
                return Err(damaged(format!(
                    "the column `{}` lies outside of the file",
                    column.column_path()
                )));
            }
        }
    }
    Ok(())
}

/// Refuses the column `root` of the schema where it has a compression that is not read.
pub(super) fn check_column(metadata: &ParquetMetaData, root: usize) -> Result<()> {
    let schema = metadata.file_metadata().schema_descr();
    for group in metadata.row_groups() {
        for (leaf, column) in group.columns().iter().enumerate() {
            if leaf >= schema.num_columns() || schema.get_column_root_idx(leaf) != root {
                continue;
            }
            if column.compression() == Compression::LZO {
                let what =
                    format!("the column `{}` is compressed with lzo, and is not read", column.column_path());
                return Err(Error::new(ErrorCode::UnsupportedVersion, what)
                    .expected("no compression, snappy, gzip, lz4, brotli or zstd")
                    .hint("write the file with another compression"));
            }
        }
    }
    Ok(())
}
