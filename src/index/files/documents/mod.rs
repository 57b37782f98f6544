//! The stored documents of a segment, read so that no damage ends the process.
//!
//! The host believes every length in a store: it takes memory for it before it looks whether as much is left, and a process
//! that gets none is ended, without a panic that could be caught. So the sizes of a store are compared with its bytes before
//! the host has them ([`StoreFile`]), a panic of the host over the rest of its structure is caught, and documents are read from
//! their bytes here ([`value`]), as the host reads them.

mod value;

use std::path::PathBuf;
use std::sync::Arc;

use tantivy::directory::FileSlice;
use tantivy::directory::error::OpenReadError;
use tantivy::index::SegmentComponent;
use tantivy::store::StoreReader;
use tantivy::{DocId, SegmentReader, TantivyDocument, TantivyError};

use super::sound::{Dates, Layout, Misfit, StoreFile};
use crate::error::{Error, ErrorCode, Result, WAY_OUT};
use crate::guard;

/// The stored documents of one segment.
pub(crate) struct Documents {
    store: StoreReader,
    name: PathBuf,
    dates: Dates,
    /// Fields of the schema.
    fields: usize,
}

impl Documents {
    /// Opens the store of `reader`'s segment, with room for `blocks` unpacked blocks. Cost: a file and three of its pages.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the file.
    pub(crate) fn open(reader: &SegmentReader, blocks: usize) -> Result<Self> {
        let name = PathBuf::from(format!("{}.store", reader.segment_id().uuid_string()));
        let fields = reader.schema().num_fields();
        let (file, dates) = match reader.open_read(SegmentComponent::Store) {
            Ok(file) => {
                let bytes = file.read_bytes().map_err(|error| unread(error.into()).file(&name))?;
                let layout = Layout::of(&bytes).map_err(|misfit| misfit.error(&name))?;
                let checked = StoreFile::laid_out(Arc::new(file), &name, layout);
                (Some(FileSlice::new(Arc::new(checked))), layout.dates)
            }
            // Gone from a directory that shows no maps of what it has deleted: it is in memory, and was never in a file.
            Err(OpenReadError::FileDoesNotExist(_)) => (None, Dates::Nanos),
            Err(error) => return Err(Error::from(error)),
        };
        let opened = guard::catch(|| match file {
            Some(file) => StoreReader::open(file, blocks),
            None => reader.get_store_reader(blocks),
        });
        let store = match opened {
            Ok(Ok(store)) => store,
            Ok(Err(error)) => return Err(unread(error.into()).file(&name)),
            Err(said) => return Err(thrown(&said).file(&name)),
        };
        Ok(Self { store, name, dates, fields })
    }

    /// The stored fields of `doc`. Cost: unpacking its block, where it is not kept.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the file.
    pub(crate) fn get(&self, doc: DocId) -> Result<TantivyDocument> {
        let within = |error: Error| error.within(format_args!("stored document {doc}"));
        let bytes = match guard::catch(|| self.store.get_document_bytes(doc)) {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(within(unread(error)).file(&self.name)),
            Err(said) => return Err(within(thrown(&said)).file(&self.name)),
        };
        value::document(&bytes, self.fields, self.dates)
            .map_err(|misfit: Misfit| within(misfit.error(&self.name)))
    }
}

/// What the host says of a store: of bytes, unless the system refused.
fn unread(error: TantivyError) -> Error {
    let error = Error::from(error);
    match error.code() {
        ErrorCode::Io => error,
        ErrorCode::Damaged if error.facts().hint.is_some() => error,
        _ => Error::new(ErrorCode::Damaged, error.facts().message.clone()).hint(WAY_OUT).source(error),
    }
}

fn thrown(said: &str) -> Error {
    Error::new(ErrorCode::Damaged, format!("the store does not read: {said}")).hint(WAY_OUT)
}

#[cfg(test)]
mod tests;
