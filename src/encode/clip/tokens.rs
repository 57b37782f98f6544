//! `tokenizer.json`: from a text to the token ids that a tower reads.

use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokenizers::Tokenizer;

use super::config::{Family, TextTower};
use super::fields::{Fields, Flag};
use crate::encode::hashing::has_word;
use crate::error::{Error, ErrorCode, Result};
use crate::limits;

/// Cuts a text into tokens.
pub(super) struct Tokens {
    tokenizer: Tokenizer,
    hash: [u8; 32],
    /// Most tokens of a text, the last one included.
    longest: usize,
    /// The token at the end of every text.
    last: u32,
    kind: Kind,
}

enum Kind {
    /// Between two tokens that the tokenizer adds; as long as the text is. `eos` is where the text's output stands, or
    /// the highest id where it is `None`.
    Clip { eos: Option<u32> },
    /// Words without punctuation, an end token, and filled up to the longest.
    Siglip { pad: u32, case: Flag },
}

impl Tokens {
    /// Reads `tokenizer.json` of `dir`, and `tokenizer_config.json` if there is one.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]; [`ErrorCode::Damaged`] for what is no tokenizer; [`ErrorCode::BadDimension`] for one
    /// with ids outside of the tower's vocabulary; [`ErrorCode::BadValue`] for one that marks no end of a text as the
    /// tower needs it.
    pub(super) fn open(dir: &Path, family: Family, tower: &TextTower) -> Result<Self> {
        let file = dir.join("tokenizer.json");
        let bytes = limits::read_file(&file, u64::MAX, "the tokenizer")?;
        let hash = Sha256::digest(&bytes).into();
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
            Error::new(ErrorCode::Damaged, format!("the tokenizer does not parse: {error}")).file(&file)
        })?;
        // Cutting and filling are done here, for one text at a time, whatever the file says.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| unusable(&file, error.to_string()))?;
        let ids = tokenizer.get_vocab(true);
        if let Some((token, id)) = ids.iter().max_by_key(|(_, id)| **id)
            && *id as usize >= tower.vocabulary
        {
            let what = "the tokenizer has more tokens than the model";
            return Err(Error::new(ErrorCode::BadDimension, what)
                .file(&file)
                .expected(format!("ids below {}", tower.vocabulary))
                .got(format!("{token:?} with id {id}")));
        }
        let config = dir.join("tokenizer_config.json");
        let config = if config.exists() { Some(Fields::open(&config)?) } else { None };
        let mut longest = tower.positions;
        // A number beyond all sizes stands for no limit.
        if let Some(most) = config.as_ref().and_then(|c| c.get("model_max_length")).and_then(Value::as_u64) {
            longest = usize::try_from(most).map_or(longest, |most| longest.min(most.max(2)));
        }
        let (kind, last) = match family {
            Family::Clip => clip(&tokenizer, &file, tower)?,
            Family::Siglip => {
                // All texts have the length that the tower was trained with.
                longest = tower.positions;
                siglip(&tokenizer, &file, config.as_ref())?
            }
        };
        Ok(Self { tokenizer, hash, longest, last, kind })
    }

    /// SHA-256 of `tokenizer.json`.
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Whether nothing of `text` becomes a token; one that the tokenizer fails on is told where it is encoded.
    pub(super) fn is_empty(&self, text: &str) -> bool {
        // A letter is always a token, if only an unknown one.
        if has_word(text) {
            return false;
        }
        let text = match self.kind {
            Kind::Clip { .. } => text.to_owned(),
            Kind::Siglip { case, .. } => plain(text, case),
        };
        let ids = ids_of(&self.tokenizer, &text, Ends::None);
        ids.is_ok_and(|ids| ids.iter().all(|id| *id == self.last))
    }

    /// The ids of `text`, and the position whose output is the text's.
    pub(super) fn encode(&self, text: &str) -> Result<(Vec<u32>, usize)> {
        match &self.kind {
            Kind::Clip { eos } => {
                let mut ids = ids_of(&self.tokenizer, text, Ends::Added)?;
                if ids.len() > self.longest {
                    ids.truncate(self.longest - 1);
                    ids.push(self.last);
                }
                let at = match eos {
                    Some(eos) => ids.iter().position(|id| id == eos),
                    None => first_maximum(&ids),
                };
                let at = at.ok_or_else(|| Error::new(ErrorCode::BadValue, "the text has no end token"))?;
                Ok((ids, at))
            }
            Kind::Siglip { pad, case } => {
                let mut ids = ids_of(&self.tokenizer, &plain(text, *case), Ends::None)?;
                ids.truncate(self.longest - 1);
                if ids.last() != Some(&self.last) {
                    ids.push(self.last);
                }
                ids.resize(self.longest, *pad);
                Ok((ids, self.longest - 1))
            }
        }
    }

    /// What the features depend on beside the file of the tokenizer.
    pub(super) fn settings(&self) -> Value {
        match &self.kind {
            Kind::Clip { eos } => json!({ "longest": self.longest, "last": self.last, "eos": eos }),
            Kind::Siglip { pad, case } => json!({
                "longest": self.longest, "last": self.last, "pad": pad, "lower": *case == Flag::On
            }),
        }
    }
}

/// Whether the tokenizer adds its own tokens at both ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Added,
    None,
}

fn ids_of(tokenizer: &Tokenizer, text: &str, ends: Ends) -> Result<Vec<u32>> {
    let encoding = tokenizer.encode_fast(text, ends == Ends::Added).map_err(|error| {
        Error::new(ErrorCode::BadValue, format!("the tokenizer cannot read the text: {error}"))
    })?;
    Ok(encoding.get_ids().to_vec())
}

fn first_maximum(ids: &[u32]) -> Option<usize> {
    let most = ids.iter().max()?;
    ids.iter().position(|id| id == most)
}

fn unusable(file: &Path, why: String) -> Error {
    Error::new(ErrorCode::BadValue, format!("the tokenizer does not fit the model: {why}")).file(file)
}

/// The kind and the last token of CLIP, which an empty text shows.
fn clip(tokenizer: &Tokenizer, file: &Path, tower: &TextTower) -> Result<(Kind, u32)> {
    let ends = ids_of(tokenizer, "", Ends::Added).map_err(|error| error.file(file))?;
    let eos = (tower.eos != 2).then_some(tower.eos);
    let [_, last] = ends[..] else {
        return Err(unusable(file, "it adds no start and end token".into())
            .expected("two tokens for an empty text")
            .got(ends.len()));
    };
    let found = match eos {
        Some(eos) => ends.iter().position(|id| *id == eos),
        None => first_maximum(&ends),
    };
    if found != Some(1) {
        return Err(unusable(file, "its end token is not the model's".into())
            .expected(format!("`eos_token_id` {}", tower.eos))
            .got(last));
    }
    Ok((Kind::Clip { eos }, last))
}

/// The kind and the last token of SigLIP.
fn siglip(tokenizer: &Tokenizer, file: &Path, config: Option<&Fields>) -> Result<(Kind, u32)> {
    let mut case = Flag::On;
    let (mut eos, mut pad) = ("</s>".to_owned(), "</s>".to_owned());
    if let Some(config) = config {
        if config.word("tokenizer_class")?.is_some_and(|class| !class.starts_with("SiglipTokenizer")) {
            return Err(config.bad("tokenizer_class", "SiglipTokenizer"));
        }
        case = config.flag("do_lower_case", Flag::On)?;
        for (key, token) in [("eos_token", &mut eos), ("pad_token", &mut pad)] {
            match config.get(key) {
                None => {}
                Some(Value::Object(_)) => {
                    let object = config.object_or_empty(key)?;
                    *token = object.word("content")?.ok_or_else(|| config.bad(key, "a token"))?.to_owned();
                }
                Some(_) => *token = config.word(key)?.unwrap_or_default().to_owned(),
            }
        }
    }
    let id = |token: &str| {
        tokenizer.token_to_id(token).ok_or_else(|| unusable(file, format!("it has no token {token:?}")))
    };
    Ok((Kind::Siglip { pad: id(&pad)?, case }, id(&eos)?))
}

/// The text as SigLIP was trained: without ASCII punctuation, single spaces, in lower case.
///
/// Where the file of the tokenizer says so too, nothing is left for it to do.
fn plain(text: &str, case: Flag) -> String {
    let text = if case == Flag::On { text.to_lowercase() } else { text.to_owned() };
    let kept: String = text.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_texts_have_neither_punctuation_nor_double_spaces() {
        assert_eq!(plain("  A \"Red\"\tcat's\n\nÄ—b_c! ", Flag::On), "a red cats ä—bc");
        assert_eq!(plain("A-B", Flag::Off), "AB");
        assert_eq!(plain(" .,; ", Flag::On), "");
    }

    #[test]
    fn the_first_of_equal_maxima_counts() {
        assert_eq!(first_maximum(&[3, 9, 1, 9]), Some(1));
        assert_eq!(first_maximum(&[]), None);
    }
}
