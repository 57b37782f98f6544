//! Weights of encoders inside the index, so that it answers alone.
//!
//! ```text
//! INDEX/encoders/
//!   encoders.json     what lies here: folders, files, lengths, SHA-256
//!   NAME/             a folder in the published layout
//! ```
//! A query finds them by fingerprint, as in any other folder; the list serves `inspect` and `verify`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::damage::Damage;
use super::layout::{ENCODERS, lock_writer};
use super::snapshot::FolderId;
use crate::encode::Registry;
use crate::encode::resolve::Folder;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::{new_folder, sync_dir};
use crate::index::files::{change, exchange, names};
use crate::limits::{self, SETTINGS_BYTES};
use crate::media::Fingerprint;
use crate::model::Bundle;

/// The list in it.
const LIST: &str = "encoders.json";
/// Version of the list.
const VERSION: u32 = 1;

/// What lies in the folder of encoders of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    version: u32,
    folders: Vec<EmbeddedEncoder>,
}

/// A folder of weights inside an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmbeddedEncoder {
    /// Its folder below `encoders`.
    pub folder: String,
    /// The name that the bundle keeps.
    pub name: String,
    /// Which encoder it is.
    pub kind: String,
    /// Fingerprint of the encoder by media type.
    pub media: BTreeMap<String, Fingerprint>,
    /// Its files.
    pub files: BTreeMap<String, EmbeddedFile>,
}

/// A file of an [`EmbeddedEncoder`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EmbeddedFile {
    /// Length.
    pub bytes: u64,
    /// Hash of its bytes.
    pub sha256: Fingerprint,
}

/// Copies the weights of all encoders of `bundle` into the index at `dir`, durable when it returns. Built-in encoders have
/// none; of features from an unknown encoder a warning says that they need what they needed before.
///
/// Killed at any moment, the index has all of them or none: never a part.
///
/// # Errors
/// Those of [`Bundle::encoder`]; [`ErrorCode::Locked`] while a writer has the index open; those of reading and writing.
pub(crate) fn embed_encoders(dir: &Path, bundle: &Bundle, paths: &Registry) -> Result<Vec<EmbeddedEncoder>> {
    let _lock = lock_writer(dir)?;
    let partial = new_folder(dir).map_err(|e| Error::io(dir, e))?;
    let mut folders: Vec<(Folder, EmbeddedEncoder)> = Vec::new();
    for (at, media) in bundle.media().iter().enumerate() {
        let Some(found) = bundle.encoder_folder(at, paths)? else {
            if media.fingerprint.is_none() {
                tracing::warn!(
                    "{}: nothing to embed: nobody knows the encoder {}",
                    media.name,
                    media.encoder
                );
            }
            continue;
        };
        let Some(wanted) = media.fingerprint else { continue };
        // The two towers of one model are two encoders in one folder.
        if let Some((_, same)) = folders.iter_mut().find(|(folder, _)| folder.path == found.path) {
            same.media.insert(media.name.clone(), wanted);
            continue;
        }
        let plain = found.name.replace(['/', '\\'], "--");
        let taken = |name: &str| folders.iter().any(|(_, other)| other.folder == name);
        let numbered = (2..).map(|n| format!("{plain}-{n}"));
        let folder = std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name));
        let folder = folder.unwrap_or(plain);
        let files = copy(&found, &partial.path().join(&folder))?;
        let media_types = BTreeMap::from([(media.name.clone(), wanted)]);
        let kind = found.family.name().to_owned();
        let embedded = EmbeddedEncoder { folder, name: found.name.clone(), kind, media: media_types, files };
        folders.push((found, embedded));
    }
    for (found, embedded) in &folders {
        for (media, wanted) in &embedded.media {
            // As a query will look for them.
            let copied = paths.only(partial.path());
            copied.find(media, &embedded.name, *wanted).map_err(|error| {
                let what = "the copied weights are not found again: they changed, or their layout cannot be embedded";
                Error::new(ErrorCode::SpaceMismatch, what).file(&found.path).expected(wanted).source(error)
            })?;
        }
    }
    let folders: Vec<EmbeddedEncoder> = folders.into_iter().map(|(_, embedded)| embedded).collect();
    if folders.is_empty() {
        return Ok(folders);
    }
    write_list(partial.path(), &List { version: VERSION, folders: folders.clone() })?;
    sync_dir(partial.path())?;
    put_in_place(dir, partial)?;
    Ok(folders)
}

/// Copies the files of an encoder into the new folder `to`.
fn copy(from: &Folder, to: &Path) -> Result<BTreeMap<String, EmbeddedFile>> {
    let mut files = BTreeMap::new();
    for (name, source) in from.files() {
        let target = to.join(&name);
        let parent = target.parent().unwrap_or(to);
        std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        let mut reader = limits::open_file(&source, "the file of an encoder")?;
        let mut writer = File::create(&target).map_err(|e| Error::io(&target, e))?;
        let mut buffer = vec![0; 1 << 20];
        let (mut hasher, mut bytes) = (Sha256::new(), 0);
        loop {
            let n = reader.read(&mut buffer).map_err(|e| Error::io(&source, e))?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            writer.write_all(&buffer[..n]).map_err(|e| Error::io(&target, e))?;
            bytes += n as u64;
        }
        writer.sync_all().map_err(|e| Error::io(&target, e))?;
        sync_dir(parent)?;
        files.insert(name, EmbeddedFile { bytes, sha256: Fingerprint(hasher.finalize().into()) });
    }
    sync_dir(to)?;
    Ok(files)
}

fn write_list(dir: &Path, list: &List) -> Result<()> {
    let path = dir.join(LIST);
    let text = serde_json::to_string_pretty(list)
        .map_err(|e| Error::new(ErrorCode::BadValue, format!("list of encoders: {e}")).source(e))?;
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|e| Error::io(&path, e))
}

/// Moves the finished folder to its place; an older one makes room, in the same step where the system can.
fn put_in_place(dir: &Path, partial: tempfile::TempDir) -> Result<()> {
    let place = dir.join(ENCODERS);
    if std::fs::symlink_metadata(&place).is_ok() {
        let aside = new_folder(dir).map_err(|e| Error::io(dir, e))?;
        let old = aside.path().join("old");
        exchange::put_in_place(partial.path(), &place, &old).map_err(|e| Error::io(&place, e))?;
    } else {
        change::rename(partial.path(), &place).map_err(|e| Error::io(&place, e))?;
    }
    // Renamed away: nothing is left for the guard to remove.
    let _ = partial.keep();
    sync_dir(dir)
}

/// What is embedded in the index at `dir`; nothing for most.
///
/// # Errors
/// [`ErrorCode::Damaged`] for a list that does not parse, [`ErrorCode::UnsupportedVersion`].
pub(crate) fn embedded(dir: &Path) -> Result<Vec<EmbeddedEncoder>> {
    let path = dir.join(ENCODERS).join(LIST);
    let text =
        names::check(&path).and_then(|()| limits::read_file(&path, SETTINGS_BYTES, "the list of encoders"));
    let text = match text {
        Ok(text) => text,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let list: List = serde_json::from_slice(&text).map_err(|e| {
        Error::new(ErrorCode::Damaged, format!("the list of encoders does not parse: {e}"))
            .file(&path)
            .line(e.line() as u64)
    })?;
    if list.version != VERSION {
        return Err(Error::new(ErrorCode::UnsupportedVersion, "the list of encoders has another version")
            .file(&path)
            .expected(VERSION)
            .got(list.version));
    }
    let inside = |name: &String| {
        !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
    };
    for folder in &list.folders {
        if let Some(bad) =
            std::iter::once(&folder.folder).chain(folder.files.keys()).find(|name| !inside(name))
        {
            let what = "the list of encoders names a file outside of the index";
            return Err(Error::new(ErrorCode::Damaged, what).file(&path).got(bad));
        }
    }
    Ok(list.folders)
}

/// Files of embedded encoders that are not what was copied for `bundle`. Cost: one read of all; again where others take
/// their place meanwhile.
pub(crate) fn verify(dir: &Path, bundle: &Bundle, damage: &mut Vec<Damage>) {
    let mut left = 3;
    loop {
        let (before, mut found) = (FolderId::of(&dir.join(ENCODERS)), Vec::new());
        check(dir, bundle, &mut found);
        if found.is_empty() || left == 0 || FolderId::of(&dir.join(ENCODERS)) == before {
            return damage.append(&mut found);
        }
        left -= 1;
    }
}

fn check(dir: &Path, bundle: &Bundle, damage: &mut Vec<Damage>) {
    let folders = match embedded(dir) {
        Ok(folders) => folders,
        Err(error) => return damage.push(Damage::of(format!("{ENCODERS}/{LIST}"), &error)),
    };
    let root = dir.join(ENCODERS);
    let mut found = |file: String, reason: &str| {
        damage.push(Damage { file, section: None, offset: None, reason: reason.into() });
    };
    if root.exists() && !root.join(LIST).exists() {
        return found(format!("{ENCODERS}/{LIST}"), "the list of embedded encoders is missing");
    }
    let of_list = |(folder, file): (&EmbeddedEncoder, &String)| root.join(&folder.folder).join(file);
    let mut known: BTreeSet<PathBuf> =
        folders.iter().flat_map(|f| f.files.keys().map(move |file| (f, file))).map(of_list).collect();
    known.insert(root.join(LIST));
    for path in files_below(&root) {
        if !known.contains(&path) {
            let inside = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
            found(inside, "the list of embedded encoders does not name the file");
        }
    }
    for (media, listed) in folders.iter().flat_map(|folder| &folder.media) {
        let own = bundle.media().iter().find(|config| config.name == *media);
        if own.and_then(|config| config.fingerprint) != Some(*listed) {
            let reason = format!("the embedded encoder of {media} is not the one of the bundle");
            found(format!("{ENCODERS}/{LIST}"), &reason);
        }
    }
    for folder in folders {
        for (name, file) in folder.files {
            let inside = format!("{ENCODERS}/{}/{name}", folder.folder);
            match hash(&dir.join(&inside)) {
                Ok(got) if got == file.sha256 => {}
                Ok(_) => {
                    let reason = "the hash of an embedded encoder's file does not match".into();
                    damage.push(Damage { file: inside, section: None, offset: None, reason });
                }
                Err(error) => damage.push(Damage::of(inside, &error)),
            }
        }
    }
}

/// All files below a folder, sorted; none where it does not read.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut left) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = left.pop() {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().filter_map(std::result::Result::ok);
        for entry in entries {
            // What a link leads to is not followed.
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if folder { &mut left } else { &mut files }.push(entry.path());
        }
    }
    files.sort();
    files
}

fn hash(path: &Path) -> Result<Fingerprint> {
    let mut file = names::open(path, File::options().read(true)).map_err(|e| names::of_io(path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(|e| Error::io(path, e))?;
        if n == 0 {
            return Ok(Fingerprint(hasher.finalize().into()));
        }
        hasher.update(&buffer[..n]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::testing::{FEATURES, fingerprint, write};
    use crate::index::dir::attach::attach;
    use crate::index::dir::report::inspect::inspect;
    use crate::index::dir::report::verify::verify;
    use crate::index::dir::store::Index;
    use crate::schema::FieldSchema;

    fn bundle() -> Bundle {
        let mut bundle = Bundle::random(&[("image", 3), ("text", FEATURES)], 6, 4, 0, 9);
        bundle.media[1].encoder = "org/one".into();
        bundle.media[1].fingerprint = Some(fingerprint(1));
        bundle.sealed()
    }

    #[test]
    fn an_index_answers_without_the_folder_that_its_weights_came_from() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        write(&source, "renamed", 1);
        let paths = Registry::default().with_root(&source);
        let at = dir.path().join("index");
        let index = Index::create(&at, &FieldSchema::default(), &bundle()).unwrap();
        let text = |index: &Index| {
            let paths = index.encoder_paths(Registry::default());
            index.bundle().encoder(1, &paths).map(drop).map_err(|error| error.code())
        };
        assert_eq!(text(&index), Err(ErrorCode::NotFound));
        let folders = embed_encoders(&at, &bundle(), &paths).unwrap();
        assert_eq!((folders.len(), folders[0].folder.as_str()), (1, "org--one"));
        assert_eq!(folders[0].media["text"], fingerprint(1));
        assert_eq!(folders[0].files["model.safetensors"].bytes, 8);
        std::fs::remove_dir_all(&source).unwrap();
        assert_eq!(text(&index), Ok(()));
        assert_eq!(inspect(&index).unwrap().embedded, folders);
        // Another bundle of the same space keeps them, and so does embedding anew from the index itself.
        attach(&at, &bundle().with_prior(0.01).unwrap()).unwrap();
        let index = Index::open(&at).unwrap();
        assert_eq!(text(&index), Ok(()));
        let again = embed_encoders(&at, &bundle(), &index.encoder_paths(Registry::default())).unwrap();
        assert_eq!(again, folders);
        let left: Vec<_> = std::fs::read_dir(&at).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().starts_with(names::LEFT_OVER)), "{left:?}");
        assert_eq!(verify(&at).unwrap(), []);
    }

    #[test]
    fn damage_of_embedded_weights_is_found() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "org/one", 1);
        let at = dir.path().join("index");
        drop(Index::create(&at, &FieldSchema::default(), &bundle()).unwrap());
        embed_encoders(&at, &bundle(), &Registry::default().with_root(dir.path())).unwrap();
        let file = at.join(ENCODERS).join("org--one").join("model.safetensors");
        std::fs::write(&file, [7; 8]).unwrap();
        let found = verify(&at).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, "encoders/org--one/model.safetensors");
        std::fs::remove_file(&file).unwrap();
        assert_eq!(verify(&at).unwrap().len(), 1);
        let list = at.join(ENCODERS).join(LIST);
        let text = std::fs::read_to_string(&list).unwrap();
        for (bad, code) in [
            ("[".to_owned(), ErrorCode::Damaged),
            (text.replace("\"org--one\"", "\"../x\""), ErrorCode::Damaged),
            (text.replace("\"version\": 1", "\"version\": 9"), ErrorCode::UnsupportedVersion),
        ] {
            std::fs::write(&list, bad).unwrap();
            assert_eq!(embedded(&at).unwrap_err().code(), code);
            assert_eq!(verify(&at).unwrap()[0].file, "encoders/encoders.json");
        }
    }

    #[test]
    fn verify_compares_the_list_with_the_folder_and_the_bundle() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one", 1);
        let at = dir.path().join("index");
        drop(Index::create(&at, &FieldSchema::default(), &bundle()).unwrap());
        embed_encoders(&at, &bundle(), &Registry::default().with_root(dir.path())).unwrap();
        let found = || verify(&at).unwrap().into_iter().map(|damage| damage.file).collect::<Vec<_>>();
        assert!(found().is_empty());
        let extra = at.join(ENCODERS).join("org--one").join("more");
        std::fs::write(&extra, "x").unwrap();
        assert_eq!(found(), ["encoders/org--one/more"]);
        std::fs::remove_file(extra).unwrap();
        let list = at.join(ENCODERS).join(LIST);
        let text = std::fs::read_to_string(&list).unwrap();
        let other = text.replace(&fingerprint(1).to_string(), &fingerprint(2).to_string());
        assert_ne!(text, other);
        std::fs::write(&list, other).unwrap();
        assert_eq!(found(), ["encoders/encoders.json"]);
        std::fs::remove_file(&list).unwrap();
        assert_eq!(found(), ["encoders/encoders.json"]);
    }

    #[test]
    fn what_is_not_here_is_not_embedded() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("index");
        drop(Index::create(&at, &FieldSchema::default(), &bundle()).unwrap());
        let error = embed_encoders(&at, &bundle(), &Registry::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound);
        assert!(!at.join(ENCODERS).exists());
        let plain = Bundle::random(&[("text", 3)], 6, 4, 0, 9);
        assert!(embed_encoders(&at, &plain, &Registry::default()).unwrap().is_empty());
        assert!(embedded(&at).unwrap().is_empty());
    }
}
