//! One verb to merge: what the command line and an app call alike.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use tantivy::index::SegmentId;
use tantivy::{SegmentMeta, SegmentReader};

use super::input::Input;
use super::report::MergeReport;
use super::{bring, check, duplicates};
use crate::error::{Error, ErrorCode, Result};
use crate::index::build::partial::{ExistingOut, PartialDir, parent};
use crate::index::cells;
use crate::index::dir::held::Held;
use crate::index::dir::layout::beside;
use crate::index::dir::shard::ShardManifest;
use crate::index::dir::store::Index;
use crate::index::files::guarded::guarded;
use crate::index::plugin::id::IdField;
use crate::model::Bundle;

/// Bytes for a writer that adds nothing.
const SMALL: usize = 15 << 20;

/// Live documents of one segment at most, unless the caller says otherwise: what the host merges up to by itself.
const DOCUMENTS: u32 = 10_000_000;

/// The host numbers the documents of a segment up to this.
const MOST: u32 = i32::MAX as u32;

/// What becomes of documents of one id in several indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnDuplicate {
    /// An error with both places.
    #[default]
    Refuse,
    /// The document of the index that is named last stays.
    Last,
}

/// Makes one index of several, which are only read.
///
/// All have one space and the same fields, and one bundle unless [`IndexMerger::bundle`] gives it. Every file is compared with its checksums
/// before anything is made. The result is made in `OUT.partial` and renamed when it is whole.
///
/// ```no_run
/// # use uncsm_index::{Result, index::IndexMerger};
/// # fn main() -> Result<()> {
/// let report = IndexMerger::new("index").index("part.0").index("part.1").run()?;
/// println!("{} documents", report.documents);
/// # Ok(())
/// # }
/// ```
pub struct IndexMerger<'a> {
    out: PathBuf,
    indexes: Vec<PathBuf>,
    bundle: Option<&'a Bundle>,
    on_duplicate: OnDuplicate,
    existing: ExistingOut,
    cells: bool,
    documents: u32,
}

impl<'a> IndexMerger<'a> {
    /// A new index at `out`, which must not exist unless [`IndexMerger::force`] is said.
    pub fn new(out: impl AsRef<Path>) -> Self {
        Self {
            out: out.as_ref().to_path_buf(),
            indexes: Vec::new(),
            bundle: None,
            on_duplicate: OnDuplicate::default(),
            existing: ExistingOut::Refuse,
            cells: true,
            documents: DOCUMENTS,
        }
    }

    /// One more index to merge.
    #[must_use]
    pub fn index(mut self, dir: impl AsRef<Path>) -> Self {
        self.indexes.push(dir.as_ref().to_path_buf());
        self
    }

    /// What becomes of documents of one id in several indexes.
    #[must_use]
    pub fn on_duplicate(mut self, on_duplicate: OnDuplicate) -> Self {
        self.on_duplicate = on_duplicate;
        self
    }

    /// The bundle of the result, of the space of all indexes, whose bundles may differ then.
    #[must_use]
    pub fn bundle(mut self, bundle: &'a Bundle) -> Self {
        self.bundle = Some(bundle);
        self
    }

    /// An index that is there makes room when the new one is whole.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.existing = ExistingOut::Replace;
        self
    }

    /// Leaves out cells and codes: for an index that is to be merged once more, which makes them.
    #[must_use]
    pub fn without_cells(mut self) -> Self {
        self.cells = false;
        self
    }

    /// Live documents of one segment at most, 10 million unless this says otherwise; a segment that has more already stays alone.
    #[must_use]
    pub fn segment_documents(mut self, documents: u32) -> Self {
        self.documents = documents.min(MOST);
        self
    }

    /// Merges. Cost: one read of all files against their checksums, one copy of all rows and documents, and making cells once; memory
    /// of some 80 bytes per row of a segment, and what finds its cells.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`], [`ErrorCode::SchemaConflict`], [`ErrorCode::Changed`] for another bundle, or where an index is changed
    /// meanwhile; [`ErrorCode::BadArgument`] without an index, for one that is named twice or not complete, and for parts that do not go
    /// together; [`ErrorCode::Damaged`], naming the file; [`ErrorCode::DuplicateId`] with both places; [`ErrorCode::Empty`] where no index has
    /// a document; [`ErrorCode::Exists`]; [`ErrorCode::Locked`] while another process writes there; those of writing.
    pub fn run(self) -> Result<MergeReport> {
        let started = Instant::now();
        let inputs = self.indexes.iter().map(|dir| Input::open(dir)).collect::<Result<Vec<_>>>()?;
        check::together(&inputs, self.bundle)?;
        self.check_out(&inputs)?;
        if inputs.iter().all(|input| input.held.metas().iter().all(|meta| meta.num_docs() == 0)) {
            let error = Error::new(ErrorCode::Empty, "no index has a document");
            return Err(inputs.first().map_or_else(|| error.clone(), |input| error.clone().file(&input.dir)));
        }
        // The lock is held before all files are read, which takes long.
        let partial = PartialDir::prepare(&self.out, self.existing)?;
        inputs.iter().try_for_each(Input::check_files)?;
        let mut report = MergeReport::default();
        report.stages.check = started.elapsed();

        let bringing = Instant::now();
        let own = inputs.first().map(|input| input.index.bundle().clone());
        let bundle = self.bundle.or(own.as_deref());
        let Some(bundle) = bundle else {
            return Err(Error::new(ErrorCode::BadArgument, "no index is named to be merged"));
        };
        let (mut index, unlisted) = bring::together(partial.path(), &inputs, bundle)?;
        report.stages.bring = bringing.elapsed();

        let merging = Instant::now();
        if !self.cells {
            index.cache().leave_out_cells();
        }
        report.replaced = self.merge(&index, &inputs)?;
        report.stages.cells = index.cache().cells_time();
        report.stages.merge = merging.elapsed().saturating_sub(report.stages.cells);
        index.mark_complete()?;
        count(&index, &mut report)?;
        let (parts, missing) = check::parts_of(&inputs);
        let of_parts: u64 =
            inputs.iter().filter_map(|input| input.shard.as_ref()).map(|part| part.warnings).sum();
        report.warnings = of_parts + unlisted + missing.len() as u64;
        if !missing.is_empty() {
            // What is missing now may be there in the next merge.
            let counts = (report.documents, report.items.clone(), of_parts + unlisted);
            ShardManifest::of(&index, counts, parts)?.save(index.dir())?;
        }
        report.missing = missing;
        drop(index);
        partial.publish()?;
        Ok(report)
    }

    /// Refuses a place where something that is merged would be replaced or removed, whether anything is there or not, and one
    /// inside of what is merged.
    fn check_out(&self, inputs: &[Input]) -> Result<()> {
        // What stands beside the result is removed by its name there, also where a link leads elsewhere.
        let out = resolved(&self.out)?;
        let mut places = vec![out.clone()];
        for place in [self.out.clone(), beside(&self.out, ".partial")?, beside(&self.out, ".replaced")?] {
            let (Some(name), folder) = (place.file_name(), parent(&place)) else { continue };
            places.push(resolved(folder)?.join(name));
            places.push(resolved(&place)?);
        }
        for input in inputs {
            let dir = std::fs::canonicalize(&input.dir).map_err(|e| Error::io(&input.dir, e))?;
            let what = if places.iter().any(|place| dir.starts_with(place)) {
                "the result would replace or remove an index that is merged"
            } else if out.starts_with(&dir) {
                "the result would lie inside of an index that is merged"
            } else {
                continue;
            };
            return Err(Error::new(ErrorCode::BadArgument, what)
                .file(&input.dir)
                .expected("a place apart from all that is merged")
                .got(self.out.display())
                .hint("choose another place for it"));
        }
        Ok(())
    }

    /// Takes duplicates away and merges the segments of `index`; gives how many documents gave way.
    fn merge(&self, index: &Index, inputs: &[Input]) -> Result<u64> {
        let mut writer = index.writer(SMALL)?;
        writer.merge_nothing();
        let give_way = self.give_way(index, inputs)?;
        let replaced = give_way.len();
        if replaced > 0 {
            writer.delete_query(give_way.query())?;
        }
        // Also without a change: the commit of one index is not that of another.
        writer.commit()?;
        let metas = index.tantivy().searchable_segment_metas()?;
        let groups = self.groups(index, in_order(inputs, metas))?;
        for group in &groups {
            writer.merge(group)?;
        }
        let damaged = writer.finish()?;
        match damaged.into_iter().next() {
            Some((segment, why)) => {
                Err(Error::new(ErrorCode::Damaged, format!("segment {segment}: {why}")).file(index.dir()))
            }
            None => Ok(replaced),
        }
    }

    /// The documents that give way. What it opens is closed, so that files can go.
    fn give_way(&self, index: &Index, inputs: &[Input]) -> Result<duplicates::GiveWay> {
        let schema = index.tantivy().schema();
        let id = index.id_field().ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "the indexes have no field of ids").file(index.dir())
        })?;
        let id = IdField::of(&schema, schema.get_field_name(id))?;
        guarded([index.dir()], || {
            duplicates::find(&index.reader()?.searcher(), &id, inputs, self.on_duplicate)
        })
    }

    /// The segments that become one each: in order, as many as fit. One that stays alone is left as it is, unless it has
    /// deletes, or lacks cells that it should have.
    fn groups(&self, index: &Index, metas: Vec<SegmentMeta>) -> Result<Vec<Vec<SegmentId>>> {
        let mut groups: Vec<(u64, Vec<SegmentMeta>)> = Vec::new();
        for meta in metas {
            let documents = u64::from(meta.num_docs());
            match groups.last_mut() {
                Some((sum, group)) if *sum + documents <= u64::from(self.documents) => {
                    *sum += documents;
                    group.push(meta);
                }
                _ => groups.push((documents, vec![meta])),
            }
        }
        let mut wanted = Vec::new();
        for (_, group) in groups {
            let [alone] = group.as_slice() else {
                wanted.push(group.iter().map(SegmentMeta::id).collect());
                continue;
            };
            if alone.has_deletes() || (self.cells && lacks_cells(index, alone)?) {
                wanted.push(vec![alone.id()]);
            }
        }
        Ok(wanted)
    }
}

/// The path without links and what goes up, as far as something is there.
fn resolved(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
    let mut real = PathBuf::new();
    for component in whole.components() {
        if component == Component::ParentDir {
            real.pop();
            continue;
        }
        real.push(component);
        if let Ok(found) = std::fs::canonicalize(&real) {
            real = found;
        }
    }
    Ok(real)
}

/// `metas` in the order in which `inputs` have them.
fn in_order(inputs: &[Input], mut metas: Vec<SegmentMeta>) -> Vec<SegmentMeta> {
    let ids = inputs.iter().flat_map(|input| input.held.metas().iter().map(SegmentMeta::id));
    let order: BTreeMap<SegmentId, usize> = ids.zip(0..).collect();
    metas.sort_by_key(|meta| order.get(&meta.id()).copied());
    metas
}

/// Whether a segment should have cells that it has not, or whose curves are of other heads.
fn lacks_cells(index: &Index, meta: &SegmentMeta) -> Result<bool> {
    let reader = SegmentReader::open(&index.tantivy().segment(meta.clone()))?;
    let vectors = index.cache().get(&reader)?;
    let score = index.bundle().score();
    for media in 0..index.bundle().media().len() {
        let view = vectors.view(media);
        if !cells::are_made(view.len(), view.dim) {
            continue;
        }
        let cells = vectors.uvec().cells(media)?;
        let fits = |cells: uncsm_format::cells::Cells<'_>| {
            cells.curves.is_none_or(|curves| *curves.model == score.0)
        };
        if !cells.is_some_and(fits) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Counts what `index` holds.
fn count(index: &Index, report: &mut MergeReport) -> Result<()> {
    let searcher = index.reader()?.searcher();
    report.documents = searcher.num_docs();
    report.segments = searcher.segment_readers().len() as u64;
    report.items = index.bundle().media().iter().map(|media| (media.name.clone(), 0)).collect();
    for reader in searcher.segment_readers() {
        let vectors = index.cache().get(reader)?;
        for (media, of_media) in index.bundle().media().iter().enumerate() {
            let view = vectors.view(media);
            let live = match reader.has_deletes() {
                true => view.docs.iter().filter(|&&doc| !reader.is_deleted(doc)).count(),
                false => view.len(),
            };
            *report.items.entry(of_media.name.clone()).or_default() += live as u64;
        }
    }
    drop(searcher);
    let held = Held::take(index.files())?;
    report.bytes = held.files().filter_map(|name| held.length(name)).sum();
    Ok(())
}
