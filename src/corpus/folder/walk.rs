//! Walks a folder in order of relative path, with the names of the open folders alone in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kinds::Kinds;
use super::metadata::{self, Fields, Metadata};
use crate::corpus::document::keys::Keys;
use crate::corpus::document::pictures::other_by_extension;
use crate::corpus::reader::source::Aside;
use crate::corpus::unpack::plain_name;
use crate::error::{Error, ErrorCode, Result};

/// Extensions of pictures, in lower case; `jfif`, `jpe` and `jif` are JPEG.
pub(in crate::corpus) const PICTURES: [&str; 11] =
    ["png", "jpg", "jpeg", "jfif", "jpe", "jif", "webp", "gif", "bmp", "tif", "tiff"];

/// A file that makes a document.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its path below the root, with `/`; `None` where that is not UTF-8.
    pub(super) relative: Option<String>,
    /// Whether it is a picture; else it is the text of a document without one.
    pub(super) picture: bool,
    /// The text beside a picture, or the file itself.
    pub(super) text: Option<PathBuf>,
    /// The fields beside it.
    pub(super) json: Option<PathBuf>,
    /// Those that the metadata of a folder around it has.
    pub(super) fields: Option<Fields>,
}

/// The files of a tree that make documents.
#[derive(Debug)]
pub(super) struct Walk {
    /// From the root to the folder that is being read.
    open: Vec<Folder>,
    /// Files that make no document, by kind.
    kinds: Kinds,
    /// What else was left out.
    asides: Vec<Aside>,
    /// With these metadata are read, where anybody asks.
    keys: Option<Keys>,
    /// Files of metadata so far.
    metadata: Vec<PathBuf>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Without links, to find loops.
    real: PathBuf,
    /// Below the root, with `/` at the end where it is not empty.
    relative: Option<String>,
    metadata: Option<Metadata>,
    /// Files that make documents, and folders, last first.
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    name: OsString,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Picture(Beside),
    Text(Beside),
}

/// Names of the sidecars of one stem.
#[derive(Debug, Clone, Default)]
struct Beside {
    text: Option<Arc<OsStr>>,
    json: Option<Arc<OsStr>>,
    /// Taken where there is no text of the same stem.
    caption: Option<Arc<OsStr>>,
}

impl Walk {
    /// The walk below `root`; with `keys` the metadata of its folders are read.
    pub(super) fn open(root: &Path, keys: Option<Keys>) -> Result<Self> {
        let real = root.canonicalize().map_err(|error| Error::io(root, error))?;
        let (open, asides, metadata) = (Vec::new(), Vec::new(), Vec::new());
        let mut walk = Self { open, kinds: Kinds::default(), asides, keys, metadata };
        walk.enter(root.to_path_buf(), real, Some(String::new())).map_err(|error| Error::io(root, error))?;
        Ok(walk)
    }

    /// What was left out since the last call; the files of other kinds when all is read.
    pub(super) fn take_asides(&mut self) -> Vec<Aside> {
        let mut asides = std::mem::take(&mut self.asides);
        if self.open.is_empty() {
            let hinted = |error: Error| match error.facts().file.as_deref().is_some_and(may_be_corpus) {
                true => error.hint("name the file, or a pattern, to read it as a corpus"),
                false => error,
            };
            asides.extend(std::mem::take(&mut self.kinds).into_errors().map(hinted).map(Aside::Passed));
        }
        asides
    }

    fn enter(&mut self, path: PathBuf, real: PathBuf, relative: Option<String>) -> std::io::Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type()?;
            // A link that leads nowhere is a file, so that it is said where it would be read.
            let folder = kind.is_dir() || (kind.is_symlink() && entry.path().is_dir());
            if folder && name == "__MACOSX" {
                continue;
            }
            names.push((name, folder));
        }
        // Which of `a.txt` and `a.TXT` is taken must not depend on the file system.
        names.sort();
        let is_file =
            |wanted: &str| names.iter().any(|(name, folder)| name.to_str() == Some(wanted) && !folder);
        let own = metadata::NAMES.into_iter().find(|wanted| is_file(wanted));
        names.retain(|(name, _)| own.is_none_or(|own| name.to_str() != Some(own)));
        let metadata = own.map(|own| path.join(own)).and_then(|file| self.metadata(file));
        let entries = self.entries(&path, names);
        self.open.push(Folder { path, real, relative, metadata, entries });
        Ok(())
    }

    /// The metadata in `file`; where they do not read, they are left out.
    fn metadata(&mut self, file: PathBuf) -> Option<Metadata> {
        let opened = self.keys.as_ref().map(|keys| Metadata::open(&file, keys));
        self.metadata.push(file);
        match opened? {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                self.asides.push(Aside::Part(error.within("the metadata of a folder are left out")));
                None
            }
        }
    }

    /// The files of metadata of the folders that were entered.
    pub(super) fn metadata_files(&self) -> &[PathBuf] {
        &self.metadata
    }

    /// What the metadata of the innermost folder that names the picture `name` of the last folder say of it.
    fn fields(&mut self, name: &str) -> Option<Fields> {
        let relative = self.open.last().and_then(|folder| folder.relative.clone())?;
        let whole = format!("{relative}{name}");
        for folder in self.open.iter_mut().rev() {
            let Some(below) = folder.relative.as_deref().and_then(|own| whole.strip_prefix(own)) else {
                continue;
            };
            match folder.metadata.as_mut().map(|metadata| metadata.take(below)) {
                Some(Ok(Some(fields))) => return Some(fields),
                Some(Err(error)) => self.asides.push(Aside::Part(error)),
                Some(Ok(None)) | None => {}
            }
        }
        None
    }

    /// What of `names` makes documents, in falling order.
    fn entries(&mut self, path: &Path, names: Vec<(OsString, bool)>) -> Vec<Entry> {
        let mut beside: BTreeMap<OsString, Beside> = BTreeMap::new();
        let (mut pictures, mut entries) = (Vec::new(), Vec::new());
        for (name, folder) in names {
            if folder {
                entries.push(Entry { name, kind: Kind::Folder });
                continue;
            }
            let (stem, extension) = parts(&name);
            let name: Arc<OsStr> = name.into();
            let place = match extension.as_str() {
                "txt" => &mut beside.entry(stem).or_default().text,
                "json" => &mut beside.entry(stem).or_default().json,
                "caption" => &mut beside.entry(stem).or_default().caption,
                known if PICTURES.contains(&known) => {
                    pictures.push((stem, name));
                    continue;
                }
                other => {
                    self.kinds.add(other, || path.join(&*name));
                    continue;
                }
            };
            if place.is_some() {
                self.kinds.add(&extension, || path.join(&*name));
            } else {
                *place = Some(name);
            }
        }
        // A picture's sidecars have its stem, `a.txt`, or its whole name, `a.jpg.txt`, which says more.
        let mut used: BTreeSet<Arc<OsStr>> = BTreeSet::new();
        let stems: BTreeSet<OsString> = pictures.iter().map(|(stem, _)| stem.clone()).collect();
        for (stem, name) in pictures {
            let of_stem = beside.get(&stem).cloned().unwrap_or_default();
            let text = beside.get(&*name).and_then(|beside| beside.text.clone());
            let text = text.or(of_stem.text).or(of_stem.caption);
            let beside = Beside { text, json: of_stem.json, caption: None };
            used.extend([&beside.text, &beside.json].into_iter().flatten().cloned());
            entries.push(Entry { name: (*name).to_owned(), kind: Kind::Picture(beside) });
        }
        for (stem, Beside { text, json, caption }) in beside {
            let unused = |name: Option<Arc<OsStr>>| name.filter(|name| !used.contains(name));
            let (mut text, mut json, caption) = (unused(text), unused(json), unused(caption));
            if let Some(name) = text.take_if(|_| !stems.contains(&stem)) {
                let beside = Beside { text: Some(Arc::clone(&name)), json: json.take(), caption: None };
                entries.push(Entry { name: (*name).to_owned(), kind: Kind::Text(beside) });
            }
            for (kind, name) in [("txt", text), ("json", json), ("caption", caption)] {
                if let Some(name) = name {
                    self.kinds.add(kind, || path.join(&*name));
                }
            }
        }
        entries.sort_by(|a, b| b.key().cmp(a.key()));
        entries
    }

    /// The next file of the innermost folder; `None` where that is done or a folder was entered.
    fn step(&mut self) -> Option<Found> {
        let folder = self.open.last_mut()?;
        let Some(Entry { name, kind }) = folder.entries.pop() else {
            let done = self.open.pop().and_then(|folder| folder.metadata);
            self.asides.extend(done.into_iter().flat_map(Metadata::into_asides));
            return None;
        };
        let path = folder.path.join(&name);
        let below = |end: &str| Some(format!("{}{}{end}", folder.relative.as_deref()?, name.to_str()?));
        let (beside, picture) = match kind {
            Kind::Folder => {
                let relative = below("/");
                self.descend(path, relative);
                return None;
            }
            Kind::Picture(beside) => (beside, true),
            Kind::Text(beside) => (beside, false),
        };
        let join = |name: Option<Arc<OsStr>>| name.map(|name| folder.path.join(&*name));
        let relative = below("");
        let (text, json) = (join(beside.text), join(beside.json));
        let fields = name.to_str().filter(|_| picture).and_then(|name| self.fields(name));
        Some(Found { relative, picture, text, json, fields, path })
    }

    /// Enters the folder `path`, unless it does not read, which takes away itself alone, or is one that is open.
    fn descend(&mut self, path: PathBuf, relative: Option<String>) {
        let entered = path.canonicalize().and_then(|real| {
            if self.open.iter().any(|open| open.real == real) {
                let what = "a link back to a folder around it: left out";
                self.asides.push(Aside::Passed(Error::new(ErrorCode::UnknownMedia, what).file(&path)));
                return Ok(());
            }
            self.enter(path.clone(), real, relative)
        });
        if let Err(error) = entered {
            self.asides.push(Aside::Unread(unread(&path, error)));
        }
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        while !self.open.is_empty() {
            if let Some(found) = self.step() {
                return Some(found);
            }
        }
        None
    }
}

impl Entry {
    /// Sorts as whole paths do: below a folder, the name is followed by a slash.
    fn key(&self) -> impl Iterator<Item = u8> + '_ {
        let slash = matches!(self.kind, Kind::Folder).then_some(b'/');
        self.name.as_encoded_bytes().iter().copied().chain(slash)
    }
}

/// One folder of a corpus that does not read: the others do.
fn unread(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorCode::BadValue, format!("a folder does not read, and is left out: {error}"))
        .file(path)
        .hint("make it readable, or take it out of the corpus")
        .source(error)
}

/// Whether a file of that name is a picture, read or not, or a text.
pub(in crate::corpus) fn is_media(name: &OsStr) -> bool {
    let (_, extension) = parts(name);
    let is_picture = PICTURES.contains(&extension.as_str()) || other_by_extension(&extension).is_some();
    is_picture || matches!(extension.as_str(), "txt" | "caption")
}

/// Stem and extension of a file name, the extension in lower case.
fn parts(name: &OsStr) -> (OsString, String) {
    let path = Path::new(name);
    let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    (path.file_stem().unwrap_or(name).to_owned(), extension.unwrap_or_default())
}

/// Whether a file in a folder of media may be a corpus by its name.
fn may_be_corpus(path: &Path) -> bool {
    let name = plain_name(path);
    [".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".parquet", ".tar", ".json"]
        .iter()
        .any(|end| name.ends_with(end))
}
