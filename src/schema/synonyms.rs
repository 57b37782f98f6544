//! Words that stand for each other in a text field: rules of a schema, which queries read.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tantivy::tokenizer::TextAnalyzer;

use super::analysis::Analysis;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SYNONYMS};

/// What stands at the left of a rule stands for what is at its right, and not the other way round.
const ARROW: &str = "=>";

/// The rules of one text field, one a line in a file; what follows `#` is a comment.
///
/// - `car, automobile, motor car`: each stands for the others.
/// - `bird => sparrow, wren`: who looks for what stands at the left finds what stands at the right too.
///
/// One word is widened; an entry of several words is found as a phrase in place of another, and is not widened itself. Entries become
/// terms by the analysis of the field, as words of a query do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Synonyms(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    left: Vec<String>,
    /// `None` where each of `left` stands for the others.
    right: Option<Vec<String>>,
}

impl Rule {
    /// `Err` says what is wrong.
    fn parse(line: &str) -> Result<Self, &'static str> {
        let entries = |side: &str| -> Vec<String> { side.split(',').map(|e| e.trim().to_owned()).collect() };
        let mut sides = line.split(ARROW).map(entries);
        let left = sides.next().unwrap_or_default();
        let right = sides.next();
        let all = || left.iter().chain(right.iter().flatten());
        if sides.next().is_some() {
            return Err("a rule has one =>");
        }
        if all().any(String::is_empty) {
            return Err("an entry is empty");
        }
        if right.is_none() && left.len() < 2 {
            return Err("a word stands alone");
        }
        if all().count() > SYNONYMS + 1 {
            return Err("a rule has too many entries");
        }
        Ok(Self { left, right })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.left.join(", "))?;
        match &self.right {
            Some(right) => write!(f, " {ARROW} {}", right.join(", ")),
            None => Ok(()),
        }
    }
}

impl Synonyms {
    /// Reads rules, one a line; `file` is the name in errors.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] with the line.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self> {
        let mut rules = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let rule = line.split('#').next().unwrap_or_default().trim();
            if rule.is_empty() {
                continue;
            }
            let rule =
                Rule::parse(rule).map_err(|why| bad(why, rule).file(file.as_ref()).line(at as u64 + 1));
            rules.push(rule?);
        }
        Ok(Self(rules))
    }

    /// Reads the file of rules at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`], and those of [`Synonyms::parse`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let text = limits::read_text(path.as_ref(), limits::SETTINGS_BYTES, "the file of synonyms")?;
        Self::parse(text.trim_start_matches('\u{feff}'), path)
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses rules that the analysis cannot keep.
    pub(super) fn check(&self, analysis: &Analysis) -> Result<()> {
        SynonymMap::new(self, analysis).map(drop)
    }
}

fn bad(why: &str, got: &str) -> Error {
    Error::new(ErrorCode::BadValue, format!("a rule of synonyms does not read: {why}"))
        .expected(format!("`a, b` or `a => b, c`, up to {} entries", SYNONYMS + 1))
        .got(format!("`{got}`"))
}

impl TryFrom<Vec<String>> for Synonyms {
    type Error = Error;

    fn try_from(rules: Vec<String>) -> Result<Self> {
        let rule = |rule: String| Rule::parse(&rule).map_err(|why| bad(why, &rule));
        Ok(Self(rules.into_iter().map(rule).collect::<Result<_>>()?))
    }
}

impl From<Synonyms> for Vec<String> {
    fn from(synonyms: Synonyms) -> Self {
        synonyms.0.iter().map(Rule::to_string).collect()
    }
}

/// Terms of one entry with their places; the first is 0.
pub(crate) type Phrase = Vec<(usize, String)>;

/// What stands for each term of a field.
#[derive(Debug, Default)]
pub(crate) struct SynonymMap(HashMap<String, Vec<Phrase>>);

impl SynonymMap {
    /// Cost: all entries are analysed.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for an entry of which the analysis keeps nothing, and for a word that more than [`SYNONYMS`] stand for;
    /// those of [`Analysis::analyzer`].
    pub(super) fn new(synonyms: &Synonyms, analysis: &Analysis) -> Result<Self> {
        let mut analyzer = analysis.analyzer()?;
        let mut map: HashMap<String, Vec<Phrase>> = HashMap::new();
        for rule in &synonyms.0 {
            let left = phrases(&mut analyzer, &rule.left)?;
            let right = rule.right.as_ref().map(|right| phrases(&mut analyzer, right)).transpose()?;
            let right = right.as_ref().unwrap_or(&left);
            for phrase in &left {
                let [(_, word)] = phrase.as_slice() else { continue };
                let known = map.entry(word.clone()).or_default();
                for other in right {
                    if other != phrase && !known.contains(other) {
                        known.push(other.clone());
                    }
                }
                if known.len() > SYNONYMS {
                    return Err(limits::over(
                        format!("too many synonyms of `{word}`"),
                        SYNONYMS,
                        known.len(),
                        "words that stand for one",
                    ));
                }
            }
        }
        map.retain(|_, others| !others.is_empty());
        Ok(Self(map))
    }

    /// What stands for the term `word`.
    pub(crate) fn of(&self, word: &str) -> &[Phrase] {
        self.0.get(word).map_or(&[], Vec::as_slice)
    }
}

fn phrases(analyzer: &mut TextAnalyzer, entries: &[String]) -> Result<Vec<Phrase>> {
    let phrase = |entry: &String| {
        let mut phrase: Phrase = Vec::new();
        analyzer.token_stream(entry).process(&mut |token| phrase.push((token.position, token.text.clone())));
        let first = phrase.first().map_or(0, |(place, _)| *place);
        phrase.iter_mut().for_each(|(place, _)| *place = place.saturating_sub(first));
        if phrase.is_empty() {
            let what = format!("the analysis of the field keeps nothing of the synonym `{entry}`");
            return Err(Error::new(ErrorCode::BadValue, what).expected("a word that can be looked for"));
        }
        Ok(phrase)
    };
    entries.iter().map(phrase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(text: &str, analysis: &str) -> Result<SynonymMap> {
        SynonymMap::new(&Synonyms::parse(text, "s.txt")?, &Analysis::parse(analysis)?)
    }

    fn of(map: &SynonymMap, word: &str) -> Vec<String> {
        let words =
            |phrase: &Phrase| phrase.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ");
        map.of(word).iter().map(words).collect()
    }

    #[test]
    fn groups_go_both_ways_and_arrows_one_way() {
        let text = "# all of them\nCar, automobile , motor car\n\nbird => sparrow, wren # small\ncar, auto\nbird, fowl\n";
        let words = map(text, "words").unwrap();
        assert_eq!(of(&words, "car"), ["automobile", "motor car", "auto"]);
        assert_eq!(of(&words, "automobile"), ["car", "motor car"]);
        assert_eq!(of(&words, "bird"), ["sparrow", "wren", "fowl"]);
        assert_eq!(of(&words, "fowl"), ["bird"]);
        for word in ["sparrow", "motor", "Car", "all"] {
            assert_eq!(of(&words, word), [""; 0], "{word}");
        }
        let stems = map("houses, homes", "stem:english").unwrap();
        assert_eq!(of(&stems, "hous"), ["home"]);
        assert_eq!(of(&map("a b, c", "words").unwrap(), "c"), ["a b"]);
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        let rules = Synonyms::parse("a,b,  c d\ne=>f,g\n", "s.txt").unwrap();
        let lines: Vec<String> = rules.clone().into();
        assert_eq!(lines, ["a, b, c d", "e => f, g"]);
        assert_eq!(Synonyms::try_from(lines).unwrap(), rules);
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_line() {
        for (text, line) in [("a", 1), ("a, b\n\na,,b", 3), ("a => ", 1), ("=> a", 1), ("a => b => c", 1)] {
            let error = Synonyms::parse(text, "s.txt").unwrap_err();
            assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(line)), "{text}");
        }
        let many: Vec<String> = (0..SYNONYMS + 2).map(|i| format!("w{i}")).collect();
        assert!(Synonyms::parse(&many.join(","), "s.txt").is_err());
        assert!(Synonyms::parse(&many[1..].join(","), "s.txt").is_ok());
        assert_eq!(map("the, a b", "stop:english").unwrap_err().code(), ErrorCode::BadValue);
        let each: String = many.iter().map(|word| format!("x, {word}\n")).collect();
        assert_eq!(map(&each, "words").unwrap_err().code(), ErrorCode::TooLarge);
    }
}
