//! What a corpus holds for learning, and the first cause where that is nothing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::corpus::{Document, Keys, ReadError, SPLIT_NOT_READ, Split};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// What the first pass over a corpus has seen.
#[derive(Default)]
pub(crate) struct Seen {
    documents: u64,
    /// Documents of each split; those without one are learned from.
    splits: BTreeMap<String, u64>,
    learned: u64,
    /// Line and keys of the first document, and of the first to learn from.
    first: Option<u64>,
    first_learned: Option<(u64, Vec<String>)>,
    bad: u64,
    error: Option<Error>,
}

/// Whether a document belongs to a split that is known, or to none.
pub(crate) fn is_known(document: &Document) -> bool {
    document.unknown_split.is_none()
}

impl Seen {
    /// Counts a document, and returns one to learn from.
    pub(crate) fn take(&mut self, read: Result<Document, ReadError>) -> Option<Document> {
        let document = match read {
            Ok(document) => document,
            Err(error) => {
                self.bad += 1;
                self.error.get_or_insert(error.into_error());
                return None;
            }
        };
        self.documents += 1;
        self.first.get_or_insert(document.line);
        let split = match (&document.unknown_split, document.split) {
            (Some(word), _) if word == SPLIT_NOT_READ => "a split that does not read".to_owned(),
            (Some(word), _) => format!("{word:?}"),
            (None, split) => split.unwrap_or(Split::Train).to_string(),
        };
        // Unknown words come from the corpus, and need not be few.
        if self.splits.len() < MOST_SPLITS || self.splits.contains_key(&split) {
            *self.splits.entry(split).or_default() += 1;
        }
        if !is_known(&document) || document.split.is_some_and(|split| split != Split::Train) {
            return None;
        }
        self.learned += 1;
        if self.first_learned.is_none() {
            let keys = document.fields.keys().take(MOST_KEYS).cloned().collect();
            self.first_learned = Some((document.line, keys));
        }
        Some(document)
    }

    /// Why there is nothing to learn from in the corpus `path`.
    pub(crate) fn nothing(self, path: &Path) -> Error {
        let empty = |what: &str, line: Option<u64>| {
            let error = Error::new(ErrorCode::Empty, what).file(path);
            match line {
                Some(line) => error.line(line),
                None => error,
            }
        };
        if let (0, Some(error)) = (self.documents, self.error) {
            let error =
                error.within(format!("no document of the corpus reads, {} left out; the first", self.bad));
            return if error.facts().file.is_some() { error } else { error.file(path) };
        }
        if self.documents == 0 {
            return empty("the corpus has no document", None).hint("give a corpus with documents");
        }
        let Some((line, keys)) = self.first_learned else {
            let splits: Vec<String> =
                self.splits.iter().map(|(split, n)| format!("{n} of {split}")).collect();
            return empty("no document is to be learned from: none is of the split train", self.first)
                .expected("documents with the `split` train, or without that key")
                .got(splits.join(", "))
                .hint("mark the documents to learn from as train");
        };
        empty("no document to learn from has a text or a picture", Some(line))
            .expected("one of the keys text, texts, image and images, with a value")
            .got(match keys.is_empty() {
                true => "a document without a key".to_owned(),
                false => format!("the keys {}", keys.join(", ")),
            })
            .hint(match Keys::propose(keys.iter().map(String::as_str)) {
                Some(map) => {
                    Hint::new("say which keys hold texts and pictures, with").given(Setting::Map, map)
                }
                None => Hint::new("rename the keys that hold texts and pictures, or name them with")
                    .given(Setting::Map, "text=KEY,image=KEY"),
            })
    }
}

/// Splits that are counted.
const MOST_SPLITS: usize = 16;
/// Keys of a document that a message names.
const MOST_KEYS: usize = 12;
