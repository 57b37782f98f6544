//! Reads a corpus from a Parquet file, batch of rows by batch of rows.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use parquet::file::metadata::ParquetMetaData;
use serde_json::Map;

use super::column::{self, Column, Role};
use super::damage::{self, Fault};
use super::pages::{self, ROWS};
use super::{picture, value, zstd};
use crate::corpus::document::keys::{Holds, IMAGE, Keys, MediaKey};
use crate::corpus::document::one::{Document, Given, both};
use crate::corpus::document::origin::Spot;
use crate::corpus::document::pictures::is_picture;
use crate::corpus::reader::source::{Aside, ReadError, Source};
#[cfg(doc)]
use crate::error::ErrorCode;
use crate::error::{Error, Result};
use crate::limits::open_file;

/// Bytes that a batch is meant to have at most, by the sizes that the file states.
const BYTES: u64 = 8 << 20;

/// What is read here, in a sentence.
const PARQUET: &str = "the Parquet file";

/// An iterator over the documents of a Parquet file, whose columns are the keys of a line of JSON Lines.
///
/// | column | value |
/// |---|---|
/// | strings (also large, views, dictionaries) | string |
/// | integers and floats of all widths, booleans | the same; NaN is absent, as tables write missing numbers so |
/// | decimals | number: an integer where the column has no fraction and the value fits into an `i64`, else the float that the digits read as |
/// | dates, timestamps | string of RFC 3339 (`2024-05-01`, `2024-05-01T12:30:00.5Z`); without a time zone they are read as UTC |
/// | times of a day | string (`12:30:00.5`) |
/// | lists (also large and of fixed size) | list |
/// | structs, maps with keys of strings or integers | object without the keys that are null |
/// | null | absent |
///
/// `id`, `text`, `texts`, `image`, `images` and `split` are reserved as in JSON Lines. A picture is a path, binary (the bytes
/// of a picture file; where no column has such a name, of the only column whose bytes begin as a picture does), or a struct `{bytes, path}` (the bytes, else the path), `images` a list of these; bytes leave no field.
/// Columns named `__index_level_N__`, which pandas adds, are left out. A column of a name, type or compression that is not read
/// takes away itself alone ([`ParquetReader::take_asides`]), but for `id`; so does a value that is not, as one of
/// [`Document::flaws`]. Where that is the split, it is unknown ([`Document::unknown_split`]).
///
/// Cost: memory for one page of each column and a batch of rows, at most 256 and about 8 MiB, whatever the length of the file;
/// what these unpack to is checked before a row group is read, and a column above a limit is left out of its rows.
///
/// # Errors
/// Each bad row is one `Err` item with file and row, and reading goes on: [`ErrorCode::BadValue`] as in JSON Lines,
/// [`ErrorCode::TooLarge`] for texts above a limit. An error of the file itself, [`ReadError::End`], is the last item.
pub(super) struct ParquetReader {
    file: PathBuf,
    folder: PathBuf,
    keys: Keys,
    columns: Vec<Column>,
    /// Their positions in the schema.
    roots: Vec<usize>,
    asides: Vec<Aside>,
    /// Whether a column `split` is not read.
    split_lost: bool,
    /// The file, and what its footer says.
    source: (File, ArrowReaderMetadata),
    /// Most rows of a batch.
    most: usize,
    /// How the row group `group` is read, where that is known.
    plan: Option<Plan>,
    /// The next row group, and the batches of the one before it, with the positions of its columns in `columns`.
    group: usize,
    open: Vec<usize>,
    batches: Option<ParquetRecordBatchReader>,
    batch: Option<RecordBatch>,
    /// Rows of `batch` that were read.
    next: usize,
    row: u64,
    rows: u64,
    /// The row group at which reading ends, and the rows before the first that is read.
    last: usize,
    before: u64,
    ended: bool,
}

/// How a row group is read.
#[derive(Debug)]
struct Plan {
    /// Rows of a batch.
    rows: usize,
    /// Positions of the columns that are read.
    columns: Vec<usize>,
    /// Why the others are not.
    unread: Vec<Error>,
}

impl ParquetReader {
    /// Opens the file at `path`; `keys` says which columns hold items, and which are passed over. Cost: reads the footer, and the page headers of the first row group, whose long lists, and
    /// pages of gzip, brotli and zstd, are unpacked once more to be counted; so are those of each later group when it comes.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::Damaged`] for what is no whole Parquet file;
    /// [`ErrorCode::TooLarge`] for a footer or schema above a limit, or ids whose pages are;
    /// [`ErrorCode::BadValue`] for an `id` of a type that it cannot have; where no column is left, the error of the first.
    pub(super) fn open_with(path: impl AsRef<Path>, keys: &Keys) -> Result<Self> {
        let path = path.as_ref();
        let named = Self::open_named(path, keys);
        // A column of bytes that no key names is left out, and said.
        if named.as_ref().is_ok_and(|reader| reader.asides.is_empty()) {
            return named;
        }
        let found = damage::guard(|| pictures(path, keys)).ok().flatten();
        found.map_or(named, |keys| Self::open_named(path, &keys))
    }

    /// As [`ParquetReader::open_with`], with the columns that `keys` name alone.
    fn open_named(path: &Path, keys: &Keys) -> Result<Self> {
        let file = open_file(path, PARQUET)?;
        damage::guard(|| Self::build(path, file, keys))
            .unwrap_or_else(Err)
            .map_err(|error| if error.facts().file.is_some() { error } else { error.file(path) })
    }

    fn build(path: &Path, file: File, keys: &Keys) -> Result<Self> {
        let (file, builder) = footer(path, file)?;
        let mut columns: Vec<Column> = Vec::new();
        let mut roots = Vec::new();
        let mut unread = Vec::new();
        let mut split_lost = false;
        for (at, field) in builder.schema().fields().iter().enumerate() {
            let name = field.name();
            if keys.passes_over(name) {
                continue;
            }
            let read = Column::new(field, keys)
                .and_then(|column| damage::check_column(builder.metadata(), at).map(|()| column))
                .and_then(|column| column::check_name(name, &columns).map(|()| column));
            match read {
                Ok(Some(column)) => {
                    columns.push(column);
                    roots.push(at);
                }
                Ok(None) => {}
                // Without their ids the rows would be others.
                Err(error) if name == keys.id() => return Err(error),
                Err(error) => {
                    split_lost |= name == keys.split();
                    unread.push(error.file(path));
                }
            }
        }
        if columns.is_empty() && !unread.is_empty() {
            return Err(unread.swap_remove(0));
        }
        let rows = builder.metadata().file_metadata().num_rows();
        let rows = u64::try_from(rows).map_err(|_| damage::damaged("the number of rows is negative"))?;
        let most = batch_rows(builder.metadata());
        let mut reader = Self {
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            file: path.to_path_buf(),
            keys: keys.clone(),
            columns,
            roots,
            asides: unread.into_iter().map(Aside::Part).collect(),
            split_lost,
            source: (file, builder),
            most,
            plan: None,
            group: 0,
            open: Vec::new(),
            batches: None,
            batch: None,
            next: 0,
            row: 0,
            rows,
            last: usize::MAX,
            before: 0,
            ended: false,
        };
        // What is wrong with all rows shows in the first of them.
        let mut plan = reader.plan(0)?;
        if plan.as_ref().is_some_and(|plan| plan.columns.is_empty() && !plan.unread.is_empty()) {
            return Err(plan
                .take()
                .map_or_else(|| damage::damaged("no columns"), |mut plan| plan.unread.swap_remove(0)));
        }
        reader.plan = plan;
        Ok(reader)
    }

    /// The same with the row groups `groups` alone, for one of which nothing was read.
    pub(super) fn of_groups(mut self, groups: Range<usize>) -> Self {
        let rows = rows_of(&self.source.1);
        let until = |group: usize| rows.iter().take(group).sum::<u64>();
        (self.row, self.before, self.rows) = (until(groups.start), until(groups.start), until(groups.end));
        (self.group, self.last, self.plan) = (groups.start, groups.end, None);
        self
    }

    /// How the row group `group` is read; `None` after the last.
    fn plan(&self, group: usize) -> Result<Option<Plan>, Fault> {
        let (file, metadata) = &self.source;
        let about = metadata.metadata().row_groups().get(group).filter(|_| group < self.last);
        let Some(about) = about else { return Ok(None) };
        let schema = metadata.parquet_schema();
        let leaves: Vec<usize> = (0..schema.num_columns())
            .filter(|&leaf| self.roots.contains(&schema.get_column_root_idx(leaf)))
            .collect();
        let found = pages::check_group(file, about, &leaves)?;
        let mut plan = Plan {
            rows: found.rows.min(self.most),
            columns: (0..self.columns.len()).collect(),
            unread: Vec::new(),
        };
        for (leaf, error) in found.unread {
            let root = schema.get_column_root_idx(leaf);
            let Some(at) = self.roots.iter().position(|own| *own == root) else { continue };
            // Without their ids the rows would be others.
            if self.columns[at].name == self.keys.id() {
                return Err(Fault::Bytes(error));
            }
            if plan.columns.contains(&at) {
                plan.columns.retain(|column| *column != at);
                plan.unread.push(error);
            }
        }
        Ok(Some(plan))
    }

    /// The file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The columns that were left out since the last call: of all rows, or, above a limit, of a row group that is read now.
    pub(super) fn take_asides(&mut self) -> Vec<Aside> {
        std::mem::take(&mut self.asides)
    }

    /// Rows read so far.
    pub(super) fn position(&self) -> u64 {
        self.row
    }

    /// Rows of the file.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Makes `batch` hold a row that was not read; `false` at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.batch.as_ref().is_none_or(|batch| self.next == batch.num_rows()) {
            // The old one goes before the next one comes.
            self.batch = None;
            self.next = 0;
            let next = match &mut self.batches {
                Some(batches) => damage::guard(|| batches.next())?,
                None => None,
            };
            match next {
                None if self.next_group()? => {}
                None if self.row < self.rows => {
                    return Err(damage::damaged("the file ends too early").got(format!("{} rows", self.row)));
                }
                None => return Ok(false),
                Some(batch) => self.batch = Some(batch.map_err(|error| damage::reading(&error))?),
            }
        }
        Ok(true)
    }

    /// The error with its place.
    fn placed(&self, error: Error) -> Error {
        error.within(format!("row {}", self.row)).file(&self.file).line(self.row)
    }

    /// Begins with the next row group; `false` after the last.
    fn next_group(&mut self) -> Result<bool> {
        self.batches = None;
        let group = self.group;
        let plan = match self.plan.take() {
            Some(plan) => Some(plan),
            None => damage::guard(|| self.plan(group))??,
        };
        let Some(plan) = plan else { return Ok(false) };
        let (file, metadata) = &self.source;
        let copy = file.try_clone().map_err(|error| Error::io(&self.file, error))?;
        let roots = plan.columns.iter().map(|&column| self.roots[column]);
        let mask = ProjectionMask::roots(metadata.parquet_schema(), roots);
        let size = plan.rows;
        let batches = damage::guard(|| match zstd::Group::new(copy, metadata, group) {
            Ok(pages) => {
                let fields = metadata.schema().fields();
                parquet_to_arrow_field_levels(metadata.parquet_schema(), mask.clone(), Some(fields)).and_then(
                    |levels| ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, size, None),
                )
            }
            // Without zstd the library reads it all.
            Err(file) => ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
                .with_row_groups(vec![group])
                .with_projection(mask.clone())
                .with_batch_size(size)
                .build(),
        })?;
        self.batches = Some(batches.map_err(|error| damage::opening(&error))?);
        let last = metadata
            .metadata()
            .row_groups()
            .get(group)
            .and_then(|about| u64::try_from(about.num_rows()).ok());
        let place = format!("rows {} to {}", self.row + 1, self.row + last.unwrap_or(0));
        let aside = |error: Error| Aside::Part(error.within(&place).file(&self.file).line(self.row + 1));
        self.asides.extend(plan.unread.into_iter().map(aside));
        self.open = plan.columns;
        self.group += 1;
        Ok(true)
    }

    /// The document of the row `at` of the batch.
    fn document(&self, batch: &RecordBatch, at: usize) -> Result<Document, ReadError> {
        let mut object = Map::with_capacity(self.columns.len());
        let mut files: Vec<(usize, &str, picture::Files)> = Vec::new();
        let mut flaws = Vec::new();
        let unread = |at: &usize| self.columns[*at].name == self.keys.split() && !self.open.contains(at);
        let mut split_lost = self.split_lost || (0..self.columns.len()).any(|at| unread(&at));
        for (&column, array) in self.open.iter().zip(batch.columns()) {
            let column = &self.columns[column];
            if array.is_null(at) {
                continue;
            }
            let name = column.name.as_str();
            let named = |error: Error| error.within(format!("the column `{name}`"));
            // An id keeps all its digits.
            let read = if name == self.keys.id() { value::read_id } else { value::read };
            match column.role {
                Role::Value => match read(array, at).map_err(|error| error.map(named)) {
                    Ok(value) => {
                        object.insert(name.into(), value);
                    }
                    Err(ReadError::End(error)) => return Err(ReadError::End(error)),
                    Err(ReadError::Document(error)) => {
                        split_lost |= name == self.keys.split();
                        flaws.push(error.hint("left out: the rest of the row counts"));
                    }
                },
                Role::Files(media) => {
                    let folder = (self.folder.as_path(), self.keys.media()[media].media());
                    let mut found = picture::read(array, at, folder).map_err(|error| error.map(named))?;
                    flaws.extend(std::mem::take(&mut found.flaws).into_iter().map(named));
                    if found.items.is_empty() {
                        continue;
                    }
                    if let Some((_, other, _)) = files.iter().find(|(other, ..)| *other == media) {
                        return Err(ReadError::Document(self.both(media, other, name)));
                    }
                    files.push((media, name, found));
                }
            }
        }
        let document = Document::from_object(object, self.row, &self.folder, &self.keys);
        let mut document = document.map_err(ReadError::Document)?;
        for (media, name, found) in files {
            let key = &self.keys.media()[media];
            if let Some(other) =
                document.items.get(key.media()).and_then(|_| key.names().find(|other| *other != name))
            {
                return Err(ReadError::Document(self.both(media, other, name)));
            }
            document.items.insert(key.media().to_owned(), found.items);
            document.set_files_field(key.field(), found.is_list, found.paths);
        }
        if split_lost {
            document.lose_split();
        }
        document.flaws.extend(flaws);
        document.blame(|error| self.placed(error));
        Ok(document)
    }
}

impl ParquetReader {
    /// The error of a row with two columns for items of one media type.
    fn both(&self, media: usize, one: &str, other: &str) -> Error {
        let one_key = self.keys.media()[media].field();
        let (one, many) = if other == one_key { (other, one) } else { (one, other) };
        both(one, many)
    }
}

/// The keys with the column that holds pictures, by the first bytes of its first value: where no column has a key of these, and one alone holds
/// such bytes.
fn pictures(path: &Path, keys: &Keys) -> Option<Keys> {
    let own = keys.of(IMAGE).filter(|key| key.holds() == Holds::Files)?;
    // Of keys that were chosen no other is guessed.
    if !Keys::default().of(IMAGE).is_some_and(|key| key.names().eq(own.names())) {
        return None;
    }
    let mut file = open_file(path, PARQUET).ok()?;
    let bytes = file.metadata().ok()?.len();
    pages::check_footer(&mut file, bytes).ok()?;
    let about = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()).ok()?;
    let fields = about.schema().fields();
    if fields.iter().any(|field| own.names().any(|name| name == field.name())) {
        return None;
    }
    let holds = |name: &String| {
        let key = MediaKey::new(IMAGE, name.as_str(), Holds::Files).ok()?;
        let keys = keys.clone().with(key).ok()?;
        let first = ParquetReader::open_named(path, &keys).ok()?.take(ROWS).filter_map(Result::ok);
        let first = first.filter_map(|document| document.images().first().cloned()).next()?;
        matches!(first, Given::Bytes(bytes) if is_picture(&bytes)).then_some(keys)
    };
    let of_bytes = fields.iter().filter(|field| column::may_be_bytes(field.data_type()));
    let of_bytes = of_bytes.map(|field| field.name()).filter(|name| !keys.passes_over(name));
    let mut found = of_bytes.filter_map(holds);
    found.next().filter(|_| found.next().is_none())
}

/// Rows of each row group of the file `path`, from its footer alone: what columns are read does not matter.
///
/// # Errors
/// Those of reading the footer.
pub(super) fn groups(path: &Path) -> Result<Vec<u64>> {
    let file = open_file(path, PARQUET)?;
    damage::guard(|| footer(path, file).map(|(_, metadata)| rows_of(&metadata)))
        .unwrap_or_else(Err)
        .map_err(|error| if error.facts().file.is_some() { error } else { error.file(path) })
}

/// The footer of `file`, checked.
fn footer(path: &Path, mut file: File) -> Result<(File, ArrowReaderMetadata)> {
    let bytes = file.metadata().map_err(|error| Error::io(path, error))?.len();
    pages::check_footer(&mut file, bytes)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
        .map_err(|error| damage::opening(&error))?;
    damage::check(metadata.metadata(), bytes)?;
    Ok((file, metadata))
}

fn rows_of(metadata: &ArrowReaderMetadata) -> Vec<u64> {
    let groups = metadata.metadata().row_groups().iter();
    groups.map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).collect()
}

/// How many rows a batch may have, so that wide ones do not fill the memory.
fn batch_rows(metadata: &ParquetMetaData) -> usize {
    let width = |group: &parquet::file::metadata::RowGroupMetaData| {
        let bytes = u64::try_from(group.total_byte_size()).unwrap_or(0);
        bytes / u64::try_from(group.num_rows()).unwrap_or(0).max(1)
    };
    let widest = metadata.row_groups().iter().map(width).max().unwrap_or(0).max(1);
    usize::try_from(BYTES / widest).unwrap_or(ROWS).clamp(1, ROWS)
}

impl Iterator for ParquetReader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.fill() {
            Ok(true) => {}
            Ok(false) => {
                self.ended = true;
                return None;
            }
            Err(error) => {
                self.ended = true;
                let place = format!("after row {}", self.row);
                return Some(Err(ReadError::End(error.within(place).file(&self.file).line(self.row + 1))));
            }
        }
        let at = self.next;
        self.next += 1;
        self.row += 1;
        let batch = self.batch.as_ref()?;
        let read = damage::guard(|| self.document(batch, at));
        let item = read.unwrap_or_else(|panic| Err(ReadError::End(panic)));
        self.ended = matches!(item, Err(ReadError::End(_)));
        Some(item.map_err(|error| error.map(|error| self.placed(error))))
    }
}

impl Source for ParquetReader {
    fn file(&self) -> &Path {
        self.file()
    }

    fn progress(&self) -> u64 {
        self.position() - self.before
    }

    fn len_hint(&self) -> Option<u64> {
        Some(self.rows() - self.before)
    }

    fn spot(&self) -> Spot {
        Spot { row: Some(self.row), ..Spot::default() }
    }

    fn take_asides(&mut self) -> Vec<Aside> {
        self.take_asides()
    }
}

impl std::fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ParquetReader({}, row {} of {})", self.file.display(), self.row, self.rows)
    }
}
