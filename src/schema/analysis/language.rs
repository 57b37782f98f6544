//! The languages that tantivy has stemmers for, some of them with stop words.

use tantivy::tokenizer::{Language, StopWordFilter};

/// Each with its name in a schema and its code of ISO 639-1.
const LANGUAGES: [(Language, &str, &str); 18] = [
    (Language::Arabic, "arabic", "ar"),
    (Language::Danish, "danish", "da"),
    (Language::Dutch, "dutch", "nl"),
    (Language::English, "english", "en"),
    (Language::Finnish, "finnish", "fi"),
    (Language::French, "french", "fr"),
    (Language::German, "german", "de"),
    (Language::Greek, "greek", "el"),
    (Language::Hungarian, "hungarian", "hu"),
    (Language::Italian, "italian", "it"),
    (Language::Norwegian, "norwegian", "no"),
    (Language::Portuguese, "portuguese", "pt"),
    (Language::Romanian, "romanian", "ro"),
    (Language::Russian, "russian", "ru"),
    (Language::Spanish, "spanish", "es"),
    (Language::Swedish, "swedish", "sv"),
    (Language::Tamil, "tamil", "ta"),
    (Language::Turkish, "turkish", "tr"),
];

/// The language of this name.
pub(crate) fn named(name: &str) -> Option<Language> {
    LANGUAGES.iter().find(|(_, known, _)| *known == name).map(|(language, ..)| *language)
}

/// The name of the language that `word` means, be it a name or a code.
pub(crate) fn meant(word: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(_, name, code)| *name == word || *code == word).map(|(_, name, _)| *name)
}

/// The names of all languages with a stemmer.
pub(crate) fn with_stemmer() -> Vec<&'static str> {
    LANGUAGES.iter().map(|(_, name, _)| *name).collect()
}

/// The names of all languages with a list of stop words.
pub(crate) fn with_stop_words() -> Vec<&'static str> {
    LANGUAGES.iter().filter(|(language, ..)| has_stop_words(*language)).map(|(_, name, _)| *name).collect()
}

/// Whether there is a list of stop words.
pub(crate) fn has_stop_words(language: Language) -> bool {
    StopWordFilter::new(language).is_some()
}
