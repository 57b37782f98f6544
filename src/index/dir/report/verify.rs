//! Every checksum and every row of an index.

use std::path::Path;

use tantivy::SegmentReader;
use tantivy::schema::Field;

use crate::error::{Error, ErrorCode, Result};
use crate::guard;
use crate::index::dir::damage::{Damage, Examination};
use crate::index::dir::duplicates::duplicates_of;
use crate::index::dir::guest;
use crate::index::dir::held::{Files, Held};
use crate::index::dir::layout::{MANIFEST, SHARD, SOURCES};
use crate::index::dir::manifest::Manifest;
use crate::index::dir::roots::Roots;
use crate::index::dir::shard::ShardManifest;
use crate::index::dir::snapshot::settled;
use crate::index::dir::store::{Index, verify_bundle};
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sound::{Fault, META};
#[cfg(doc)]
use crate::index::plugin::field::MediaField;
use crate::index::plugin::id::IdField;
use crate::index::plugin::segment::{SegmentVectors, file_of};

/// Ids that are listed at most, where several documents have one id.
const LISTED: usize = 20;

const NO_IDS: &str = "ids were not compared: the index does not say which field names its documents";

const NO_RECORD_OF_HOST: &str = "meta.json has no record of the files of its segments: whole files that were swapped cannot be told; an app that writes through `SoundDirectory` keeps one";

const NO_RECORD: &str = "meta.json has no record of the files of its segments: whole files that were swapped cannot be told; the next commit of this program takes the record";

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

/// Checks the index at `dir`, or the index of another program whose media field is ours: manifest, bundle, embedded encoders, list of
/// sources, every checksum of tantivy and of the sections, every row, refused values, and that each id has one live document. Cost: one read of all files.
///
/// # Errors
/// Only where `dir` is no index; all else is in what it gives.
pub fn examine(dir: &Path) -> Result<Examination> {
    let mut found = Examination::default();
    match guard::catch(|| find(dir, &mut found)) {
        Ok(done) => done?,
        Err(said) => found.unreadable(&said),
    }
    Ok(found)
}

fn find(dir: &Path, found: &mut Examination) -> Result<()> {
    match Manifest::load(dir) {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::NotFound => {
            let Some(guest) = guest::find(dir) else { return Err(error) };
            match guest {
                Ok(guest) => of_host(guest.files(), None, found),
                Err(error) => found.add(inside(dir, &error), &error),
            }
            return Ok(());
        }
        Err(error) => {
            found.add(MANIFEST, &error);
            return Ok(());
        }
    }
    let index = match Index::open(dir) {
        Ok(index) => index,
        Err(error) => {
            found.add(inside(dir, &error), &error);
            return Ok(());
        }
    };
    if let Err(error) = verify_bundle(dir) {
        found.add(inside(dir, &error), &error);
    }
    let Some(segments) = contents(index.files(), NO_RECORD, found) else { return Ok(()) };
    crate::index::dir::embed::verify(dir, index.bundle(), &mut found.damage);
    if let Err(error) = Roots::load(dir) {
        found.add(SOURCES, &error);
    }
    match ShardManifest::load(dir) {
        Ok(Some(part)) => {
            let error = part.check_lengths(dir).err();
            if let Some(error) = error.filter(|error| !is_listed(found, &inside(dir, error))) {
                found.add(inside(dir, &error), &error);
            }
        }
        Ok(None) => {}
        Err(error) => found.add(SHARD, &error),
    }
    // Ids are compared over all segments, or not at all.
    if segments == Segments::Sound
        && let Some(id) = index.id_field().and_then(|id| id_of(index.tantivy(), id))
    {
        ids(index.files(), &id, found);
    }
    Ok(())
}

fn is_listed(found: &Examination, file: &str) -> bool {
    found.damage.iter().any(|damage| damage.file == file)
}

/// The file of `error` as it is called inside of `dir`.
fn inside(dir: &Path, error: &Error) -> String {
    let file = error.facts().file.clone().unwrap_or_else(|| dir.to_path_buf());
    let file = match file.strip_prefix(dir) {
        Ok(inside) if inside.as_os_str().is_empty() => Path::new("."),
        Ok(inside) => inside,
        Err(_) => &file,
    };
    file.display().to_string()
}

/// Checks an app's own index, in any directory: every checksum of tantivy and of the sections, every row, refused values,
/// and, where `id` is given, that each id has one live document. Cost: one read of all files.
///
/// The index needs no manifest, and the plugin need not be registered. Files that were swapped as a whole cannot be told
/// where nothing has written down what they were.
///
/// # Errors
/// Those of [`MediaField::of`], and [`ErrorCode::BadArgument`] for an index that was created without the plugin or shuffles its
/// documents; all else is in what it gives.
pub fn examine_host(index: &tantivy::Index, id: Option<&IdField>) -> Result<Examination> {
    guest::check(index)?;
    let mut found = Examination::default();
    let files = Files { tantivy: index, sound: None, dir: None };
    if let Err(said) = guard::catch(|| of_host(files, id, &mut found)) {
        found.unreadable(&said);
    }
    Ok(found)
}

fn of_host(index: Files<'_>, id: Option<&IdField>, found: &mut Examination) {
    let segments = contents(index, NO_RECORD_OF_HOST, found);
    match id {
        Some(id) if segments == Some(Segments::Sound) => ids(index, id, found),
        Some(_) => {}
        None => found.notes.push(NO_IDS.into()),
    }
}

/// Looks at all files and vectors; `None` where the commit does not read.
fn contents(index: Files<'_>, no_record: &str, found: &mut Examination) -> Option<Segments> {
    // All of one commit, held open: a writer may go on meanwhile.
    let held = match Held::take(index) {
        Ok(held) => held,
        Err(error) => {
            found.add(META, &error);
            return None;
        }
    };
    // What is wrong inside of a vector file is said by section, below.
    let (unread, faults): (Vec<Fault>, Vec<Fault>) =
        index.faults(&held).into_iter().partition(|fault| fault.unread.is_some());
    found.unchecked.extend(unread.into_iter().map(Damage::from));
    if index.lacks_record() {
        found.notes.push(no_record.into());
    }
    let (vectors, host): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| fault.file.extension().is_some_and(|kind| kind == FIELD_TYPE));
    found.damage.extend(host.into_iter().map(Damage::from));
    let segments = segments(index, &held, found);
    for fault in vectors {
        let file = fault.file.display().to_string();
        if !found.damage.iter().any(|other| other.file == file) {
            found.damage.push(fault.into());
        }
    }
    Some(segments)
}

/// Whether the host's own files of all segments are sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segments {
    Sound,
    Unsound,
}

/// Opens each segment and looks at its vectors.
fn segments(index: Files<'_>, held: &Held, found: &mut Examination) -> Segments {
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
                Ok(vectors) => rows(&file_of(&reader), &vectors, &mut found.damage),
                Err(error) => found.add(file_of(&reader), &error),
            },
            Err(error) => {
                let file = error.facts().file.as_ref().map(|file| file.display().to_string());
                found.add(file.unwrap_or_else(|| META.into()), &error);
            }
        }
    }
    if unsound.is_empty() { Segments::Sound } else { Segments::Unsound }
}

/// The field of ids, where documents can be told apart by it.
fn id_of(index: &tantivy::Index, field: Field) -> Option<IdField> {
    let schema = index.schema();
    IdField::of(&schema, schema.get_field_name(field)).ok()
}

/// Each id has one live document.
fn ids(index: Files<'_>, id: &IdField, found: &mut Examination) {
    let searcher = || Ok(index.tantivy.reader()?.searcher());
    let searcher = match index.dir {
        Some(dir) => settled(dir, searcher),
        None => searcher(),
    };
    let duplicates = searcher.and_then(|searcher| duplicates_of(&searcher, id, LISTED));
    let duplicates = duplicates.unwrap_or_else(|error| {
        found.add(META, &error);
        Vec::new()
    });
    for id in duplicates {
        let reason = format!("several live documents have the id {id:?}");
        found.damage.push(Damage { file: META.into(), section: Some("id".into()), offset: None, reason });
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
