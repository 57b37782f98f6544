//! Cuts a text into runs of letters, digits and the marks on them, and the runs on by a [`Cut`].

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

use super::cut::{Cut, Piece};

/// Terms are in the form NFKC: however an accent is written, and whether letters are full or half as wide, they are equal.
#[derive(Clone)]
pub(crate) struct WordTokenizer {
    cut: Cut,
}

impl WordTokenizer {
    pub(crate) fn new(cut: Cut) -> Self {
        Self { cut }
    }
}

impl Tokenizer for WordTokenizer {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        let token = Token::default();
        WordStream {
            cut: &mut self.cut,
            text,
            from: 0,
            to: 0,
            pieces: vec![],
            at: 0,
            first: 0,
            next: 0,
            token,
        }
    }
}

/// The terms of one text.
pub(crate) struct WordStream<'a> {
    cut: &'a mut Cut,
    text: &'a str,
    /// The run that is cut at present.
    from: usize,
    to: usize,
    pieces: Vec<Piece>,
    at: usize,
    /// Positions of this run and of the next one.
    first: usize,
    next: usize,
    token: Token,
}

impl WordStream<'_> {
    /// Cuts the next run; `false` where there is none.
    fn run(&mut self) -> bool {
        let rest = &self.text[self.to..];
        let Some(start) = rest.find(char::is_alphanumeric) else { return false };
        let inside = |c: char| c.is_alphanumeric() || (!c.is_ascii() && is_combining_mark(c));
        let length = rest[start..].find(|c| !inside(c)).unwrap_or(rest.len() - start);
        self.from = self.to + start;
        self.to = self.from + length;
        self.pieces.clear();
        self.at = 0;
        self.first = self.next;
        self.next += self.cut.cut(&self.text[self.from..self.to], &mut self.pieces);
        true
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        while self.at == self.pieces.len() {
            if !self.run() {
                return false;
            }
        }
        let piece = self.pieces[self.at];
        self.at += 1;
        self.token.offset_from = self.from + piece.from;
        self.token.offset_to = self.from + piece.to;
        self.token.position = self.first + piece.position;
        self.token.position_length = piece.length;
        let written = &self.text[self.token.offset_from..self.token.offset_to];
        self.token.text.clear();
        if written.is_ascii() || is_nfkc_quick(written.chars()) == IsNormalized::Yes {
            self.token.text.push_str(written);
        } else {
            self.token.text.extend(written.nfkc());
        }
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
