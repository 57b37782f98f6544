//! A JSONL corpus, read line by line: memory is bounded by the longest line.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::document::Document;
use crate::error::{Error, ErrorCode, Result};

/// Bytes of the longest line that is read, unless set otherwise.
pub const MAX_LINE: u64 = 64 << 20;

/// Iterates over the documents of a corpus; a bad line is an item of its own, and reading goes on after it.
pub struct JsonlReader<R> {
    input: R,
    path: PathBuf,
    base: PathBuf,
    line: u64,
    offset: u64,
    max_line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

impl JsonlReader<BufReader<File>> {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`].
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        if path.is_dir() {
            return Err(Error::new(ErrorCode::BadArgument, "a folder is no JSONL corpus").file(path));
        }
        Ok(Self::new(BufReader::with_capacity(1 << 16, file), path))
    }
}

impl<R: BufRead> JsonlReader<R> {
    /// Reads `input`, which errors call `path`; image paths are relative to its folder.
    pub fn new(input: R, path: &Path) -> Self {
        let base = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let path = path.to_path_buf();
        Self { input, path, base, line: 0, offset: 0, max_line: MAX_LINE, buffer: Vec::new(), ended: false }
    }

    /// The file, as errors name it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses lines of more than `bytes`.
    #[must_use]
    pub fn max_line(mut self, bytes: u64) -> Self {
        self.max_line = bytes;
        self
    }

    fn error(&self, code: ErrorCode, message: impl Into<String>) -> Error {
        Error::new(code, message).file(&self.path).line(self.line)
    }

    /// Reads the next line into the buffer; `None` at the end.
    fn next_line(&mut self) -> Option<Result<u64>> {
        self.buffer.clear();
        let start = self.offset;
        let mut limited = std::io::Read::take(&mut self.input, self.max_line.saturating_add(1));
        let read = match limited.read_until(b'\n', &mut self.buffer) {
            Ok(0) => return None,
            Ok(read) => read as u64,
            Err(e) => {
                self.ended = true;
                self.line += 1;
                return Some(Err(Error::io(&self.path, e).line(self.line)));
            }
        };
        self.line += 1;
        self.offset += read;
        if read > self.max_line && self.buffer.last() != Some(&b'\n') {
            return Some(Err(self.skip_long_line(start)));
        }
        Some(Ok(start))
    }

    fn skip_long_line(&mut self, start: u64) -> Error {
        let mut length = self.buffer.len() as u64;
        loop {
            let (used, done) = match self.input.fill_buf() {
                Ok([]) | Err(_) => (0, true),
                Ok(chunk) => match chunk.iter().position(|&b| b == b'\n') {
                    Some(at) => (at + 1, true),
                    None => (chunk.len(), false),
                },
            };
            self.input.consume(used);
            self.offset += used as u64;
            length += used as u64;
            if done {
                break;
            }
        }
        self.error(ErrorCode::BadJson, "the line is too long")
            .offset(start)
            .expected(format!("at most {} bytes", self.max_line))
            .got(format!("{length} bytes"))
            .hint("is this a JSONL file, one object per line?")
    }

    /// The document of the buffered line; `None` for a blank one.
    fn parse(&self, start: u64) -> Option<Result<Document>> {
        let mut bytes = self.buffer.as_slice();
        if self.line == 1 {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        let skipped = (self.buffer.len() - bytes.len()) as u64;
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(e) => {
                return Some(Err(self
                    .error(ErrorCode::BadJson, "the line is not UTF-8")
                    .offset(start + skipped + e.valid_up_to() as u64)
                    .hint("convert the file to UTF-8")));
            }
        };
        if text.trim().is_empty() {
            return None;
        }
        let object = match parse_object(text) {
            Ok(object) => object,
            Err(e) => {
                // A JSONL line has no line break inside, so the column counts bytes of the line.
                let at = start + skipped + (e.column().max(1) - 1) as u64;
                let message = e.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                return Some(Err(self
                    .error(ErrorCode::BadJson, format!("not one JSON object: {message}"))
                    .offset(at)
                    .expected("one object per line")
                    .got(shorten(text.trim()))
                    .hint("fix the line, or leave it out")));
            }
        };
        Some(
            Document::from_json(self.line, object, &self.base)
                .map_err(|e| e.file(&self.path).line(self.line)),
        )
    }
}

impl<R: BufRead> Iterator for JsonlReader<R> {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.next_line()? {
                Ok(start) => match self.parse(start) {
                    None => continue,
                    some => return some,
                },
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }
}

/// Parses an object and refuses a key that stands twice, which a plain map would drop in silence.
fn parse_object(text: &str) -> serde_json::Result<Map<String, Value>> {
    struct UniqueKeys;
    impl<'de> Visitor<'de> for UniqueKeys {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut out = Map::new();
            while let Some((key, value)) = access.next_entry::<String, Value>()? {
                if out.contains_key(&key) {
                    return Err(serde::de::Error::custom(format!("the key {key:?} stands twice")));
                }
                out.insert(key, value);
            }
            Ok(out)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let object = deserializer.deserialize_map(UniqueKeys)?;
    deserializer.end()?;
    Ok(object)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn read(bytes: &[u8]) -> Vec<Result<Document>> {
        JsonlReader::new(Cursor::new(bytes), Path::new("dir/c.jsonl")).collect()
    }

    #[test]
    fn bom_crlf_blank_lines_and_a_last_line_without_an_end() {
        let documents = read(b"\xef\xbb\xbf{\"id\":1}\r\n\n  \n{\"id\":\"b\",\"image\":\"i.png\"}");
        let documents: Vec<Document> = documents.into_iter().map(Result::unwrap).collect();
        assert_eq!((documents[0].id.as_deref(), documents[0].line), (Some("1"), 1));
        assert_eq!((documents[1].id.as_deref(), documents[1].line), (Some("b"), 4));
        assert_eq!(documents[1].images, [Path::new("dir/i.png")]);
    }

    #[test]
    fn a_bad_line_is_an_error_with_its_place_and_reading_goes_on() {
        let bytes = b"{\"id\":1}\n{\"id\":2,}\n[1]\n{\"a\":1,\"a\":2}\n{\"x\":\"\xff\"}\n{\"_x\":1}\n{} {}\n{\"id\":3}\n";
        let items = read(bytes);
        let facts = |i: usize| {
            let error = items[i].as_ref().unwrap_err();
            (error.code(), error.facts().line, error.facts().offset)
        };
        assert_eq!(items.len(), 8);
        assert_eq!(facts(1), (ErrorCode::BadJson, Some(2), Some(17)));
        assert_eq!((facts(2).0, facts(2).1), (ErrorCode::BadJson, Some(3)));
        assert_eq!((facts(3).0, facts(3).1), (ErrorCode::BadJson, Some(4)));
        assert!(items[3].as_ref().unwrap_err().to_string().contains("stands twice"));
        assert_eq!(facts(4), (ErrorCode::BadJson, Some(5), Some(43)));
        assert_eq!((facts(5).0, facts(5).1), (ErrorCode::BadValue, Some(6)));
        assert_eq!((facts(6).0, facts(6).1), (ErrorCode::BadJson, Some(7)));
        assert_eq!(items[7].as_ref().unwrap().id.as_deref(), Some("3"));
    }

    #[test]
    fn a_line_of_absurd_length_is_passed_over() {
        let mut bytes = vec![b'x'; 5000];
        bytes.extend_from_slice(b"\n{\"id\":1}\n");
        let items: Vec<_> = JsonlReader::new(Cursor::new(bytes), Path::new("c")).max_line(100).collect();
        let error = items[0].as_ref().unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadJson, Some(1)));
        assert!(error.to_string().contains("5001 bytes"), "{error}");
        assert_eq!(items[1].as_ref().unwrap().line, 2);
    }

    /// Lines made while they are read: a reader that held them all would need gigabytes.
    struct Endless {
        left: u64,
        line: Vec<u8>,
        at: usize,
    }

    impl std::io::Read for Endless {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            if self.left == 0 {
                return Ok(0);
            }
            let n = out.len().min(self.line.len() - self.at);
            out[..n].copy_from_slice(&self.line[self.at..self.at + n]);
            self.at += n;
            if self.at == self.line.len() {
                (self.at, self.left) = (0, self.left - 1);
            }
            Ok(n)
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_lines() {
        let line = format!("{{\"text\":\"{}\"}}\n", "word ".repeat(200)).into_bytes();
        let input = BufReader::new(Endless { left: 20_000, line, at: 0 });
        let mut reader = JsonlReader::new(input, Path::new("c"));
        let mut count = 0;
        while let Some(document) = reader.next() {
            document.unwrap();
            count += 1;
            assert!(reader.buffer.capacity() < 1 << 14);
        }
        assert_eq!(count, 20_000);
    }

    proptest! {
        #[test]
        fn any_bytes_give_documents_or_errors_with_a_line(bytes in prop::collection::vec(
            prop::sample::select(b"{}[]\":,\\n1a \n\r\xff\xef\xbb\xbf_".to_vec()), 0..200)) {
            for item in read(&bytes) {
                if let Err(error) = item {
                    prop_assert!(error.facts().line.is_some());
                }
            }
        }
    }
}
