//! What an index or a `.uvec` file is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use tantivy::index::SegmentComponent;
use tantivy::{Directory, SegmentMeta};
use uncsm_format::Uvec;

use super::cells::CellsReport;
use super::sources::{self, SourcesReport};
use crate::corpus::IdsFrom;
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::embed::{EmbeddedEncoder, embedded};
use crate::index::dir::guest;
use crate::index::dir::held::{Files, Held};
use crate::index::dir::store::{Index, verify_bundle};
use crate::index::files::guarded::guarded;
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sound::{Fault, names_of};
use crate::index::plugin::field::MediaField;
use crate::index::plugin::segment::SegmentVectors;
use crate::limits::{self, Opened};
use crate::media::{Fingerprint, MediaSpec, SpaceSpec};

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
    /// What ids of documents without one were made from, where that is not their line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<IdsFrom>,
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
    /// Cells per media type, where there are any.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cells: BTreeMap<String, CellsReport>,
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

/// An app's own index, as `inspect` reports it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct HostReport {
    /// Version of the `.uvec` files.
    pub format_version: u32,
    /// `space` alone: no bundle is in the index.
    pub fingerprint: BTreeMap<&'static str, Fingerprint>,
    /// What its segments hold.
    #[serde(flatten)]
    pub contents: Contents,
    /// Lengths of the stored vectors per media type: `shared_dim` and `half`.
    pub media: BTreeMap<String, serde_json::Value>,
}

/// What the segments of an index hold.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Contents {
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
}

/// Reports on one commit of an open index. Cost: a read of all files of its segments, to find damage, and every stored
/// document is unpacked, to count sources; what it finds is named, and the rest of the report holds what still reads.
///
/// # Errors
/// Those of reading the list of segments and the embedded encoders.
pub fn inspect(index: &Index) -> Result<IndexReport> {
    guarded([index.dir()], || inspect_unguarded(index))
}

fn inspect_unguarded(index: &Index) -> Result<IndexReport> {
    verify_bundle(index.dir())?;
    let held = Held::take(index.files())?;
    let Contents { documents, deleted, rejected, rejected_reason, damaged, segments } =
        contents(index.files(), &held, index.media().spec(), Some(index.bundle().score()));
    let sources = sources::count(index, &held, |id| damaged.contains_key(id));
    let mut report = IndexReport {
        format_version: index.manifest().format_version,
        fingerprint: BTreeMap::from([("space", index.bundle().space()), ("model", index.bundle().model())]),
        complete: index.manifest().complete,
        pending: index.manifest().pending.clone(),
        ids: index.manifest().ids,
        documents,
        deleted,
        rejected,
        rejected_reason,
        damaged,
        segments,
        media: BTreeMap::new(),
        embedded: embedded(index.dir())?,
        sources,
        schema: serde_json::to_value(&index.manifest().fields)
            .map_err(|e| Error::new(ErrorCode::BadValue, e.to_string()).source(e))?,
    };
    for (m, media) in index.bundle().media().iter().enumerate() {
        let mut value = serde_json::json!({ "encoder": media.encoder, "dim": media.features });
        if let Some(fingerprint) = media.fingerprint {
            value["fingerprint"] = fingerprint.to_string().into();
        }
        // Unit parts of train rows, which the bundle of the index holds.
        let anchors = index.bundle().metric().hub_anchors(m);
        if anchors > 0 {
            value["anchors"] = anchors.into();
        }
        report.media.insert(media.name.clone(), value);
    }
    Ok(report)
}

/// Reports on an app's own index, in any directory, as far as [`inspect`] can without manifest and bundle. Cost: a read of all
/// files of its segments.
///
/// # Errors
/// Those of [`MediaField::of`]; [`ErrorCode::BadArgument`] for an index that was created without the plugin or shuffles its
/// documents; those of reading the list of segments.
pub fn inspect_host(index: &tantivy::Index) -> Result<HostReport> {
    guest::check(index)?;
    host(Files { tantivy: index, sound: None, dir: None })
}

/// As [`inspect_host`], of the index of another program in the directory `dir`.
///
/// # Errors
/// Those of [`inspect_host`]; [`ErrorCode::NotFound`] where none with our media field is there.
pub fn inspect_host_at(dir: &Path) -> Result<HostReport> {
    let guest = guest::find(dir).ok_or_else(|| {
        Error::new(ErrorCode::NotFound, "no index with shared vectors is here")
            .file(dir)
            .expected("a tantivy index with a media field")
    })??;
    host(guest.files())
}

fn host(files: Files<'_>) -> Result<HostReport> {
    guarded(files.dir, || {
        let field = MediaField::of(&files.tantivy.schema())?;
        let spec = field.spec();
        let media = |media: &MediaSpec| {
            let mut about = serde_json::json!({ "shared_dim": media.dim, "half": media.half });
            if media.hubs > 0 {
                about["hubs"] = media.hubs.into();
            }
            (media.name.clone(), about)
        };
        Ok(HostReport {
            format_version: uncsm_format::FORMAT_VERSION,
            fingerprint: BTreeMap::from([("space", spec.space)]),
            contents: contents(files, &Held::take(files)?, spec, None),
            media: spec.media.iter().map(media).collect(),
        })
    })
}

fn contents(files: Files<'_>, held: &Held, spec: &SpaceSpec, score: Option<Fingerprint>) -> Contents {
    let faults = files.faults(held);
    let mut contents = Contents::default();
    for meta in held.metas() {
        segment(files, (spec, score), (held, meta), &faults, &mut contents);
    }
    contents
}

/// Adds one segment to the report; of a damaged one what its files still say.
fn segment(
    files: Files<'_>,
    (spec, score): (&SpaceSpec, Option<Fingerprint>),
    (held, meta): (&Held, &SegmentMeta),
    faults: &[Fault],
    report: &mut Contents,
) {
    let id = meta.id().uuid_string();
    let vectors = format!("{id}.{FIELD_TYPE}");
    let mut bytes = BTreeMap::from([("text", 0), ("uvec", 0)]);
    for name in names_of(&id, meta.delete_opstamp(), [FIELD_TYPE]) {
        let place = || files.dir.and_then(|dir| std::fs::symlink_metadata(dir.join(&name)).ok());
        let length = held.length(&name).unwrap_or_else(|| place().map_or(0, |about| about.len()));
        let kind = if name.as_os_str() == vectors.as_str() { "uvec" } else { "text" };
        *bytes.entry(kind).or_default() += length;
    }
    let mut damaged =
        faults.iter().find(|fault| fault.file.to_string_lossy().starts_with(&id)).map(Fault::sentence);
    let (mut counts, mut cells) = (BTreeMap::new(), BTreeMap::new());
    match open_vectors(files.tantivy, spec, meta) {
        Ok(vectors_open) => {
            let uvec = vectors_open.uvec();
            let (rejected, reason) = uvec.rejected();
            report.rejected += rejected;
            report.rejected_reason = report.rejected_reason.take().or(reason.map(str::to_owned));
            counts = items(uvec);
            cells = uvec
                .media()
                .iter()
                .enumerate()
                .filter_map(|(m, media)| Some((media.name.clone(), super::cells::report(uvec, m, score)?)))
                .collect();
            if damaged.is_none() {
                damaged = uvec.verify().first().map(|damage| format!("{vectors}: {damage}"));
            }
        }
        Err(error) => damaged = damaged.or(Some(error.to_string())),
    }
    if let Some(reason) = damaged {
        report.damaged.insert(id.clone(), reason);
    }
    report.documents += u64::from(meta.num_docs());
    report.deleted += u64::from(meta.num_deleted_docs());
    let documents = u64::from(meta.num_docs());
    report.segments.push(SegmentReport { id, documents, items: counts, bytes, cells });
}

/// The vectors of a segment, without the host's other files.
fn open_vectors(index: &tantivy::Index, spec: &SpaceSpec, meta: &SegmentMeta) -> Result<SegmentVectors> {
    let name = meta.relative_path(SegmentComponent::Custom(FIELD_TYPE.into()));
    let file = index.directory().open_read(&name).map_err(|e| Error::from(e).file(&name))?;
    SegmentVectors::read(file, spec, meta.max_doc()).map_err(|e| e.file(&name))
}

/// Reports on one `.uvec` file, be it bare or with tantivy's footer. Cost: O(1).
///
/// # Errors
/// [`ErrorCode::NotFound`], [`ErrorCode::Damaged`], [`ErrorCode::UnsupportedVersion`].
pub fn inspect_uvec(path: &Path) -> Result<FileReport> {
    let file = match limits::open_regular(path).map_err(|e| Error::io(path, e))? {
        Opened::File(file, _) => file,
        Opened::Other(got) => {
            let error = Error::new(ErrorCode::BadValue, "not a file");
            return Err(error.file(path).expected("a `.uvec` file").got(got));
        }
    };
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
