//! From a text to the token ids of a model, cut to its length; and from a long text to passages that fit.

use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer, TruncationParams};

use super::config::Settings;
use crate::encode::hashing::has_word;
use crate::error::{Error, ErrorCode, Result};
use crate::limits;

/// The tokens of one text, special ones included; at least one.
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    pub(super) types: Vec<u32>,
}

/// The tokenizer of a model.
pub(super) struct Reader {
    file: PathBuf,
    tokenizer: Tokenizer,
    /// The same, which reads a text to its end.
    unlimited: Tokenizer,
    lower_case: bool,
    /// Whether the tokens of a text up to a space are the first tokens of the text.
    by_words: bool,
    max_tokens: usize,
    /// Tokens of a passage without the special ones.
    room: usize,
    hash: [u8; 32],
}

impl Reader {
    /// Reads `dir/tokenizer.json`, which may not name tokens that the model of `settings` does not have.
    pub(super) fn open(dir: &Path, settings: &Settings) -> Result<Self> {
        let file = dir.join("tokenizer.json");
        let bytes = limits::read_file(&file, u64::MAX, "the tokenizer")?;
        let damaged = |what: String| Error::new(ErrorCode::Damaged, what).file(&file);
        let mut tokenizer = Tokenizer::from_bytes(&bytes)
            .map_err(|error| damaged(format!("the tokenizer does not parse: {error}")))?;
        let highest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if highest as usize >= settings.vocabulary {
            return Err(Error::new(
                ErrorCode::BadDimension,
                "the tokenizer has tokens that the model has not",
            )
            .file(&file)
            .expected(format!("ids below {}", settings.vocabulary))
            .got(highest)
            .hint("take the tokenizer.json that was published with the model"));
        }
        // What the file says of both is for another use: rows are never padded here.
        tokenizer.with_padding(None);
        let uncut = tokenizer.with_truncation(None).map(|_| ());
        uncut.map_err(|error| damaged(error.to_string()))?;
        let special = tokenizer.encode_fast("", true).map_err(|error| damaged(error.to_string()))?.len();
        let room = settings.max_tokens.saturating_sub(special);
        if special == 0 || room == 0 {
            return Err(Error::new(ErrorCode::BadValue, "the model leaves no room for a text")
                .file(&file)
                .expected("special tokens around a text, and at least one more token")
                .got(format!("{special} of {} tokens", settings.max_tokens)));
        }
        let by_words = by_words(&tokenizer);
        let unlimited = tokenizer.clone();
        let cut = TruncationParams { max_length: settings.max_tokens, ..TruncationParams::default() };
        let limited = tokenizer.with_truncation(Some(cut)).map(|_| ());
        limited.map_err(|error| damaged(error.to_string()))?;
        let hash = Sha256::digest(&bytes).into();
        let (lower_case, max_tokens) = (settings.lower_case, settings.max_tokens);
        Ok(Self { file, tokenizer, unlimited, lower_case, by_words, max_tokens, room, hash })
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Of a long text, no more is read than gives all tokens that fit.
    pub(super) fn tokens(&self, text: &str) -> Result<Tokens> {
        let mut most = self.max_tokens.saturating_mul(BYTES_OF_A_TOKEN);
        while self.by_words && most < text.len() {
            if let Some(start) = up_to_space(text, most) {
                let tokens = self.tokens_of(start)?;
                if tokens.ids.len() >= self.max_tokens {
                    return Ok(tokens);
                }
            }
            most = most.saturating_mul(2);
        }
        self.tokens_of(text)
    }

    /// Whether nothing of `text` becomes a token; one that the tokenizer fails on is told where it is encoded.
    pub(super) fn is_empty(&self, text: &str) -> bool {
        let special = self.max_tokens - self.room;
        // A letter is always a token, if only an unknown one.
        !has_word(text) && self.tokens(text).is_ok_and(|tokens| tokens.ids.len() <= special)
    }

    fn tokens_of(&self, text: &str) -> Result<Tokens> {
        let encoding = match self.lower_case {
            false => self.tokenizer.encode_fast(text, true),
            true => self.tokenizer.encode_fast(text.to_lowercase(), true),
        };
        let encoding = encoding.map_err(|error| self.failed(&error))?;
        Ok(Tokens { ids: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() })
    }

    /// Ranges of bytes of `text`, in order: each as many whole words as fit, and `overlap` tokens of the one before.
    ///
    /// A word that does not fit by itself is a passage by itself. No range for a text without tokens.
    pub(super) fn passages(&self, text: &str, overlap: usize) -> Result<Vec<Range<usize>>> {
        let encoding = self.unlimited.encode(text, false).map_err(|error| self.failed(&error))?;
        let mut words: Vec<(Range<usize>, usize)> = Vec::new();
        let mut last = None;
        for (&(start, end), &word) in encoding.get_offsets().iter().zip(encoding.get_word_ids()) {
            match words.last_mut() {
                Some((range, tokens)) if word.is_some() && word == last => {
                    (range.end, *tokens) = (range.end.max(end), *tokens + 1);
                }
                _ => words.push((start..end, 1)),
            }
            last = word;
        }
        Ok(windows(&words, self.room, overlap))
    }

    fn failed(&self, error: &tokenizers::Error) -> Error {
        Error::new(ErrorCode::BadValue, format!("the tokenizer fails on a text: {error}")).file(&self.file)
    }
}

/// Bytes of a text that are read at first for each token that fits.
const BYTES_OF_A_TOKEN: usize = 64;

/// Whether a tokenizer cuts at spaces before all else, and has no token that reaches over one.
fn by_words(tokenizer: &Tokenizer) -> bool {
    matches!(tokenizer.get_pre_tokenizer(), Some(PreTokenizerWrapper::BertPreTokenizer(_)))
        && matches!(tokenizer.get_normalizer(), None | Some(NormalizerWrapper::BertNormalizer(_)))
        && !tokenizer.get_added_tokens_decoder().values().any(|t| t.content.contains(char::is_whitespace))
}

/// The text before the last space among its first `most` bytes. Spaces that a normalizer may remove do not count.
fn up_to_space(text: &str, most: usize) -> Option<&str> {
    let at = text.as_bytes().get(..most)?.iter().rposition(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'))?;
    text.get(..at)
}

/// Ranges of the most `words` that have at most `room` tokens together, each beginning within `overlap` tokens of the
/// end of the one before.
fn windows(words: &[(Range<usize>, usize)], room: usize, overlap: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut first = 0;
    while first < words.len() {
        let (mut end, mut tokens) = (first, 0);
        while end < words.len() && (end == first || tokens + words[end].1 <= room) {
            tokens += words[end].1;
            end += 1;
        }
        out.push(words[first].0.start..words[end - 1].0.end);
        if end == words.len() {
            break;
        }
        // Back as far as the overlap, but with room for the next word: no passage lies within the one before.
        let (mut next, mut back) = (end, 0);
        let most = overlap.min(room.saturating_sub(words[end].1));
        while next > first + 1 && back + words[next - 1].1 <= most {
            back += words[next - 1].1;
            next -= 1;
        }
        first = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of words with pieces, with room for `max_tokens`.
    fn reader(max_tokens: usize) -> Reader {
        let words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "##b", "cd", "ς", "σ", ","];
        let vocabulary: serde_json::Map<_, _> =
            words.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": { "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true },
            "pre_tokenizer": { "type": "BertPreTokenizer" },
            "post_processor": { "type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2] },
            "decoder": null,
            "model": { "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": vocabulary }
        });
        let tokenizer = Tokenizer::from_bytes(json.to_string()).unwrap();
        let (by_words, mut limited) = (by_words(&tokenizer), tokenizer.clone());
        assert!(by_words);
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        limited.with_truncation(Some(cut)).unwrap();
        Reader {
            file: PathBuf::new(),
            tokenizer: limited,
            unlimited: tokenizer,
            lower_case: true,
            by_words,
            max_tokens,
            room: max_tokens - 2,
            hash: [0; 32],
        }
    }

    #[test]
    fn the_start_of_a_long_text_gives_the_tokens_of_the_whole() {
        let parts =
            ["ab ", "abbb", " ", "cd,", "\u{c}", "ΑΣ ", "\n", "\u{85}", " e\u{301}", "σ", "        ", "中"];
        let mut seed = 7u64;
        for max_tokens in [3, 5, 16] {
            let reader = reader(max_tokens);
            for pieces in [10, 200, 2000] {
                let text: String = (0..pieces)
                    .map(|_| {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        parts[(seed >> 33) as usize % parts.len()]
                    })
                    .collect();
                for text in [text.clone(), " ".repeat(5000) + &text, "ab".repeat(3000) + &text] {
                    let (short, whole) = (reader.tokens(&text).unwrap(), reader.tokens_of(&text).unwrap());
                    assert_eq!((short.ids, short.types), (whole.ids, whole.types), "{text:?}");
                }
            }
        }
        assert_eq!(up_to_space("ab cd ef", 7), Some("ab cd"));
        assert_eq!((up_to_space("abcd", 3), up_to_space("é b", 1)), (None, None));
    }

    #[test]
    fn windows_are_full_overlap_and_end_with_the_text() {
        let words: Vec<_> =
            [1, 2, 1, 1, 3, 1].iter().enumerate().map(|(i, &n)| (i * 10..i * 10 + 9, n)).collect();
        assert_eq!(windows(&words, 4, 0), [0..29, 30..49, 50..59]);
        assert_eq!(windows(&words, 4, 1), [0..29, 20..39, 30..49, 50..59]);
        let whole = windows(&words, 100, 5);
        assert_eq!((whole.len(), &whole[0]), (1, &(0..59)));
        // Words of more tokens than fit, and an overlap of more than fits, still go on.
        assert_eq!(windows(&words, 1, 9).len(), 6);
        assert_eq!(windows(&words, 2, 2).last(), Some(&(50..59)));
        assert!(windows(&[], 4, 1).is_empty());
        for (room, overlap) in (1..8).flat_map(|room| (0..9).map(move |overlap| (room, overlap))) {
            let all = windows(&words, room, overlap);
            assert!(all.windows(2).all(|pair| pair[0].start < pair[1].start && pair[0].end < pair[1].end));
        }
    }
}
