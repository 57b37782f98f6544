//! Cuts a run of letters into the terms of languages that put no spaces between words.

use unicode_normalization::char::is_combining_mark;

/// A term inside a run: its bytes, its position behind the first of the run, and the positions that it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) position: usize,
    pub(crate) length: usize,
}

/// How a run is cut on.
#[derive(Clone)]
pub(crate) enum Cut {
    /// Not at all.
    Whole,
    /// Chinese, Japanese and Korean characters, and pairs of neighbours: one alone finds what single characters mean, and a
    /// pair is rare enough to lead the search for a phrase.
    Bigrams,
    #[cfg(feature = "icu")]
    Icu(icu_segmenter::WordSegmenterBorrowed<'static>),
    #[cfg(feature = "jieba")]
    Jieba(Box<tantivy_jieba::JiebaTokenizer>),
}

impl Cut {
    #[cfg(feature = "icu")]
    pub(crate) fn icu() -> Self {
        let options = icu_segmenter::options::WordBreakInvariantOptions::default();
        Self::Icu(icu_segmenter::WordSegmenter::new_dictionary(options))
    }

    /// The dictionary is read at the first use, and shared.
    #[cfg(feature = "jieba")]
    pub(crate) fn jieba() -> Self {
        Self::Jieba(Box::default())
    }

    /// Adds the terms of `run` to `pieces`, in order of position. Gives the number of positions that the run takes.
    pub(crate) fn cut(&mut self, run: &str, pieces: &mut Vec<Piece>) -> usize {
        if run.is_ascii() {
            return whole(run, pieces);
        }
        match self {
            Self::Whole => whole(run, pieces),
            Self::Bigrams => bigrams(run, pieces),
            #[cfg(feature = "icu")]
            Self::Icu(segmenter) => icu(*segmenter, run, pieces),
            #[cfg(feature = "jieba")]
            Self::Jieba(tokenizer) => jieba(tokenizer, run, pieces),
        }
    }
}

fn whole(run: &str, pieces: &mut Vec<Piece>) -> usize {
    pieces.push(Piece { from: 0, to: run.len(), position: 0, length: 1 });
    1
}

fn bigrams(run: &str, pieces: &mut Vec<Piece>) -> usize {
    let mut units = Units { run, at: 0 }.peekable();
    let mut position = 0;
    while let Some((from, to, cjk)) = units.next() {
        pieces.push(Piece { from, to, position, length: 1 });
        if let Some((_, to, true)) = units.peek().filter(|_| cjk) {
            pieces.push(Piece { from, to: *to, position, length: 2 });
        }
        position += 1;
    }
    position
}

/// The characters of a run with what belongs to them, and what stands between such characters as a whole.
struct Units<'a> {
    run: &'a str,
    at: usize,
}

impl Iterator for Units<'_> {
    /// Start, end, and whether it is Chinese, Japanese or Korean.
    type Item = (usize, usize, bool);

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.at;
        let mut chars = self.run[from..].char_indices();
        let cjk = is_cjk(chars.next()?.1);
        let end = chars.find(|&(_, c)| !is_attached(c) && (cjk || is_cjk(c)));
        self.at = end.map_or(self.run.len(), |(at, _)| from + at);
        Some((from, self.at, cjk))
    }
}

/// Whether `c` is written without spaces in Chinese, Japanese or Korean: Han, kana, bopomofo, hangul.
fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{2fdf}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3021}'..='\u{3029}'
        | '\u{3031}'..='\u{303c}'
        | '\u{3041}'..='\u{31bf}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ffdc}'
        | '\u{1aff0}'..='\u{1b16f}'
        | '\u{20000}'..='\u{3ffff}')
}

/// Whether `c` belongs to the character before it: marks, voicing marks of half width, vowels and finals of hangul that
/// is written in its letters.
fn is_attached(c: char) -> bool {
    is_combining_mark(c)
        || matches!(c, '\u{ff9e}' | '\u{ff9f}' | '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}')
}

#[cfg(feature = "icu")]
fn icu(
    segmenter: icu_segmenter::WordSegmenterBorrowed<'static>,
    run: &str,
    pieces: &mut Vec<Piece>,
) -> usize {
    let mut from = 0;
    let mut position = 0;
    for to in segmenter.segment_str(run) {
        // The first border is the start. A part without a letter can only be marks.
        if run[from..to].contains(char::is_alphanumeric) {
            pieces.push(Piece { from, to, position, length: 1 });
            position += 1;
        }
        from = to;
    }
    position
}

#[cfg(feature = "jieba")]
fn jieba(tokenizer: &mut tantivy_jieba::JiebaTokenizer, run: &str, pieces: &mut Vec<Piece>) -> usize {
    use tantivy::tokenizer::{TokenStream, Tokenizer};

    // It would cut letters with accents, which it does not know.
    if !run.contains(is_cjk) {
        return whole(run, pieces);
    }
    let mut stream = tokenizer.token_stream(run);
    while let Some(token) = stream.next() {
        pieces.push(Piece {
            from: token.offset_from,
            to: token.offset_to,
            position: token.position,
            length: token.position_length,
        });
    }
    // Its positions are characters, so that a word and the words in it stand where they should.
    pieces.sort_by_key(|piece| (piece.position, piece.to));
    run.chars().count()
}
