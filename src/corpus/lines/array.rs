//! Reads a corpus that is one JSON list of objects, element by element.

use std::fmt;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::corpus::document::keys::Keys;
use crate::corpus::document::one::Document;
use crate::corpus::document::origin::Spot;
use crate::corpus::lines::jsonl::BOM;
use crate::corpus::lines::object::Piece;
use crate::corpus::reader::shard::Divides;
use crate::corpus::reader::source::{Kind, ReadError, Source};
use crate::corpus::unpack::{self, Input};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, LINE_BYTES};

/// A file, packed or not, that begins with `[`.
pub(in crate::corpus) const KIND: Kind = Kind {
    name: "array",
    unit: "document",
    is: |path, about| Ok(begins(&unpack::head(path, about, HEAD)?)),
    divides: |_| Ok(Divides::Whole),
    open: |path, keys| Ok(Box::new(ArrayReader::open(path, keys)?)),
};

/// Bytes of the file in which the list must begin; before it stand blanks.
const HEAD: u64 = 4096;
const BUFFER: usize = 1 << 17;

/// Whether a JSON list begins in `head`.
pub(in crate::corpus) fn begins(head: &[u8]) -> bool {
    let head = head.strip_prefix(BOM).unwrap_or(head);
    head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// An iterator over the documents of a JSON list, whose elements are as lines of JSON Lines. Their numbers, from 1, are the places in messages.
///
/// Cost: memory for one element and one document, whatever the length of the list.
///
/// # Errors
/// Each bad element is one `Err` item with its number and byte, and reading goes on: those of JSON Lines. [`ReadError::End`] for what is no
/// list any more: no comma between two elements, an end within one, or something behind the list.
struct ArrayReader {
    input: BufReader<Input>,
    file: PathBuf,
    folder: PathBuf,
    keys: Keys,
    /// Place of the next byte.
    at: u64,
    number: u64,
    element: Vec<u8>,
    last: Range<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the bracket.
    Begin,
    /// Behind the bracket or a comma.
    Element,
    /// Behind an element.
    Comma,
    /// Behind the list.
    Behind,
    Ended,
}

impl ArrayReader {
    fn open(path: &Path, keys: &Keys) -> Result<Self> {
        Ok(Self {
            input: BufReader::with_capacity(BUFFER, Input::open(path)?),
            file: path.to_path_buf(),
            folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
            keys: keys.clone(),
            at: 0,
            number: 0,
            element: Vec::new(),
            last: 0..0,
            state: State::Begin,
        })
    }

    /// Passes over blanks, and shows the next byte; `None` at the end.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        loop {
            let there = self.input.fill_buf()?;
            let blanks = there.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let found = there.get(blanks).copied();
            let ended = there.is_empty();
            self.pass(blanks);
            if found.is_some() || ended {
                return Ok(found);
            }
        }
    }

    fn pass(&mut self, n: usize) {
        self.input.consume(n);
        self.at += n as u64;
    }

    /// Reads the element that begins at the next byte into `element`: up to the comma or bracket that ends it. Says how long it is; more than
    /// [`LINE_BYTES`] are passed over. `None` where the file ends within it.
    fn read_element(&mut self) -> io::Result<Option<u64>> {
        self.element.clear();
        let start = self.at;
        let (mut depth, mut quoted, mut escaped) = (0u64, false, false);
        loop {
            let there = self.input.fill_buf()?;
            if there.is_empty() {
                return Ok(None);
            }
            let mut used = there.len();
            for (at, &byte) in there.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    _ if quoted => {}
                    b'{' | b'[' => depth += 1,
                    b',' | b']' if depth == 0 => {
                        used = at;
                        break;
                    }
                    b'}' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
            }
            let room = (LINE_BYTES + 1).saturating_sub(self.element.len());
            self.element.extend_from_slice(&there[..used.min(room)]);
            let done = used < there.len();
            self.pass(used);
            if done {
                let blanks = self.element.iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
                self.element.truncate(self.element.len() - blanks);
                self.last = start..start + self.element.len() as u64;
                return Ok(Some(self.at - start));
            }
        }
    }

    /// The document of the element that was read, of `length` bytes.
    fn document(&self, length: u64) -> Result<Document> {
        let start = self.last.start;
        let located = |error: Error| error.file(&self.file).line(self.number).offset(start);
        if self.element.len() > LINE_BYTES {
            let error = limits::over("an element is too long", LINE_BYTES, length, "bytes");
            return Err(located(error.hint("cut it into several documents")));
        }
        let (bytes, line) = (&self.element[..], self.number);
        let (mut object, flaw) =
            Piece { bytes, start, line, file: &self.file, what: "an element" }.object()?;
        object.retain(|key, _| !self.keys.passes_over(key));
        let document = Document::from_object(object, line, &self.folder, &self.keys);
        let mut document = document.map_err(located)?;
        document.blame(located);
        document.flaws.extend(flaw);
        Ok(document)
    }

    /// The last error: `what` at the next byte.
    fn end(&self, what: &str, expected: &str, got: Option<u8>) -> ReadError {
        let got = got.map_or_else(
            || "the end of the file".to_owned(),
            |byte| match byte {
                0x20..=0x7e => format!("`{}`", char::from(byte)),
                byte => format!("the byte 0x{byte:02x}"),
            },
        );
        let error = Error::new(ErrorCode::BadJson, what).file(&self.file).line(self.number).offset(self.at);
        ReadError::End(
            error.expected(expected).got(got).hint("correct the list there, or write one object a line"),
        )
    }

    fn step(&mut self) -> io::Result<Option<Result<Document, ReadError>>> {
        loop {
            if self.state == State::Begin && self.at == 0 {
                let marked = self.input.fill_buf()?.starts_with(BOM);
                self.pass(if marked { BOM.len() } else { 0 });
            }
            if self.state == State::Ended {
                return Ok(None);
            }
            let next = self.next_byte()?;
            let wrong = match (self.state, next) {
                (State::Begin, Some(b'[')) => {
                    self.pass(1);
                    self.state = State::Element;
                    continue;
                }
                // A comma before the bracket loses nothing.
                (State::Element | State::Comma, Some(b']')) => {
                    self.pass(1);
                    self.state = State::Behind;
                    continue;
                }
                (State::Comma, Some(b',')) => {
                    self.pass(1);
                    self.state = State::Element;
                    continue;
                }
                (State::Behind, None) => {
                    self.state = State::Ended;
                    continue;
                }
                (State::Element, Some(b',')) => ("a list lacks an element", "an object"),
                (State::Element, Some(_)) => {
                    self.number += 1;
                    self.state = State::Comma;
                    match self.read_element()? {
                        Some(length) => return Ok(Some(self.document(length).map_err(ReadError::Document))),
                        None => ("a list ends within an element", "the end of the element"),
                    }
                }
                (State::Behind, Some(_)) => ("something follows the list", "the end of the file"),
                (State::Comma, _) => ("a list does not end", "`,` or `]`"),
                (State::Element, None) => ("a list does not end", "an element, or `]`"),
                (State::Begin | State::Ended, _) => ("no list", "`[`"),
            };
            self.state = State::Ended;
            return Ok(Some(Err(self.end(
                wrong.0,
                wrong.1,
                next.filter(|_| wrong.0 != "a list ends within an element"),
            ))));
        }
    }
}

impl Iterator for ArrayReader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(read) => read,
            Err(error) => {
                self.state = State::Ended;
                Some(Err(unpack::ended(&self.file, error, self.number + 1, self.at)))
            }
        }
    }
}

impl Source for ArrayReader {
    fn file(&self) -> &Path {
        &self.file
    }

    fn progress(&self) -> u64 {
        let input = self.input.get_ref();
        if input.is_packed() { input.position() } else { self.at }
    }

    fn len_hint(&self) -> Option<u64> {
        self.input.get_ref().len_hint()
    }

    fn spot(&self) -> Spot {
        let bytes = (self.last.start, self.last.end);
        let bytes = (!self.input.get_ref().is_packed()).then_some(bytes);
        Spot { row: Some(self.number), bytes, ..Spot::default() }
    }
}

impl fmt::Debug for ArrayReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayReader").field("file", &self.file).field("at", &self.at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<Result<Document, ReadError>> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.json");
        std::fs::write(&path, text).unwrap();
        ArrayReader::open(&path, &Keys::default()).unwrap().collect()
    }

    fn ids(text: &[u8]) -> Vec<String> {
        read(text).into_iter().map(|read| read.unwrap().id.unwrap()).collect()
    }

    #[test]
    fn elements_are_documents() {
        assert_eq!(ids(b"[]"), [""; 0]);
        assert_eq!(ids(br#"[{"id":1,"t":"],[\"}"},{"id":2,"l":[[1],{"a":"\\"}]}]"#), ["1", "2"]);
        assert_eq!(ids(b"\xEF\xBB\xBF \n[\n {\n  \"id\" : 1\n },\r\n {\"id\":2} ,\n]\n"), ["1", "2"]);
    }

    #[test]
    fn a_bad_element_takes_away_itself_alone() {
        let read = read(b"[{\"id\":1},\n{\"id\":\n },7,{\"id\":4,\"n\":NaN},{\"id\":5}]");
        let facts = |at: usize| {
            let facts = read[at].as_ref().unwrap_err().facts();
            (facts.code, facts.line.unwrap(), facts.offset.unwrap())
        };
        assert_eq!(read.len(), 5);
        assert_eq!(facts(1), (ErrorCode::BadJson, 2, 19));
        assert_eq!(facts(2), (ErrorCode::BadJson, 3, 21));
        let flaw = &read[3].as_ref().unwrap().flaws[0];
        assert_eq!((flaw.code(), flaw.facts().offset), (ErrorCode::NotFinite, Some(35)));
    }

    #[test]
    fn what_is_no_list_any_more_ends_it() {
        for (text, good, at, what) in [
            (&b"[{\"id\":1} {\"id\":2}]"[..], 0, 10, ""),
            (b"[{\"id\":1},{\"id\":2", 1, 17, "ends within"),
            (b"[{\"id\":1},", 1, 10, "does not end"),
            (b"[{\"id\":1}] x", 1, 11, "follows"),
            (b"[,{\"id\":1}]", 0, 1, "lacks"),
            (b"[", 0, 1, "does not end"),
        ] {
            let read = read(text);
            let bad = read.iter().find_map(|read| read.as_ref().err()).unwrap();
            assert_eq!(read.iter().filter(|read| read.is_ok()).count(), good, "{bad}");
            assert_eq!(bad.facts().offset, Some(at), "{bad}");
            assert!(bad.facts().message.contains(what), "{bad}");
        }
    }
}
