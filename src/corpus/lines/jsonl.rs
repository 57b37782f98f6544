//! Reads a corpus of JSON Lines, one line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::keys::Keys;
use crate::corpus::document::one::Document;
use crate::corpus::document::origin::Spot;
use crate::corpus::lines::object::{Object, Piece};
use crate::corpus::reader::shard::{Divides, counted};
use crate::corpus::reader::source::{Kind, ReadError, Source};
use crate::corpus::unpack::{self, Input};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, LINE_BYTES};

/// Any file that is of no other kind.
pub(in crate::corpus) const KIND: Kind = Kind {
    name: "jsonl",
    unit: "line",
    divides,
    is: |_, _| Ok(true),
    open: |path, keys| Ok(Box::new(JsonlReader::unpacked(path)?.keys(keys.clone()))),
};

fn divides(path: &Path) -> Result<Divides> {
    let is_packed = JsonlReader::unpacked(path)?.reader.get_ref().is_packed();
    Ok(if is_packed { Divides::Whole } else { Divides::Lines })
}

pub(in crate::corpus) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An iterator over the documents of a JSON Lines corpus.
///
/// Cost: memory for one line and one document, whatever the length of the corpus.
///
/// Accepts a UTF-8 byte order mark at the start, `\n` and `\r\n`, blank lines (skipped, but counted as lines) and a
/// last line without an end.
///
/// # Errors
/// Each bad line is one `Err` item with file, line and byte offset, and reading goes on after it:
/// [`ErrorCode::BadJson`] for invalid UTF-8, bad syntax, a key that stands twice, or anything but an object;
/// [`ErrorCode::TooLarge`] for a line, its values or its texts above a limit; [`ErrorCode::BadValue`] for a key that is
/// reserved or has the wrong type.
/// An error of the file itself, [`ReadError::End`], is the last item. NaN and infinities of Python's JSON take away themselves alone, as one of
/// [`Document::flaws`].
#[derive(Debug)]
pub struct JsonlReader<R> {
    reader: BufReader<R>,
    file: PathBuf,
    folder: PathBuf,
    limit: usize,
    line: u64,
    offset: u64,
    buffer: Vec<u8>,
    /// Where the current line starts.
    start: u64,
    keys: Keys,
    /// Lines that start here or later are not read.
    end: u64,
    ended: bool,
}

/// The object of a line, its number and the offset of its start.
type Line = (Map<String, Value>, u64, u64);

impl JsonlReader<File> {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Ok(Self::new(limits::open_named(path, "the file of lines")?, path))
    }

    /// Where [`JsonlReader::position`] will end; `None` where the file has no length, as a pipe.
    pub fn len_hint(&self) -> Option<u64> {
        self.reader.get_ref().metadata().ok().map(|about| about.len()).filter(|&bytes| bytes > 0)
    }
}

impl JsonlReader<Input> {
    /// Opens the file at `path`, packed or not.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadValue`] for what is packed as nothing here is.
    fn unpacked(path: &Path) -> Result<Self> {
        let mut reader = Self::new(Input::open(path)?, path);
        let head = reader.reader.fill_buf().map_err(|error| unpack::error(path, error))?;
        Input::refuse(head).map_err(|error| error.file(path))?;
        Ok(reader)
    }
}

impl<R: Read> JsonlReader<R> {
    /// Reads from `reader`; `file` is the name in errors, and its folder resolves relative image paths.
    pub fn new(reader: R, file: impl AsRef<Path>) -> Self {
        let file = file.as_ref().to_path_buf();
        Self {
            reader: BufReader::with_capacity(1 << 17, reader),
            folder: file.parent().map(Path::to_path_buf).unwrap_or_default(),
            file,
            limit: LINE_BYTES,
            line: 0,
            offset: 0,
            buffer: Vec::new(),
            start: 0,
            keys: Keys::default(),
            end: u64::MAX,
            ended: false,
        }
    }

    /// Sets the longest line in bytes, without its end; [`LINE_BYTES`] where nobody does.
    #[must_use]
    pub fn line_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Says which keys hold items, and which are passed over.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Bytes read so far, for a progress bar.
    pub fn position(&self) -> u64 {
        self.offset
    }

    /// The file that errors name.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Reads the next line into `buffer` and returns the offset of its start; `None` at the end.
    ///
    /// The buffer keeps at most `limit + 2` bytes, and a byte order mark; the rest of a longer line is skipped.
    fn read_line(&mut self) -> Result<Option<u64>> {
        self.buffer.clear();
        let start = self.offset;
        // A byte order mark is none of the line.
        let mark = if start == 0 { BOM.len() as u64 } else { 0 };
        let cap = (self.limit as u64).saturating_add(2 + mark);
        let io = unpack::error;
        let read = (&mut self.reader)
            .take(cap)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| io(&self.file, error))?;
        if read == 0 {
            return Ok(None);
        }
        self.offset += read as u64;
        self.line += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
            if self.buffer.last() == Some(&b'\r') {
                self.buffer.pop();
            }
        } else if read as u64 == cap {
            let skipped = self.reader.skip_until(b'\n').map_err(|error| io(&self.file, error))?;
            self.offset += skipped as u64;
        }
        Ok(Some(start))
    }

    /// The next line that is not blank as an object, its number and the offset of its start. Nothing may be left out of it.
    pub(in crate::corpus) fn next_object(&mut self) -> Option<Result<Line>> {
        let ((object, flaw), line, start) = match self.next_line()? {
            Ok(line) => line,
            Err(error) => return Some(Err(error.into_error())),
        };
        Some(match flaw {
            None => Ok((object, line, start)),
            Some(flaw) => {
                let facts = flaw.facts();
                let error = self.bad_json(&facts.message, facts.offset.unwrap_or(start));
                Err(error.expected("a finite number"))
            }
        })
    }

    /// As [`JsonlReader::next_object`], with what was left out.
    pub(in crate::corpus) fn next_line(&mut self) -> Option<Result<(Object, u64, u64), ReadError>> {
        while !self.ended && self.offset < self.end {
            match self.read_line() {
                Ok(Some(start)) => {
                    self.start = start;
                    if let Some(object) = self.object(start) {
                        let object = object.map_err(ReadError::Document);
                        return Some(object.map(|object| (object, self.line, start)));
                    }
                }
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(unpack::ended_at(error, self.line + 1, self.offset)));
                }
            }
        }
        None
    }

    /// Turns the bytes of the current line, which starts at `start`, into an object; `None` for a blank line.
    fn object(&self, start: u64) -> Option<Result<Object>> {
        if self.is_blank(start) {
            return None;
        }
        let (bytes, start) = self.content(start);
        if bytes.len() > self.limit {
            let error = limits::over("a line is too long", self.limit, self.offset - start, "bytes");
            return Some(Err(error
                .file(&self.file)
                .line(self.line)
                .offset(start)
                .hint("every document must stand on a line of its own")));
        }
        Some(Piece { bytes, start, line: self.line, file: &self.file, what: "a line" }.object())
    }

    /// What the current line, which starts at `start`, has behind a byte order mark of the file, and where that begins.
    fn content(&self, start: u64) -> (&[u8], u64) {
        match self.buffer.strip_prefix(BOM) {
            Some(rest) if start == 0 => (rest, start + BOM.len() as u64),
            _ => (&self.buffer, start),
        }
    }

    /// Whether the current line, which starts at `start`, is no document, good or bad. One beyond the limit is a bad one, since not all of
    /// it is there.
    fn is_blank(&self, start: u64) -> bool {
        let (bytes, _) = self.content(start);
        bytes.len() <= self.limit && bytes.iter().all(u8::is_ascii_whitespace)
    }

    fn bad_json(&self, what: &str, offset: u64) -> Error {
        Error::new(ErrorCode::BadJson, what).file(&self.file).line(self.line).offset(offset)
    }
}

impl<R: Read> Iterator for JsonlReader<R> {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.and_then(|((mut object, flaw), line, start)| {
            object.retain(|key, _| !self.keys.passes_over(key));
            let located = |error: Error| error.file(&self.file).line(line).offset(start);
            let document = Document::from_object(object, line, &self.folder, &self.keys);
            let mut document = document.map_err(|error| ReadError::Document(located(error)))?;
            document.blame(located);
            document.flaws.extend(flaw);
            Ok(document)
        }))
    }
}

impl Source for JsonlReader<Input> {
    fn file(&self) -> &Path {
        self.file()
    }

    fn progress(&self) -> u64 {
        if self.reader.get_ref().is_packed() { self.reader.get_ref().position() } else { self.position() }
    }

    fn len_hint(&self) -> Option<u64> {
        self.reader.get_ref().len_hint()
    }

    /// What is no blank line is a document, good or bad.
    fn pass(&mut self) -> Option<Result<(), ReadError>> {
        while !self.ended {
            match self.read_line() {
                Ok(Some(start)) if self.is_blank(start) => {}
                Ok(Some(_)) => return Some(Ok(())),
                Ok(None) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Some(Err(unpack::ended_at(error, self.line + 1, self.offset)));
                }
            }
        }
        None
    }

    fn spot(&self) -> Spot {
        if self.reader.get_ref().is_packed() {
            return Spot { line: Some(self.line), ..Spot::default() };
        }
        let mark = if self.start == 0 && self.buffer.starts_with(BOM) { BOM.len() as u64 } else { 0 };
        let bytes = (self.start + mark, self.start + self.buffer.len() as u64);
        Spot { line: Some(self.line), bytes: Some(bytes), ..Spot::default() }
    }
}

/// The lines of a file that start in a range of its bytes. What is before is not read, so lines are counted from there; bytes
/// are those of the file.
#[derive(Debug)]
pub(in crate::corpus) struct Lines {
    inner: JsonlReader<File>,
    bytes: Range<u64>,
}

impl Lines {
    /// Opens the file at `path`, which is not packed.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`].
    pub(in crate::corpus) fn open(path: &Path, keys: &Keys, bytes: Range<u64>) -> Result<Self> {
        let io = |error| Error::io(path, error);
        let mut inner = JsonlReader::open(path)?.keys(keys.clone());
        if let Some(before) = bytes.start.checked_sub(1) {
            // A line that ends right before the range is none of it.
            inner.reader.seek(SeekFrom::Start(before)).map_err(io)?;
            inner.offset = before + inner.reader.skip_until(b'\n').map_err(io)? as u64;
        }
        inner.end = bytes.end;
        Ok(Self { inner, bytes })
    }
}

impl Iterator for Lines {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.bytes.start;
        let placed = |error: Error| counted(error, from);
        let read = self.inner.next()?;
        Some(read.map_err(|error| error.map(placed)).map(|mut document| {
            document.flaws = document.flaws.into_iter().map(placed).collect();
            document
        }))
    }
}

impl Source for Lines {
    fn file(&self) -> &Path {
        self.inner.file()
    }

    fn progress(&self) -> u64 {
        self.inner.position().clamp(self.bytes.start, self.bytes.end) - self.bytes.start
    }

    fn len_hint(&self) -> Option<u64> {
        Some(self.bytes.end - self.bytes.start)
    }

    fn spot(&self) -> Spot {
        let inner = &self.inner;
        let mark = if inner.start == 0 && inner.buffer.starts_with(BOM) { BOM.len() as u64 } else { 0 };
        let bytes = (inner.start + mark, inner.start + inner.buffer.len() as u64);
        let line = (self.bytes.start == 0).then_some(inner.line);
        Spot { line, bytes: Some(bytes), ..Spot::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_in_one_range() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.jsonl");
        let text = "\u{feff}{\"id\":0}\n\n{\"id\":1,\"a\":\"bbbbbbbbbbbb\"}\r\n{\"id\":2}\n{\"id\":}\n   \n{\"id\":3}";
        std::fs::write(&file, text).unwrap();
        let whole: Vec<String> = JsonlReader::open(&file)
            .unwrap()
            .map(|read| {
                read.map_or_else(|bad| format!("{:?}", bad.into_error().facts().offset), |d| d.id.unwrap())
            })
            .collect();
        let length = text.len() as u64;
        for of in 1..=length + 3 {
            let shards = (0..of).map(|index| crate::corpus::Shard::new(index as u32, of as u32).unwrap());
            let mut found = Vec::new();
            for shard in shards {
                let mut lines = Lines::open(&file, &Keys::default(), shard.range(length)).unwrap();
                while let Some(read) = lines.next() {
                    found.push(match read {
                        Ok(document) => {
                            let (from, to) = lines.spot().bytes.unwrap();
                            let piece = &text[from as usize..to as usize];
                            assert!(piece.starts_with('{') && piece.ends_with('}'), "{piece:?}");
                            document.id.unwrap()
                        }
                        Err(bad) => format!("{:?}", bad.into_error().facts().offset),
                    });
                }
            }
            assert_eq!(found, whole, "{of} parts");
        }
    }

    #[test]
    fn what_is_passed_over_is_what_would_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.jsonl");
        let long = " ".repeat(40);
        for (text, documents) in [
            ("\u{feff}\n\n{\"id\":1}\n".to_owned(), 1),
            ("\u{feff} \t\r\n  \n{\"id\":1}\n\u{feff}\n".to_owned(), 2),
            ("\u{feff}".to_owned(), 0),
            ("\u{feff}  ".to_owned(), 0),
            // Longer than the limit, which is said.
            (format!("{{\"id\":1}}\n{long}\n{{\"id\":2}}\n"), 3),
            (format!("\u{feff}{long}\n{{\"id\":2}}\n"), 2),
            (format!("\u{feff}{}\n{{\"id\":2}}\n", " ".repeat(20)), 1),
        ] {
            std::fs::write(&path, &text).unwrap();
            let open = || JsonlReader::unpacked(&path).unwrap().line_limit(20);
            let mut passed = open();
            assert_eq!(std::iter::from_fn(|| passed.pass()).count(), documents, "{text:?}");
            assert_eq!(open().count(), documents, "{text:?}");
        }
    }

    fn read(text: impl AsRef<[u8]>) -> Vec<Result<Document>> {
        let reader = JsonlReader::new(text.as_ref(), "data/c.jsonl").line_limit(300);
        reader.map(|read| read.map_err(Error::from)).collect()
    }

    fn fails(text: impl AsRef<[u8]>, code: ErrorCode, line: u64, offset: u64) -> Error {
        let error = read(text).into_iter().find_map(Result::err).unwrap();
        let facts = error.facts();
        assert_eq!((facts.code, facts.line, facts.offset), (code, Some(line), Some(offset)), "{error}");
        assert_eq!(facts.file.as_deref(), Some(Path::new("data/c.jsonl")));
        error
    }

    #[test]
    fn ends_marks_and_blank_lines() {
        let text = b"\xEF\xBB\xBF{\"id\":1}\r\n\r\n  \t\n{\"id\":\"1b\"}\n{\"id\":-3}";
        let documents: Vec<Document> = read(text).into_iter().map(Result::unwrap).collect();
        let seen: Vec<_> = documents.iter().map(|d| (d.id.as_deref().unwrap(), d.line)).collect();
        assert_eq!(seen, [("1", 1), ("1b", 4), ("-3", 5)]);
        assert!(read("").is_empty());
        assert!(read(BOM).is_empty());
        assert_eq!(read(b"\n\xEF\xBB\xBF{}")[0].as_ref().unwrap_err().code(), ErrorCode::BadJson);
    }

    #[test]
    fn keys_find_their_places() {
        let text = r#"{"z":[1,null],"text":"t","images":["a.png","/b.png"],"id":7,"split":"val","n":null,"e":[],"a":{"b":1}}"#;
        let document = read(text).remove(0).unwrap();
        assert_eq!(document.id.as_deref(), Some("7"));
        assert_eq!(document.texts(), ["t"]);
        let paths: Vec<_> = document.images().iter().map(|picture| picture.path().unwrap()).collect();
        assert_eq!(paths, [Path::new("data/a.png"), Path::new("/b.png")]);
        assert_eq!(document.split, Some(Split::Val));
        let fields = serde_json::to_string(&document.fields).unwrap();
        assert_eq!(fields, r#"{"a":{"b":1},"image":["a.png","/b.png"],"text":"t","z":[1]}"#);
    }

    use crate::corpus::document::one::Split;

    #[test]
    fn what_is_no_number_takes_away_its_key_alone() {
        let text = "{\"id\":1,\"a\":NaN,\"b\":[1,-Infinity],\"c\":{\"d\":Infinity,\"e\":2}}\n{\"id\":2,\"a\":NaN,\"b\":}";
        let mut read = read(text);
        let document = read.remove(0).unwrap();
        let fields = serde_json::to_string(&document.fields).unwrap();
        assert_eq!(fields, r#"{"b":[1],"c":{"d":null,"e":2}}"#);
        let [flaw] = &document.flaws[..] else { panic!("{:?}", document.flaws) };
        let facts = flaw.facts();
        assert_eq!((facts.code, facts.line, facts.offset), (ErrorCode::NotFinite, Some(1), Some(12)));
        assert!(facts.message.contains("`a` is NaN, and 2 more"), "{flaw}");
        // What is wrong beside is said where it stands.
        let error = read.remove(0).unwrap_err();
        assert_eq!(error.facts().offset, Some(text.len() as u64 - 1), "{error}");
    }

    #[test]
    fn an_empty_path_of_a_picture_takes_away_itself_alone() {
        let document =
            read(r#"{"id":1,"text":"t","images":["","a.png"],"split":"holdout"}"#).remove(0).unwrap();
        assert_eq!((document.images().len(), document.fields["image"].as_array().unwrap().len()), (1, 1));
        assert_eq!((document.split, document.unknown_split.as_deref()), (None, Some("holdout")));
        let facts = document.flaws[0].facts();
        assert_eq!((facts.code, facts.line, document.flaws.len()), (ErrorCode::BadValue, Some(1), 1));
        let document = read(r#"{"image":"","split":"Validation"}"#).remove(0).unwrap();
        assert!(document.images().is_empty() && document.fields.is_empty());
        assert_eq!((document.split, document.flaws.len()), (Some(Split::Val), 1));
    }

    #[test]
    fn bad_json_names_line_and_offset() {
        fails("{\"id\":1}\n{\"id\":}\n", ErrorCode::BadJson, 2, 15);
        fails("{\"a\":1,\"a\":2}", ErrorCode::BadJson, 1, 9);
        fails("{\"id\":1}\n[1]\n", ErrorCode::BadJson, 2, 9);
    }
}
