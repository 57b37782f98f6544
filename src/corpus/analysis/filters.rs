//! Filters that write a term otherwise.

use std::mem;

use tantivy::tokenizer::{Token, TokenFilter, TokenStream, Tokenizer};
use unicode_normalization::UnicodeNormalization;

/// Writes each term into the empty string as it should be; gives `false` where it stays as it is.
#[derive(Clone, Copy)]
pub(super) struct Rewrite(pub(super) fn(&str, &mut String) -> bool);

/// Takes accents off letters that have no twin in ASCII: Greek, Cyrillic, and marks of their own.
pub(super) fn strip_marks(text: &str, out: &mut String) -> bool {
    if text.is_ascii() {
        return false;
    }
    out.extend(text.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc());
    true
}

/// The two letters whose lower case is another one in Turkish.
pub(super) fn lower_turkish(text: &str, out: &mut String) -> bool {
    if !text.contains(['I', 'İ']) {
        return false;
    }
    out.extend(text.chars().map(|c| match c {
        'I' => 'ı',
        'İ' => 'i',
        other => other,
    }));
    true
}

impl TokenFilter for Rewrite {
    type Tokenizer<T: Tokenizer> = Rewriter<T>;

    fn transform<T: Tokenizer>(self, tokenizer: T) -> Rewriter<T> {
        Rewriter { rewrite: self, tokenizer }
    }
}

/// A tokenizer whose terms are rewritten.
#[derive(Clone)]
pub(super) struct Rewriter<T> {
    rewrite: Rewrite,
    tokenizer: T,
}

impl<T: Tokenizer> Tokenizer for Rewriter<T> {
    type TokenStream<'a> = Rewritten<T::TokenStream<'a>>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Self::TokenStream<'a> {
        Rewritten { rewrite: self.rewrite, tail: self.tokenizer.token_stream(text), buffer: String::new() }
    }
}

/// The rewritten terms of one text.
pub(super) struct Rewritten<S> {
    rewrite: Rewrite,
    tail: S,
    buffer: String,
}

impl<S: TokenStream> TokenStream for Rewritten<S> {
    fn advance(&mut self) -> bool {
        if !self.tail.advance() {
            return false;
        }
        self.buffer.clear();
        if (self.rewrite.0)(&self.tail.token().text, &mut self.buffer) {
            mem::swap(&mut self.tail.token_mut().text, &mut self.buffer);
        }
        true
    }

    fn token(&self) -> &Token {
        self.tail.token()
    }

    fn token_mut(&mut self) -> &mut Token {
        self.tail.token_mut()
    }
}
