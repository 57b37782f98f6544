//! `NaN`, `Infinity` and `-Infinity`, which Python's `json` writes and JSON does not have: each takes away itself alone.

use crate::error::{Error, ErrorCode};

const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// A text with null where such a word stood.
pub(in crate::corpus) struct Cleaned {
    pub(in crate::corpus) text: String,
    /// Places of the words in the original, and by how much longer each became.
    words: Vec<(usize, usize)>,
    /// The first word, and the key that it stands under.
    first: (&'static str, Option<String>),
}

/// The text with null in place of such words; `None` where it has none outside of strings.
///
/// Cost: one pass over the bytes.
pub(in crate::corpus) fn clean(text: &str) -> Option<Cleaned> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut words, mut first) = (Vec::new(), None);
    let (mut copied, mut at) = (0, 0);
    // The last string, and the last one before a colon.
    let (mut string, mut key) = (0..0, None);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = end_of_string(bytes, at + 1);
                string = at + 1..end;
                at = end + 1;
                continue;
            }
            b':' => key = Some(string.clone()),
            b'N' | b'I' | b'-' => {
                let word = WORDS.into_iter().find(|word| is_word(bytes, at, word));
                if let Some(word) = word {
                    out.push_str(&text[copied..at]);
                    // As long as the word where that is possible, so that places stay.
                    let null = format!("{:width$}", "null", width = word.len());
                    words.push((at, null.len() - word.len()));
                    out.push_str(&null);
                    let name = key.clone().and_then(|range| text.get(range)).map(str::to_owned);
                    first.get_or_insert((word, name));
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    let first = first?;
    out.push_str(&text[copied..]);
    Some(Cleaned { text: out, words, first })
}

/// The place of the closing quote, or the end of the text.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// Whether `word` stands at `at` as a value of its own.
fn is_word(bytes: &[u8], at: usize, word: &str) -> bool {
    let part =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_+-.".contains(byte));
    bytes[at..].starts_with(word.as_bytes())
        && !part(bytes.get(at + word.len()))
        && !part(at.checked_sub(1).and_then(|before| bytes.get(before)))
}

impl Cleaned {
    /// The place in the original text of a place in this one.
    pub(in crate::corpus) fn original(&self, at: usize) -> usize {
        let mut longer = 0;
        for (place, by) in &self.words {
            if place + longer + by >= at {
                break;
            }
            longer += by;
        }
        at - longer.min(at)
    }

    /// What was left out, with the place in the text as offset.
    pub(in crate::corpus) fn flaw(&self) -> Error {
        let (word, key) = &self.first;
        let key = key.as_ref().map_or_else(|| "a value".to_owned(), |key| format!("`{key}`"));
        let more = match self.words.len() - 1 {
            0 => String::new(),
            more => format!(", and {more} more of the line"),
        };
        Error::new(ErrorCode::NotFinite, format!("{key} is {word}{more}, which JSON does not have"))
            .offset(self.words[0].0 as u64)
            .hint("write null, or leave the key out")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_outside_of_strings_become_null() {
        let text = r#"{"a": NaN, "s": "NaN \" Infinity", "l": [1, -Infinity,Infinity], "NaN": 1}"#;
        let cleaned = clean(text).unwrap();
        let value: serde_json::Value = serde_json::from_str(&cleaned.text).unwrap();
        assert_eq!(
            value,
            serde_json::json!({"a": null, "s": "NaN \" Infinity", "l": [1, null, null], "NaN": 1})
        );
        assert_eq!(cleaned.words.len(), 3);
        let flaw = cleaned.flaw();
        assert_eq!((flaw.code(), flaw.facts().offset), (ErrorCode::NotFinite, Some(6)));
        assert!(flaw.facts().message.starts_with("`a` is NaN, and 2 more"), "{flaw}");
    }

    #[test]
    fn what_is_no_such_word_stays() {
        for text in [
            r#"{"a": 1}"#,
            r#"{"a": NaNs}"#,
            r#"{"a": xNaN}"#,
            r#"{"a": -1}"#,
            "\"NaN",
            "\"\\",
            "",
            "\"a\\\" NaN",
        ] {
            assert!(clean(text).is_none(), "{text}");
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let text = r#"{"a": NaN, "b": NaN, "c": }"#;
        let cleaned = clean(text).unwrap();
        let at = cleaned.text.find('}').unwrap();
        assert_eq!(cleaned.original(at), text.find('}').unwrap());
        assert_eq!(cleaned.original(3), 3);
    }
}
