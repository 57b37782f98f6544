//! Every checksum and every row of an index.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tantivy::SegmentReader;

use super::duplicates::duplicate_ids;
use super::field::FIELD_TYPE;
use super::segment::SegmentVectors;
use super::snapshot::{Held, settled};
use super::store::{Index, segment_file};
use crate::error::{Error, ErrorCode, Result};

/// Ids that are listed at most, where several documents have one id.
const LISTED: usize = 20;

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
    pub(super) fn of(file: impl Into<String>, error: &Error) -> Self {
        let facts = error.facts();
        Self {
            file: file.into(),
            section: section(error),
            offset: facts.offset,
            reason: facts.message.clone(),
        }
    }
}

/// Checks the index at `dir`: manifest, bundle, embedded encoders, every checksum of tantivy and of the sections, every row, refused values,
/// and that each id has one live document. Cost: one read of all files.
///
/// # Errors
/// Only where `dir` is no index; all else is a [`Damage`] in the list, which is empty for a sound index.
pub fn verify(dir: &Path) -> Result<Vec<Damage>> {
    match super::manifest::Manifest::load(dir) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => return Err(error),
        Err(error) => return Ok(vec![Damage::of(super::MANIFEST, &error)]),
    }
    let index = match Index::open(dir) {
        Ok(index) => index,
        Err(error) => {
            let file = error.facts().file.clone().unwrap_or_else(|| dir.to_path_buf());
            return Ok(vec![Damage::of(
                file.strip_prefix(dir).unwrap_or(&file).display().to_string(),
                &error,
            )]);
        }
    };
    // All of one commit, held open: a writer may go on meanwhile.
    let held = match Held::take(&index) {
        Ok(held) => held,
        Err(error) => return Ok(vec![Damage::of("meta.json", &error)]),
    };
    let mut damage = checksums(&index, &held);
    super::embed::verify(dir, index.bundle(), &mut damage);
    let host_damaged = |id: &str| {
        damage.iter().any(|found: &Damage| found.file.starts_with(id) && !found.file.ends_with(FIELD_TYPE))
    };
    // The host trusts its own files, so a segment is opened only where these are sound.
    let (unsound, sound): (Vec<_>, Vec<_>) =
        held.segments(&index).into_iter().partition(|segment| host_damaged(&segment.id().uuid_string()));
    for segment in sound {
        match SegmentReader::open(&segment).map_err(Error::from) {
            Ok(reader) => match SegmentVectors::open(&reader) {
                Ok(vectors) => rows(&segment_file(&reader), &vectors, &mut damage),
                Err(error) => damage.push(Damage::of(segment_file(&reader), &error)),
            },
            Err(error) => {
                let file = error.facts().file.as_ref().map(|file| file.display().to_string());
                damage.push(Damage::of(file.unwrap_or_else(|| "meta.json".into()), &error));
            }
        }
    }
    // Ids are compared over all segments, or not at all.
    if let (Some(id), true) = (index.id_field(), unsound.is_empty()) {
        let searcher = settled(dir, || Ok(index.tantivy().reader()?.searcher()));
        let duplicates = searcher.and_then(|searcher| duplicate_ids(&searcher, id, LISTED));
        let duplicates = duplicates.unwrap_or_else(|error| {
            damage.push(Damage::of("meta.json", &error));
            Vec::new()
        });
        for id in duplicates {
            let reason = format!("several live documents have the id {id:?}");
            damage.push(Damage {
                file: "meta.json".into(),
                section: Some("id".into()),
                offset: None,
                reason,
            });
        }
    }
    Ok(damage)
}

/// Files of live segments whose checksum over the whole file does not match, or that are too short to hold one.
///
/// A missing file is left to whoever opens its segment: not every segment has all of them.
fn checksums(index: &Index, held: &Held) -> Vec<Damage> {
    let directory = index.tantivy().directory();
    let check = |file: &PathBuf| match directory.validate_checksum(file) {
        Ok(true) => None,
        Ok(false) => {
            let reason = "the checksum of the whole file does not match".into();
            Some(Damage { file: file.display().to_string(), section: None, offset: None, reason })
        }
        Err(error) => Some(Damage::of(file.display().to_string(), &error.into())),
    };
    held.files().filter_map(check).collect()
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
