//! Reads a tar archive as WebDataset writes it: files that share a name up to its first dot are one document.

mod entries;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::keys::{Holds, IMAGE, Keys, TEXT};
use crate::corpus::document::one::{Document, Given};
use crate::corpus::document::origin::Spot;
use crate::corpus::folder::{Kinds, PICTURES};
use crate::corpus::lines::object::Piece;
use crate::corpus::reader::shard::Divides;
use crate::corpus::reader::source::{Aside, Kind, ReadError, Source};
use crate::corpus::unpack::{self, Input, plain_name};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, DOCUMENT_ITEMS, LINE_BYTES, PICTURE_BYTES, SAMPLE_BYTES};
use entries::{Entries, Entry, What};

/// A file, packed or not, that begins so, or has the name.
pub(super) const KIND: Kind = Kind {
    name: "tar",
    unit: "document",
    is: |path, about| {
        let named = !about.is_dir() && plain_name(path).ends_with(".tar");
        Ok(named || entries::begins(&unpack::head(path, about, 512)?))
    },
    divides: |_| Ok(Divides::Whole),
    open: |path, keys| Ok(Box::new(TarReader::open(path, keys)?)),
};

/// Bytes of the header of an entry.
const HEADER: u64 = 512;

/// An iterator over the documents of an archive, in its order.
///
/// Files that follow each other with one key, their path up to the first dot of the name, are a document: its pictures (what a folder takes as
/// such), the texts of `txt` or `caption`, the class of `cls`, and the fields of `json`, one object with the keys of a line of JSON Lines. Of
/// `a/b.left.jpg` the key is `a/b`. The key is the id unless the JSON gives one; the names of the pictures are the field `image`. Where an extension
/// is named as the key of a media type, as `audio=wav`, its files are items of that. Other files are left out, and counted by kind; so are
/// links, and names that lead out of the archive.
///
/// Cost: memory for the files of one document, at most [`SAMPLE_BYTES`] with their headers, and [`DOCUMENT_ITEMS`] files.
///
/// # Errors
/// Each bad document is one `Err` item with its number and byte: [`ErrorCode::TooLarge`], and those of a sidecar. [`ReadError::End`] for an archive
/// that is cut or damaged.
struct TarReader {
    file: PathBuf,
    folder: PathBuf,
    keys: Keys,
    entries: Entries,
    /// The first file of the next document.
    next: Option<(String, Entry)>,
    number: u64,
    last: Option<String>,
    kinds: Kinds,
    ended: bool,
}

/// What the files of one document hold.
#[derive(Default)]
struct Sample {
    /// By media type, with their names.
    files: BTreeMap<String, (Vec<Given>, Vec<String>)>,
    texts: BTreeMap<String, Texts>,
    class: Option<String>,
    json: Option<Map<String, Value>>,
    /// Of its files, with their headers.
    bytes: u64,
    count: usize,
    flaws: Vec<Error>,
    /// Whether JSON did not read: what it says of the split is lost.
    lost: bool,
    /// Whether any file of it is one that makes a document.
    counts: bool,
}

/// The texts of a media type.
#[derive(Default)]
struct Texts {
    texts: Vec<String>,
    /// Whether they are captions, which count where there is no `txt`.
    are_captions: bool,
}

/// What a file is to its document.
#[derive(Clone, PartialEq, Eq)]
enum Role {
    Json,
    Class,
    /// A text of a media type.
    Text(String),
    /// A file of a media type.
    File(String),
}

impl TarReader {
    fn open(path: &Path, keys: &Keys) -> Result<Self> {
        Ok(Self {
            file: path.to_path_buf(),
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            keys: keys.clone(),
            entries: Entries::new(Input::open(path)?),
            next: None,
            number: 0,
            last: None,
            kinds: Kinds::default(),
            ended: false,
        })
    }

    /// The next file that belongs to a document, with its key.
    fn next_file(&mut self) -> std::io::Result<Option<(String, Entry)>> {
        while let Some(entry) = self.entries.next()? {
            match (entry.what, &entry.name) {
                (What::Folder, _) => {}
                (What::Other, _) => self.kinds.add("(link or device)", || self.file.clone()),
                (What::File, None) => self.kinds.add("(name not in UTF-8)", || self.file.clone()),
                (What::File, Some(name)) => {
                    let name = name.trim_start_matches("./");
                    if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                        let path = || self.file.join(name.trim_start_matches('/'));
                        self.kinds.add("(name that leads out)", path);
                        continue;
                    }
                    let (folder, file) = name
                        .rsplit_once('/')
                        .map_or(("", name), |(_, file)| (&name[..name.len() - file.len()], file));
                    // Hidden files, and those that a system adds.
                    if file.starts_with('.') || name.starts_with("__MACOSX/") || file.is_empty() {
                        continue;
                    }
                    let stem = file.split('.').next().unwrap_or(file);
                    return Ok(Some((format!("{folder}{stem}"), entry.clone())));
                }
            }
        }
        Ok(None)
    }

    /// All files of the next document that has any; its key, and where it begins.
    fn sample(&mut self) -> std::io::Result<Option<(String, u64, Sample)>> {
        loop {
            let first = match self.next.take() {
                Some(first) => Some(first),
                None => self.next_file()?,
            };
            let Some((key, mut entry)) = first else { return Ok(None) };
            let start = entry.at;
            let mut sample = Sample::default();
            loop {
                self.take(&key, &entry, &mut sample)?;
                match self.next_file()? {
                    Some((other, next)) if other == key => entry = next,
                    next => {
                        self.next = next;
                        break;
                    }
                }
            }
            if sample.counts {
                return Ok(Some((key, start, sample)));
            }
        }
    }

    /// Takes a file into its document.
    fn take(&mut self, key: &str, entry: &Entry, sample: &mut Sample) -> std::io::Result<()> {
        let name = entry.name.as_deref().unwrap_or_default().trim_start_matches("./");
        let extension = name[key.len()..].trim_start_matches('.').to_ascii_lowercase();
        let kind = extension.rsplit('.').next().unwrap_or_default().to_owned();
        let Some(role) = self.role(&extension, &kind) else {
            self.kinds.add(&kind, || self.file.join(name));
            return Ok(());
        };
        sample.counts = true;
        let most = if matches!(role, Role::File(_)) { PICTURE_BYTES } else { LINE_BYTES as u64 };
        let placed = |error: Error| error.file(&self.file).offset(entry.at).within(name);
        sample.count += 1;
        if sample.count > DOCUMENT_ITEMS {
            sample.lost |= role == Role::Json;
            if sample.count == DOCUMENT_ITEMS + 1 {
                let what = "a document of the archive has too many files: the rest is left out";
                sample.flaws.push(placed(limits::over(what, DOCUMENT_ITEMS, "more", "files")));
            }
            return Ok(());
        }
        sample.bytes += HEADER;
        let room = SAMPLE_BYTES.saturating_sub(sample.bytes).min(most);
        if entry.size > room {
            let error =
                limits::over("a file of the archive is too large: left out", room, entry.size, "bytes");
            sample.lost |= role == Role::Json;
            sample.flaws.push(placed(error));
            return Ok(());
        }
        sample.bytes += entry.size;
        let bytes = self.entries.read()?;
        let placed = |error: Error| error.file(&self.file).offset(entry.at).within(name);
        let text = match role {
            Role::Json => {
                let (line, what) = (self.number + 1, "a sidecar");
                let piece = Piece { bytes: &bytes, start: entry.at, line, file: &self.file, what };
                match piece.object() {
                    Ok((object, flaw)) => {
                        sample.flaws.extend(flaw);
                        let known = sample.json.get_or_insert_default();
                        for (key, value) in object {
                            if known.get(&key).is_some_and(|first| *first != value) {
                                let what = format!(
                                    "two files in JSON of one document differ in `{key}`: the first counts"
                                );
                                sample.flaws.push(placed(Error::new(ErrorCode::BadValue, what)));
                            } else {
                                known.insert(key, value);
                            }
                        }
                    }
                    Err(error) => {
                        sample.lost = true;
                        sample.flaws.push(error.within(name));
                    }
                }
                return Ok(());
            }
            Role::File(media) => {
                let (files, names) = sample.files.entry(media).or_default();
                files.push(Given::Bytes(bytes.into()));
                names.push(name.to_owned());
                return Ok(());
            }
            Role::Class | Role::Text(_) => match String::from_utf8(bytes) {
                Ok(text) => text.trim_start_matches('\u{feff}').trim().to_owned(),
                Err(_) => {
                    let error = Error::new(ErrorCode::BadValue, "a text is not valid UTF-8: left out");
                    sample.flaws.push(placed(error));
                    return Ok(());
                }
            },
        };
        match role {
            _ if text.is_empty() => {}
            Role::Class => sample.class = Some(text),
            Role::Text(media) => {
                let known = sample.texts.entry(media).or_default();
                let is_caption = kind == "caption";
                if !known.texts.is_empty() && known.are_captions != is_caption {
                    // `txt` before `caption`.
                    if is_caption {
                        return Ok(());
                    }
                    known.texts.clear();
                }
                known.are_captions = is_caption;
                known.texts.push(text);
            }
            Role::Json | Role::File(_) => {}
        }
        Ok(())
    }

    /// What a file of this extension, and of its last part, is to its document; `None` where it is left out.
    fn role(&self, extension: &str, kind: &str) -> Option<Role> {
        let named = self.keys.find(extension).or_else(|| self.keys.find(kind));
        let key = match kind {
            _ if named.is_some() => named.and_then(|(at, _)| self.keys.media().get(at)),
            "json" => return Some(Role::Json),
            "cls" => return Some(Role::Class),
            "txt" | "caption" => self.keys.of(TEXT).filter(|key| key.holds() == Holds::Texts),
            _ if PICTURES.contains(&kind) => self.keys.of(IMAGE).filter(|key| key.holds() == Holds::Files),
            _ => None,
        }?;
        match key.holds() {
            Holds::Texts => Some(Role::Text(key.media().to_owned())),
            Holds::Files => Some(Role::File(key.media().to_owned())),
            Holds::Features => None,
        }
    }

    fn document(&self, key: &str, start: u64, sample: Sample) -> Result<Document> {
        let placed = |error: Error| {
            let at = error.facts().offset.unwrap_or(start);
            error.file(&self.file).line(self.number).offset(at)
        };
        let keys = &self.keys;
        let mut flaws = sample.flaws;
        let mut object = sample.json.unwrap_or_default();
        object.retain(|key, _| !keys.passes_over(key));
        let names = |media: &str| keys.of(media).into_iter().flat_map(|key| key.names());
        for (media, Texts { mut texts, .. }) in sample.texts {
            let all = Value::from(texts.clone());
            let (one, many) = (names(&media).next(), names(&media).last());
            let (Some(one), Some(many)) = (one, many) else { continue };
            for name in names(&media) {
                let other = object.remove(name).filter(|other| !other.is_null());
                let other =
                    other.map(|other| if other.is_array() { other } else { Value::from(vec![other]) });
                if other.is_some_and(|other| other != all) {
                    let what =
                        format!("`{name}` of the JSON differs from the text beside it, and is left out");
                    flaws.push(Error::new(ErrorCode::BadValue, what).hint("keep one of the two"));
                }
            }
            let (name, value) = match texts.pop() {
                Some(text) if texts.is_empty() => (one, Value::from(text)),
                _ => (many, all),
            };
            object.insert(name.to_owned(), value);
        }
        // The files are here: what the JSON calls them is no path.
        object.retain(|key, _| sample.files.keys().all(|media| names(media).all(|name| name != key)));
        if let Some(class) = sample.class {
            object
                .entry("class")
                .or_insert_with(|| class.parse::<i64>().map_or_else(|_| class.into(), Value::from));
        }
        object.entry(keys.id()).or_insert_with(|| key.into());
        let mut document = match Document::from_object(object, self.number, &self.folder, keys) {
            Ok(document) => document,
            Err(error) => return Err(placed(error)),
        };
        for (media, items) in &mut document.items {
            let before = items.len();
            items.retain(|item| !matches!(item, Given::Path(_)));
            if items.len() < before {
                let what = format!(
                    "an item of the media type `{media}` is named by a path, and the archive holds no such file"
                );
                let error = Error::new(ErrorCode::BadValue, what);
                flaws.push(error.hint(
                    "put the file beside the JSON in the archive, under the same name up to the first dot",
                ));
            }
        }
        document.items.retain(|_, items| !items.is_empty());
        for (media, (files, paths)) in sample.files {
            if let Some(name) = keys.of(&media).map(|key| key.field().to_owned()) {
                document.set_files_field(&name, paths.len() > 1, paths);
            }
            document.items.insert(media, files);
        }
        if sample.lost {
            document.lose_split();
        }
        document.flaws.extend(flaws);
        document.blame(placed);
        Ok(document)
    }
}

impl Iterator for TarReader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.sample() {
            Ok(Some((key, start, sample))) => {
                self.number += 1;
                let read = self.document(&key, start, sample);
                self.last = Some(key);
                Some(read.map_err(ReadError::Document))
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(unpack::ended(&self.file, error, self.number + 1, self.entries.at())))
            }
        }
    }
}

impl Source for TarReader {
    fn file(&self) -> &Path {
        &self.file
    }

    fn progress(&self) -> u64 {
        self.entries.input().position()
    }

    fn len_hint(&self) -> Option<u64> {
        self.entries.input().len_hint()
    }

    fn spot(&self) -> Spot {
        Spot { path: self.last.clone(), ..Spot::default() }
    }

    fn take_asides(&mut self) -> Vec<Aside> {
        if !self.ended {
            return Vec::new();
        }
        std::mem::take(&mut self.kinds).into_errors().map(Aside::Passed).collect()
    }
}

impl fmt::Debug for TarReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TarReader")
            .field("file", &self.file)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}
