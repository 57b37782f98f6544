//! The opened `.uvec` of a segment.

use tantivy::SegmentReader;
use tantivy::directory::error::OpenReadError;
use tantivy::directory::{FileSlice, OwnedBytes};
use tantivy::index::{Segment, SegmentComponent};
use uncsm_format::{MediaView, Uvec};

use super::field::MediaField;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::names::FIELD_TYPE;
use crate::media::SpaceSpec;

/// The shared vectors of one segment.
pub struct SegmentVectors {
    uvec: Uvec<OwnedBytes>,
}

impl SegmentVectors {
    /// Opens the component of `reader`'s segment and checks that it belongs to the space of the schema. O(1) where the
    /// directory gives aligned bytes (memory maps do), else one copy of the file.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], [`ErrorCode::UnsupportedVersion`] or [`ErrorCode::SpaceMismatch`], naming the file;
    /// [`ErrorCode::Changed`] where the directory does not hold it for a segment that is gone.
    pub fn open(reader: &SegmentReader) -> Result<Self> {
        let name = file_of(reader);
        let spec = MediaField::of(reader.schema())?;
        let file = reader.open_read(SegmentComponent::Custom(FIELD_TYPE.into())).map_err(|error| {
            let missing = matches!(error, OpenReadError::FileDoesNotExist(_));
            match super::registered::lost(reader.index()) {
                Ok(Some(lost)) => lost,
                _ if missing && is_unlisted(reader) => gone(&name, error),
                _ => Error::from(error).file(&name),
            }
        })?;
        Self::read(file, spec.spec(), reader.max_doc()).map_err(|e| e.file(&name))
    }

    /// As [`SegmentVectors::open`], of a segment that is just being written and has `documents`.
    pub(crate) fn of_new(segment: &Segment, spec: &SpaceSpec, documents: u32) -> Result<Self> {
        let name = file_name(&segment.id().uuid_string());
        let file = segment.open_read(SegmentComponent::Custom(FIELD_TYPE.into())).map_err(Error::from);
        file.and_then(|file| Self::read(file, spec, documents)).map_err(|e| e.file(&name))
    }

    /// Opens the file of a segment of `documents` documents.
    pub(crate) fn read(file: FileSlice, spec: &SpaceSpec, documents: u32) -> Result<Self> {
        let bytes = file.read_bytes().map_err(|e| Error::new(ErrorCode::Io, e.to_string()).source(e))?;
        let uvec = Uvec::open(bytes)?;
        check_fits(&uvec, spec)?;
        if uvec.documents() != documents {
            return Err(Error::new(
                ErrorCode::Damaged,
                "the file covers another number of documents than its segment",
            )
            .expected(documents)
            .got(uvec.documents()));
        }
        Ok(Self { uvec })
    }

    /// The opened container.
    pub fn uvec(&self) -> &Uvec<OwnedBytes> {
        &self.uvec
    }

    /// The columns of media type `media`.
    pub fn view(&self, media: usize) -> MediaView<'_> {
        self.uvec.view(media)
    }
}

/// Name of the `.uvec` of `reader`'s segment.
pub(crate) fn file_of(reader: &SegmentReader) -> String {
    file_name(&reader.segment_id().uuid_string())
}

/// Name of the `.uvec` of the segment with this id.
pub(crate) fn file_name(segment: &str) -> String {
    format!("{segment}.{FIELD_TYPE}")
}

/// Whether the last commit is known not to have the segment.
fn is_unlisted(reader: &SegmentReader) -> bool {
    reader.index().searchable_segment_ids().is_ok_and(|listed| !listed.contains(&reader.segment_id()))
}

/// A searcher was held, and its file was not: only in a plain directory of the host, where another process writes.
fn gone(name: &str, error: OpenReadError) -> Error {
    Error::new(ErrorCode::Changed, "a writer has removed the segment, which this searcher did not hold yet")
        .file(name)
        .hint("reload the reader; an index that is opened through `IndexDirectory` holds its files")
        .source(error)
}

fn check_fits(uvec: &Uvec<OwnedBytes>, spec: &SpaceSpec) -> Result<()> {
    if *uvec.space() != spec.space.0 {
        return Err(Error::new(
            ErrorCode::SpaceMismatch,
            "the segment belongs to another shared space than its schema",
        )
        .expected(spec.space)
        .got(crate::media::Fingerprint(*uvec.space())));
    }
    let fits = uvec.media().len() == spec.media.len()
        && uvec.media().iter().zip(&spec.media).all(|(have, want)| {
            have.name == want.name
                && have.dim as usize == want.dim
                && have.half as usize == want.half
                && have.hubs as usize == want.hubs
                && have.dtype == want.dtype
        });
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Damaged, "media types of the file are not those of the schema")
        .expected(format!("{:?}", spec.media))
        .got(format!("{:?}", uvec.media())))
}
