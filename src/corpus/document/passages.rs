//! Splits long texts into passages.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::error::{Error, ErrorCode, Result};

/// How long texts are split into passages: at most `words` words each, of which the first `overlap` repeat the last ones
/// of the passage before.
///
/// Written `N` or `N:M`. A word is what stands between blanks; where a script is written without blanks (Han, kana),
/// each character is a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passages {
    words: usize,
    overlap: usize,
}

/// As it is written.
impl fmt::Display for Passages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.overlap {
            0 => write!(f, "{}", self.words),
            overlap => write!(f, "{}:{overlap}", self.words),
        }
    }
}

impl Passages {
    /// Passages of at most `words` words, `overlap` of them shared with the passage before.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for no words, or an overlap that leaves no new word.
    pub fn new(words: usize, overlap: usize) -> Result<Self> {
        if words == 0 || overlap >= words {
            return Err(Error::new(ErrorCode::BadArgument, "passages of that length are impossible")
                .expected("at least one word, and an overlap of fewer words than that")
                .got(format!("{words} words, an overlap of {overlap}")));
        }
        Ok(Self { words, overlap })
    }

    /// The passages of `text` in order, as bytes `start..end` of it: each begins and ends with a word, and what is in none of them is blank.
    ///
    /// A text of at most `words` words is one passage, the whole of it with its blanks. A passage ends where a sentence
    /// ends if that is near (in its last quarter), else between two words; without overlap the last two are about equally long, so
    /// that none is a scrap. Cost: O(bytes).
    pub fn split(&self, text: &str) -> Vec<Range<usize>> {
        let words = words(text);
        if words.len() <= self.words {
            return std::iter::once(0..text.len()).collect();
        }
        let mut passages = Vec::new();
        let mut start = 0;
        loop {
            let rest = words.len() - start;
            let end = if rest <= self.words { words.len() } else { start + self.cut(&words[start..]) };
            passages.push(words[start].bytes.start..words[end - 1].bytes.end);
            if end == words.len() {
                return passages;
            }
            // `cut` takes more words than the overlap, so this goes on.
            start = end - self.overlap;
        }
    }

    /// How many of the words of `rest`, which are more than fit, make the next passage; more than the overlap.
    fn cut(&self, rest: &[Word]) -> usize {
        let halves = self.overlap == 0 && rest.len() <= self.words + self.words / 2;
        let most = if halves { rest.len().div_ceil(2) } else { self.words };
        let near = (most / 4).min((self.words - self.overlap) / 2).min(most - 1);
        (most - near..=most).rev().find(|&n| rest[n - 1].ends_sentence).unwrap_or(most)
    }
}

impl FromStr for Passages {
    type Err = Error;

    fn from_str(arg: &str) -> Result<Self> {
        let (words, overlap) = arg.split_once(':').unwrap_or((arg, "0"));
        match (words.parse(), overlap.parse()) {
            (Ok(words), Ok(overlap)) => Self::new(words, overlap),
            _ => Err(Error::new(ErrorCode::BadArgument, "not a length of passages")
                .expected("N or N:M, words of a passage and of its overlap")
                .got(format!("{arg:?}"))),
        }
    }
}

struct Word {
    bytes: Range<usize>,
    ends_sentence: bool,
}

/// The words of `text`, in order, without overlap; between them are blanks alone.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    // Whether the next character goes on with the last word, and what that character was.
    let mut last: Option<char> = None;
    let mut line_ends = 0;
    for (at, c) in text.char_indices() {
        if c.is_whitespace() {
            last = None;
            line_ends += usize::from(c == '\n');
            if line_ends == 2
                && let Some(word) = words.last_mut()
            {
                // A blank line ends a sentence.
                word.ends_sentence = true;
            }
            continue;
        }
        line_ends = 0;
        let end = at + c.len_utf8();
        let goes_on = match last {
            None => false,
            // Signs and marks stay with the character before them.
            Some(before) => !(stands_alone(c) || stands_alone(before) && c.is_alphanumeric()),
        };
        match words.last_mut() {
            Some(word) if goes_on => word.bytes.end = end,
            _ => words.push(Word { bytes: at..end, ends_sentence: false }),
        }
        // A mark after a character of its own keeps that a border: the next letter is a new word.
        last = match last {
            Some(before) if goes_on && stands_alone(before) => Some(before),
            _ => Some(c),
        };
    }
    for word in &mut words {
        word.ends_sentence |= ends_sentence(&text[word.bytes.clone()]);
    }
    words
}

/// A character of a script that is written without blanks between words.
fn stands_alone(c: char) -> bool {
    matches!(c,
        '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn ends_sentence(word: &str) -> bool {
    let closing = |c| matches!(c, '"' | '\'' | ')' | ']' | '}' | '»' | '”' | '’' | '」' | '』' | '）');
    word.trim_end_matches(closing).ends_with(['.', '!', '?', '…', '。', '！', '？', '।', '؟'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split<'a>(arg: &str, text: &'a str) -> Vec<&'a str> {
        let passages: Passages = arg.parse().unwrap();
        passages.split(text).into_iter().map(|passage| &text[passage]).collect()
    }

    #[test]
    fn short_texts_stay_whole() {
        for text in ["", "  \n", "one", " one two  three ", "三つ"] {
            assert_eq!(split("3", text), [text]);
        }
    }

    #[test]
    fn borders_are_those_of_words_and_near_sentences() {
        assert_eq!(split("2", "a b  c\nd e"), ["a b", "c\nd", "e"]);
        // The last two share what is left.
        assert_eq!(split("4", "a b c d e"), ["a b c", "d e"]);
        assert_eq!(
            split("8", "a b c d e f. G h i j k l m n o p q r"),
            ["a b c d e f.", "G h i j k l", "m n o p q r"]
        );
        // A sentence that ends early is not near.
        assert_eq!(split("8", "a b. c d e f g h i j k l m n o p")[0], "a b. c d e f g h");
        assert_eq!(split("8", "a b c d e f g\n\nh i j k l m n o p q")[0], "a b c d e f g");
        assert_eq!(split("8", "a b c d e f \"g.\") h i j k l m n o p q")[0], "a b c d e f \"g.\")");
    }

    #[test]
    fn an_overlap_repeats_words() {
        assert_eq!(split("4:2", "a b c d e f g"), ["a b c d", "c d e f", "e f g"]);
        assert_eq!(split("2:1", "a b. c d"), ["a b.", "b. c", "c d"]);
    }

    #[test]
    fn scripts_without_blanks() {
        assert_eq!(split("4", "猫が座る。犬が走る。鳥が飛ぶ。"), ["猫が座る。", "犬が走る。", "鳥が飛ぶ。"]);
        assert_eq!(split("2", "東京tower高"), ["東京", "tower高"]);
    }

    #[test]
    fn arguments() {
        assert_eq!("7:3".parse::<Passages>().unwrap(), Passages::new(7, 3).unwrap());
        for bad in ["0", "x", "", "3:3", "3:4", "-1", "3:", ":3", "3:1:1"] {
            assert_eq!(bad.parse::<Passages>().unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost(text in "([a-z]{1,3}[.!]?|[\u{4e00}-\u{4e10}。\u{301}]|[ \n\u{3000}]|é̂|😀|\\PC){0,60}", n in 1usize..9, m in 0usize..8) {
            prop_assume!(m < n);
            let passages = Passages::new(n, m).unwrap();
            let ranges = passages.split(&text);
            let all = words(&text);
            let mut covered = 0;
            for (i, range) in ranges.iter().enumerate() {
                let inside: Vec<&Word> =
                    all.iter().filter(|word| range.start <= word.bytes.start && word.bytes.end <= range.end).collect();
                prop_assert!(inside.len() <= n);
                if ranges.len() == 1 {
                    prop_assert_eq!(range, &(0..text.len()));
                    return Ok(());
                }
                // Begins and ends with a word, and goes on from the one before.
                prop_assert_eq!(inside[0].bytes.start, range.start);
                prop_assert_eq!(inside[inside.len() - 1].bytes.end, range.end);
                if i == 0 {
                    prop_assert!(text[..range.start].trim().is_empty());
                } else {
                    let shared = all.iter().filter(|w| w.bytes.start >= range.start && w.bytes.end <= covered).count();
                    prop_assert_eq!(shared, m);
                    prop_assert!(m > 0 || text[covered..range.start].trim().is_empty());
                }
                prop_assert!(range.end > covered);
                covered = range.end;
            }
            prop_assert!(text[covered..].trim().is_empty());
        }
    }
}
