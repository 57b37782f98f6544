//! The terms that an analysis makes of a text, and the words that it leaves out.

use tantivy::tokenizer::{MAX_TOKEN_LEN, TextAnalyzer};

use super::Mode;
use super::target::Lost;

/// The terms of a text with their places, and the words that became none.
#[derive(Default)]
pub(super) struct Analysed {
    pub(super) terms: Vec<(usize, String)>,
    /// Left out between two terms, so that their places tell.
    inside: Vec<String>,
    /// Left out before the first or after the last term, where no place tells.
    edges: Vec<String>,
    /// Pictures and the like that no term covers: keywords go without them.
    symbols: Vec<String>,
}

impl Analysed {
    pub(super) fn of(analyzer: &mut TextAnalyzer, text: &str) -> Self {
        let mut out = Self::default();
        let mut covered: Vec<(usize, usize)> = Vec::new();
        analyzer.token_stream(text).process(&mut |token| {
            // The host leaves longer ones out of the index.
            if token.text.len() <= MAX_TOKEN_LEN {
                out.terms.push((token.position, token.text.clone()));
                covered.push((token.offset_from, token.offset_to));
            }
        });
        covered.sort_unstable();
        let covered = joined(&covered);
        let first = covered.first().map_or(text.len(), |span| span.0);
        let last = covered.last().map_or(0, |span| span.1);
        let uncovered = |runs: Vec<(usize, usize)>| {
            let (mut at, covered) = (0, &covered);
            // Both are in order, and each side is passed over once.
            let free = move |run: &(usize, usize)| {
                while covered.get(at).is_some_and(|span| span.1 <= run.0) {
                    at += 1;
                }
                covered.get(at).is_none_or(|span| span.0 >= run.1)
            };
            runs.into_iter().filter(free).collect::<Vec<_>>()
        };
        // A run that a term touches was cut, not left out.
        for (from, to) in uncovered(runs(text, char::is_alphanumeric)) {
            let word = text[from..to].to_owned();
            if from >= first && to <= last { out.inside.push(word) } else { out.edges.push(word) }
        }
        let symbols = uncovered(runs(text, is_symbol)).into_iter();
        out.symbols = symbols.map(|(from, to)| text[from..to].to_owned()).collect();
        out
    }

    /// Why this cannot be asked, if so.
    pub(super) fn lost(&self, mode: Mode, text: &str) -> Option<Lost> {
        let all = || self.edges.iter().chain(&self.inside).map(|word| shortened(word)).collect::<Vec<_>>();
        if self.terms.is_empty() {
            return Some(match (all(), text.trim().is_empty()) {
                (words, _) if !words.is_empty() => Lost::Words(words),
                (_, true) => Lost::Blank,
                (_, false) => Lost::Signs,
            });
        }
        let kept = self.inside.is_empty() && self.symbols.is_empty();
        let whole = self.edges.is_empty() && (mode == Mode::Keywords || kept);
        let symbols = || self.symbols.iter().filter(|_| mode == Mode::Filter).map(|word| shortened(word));
        (!whole).then(|| Lost::Some(all().into_iter().chain(symbols()).collect()))
    }
}

/// Spans in order, with those that touch made one.
fn joined(spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => out.push(*span),
        }
    }
    out
}

/// Arrows, technical signs, dingbats, emoji: they mean something, and no analysis of words keeps them.
fn is_symbol(c: char) -> bool {
    let operators = ('\u{2200}'..='\u{22ff}').contains(&c);
    !operators && matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !c.is_alphanumeric()
}

/// The runs of characters that `is` takes, in bytes.
fn runs(text: &str, is: fn(char) -> bool) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is(*c)) {
        match out.last_mut() {
            Some(last) if last.1 == at => last.1 = at + c.len_utf8(),
            _ => out.push((at, at + c.len_utf8())),
        }
    }
    out
}

fn shortened(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((at, _)) => format!("`{}..` of {} bytes", &word[..at], word.len()),
        None => format!("`{word}`"),
    }
}
