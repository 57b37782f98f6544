//! How the text of a field becomes terms: read from the `tokenizer` of a schema, registered on a tantivy index.

mod cut;
mod filters;
mod grams;
mod grammar;
mod language;
mod register;
mod words;

use std::str::FromStr;

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language, LowerCaser, MAX_TOKEN_LEN, RawTokenizer, RemoveLongFilter, SimpleTokenizer,
    Stemmer, StopWordFilter, TextAnalyzer, WhitespaceTokenizer,
};

use crate::error::{Error, ErrorCode, Result};
use cut::Cut;
use filters::{Rewrite, compose, lower_turkish, strip_marks};
use grams::Grams;
use words::WordTokenizer;

pub(crate) use filters::composed_len;
pub use register::register_analyses;

/// How a text becomes terms, as the `tokenizer` of a field says it: parts joined by `+`, in any order, each once.
///
/// What cuts the text, at most one (`words` where none is named):
///
/// | part | terms |
/// |---|---|
/// | `words` | runs of letters and digits with the marks on them, in Unicode's form NFKC |
/// | `default` | tantivy's: runs of letters and digits, so that a mark of its own ends a word |
/// | `whitespace` | what stands between spaces, as it is written |
/// | `raw` | the whole value, as it is written |
/// | `cjk_bigram` | as `words`; of Chinese, Japanese and Korean text each character and each pair of neighbours |
/// | `icu` | as `words`, cut on by the dictionaries of Unicode's ICU: Chinese, Japanese, Thai, Khmer, Lao, Burmese |
/// | `jieba` | as `words`, Chinese cut on by jieba's dictionary, long words and the words in them |
///
/// What happens to the terms, always in this order:
///
/// | part | what it does |
/// |---|---|
/// | `limit:N` | leaves out terms of N bytes and more; 40 with `default`, none with `whitespace` and `raw`, else 120 |
/// | `nfc` | writes composed and decomposed letters alike, in Unicode's form NFC; for `raw` and `whitespace` |
/// | `lower`, `cased` | lower case or not; `cased` with `whitespace` and `raw`, else `lower` |
/// | `stop:LANGUAGE` | leaves out the stop words of a language; may stand several times |
/// | `stem:LANGUAGE` | takes the endings off (Snowball) |
/// | `fold` | takes the accents off: `Café` is found by `cafe`, `Ærø` by `aero` |
/// | `ngram:MIN:MAX` | all runs of MIN to MAX characters inside a term, at the term's place; a shorter term stays |
/// | `prefix:MIN:MAX` | the first MIN to MAX characters of a term, in the same way |
///
/// NFC joins what is canonically equal (`é` of one and of two code points) and nothing else: `x²` and `x2`, `ﬁ` and `fi` stay
/// two values, so that a filter on whole values never widens. Words have NFKC, where such letters are equal too.
///
/// `en_stem` is short for `default+stem:english`. `stem:german+fold`, `whitespace+lower` and `cjk_bigram+fold` are
/// examples. `icu` and `jieba` need the Cargo features of these names.
///
/// A text that has no spaces is one phrase of its terms in a query. Equal strings mean equal terms in every release of
/// this crate, but for the dictionaries and stemmers of the crates that it takes them from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    base: Base,
    nfc: bool,
    limit: Option<usize>,
    lower: bool,
    stop: Vec<Language>,
    stem: Option<Language>,
    fold: bool,
    grams: Option<Grams>,
}

/// What cuts a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Words,
    Default,
    Whitespace,
    Raw,
    CjkBigram,
    Icu,
    Jieba,
}

impl Base {
    const ALL: [Self; 7] =
        [Self::Words, Self::Default, Self::Whitespace, Self::Raw, Self::CjkBigram, Self::Icu, Self::Jieba];

    fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Default => "default",
            Self::Whitespace => "whitespace",
            Self::Raw => "raw",
            Self::CjkBigram => "cjk_bigram",
            Self::Icu => "icu",
            Self::Jieba => "jieba",
        }
    }

    /// Whether terms stay as they are written where nothing else is said.
    fn verbatim(self) -> bool {
        matches!(self, Self::Whitespace | Self::Raw)
    }

    /// The error where this build does not have it.
    fn missing(self) -> Error {
        let name = self.name();
        Error::new(ErrorCode::UnsupportedVersion, format!("this build has no tokenizer `{name}`"))
            .hint(format!("build with the feature `{name}`, or take `cjk_bigram` for a new index"))
    }

    /// Whether this build has it.
    fn is_there(self) -> bool {
        (self != Self::Icu || cfg!(feature = "icu")) && (self != Self::Jieba || cfg!(feature = "jieba"))
    }
}

impl Analysis {
    /// Reads the `tokenizer` of a field. What this build has no dictionary for is read all the same.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for an unknown part or language, with what there is, and for parts that do not go together.
    pub fn parse(text: &str) -> Result<Self> {
        grammar::parse(text)
    }

    /// Refuses what this build cannot do.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedVersion`] that names the Cargo feature.
    pub fn check_features(&self) -> Result<()> {
        if self.base.is_there() { Ok(()) } else { Err(self.base.missing()) }
    }

    /// Whether every value is one term, whatever it is: what exact twins and columns need.
    pub fn is_whole(&self) -> bool {
        self.base == Base::Raw && self.limit.is_none() && self.stop.is_empty() && self.grams.is_none()
    }

    /// Words of `text` that are too long for a term, so that no keyword finds them. Cost: a look at the text where it has no
    /// long run between spaces, else a second analysis.
    pub(crate) fn too_long(&self, text: &str) -> usize {
        let limit = self.limit.unwrap_or(MAX_TOKEN_LEN + 1);
        // The form NFKC makes few letters longer, and hardly any more than threefold.
        let may_be = |run: &str| if run.is_ascii() { run.len() >= limit } else { run.len() * 3 >= limit };
        let any =
            if self.base == Base::Raw { may_be(text) } else { text.split_ascii_whitespace().any(may_be) };
        // The limit comes before all that changes terms but for `nfc`.
        let cut = Self {
            limit: None,
            lower: false,
            stop: vec![],
            stem: None,
            fold: false,
            grams: None,
            ..self.clone()
        };
        let Some(mut analyzer) = any.then(|| cut.analyzer().ok()).flatten() else { return 0 };
        let mut long = 0;
        analyzer.token_stream(text).process(&mut |token| long += usize::from(token.text.len() >= limit));
        long
    }

    /// The analyzer as tantivy takes it.
    ///
    /// # Errors
    /// Those of [`Analysis::check_features`].
    pub fn analyzer(&self) -> Result<TextAnalyzer> {
        let mut builder = match self.base {
            Base::Default => TextAnalyzer::builder(SimpleTokenizer::default()).dynamic(),
            Base::Whitespace => TextAnalyzer::builder(WhitespaceTokenizer::default()).dynamic(),
            Base::Raw => TextAnalyzer::builder(RawTokenizer::default()).dynamic(),
            Base::Words => TextAnalyzer::builder(WordTokenizer::new(Cut::Whole)).dynamic(),
            Base::CjkBigram => TextAnalyzer::builder(WordTokenizer::new(Cut::Bigrams)).dynamic(),
            #[cfg(feature = "icu")]
            Base::Icu => TextAnalyzer::builder(WordTokenizer::new(Cut::icu())).dynamic(),
            #[cfg(feature = "jieba")]
            Base::Jieba => TextAnalyzer::builder(WordTokenizer::new(Cut::jieba())).dynamic(),
            #[cfg(not(all(feature = "icu", feature = "jieba")))]
            base => return Err(base.missing()),
        };
        if self.nfc {
            builder = builder.filter_dynamic(Rewrite(compose));
        }
        if let Some(limit) = self.limit {
            builder = builder.filter_dynamic(RemoveLongFilter::limit(limit));
        }
        if self.lower {
            if self.stem == Some(Language::Turkish) {
                builder = builder.filter_dynamic(Rewrite(lower_turkish));
            }
            builder = builder.filter_dynamic(LowerCaser);
        }
        for filter in self.stop.iter().filter_map(|&language| StopWordFilter::new(language)) {
            builder = builder.filter_dynamic(filter);
        }
        if let Some(language) = self.stem {
            builder = builder.filter_dynamic(Stemmer::new(language));
        }
        if self.fold {
            builder = builder.filter_dynamic(AsciiFoldingFilter).filter_dynamic(Rewrite(strip_marks));
        }
        if let Some(grams) = self.grams {
            builder = builder.filter_dynamic(grams);
        }
        Ok(builder.build())
    }
}

impl FromStr for Analysis {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
