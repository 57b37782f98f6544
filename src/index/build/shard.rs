//! A part of a source: whether it is whole already, and the list that says so.

use std::collections::BTreeMap;
use std::path::Path;

use super::fresh::Place;
use super::identity::Identity;
use super::partial::ExistingOut;
use super::report::{BuildReport, ShardDone};
use super::source::Source;
use crate::corpus::Shard;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::dir::layout::{MANIFEST, beside};
use crate::index::dir::shard::{Part, ShardManifest};
use crate::index::dir::store::Index;

/// What is known of the part at `out`, where it is whole; `None` where there is none. Files are looked at, not read.
///
/// # Errors
/// [`ErrorCode::Exists`] for what is no part; [`ErrorCode::Changed`] for one that began otherwise; [`ErrorCode::Damaged`] for
/// one that lacks a file.
pub(super) fn whole(out: &Path, shard: Shard, identity: &Identity) -> Result<Option<BuildReport>> {
    let Some(manifest) = ShardManifest::load(out)? else {
        if out.join(MANIFEST).exists() {
            return Err(Error::new(ErrorCode::Exists, "the index that is there is no part of a source")
                .file(out)
                .hint(
                    Hint::new("choose another")
                        .setting(Setting::Out)
                        .text(", or replace it with")
                        .setting(Setting::Force),
                ));
        }
        return Ok(None);
    };
    match serde_json::from_value::<Identity>(manifest.build.clone()) {
        Ok(began) => began
            .check_as(identity, "the part that is there was built")
            .map_err(|error| in_words(error.file(out)))?,
        Err(_) => {
            return Err(Error::new(ErrorCode::Exists, "what is there is a merge of several parts")
                .file(out)
                .expected(format!("the part {shard}"))
                .hint(Hint::new("choose another").setting(Setting::Out)));
        }
    }
    manifest.check_lengths(out)?;
    let mut report =
        BuildReport { documents: manifest.documents, items: manifest.items, ..BuildReport::default() };
    report.warnings = manifest.warnings;
    report.shard = Some(ShardDone::new(shard, true));
    Ok(Some(report))
}

/// Whether a part goes on by itself from what is in work: where there is any, and nothing is to be replaced.
pub(super) fn goes_on(place: &Place<'_>, part: Option<Shard>) -> Result<bool> {
    let is_new = part.is_some() && place.existing == ExistingOut::Refuse;
    Ok(is_new && beside(place.out, ".partial")?.is_dir())
}

/// Puts the list into the index at `dir`, which is whole.
pub(super) fn write(
    dir: &Path,
    (source, options): (&Source, BTreeMap<String, String>),
    shard: Shard,
    identity: &Identity,
    mut report: BuildReport,
) -> Result<BuildReport> {
    let index = Index::open(dir)?;
    let part = Part {
        source: source.name()?,
        fingerprint: source.content()?,
        options,
        of: shard.of(),
        shard: shard.index(),
        documents: report.documents,
    };
    let counts = (report.documents, report.items.clone(), report.warnings);
    let mut manifest = ShardManifest::of(&index, counts, vec![part])?;
    manifest.build = serde_json::to_value(identity)
        .map_err(|e| Error::new(ErrorCode::BadValue, format!("list of a part: {e}")).source(e))?;
    manifest.save(dir)?;
    report.shard = Some(ShardDone::new(shard, false));
    Ok(report)
}

/// The error of a part, which goes on without being told.
pub(super) fn in_words(error: Error) -> Error {
    match error.code() {
        ErrorCode::Changed => error.hint(
            Hint::new("build it with the source and options that it began with, choose another")
                .setting(Setting::Out)
                .text(", or begin anew with")
                .setting(Setting::Force),
        ),
        ErrorCode::Locked => error.hint("another process builds this part: wait for it to end"),
        _ => error,
    }
}
