//! Filters that write a term otherwise.

use std::mem;

use tantivy::tokenizer::{Token, TokenFilter, TokenStream, Tokenizer};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Writes each term into the empty string as it should be; gives `false` where it stays as it is.
#[derive(Clone, Copy)]
pub(crate) struct Rewrite(pub(crate) fn(&str, &mut String) -> bool);

/// Writes letters and their marks in the form NFC.
pub(crate) fn compose(text: &str, out: &mut String) -> bool {
    if is_composed(text) {
        return false;
    }
    out.extend(text.nfc());
    true
}

/// Bytes of `text` in the form NFC.
pub(crate) fn composed_len(text: &str) -> usize {
    if is_composed(text) { text.len() } else { text.nfc().map(char::len_utf8).sum() }
}

/// Whether `text` is in the form NFC; `false` also where that takes more than a look.
fn is_composed(text: &str) -> bool {
    text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// Takes accents off letters that have no twin in ASCII: Greek, Cyrillic, and marks of their own.
pub(crate) fn strip_marks(text: &str, out: &mut String) -> bool {
    if text.is_ascii() {
        return false;
    }
    out.extend(text.nfd().filter(|c| !('\u{300}'..='\u{36f}').contains(c)).nfc());
    true
}

/// The two letters whose lower case is another one in Turkish.
pub(crate) fn lower_turkish(text: &str, out: &mut String) -> bool {
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
pub(crate) struct Rewriter<T> {
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
pub(crate) struct Rewritten<S> {
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
