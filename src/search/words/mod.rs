//! Plain words: text as people type it, which never fails to parse.
//!
//! `read` finds the words that the analyses of the fields make of a text, `expand` the words of the dictionaries that stand
//! for one of them (`typo` compares letters); `suggest` finds some for words that no document has.

mod expand;
mod read;
mod suggest;
#[cfg(test)]
mod tests;
mod typo;

use serde::{Deserialize, Serialize};

pub(in crate::search) use read::read;
pub use suggest::DidYouMean;
pub(in crate::search) use suggest::did_you_mean;

/// Whether one of the words is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Operator {
    /// Documents with any of the words; those with more and rarer ones come first.
    #[default]
    Or,
    /// Documents with all of the words, each in any of the fields.
    And,
}

/// Plain words, and how they are looked for: `Words::from("a red bird")` with the settings changed that matter.
///
/// No sign has a meaning: quotes, colons, brackets and words such as AND are text. What the analysis of every field leaves
/// out (signs, stop words) is left out; where nothing is left nothing is found, and
/// [`Response::warnings`](crate::search::Response) says so.
///
/// Scores are those of keywords: BM25, summed over words and, for each word, over the fields that have it. Where other words stand
/// for a word that was typed, a field gives the best of them: the word itself its own BM25; a word of `n` typing errors, or one
/// that begins so, BM25 times 0.5 for each error and 0.5 for a beginning, as rare as all of them together. So in one place the
/// word itself scores at least twice what another in its stead does. A synonym, of an index that has some, stands for a word at 0.8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Words {
    /// What was typed.
    pub text: String,
    /// Whether one of the words is enough.
    pub operator: Operator,
    /// Names of text fields; none stands for every field of words.
    pub fields: Vec<String>,
    /// Whether the last word is the beginning of one, unless a blank stands after it: for search as somebody types.
    pub prefix: bool,
    /// Typing errors of a word at most, 0 to 2: letters too few, too many, others, or two neighbours swapped. Words of fewer
    /// than five letters are let none, up to eight letters one.
    pub typos: u8,
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}
