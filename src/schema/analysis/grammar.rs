//! Reads the `tokenizer` of a field.

use tantivy::tokenizer::{Language, MAX_TOKEN_LEN};

use super::grams::{Begin, Grams};
use super::{Analysis, Base, language};
use crate::error::{Error, ErrorCode, Result};

/// Bytes at which terms are left out, as tantivy's `default` has it.
const DEFAULT_LIMIT: usize = 40;
/// The same for the others: room for 40 characters of any script.
const LIMIT: usize = 3 * DEFAULT_LIMIT;
/// Most characters of a gram.
const LONGEST_GRAM: usize = 20;

const EN_STEM: &str = "en_stem";
/// The parts that are no base, as they are written.
const FILTERS: [&str; 9] = [
    "limit:N",
    "nfc",
    "lower",
    "cased",
    "stop:LANGUAGE",
    "stem:LANGUAGE",
    "fold",
    "ngram:MIN:MAX",
    "prefix:MIN:MAX",
];

/// What the parts say so far.
struct Parts<'a> {
    text: &'a str,
    base: Option<Base>,
    nfc: Option<()>,
    limit: Option<usize>,
    lower: Option<bool>,
    stop: Vec<Language>,
    stem: Option<Language>,
    fold: Option<()>,
    grams: Option<Grams>,
}

pub(crate) fn parse(text: &str) -> Result<Analysis> {
    let mut parts = Parts {
        text,
        base: None,
        nfc: None,
        limit: None,
        lower: None,
        stop: vec![],
        stem: None,
        fold: None,
        grams: None,
    };
    for part in text.split('+') {
        parts.add(part)?;
    }
    parts.finish()
}

impl Parts<'_> {
    fn add(&mut self, part: &str) -> Result<()> {
        if let Some(base) = Base::ALL.into_iter().find(|base| base.name() == part) {
            return self.set(part, |parts| &mut parts.base, base);
        }
        let (name, value) = part.split_once(':').map_or((part, None), |(name, value)| (name, Some(value)));
        match (name, value) {
            (EN_STEM, None) => {
                self.set(part, |parts| &mut parts.base, Base::Default)?;
                self.set(part, |parts| &mut parts.stem, Language::English)
            }
            ("nfc", None) => self.set(part, |parts| &mut parts.nfc, ()),
            ("lower" | "cased", None) => self.set(part, |parts| &mut parts.lower, name == "lower"),
            ("fold", None) => self.set(part, |parts| &mut parts.fold, ()),
            ("stem", Some(value)) => {
                let language = self.language(part, value, &language::with_stemmer())?;
                self.set(part, |parts| &mut parts.stem, language)
            }
            ("stop", Some(value)) => {
                let language = self.language(part, value, &language::with_stop_words())?;
                if self.stop.contains(&language) {
                    return Err(self.twice(part));
                }
                self.stop.push(language);
                Ok(())
            }
            ("limit", Some(value)) => {
                let limit = value.parse().ok().filter(|limit| (2..=MAX_TOKEN_LEN).contains(limit));
                let limit = limit.ok_or_else(|| {
                    self.bad(part).expected(format!("limit:N with 2 to {MAX_TOKEN_LEN} bytes"))
                })?;
                self.set(part, |parts| &mut parts.limit, limit)
            }
            ("ngram" | "prefix", Some(value)) => {
                let begin = if name == "ngram" { Begin::Anywhere } else { Begin::Start };
                let sizes = value.split_once(':');
                let sizes = sizes.and_then(|(min, max)| Some((min.parse().ok()?, max.parse().ok()?)));
                let sizes = sizes.filter(|&(min, max)| 1 <= min && min <= max && max <= LONGEST_GRAM);
                let (min, max) = sizes.ok_or_else(|| {
                    let expected =
                        format!("{name}:MIN:MAX with 1 <= MIN <= MAX <= {LONGEST_GRAM} characters");
                    self.bad(part).expected(expected)
                })?;
                self.set(part, |parts| &mut parts.grams, Grams { min, max, begin })
            }
            _ => Err(self.unknown(part)),
        }
    }

    /// Sets what may be said once.
    fn set<T>(&mut self, part: &str, slot: fn(&mut Self) -> &mut Option<T>, value: T) -> Result<()> {
        if slot(self).is_some() {
            return Err(self.twice(part));
        }
        *slot(self) = Some(value);
        Ok(())
    }

    fn finish(self) -> Result<Analysis> {
        let base = self.base.unwrap_or(Base::Words);
        let lower = self.lower.unwrap_or(!base.verbatim());
        if !lower && (self.stem.is_some() || !self.stop.is_empty()) {
            let what = "stemmers and stop words know lower case alone";
            let hint = if self.lower.is_some() { "leave `cased` out" } else { "add `lower`" };
            return Err(Error::new(ErrorCode::BadValue, what).got(format!("`{}`", self.text)).hint(hint));
        }
        if self.nfc.is_some() && !base.verbatim() {
            let what = format!("`nfc` goes with `raw` and `whitespace`, not with `{}`", base.name());
            return Err(Error::new(ErrorCode::BadValue, what).got(format!("`{}`", self.text)).hint(
                "whole values are `raw+nfc`; the terms of `words` are equal without it, however an accent is written",
            ));
        }
        let limit = match base {
            Base::Default => Some(DEFAULT_LIMIT),
            base if base.verbatim() => None,
            _ => Some(LIMIT),
        };
        Ok(Analysis {
            base,
            nfc: self.nfc.is_some(),
            limit: self.limit.or(limit),
            lower,
            stop: self.stop,
            stem: self.stem,
            fold: self.fold.is_some(),
            grams: self.grams,
        })
    }

    fn language(&self, part: &str, name: &str, known: &[&str]) -> Result<Language> {
        if let Some(language) = language::named(name).filter(|_| known.contains(&name)) {
            return Ok(language);
        }
        let error = self.bad(part).expected(format!("one of {}", known.join(", ")));
        Err(match language::meant(name).filter(|meant| known.contains(meant)).or_else(|| near(name, known)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error,
        })
    }

    fn bad(&self, part: &str) -> Error {
        let what = format!("the tokenizer `{}` has the bad part `{part}`", self.text);
        Error::new(ErrorCode::BadValue, what)
    }

    fn twice(&self, part: &str) -> Error {
        let what = format!("`{part}` says again what another part of the tokenizer says");
        Error::new(ErrorCode::BadValue, what)
            .got(format!("`{}`", self.text))
            .hint("keep one of them; one part cuts the text, one stems")
    }

    fn unknown(&self, part: &str) -> Error {
        let known: Vec<&str> =
            Base::ALL.map(Base::name).into_iter().chain([EN_STEM]).chain(FILTERS).collect();
        let error = self.bad(part).expected(format!("parts joined by `+`, of {}", known.join(", ")));
        match hint(part, &known) {
            Some(meant) => error.hint(format!("did you mean {meant}?")),
            None => error,
        }
    }
}

/// What was meant by an unknown part: words of other engines, a language, or a name that is written alike.
fn hint(part: &str, known: &[&str]) -> Option<String> {
    let name = part.split(':').next().unwrap_or(part).to_lowercase();
    let meant = match name.as_str() {
        "standard" | "simple" | "unicode" => "`words`",
        "keyword" | "exact" => "`raw+nfc`",
        "nfkc" | "nfd" | "nfkd" | "normalize" | "normalise" => "`words`, or `nfc` for whole values",
        "lowercase" => "`lower`",
        "accents" | "asciifolding" | "ascii_folding" | "unaccent" => "`fold`",
        "edge_ngram" => "`prefix:MIN:MAX`",
        "cjk" | "bigram" | "ko" | "korean" => "`cjk_bigram`",
        "zh" | "chinese" => "`jieba`, `icu` or `cjk_bigram`",
        "ja" | "japanese" | "lindera" => "`icu` or `cjk_bigram`",
        "th" | "thai" | "km" | "khmer" | "lo" | "lao" | "my" | "burmese" => "`icu`",
        _ => {
            if let Some(language) = language::meant(name.strip_suffix("_stem").unwrap_or(&name)) {
                return Some(format!("`stem:{language}`"));
            }
            // The names alone are compared, and the whole form is shown.
            let names: Vec<&str> = known.iter().map(|form| form.split(':').next().unwrap_or(form)).collect();
            let found = near(&name, &names)?;
            return known
                .iter()
                .find(|form| form.split(':').next() == Some(found))
                .map(|form| format!("`{form}`"));
        }
    };
    Some(meant.to_owned())
}

/// The name that is written most like `word`, if fewer than half of the letters differ.
fn near<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let closest = names.iter().map(|name| (edits(word, name), *name)).min()?;
    (2 * closest.0 < closest.1.len()).then_some(closest.1)
}

/// Letters to insert, remove or replace between two words.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
