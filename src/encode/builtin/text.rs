//! The built-in text encoder: hashed words and n-grams of characters, weighted by rarity.

use rayon::prelude::*;

use crate::encode::hashing::{character_terms, has_word, word_terms, words};
use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;

/// Buckets of words and pairs of words.
const WORDS: usize = 1024;
/// Buckets of n-grams of characters.
const CHARACTERS: usize = 1024;
const FEATURES: usize = WORDS + CHARACTERS;

/// The built-in encoder of texts, `builtin-text-v1`, without weights; only rarities are learned.
///
/// Words and pairs of neighbouring words go to 1024 buckets by hash, n-grams of 3 to 5 characters within a word to
/// another 1024, with a sign from the hash (Weinberger et al. 2009, "Feature hashing for large scale multitask
/// learning"). A term counts `1 + ln tf`, times the idf of its bucket; each half is then scaled to length 1. A text
/// without words gives zeros.
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltinText {
    idf: Vec<f32>,
}

impl Default for BuiltinText {
    /// Every bucket counts alike.
    fn default() -> Self {
        Self { idf: vec![1.0; FEATURES] }
    }
}

impl BuiltinText {
    /// The name that a bundle keeps.
    pub const NAME: &'static str = "builtin-text-v1";

    /// Learns the idf in one pass: `ln((1 + n) / (1 + df)) + 1` for a bucket that `df` of `n` texts have a term in.
    ///
    /// Without texts it is [`BuiltinText::default`]. Memory does not grow with the number of texts.
    pub fn fit<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let mut learning = Learning::default();
        texts.into_iter().for_each(|text| learning.add(text.as_ref()));
        learning.finish()
    }

    /// Takes an idf that [`BuiltinText::idf`] gave, `[2048]`.
    ///
    /// # Errors
    /// [`ErrorCode::BadDimension`] for another length, [`ErrorCode::NotFinite`], and [`ErrorCode::BadValue`] for a
    /// negative number.
    pub fn from_idf(idf: Vec<f32>) -> Result<Self> {
        if idf.len() != FEATURES {
            return Err(Error::new(
                ErrorCode::BadDimension,
                "the idf of the text encoder has the wrong length",
            )
            .expected(FEATURES)
            .got(idf.len())
            .hint(format!("`{}` must be fitted on texts", Self::NAME)));
        }
        if let Some((bucket, value)) = idf.iter().enumerate().find(|(_, v)| !v.is_finite() || **v < 0.0) {
            let code = if value.is_finite() { ErrorCode::BadValue } else { ErrorCode::NotFinite };
            return Err(Error::new(code, format!("the idf of bucket {bucket} is no weight"))
                .expected("a finite number of at least 0")
                .got(value));
        }
        Ok(Self { idf })
    }

    /// The learned weights of the buckets, `[2048]`: words, then characters.
    pub fn idf(&self) -> &[f32] {
        &self.idf
    }

    fn encode_text(&self, text: &str) -> Vec<f32> {
        let mut terms = Terms::default();
        terms.read(text);
        let mut features = vec![0f32; FEATURES];
        let (words, characters) = features.split_at_mut(WORDS);
        add_terms(words, &mut terms.words, &self.idf[..WORDS]);
        add_terms(characters, &mut terms.characters, &self.idf[WORDS..]);
        features
    }

    fn encode_item(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        match item {
            Item::Text(text) => Ok(self.encode_text(text)),
            Item::Bytes(_) => {
                Err(Error::new(ErrorCode::BadArgument, "a media file given to the encoder of texts")
                    .expected("a text")
                    .got("the bytes of a file"))
            }
        }
    }
}

/// An idf that is being learned, text by text.
pub(crate) struct Learning {
    count: u64,
    /// Texts with a term in each bucket, and the last text of each.
    frequency: Vec<u64>,
    last: Vec<u64>,
    terms: Terms,
}

impl Default for Learning {
    fn default() -> Self {
        Self { count: 0, frequency: vec![0; FEATURES], last: vec![0; FEATURES], terms: Terms::default() }
    }
}

impl Learning {
    /// Counts a text.
    pub(crate) fn add(&mut self, text: &str) {
        self.count += 1;
        self.terms.read(text);
        for bucket in self.terms.buckets() {
            if self.last[bucket] != self.count {
                self.last[bucket] = self.count;
                self.frequency[bucket] += 1;
            }
        }
    }

    /// The encoder that has learned from all of them.
    pub(crate) fn finish(self) -> BuiltinText {
        // In f64, so that the rounding to f32 hides what platforms differ by.
        let idf = |df: u64| (((1 + self.count) as f64 / (1 + df) as f64).ln() + 1.0) as f32;
        BuiltinText { idf: self.frequency.into_iter().map(idf).collect() }
    }
}

/// The hashes of a text, by half.
#[derive(Default)]
struct Terms {
    words: Vec<u64>,
    characters: Vec<u64>,
}

impl Terms {
    fn read(&mut self, text: &str) {
        self.words.clear();
        self.characters.clear();
        let words = words(text);
        word_terms(&words, &mut self.words);
        character_terms(&words, &mut self.characters);
    }

    fn buckets(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().map(|&hash| bucket(hash, WORDS));
        words.chain(self.characters.iter().map(|&hash| WORDS + bucket(hash, CHARACTERS)))
    }
}

fn bucket(hash: u64, buckets: usize) -> usize {
    (hash % buckets as u64) as usize
}

/// Adds up `terms` in `out`, of the length of `idf`, and scales it to length 1, or leaves zeros.
fn add_terms(out: &mut [f32], terms: &mut [u64], idf: &[f32]) {
    // Sorted: equal terms are neighbours, and the sum has one order.
    terms.sort_unstable();
    for same in terms.chunk_by(|a, b| a == b) {
        let bucket = bucket(same[0], out.len());
        let weight = ((same.len() as f64).ln() + 1.0) as f32 * idf[bucket];
        out[bucket] += if same[0] >> 63 == 0 { weight } else { -weight };
    }
    // In f64: an idf near the largest f32 must not overflow.
    let length = out.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    if length > 0.0 && length.is_finite() {
        out.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    } else {
        out.fill(0.0);
    }
}

impl Encoder for BuiltinText {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn fingerprint(&self) -> Fingerprint {
        let idf: Vec<u8> = self.idf.iter().flat_map(|value| value.to_le_bytes()).collect();
        Fingerprint::of([Self::NAME.as_bytes(), &idf])
    }

    fn features(&self) -> usize {
        FEATURES
    }

    /// Without a letter or digit there is no word.
    fn is_empty(&self, item: &Item<'_>) -> bool {
        matches!(item, Item::Text(text) if !has_word(text))
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        items.par_iter().map(|item| self.encode_item(item)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idf_counts_texts_not_terms() {
        let fitted = BuiltinText::fit(["red red red", "red house", "blue"]);
        let mut terms = Terms::default();
        terms.read("red");
        let red = bucket(terms.words[0], WORDS);
        assert_eq!(fitted.idf()[red], ((4.0f64 / 3.0).ln() + 1.0) as f32);
        let unseen = ((4.0f64).ln() + 1.0) as f32;
        assert_eq!(fitted.idf().iter().copied().fold(0.0, f32::max), unseen);
        assert_eq!(BuiltinText::fit::<&str>([]), BuiltinText::default());
    }

    #[test]
    fn what_has_no_word_is_empty() {
        let encoder = BuiltinText::default();
        let zero = |text: &str| encoder.encode_text(text).iter().all(|x| *x == 0.0);
        for text in ["", " ", "!!!", "\u{2603}\u{fe0f} \u{1f600}", "-- ..", "\u{301}"] {
            assert!(encoder.is_empty(&Item::Text(text)) && zero(text), "{text:?}");
        }
        for text in ["a", "7", "\u{5b57}", "!x!", "\u{130}"] {
            assert!(!encoder.is_empty(&Item::Text(text)) && !zero(text), "{text:?}");
        }
        assert!(!encoder.is_empty(&Item::Bytes(b"")));
    }

    #[test]
    fn a_weight_that_overflows_gives_zeros() {
        let huge = BuiltinText::from_idf(vec![f32::MAX; FEATURES]).unwrap();
        assert!(huge.encode_text("red red red house").iter().all(|x| x.is_finite()));
    }
}
