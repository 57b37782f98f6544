//! Documents into an index that is there, replacing those of equal id: visible piece by piece, or in one commit.

use std::path::Path;
use std::time::Instant;

use super::options::{BuildOptions, Existing};
use super::report::BuildReport;
use super::settings::{Settings, in_index};
use super::source::{Opened, Source};
use crate::encode::Encoders;
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::embed::embed_encoders;
use crate::index::dir::store::Index;
use crate::model::Bundle;

/// Commits on the way: a source that is stopped is in the index in part, which the manifest says until it was indexed to
/// its end. `bundle` must be of the index's space.
pub(crate) fn append(
    dir: &Path,
    bundle: &Bundle,
    source: &Source,
    mut settings: Settings<'_>,
) -> Result<BuildReport> {
    refuse_schema(dir, &settings)?;
    let mut index = Index::open(dir)?;
    index.media().check_space(bundle.space()).map_err(|e| e.file(dir))?;
    let (opened, encoders) = open(&index, source, &settings)?;
    let identity = settings.identity(source, bundle)?;
    if !settings.cells {
        index.cache().leave_out_cells();
    }
    let mut writer = index.writer(settings.memory)?;
    let existing = Existing::Replace;
    let options = BuildOptions { encoders: Some(&encoders), existing, ..settings.committing(&identity)? };
    let built = opened.fill((&index, &mut writer), options, &mut settings.progress);
    let mut report = built.map_err(|error| match error.code() {
        ErrorCode::Interrupted => error.file(dir).hint("run it again to index all of the source"),
        _ => error,
    })?;
    let damaged = writer.finish().map_err(|error| in_index(error, dir))?;
    report.damaged(dir, &damaged);
    if !index.complete_source(identity.source())? {
        let pending: Vec<&str> = index.manifest().pending.iter().map(String::as_str).collect();
        report.warnings += 1;
        tracing::warn!("{}: still incomplete, for {}", dir.display(), pending.join(" and "));
    }
    Ok(report)
}

/// One commit at the end: all of the source, or nothing.
pub(crate) fn add(dir: &Path, source: &Source, mut settings: Settings<'_>) -> Result<BuildReport> {
    refuse_schema(dir, &settings)?;
    let index = Index::open(dir)?;
    let (opened, encoders) = open(&index, source, &settings)?;
    if !settings.cells {
        index.cache().leave_out_cells();
    }
    let mut writer = index.writer(settings.memory)?;
    let existing = Existing::Replace;
    let options = BuildOptions { encoders: Some(&encoders), existing, ..settings.uncommitted()? };
    let mut report = opened.fill((&index, &mut writer), options, &mut settings.progress)?;
    let committing = Instant::now();
    writer.commit().map_err(|error| in_index(error, dir))?;
    report.stages.commit += committing.elapsed();
    let damaged = writer.finish().map_err(|error| in_index(error, dir))?;
    report.damaged(dir, &damaged);
    Ok(report)
}

/// An index that is there has its fields already.
fn refuse_schema(dir: &Path, settings: &Settings<'_>) -> Result<()> {
    if settings.schema.is_none() {
        return Ok(());
    }
    let what = "a field schema does not go with an index that is there";
    Err(Error::new(ErrorCode::BadArgument, what)
        .file(dir)
        .hint("the fields of an index are set when it is built"))
}

/// The source and its encoders.
fn open<'s>(index: &Index, source: &'s Source, settings: &Settings<'_>) -> Result<(Opened<'s>, Encoders)> {
    let opened = source.open()?;
    let paths = index.encoder_paths(source.named_in(&settings.paths));
    settings.check_embedding(index.bundle(), &paths)?;
    let encoders = opened.encoders(index.bundle(), &paths)?;
    if settings.embed {
        embed_encoders(index.dir(), index.bundle(), &paths)?;
    }
    Ok((opened, encoders))
}
