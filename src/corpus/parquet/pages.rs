//! What the pages of a row group will take, from their headers, before the library unpacks one of them.
//!
//! A page states its size, but two compressions go on beyond it; an entry of a dictionary, or a prefix, stands for its bytes
//! in every row that names it; and a run of a few bytes for the elements of a list. The library checks none of these.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use parquet::basic::{Compression, Type};
use parquet::column::page::Page;
use parquet::column::reader::ColumnReaderImpl;
use parquet::data_type::ByteArrayType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

use super::damage::{Fault, damaged, opening};
use super::thrift::Thrift;
use super::{levels, zstd};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{
    self, LINE_BYTES, PARQUET_BATCH, PARQUET_COLUMNS, PARQUET_DEPTH, PARQUET_FOOTER, PARQUET_HEADER,
    PARQUET_LIST_VALUES, PARQUET_PAGES, PARQUET_PAGES_DENSE, PARQUET_RATIO,
};

const SMALLER: &str = "write the file with smaller row groups";
const LEAVE: &str = "leave the column out";

/// Checks footer and schema, which the library would read with memory of any size and in calls of any depth. What is no
/// Parquet file is left to it.
///
/// # Errors
/// [`ErrorCode::TooLarge`], [`ErrorCode::Damaged`].
pub(super) fn check_footer(file: &mut File, bytes: u64) -> Result<()> {
    let io = |error: std::io::Error| Error::new(ErrorCode::Io, error.to_string()).source(error);
    let mut tail = [0; 8];
    if bytes < 12 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(bytes - 8)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let [a, b, c, d, magic @ ..] = tail;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if &magic != b"PAR1" || length > bytes - 8 {
        return Ok(());
    }
    if length > PARQUET_FOOTER {
        let error =
            limits::over("the footer of the Parquet file is too large", PARQUET_FOOTER, length, "bytes");
        return Err(error.hint("write fewer columns or row groups into one file"));
    }
    let mut footer = vec![0; length as usize];
    file.seek(SeekFrom::Start(bytes - 8 - length)).map_err(io)?;
    file.read_exact(&mut footer).map_err(io)?;
    check_schema(&footer)
}

/// Walks the elements of the schema, which stand in order of the tree.
fn check_schema(footer: &[u8]) -> Result<()> {
    let mut children: Vec<u64> = Vec::new();
    let mut too_many = None;
    let walked = Thrift::new(footer).fields(|this, id, kind| {
        if id != 2 {
            return this.skip(kind);
        }
        let count = this.structs(kind)?;
        if count > PARQUET_COLUMNS as u64 {
            too_many = Some(count);
            return None;
        }
        children.clear();
        (0..count).try_for_each(|_| {
            let mut own = 0;
            this.fields(|this, id, kind| {
                if id == 5 {
                    own = u64::try_from(this.number(kind)?).ok()?;
                    return Some(());
                }
                this.skip(kind)
            })?;
            children.push(own);
            Some(())
        })
    });
    if let Some(count) = too_many {
        let what = "the schema of the Parquet file is too large";
        return Err(
            limits::over(what, PARQUET_COLUMNS, count, "columns and groups").hint("leave columns out")
        );
    }
    if walked.is_none() {
        return Err(damaged("not a whole Parquet file: its footer does not read"));
    }
    // Groups that are open, with their children that are still to come.
    let mut open: Vec<u64> = Vec::new();
    for &own in &children {
        if own > children.len() as u64 {
            return Err(damaged("a group of the schema has more children than there are columns"));
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if own > 0 {
            open.push(own);
        }
        if open.len() > PARQUET_DEPTH {
            let what = "the schema of the Parquet file nests too deep";
            return Err(limits::over(what, PARQUET_DEPTH, open.len(), "levels").hint("leave the column out"));
        }
    }
    Ok(())
}

/// What a page header says.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Header {
    kind: i64,
    unpacked: i64,
    packed: i64,
    values: i64,
    /// Only where the header has it.
    rows: Option<i64>,
    encoding: i64,
    /// Bytes before the compressed part.
    levels: i64,
    is_plain: bool,
}

const DICTIONARY: i64 = 2;
/// Encodings in which a few bytes of a page stand for a value of many.
const PREFIXES: i64 = 7;

/// Reads a header; gives its length too.
fn header(bytes: &[u8]) -> Option<(Header, usize)> {
    let mut header = Header::default();
    let mut thrift = Thrift::new(bytes);
    thrift.fields(|this, id, kind| {
        match id {
            1 => header.kind = this.number(kind)?,
            2 => header.unpacked = this.number(kind)?,
            3 => header.packed = this.number(kind)?,
            // Data pages, dictionaries, data pages of version 2.
            5 | 7 | 8 if kind == 12 => this.fields(|this, part, kind| {
                match (id, part) {
                    (_, 1) => header.values = this.number(kind)?,
                    (5 | 7, 2) | (8, 4) => header.encoding = this.number(kind)?,
                    (8, 3) => header.rows = Some(this.number(kind)?),
                    (8, 5 | 6) => header.levels = header.levels.checked_add(this.number(kind)?)?,
                    (8, 7) => header.is_plain = !Thrift::truth(kind),
                    _ => this.skip(kind)?,
                }
                Some(())
            })?,
            _ => this.skip(kind)?,
        }
        Some(())
    })?;
    let sound = [header.unpacked, header.packed, header.values, header.levels, header.rows.unwrap_or(0)]
        .iter()
        .all(|value| (0..=i64::from(i32::MAX)).contains(value));
    sound.then(|| (header, thrift.position()))
}

/// What one column of a row group comes to.
#[derive(Debug, Default)]
struct Column {
    /// Unpacked and packed bytes of the dictionary, and of the largest data page.
    dictionary: (u64, u64),
    largest: (u64, u64),
    /// Of each data page: rows, at least, and unpacked bytes.
    pages: Vec<(u64, u64)>,
    values: u64,
    /// Bytes of the longest value that a few bytes of a page can stand for.
    longest: u64,
    /// Only of a column of lists.
    lists: Option<Lists>,
}

/// Most rows of a batch.
pub(super) const ROWS: usize = 256;

/// What a row group may be read as.
#[derive(Debug)]
pub(super) struct Plan {
    /// Rows that may be read at once.
    pub(super) rows: usize,
    /// Columns that are left out, by their leaf, each with the reason.
    pub(super) unread: Vec<(usize, Error)>,
}

/// Checks the columns `leaves` of a row group. One that is above a limit is left out; where they are together, the one that
/// takes the most is.
///
/// Cost: reads each page header; pages of gzip, brotli and zstd, and long lists, are unpacked once, to be counted, and dropped.
///
/// # Errors
/// [`ErrorCode::Io`].
pub(super) fn check_group(file: &File, group: &RowGroupMetaData, leaves: &[usize]) -> Result<Plan, Fault> {
    let rows = u64::try_from(group.num_rows()).unwrap_or(0);
    // What is taken for granted of each, so that all of them together stay small.
    let small = PARQUET_BATCH / 4 / leaves.len().max(1) as u64;
    let (mut columns, mut unread) = (Vec::with_capacity(leaves.len()), Vec::new());
    for &leaf in leaves {
        match check_column(file, group.column(leaf), rows, small) {
            Ok(column) => columns.push((leaf, column)),
            Err(Fault::System(error)) => return Err(Fault::System(error)),
            Err(Fault::Bytes(error)) => unread.push((leaf, error)),
        }
    }
    let mut leave_out = |columns: &mut Vec<(usize, Column)>, size: &dyn Fn(&Column) -> u64, error: Error| {
        let largest = (0..columns.len()).max_by_key(|&at| size(&columns[at].1));
        unread.extend(largest.map(|at| (columns.remove(at).0, error)));
    };
    while let Err(error) = check_open(&columns) {
        leave_out(&mut columns, &|column| column.dictionary.0 + column.largest.0, error);
    }
    let batch = |columns: &[(usize, Column)], rows: usize| {
        columns.iter().fold(0u64, |sum, (_, column)| sum.saturating_add(column.batch(rows as u64)))
    };
    while batch(&columns, 1) > PARQUET_PAGES_DENSE {
        let what = "a row of the Parquet file may have too many bytes";
        let error = limits::over(what, PARQUET_PAGES_DENSE, batch(&columns, 1), "bytes").hint(SMALLER);
        leave_out(&mut columns, &|column| column.batch(1), error);
    }
    let mut rows = ROWS;
    while rows > 1 && batch(&columns, rows) > PARQUET_BATCH {
        rows /= 2;
    }
    let named = |(leaf, error): (usize, Error)| {
        (leaf, error.within(format!("the column `{}`", group.column(leaf).column_path().string())))
    };
    Ok(Plan { rows, unread: unread.into_iter().map(named).collect() })
}

/// Checks the pages that are open together.
fn check_open(columns: &[(usize, Column)]) -> Result<()> {
    let (mut open, mut packed) = (0u64, 0u64);
    for (_, column) in columns {
        open += column.dictionary.0 + column.largest.0;
        packed += column.dictionary.1 + column.largest.1;
    }
    let is_dense = open <= PARQUET_RATIO.saturating_mul(packed);
    let most = if is_dense { PARQUET_PAGES_DENSE } else { PARQUET_PAGES };
    if open <= most {
        return Ok(());
    }
    let what = format!("the pages of a row group unpack to too much, {packed} bytes of the file");
    Err(limits::over(what, most, open, "bytes")
        .hint("write the file with smaller pages and row groups, or leave columns out"))
}

/// Checks one column by itself. Its lists are taken together where they have no more than `small` bytes.
fn check_column(file: &File, about: &ColumnChunkMetaData, rows: u64, small: u64) -> Result<Column, Fault> {
    let column = walk(file, about)?;
    // The dictionary is unpacked below.
    let column_alone = [(0, column)];
    check_open(&column_alone)?;
    let [(_, mut column)] = column_alone;
    if column.dictionary.0 > 0 {
        column.longest = column.longest.max(longest_entry(file, about, rows)?);
    }
    if about.column_descr().max_rep_level() > 0 {
        column.lists = Some(check_lists(file, about, &mut column, rows, small)?);
    }
    Ok(column)
}

/// Bytes that each level of a column takes beside its value: definition, repetition, and an offset.
const LEVEL: u64 = 8;

/// Checks the lists of a row group, which a run of levels, or an entry of a dictionary, makes longer than the file is.
fn check_lists(
    file: &File,
    about: &ColumnChunkMetaData,
    column: &mut Column,
    rows: u64,
    small: u64,
) -> Result<Lists, Fault> {
    // Also of null, each value has its width in memory.
    let width = match about.column_type() {
        Type::BOOLEAN => 1,
        Type::INT32 | Type::FLOAT => 4,
        Type::INT64 | Type::DOUBLE => 8,
        Type::INT96 => 12,
        Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(about.column_descr().type_length()).unwrap_or(0),
        Type::BYTE_ARRAY => column.longest,
    } + LEVEL;
    let all = column.values.saturating_mul(width);
    if all <= small {
        return Ok(Lists::Together(all));
    }
    let (longest, begun) = levels::longest_row(file, about, rows)?;
    if longest > PARQUET_LIST_VALUES {
        let what = "a list of the Parquet file has too many values";
        return Err(limits::over(what, PARQUET_LIST_VALUES, longest, "values").hint(LEAVE).into());
    }
    if begun.len() == column.pages.len() {
        for (page, begun) in column.pages.iter_mut().zip(begun) {
            page.0 = begun;
        }
    }
    let most = LINE_BYTES as u64;
    let mut row = longest.saturating_mul(width);
    if about.column_type() == Type::BYTE_ARRAY && row > small {
        // Few rows name the longest entry in all of their values.
        row = longest_strings(file, about, rows, longest)?;
    }
    if row.saturating_sub(longest * LEVEL) > most {
        let what = "a list of the Parquet file has too many bytes";
        return Err(limits::over(what, most, row - longest * LEVEL, "bytes").hint(LEAVE).into());
    }
    Ok(Lists::Row(row))
}

/// How many bytes the lists of a row group have at most.
#[derive(Debug, Clone, Copy)]
enum Lists {
    /// All together.
    Together(u64),
    /// Each.
    Row(u64),
}

/// Bytes of the longest list of strings, of at most `longest` values. Cost: reads the column, without its values one by one.
fn longest_strings(file: &File, about: &ColumnChunkMetaData, rows: u64, longest: u64) -> Result<u64, Fault> {
    let failed = |error: parquet::errors::ParquetError| opening(&error);
    let pages = zstd::pages(&shared(file)?, about, as_usize(rows)).map_err(failed)?;
    let mut reader = ColumnReaderImpl::<ByteArrayType>::new(about.column_descr_ptr(), pages);
    let (mut most, mut sum, mut count) = (0, 0, 0);
    let full = about.column_descr().max_def_level();
    let at_once = as_usize(STRINGS / longest.max(1)).clamp(1, 1024);
    loop {
        let (mut def, mut rep, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let read =
            reader.read_records(at_once, Some(&mut def), Some(&mut rep), &mut values).map_err(failed)?;
        let mut values = values.iter();
        for (def, rep) in def.iter().zip(&rep) {
            if *rep == 0 {
                (sum, count) = (0, 0);
            }
            count += 1;
            if *def == full {
                sum += values.next().map_or(0, |value| value.len() as u64);
            }
            most = most.max(sum + count * LEVEL);
        }
        if read.0 == 0 {
            return Ok(most.max(longest * LEVEL));
        }
    }
}

/// Strings that are looked at together.
const STRINGS: u64 = 1 << 16;

pub(super) fn shared(file: &File) -> Result<Arc<File>, Fault> {
    let copy = file.try_clone();
    copy.map(Arc::new).map_err(Fault::system)
}

pub(super) fn as_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Column {
    /// Most bytes of the values of `rows` rows in a row.
    fn batch(&self, rows: u64) -> u64 {
        let named = match self.lists {
            Some(Lists::Together(bytes)) => bytes,
            Some(Lists::Row(bytes)) => rows.saturating_mul(bytes),
            None => rows.saturating_mul(self.longest),
        };
        // The pages that so many rows can lie in.
        let (mut most, mut sum, mut inside, mut first) = (0, 0u64, 0u64, 0);
        for &(own, bytes) in &self.pages {
            sum += bytes;
            inside += own;
            // Without its first and its last page the window must have fewer rows.
            while first < self.pages.len() && inside - self.pages[first].0 >= rows + own && sum > bytes {
                sum -= self.pages[first].1;
                inside -= self.pages[first].0;
                first += 1;
            }
            most = most.max(sum);
        }
        named.saturating_add(most)
    }
}

/// Reads the headers of all pages of a column.
fn walk(file: &File, about: &ColumnChunkMetaData) -> Result<Column, Fault> {
    // Pages of zstd are unpacked to no more than the whole column states, which may be little.
    let is_bounded = zstd::is_used(about.compression())
        && u64::try_from(about.uncompressed_size()).is_ok_and(|bytes| bytes <= UNCOUNTED);
    let (start, length) = about.byte_range();
    let end = start.checked_add(length).ok_or_else(|| damaged("its place is outside of the file"))?;
    let lists = about.column_descr().max_rep_level() > 0;
    let mut column = Column::default();
    let mut at = start;
    let mut buffer = Vec::new();
    while at < end {
        let (header, head) = read_header(file, at, end, &mut buffer)?;
        at += head as u64;
        let (unpacked, packed) = (header.unpacked as u64, header.packed as u64);
        if packed > end - at {
            return Err(damaged("a page ends outside of its column").into());
        }
        let unpacked = match is_bounded {
            true => unpacked,
            false => unpacked.max(beyond(file, about.compression(), &header, at)?),
        };
        at += packed;
        if header.kind == DICTIONARY {
            column.dictionary = (column.dictionary.0.max(unpacked), column.dictionary.1.max(packed));
            continue;
        }
        column.largest = column.largest.max((unpacked, packed));
        column.values += header.values as u64;
        let rows = header.rows.map_or(if lists { 1 } else { header.values as u64 }, |rows| rows as u64);
        column.pages.push((rows, unpacked));
        if header.encoding == PREFIXES {
            column.longest = column.longest.max(unpacked);
        }
    }
    Ok(column)
}

/// Bytes of a header that is read at once.
const HEADER: usize = 1 << 10;

fn read_header(file: &File, at: u64, end: u64, buffer: &mut Vec<u8>) -> Result<(Header, usize), Fault> {
    for most in [HEADER, PARQUET_HEADER] {
        read_at(file, at, (end - at).min(most as u64), buffer)?;
        if let Some(found) = header(buffer) {
            return Ok(found);
        }
    }
    Err(damaged("the header of a page does not read").into())
}

fn read_at(mut file: &File, at: u64, length: u64, buffer: &mut Vec<u8>) -> Result<(), Fault> {
    buffer.clear();
    file.seek(SeekFrom::Start(at)).map_err(Fault::system)?;
    file.take(length).read_to_end(buffer).map_err(Fault::system)?;
    Ok(())
}

/// Bytes of a column of zstd below which its pages need not be counted.
const UNCOUNTED: u64 = 1 << 20;

/// Bytes that a page unpacks to where its compression does not stop at what the header says.
fn beyond(file: &File, compression: Compression, header: &Header, at: u64) -> Result<u64, Fault> {
    if header.is_plain || header.packed == 0 {
        return Ok(0);
    }
    let (packed, levels) = (header.packed as u64, header.levels as u64);
    let stated = (header.unpacked as u64).saturating_sub(levels);
    let mut body = Vec::new();
    let counted = match compression {
        Compression::GZIP(_) | Compression::BROTLI(_) | Compression::ZSTD(_) => {
            read_at(file, at + levels.min(packed), packed - levels.min(packed), &mut body)?;
            match compression {
                Compression::GZIP(_) => count(flate2::read::MultiGzDecoder::new(&body[..]), stated),
                // The library's own stops at what the header says.
                Compression::ZSTD(_) if !zstd::is_used(compression) => 0,
                Compression::ZSTD(_) => count(zstd::Frames::new(&body), stated),
                _ => count(brotli::Decompressor::new(&body[..], 4096), stated),
            }
        }
        Compression::LZ4 => {
            read_at(file, at + levels.min(packed), 4.min(packed - levels.min(packed)), &mut body)?;
            // A frame, which the library reads to its end; a byte of it stands for 255 at most.
            return Ok(if body == 0x184d_2204u32.to_le_bytes() { packed.saturating_mul(255) } else { 0 });
        }
        _ => return Ok(0),
    };
    if counted > stated {
        return Err(damaged("a page unpacks to more than its header says")
            .expected(format!("{stated} bytes"))
            .into());
    }
    Ok(0)
}

/// Bytes of `from`, counted no further than one above `most`; what does not read is left to the library.
fn count(from: impl Read, most: u64) -> u64 {
    std::io::copy(&mut from.take(most.saturating_add(1)), &mut std::io::sink()).unwrap_or(0)
}

/// Bytes of the longest entry of a column's dictionary, whose size was checked.
fn longest_entry(file: &File, about: &ColumnChunkMetaData, rows: u64) -> Result<u64, Fault> {
    match about.column_type() {
        Type::BYTE_ARRAY => {}
        Type::FIXED_LEN_BYTE_ARRAY => {
            return Ok(u64::try_from(about.column_descr().type_length()).unwrap_or(0));
        }
        _ => return Ok(12),
    }
    let failed = |error: parquet::errors::ParquetError| opening(&error);
    let mut pages = zstd::pages(&shared(file)?, about, as_usize(rows)).map_err(failed)?;
    let Some(Page::DictionaryPage { buf, .. }) = pages.get_next_page().map_err(failed)? else {
        return Ok(0);
    };
    let (mut at, mut longest) = (0, 0);
    while let Some(length) = buf.get(at..at + 4).and_then(|word| word.first_chunk::<4>()) {
        let length = u32::from_le_bytes(*length) as usize;
        longest = longest.max(length.min(buf.len()));
        at = at.saturating_add(4).saturating_add(length);
    }
    Ok(longest as u64)
}
