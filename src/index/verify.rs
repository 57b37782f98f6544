//! Every checksum and every row of an index.

use std::path::Path;

use serde::Serialize;

use super::duplicates::duplicate_ids;
use super::segment::SegmentVectors;
use super::store::{Index, segment_file};
use crate::error::{Error, Result};

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
    fn of(file: impl Into<String>, error: &Error) -> Self {
        let facts = error.facts();
        Self { file: file.into(), section: None, offset: facts.offset, reason: facts.message.clone() }
    }
}

/// Checks the index at `dir`: manifest, bundle, every checksum of tantivy and of the sections, every row, refused values,
/// and that each id has one live document. Cost: one read of all files.
///
/// # Errors
/// Only where `dir` is no index; all else is a [`Damage`] in the list, which is empty for a sound index.
pub fn verify(dir: &Path) -> Result<Vec<Damage>> {
    super::manifest::Manifest::load(dir)?;
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
    let mut damage = Vec::new();
    let mut checksums: Vec<_> = index.tantivy().validate_checksum()?.into_iter().collect();
    checksums.sort();
    for file in checksums {
        let reason = "the checksum of the whole file does not match".into();
        damage.push(Damage { file: file.display().to_string(), section: None, offset: None, reason });
    }
    let searcher = match index.tantivy().reader() {
        Ok(reader) => reader.searcher(),
        Err(error) => {
            damage.push(Damage::of("meta.json", &error.into()));
            return Ok(damage);
        }
    };
    for reader in searcher.segment_readers() {
        let file = segment_file(reader);
        match SegmentVectors::open(reader) {
            Ok(vectors) => rows(&file, &vectors, &mut damage),
            Err(error) => damage.push(Damage::of(file, &error)),
        }
    }
    if let Some(id) = index.id_field() {
        for id in duplicate_ids(&searcher, id, LISTED)? {
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
