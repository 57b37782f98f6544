//! A form of a refused query that works, for its error: each one is parsed before it is shown.

use super::ast::Mode;
use super::{Grammar, lex};
use crate::error::{Error, ErrorCode};
use crate::hint::{Hint, Setting};

/// Bytes of the longest query that a form is made of: an error is a sentence.
const LONGEST: usize = 1000;
/// Places of a filter that are mended at most.
const PLACES: usize = 8;

impl Grammar {
    /// `error` of the query `text`, with a form of it that works where there is one.
    pub(super) fn with_form(&self, mode: Mode, text: &str, error: Error) -> Error {
        let about_text = matches!(error.code(), ErrorCode::BadQuery | ErrorCode::UnknownField);
        let Some(at) = error.facts().offset.filter(|_| about_text && text.len() <= LONGEST) else {
            return error;
        };
        let works = |form: &String| form != text && self.read(mode, form).is_ok();
        let way = match mode {
            Mode::Keywords => {
                let form = [escaped(text), bare(text)].into_iter().find(works);
                let way =
                    form.map(|form| format!("to look for the text itself, write {form} , or give it as"));
                Hint::new(way.unwrap_or_else(|| "text as people type it is given as".to_owned()))
                    .setting(Setting::Words)
            }
            Mode::Filter => {
                let ends = ["\"", "'", ")"].map(|end| format!("{text}{end}"));
                let mended = std::iter::once_with(|| self.mended(text, at)).flatten();
                // Patterns and existence of a field that is not there are meant as such.
                let meant = error.code() == ErrorCode::UnknownField && text.contains('*');
                match ends.into_iter().chain(mended).find(works).filter(|_| !meant) {
                    Some(form) if error.code() == ErrorCode::UnknownField => {
                        Hint::new(format!("to look for the text itself, such as {form}"))
                    }
                    Some(form) => Hint::new(format!("such as {form}")),
                    None => return error,
                }
            }
        };
        let hint = match &error.facts().hint {
            Some(hint) => Hint::new("").then(hint).text("; ").then(&way),
            None => way,
        };
        error.hint(hint)
    }

    /// A filter with the value at byte `at` in quotes, and so on until it parses.
    fn mended(&self, text: &str, at: u64) -> Option<String> {
        let (mut text, mut at) = (text.to_owned(), at);
        for _ in 0..PLACES {
            let at_most = usize::try_from(at).ok()?.min(text.len());
            let begin = text
                .get(..at_most)?
                .rfind(char::is_whitespace)
                .map_or(0, |blank| blank + text[blank..].chars().next().map_or(0, char::len_utf8));
            let end = text[begin..].find(char::is_whitespace).map_or(text.len(), |length| begin + length);
            let chunk = self.quoted(&text[begin..end])?;
            text.replace_range(begin..end, &chunk);
            match self.read(Mode::Filter, &text) {
                Ok(_) => return Some(text),
                Err(error) => at = error.facts().offset?,
            }
        }
        None
    }

    /// A clause without blanks with its value in quotes; `None` where it has none, or is in quotes already.
    fn quoted(&self, chunk: &str) -> Option<String> {
        let inside = chunk.trim_start_matches(['(', '+', '-', '!']);
        let (before, inside) = (&chunk[..chunk.len() - inside.len()], inside.trim_end_matches(')'));
        let after = &chunk[before.len() + inside.len()..];
        let named = inside.split_once(':').filter(|(name, _)| self.schema.find_field(name).is_some());
        let (name, value) = match named {
            Some((name, value)) => (format!("{name}:"), value),
            None => (String::new(), inside),
        };
        let structure =
            value.starts_with(['[', '{', '<', '>', '"']) || !value.contains(char::is_alphanumeric);
        if structure || lex::is_reserved(value) {
            return None;
        }
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        Some(format!("{before}{name}\"{value}\"{after}"))
    }
}

/// The words of a text with a backslash before each sign that means something; signs alone are left out.
fn escaped(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
    let word = |word: &str| match lex::is_reserved(word) {
        true => format!("\"{word}\""),
        false => {
            let plain =
                |c: char| c.is_alphanumeric() || ['.', ',', '_', '%', '$', '@', '#', ';'].contains(&c);
            let mut out = String::with_capacity(word.len());
            for (at, c) in word.char_indices() {
                // A hyphen inside of a word is a letter.
                if c.is_ascii() && !plain(c) && (c != '-' || at == 0) {
                    out.push('\\');
                }
                out.push(c);
            }
            out
        }
    };
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// The words of a text without any sign.
fn bare(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let word = |word: &str| if lex::is_reserved(word) { format!("\"{word}\"") } else { word.to_owned() };
    words.map(word).collect::<Vec<_>>().join(" ")
}
