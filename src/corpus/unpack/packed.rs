//! The bytes of a file with their place, and a look at the next ones.

use std::fs::File;
use std::io::{self, BufRead, Read};

use crate::error::{Error, ErrorCode};

const BUFFER: usize = 1 << 17;

/// A buffer over a file that knows how far it was read.
pub(super) struct Packed {
    file: File,
    buffer: Vec<u8>,
    /// What of `buffer` is read, and what of it is there.
    next: usize,
    filled: usize,
    /// Of the first byte of `buffer`.
    start: u64,
    ended: bool,
    failed: Option<io::ErrorKind>,
}

impl Packed {
    pub(super) fn new(file: File) -> Self {
        Self { file, buffer: vec![0; BUFFER], next: 0, filled: 0, start: 0, ended: false, failed: None }
    }

    /// The place of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.start + self.next as u64
    }

    /// Whether all bytes were read.
    pub(super) fn at_end(&self) -> bool {
        self.ended && self.next == self.filled
    }

    /// The system's error, where reading the file failed.
    pub(super) fn failed(&self) -> Option<io::ErrorKind> {
        self.failed
    }

    /// The next bytes, `n` where there are as many; at most the size of the buffer.
    pub(super) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        if self.next + n > self.buffer.len() {
            self.buffer.copy_within(self.next..self.filled, 0);
            self.start += self.next as u64;
            self.filled -= self.next;
            self.next = 0;
        }
        while self.filled - self.next < n && !self.ended {
            match self.file.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = Some(error.kind());
                    return Err(error);
                }
            }
        }
        Ok(&self.buffer[self.next..self.filled])
    }
}

impl BufRead for Packed {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, n: usize) {
        self.next = (self.next + n).min(self.filled);
    }
}

impl Read for Packed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let n = there.len().min(out.len());
        out[..n].copy_from_slice(&there[..n]);
        self.consume(n);
        Ok(n)
    }
}

/// The error of packed data that are not whole, at the byte `at` of the file.
pub(super) fn damaged(what: impl Into<String>, at: u64) -> io::Error {
    let error = Error::new(ErrorCode::Damaged, what).offset(at);
    io::Error::other(error.hint("copy the file whole, or pack it again"))
}

/// `error` of unpacking, where it is not of the system: damage, with the byte of the file.
pub(super) fn unpacking(error: &io::Error, form: &str, packed: &Packed) -> io::Error {
    match packed.failed() {
        Some(kind) => io::Error::new(kind, error.to_string()),
        None if packed.at_end() => {
            damaged(format!("the file ends inside of its {form} data: it is cut"), packed.position())
        }
        None => damaged(format!("the {form} data of the file do not unpack: {error}"), packed.position()),
    }
}
