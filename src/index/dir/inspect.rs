//! What an index or a `.uvec` file is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use tantivy::index::SegmentComponent;
use tantivy::{Directory, SegmentMeta};
use uncsm_format::Uvec;

use super::embed::{EmbeddedEncoder, embedded};
use super::snapshot::Held;
use super::sources::{self, SourcesReport};
use super::store::Index;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::guarded::guarded;
use crate::index::files::sound::{Fault, names_of};
use crate::index::plugin::field::FIELD_TYPE;
use crate::index::plugin::segment::SegmentVectors;
use crate::media::Fingerprint;

/// An index, as `inspect` reports it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct IndexReport {
    /// Version of the `.uvec` files.
    pub format_version: u32,
    /// `space` and `model` of the bundle in use.
    pub fingerprint: BTreeMap<&'static str, Fingerprint>,
    /// Whether the source was indexed to its end.
    pub complete: bool,
    /// Sources that were stopped on their way into it.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub pending: BTreeSet<String>,
    /// Live documents.
    pub documents: u64,
    /// Deleted documents that a merge has not dropped yet.
    pub deleted: u64,
    /// Values that the plugin refused.
    pub rejected: u64,
    /// Why the first of them was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_reason: Option<String>,
    /// Segments with files that are not what was written, with the first reason: merges leave them out.
    pub damaged: BTreeMap<String, String>,
    /// Each segment.
    pub segments: Vec<SegmentReport>,
    /// Encoder name and feature dimension per media type.
    pub media: BTreeMap<String, serde_json::Value>,
    /// Weights of encoders inside the index.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<EmbeddedEncoder>,
    /// Where documents came from.
    pub sources: SourcesReport,
    /// The fields.
    pub schema: serde_json::Value,
}

/// A segment, as `inspect` reports it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct SegmentReport {
    /// Segment id.
    pub id: String,
    /// Live documents.
    pub documents: u64,
    /// Items per media type, those of deleted documents included.
    pub items: BTreeMap<String, u64>,
    /// Bytes on disk: `text` (all of tantivy's own files) and `uvec`.
    pub bytes: BTreeMap<&'static str, u64>,
}

/// A `.uvec` file, as `inspect` reports it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileReport {
    /// Version of the format.
    pub format_version: u32,
    /// The space that it belongs to.
    pub space: Fingerprint,
    /// Documents of its segment, deleted ones included.
    pub documents: u32,
    /// Values that the plugin refused.
    pub rejected: u64,
    /// Items per media type.
    pub items: BTreeMap<String, u64>,
    /// Name, media type, offset and length of each section.
    pub sections: Vec<serde_json::Value>,
}

/// Reports on an open index. Cost: a read of all files of its segments, to find damage; what it finds is named, and the rest
/// of the report holds what still reads.
///
/// # Errors
/// Those of reading the list of segments and the embedded encoders.
pub fn inspect(index: &Index) -> Result<IndexReport> {
    guarded([index.dir()], || inspect_unguarded(index))
}

fn inspect_unguarded(index: &Index) -> Result<IndexReport> {
    let held = Held::take(index)?;
    let metas = held.metas();
    let mut report = IndexReport {
        format_version: index.manifest().format_version,
        fingerprint: BTreeMap::from([("space", index.bundle().space()), ("model", index.bundle().model())]),
        complete: index.manifest().complete,
        pending: index.manifest().pending.clone(),
        documents: metas.iter().map(|meta| u64::from(meta.num_docs())).sum(),
        deleted: 0,
        rejected: 0,
        rejected_reason: None,
        damaged: BTreeMap::new(),
        segments: Vec::new(),
        media: BTreeMap::new(),
        embedded: embedded(index.dir())?,
        sources: SourcesReport::default(),
        schema: serde_json::to_value(&index.manifest().fields)
            .map_err(|e| Error::new(ErrorCode::BadValue, e.to_string()).source(e))?,
    };
    let faults = index.faults(&held);
    for meta in metas {
        segment(index, (&held, meta), &faults, &mut report);
    }
    report.sources = sources::count(index, &held, |id| report.damaged.contains_key(id));
    for media in index.bundle().media() {
        let mut value = serde_json::json!({ "encoder": media.encoder, "dim": media.features });
        if let Some(fingerprint) = media.fingerprint {
            value["fingerprint"] = fingerprint.to_string().into();
        }
        report.media.insert(media.name.clone(), value);
    }
    Ok(report)
}

/// Adds one segment to the report; of a damaged one what its files still say.
fn segment(index: &Index, (held, meta): (&Held, &SegmentMeta), faults: &[Fault], report: &mut IndexReport) {
    let id = meta.id().uuid_string();
    let vectors = format!("{id}.{FIELD_TYPE}");
    let mut bytes = BTreeMap::from([("text", 0), ("uvec", 0)]);
    for name in names_of(&id, meta.delete_opstamp(), [FIELD_TYPE]) {
        let on_disk = || std::fs::symlink_metadata(index.dir().join(&name)).map_or(0, |about| about.len());
        let length = held.length(&name).unwrap_or_else(on_disk);
        let kind = if name.as_os_str() == vectors.as_str() { "uvec" } else { "text" };
        *bytes.entry(kind).or_default() += length;
    }
    let mut damaged =
        faults.iter().find(|fault| fault.file.to_string_lossy().starts_with(&id)).map(Fault::sentence);
    let mut counts = BTreeMap::new();
    match open_vectors(index, meta) {
        Ok(vectors_open) => {
            let uvec = vectors_open.uvec();
            let (rejected, reason) = uvec.rejected();
            report.rejected += rejected;
            report.rejected_reason = report.rejected_reason.take().or(reason.map(str::to_owned));
            counts = items(uvec);
            if damaged.is_none() {
                damaged = uvec.verify().first().map(|damage| format!("{vectors}: {damage}"));
            }
        }
        Err(error) => damaged = damaged.or(Some(error.to_string())),
    }
    if let Some(reason) = damaged {
        report.damaged.insert(id.clone(), reason);
    }
    report.deleted += u64::from(meta.num_deleted_docs());
    report.segments.push(SegmentReport { id, documents: u64::from(meta.num_docs()), items: counts, bytes });
}

/// The vectors of a segment, without the host's other files.
fn open_vectors(index: &Index, meta: &SegmentMeta) -> Result<SegmentVectors> {
    let name = meta.relative_path(SegmentComponent::Custom(FIELD_TYPE.into()));
    let file = index.tantivy().directory().open_read(&name).map_err(|e| Error::from(e).file(&name))?;
    SegmentVectors::read(file, index.media().spec(), meta.max_doc()).map_err(|e| e.file(&name))
}

/// Reports on one `.uvec` file, be it bare or with tantivy's footer. Cost: O(1).
///
/// # Errors
/// [`ErrorCode::NotFound`], [`ErrorCode::Damaged`], [`ErrorCode::UnsupportedVersion`].
pub fn inspect_uvec(path: &Path) -> Result<FileReport> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !about.is_file() {
        // A pipe would be waited for.
        return Err(Error::new(ErrorCode::BadValue, "not a file").file(path).expected("a `.uvec` file"));
    }
    let file = std::fs::File::open(path).map_err(|e| Error::io(path, e))?;
    let map = map_read_only(&file).map_err(|e| Error::io(path, e))?;
    let uvec = Uvec::open(without_host_footer(&map)).map_err(|e| Error::from(e).file(path))?;
    let section = |info: &uncsm_format::SectionInfo| {
        serde_json::json!({
            "name": &info.name, "media": info.media, "offset": info.offset, "length": info.length, "rows": info.rows,
            "required": info.required,
        })
    };
    Ok(FileReport {
        format_version: uncsm_format::FORMAT_VERSION,
        space: Fingerprint(*uvec.space()),
        documents: uvec.documents(),
        rejected: uvec.rejected().0,
        items: items(&uvec),
        sections: uvec.sections().iter().map(section).collect(),
    })
}

fn items<D: AsRef<[u8]>>(uvec: &Uvec<D>) -> BTreeMap<String, u64> {
    uvec.media()
        .iter()
        .enumerate()
        .map(|(i, media)| (media.name.clone(), uvec.view(i).len() as u64))
        .collect()
}

/// A segment file in a tantivy index ends with a footer: JSON, its length as u32, and the number 1337 as u32.
fn without_host_footer(bytes: &[u8]) -> &[u8] {
    const MAGIC: u32 = 1337;
    let Some((rest, tail)) = bytes.split_last_chunk::<8>() else { return bytes };
    let word = |at: usize| u32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    match rest.len().checked_sub(word(0) as usize) {
        Some(end) if word(4) == MAGIC => &rest[..end],
        _ => bytes,
    }
}

/// Maps a file that is only read. Segment files are never changed in place once they are written, which is what
/// [`uncsm_format::map`] asks for.
#[allow(unsafe_code)]
fn map_read_only(file: &std::fs::File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: see above; a user who truncates a file under a running `inspect` breaks the contract herself.
    unsafe { uncsm_format::map(file) }
}
