//! `metadata.jsonl` or `metadata.csv` of a folder: rows of fields that name their picture by `file_name`, as Hugging Face has them.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::keys::{IMAGE, Keys};
use crate::corpus::lines::jsonl::JsonlReader;
use crate::corpus::lines::object::Piece;
use crate::corpus::reader::source::Aside;
use crate::corpus::table::Lookup;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::open_file;
use crate::media::content_hash;

/// Names of such files; of a folder the first that it has.
pub(super) const NAMES: [&str; 2] = ["metadata.jsonl", "metadata.csv"];
/// The key that names a picture.
const FILE_NAME: &str = "file_name";

/// What is read here, in a sentence.
const METADATA: &str = "the metadata of a folder";

/// Where the row of each picture stands.
///
/// Cost: 40 bytes for each row, while its folder is open; one pass over the file, and a read of the row of each picture.
pub(super) struct Metadata {
    path: PathBuf,
    keys: Vec<String>,
    rows: HashMap<u64, Row>,
    form: Form,
    /// Rows that do not read, and the error of the first.
    bad: u64,
    first: Option<Error>,
    /// Rows with a part that does not read, and the error of the first.
    flawed: u64,
    flaw: Option<Error>,
}

enum Form {
    Lines(File),
    Table(Box<Lookup>),
}

struct Row {
    start: u64,
    end: u64,
    line: u64,
    used: bool,
}

/// The fields of a picture, without its name, and where they stand.
#[derive(Debug)]
pub(super) struct Fields {
    pub(super) object: Map<String, Value>,
    pub(super) path: PathBuf,
    pub(super) line: u64,
}

impl Metadata {
    /// Opens the file at `path`, and finds its rows.
    ///
    /// # Errors
    /// [`ErrorCode::Io`]; for a table those of its reader.
    pub(super) fn open(path: &Path, keys: &Keys) -> Result<Self> {
        let image = keys.of(IMAGE).into_iter().flat_map(|key| key.names()).map(str::to_owned);
        let names = std::iter::once(FILE_NAME.to_owned()).chain(image).collect();
        let file = open_file(path, METADATA)?;
        let is_table = path.extension().is_some_and(|extension| extension == "csv");
        let form =
            if is_table { Form::Table(Box::new(Lookup::open(path, keys)?)) } else { Form::Lines(file) };
        let mut metadata = Self {
            path: path.to_path_buf(),
            keys: names,
            rows: HashMap::new(),
            form,
            bad: 0,
            first: None,
            flawed: 0,
            flaw: None,
        };
        metadata.find(path)?;
        Ok(metadata)
    }

    /// Reads all rows once.
    fn find(&mut self, path: &Path) -> Result<()> {
        let file = open_file(path, METADATA)?;
        match std::mem::replace(&mut self.form, Form::Lines(file)) {
            Form::Table(mut table) => {
                while let Some(read) = table.next() {
                    self.add(read);
                }
                self.form = Form::Table(table);
            }
            Form::Lines(_) => {
                let mut lines = JsonlReader::new(open_file(path, METADATA)?, path);
                while let Some(read) = lines.next_line() {
                    let end = lines.position();
                    let read = read.map_err(Error::from).map(|((object, flaw), line, start)| {
                        self.flawed += u64::from(flaw.is_some());
                        self.flaw = self.flaw.take().or(flaw);
                        (object, line, start..end)
                    });
                    self.add(read);
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, read: Result<(Map<String, Value>, u64, std::ops::Range<u64>)>) {
        let added = read.and_then(|(object, line, place)| {
            let placed = |what: &str| Error::new(ErrorCode::BadValue, what).file(&self.path).line(line);
            let name = self.name_in(&object).ok_or_else(|| {
                placed("a row names no picture").expected(format!("the key `{FILE_NAME}` with a path"))
            })?;
            let row = Row { start: place.start, end: place.end, line, used: false };
            match self.rows.entry(hash(name)) {
                std::collections::hash_map::Entry::Occupied(_) => {
                    Err(placed(&format!("the picture {name:?} stands twice")).hint("keep one of the rows"))
                }
                std::collections::hash_map::Entry::Vacant(place) => {
                    place.insert(row);
                    Ok(())
                }
            }
        });
        if let Err(error) = added {
            self.bad += 1;
            self.first.get_or_insert(error);
        }
    }

    fn name_in<'a>(&self, object: &'a Map<String, Value>) -> Option<&'a str> {
        let name = self.keys.iter().find_map(|key| object.get(key)).and_then(Value::as_str)?;
        Some(name.trim_start_matches("./")).filter(|name| !name.is_empty())
    }

    /// The fields of the picture `name`, its path below the folder; `None` where it has none.
    ///
    /// # Errors
    /// Those of reading the row again.
    pub(super) fn take(&mut self, name: &str) -> Result<Option<Fields>> {
        let Some(row) = self.rows.get_mut(&hash(name)) else { return Ok(None) };
        row.used = true;
        let (start, end, line) = (row.start, row.end, row.line);
        let object = match &mut self.form {
            Form::Table(table) => table.row(start..end),
            Form::Lines(file) => {
                let mut bytes = Vec::new();
                let read = file
                    .seek(SeekFrom::Start(start))
                    .and_then(|_| file.take(end - start).read_to_end(&mut bytes));
                read.map_err(|error| Error::io(&self.path, error))?;
                let bytes = bytes.strip_prefix(crate::corpus::lines::jsonl::BOM).unwrap_or(&bytes);
                let bytes = bytes.trim_ascii();
                Piece { bytes, start, line, file: &self.path, what: "a line" }
                    .object()
                    .map(|(object, _)| object)
            }
        };
        let mut object = object.map_err(|error| error.file(&self.path).line(line))?;
        if self.name_in(&object) != Some(name) {
            return Ok(None);
        }
        object.retain(|key, _| !self.keys.contains(key));
        Ok(Some(Fields { object, path: self.path.clone(), line }))
    }

    /// What of it was left out, once all pictures were seen.
    pub(super) fn into_asides(self) -> Vec<Aside> {
        let mut asides = Vec::new();
        let rows = |count: u64| if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
        if let Some(first) = self.first {
            let error = first.within(format!("{} of the metadata left out; the first", rows(self.bad)));
            asides.push(Aside::Part(error));
        }
        if let Some(first) = self.flaw {
            let what = format!("values in {} of the metadata left out; the first", rows(self.flawed));
            asides.push(Aside::Part(first.within(what)));
        }
        let unused = || self.rows.values().filter(|row| !row.used);
        if let Some(first) = unused().map(|row| row.line).min() {
            let what = format!(
                "{} of the metadata left out: they name no picture of the folder",
                rows(unused().count() as u64)
            );
            let error = Error::new(ErrorCode::BadValue, what).file(&self.path).line(first);
            let error = error.expected("the path of a picture, as seen from the folder of the metadata");
            asides.push(Aside::Part(error));
        }
        if let Form::Table(mut table) = self.form {
            asides.extend(table.take_asides());
        }
        asides
    }
}

fn hash(name: &str) -> u64 {
    let hash = content_hash(name.as_bytes());
    u64::from_le_bytes(std::array::from_fn(|at| hash[at]))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("path", &self.path)
            .field("rows", &self.rows.len())
            .finish_non_exhaustive()
    }
}
