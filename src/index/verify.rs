//! Every checksum and every row of an index.

use std::path::Path;

use serde::Serialize;
use tantivy::SegmentReader;

use super::duplicates::duplicate_ids;
use super::field::FIELD_TYPE;
use super::segment::SegmentVectors;
use super::snapshot::{Held, settled};
use super::sound::Fault;
use super::store::{Index, segment_file};
use crate::error::{Error, ErrorCode, Result};
use crate::guard;

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

impl From<Fault> for Damage {
    fn from(fault: Fault) -> Self {
        let Fault { file, section, offset, reason, .. } = fault;
        Self { file: file.display().to_string(), section, offset, reason }
    }
}

/// Checks the index at `dir`: manifest, bundle, embedded encoders, every checksum of tantivy and of the sections, every row, refused values,
/// and that each id has one live document. Cost: one read of all files.
///
/// # Errors
/// Only where `dir` is no index; all else is a [`Damage`] in the list, which is empty for a sound index.
pub fn verify(dir: &Path) -> Result<Vec<Damage>> {
    let mut damage = Vec::new();
    match guard::catch(|| find(dir, &mut damage)) {
        Ok(done) => done?,
        // What was found before it gave up stays.
        Err(said) if damage.is_empty() => damage.push(Damage {
            file: super::sound::META.into(),
            section: None,
            offset: None,
            reason: format!("the index does not read, though every checksum matches: {said}"),
        }),
        Err(_) => {}
    }
    Ok(damage)
}

fn find(dir: &Path, damage: &mut Vec<Damage>) -> Result<()> {
    match super::manifest::Manifest::load(dir) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => return Err(error),
        Err(error) => {
            damage.push(Damage::of(super::MANIFEST, &error));
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
            damage.push(Damage::of(file.display().to_string(), &error));
            return Ok(());
        }
    };
    // All of one commit, held open: a writer may go on meanwhile.
    let held = match Held::take(&index) {
        Ok(held) => held,
        Err(error) => {
            damage.push(Damage::of("meta.json", &error));
            return Ok(());
        }
    };
    // What is wrong inside of a vector file is said by section, below.
    let (vectors, host): (Vec<Fault>, Vec<Fault>) = index
        .faults(&held)
        .into_iter()
        .partition(|fault| fault.file.extension().is_some_and(|kind| kind == FIELD_TYPE));
    damage.extend(host.into_iter().map(Damage::from));
    let segments = segments(&index, &held, damage);
    for fault in vectors {
        let file = fault.file.display().to_string();
        if !damage.iter().any(|found| found.file == file) {
            damage.push(fault.into());
        }
    }
    super::embed::verify(dir, index.bundle(), damage);
    // Ids are compared over all segments, or not at all.
    if segments == Segments::Sound {
        ids(&index, damage);
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
fn segments(index: &Index, held: &Held, damage: &mut Vec<Damage>) -> Segments {
    let host_damaged = |damage: &[Damage], id: &str| {
        damage.iter().any(|found: &Damage| found.file.starts_with(id) && !found.file.ends_with(FIELD_TYPE))
    };
    // The host trusts its own files, so a segment is opened only where these are sound.
    let (unsound, sound): (Vec<_>, Vec<_>) = held
        .segments(index)
        .into_iter()
        .partition(|segment| host_damaged(damage, &segment.id().uuid_string()));
    for segment in sound {
        match SegmentReader::open(&segment).map_err(Error::from) {
            Ok(reader) => match SegmentVectors::open(&reader) {
                Ok(vectors) => rows(&segment_file(&reader), &vectors, damage),
                Err(error) => damage.push(Damage::of(segment_file(&reader), &error)),
            },
            Err(error) => {
                let file = error.facts().file.as_ref().map(|file| file.display().to_string());
                damage.push(Damage::of(file.unwrap_or_else(|| "meta.json".into()), &error));
            }
        }
    }
    if unsound.is_empty() { Segments::Sound } else { Segments::Unsound }
}

/// Each id has one live document.
fn ids(index: &Index, damage: &mut Vec<Damage>) {
    if let Some(id) = index.id_field() {
        let searcher = settled(index.dir(), || Ok(index.tantivy().reader()?.searcher()));
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
