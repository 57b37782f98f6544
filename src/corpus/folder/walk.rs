//! Walks a folder in order of relative path, with the names of the open folders alone in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorCode, Result};

/// Extensions of pictures, in lower case.
const PICTURES: [&str; 8] = ["png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff"];

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
    /// Extensions that were warned of.
    unknown: BTreeSet<OsString>,
    /// Whether nobody is to be warned of what is left out.
    quiet: bool,
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
}

impl Walk {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let real = root.canonicalize().map_err(|error| Error::io(root, error))?;
        let mut walk = Self { open: Vec::new(), unknown: BTreeSet::new(), quiet: false };
        walk.enter(root.to_path_buf(), real, Some(String::new()))?;
        Ok(walk)
    }

    /// From now on says nothing of what is left out: another walk does.
    pub(super) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    fn enter(&mut self, path: PathBuf, real: PathBuf, relative: Option<String>) -> Result<()> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(|error| unread(&path, error))? {
            let entry = entry.map_err(|error| unread(&path, error))?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = entry.file_type().map_err(|error| unread(&entry.path(), error))?;
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
            match extension.as_str() {
                "txt" => beside.entry(stem).or_default().text.get_or_insert(name.into()),
                "json" => beside.entry(stem).or_default().json.get_or_insert(name.into()),
                known if PICTURES.contains(&known) => {
                    pictures.push((stem, name));
                    continue;
                }
                other => {
                    if self.unknown.insert(other.into()) && !self.quiet {
                        tracing::warn!("{}: files of this kind are left out", path.join(&name).display());
                    }
                    continue;
                }
            };
        }
        let stems: BTreeSet<&OsString> = pictures.iter().map(|(stem, _)| stem).collect();
        for (stem, beside) in beside.iter().filter(|(stem, _)| !stems.contains(stem)) {
            match &beside.text {
                Some(text) => {
                    entries.push(Entry { name: (**text).to_owned(), kind: Kind::Text(beside.clone()) });
                }
                None if self.quiet => {}
                None => {
                    let stem = path.join(stem);
                    tracing::warn!("{}.json: no picture and no text of this name: left out", stem.display());
                }
            }
        }
        entries.extend(pictures.into_iter().map(|(stem, name)| {
            let beside = beside.get(&stem).cloned().unwrap_or_default();
            Entry { name, kind: Kind::Picture(beside) }
        }));
        entries.sort_by(|a, b| b.key().cmp(a.key()));
        entries
    }

    /// The next file of the innermost folder; `None` where that is done or a folder was entered.
    fn step(&mut self) -> Result<Option<Found>> {
        let Some(folder) = self.open.last_mut() else { return Ok(None) };
        let Some(Entry { name, kind }) = folder.entries.pop() else {
            self.open.pop();
            return Ok(None);
        };
        let path = folder.path.join(&name);
        let below = |end: &str| Some(format!("{}{}{end}", folder.relative.as_deref()?, name.to_str()?));
        let (beside, picture) = match kind {
            Kind::Folder => {
                let relative = below("/");
                let real = path.canonicalize().map_err(|error| unread(&path, error))?;
                if self.open.iter().any(|open| open.real == real) {
                    if !self.quiet {
                        tracing::warn!("{}: a link back to a folder around it: left out", path.display());
                    }
                } else {
                    self.enter(path, real, relative)?;
                }
                return Ok(None);
            }
            Kind::Picture(beside) => (beside, true),
            Kind::Text(beside) => (beside, false),
        };
        let join = |name: Option<Arc<OsStr>>| name.map(|name| folder.path.join(&*name));
        let relative = below("");
        Ok(Some(Found { relative, picture, text: join(beside.text), json: join(beside.json), path }))
    }
}

impl Iterator for Walk {
    type Item = Result<Found>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.open.is_empty() {
            if let Some(found) = self.step().transpose() {
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

/// A folder that was there and does not read, even because it is gone now: the corpus ends here, it does not lack a file.
fn unread(path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorCode::Io, error.to_string()).file(path).source(error)
}

/// Stem and extension of a file name, the extension in lower case.
fn parts(name: &OsStr) -> (OsString, String) {
    let path = Path::new(name);
    let extension = path.extension().map(|ext| ext.to_string_lossy().to_ascii_lowercase());
    (path.file_stem().unwrap_or(name).to_owned(), extension.unwrap_or_default())
}
