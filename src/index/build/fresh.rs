//! A new index: made beside its place, committed on the way, and moved there when it is whole.

use std::path::Path;

use super::checkpoint::Checkpoint;
use super::identity::Identity;
use super::options::BuildOptions;
use super::partial::{ExistingOut, PartialDir};
use super::report::{BuildReport, OnBad};
use super::settings::{Settings, in_index};
use super::shard;
use super::source::{Opened, Source};
use crate::corpus::unit_of;
use crate::encode::{Encoders, Place as Found, Registry};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::dir::duplicates::duplicate_ids;
use crate::index::dir::embed::embed_encoders;
use crate::index::dir::store::Index;
use crate::model::Bundle;

/// Bytes for a writer that adds nothing.
const SMALL: usize = 15 << 20;

/// Where a new index goes, and what becomes of what is there.
pub(crate) struct Place<'a> {
    pub(crate) out: &'a Path,
    pub(crate) existing: ExistingOut,
    pub(crate) resume: bool,
}

/// Builds it.
pub(crate) fn run(
    place: &Place<'_>,
    bundle: &Bundle,
    source: &Source,
    settings: Settings<'_>,
) -> Result<BuildReport> {
    // All that can be refused is, before anything of an unfinished build is touched.
    let opened = source.open()?;
    let paths = source.named_in(&settings.paths);
    let encoders = opened.encoders(bundle, &paths)?;
    let identity = settings.identity(source, bundle)?;
    let part = settings.shard;
    // A part that is whole stays, unless it is to be replaced.
    if let Some(shard) = part.filter(|_| place.existing == ExistingOut::Refuse)
        && let Some(report) = shard::whole(place.out, shard, &identity)?
    {
        return Ok(report);
    }
    let prepared = match place.resume || shard::goes_on(place, part)? {
        true => PartialDir::resume(place.out, place.existing),
        false => PartialDir::prepare(place.out, place.existing).map(|partial| (partial, None)),
    };
    let (partial, checkpoint) = match (prepared, part) {
        // Another process has just ended it.
        (Err(error), Some(shard)) if error.code() == ErrorCode::Exists => {
            return shard::whole(place.out, shard, &identity)?.ok_or(error);
        }
        (Err(error), Some(_)) => return Err(shard::in_words(error)),
        (prepared, _) => prepared?,
    };
    let (partial, begun) = match checkpoint {
        Some(checkpoint) => resumed(partial, checkpoint, &identity)
            .map_err(|error| if part.is_some() { shard::in_words(error) } else { error })?,
        None => (partial, None),
    };
    let (on_bad, options) = (settings.on_bad, settings.options(source));
    let built = begin(&partial, begun, (bundle, source, &paths), &settings)
        .and_then(|(index, start)| fill(index, start.as_ref(), (&opened, &encoders), &identity, settings))
        .and_then(|report| match part {
            Some(shard) => shard::write(partial.path(), (source, options), shard, &identity, report),
            None => Ok(report),
        });
    let report = match built {
        Ok(report) => report,
        // A bad document is passed over unless the user is strict; what ends a part all the same is wrong with its source.
        Err(error) if part.is_some() => return Err(failed(place.out, partial, OnBad::Stop, error)),
        Err(error) => return Err(failed(place.out, partial, on_bad, error)),
    };
    partial.publish()?;
    // A writer would take the list of a part away.
    if part.is_none() {
        forget_checkpoint(place.out);
    }
    Ok(report)
}

/// An index that is begun, and its last commit.
type Begun = (Index, Option<Checkpoint>);

/// The unfinished index and its last commit; an empty folder where it does not open.
fn resumed(
    partial: PartialDir,
    checkpoint: Checkpoint,
    identity: &Identity,
) -> Result<(PartialDir, Option<Begun>)> {
    checkpoint.identity.check(identity).map_err(|e| e.file(partial.path()))?;
    match Index::open(partial.path()) {
        Ok(index) => Ok((partial, Some((index, Some(checkpoint))))),
        Err(error) if !matches!(error.code(), ErrorCode::Damaged | ErrorCode::NotFound) => Err(error),
        Err(error) => {
            tracing::warn!("what an unfinished build left does not open; the build starts anew: {error}");
            Ok((partial.cleared()?, None))
        }
    }
}

/// What is begun, else an empty index of the fields of the source.
fn begin(
    partial: &PartialDir,
    begun: Option<Begun>,
    (bundle, source, paths): (&Bundle, &Source, &Registry),
    settings: &Settings<'_>,
) -> Result<Begun> {
    let begun = match begun {
        Some(begun) => begun,
        None => {
            let fields = source.schema(settings.schema.as_ref())?;
            let mut index = Index::create(partial.path(), &fields, bundle)?;
            if !settings.ids.is_line() {
                index.made_ids(settings.ids)?;
            }
            (index, None)
        }
    };
    if settings.embed {
        // First, since it is the part that may lack something.
        embed_encoders(partial.path(), bundle, paths)?;
    }
    Ok(begun)
}

fn fill(
    mut index: Index,
    start: Option<&Checkpoint>,
    (source, encoders): (&Opened<'_>, &Encoders),
    identity: &Identity,
    mut settings: Settings<'_>,
) -> Result<BuildReport> {
    if !settings.cells {
        index.cache().leave_out_cells();
    }
    let mut writer = index.writer(settings.memory)?;
    let options = BuildOptions { encoders: Some(encoders), start, ..settings.committing(identity)? };
    let mut report = source.fill((&index, &mut writer), options, &mut settings.progress)?;
    let damaged = writer.finish().map_err(|error| in_index(error, index.dir()))?;
    report.damaged(index.dir(), &damaged);
    refuse_duplicates(&index, source.source())?;
    index.mark_complete()?;
    Ok(report)
}

/// Ids are checked at the end, from their terms; the corpus is read again only to name both lines.
fn refuse_duplicates(index: &Index, source: &Source) -> Result<()> {
    let Some(field) = index.id_field() else { return Ok(()) };
    let duplicates = duplicate_ids(&index.reader()?.searcher(), field, 1)?;
    let Some(id) = duplicates.into_iter().next() else { return Ok(()) };
    let mut error = Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"));
    if let [corpus, ..] = source.lines() {
        let mut reader = source.read()?;
        let mut places: Vec<Found> = Vec::new();
        while let Some(read) = reader.next() {
            let Ok(document) = read else { continue };
            let made = || reader.made_id(&document, index.manifest().ids.unwrap_or_default());
            let own = document.id.clone().unwrap_or_else(made);
            if own == id {
                let (file, from) = (reader.file().to_path_buf(), reader.lines_from());
                places.push(Found { file, line: document.line, from });
            }
            if places.len() == 2 {
                break;
            }
        }
        error = error.file(corpus);
        if let [one, other] = places.as_slice() {
            let got = match one.file == other.file {
                true => format!("{}s {} and {}", unit_of(&other.file), one.line, other.line),
                false => format!("{} {} of {}", unit_of(&one.file), one.line, one.file.display()),
            };
            error = other.of(error).got(got);
        }
    }
    let hint = match index.manifest().ids {
        Some(from) => format!("make the ids unique; two documents of one {from} have one id"),
        None => "make the ids unique".to_owned(),
    };
    Err(error.expected("one document per id").hint(hint))
}

/// Keeps what may be gone on with, and says so.
fn failed(out: &Path, partial: PartialDir, on_bad: OnBad, error: Error) -> Error {
    let kept = partial.failed(&error, on_bad);
    let goes_on = Hint::new("the same command with").setting(Setting::Resume).text(" goes on from there");
    match error.code() {
        ErrorCode::Interrupted if kept => error.file(out).hint(goes_on),
        ErrorCode::Interrupted => error.file(out).hint("nothing is kept: build it again"),
        _ if kept => {
            let hint = error.facts().hint.clone().map(|hint| hint.text("; ")).unwrap_or_default();
            error.hint(hint.text("what is committed stays: ").then(&goes_on))
        }
        _ => error,
    }
}

/// The finished index need not say how far its build had come; where documents came from stays. Left undone, nothing is
/// wrong with it.
fn forget_checkpoint(out: &Path) {
    let forget = || -> Result<()> {
        let mut writer = Index::open(out)?.writer(SMALL)?;
        writer.commit()?;
        writer.finish().map(drop)
    };
    if let Err(error) = forget() {
        tracing::warn!("{}: the last commit still holds a checkpoint: {error}", out.display());
    }
}
