//! Runs of characters inside a term, all at the place of the term, so that a query finds the words that hold all of its own.

use tantivy::tokenizer::{Token, TokenFilter, TokenStream, Tokenizer};

/// Runs of `min` to `max` characters; a term of fewer than `min` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grams {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) begin: Begin,
}

/// Where in a term the runs begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    Anywhere,
    Start,
}

impl TokenFilter for Grams {
    type Tokenizer<T: Tokenizer> = GramTokenizer<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> GramTokenizer<T> {
        GramTokenizer { grams: self, tokenizer }
    }
}

/// A tokenizer whose terms are cut into runs.
#[derive(Clone)]
pub(crate) struct GramTokenizer<T> {
    grams: Grams,
    tokenizer: T,
}

impl<T: Tokenizer> Tokenizer for GramTokenizer<T> {
    type TokenStream<'a> = GramStream<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        let tail = self.tokenizer.token_stream(text);
        // No term yet: the first step fetches one.
        GramStream { grams: self.grams, tail, ends: vec![], start: 0, length: 0, token: Token::default() }
    }
}

/// The runs of one text. Offsets are those of the term: its letters may not be those of the text any more.
pub(crate) struct GramStream<S> {
    grams: Grams,
    tail: S,
    /// Where the characters of the term end.
    ends: Vec<usize>,
    /// The next run, in characters.
    start: usize,
    length: usize,
    token: Token,
}

impl<S: TokenStream> GramStream<S> {
    /// Whether the next run is inside the term; goes on to the next start where it is not.
    fn inside(&mut self) -> bool {
        let last = match self.grams.begin {
            Begin::Anywhere => self.ends.len(),
            Begin::Start => 1,
        };
        if self.length > self.grams.max || self.start + self.length > self.ends.len() {
            self.start += 1;
            self.length = self.grams.min;
        }
        self.start < last && self.start + self.length <= self.ends.len()
    }

    /// Takes the next term; `false` at the end. Its runs come next, or the whole term where it is shorter than they are.
    fn term(&mut self) -> bool {
        if !self.tail.advance() {
            return false;
        }
        let term = self.tail.token();
        self.ends.clear();
        self.ends.extend(term.text.char_indices().map(|(at, c)| at + c.len_utf8()));
        self.token.clone_from(term);
        self.start = 0;
        self.length = self.grams.min.min(self.ends.len());
        true
    }
}

impl<S: TokenStream> TokenStream for GramStream<S> {
    fn advance(&mut self) -> bool {
        while self.length == 0 || !self.inside() {
            if !self.term() {
                return false;
            }
        }
        let from = self.start.checked_sub(1).map_or(0, |before| self.ends[before]);
        let to = self.ends[self.start + self.length - 1];
        self.token.text.clear();
        self.token.text.push_str(&self.tail.token().text[from..to]);
        self.length += 1;
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
