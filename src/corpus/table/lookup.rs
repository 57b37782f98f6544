//! Single records of a table, found by their place.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use serde_json::{Map, Value};

use super::{TableReader, Types, object};
use crate::corpus::document::keys::Keys;
use crate::corpus::reader::source::Aside;
use crate::error::{Error, Result};
use crate::limits::open_file;

/// The values of a record by the names of their columns, its line and its bytes.
type Row = (Map<String, Value>, u64, Range<u64>);

/// A table whose records are read in order, and then one by one.
pub(in crate::corpus) struct Lookup {
    table: TableReader,
    file: File,
}

impl Lookup {
    /// Opens the table at `path`, which is not packed.
    ///
    /// # Errors
    /// Those of a table.
    pub(in crate::corpus) fn open(path: &Path, keys: &Keys) -> Result<Self> {
        let file = open_file(path, "the table")?;
        Ok(Self { table: TableReader::open(path, keys, &Types::default())?, file })
    }

    /// The next record; `None` at the end.
    pub(in crate::corpus) fn next(&mut self) -> Option<Result<Row>> {
        let record = self.table.next_record()?;
        Some(record.map_err(Error::from).and_then(|record| {
            let read =
                self.table.checked(&record).and_then(|()| object(&self.table.columns, &self.table.records));
            match read {
                Ok(object) => Ok((object, record.line, record.place)),
                Err(error) => Err(self.table.placed(error, &record)),
            }
        }))
    }

    /// What was left out of all records since the last call.
    pub(in crate::corpus) fn take_asides(&mut self) -> Vec<Aside> {
        std::mem::take(&mut self.table.asides)
    }

    /// The record at `place`.
    ///
    /// # Errors
    /// Those of reading it again.
    pub(in crate::corpus) fn row(&mut self, place: Range<u64>) -> Result<Map<String, Value>> {
        let io = |error| Error::io(&self.table.file, error);
        self.file.seek(SeekFrom::Start(place.start)).map_err(io)?;
        let length = place.end.saturating_sub(place.start);
        let mut records = self.table.records.alike((&mut self.file).take(length));
        records.next().map_err(io)?;
        object(&self.table.columns, &records)
    }
}
