//! Every checksum and every row of an index.

use std::path::Path;

use serde::Serialize;
use tantivy::SegmentReader;

use super::duplicates::duplicate_ids;
use super::snapshot::{Held, settled};
use super::store::{Index, segment_file};
use crate::error::{Error, ErrorCode, Result};
use crate::guard;
use crate::index::files::sound::Fault;
use crate::index::plugin::field::FIELD_TYPE;
use crate::index::plugin::segment::SegmentVectors;

/// Ids that are listed at most, where several documents have one id.
const LISTED: usize = 20;

const NO_RECORD: &str = "meta.json has no record of the files of its segments: whole files that were swapped cannot be told; the next commit of this program takes the record";

/// One damage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Damage {
    /// File in the index directory.
    pub file: String,
    /// Section of a `.uvec` file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// Byte offset in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong.
    pub reason: String,
}

impl Damage {
    pub(crate) fn of(file: impl Into<String>, error: &Error) -> Self {
        let facts = error.facts();
        Self {
            file: file.into(),
            section: section(error),
            offset: facts.offset,
            reason: facts.message.clone(),
        }
    }
}

impl From<Fault> for Damage {
    fn from(fault: Fault) -> Self {
        let Fault { file, section, offset, reason, .. } = fault;
        Self { file: file.display().to_string(), section, offset, reason }
    }
}

/// What [`examine`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Examination {
    /// What is wrong.
    pub damage: Vec<Damage>,
    /// Files that the system did not let us read, and why: they may be sound.
    pub unchecked: Vec<Damage>,
    /// What could not be told of an index that is otherwise sound.
    pub notes: Vec<String>,
}

impl Examination {
    /// Whether every file was read and is sound.
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty() && self.unchecked.is_empty()
    }

    fn add(&mut self, file: impl Into<String>, error: &Error) {
        let found = Damage::of(file, error);
        if error.code() == ErrorCode::Io { self.unchecked.push(found) } else { self.damage.push(found) }
    }
}

/// As [`examine`], the damage alone.
///
/// # Errors
/// Those of [`examine`]; [`ErrorCode::Io`] where no damage was found and a file could not be read.
pub fn verify(dir: &Path) -> Result<Vec<Damage>> {
    let found = examine(dir)?;
    match found.unchecked.into_iter().next() {
        Some(file) if found.damage.is_empty() => {
            let what = format!("the file could not be checked: {}", file.reason);
            Err(Error::new(ErrorCode::Io, what).file(dir.join(file.file)))
        }
        _ => Ok(found.damage),
    }
}

/// Checks the index at `dir`: manifest, bundle, embedded encoders, every checksum of tantivy and of the sections, every row, refused values,
/// and that each id has one live document. Cost: one read of all files.
///
/// # Errors
/// Only where `dir` is no index; all else is in what it gives.
pub fn examine(dir: &Path) -> Result<Examination> {
    let mut found = Examination::default();
    match guard::catch(|| find(dir, &mut found)) {
        Ok(done) => done?,
        // What was found before it gave up stays.
        Err(said) if found.damage.is_empty() => found.damage.push(Damage {
            file: crate::index::files::sound::META.into(),
            section: None,
            offset: None,
            reason: format!("the index does not read, though every checksum matches: {said}"),
        }),
        Err(_) => {}
    }
    Ok(found)
}

fn find(dir: &Path, found: &mut Examination) -> Result<()> {
    match super::manifest::Manifest::load(dir) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => return Err(error),
        Err(error) => {
            found.add(super::layout::MANIFEST, &error);
            return Ok(());
        }
    }
    let index = match Index::open(dir) {
        Ok(index) => index,
        Err(error) => {
            let file = error.facts().file.clone().unwrap_or_else(|| dir.to_path_buf());
            let file = match file.strip_prefix(dir) {
                Ok(inside) if inside.as_os_str().is_empty() => Path::new("."),
                Ok(inside) => inside,
                Err(_) => &file,
            };
            found.add(file.display().to_string(), &error);
            return Ok(());
        }
    };
    // All of one commit, held open: a writer may go on meanwhile.
    let held = match Held::take(&index) {
        Ok(held) => held,
        Err(error) => {
            found.add("meta.json", &error);
            return Ok(());
        }
    };
    // What is wrong inside of a vector file is said by section, below.
    let (unread, faults): (Vec<Fault>, Vec<Fault>) =
        index.faults(&held).into_iter().partition(|fault| fault.unread.is_some());
    found.unchecked.extend(unread.into_iter().map(Damage::from));
    if index.sound().lacks_record() {
        found.notes.push(NO_RECORD.into());
    }
    let (vectors, host): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| fault.file.extension().is_some_and(|kind| kind == FIELD_TYPE));
    found.damage.extend(host.into_iter().map(Damage::from));
    let segments = segments(&index, &held, found);
    for fault in vectors {
        let file = fault.file.display().to_string();
        if !found.damage.iter().any(|other| other.file == file) {
            found.damage.push(fault.into());
        }
    }
    super::embed::verify(dir, index.bundle(), &mut found.damage);
    // Ids are compared over all segments, or not at all.
    if segments == Segments::Sound {
        ids(&index, found);
    }
    Ok(())
}

/// Whether the host's own files of all segments are sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segments {
    Sound,
    Unsound,
}

/// Opens each segment and looks at its vectors.
fn segments(index: &Index, held: &Held, found: &mut Examination) -> Segments {
    let is_out = |id: &str| {
        let mut files = found.damage.iter().chain(&found.unchecked);
        files.any(|found| found.file.starts_with(id) && !found.file.ends_with(FIELD_TYPE))
    };
    // The host trusts its own files, so a segment is opened only where these are sound.
    let (unsound, sound): (Vec<_>, Vec<_>) =
        held.segments(index).into_iter().partition(|segment| is_out(&segment.id().uuid_string()));
    for segment in sound {
        match SegmentReader::open(&segment).map_err(Error::from) {
            Ok(reader) => match SegmentVectors::open(&reader) {
                Ok(vectors) => rows(&segment_file(&reader), &vectors, &mut found.damage),
                Err(error) => found.add(segment_file(&reader), &error),
            },
            Err(error) => {
                let file = error.facts().file.as_ref().map(|file| file.display().to_string());
                found.add(file.unwrap_or_else(|| "meta.json".into()), &error);
            }
        }
    }
    if unsound.is_empty() { Segments::Sound } else { Segments::Unsound }
}

/// Each id has one live document.
fn ids(index: &Index, found: &mut Examination) {
    if let Some(id) = index.id_field() {
        let searcher = settled(index.dir(), || Ok(index.tantivy().reader()?.searcher()));
        let duplicates = searcher.and_then(|searcher| duplicate_ids(&searcher, id, LISTED));
        let duplicates = duplicates.unwrap_or_else(|error| {
            found.add("meta.json", &error);
            Vec::new()
        });
        for id in duplicates {
            let reason = format!("several live documents have the id {id:?}");
            found.damage.push(Damage {
                file: "meta.json".into(),
                section: Some("id".into()),
                offset: None,
                reason,
            });
        }
    }
}

/// The part of a `.uvec` file that an error is about.
fn section(error: &Error) -> Option<String> {
    use uncsm_format::Error as E;
    match std::error::Error::source(error)?.downcast_ref::<E>()? {
        E::Checksum { section, .. }
        | E::Field { section, .. }
        | E::Reserved { section, .. }
        | E::ElementType { section, .. }
        | E::Missing { section }
        | E::Duplicate { section, .. }
        | E::Text { section, .. } => Some(section.clone()),
        _ => None,
    }
}

fn rows(file: &str, vectors: &SegmentVectors, damage: &mut Vec<Damage>) {
    let uvec = vectors.uvec();
    for found in uvec.verify() {
        damage.push(Damage {
            file: file.into(),
            section: Some(found.section.to_string()),
            offset: Some(found.offset),
            reason: found.to_string(),
        });
    }
    let (rejected, reason) = uvec.rejected();
    if rejected > 0 {
        let why = reason.unwrap_or("no reason kept");
        let reason = format!("{rejected} values were refused while indexing, the first because: {why}");
        damage.push(Damage { file: file.into(), section: Some("status".into()), offset: None, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_unchecked_and_no_damage() {
        let mut found = Examination::default();
        assert!(found.is_sound());
        let refused = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let path = Path::new("meta.json").to_path_buf();
        let error = tantivy::directory::error::OpenReadError::wrap_io_error(refused, path);
        found.add("meta.json", &Error::from(error));
        assert!(found.damage.is_empty() && !found.is_sound());
        assert_eq!(found.unchecked[0].file, "meta.json");
        let bytes = std::io::Error::from(std::io::ErrorKind::InvalidData);
        found.add("b", &Error::from(tantivy::TantivyError::from(bytes)));
        assert_eq!((found.damage.len(), found.unchecked.len(), found.is_sound()), (1, 1, false));
    }
}
