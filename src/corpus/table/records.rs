//! Records of comma- or tab-separated values, one at a time, as RFC 4180 has them and as they are written.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use crate::limits::TABLE_COLUMNS;

/// Bytes that a record is read in.
const BUFFER: usize = 1 << 17;

/// The records of a text.
///
/// A value may be quoted, and then hold delimiters, ends of lines and doubled quotes. A quote inside of a value that does not begin with one
/// stands for itself. Lines end with `\n`, `\r\n` or `\r`; blank ones are passed over.
///
/// Cost: memory for one record.
pub(super) struct Records<R> {
    input: BufReader<R>,
    delimiter: u8,
    limit: usize,
    /// The values of the record, one after the other.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Place and line of the next byte.
    at: u64,
    line: u64,
    /// Whether the last record ended with `\r`, so that `\n` may follow.
    half_end: bool,
    /// Whether a quote at the beginning of a value is more than itself.
    quoting: bool,
    /// Whether a quote opened a value of the last record.
    quoted: bool,
    /// Values of a whole line, where that is known.
    width: Option<usize>,
}

/// Where a record stands, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// 1-based line of its first byte.
    pub(super) line: u64,
    /// Its bytes, without the end of the line.
    pub(super) place: Range<u64>,
    pub(super) fault: Option<Fault>,
    /// Whether quotes hold several lines together of which each alone has as many values as [`Records::expects`] says.
    pub(super) apart: bool,
}

/// Why a record does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Something follows a closing quote, at this place.
    AfterQuote(u64),
    /// A quote at this line and place is never closed: nothing follows.
    Unclosed(u64, u64),
    /// A quote at this line and place is not closed within the bytes of a record: nothing follows.
    Endless(u64, u64),
    /// It is longer than may be, by these bytes in all.
    TooLong(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Plain,
    Quoted,
    /// After a quote inside of a quoted value.
    Quote,
}

impl<R: Read> Records<R> {
    /// Reads from `input`, records of at most `limit` bytes.
    pub(super) fn new(input: R, delimiter: u8, limit: usize) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, input),
            delimiter,
            limit,
            bytes: Vec::new(),
            ends: Vec::new(),
            at: 0,
            line: 1,
            half_end: false,
            quoting: true,
            quoted: false,
            width: None,
        }
    }

    /// Reads from `input` as these are read.
    pub(super) fn alike<S: Read>(&self, input: S) -> Records<S> {
        let records = Records::new(input, self.delimiter, self.limit);
        Records { quoting: self.quoting, ..records }
    }

    /// Takes quotes for themselves, as tab-separated values have them.
    pub(super) fn without_quotes(&mut self) {
        self.quoting = false;
    }

    /// Says how many values a line has.
    pub(super) fn expects(&mut self, width: usize) {
        self.width = Some(width);
    }

    /// What it reads from.
    pub(super) fn get_ref(&self) -> &R {
        self.input.get_ref()
    }

    /// Place of the next byte.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Line of the next byte.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Says what stands between values.
    pub(super) fn delimited_by(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// The bytes that come next, without reading on; at least one unless there are no more.
    pub(super) fn peek(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    /// Passes over the next `n` bytes, which [`Records::peek`] has shown and which end no line.
    pub(super) fn pass(&mut self, n: usize) {
        self.input.consume(n);
        self.at += n as u64;
    }

    /// Number of values of the last record.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The value `at` of the last record.
    pub(super) fn value(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.bytes.get(start..end)
    }

    /// Reads the next record that is not blank; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            match self.record()? {
                Some(record) if record.fault.is_none() && self.is_blank() => {}
                record => return Ok(record),
            }
        }
    }

    fn is_blank(&self) -> bool {
        self.ends.len() == 1 && !self.quoted && self.bytes.iter().all(u8::is_ascii_whitespace)
    }

    fn record(&mut self) -> io::Result<Option<Record>> {
        self.bytes.clear();
        self.ends.clear();
        self.quoted = false;
        if self.half_end {
            self.half_end = false;
            if self.input.fill_buf()?.first() == Some(&b'\n') {
                self.pass(1);
            }
        }
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let (start, line) = (self.at, self.line);
        let mut state = State::Begin;
        let mut fault = None;
        // Of the quote that opened the value.
        let mut opened = (line, start);
        // Delimiters of the line, whatever quotes say, and whether each line so far is as wide as one.
        let (mut between, mut apart) = (0, true);
        loop {
            let there = self.input.fill_buf()?;
            if there.is_empty() {
                if state == State::Quoted {
                    fault.get_or_insert(Fault::Unclosed(opened.0, opened.1));
                }
                self.ends.push(self.bytes.len());
                let whole = self.bytes.last() == Some(&b'\n') || self.width == Some(between + 1);
                let apart = apart && self.line > line && whole;
                return Ok(Some(self.ended(line, start..self.at, fault, apart)));
            }
            let mut used = 0;
            let mut end = None;
            for &byte in there {
                used += 1;
                let at = self.at + used as u64 - 1;
                between += usize::from(byte == self.delimiter);
                let keep = match (state, byte) {
                    (State::Quoted, b'"') => {
                        state = State::Quote;
                        false
                    }
                    (State::Quoted, _) => {
                        if byte == b'\n' {
                            self.line += 1;
                            apart &= self.width == Some(between + 1);
                            between = 0;
                        }
                        true
                    }
                    (State::Quote, b'"') => {
                        state = State::Quoted;
                        true
                    }
                    (_, b'\n' | b'\r') => {
                        end = Some((at, byte == b'\r'));
                        break;
                    }
                    (_, byte) if byte == self.delimiter => {
                        // One value more shows that there is more.
                        if self.ends.len() <= TABLE_COLUMNS {
                            self.ends.push(self.bytes.len());
                        }
                        state = State::Begin;
                        false
                    }
                    (State::Begin, b'"') if self.quoting => {
                        opened = (self.line, at);
                        self.quoted = true;
                        state = State::Quoted;
                        false
                    }
                    (State::Quote, _) => {
                        fault.get_or_insert(Fault::AfterQuote(at));
                        state = State::Plain;
                        true
                    }
                    (State::Begin | State::Plain, _) => {
                        state = State::Plain;
                        true
                    }
                };
                // One byte more shows that there is more.
                if keep && self.bytes.len() <= self.limit {
                    self.bytes.push(byte);
                }
                if self.bytes.len() > self.limit {
                    if state == State::Quoted {
                        fault = Some(Fault::Endless(opened.0, opened.1));
                        break;
                    }
                    fault.get_or_insert(Fault::TooLong(0));
                }
            }
            self.at += used as u64;
            self.input.consume(used);
            if let Some(Fault::Endless(..)) = fault {
                let apart = apart && self.line > line;
                return Ok(Some(self.ended(line, start..self.at, fault, apart)));
            }
            if let Some((at, half)) = end {
                self.half_end = half;
                let apart = apart && self.line > line && self.width == Some(between + 1);
                self.line += 1;
                self.ends.push(self.bytes.len());
                return Ok(Some(self.ended(line, start..at, fault, apart)));
            }
        }
    }

    fn ended(&self, line: u64, place: Range<u64>, fault: Option<Fault>, apart: bool) -> Record {
        let fault = match fault {
            Some(Fault::TooLong(_)) => Some(Fault::TooLong(place.end - place.start)),
            fault => fault,
        };
        // Of a single column every line is as wide as one.
        Record { line, place, fault, apart: apart && self.width > Some(1) }
    }
}

impl Fault {
    /// Whether nothing that follows can be told apart.
    pub(super) fn is_end(self) -> bool {
        matches!(self, Self::Unclosed(..) | Self::Endless(..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(u64, Vec<String>)> {
        let mut records = Records::new(text.as_bytes(), b',', 40);
        let mut out = Vec::new();
        while let Some(record) = records.next().unwrap() {
            assert_eq!(record.fault, None, "{text}");
            let value = |at| String::from_utf8(records.value(at).unwrap().to_vec()).unwrap();
            out.push((record.line, (0..records.len()).map(value).collect()));
        }
        out
    }

    fn faults(text: &str) -> Vec<Option<Fault>> {
        let mut records = Records::new(text.as_bytes(), b',', 40);
        std::iter::from_fn(|| records.next().unwrap()).map(|record| record.fault).collect()
    }

    #[test]
    fn values_quotes_and_ends_of_lines() {
        let rows = |text: &str| read(text).into_iter().map(|(_, row)| row).collect::<Vec<_>>();
        assert_eq!(rows("a,b\nc,d"), [["a", "b"], ["c", "d"]]);
        assert_eq!(rows("a,\"x,\"\"y\"\"\nz\"\r\n,\r\n"), [["a", "x,\"y\"\nz"], ["", ""]]);
        assert_eq!(rows("5\" disk,b\"\"\n"), [["5\" disk", "b\"\""]]);
        assert_eq!(rows("a\rb\r\rc"), [["a"], ["b"], ["c"]]);
        assert_eq!(rows("\"\"\"\"\n"), [["\""]]);
        assert_eq!(rows(""), [[""; 0]; 0]);
        assert_eq!(rows("\n \n\r\n"), [[""; 0]; 0]);
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let lines = |text: &str| read(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(lines("a\n\n\"b\nb\r\nb\"\nc\r\nd"), [1, 3, 6, 7]);
        assert_eq!(lines("a\rb\r\nc"), [1, 2, 3]);
    }

    #[test]
    fn an_empty_value_in_quotes_is_one() {
        assert_eq!(
            read("a\n\"\"\n\n\" \"\n"),
            [(1, vec!["a".into()]), (2, vec![String::new()]), (4, vec![" ".into()])]
        );
    }

    #[test]
    fn lines_that_quotes_hold_together_may_each_be_a_record() {
        let apart = |text: &str| {
            let mut records = Records::new(text.as_bytes(), b'\t', 1000);
            records.expects(2);
            std::iter::from_fn(|| records.next().unwrap()).map(|record| record.apart).collect::<Vec<_>>()
        };
        assert_eq!(apart("1\t\"a\n2\tb\n3\t\"c\"\n"), [true]);
        assert_eq!(apart("1\t\"a\n2\tb\"\n3\tc\n"), [true, false]);
        assert_eq!(apart("1\t\"a\nb\"\n3\tc\n"), [false, false]);
        assert_eq!(apart("1\t\"a\"\n"), [false]);
    }

    #[test]
    fn a_fault_takes_away_its_record_alone() {
        assert_eq!(faults("a,\"b\"c,d\ne"), [Some(Fault::AfterQuote(5)), None]);
        assert_eq!(faults("a\nb,\"c\nd"), [None, Some(Fault::Unclosed(2, 4))]);
        let long = format!("a,{}\nb\nc", "x".repeat(60));
        assert_eq!(faults(&long), [Some(Fault::TooLong(62)), None, None]);
        let open = format!("a\nb,\"{}\nc", "x".repeat(60));
        assert_eq!(faults(&open)[..2], [None, Some(Fault::Endless(2, 4))]);
        let many = ",".repeat(1 << 20);
        let mut records = Records::new(many.as_bytes(), b',', 40);
        assert_eq!(records.next().unwrap().unwrap().fault, None);
        assert_eq!(records.len(), TABLE_COLUMNS + 2);
    }
}
