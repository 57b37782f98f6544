//! The words, names and quotes of a query: one cursor over its bytes.

use std::ops::Range;

use super::ast::{Mode, Name, Span, Value};
use super::errors::{syntax, too_much};
use crate::error::Result;
use crate::limits::{QUERY_CLAUSES, QUERY_DEPTH, QUERY_PATTERNS};
use crate::schema::date::Period;

/// Ends the name of a field where no backslash stands before it.
pub(super) const SPECIAL: [char; 15] =
    ['+', '^', '`', ':', '{', '}', '"', '\'', '[', ']', '(', ')', '!', '\\', '*'];
/// Ends a word where no backslash stands before it, as blanks do.
const ENDS_WORD: [char; 12] = ['^', '`', ':', '{', '}', '"', '\'', '[', ']', '(', ')', '\\'];
/// What a backslash in a word stands before, beside blanks and what ends a word: before others it is a letter.
const ESCAPED: [char; 9] = ['-', '*', '?', '~', ',', '!', '/', '&', '|'];
/// Words that are no words but in quotes.
const RESERVED: [&str; 4] = ["AND", "OR", "NOT", "IN"];
/// AND and OR as signs, which need no blanks around them.
const JOINTS: [&str; 2] = ["&&", "||"];
/// Look like the quotes of a phrase, and are letters.
const TYPOGRAPHIC: [char; 5] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}'];

/// Whether a word is none but in quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word)
}

/// Whether `&&` or `||` begins here.
pub(super) fn joins(rest: &str) -> bool {
    JOINTS.iter().any(|joint| rest.starts_with(joint))
}

/// Reads a query from left to right.
pub(super) struct Cursor<'a> {
    pub(super) mode: Mode,
    pub(super) text: &'a str,
    pub(super) at: usize,
    depth: usize,
    spent: Spent,
}

/// What was counted so far of what a query may ask for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    clauses: usize,
    patterns: usize,
}

impl<'a> Cursor<'a> {
    /// `spent` is what other texts of the query took.
    pub(super) fn new(mode: Mode, text: &'a str, spent: Spent) -> Self {
        Self { mode, text, at: 0, depth: 0, spent }
    }

    /// What this text and those before it took.
    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// The character after the next one.
    pub(super) fn second(&self) -> Option<char> {
        self.rest().chars().nth(1)
    }

    /// Passes over `wanted` if it is what comes next.
    pub(super) fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    /// Passes over blanks; whether there were any.
    pub(super) fn blanks(&mut self) -> bool {
        let rest = self.rest();
        let blanks = rest.len() - rest.trim_start().len();
        self.at += blanks;
        blanks > 0
    }

    /// Passes over the word `word` where a blank or an opening parenthesis or bracket follows.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else { return false };
        let found = after.starts_with(|c: char| c.is_whitespace() || c == '(' || c == '[');
        if found {
            self.at += word.len();
        }
        found
    }

    /// Whether a star stands here that is a clause, not the beginning of a word.
    pub(super) fn star(&self) -> bool {
        let ends = |c: char| c.is_whitespace() || (ENDS_WORD.contains(&c) && c != '\\');
        let ends = |after: &str| joins(after) || after.chars().next().is_none_or(ends);
        self.rest().strip_prefix('*').is_some_and(ends)
    }

    pub(super) fn span(&self, start: usize) -> Span {
        Span(start..self.at)
    }

    pub(super) fn error(&self, at: usize, why: &str) -> crate::Error {
        syntax(self.mode, self.text, at, why)
    }

    /// Goes one group or exclusion deeper: the parser works on the stack.
    pub(super) fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth <= QUERY_DEPTH {
            return Ok(());
        }
        Err(super::errors::too_deep(self.mode, self.at))
    }

    /// Counts a clause that asks `fields`, in all groups around it.
    pub(super) fn clause(&mut self, fields: usize) -> Result<()> {
        self.spent.clauses += (1 + self.depth) * fields.max(1);
        if self.spent.clauses <= QUERY_CLAUSES {
            return Ok(());
        }
        let (what, unit) = ("has too many clauses", "clauses, each in every group and field");
        Err(too_much(self.mode, self.at, what, QUERY_CLAUSES, self.spent.clauses, unit))
    }

    /// Counts a pattern of so many bytes, in each of `fields`.
    pub(super) fn pattern(&mut self, bytes: usize, fields: usize) -> Result<()> {
        self.spent.patterns += bytes * fields.max(1);
        if self.spent.patterns <= QUERY_PATTERNS {
            return Ok(());
        }
        let (what, unit) = ("has too long or too many patterns", "bytes of patterns, in every field");
        Err(too_much(self.mode, self.at, what, QUERY_PATTERNS, self.spent.patterns, unit))
    }

    pub(super) fn higher(&mut self) {
        self.depth -= 1;
    }

    /// The name of a field, its colon and the blanks after it; nothing is passed over where there is none.
    pub(super) fn field_name(&mut self) -> Option<Name> {
        if self.instant().is_some() {
            return None;
        }
        let start = self.at;
        let (mut path, rest) = (String::new(), self.rest());
        let mut chars = rest.char_indices().peekable();
        let mut end = self.text.len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.peek() {
                    Some(&(_, next)) if SPECIAL.contains(&next) || [' ', '&', '|'].contains(&next) => {
                        path.push(next);
                        chars.next();
                    }
                    _ => path.push('\\'),
                },
                c if SPECIAL.contains(&c) || c.is_whitespace() || (c == '-' && path.is_empty()) => {
                    end = start + at;
                    break;
                }
                _ if joins(&rest[at..]) => {
                    end = start + at;
                    break;
                }
                c => path.push(c),
            }
        }
        self.at = end;
        self.blanks();
        if path.is_empty() || !self.eat(':') {
            self.at = start;
            return None;
        }
        self.blanks();
        Some(Name { path, span: Span(start..end) })
    }

    /// Whether the number of a value stands here, with its minus, and ends here.
    pub(super) fn negative_number(&self) -> bool {
        let ends = |c: char| c.is_whitespace() || [')', '^', '&', '|'].contains(&c);
        let word = self.rest().split(ends).next().unwrap_or_default();
        self.digit_follows() && word.parse::<f64>().is_ok()
    }

    /// Whether a digit follows the minus that stands here, maybe after a point.
    fn digit_follows(&self) -> bool {
        let Some(after) = self.rest().strip_prefix('-') else { return false };
        after.strip_prefix('.').unwrap_or(after).starts_with(|c: char| c.is_ascii_digit())
    }

    /// Bytes of the instant that stands here, such as `2024-05-01T10:00:00Z`: its colons end no word, as they do in bounds.
    fn instant(&self) -> Option<usize> {
        let rest = self.rest();
        let dated = rest.as_bytes().get(10).is_some_and(|c| matches!(c, b'T' | b't'));
        if !dated || rest.as_bytes().get(13) != Some(&b':') {
            return None;
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '+');
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        Period::of(&rest[..length], 1, true).map(|_| length)
    }

    /// A word that nothing quotes; in a list a comma ends it too.
    pub(super) fn word(&mut self, list: List) -> Result<Value> {
        let start = self.at;
        if self.peek() == Some('-') && !self.digit_follows() {
            return Err(self.error(start, "a value begins with `-`").hint(
                "put the - before the name of the field to leave documents out, or the value into quotes",
            ));
        }
        if let Some(length) = self.instant() {
            self.at += length;
            let text = self.text[start..self.at].to_owned();
            return Ok(Value { text, quoted: false, marks: vec![], span: self.span(start) });
        }
        let (mut text, mut marks) = (String::new(), Vec::new());
        // The last character, if no backslash stands before it.
        let mut last = None;
        let rest = self.rest();
        let mut chars = rest.char_indices();
        let mut end = self.text.len();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                let Some((_, next)) = chars.next() else {
                    return Err(self.error(start + at, "a backslash stands before nothing"));
                };
                let known = next.is_whitespace() || ENDS_WORD.contains(&next) || ESCAPED.contains(&next);
                if !(known || TYPOGRAPHIC.contains(&next) || (next == '=' && at == 0)) {
                    text.push('\\');
                }
                text.push(next);
                last = None;
                continue;
            }
            let comma = c == ',' && list == List::Yes;
            if c.is_whitespace() || ENDS_WORD.contains(&c) || comma || joins(&rest[at..]) {
                end = start + at;
                break;
            }
            if matches!(c, '*' | '?' | '~') {
                marks.push(text.len());
            }
            text.push(c);
            last = Some(c);
        }
        let written = &self.text[start..end];
        if RESERVED.contains(&written) {
            let why = format!("`{written}` stands where a word or value is expected");
            return Err(self.error(start, &why).hint("put it into quotes to look for the word"));
        }
        if text.is_empty() {
            return Err(self.nothing(start));
        }
        // Read as a letter it would keep what is to be left out.
        let says = text.contains(char::is_alphanumeric) || (self.mode == Mode::Filter && written != "!");
        if written.starts_with('!') && says {
            return Err(self.error(start, "a value begins with `!`").hint(
                "put NOT before the name of the field to leave documents out, or the value into quotes",
            ));
        }
        if self.mode == Mode::Filter {
            self.is_plain(start, written, last)?;
        }
        self.at = end;
        Ok(Value { text, quoted: false, marks, span: Span(start..end) })
    }

    /// Refuses a word of a filter that is meant as more than letters; `last` is its end, if nothing escapes it.
    fn is_plain(&self, start: usize, written: &str, last: Option<char>) -> Result<()> {
        if written.starts_with('=') {
            return Err(self
                .error(start, "a value begins with `=`")
                .hint("a value stands right after the colon; put one that begins with = into quotes"));
        }
        let meant = |word: &&str| {
            let after = written.strip_prefix(word).and_then(|after| after.chars().next());
            after.is_some_and(|c| !c.is_alphanumeric() && c != '_' && c != '\\')
        };
        if let Some(word) = ["AND", "OR", "NOT"].into_iter().find(meant) {
            return Err(self
                .error(start, &format!("a word begins with {word} and a sign"))
                .hint("put a blank after it, or quotes around the word"));
        }
        let first = written.chars().next();
        match [first, last].into_iter().flatten().find(|c| TYPOGRAPHIC.contains(c)) {
            None => Ok(()),
            Some(quote) => Err(self
                .error(start, &format!("the quote {quote} is a letter here, and quotes nothing"))
                .expected("the quote \" around a phrase")
                .hint(format!("write \"a b\" for a phrase, and \"{quote}\" where the letter is meant"))),
        }
    }

    /// What is wrong where a word is expected and none stands.
    fn nothing(&self, at: usize) -> crate::Error {
        match self.peek() {
            Some(_) if joins(self.rest()) => self
                .error(at, &format!("`{}` stands where a word or value is expected", &self.rest()[..2]))
                .hint("put it into quotes to look for the signs"),
            None => self.error(at, "a word or value is missing at the end"),
            Some(':') => self.error(at, "a `:` stands without the name of a field before it"),
            Some(c) => self.error(at, &format!("`{c}` stands where a word or value is expected")),
        }
    }

    /// What stands in the quotes that begin here, single or double.
    pub(super) fn quoted(&mut self, quote: char) -> Result<Value> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c if c == quote => {
                    self.at = start + at + c.len_utf8();
                    return Ok(Value { text, quoted: true, marks: vec![], span: Span(start..self.at) });
                }
                c => text.push(c),
            }
        }
        Err(self.error(start, &format!("the quote {quote} is never closed")))
    }

    /// A bound of a range: in quotes, or all up to a blank, bracket or parenthesis, dates with their colons too.
    pub(super) fn bound(&mut self) -> Result<Value> {
        if let Some(quote) = self.peek().filter(|c| *c == '"' || *c == '\'') {
            return self.quoted(quote);
        }
        let start = self.at;
        let ends = |c: char| c.is_whitespace() || ['{', '}', '"', '[', ']', '(', ')'].contains(&c);
        let rest = self.rest();
        let ends = [rest.find(ends), rest.find(JOINTS[0]), rest.find(JOINTS[1])];
        let length = ends.into_iter().flatten().min().unwrap_or(rest.len());
        let range: Range<usize> = start..start + length;
        if length == 0 || self.peek() == Some('`') {
            return Err(self.error(start, "a range lacks a bound").hint("write * for an open end"));
        }
        if self.peek().is_some_and(|c| ['<', '>', '=', '!'].contains(&c)) {
            return Err(self.error(start, "a bound begins with a sign of comparison").hint(
                "comparisons are >, >=, < and <=; other documents are left out by NOT; put such a value into quotes",
            ));
        }
        if self.mode == Mode::Filter {
            self.is_plain(start, &rest[..length], rest[..length].chars().next_back())?;
        }
        self.at = range.end;
        Ok(Value {
            text: self.text[range.clone()].to_owned(),
            quoted: false,
            marks: vec![],
            span: Span(range),
        })
    }

    /// The number after a sign such as ^ or ~, as its digits; with a fraction where `fraction` says so.
    pub(super) fn digits(&mut self, fraction: Fraction) -> Option<&'a str> {
        let rest = self.rest();
        let whole = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if whole == 0 {
            return None;
        }
        let mut length = whole;
        if let (Fraction::Allowed, Some(after)) = (fraction, rest[whole..].strip_prefix('.')) {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            length += if digits > 0 { 1 + digits } else { 0 };
        }
        self.at += length;
        Some(&rest[..length])
    }
}

/// Whether a word stands in a list of values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    Yes,
    No,
}

/// Whether a number may have one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fraction {
    Allowed,
    Refused,
}
