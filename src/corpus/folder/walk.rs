//! Walks a folder in order of relative path, with the names of the open folders alone in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kinds::Kinds;
use crate::corpus::source::Aside;
use crate::error::{Error, ErrorCode, Result};

/// Extensions of pictures, in lower case; `jfif`, `jpe` and `jif` are JPEG.
const PICTURES: [&str; 11] =
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
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Without links, to find loops.
    real: PathBuf,
    /// Below the root, with `/` at the end where it is not empty.
    relative: Option<String>,
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
    pub(super) fn open(root: &Path) -> Result<Self> {
        let real = root.canonicalize().map_err(|error| Error::io(root, error))?;
        let mut walk = Self { open: Vec::new(), kinds: Kinds::default(), asides: Vec::new() };
        walk.enter(root.to_path_buf(), real, Some(String::new())).map_err(|error| Error::io(root, error))?;
        Ok(walk)
    }

    /// What was left out since the last call; the files of other kinds when all is read.
    pub(super) fn take_asides(&mut self) -> Vec<Aside> {
        let mut asides = std::mem::take(&mut self.asides);
        if self.open.is_empty() {
            asides.extend(std::mem::take(&mut self.kinds).into_errors().map(Aside::Passed));
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
        let entries = self.entries(&path, names);
        self.open.push(Folder { path, real, relative, entries });
        Ok(())
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
            self.open.pop();
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
        Some(Found { relative, picture, text: join(beside.text), json: join(beside.json), path })
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

/// Whether a file of that name is a picture or a text.
pub(in crate::corpus) fn is_media(name: &OsStr) -> bool {
    let (_, extension) = parts(name);
    matches!(extension.as_str(), "txt" | "caption") || PICTURES.contains(&extension.as_str())
}

/// Stem and extension of a file name, the extension in lower case.
fn parts(name: &OsStr) -> (OsString, String) {
    let path = Path::new(name);
    let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    (path.file_stem().unwrap_or(name).to_owned(), extension.unwrap_or_default())
}
