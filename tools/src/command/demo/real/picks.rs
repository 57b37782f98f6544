//! What real pictures are asked with, chosen by rule among held-out documents: nothing depends on one of them being there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use uncsm_index::corpus::{Document, Given, JsonlReader, Split};
use uncsm_index::{Error, ErrorCode, Result};

use super::keys::LABEL;

/// Parts of class names that people know from pictures; other classes follow by their number of held-out documents.
const KNOWN: [&str; 6] = ["animal", "food", "transport", "travel", "vehicle", "plant"];
/// Letters of a word that gets a typing error: shorter ones are allowed none.
const TYPED: std::ops::RangeInclusive<usize> = 6..=8;
/// Letters of a word that goes with a picture.
const BESIDE: std::ops::RangeInclusive<usize> = 4..=12;

/// Documents and words to ask with.
pub struct Picks {
    /// Asks for texts.
    pub for_texts: Document,
    /// Asks for pictures.
    pub for_pictures: Document,
    /// Asks together with the word `beside`, which its own text does not have.
    pub mixed: Document,
    pub beside: Option<String>,
    /// A word of several held-out texts, and the same with two letters swapped.
    pub word: Option<(String, String)>,
    /// A class, to filter by.
    pub class: Option<String>,
    /// Ids of all held-out documents.
    pub held_out: BTreeSet<String>,
}

impl Picks {
    /// Reads the corpus and chooses.
    ///
    /// # Errors
    /// Those of reading; [`ErrorCode::Empty`] where no held-out document has a picture in a file.
    pub fn of(corpus: &Path) -> Result<Self> {
        let all = JsonlReader::open(corpus)?.collect::<Result<Vec<_>, _>>()?;
        let held_out: Vec<&Document> = all
            .iter()
            .filter(|document| document.split == Some(Split::Test) && file_of(document).is_some())
            .collect();
        let classes = classes(&held_out);
        let rows = |at: usize| -> Vec<&Document> {
            let class = classes.get(at % classes.len().max(1)).copied();
            held_out
                .iter()
                .copied()
                .filter(|document| class.is_none_or(|class| class_of(document) == Some(class)))
                .collect()
        };
        let pick = |at: usize, part: usize| {
            let rows = rows(at);
            rows.get(rows.len() * part / 4).map(|document| (*document).clone()).ok_or_else(|| {
                Error::new(ErrorCode::Empty, "no held-out document has a picture").file(corpus)
            })
        };
        let (for_texts, for_pictures, mixed) = (pick(0, 2)?, pick(1, 1)?, pick(2, 3)?);
        let known: BTreeSet<String> = all.iter().flat_map(words).collect();
        let typed =
            frequent(rows(0).into_iter(), |word| TYPED.contains(&word.len()) && typo(word, &known).is_some());
        let word = typed.and_then(|word| Some((typo(&word, &known)?, word))).map(|(typo, word)| (word, typo));
        let own = words(&mixed);
        let alike = all.iter().filter(|document| class_of(document) == class_of(&mixed));
        let beside = frequent(alike, |word| BESIDE.contains(&word.len()) && !own.contains(word));
        let class = class_of(&for_pictures).map(str::to_owned);
        let held_out = held_out.iter().filter_map(|document| document.id.clone()).collect();
        Ok(Self { for_texts, for_pictures, mixed, beside, word, class, held_out })
    }
}

/// The first picture that is a file.
pub fn file_of(document: &Document) -> Option<&Path> {
    document.images().iter().find_map(Given::path)
}

fn class_of(document: &Document) -> Option<&str> {
    document.fields.get(LABEL).and_then(|value| value.as_str())
}

/// Classes with held-out documents: known ones first, then the large ones.
fn classes<'d>(held_out: &[&'d Document]) -> Vec<&'d str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for class in held_out.iter().copied().filter_map(class_of) {
        *counts.entry(class).or_default() += 1;
    }
    let mut classes: Vec<(&str, usize)> = counts.into_iter().collect();
    let known = |class: &str| KNOWN.iter().position(|part| class.to_lowercase().contains(part));
    classes.sort_by_key(|(class, count)| (known(class).unwrap_or(KNOWN.len()), std::cmp::Reverse(*count)));
    classes.into_iter().map(|(class, _)| class).collect()
}

/// The words of a title, or of a text without one, in small letters; those of signs and digits are left out.
fn words(document: &Document) -> BTreeSet<String> {
    let title = document.fields.get("title").and_then(|value| value.as_str());
    let text = title.map_or_else(|| document.texts().join(" "), str::to_owned).to_lowercase();
    let plain = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    text.split(|c: char| !c.is_alphanumeric()).filter(plain).map(str::to_owned).collect()
}

/// The word of most documents among those that fit; of several the first by letters.
fn frequent<'d>(
    documents: impl Iterator<Item = &'d Document>,
    fits: impl Fn(&String) -> bool,
) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in documents.flat_map(words).filter(fits) {
        *counts.entry(word).or_default() += 1;
    }
    let most = counts.values().copied().max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(word, _)| word)
}

/// The word with two neighbouring letters swapped, past its beginning, so that no document has it.
fn typo(word: &str, known: &BTreeSet<String>) -> Option<String> {
    (1..word.len().saturating_sub(1)).rev().find_map(|at| {
        let mut letters = word.as_bytes().to_vec();
        letters.swap(at, at + 1);
        let typo = String::from_utf8(letters).ok()?;
        (typo != word && !known.contains(&typo)).then_some(typo)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn corpus(lines: &[serde_json::Value]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("items.jsonl");
        std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        (dir, path)
    }

    fn line(id: usize, split: &str, class: Option<&str>, title: &str) -> serde_json::Value {
        let mut line = json!({"id": format!("d{id}"), "text": format!("{title}. more words"), "title": title,
            "image": format!("img/{id}.png"), "split": split, "group": id});
        if let Some(class) = class {
            line["class"] = class.into();
        }
        line
    }

    #[test]
    fn known_classes_come_first_and_words_are_those_of_most() {
        let lines = [
            line(0, "train", Some("food"), "sweet banana"),
            line(1, "train", Some("food"), "ripe banana 2"),
            line(2, "test", Some("shapes"), "square"),
            line(3, "test", Some("shapes"), "circle"),
            line(4, "test", Some("shapes"), "hexagon"),
            line(5, "test", Some("farm_animals"), "a rabbit"),
            line(6, "test", Some("farm_animals"), "white rabbit"),
            line(7, "test", Some("food"), "lemon"),
        ];
        let (_dir, path) = corpus(&lines);
        let picks = Picks::of(&path).unwrap();
        assert_eq!(class_of(&picks.for_texts), Some("farm_animals"));
        assert_eq!((class_of(&picks.for_pictures), picks.class.as_deref()), (Some("food"), Some("food")));
        assert_eq!(class_of(&picks.mixed), Some("shapes"));
        assert_eq!(picks.word, Some(("rabbit".into(), "rabbti".into())));
        assert!(picks.beside.is_some_and(|word| ["circle", "square", "hexagon"].contains(&word.as_str())));
        let held_out: Vec<_> = picks.held_out.iter().map(String::as_str).collect();
        assert_eq!(held_out, ["d2", "d3", "d4", "d5", "d6", "d7"]);
    }

    #[test]
    fn without_classes_and_long_words_there_is_less_to_ask() {
        let (_dir, path) = corpus(&[line(0, "train", Some("a"), "x"), line(1, "test", None, "y")]);
        let picks = Picks::of(&path).unwrap();
        assert_eq!((picks.word, picks.class, picks.beside), (None, None, None));
        assert_eq!(picks.mixed.id.as_deref(), Some("d1"));
        let (_dir, path) = corpus(&[line(0, "train", Some("a"), "x")]);
        assert!(Picks::of(&path).is_err_and(|error| error.code() == ErrorCode::Empty));
    }

    #[test]
    fn a_typing_error_makes_no_other_word() {
        let known = BTreeSet::from(["form".to_owned(), "from".to_owned()]);
        assert_eq!(typo("form", &known).as_deref(), Some("fomr"));
        assert_eq!(typo("form", &BTreeSet::from(["fomr".to_owned(), "from".to_owned()])), None);
        assert_eq!(typo("aaaa", &known), None);
        assert_eq!(typo("a", &known), None);
    }
}
