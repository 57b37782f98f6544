//! Parquet files: told apart here in any build, read with the feature `parquet`.

#[cfg(feature = "parquet")]
mod column;
#[cfg(feature = "parquet")]
mod damage;
#[cfg(feature = "parquet")]
mod levels;
#[cfg(feature = "parquet")]
mod pages;
#[cfg(feature = "parquet")]
mod picture;
#[cfg(feature = "parquet")]
mod reader;
#[cfg(feature = "parquet")]
mod thrift;
#[cfg(feature = "parquet")]
mod time;
#[cfg(feature = "parquet")]
mod value;
#[cfg(feature = "parquet")]
mod zstd;

use std::fs::Metadata;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use crate::corpus::document::keys::Keys;
use crate::corpus::reader::shard::Divides;
use crate::corpus::reader::source::{Kind, Source};
use crate::error::{Error, Result};
use crate::limits::open_file;
#[cfg(feature = "parquet")]
use reader::ParquetReader;

/// A file that begins so, or has the name.
pub(super) const KIND: Kind = Kind { name: "parquet", unit: "row", is: is_parquet, divides, open };

/// What a Parquet file begins with.
const HEAD: &[u8; 4] = b"PAR1";

fn is_parquet(path: &Path, about: &Metadata) -> Result<bool> {
    if path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("parquet")) {
        return Ok(true);
    }
    // What is read from a pipe is gone.
    if !about.is_file() {
        return Ok(false);
    }
    let mut head = Vec::with_capacity(HEAD.len());
    let mut file = open_file(path, "the file of the source")?;
    (&mut file).take(HEAD.len() as u64).read_to_end(&mut head).map_err(|error| Error::io(path, error))?;
    Ok(head == HEAD)
}

/// At row groups.
#[cfg(feature = "parquet")]
fn divides(path: &Path) -> Result<Divides> {
    Ok(Divides::Groups(reader::groups(path)?))
}

/// The row groups `groups` of the file `path`; rows are counted as in the whole.
///
/// # Errors
/// Those of opening it.
#[cfg(feature = "parquet")]
pub(super) fn open_groups(path: &Path, keys: &Keys, groups: Range<usize>) -> Result<Box<dyn Source>> {
    Ok(Box::new(ParquetReader::open_with(path, keys)?.of_groups(groups)))
}

#[cfg(not(feature = "parquet"))]
fn divides(_path: &Path) -> Result<Divides> {
    // Opening it says why it is not read.
    Ok(Divides::Whole)
}

#[cfg(not(feature = "parquet"))]
pub(super) fn open_groups(path: &Path, keys: &Keys, _groups: Range<usize>) -> Result<Box<dyn Source>> {
    open(path, keys)
}

#[cfg(feature = "parquet")]
fn open(path: &Path, keys: &Keys) -> Result<Box<dyn Source>> {
    Ok(Box::new(ParquetReader::open_with(path, keys)?))
}

#[cfg(not(feature = "parquet"))]
fn open(path: &Path, _keys: &Keys) -> Result<Box<dyn Source>> {
    Err(Error::new(crate::error::ErrorCode::UnsupportedVersion, "this build does not read Parquet files")
        .file(path)
        .hint("build with the feature `parquet`, or convert the file to JSON Lines"))
}
