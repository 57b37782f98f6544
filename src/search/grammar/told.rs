//! What is found out about words while they are read.

use serde_json::{Value, json};
use tantivy::schema::Field;

/// Words and synonyms that an explanation names.
const SHOWN: usize = 10;

/// A word that is asked for, as the fields write it.
pub(in crate::search) struct AskedWord {
    pub(in crate::search) written: String,
    /// Its term in each field that is asked, and whether terms there are words as people write them: no stems.
    pub(in crate::search) terms: Vec<(Field, String, bool)>,
}

/// A word with what stands for it in a field.
pub(in crate::search) struct Widened {
    pub(in crate::search) word: String,
    pub(in crate::search) field: String,
    pub(in crate::search) synonyms: Vec<String>,
}

/// What was found out about keywords.
#[derive(Default)]
pub(in crate::search) struct Told {
    /// Words that are not quoted, not excluded and have no marks.
    pub(in crate::search) words: Vec<AskedWord>,
    pub(in crate::search) widened: Vec<Widened>,
}

impl Told {
    /// For an explanation; `None` where nothing was widened.
    pub(in crate::search) fn to_json(&self) -> Option<Value> {
        let each = |widened: &Widened| {
            let shown = &widened.synonyms[..widened.synonyms.len().min(SHOWN)];
            json!({ "word": widened.word, "field": widened.field, "synonyms": shown })
        };
        let shown: Vec<Value> = self.widened.iter().take(SHOWN).map(each).collect();
        (!shown.is_empty()).then(|| shown.into())
    }
}
