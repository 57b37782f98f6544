//! Reads a corpus of comma- or tab-separated values: a header, and a document for each record.

mod lookup;
mod records;
mod types;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::keys::{Form, Holds, Keys};
use crate::corpus::document::one::Document;
use crate::corpus::document::origin::Spot;
use crate::corpus::lines::json;
use crate::corpus::lines::jsonl::BOM;
use crate::corpus::reader::shard::Divides;
use crate::corpus::reader::source::{Aside, Kind, ReadError, Source};
use crate::corpus::unpack::{self, Input, plain_name};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, LINE_BYTES, TABLE_COLUMNS};
pub(super) use lookup::Lookup;
use records::{Fault, Record, Records};
use types::{Cells, Guess};

/// A file of that name, packed or not.
pub(super) const KIND: Kind = Kind {
    name: "table",
    unit: "line",
    is: |path, about| Ok(!about.is_dir() && delimiter(path).is_some()),
    divides: |_| Ok(Divides::Whole),
    open: |path, keys| open_among(path, keys, &Types::default()),
};

/// What stands between values by the name of the file: of `.csv` the header says it.
fn delimiter(path: &Path) -> Option<u8> {
    let name = plain_name(path);
    if name.ends_with(".csv") {
        return Some(b',');
    }
    (name.ends_with(".tsv") || name.ends_with(".tab")).then_some(b'\t')
}

/// An iterator over the documents of a file of separated values, whose columns are the keys of a line of JSON Lines.
///
/// The first record names the columns. A `.csv` may be separated by `,`, `;` or tabs: what its header has most of; `.tsv` and
/// `.tab` by tabs. A first column without a name, which pandas writes, is left out in silence; another one, one of a name that a field
/// cannot have, and the second of one name are left out, and counted ([`Source::take_asides`]).
///
/// An empty value is absent. A column of numbers alone, or of `true` and `false`, holds these; with zeros in front, more figures than a number
/// holds, or anything else among them, all are strings. So are `id`, `split` and the keys of items; those of lists may hold
/// JSON. Among numbers `NaN`, `NA`, `N/A`, `NULL` and `\N` are absent too, and counted. Quotes of `.tsv` and `.tab` are themselves where
/// otherwise they would hold lines together that each have the values of the header.
///
/// Of several tables in one corpus a column has one type in all.
///
/// Cost: one more pass over the file when it is opened, for the types, and one among several; memory for one record.
///
/// # Errors
/// Each bad record is one `Err` item with its line, and reading goes on: [`ErrorCode::BadValue`] for another number of values than the header has,
/// for text behind a quote, or what is no UTF-8; [`ErrorCode::TooLarge`] as in JSON Lines. [`ReadError::End`] for a quote that is never closed,
/// or not within the bytes of a record: nobody knows how many records are lost.
struct TableReader {
    file: PathBuf,
    folder: PathBuf,
    keys: Keys,
    records: Records<Input>,
    columns: Vec<Column>,
    asides: Vec<Aside>,
    last: Option<Record>,
    ended: bool,
}

struct Column {
    /// `None` where it is left out.
    name: Option<String>,
    cells: Cells,
    lists: Lists,
}

/// Whether a cell may be a list, written as JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lists {
    Never,
    /// Else it is the only element of one.
    May,
    Must,
}

/// What the columns of several tables may be, by their names.
#[derive(Debug, Default)]
pub(super) struct Types(BTreeMap<String, Guess>);

impl Types {
    /// Those of the tables among `paths`, where there are several. What does not read is said where it is due.
    ///
    /// Cost: a pass over each.
    pub(super) fn of<'a>(paths: impl Iterator<Item = &'a Path>, keys: &Keys) -> Self {
        let mut types = BTreeMap::new();
        for read in paths.filter_map(|path| Guessed::of(path, keys).ok()) {
            for (column, guess) in read.columns.into_iter().zip(read.guesses) {
                let Some(name) = column.name else { continue };
                types.entry(name).and_modify(|known: &mut Guess| *known = known.join(guess)).or_insert(guess);
            }
        }
        Self(types)
    }
}

/// As the entry in [`KIND`], with the types that columns have among several tables.
pub(super) fn open_among(path: &Path, keys: &Keys, types: &Types) -> Result<Box<dyn Source>> {
    Ok(Box::new(TableReader::open(path, keys, types)?))
}

/// What one pass over a table tells.
struct Guessed {
    columns: Vec<Column>,
    asides: Vec<Aside>,
    quoting: bool,
    guesses: Vec<Guess>,
}

impl Guessed {
    fn of(path: &Path, keys: &Keys) -> Result<Self> {
        let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        if !about.is_file() {
            return Err(Error::new(ErrorCode::BadArgument, "a table is read more than once")
                .file(path)
                .expected("a file")
                .hint("write it to a file first"));
        }
        let (mut records, names) = begin(path)?;
        let (columns, asides) = columns(path, names, keys)?;
        let guesses = guess(&mut records, columns.len(), delimiter(path) == Some(b'\t'));
        let quoting = guesses.is_some();
        let guesses = match guesses {
            Some(guesses) => guesses,
            None => {
                records = begin(path)?.0;
                records.without_quotes();
                guess(&mut records, columns.len(), false).unwrap_or_default()
            }
        };
        Ok(Self { columns, asides, quoting, guesses })
    }
}

impl TableReader {
    /// Opens the file at `path`, with the types that its columns have among other files.
    fn open(path: &Path, keys: &Keys, among: &Types) -> Result<Self> {
        let Guessed { mut columns, mut asides, quoting, guesses } = Guessed::of(path, keys)?;
        for (column, guess) in columns.iter_mut().zip(guesses) {
            if let Some(name) = column.name.as_deref().filter(|name| keys.is_value(name)) {
                let guess = among.0.get(name).map_or(guess, |other| guess.join(*other));
                column.cells = guess.cells();
                asides.extend(guess.absent().map(|(count, line)| absent(path, name, count, line)));
            }
        }
        let (mut records, _) = begin(path)?;
        if !quoting {
            records.without_quotes();
        }
        Ok(Self {
            file: path.to_path_buf(),
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            keys: keys.clone(),
            records,
            columns,
            asides,
            last: None,
            ended: false,
        })
    }

    /// The next record; the error is the last.
    fn next_record(&mut self) -> Option<Result<Record, ReadError>> {
        if self.ended {
            return None;
        }
        match self.records.next() {
            Ok(Some(record)) => {
                let end = record.fault.filter(|fault| fault.is_end());
                self.ended = end.is_some();
                Some(match end {
                    Some(fault) => Err(ReadError::End(self.placed(faulty(fault), &record))),
                    None => Ok(record),
                })
            }
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(error) => {
                self.ended = true;
                Some(Err(unpack::ended(&self.file, error, self.records.line(), self.records.at())))
            }
        }
    }

    /// Refuses a record that is none.
    fn checked(&self, record: &Record) -> Result<()> {
        if let Some(fault) = record.fault {
            return Err(faulty(fault));
        }
        if !count_fits(&self.records, self.columns.len()) {
            return Err(Error::new(ErrorCode::BadValue, "a record has not the values of the header")
                .expected(format!("{} values", self.columns.len()))
                .got(self.records.len())
                .hint("put values with a delimiter or an end of line into quotes"));
        }
        Ok(())
    }

    fn document(&self, record: &Record) -> Result<Document> {
        self.checked(record)?;
        let object = object(&self.columns, &self.records)?;
        let mut document = Document::from_object(object, record.line, &self.folder, &self.keys)?;
        document.blame(|error| self.placed(error, record));
        Ok(document)
    }

    fn placed(&self, error: Error, record: &Record) -> Error {
        let at = error.facts().offset.unwrap_or(record.place.start);
        let line = error.facts().line.unwrap_or(record.line);
        error.file(&self.file).line(line).offset(at)
    }
}

impl Column {
    fn value(&self, text: &str) -> Result<Value> {
        if self.lists == Lists::Never {
            return Ok(self.cells.value(text));
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        match json::parse(text) {
            Ok(list @ Value::Array(_)) => Ok(list),
            Ok(_) | Err(_) if self.lists == Lists::May => Ok(Value::from(vec![text])),
            Ok(other) => Ok(other),
            Err(error) => {
                let name = self.name.as_deref().unwrap_or_default();
                let what = format!("`{name}` is no list of numbers: {}", json::message(&error));
                Err(Error::new(ErrorCode::BadValue, what).expected("a list as JSON writes it, [0.5, 1.25]"))
            }
        }
    }
}

/// What the values of each column are, by all records; `None` where lines that each read alone are held together by quotes, and `apart` asks.
///
/// What does not read comes again, and is said where it stands.
fn guess(records: &mut Records<Input>, columns: usize, apart: bool) -> Option<Vec<Guess>> {
    let mut guesses = vec![Guess::default(); columns];
    records.expects(columns);
    while let Ok(Some(record)) = records.next() {
        if apart && record.apart {
            return None;
        }
        match record.fault {
            Some(fault) if fault.is_end() => break,
            None if count_fits(records, columns) => {
                for (at, guess) in guesses.iter_mut().enumerate() {
                    guess.see(records.value(at).unwrap_or_default(), record.line);
                }
            }
            _ => {}
        }
    }
    Some(guesses)
}

/// Says that words for a missing number are absent.
fn absent(path: &Path, name: &str, count: u64, line: u64) -> Aside {
    let values = if count == 1 { "1 value".to_owned() } else { format!("{count} values") };
    let what = format!("`{name}` is a column of numbers, and {values} such as NA in it: read as absent");
    let error = Error::new(ErrorCode::BadValue, what).file(path).line(line);
    Aside::Passed(error.hint("leave missing values empty"))
}

/// The values of the last record by the names of their columns.
fn object<R: Read>(columns: &[Column], records: &Records<R>) -> Result<Map<String, Value>> {
    let mut object = Map::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        let Some(name) = &column.name else { continue };
        let bytes = records.value(at).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Error::new(ErrorCode::BadValue, format!("`{name}` is not valid UTF-8"))
                .expected("UTF-8")
                .hint("convert the file: `iconv -f WINDOWS-1252 -t UTF-8`, where a spreadsheet wrote it")
        })?;
        object.insert(name.clone(), column.value(text)?);
    }
    Ok(object)
}

/// Whether the record has the values of `columns` columns; empty ones may follow.
fn count_fits(records: &Records<Input>, columns: usize) -> bool {
    let beyond = (columns..records.len()).all(|at| records.value(at).is_none_or(<[u8]>::is_empty));
    records.len() >= columns && records.len() <= TABLE_COLUMNS && beyond
}

/// Opens the file behind its header, and reads that.
fn begin(path: &Path) -> Result<(Records<Input>, Vec<String>)> {
    let failed = |error| unpack::error(path, error);
    let mut records = Records::new(Input::open_file(path)?, delimiter(path).unwrap_or(b','), LINE_BYTES);
    let head = records.peek().map_err(failed)?;
    Input::refuse(head).map_err(|error| error.file(path))?;
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Err(Error::new(ErrorCode::BadValue, "the table is UTF-16")
            .file(path)
            .expected("UTF-8")
            .hint("convert it: `iconv -f UTF-16 -t UTF-8`"));
    }
    if head.starts_with(BOM) {
        records.pass(BOM.len());
    }
    let head = records.peek().map_err(failed)?;
    // Spreadsheets write it in front of the header.
    let said = head.strip_prefix(b"sep=").filter(|rest| matches!(rest.get(1), Some(b'\r' | b'\n')));
    if let Some(&said) = said.and_then(<[u8]>::first) {
        records.delimited_by(said);
        records.next().map_err(failed)?;
    } else if delimiter(path) == Some(b',') {
        let most = most_of(head);
        records.delimited_by(most);
    }
    let header = records.next().map_err(failed)?;
    let Some(header) = header else { return Ok((records, Vec::new())) };
    let placed = |error: Error| {
        let at = error.facts().offset.unwrap_or(header.place.start);
        error.file(path).line(header.line).offset(at).within("the header")
    };
    if let Some(fault) = header.fault {
        return Err(placed(faulty(fault)));
    }
    if records.len() > TABLE_COLUMNS {
        return Err(placed(limits::over("too many columns", TABLE_COLUMNS, "more", "columns")));
    }
    let name = |at| String::from_utf8(records.value(at).unwrap_or_default().to_vec());
    let names: Result<Vec<String>, _> = (0..records.len()).map(name).collect();
    let names = names.map_err(|_| {
        placed(Error::new(ErrorCode::BadValue, "not valid UTF-8").hint("convert the file to UTF-8"))
    })?;
    Ok((records, names))
}

/// The delimiter that the first line has most of, outside of quotes.
fn most_of(head: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    for &byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            byte => counts.iter_mut().filter(|(own, _)| *own == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equal ones the first.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| *byte)
}

/// The columns, and which are left out.
fn columns(path: &Path, names: Vec<String>, keys: &Keys) -> Result<(Vec<Column>, Vec<Aside>)> {
    let mut columns: Vec<Column> = Vec::with_capacity(names.len());
    let mut asides = Vec::new();
    for (at, name) in names.into_iter().enumerate() {
        let name = name.trim().to_owned();
        let twice = columns.iter().any(|column| column.name.as_deref() == Some(&*name));
        let read = match keys.passes_over(&name) || (at == 0 && name.is_empty()) {
            true => Ok(None),
            false if twice => {
                let what = format!("two columns have the name `{name}`: the second is left out");
                Err(Error::new(ErrorCode::BadValue, what).hint("rename one of them"))
            }
            false if name.is_empty() => {
                let what = format!("the column {} has no name, and is left out", at + 1);
                Err(Error::new(ErrorCode::BadValue, what).hint("name it in the header"))
            }
            false => keys.check_key(&name).map(|()| Some(name)),
        };
        let name = read.unwrap_or_else(|error: Error| {
            asides.push(Aside::Part(error.file(path).line(1)));
            None
        });
        let lists = match name.as_deref().and_then(|name| keys.find(name)) {
            Some((media, _)) if keys.media()[media].holds() == Holds::Features => Lists::Must,
            Some((_, Form::Many)) => Lists::May,
            _ => Lists::Never,
        };
        columns.push(Column { name, cells: Cells::Strings, lists });
    }
    if columns.iter().all(|column| column.name.is_none())
        && let Some(Aside::Part(first)) = asides.first()
    {
        return Err(first.clone());
    }
    Ok((columns, asides))
}

fn faulty(fault: Fault) -> Error {
    match fault {
        Fault::AfterQuote(at) => {
            Error::new(ErrorCode::BadValue, "something follows the closing quote of a value")
                .offset(at)
                .expected("a delimiter, or the end of the line")
                .hint("double the quotes inside of a quoted value")
        }
        Fault::Unclosed(line, at) => Error::new(
            ErrorCode::BadValue,
            "the quote of a value is never closed, so that all that follows is lost",
        )
        .line(line)
        .offset(at)
        .hint("close it, or put the value into quotes and double it there"),
        Fault::Endless(line, at) => Error::new(
            ErrorCode::TooLarge,
            "the quote of a value is not closed within the length of a record, so that all that follows is lost",
        )
        .line(line)
        .offset(at)
        .expected(format!("a closing quote within {LINE_BYTES} bytes"))
        .hint("close it, or put the value into quotes and double it there"),
        Fault::TooLong(bytes) => limits::over("a record is too long", LINE_BYTES, bytes, "bytes"),
    }
}

impl Iterator for TableReader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = match self.next_record()? {
            Ok(record) => record,
            Err(error) => return Some(Err(error)),
        };
        let read = self.document(&record);
        let read = read.map_err(|error| ReadError::Document(self.placed(error, &record)));
        self.last = Some(record);
        Some(read)
    }
}

impl Source for TableReader {
    fn file(&self) -> &Path {
        &self.file
    }

    fn progress(&self) -> u64 {
        let input = self.records.get_ref();
        if input.is_packed() { input.position() } else { self.records.at() }
    }

    fn len_hint(&self) -> Option<u64> {
        self.records.get_ref().len_hint()
    }

    fn spot(&self) -> Spot {
        let Some(record) = &self.last else { return Spot::default() };
        let bytes = (record.place.start, record.place.end);
        let bytes = (!self.records.get_ref().is_packed()).then_some(bytes);
        Spot { line: Some(record.line), bytes, ..Spot::default() }
    }

    fn take_asides(&mut self) -> Vec<Aside> {
        std::mem::take(&mut self.asides)
    }
}

impl fmt::Debug for TableReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader")
            .field("file", &self.file)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}
