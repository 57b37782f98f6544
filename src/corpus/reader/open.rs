//! One reader for every kind of corpus, chosen by what is there.

use std::path::{Path, PathBuf};

use crate::corpus::document::ids::{self, IdsFrom};
use crate::corpus::document::keys::Keys;
use crate::corpus::document::one::Document;
use crate::corpus::document::origin::{Root, Spot};
use crate::corpus::lines::{array, jsonl};
use crate::corpus::reader::files::{Found, find};
use crate::corpus::reader::shard::{Cut, Divides, Piece, Shard, cut};
use crate::corpus::reader::source::{Aside, Kind, ReadError, Source};
use crate::corpus::{folder, parquet, table, tar};
use crate::error::{Error, Result};

/// The kinds of corpus; the first that what is there says yes to is taken.
const KINDS: [Kind; 6] = [folder::KIND, parquet::KIND, table::KIND, tar::KIND, array::KIND, jsonl::KIND];

/// An iterator over the documents of a corpus: one or several files, or a folder of media files.
///
/// What is there decides: a directory is a folder of media, or of files that are corpora where it holds nothing else; a file that begins with
/// `PAR1`, or whose name ends in `.parquet`, is Parquet; `.csv`, `.tsv` and `.tab` are tables; a tar archive is a WebDataset; a file that begins with `[` is a JSON
/// list; any other file is JSON Lines. All but Parquet may be packed as gzip or zstd. A path that does not exist, with `*`, `?` or `[..]` in it,
/// is a pattern. All give equal documents for equal content. Cost: memory for one document, one batch of rows or the
/// names of one folder, whatever the length of the corpus.
///
/// # Errors
/// Each bad document is one [`ReadError::Document`] with its place, and reading goes on after it. [`ReadError::End`] is the
/// last item.
#[derive(Debug)]
pub struct Reader {
    open: Open,
    keys: Keys,
    /// What columns are in all tables, where there are several.
    types: table::Types,
    /// Files that follow, last first.
    rest: Vec<(PathBuf, Cut)>,
    /// What all of them are relative to, where there are several.
    base: Option<PathBuf>,
    /// What was left out of files before, and what went before in bytes.
    asides: Vec<Aside>,
    done: u64,
    /// Bytes of all files, where there are several.
    total: Option<u64>,
    ended: bool,
    /// What is read of all this; `None` for all.
    shard: Option<Shard>,
}

/// A file that is being read.
#[derive(Debug)]
struct Open {
    source: Box<dyn Source>,
    root: Root,
    unit: &'static str,
    bytes: u64,
    /// The byte from which lines are counted, of a file that is cut at lines.
    lines_from: Option<u64>,
}

impl Open {
    fn new((path, cut): &(PathBuf, Cut), keys: &Keys, types: &table::Types) -> Result<Self> {
        let kind = kind_of(path)?;
        let source = match cut {
            Cut::Whole if kind.name == table::KIND.name => table::open_among(path, keys, types)?,
            Cut::Whole => (kind.open)(path, keys)?,
            Cut::Bytes(bytes) => Box::new(jsonl::Lines::open(path, keys, bytes.clone())?),
            Cut::Groups(groups) => parquet::open_groups(path, keys, groups.clone())?,
            Cut::Documents(shard) => folder::open_share(path, keys, *shard)?,
        };
        let bytes = match cut {
            Cut::Bytes(bytes) => bytes.end - bytes.start,
            _ => bytes_of(path),
        };
        let lines_from = if let Cut::Bytes(bytes) = cut { Some(bytes.start) } else { None };
        Ok(Self { source, root: Root::new(kind.name, path), unit: kind.unit, bytes, lines_from })
    }
}

impl Reader {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// [`crate::ErrorCode::NotFound`] or [`crate::ErrorCode::Io`]; for a Parquet file those of its reader, or
    /// [`crate::ErrorCode::UnsupportedVersion`] in a build without the feature `parquet`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Keys::default())
    }

    /// As [`Reader::open`], with the keys that hold items, and those that are passed over.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_with(path: impl AsRef<Path>, keys: &Keys) -> Result<Self> {
        Self::open_all(&[path.as_ref().to_path_buf()], keys)
    }

    /// As [`Reader::open_with`], of several corpora as one: the documents of the first, then those of the next.
    ///
    /// # Errors
    /// Those of [`Reader::open`]; [`crate::ErrorCode::BadArgument`] without a path, and for a file that is named twice.
    pub fn open_all(paths: &[PathBuf], keys: &Keys) -> Result<Self> {
        Self::open_part(paths, keys, None)
    }

    /// As [`Reader::open_all`], of what `shard` takes of them alone; `None` for all. Line numbers of JSON Lines are counted from where the
    /// part begins; ids and places of all else are those of the whole.
    ///
    /// # Errors
    /// Those of [`Reader::open_all`]; [`crate::ErrorCode::BadArgument`] for one file of a kind that is not cut.
    pub fn open_part(paths: &[PathBuf], keys: &Keys, shard: Option<Shard>) -> Result<Self> {
        let Found { files, others } = find(paths)?;
        let base = (files.len() > 1).then(|| common_folder(&files));
        let mut rest = match shard {
            None => files.iter().map(|path| (path.clone(), Cut::Whole)).collect(),
            Some(shard) => cut(&files.iter().map(|path| piece(path)).collect::<Result<Vec<_>>>()?, shard)?,
        };
        let of_cut = |(path, cut): &(PathBuf, Cut)| match cut {
            Cut::Bytes(bytes) => bytes.end - bytes.start,
            _ => bytes_of(path),
        };
        let total = (rest.len() > 1).then(|| rest.iter().map(of_cut).sum());
        let is_table = |path: &&PathBuf| kind_of(path).is_ok_and(|kind| kind.name == table::KIND.name);
        let tables: Vec<&PathBuf> = files.iter().filter(is_table).collect();
        let types = match tables.as_slice() {
            [] | [_] => table::Types::default(),
            several => table::Types::of(several.iter().map(|path| path.as_path()), keys),
        };
        rest.reverse();
        // A part may have nothing: then the first file is named, and not read.
        let (first, ended) = match rest.pop() {
            Some(first) => (first, false),
            None => ((files.into_iter().next().unwrap_or_default(), Cut::Whole), true),
        };
        let open = Open::new(&first, keys, &types)?;
        let (asides, keys) = (others.into_errors().map(Aside::Passed).collect(), keys.clone());
        Ok(Self { open, keys, types, rest, base, asides, done: 0, total, ended, shard })
    }

    /// The file or folder that errors name: of several the one that is being read.
    pub fn file(&self) -> &Path {
        self.open.source.file()
    }

    /// How far reading has come, for a progress bar: bytes of files, rows of a Parquet file, documents of a folder; of several files
    /// bytes, about.
    pub fn position(&self) -> u64 {
        let at = self.open.source.progress();
        let Some(total) = self.total else { return at };
        let length = self.open.source.len_hint().unwrap_or(0).max(1);
        let share = u128::from(self.open.bytes) * u128::from(at.min(length)) / u128::from(length);
        // No more than the bytes of the file.
        (self.done + u64::try_from(share).unwrap_or(0)).min(total)
    }

    /// Where [`Reader::position`] will end; `None` where that is not known, as in a folder.
    pub fn len_hint(&self) -> Option<u64> {
        self.total.or_else(|| self.open.source.len_hint())
    }

    /// What was left out since the last call; all of it is known when there are no more documents.
    pub fn take_asides(&mut self) -> Vec<Aside> {
        let mut asides = std::mem::take(&mut self.asides);
        asides.extend(self.open.source.take_asides());
        // Of files that are in no part the first tells.
        if self.shard.is_some_and(|shard| shard.index() > 0) {
            asides.retain(|aside| !matches!(aside, Aside::Passed(_)));
        }
        asides
    }

    /// What [`Document::line`] counts: `line`, `row` or `document`.
    pub fn unit(&self) -> &'static str {
        self.open.unit
    }

    /// What references of the document that came last are relative to.
    pub fn root(&self) -> &Root {
        &self.open.root
    }

    /// Where the document that came last stands below the root.
    pub fn spot(&self) -> Spot {
        self.open.source.spot()
    }

    /// The byte of the file that lines are counted from: 0, or where a part begins.
    pub(crate) fn lines_from(&self) -> u64 {
        self.open.lines_from.unwrap_or_default()
    }

    /// Whether nobody knows which line of its file the document that came last is, in every part: then its line gives it no id.
    pub(crate) fn lacks_places(&self) -> bool {
        self.open.lines_from.is_some() && self.shard.is_some_and(|shard| shard.of() > 1)
    }

    /// The id of a document that has none: its line, and of several files `FILE:LINE`, the file as seen from the folder that all are in.
    pub fn id_of_place(&self, line: u64) -> String {
        let Some(base) = &self.base else { return line.to_string() };
        let file = self.file().strip_prefix(base).unwrap_or(self.file());
        format!("{}:{line}", file.display())
    }

    /// The id of the document that came last, which has none, as `from` says.
    pub(crate) fn made_id(&self, document: &Document, from: IdsFrom) -> String {
        let line = document.line;
        match from {
            IdsFrom::Line => self.id_of_place(line),
            IdsFrom::Hash => ids::content(document),
            IdsFrom::Path => {
                self.media_file(document).unwrap_or_else(|| match (&self.base, self.file().file_name()) {
                    (None, Some(name)) => format!("{}:{line}", Path::new(name).display()),
                    _ => self.id_of_place(line),
                })
            }
        }
    }

    /// Whether its line is all that the document that came last, which has no id, can be named by.
    pub(crate) fn needs_line(&self, document: &Document, from: IdsFrom) -> bool {
        match from {
            IdsFrom::Line => true,
            IdsFrom::Hash => false,
            IdsFrom::Path => self.media_file(document).is_none(),
        }
    }

    /// The first media file of the document that came last.
    fn media_file(&self, document: &Document) -> Option<String> {
        ids::media_file(document, &self.keys).or(self.spot().path)
    }
}

impl Iterator for Reader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(|source| source.next())
    }
}

impl Reader {
    /// Passes over the next document, good or bad; lines are not looked at.
    pub(crate) fn pass(&mut self) -> Option<Result<(), ReadError>> {
        self.step(|source| source.pass())
    }

    /// What `next` gives of this file, or of the first of the next ones that has any.
    fn step<T>(
        &mut self,
        next: impl Fn(&mut dyn Source) -> Option<Result<T, ReadError>>,
    ) -> Option<Result<T, ReadError>> {
        while !self.ended {
            match next(&mut *self.open.source) {
                Some(Err(end)) if end.is_end() => {
                    self.ended = true;
                    return Some(Err(end));
                }
                Some(read) => return Some(read),
                None => {}
            }
            let Some(file) = self.rest.pop() else { break };
            self.asides.extend(self.open.source.take_asides());
            self.done += self.open.bytes;
            match Open::new(&file, &self.keys, &self.types) {
                Ok(open) => self.open = open,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(ReadError::End(error)));
                }
            }
        }
        None
    }
}

fn bytes_of(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |about| about.len())
}

/// How the file `path` may be shared out.
fn piece(path: &Path) -> Result<Piece> {
    let divides = (kind_of(path)?.divides)(path)?;
    // A folder is shared out by its documents; its own length says nothing.
    let bytes = if divides == Divides::Documents { 0 } else { bytes_of(path) };
    Ok(Piece { path: path.to_path_buf(), bytes, divides })
}

/// The folder that all of `files` are in.
fn common_folder(files: &[PathBuf]) -> PathBuf {
    let mut folders = files.iter().map(|file| file.parent().unwrap_or(Path::new("")));
    let first = folders.next().unwrap_or(Path::new(""));
    let common = |common: PathBuf, other: &Path| {
        common.components().zip(other.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    };
    folders.fold(first.to_path_buf(), common)
}

/// What the places in the corpus `path` count, for messages: `line`, `row` or `document`.
pub fn unit_of(path: &Path) -> &'static str {
    kind_of(path).map_or(jsonl::KIND.unit, |kind| kind.unit)
}

fn kind_of(path: &Path) -> Result<Kind> {
    let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    for kind in KINDS {
        if (kind.is)(path, &about)? {
            return Ok(kind);
        }
    }
    Ok(jsonl::KIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn what_is_there_decides() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        assert_eq!(Reader::open(&missing).unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(unit_of(&missing), "line");
        let lines = dir.path().join("lines");
        std::fs::write(&lines, "{\"id\":1}\n{\"id\":2}\n").unwrap();
        let mut reader = Reader::open(&lines).unwrap();
        assert_eq!((reader.unit(), reader.len_hint(), reader.file()), ("line", Some(18), lines.as_path()));
        assert_eq!(reader.next().unwrap().unwrap().line, 1);
        assert_eq!((reader.position(), unit_of(&lines)), (9, "line"));
        assert_eq!((reader.spot().line, reader.spot().bytes), (Some(1), Some((0, 8))));
        assert_eq!(
            (reader.root().kind.as_str(), reader.root().path.as_str()),
            ("jsonl", lines.to_str().unwrap())
        );
        let folder = Reader::open(dir.path()).unwrap();
        assert_eq!((folder.unit(), folder.len_hint(), unit_of(dir.path())), ("document", None, "document"));
        for name in ["a.parquet", "b.PARQUET", "content"] {
            let path = dir.path().join(name);
            std::fs::write(&path, if name == "content" { "PAR1...." } else { "{\"id\":1}\n" }).unwrap();
            let expected =
                if cfg!(feature = "parquet") { ErrorCode::Damaged } else { ErrorCode::UnsupportedVersion };
            assert_eq!(Reader::open(&path).unwrap_err().code(), expected, "{name}");
            assert_eq!(unit_of(&path), "row");
        }
    }

    #[test]
    fn a_column_has_one_type_in_all_tables() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a.csv", "b.csv"].map(|name| dir.path().join(name));
        std::fs::write(&paths[0], "id,n,m\n1,5,1\n").unwrap();
        std::fs::write(&paths[1], "id,n,m\n2,x,2\n").unwrap();
        let documents: Vec<Document> =
            Reader::open_all(&paths, &Keys::default()).unwrap().map(Result::unwrap).collect();
        assert_eq!(documents[0].fields["n"], "5");
        assert_eq!(documents[0].fields["m"], 1);
        assert_eq!(documents[1].fields["n"], "x");
    }
}
