//! The fields that documents have, and how each is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::analysis::{Analysis, composed_len};
use super::synonyms::Synonyms;
use crate::corpus::check_field_name;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// Longest string that enters the exact twin of a text field: bytes as the twin's analysis composes them.
pub const EXACT_LIMIT: usize = 256;

/// The analysis of text in new schemas.
pub(crate) const NEW_TEXT: &str = "words";

/// The analysis of whole values in new schemas: of exact twins, and of the columns of fast text.
pub(crate) const NEW_EXACT: &str = "raw+nfc";

/// The analysis of whole values where a schema names none, as those of older indexes do.
const OLD_EXACT: &str = "raw";

/// Most fields of one schema: keys that vary from document to document are data, not fields.
pub const MAX_FIELDS: usize = 1000;

/// Parts of analyses whose terms are pieces of words, or overlap, or are whole values.
const PIECES: [&str; 4] = ["cjk_bigram", "ngram:", "prefix:", "raw"];

const RESERVED: [&str; 4] = ["id", "split", "texts", "images"];

/// The end of the names of exact twins.
pub(crate) const EXACT_END: &str = "_exact";

/// Name of the exact twin of the field `name`.
pub(crate) fn exact_name(name: &str) -> String {
    format!("{name}{EXACT_END}")
}

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Strings, tokenised and indexed; numbers and booleans enter as they are written.
    Text,
    /// 64-bit signed integers.
    Integer,
    /// 64-bit floats; integers enter as floats.
    Float,
    /// Booleans.
    Bool,
    /// Strings that are dates, kept as they are given: instants of RFC 3339 and days, to the microsecond.
    Date,
    /// Strings that are kept and never searched: image paths.
    Stored,
    /// Anything, nested objects too: goes into the one JSON field `_extra`, searchable as `_extra.NAME`.
    Extra,
}

impl FieldKind {
    /// The word that stands for it in a schema file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Date => "date",
            Self::Stored => "stored",
            Self::Extra => "extra",
        }
    }
}

/// How one field is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Whether a document may have several values, so that they are printed as a list.
    pub multi: bool,
    /// Whether values can be printed.
    pub stored: bool,
    /// Whether values stand in a column, for sorting and ranges.
    pub fast: bool,
    /// Whether a text field has an exact twin `NAME_exact` for filters and facets; a date field always has one.
    pub facet: bool,
    /// Tokenizer of a text field as [`Analysis`] reads it; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tokenizer: String,
    /// How a whole value of a text field becomes the one term of its exact twin, and of its column: an [`Analysis`] that
    /// keeps values whole. Empty means `raw`, and stands in indexes that are older than this setting; empty for other kinds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub exact: String,
    /// Words that stand for each other in queries for a text field; the index does not change by them.
    #[serde(default, skip_serializing_if = "Synonyms::is_empty")]
    pub synonyms: Synonyms,
}

impl FieldSpec {
    /// The defaults for a kind; single-valued.
    pub fn new(kind: FieldKind) -> Self {
        let (text, date) = (kind == FieldKind::Text, kind == FieldKind::Date);
        Self {
            kind,
            multi: false,
            stored: true,
            fast: date || matches!(kind, FieldKind::Integer | FieldKind::Float | FieldKind::Bool),
            facet: text || date,
            tokenizer: if text { NEW_TEXT.to_owned() } else { String::new() },
            exact: if text { NEW_EXACT.to_owned() } else { String::new() },
            synonyms: Synonyms::default(),
        }
    }

    /// The analysis of whole values.
    pub(crate) fn exact_analysis(&self) -> &str {
        if self.exact.is_empty() { OLD_EXACT } else { &self.exact }
    }

    /// Whether `value` is short enough for the exact twin. Composed and decomposed forms of a value have one answer where
    /// the twin composes them.
    pub(crate) fn has_exact(&self, value: &str) -> bool {
        fits_exact(self.exact_analysis(), value)
    }

    fn analysis(&self, name: &str) -> Result<Analysis> {
        Analysis::parse(&self.tokenizer).map_err(|error| error.within(format!("the field `{name}`")))
    }

    /// Checks that this build can read and write the field `name`.
    pub(crate) fn check_features(&self, name: &str) -> Result<()> {
        if self.kind != FieldKind::Text {
            return Ok(());
        }
        let features = self.analysis(name)?.check_features();
        features.map_err(|error| error.within(format!("the field `{name}`")))
    }

    /// Checks that the settings go together for the field `name`.
    fn check(&self, name: &str) -> Result<()> {
        let kind = self.kind.as_str();
        let error =
            |what: String, hint: &str| Err(Error::new(ErrorCode::BadValue, what).hint(hint.to_owned()));
        match (name, self.kind) {
            ("text", FieldKind::Text) | ("image", FieldKind::Stored) => {}
            ("text" | "image", _) => {
                return error(format!("the field `{name}` cannot be of type {kind}"), "leave its type out");
            }
            _ => {}
        }
        if self.kind == FieldKind::Text {
            self.analysis(name)?;
            return self.check_exact(name);
        }
        if self.kind == FieldKind::Date && !(self.facet && self.fast) {
            return error(
                format!("the field `{name}` of type date always has a column and an exact twin"),
                "leave `fast` and `facet` out",
            );
        }
        if self.facet && self.kind != FieldKind::Date {
            return error(
                format!("the field `{name}` of type {kind} cannot have a facet"),
                "facets are for type text; numbers, dates and booleans are columns already",
            );
        }
        if !self.exact.is_empty() {
            return error(format!("the field `{name}` of type {kind} has an exact analysis"), "leave it out");
        }
        if !self.tokenizer.is_empty() {
            return error(format!("the field `{name}` of type {kind} has a tokenizer"), "leave it out");
        }
        if !self.synonyms.is_empty() {
            return error(format!("the field `{name}` of type {kind} has synonyms"), "leave them out");
        }
        let kept_only = matches!(self.kind, FieldKind::Stored | FieldKind::Extra);
        if kept_only && (self.fast || !self.stored) {
            return error(
                format!("the field `{name}` of type {kind} is always stored and never fast"),
                "leave `stored` and `fast` out",
            );
        }
        Ok(())
    }
}

impl FieldSpec {
    /// Checks the synonyms against the analysis. Apart from the other checks, since it reads all rules.
    pub(super) fn check_synonyms(&self, name: &str) -> Result<()> {
        if self.synonyms.is_empty() {
            return Ok(());
        }
        let pieces = |part: &str| PIECES.iter().any(|known| part.starts_with(known));
        if self.tokenizer.split('+').any(pieces) {
            let what = format!("the field `{name}` has synonyms, and its analysis makes no words");
            return Err(Error::new(ErrorCode::BadValue, what)
                .expected("an analysis whose terms are words")
                .got(format!("`{}`", self.tokenizer)));
        }
        self.synonyms
            .check(&self.analysis(name)?)
            .map_err(|error| error.within(format!("the field `{name}`")))
    }

    fn check_exact(&self, name: &str) -> Result<()> {
        let within = |error: Error| error.within(format!("`exact` of the field `{name}`"));
        if !Analysis::parse(self.exact_analysis()).map_err(within)?.is_whole() {
            let what = format!("`exact` of the field `{name}` must keep values whole");
            return Err(Error::new(ErrorCode::BadValue, what)
                .expected("raw, raw+nfc, or more parts that change letters alone: lower, fold")
                .got(format!("`{}`", self.exact)));
        }
        Ok(())
    }
}

/// Whether `value` is short enough for an exact twin of this analysis.
pub(crate) fn fits_exact(analysis: &str, value: &str) -> bool {
    let composes = analysis.split('+').any(|part| part == "nfc");
    if composes { is_short(value) } else { value.len() <= EXACT_LIMIT }
}

/// Whether a string has at most [`EXACT_LIMIT`] bytes, however its letters are composed.
pub(crate) fn is_short(value: &str) -> bool {
    // Composing leaves at least a third of the bytes.
    value.len() <= 3 * EXACT_LIMIT && composed_len(value) <= EXACT_LIMIT
}

/// All fields by name.
///
/// Invariants: names are legal and not reserved, settings go together, no exact twin has the name of a field, and
/// there are at most [`MAX_FIELDS`]. `id` and `_extra` exist always and are not listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, FieldSpec>", into = "BTreeMap<String, FieldSpec>")]
pub struct FieldSchema(BTreeMap<String, FieldSpec>);

impl FieldSchema {
    /// A schema of these fields.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a name or setting that cannot be; [`ErrorCode::SchemaConflict`] where the exact
    /// twin of one field has the name of another.
    pub fn new(fields: BTreeMap<String, FieldSpec>) -> Result<Self> {
        Ok(Self::checked(fields)?)
    }

    /// As [`FieldSchema::new`]; names that clash are a fact.
    pub(crate) fn checked(fields: BTreeMap<String, FieldSpec>) -> Result<Self, Refused> {
        Self::check_fields(&fields)?;
        let schema = Self(fields);
        match schema.clash().map(|(name, twin)| (name.to_owned(), twin)) {
            None => Ok(schema),
            Some((name, twin)) => Err(Refused::Clash { name, twin }),
        }
    }

    fn check_fields(fields: &BTreeMap<String, FieldSpec>) -> Result<()> {
        if fields.len() > MAX_FIELDS {
            return Err(Error::new(ErrorCode::BadValue, "too many fields")
                .expected(format!("at most {MAX_FIELDS} keys"))
                .got(format!("{} keys", fields.len()))
                .hint("put keys that vary from document to document into one nested object"));
        }
        for (name, spec) in fields {
            check_field_name(name)?;
            if RESERVED.contains(&name.as_str()) {
                return Err(Error::new(ErrorCode::BadValue, format!("`{name}` is no field of its own"))
                    .hint("leave it out of the schema: id, split, texts and images are read by the engine"));
            }
            spec.check(name)?;
        }
        Ok(())
    }

    /// The first text field whose exact twin has the name of another field.
    fn clash(&self) -> Option<(&str, String)> {
        self.0.iter().filter(|(_, spec)| spec.facet).find_map(|(name, _)| {
            let twin = exact_name(name);
            let taken = self.0.get(&twin).is_some_and(|other| other.kind != FieldKind::Extra);
            taken.then_some((name.as_str(), twin))
        })
    }

    /// Refuses fields with a tokenizer that this build does not have; an index of such a schema opens in one that has it.
    ///
    /// # Errors
    /// [`ErrorCode::UnsupportedVersion`] that names field and Cargo feature.
    pub fn check_features(&self) -> Result<()> {
        self.iter().try_for_each(|(name, spec)| spec.check_features(name))
    }

    /// The field `name`.
    pub fn get(&self, name: &str) -> Option<&FieldSpec> {
        self.0.get(name)
    }

    /// All fields in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FieldSpec)> {
        self.0.iter().map(|(name, spec)| (name.as_str(), spec))
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The fields themselves, to build another schema of.
    pub fn into_fields(self) -> BTreeMap<String, FieldSpec> {
        self.0
    }

    /// The schema as a file that overrides inference: it names all keys, so that a build need not scan for them.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] where the TOML writer refuses, which no legal schema brings about.
    pub fn to_toml(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Page<'a> {
            complete: bool,
            fields: &'a BTreeMap<String, FieldSpec>,
        }
        let page = Page { complete: true, fields: &self.0 };
        toml::to_string(&page)
            .map_err(|error| Error::new(ErrorCode::BadValue, error.to_string()).source(error))
    }
}

/// Why fields make no schema.
pub(crate) enum Refused {
    /// A field cannot be as it is.
    Field(Error),
    /// The exact twin of `name` has the name `twin` of another field.
    Clash { name: String, twin: String },
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Field(error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Field(error) => error,
            Refused::Clash { name, twin } => clash_error(&name, &twin),
        }
    }
}

/// The error for an exact twin of `name` that has the name of another field.
pub(crate) fn clash_error(name: &str, twin: &str) -> Error {
    let what = format!("the key `{twin}` has the name of the exact field of `{name}`");
    Error::new(ErrorCode::SchemaConflict, what).hint(
        Hint::new("rename the key, or give")
            .setting(Setting::Schema)
            .text(format_args!(" a file with `facet = false` under [fields.{name:?}]")),
    )
}

impl TryFrom<BTreeMap<String, FieldSpec>> for FieldSchema {
    type Error = Error;

    fn try_from(fields: BTreeMap<String, FieldSpec>) -> Result<Self> {
        Self::new(fields)
    }
}

impl From<FieldSchema> for BTreeMap<String, FieldSpec> {
    fn from(schema: FieldSchema) -> Self {
        schema.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, FieldSpec)]) -> Result<FieldSchema> {
        FieldSchema::new(fields.iter().map(|(name, spec)| ((*name).to_owned(), spec.clone())).collect())
    }

    fn code(fields: &[(&str, FieldSpec)]) -> ErrorCode {
        schema(fields).unwrap_err().code()
    }

    #[test]
    fn refuses_what_does_not_go_together() {
        let text = FieldSpec::new(FieldKind::Text);
        let integer = FieldSpec::new(FieldKind::Integer);
        let bad = ErrorCode::BadValue;
        for name in ["id", "split", "texts", "images", "_x", "-x", ""] {
            assert_eq!(code(&[(name, text.clone())]), bad, "{name}");
        }
        assert_eq!(code(&[("text", integer.clone())]), bad);
        assert_eq!(code(&[("image", text.clone())]), bad);
        assert_eq!(code(&[("n", FieldSpec { facet: true, ..integer.clone() })]), bad);
        assert_eq!(code(&[("n", FieldSpec { tokenizer: "raw".into(), ..integer.clone() })]), bad);
        assert_eq!(code(&[("n", FieldSpec { exact: "raw".into(), ..integer })]), bad);
        for exact in ["words", "raw+ngram:2:3", "raw+limit:9", "klingon"] {
            assert_eq!(code(&[("t", FieldSpec { exact: exact.into(), ..text.clone() })]), bad, "{exact}");
        }
        assert_eq!(code(&[("t", FieldSpec { tokenizer: "klingon".into(), ..text.clone() })]), bad);
        assert_eq!(code(&[("i", FieldSpec { stored: false, ..FieldSpec::new(FieldKind::Stored) })]), bad);
        assert_eq!(code(&[("a", text.clone()), ("a_exact", text.clone())]), ErrorCode::SchemaConflict);
        let plain = FieldSpec { facet: false, ..text.clone() };
        schema(&[("a", plain), ("a_exact", text.clone())]).unwrap();
        schema(&[("a", text.clone()), ("a_exact", FieldSpec::new(FieldKind::Extra))]).unwrap();
        let many = (0..=MAX_FIELDS).map(|i| (format!("f{i}"), text.clone())).collect();
        assert_eq!(FieldSchema::new(many).unwrap_err().code(), bad);
    }

    #[test]
    fn both_forms_of_a_value_are_short_or_long() {
        let spec = FieldSpec::new(FieldKind::Text);
        let old = FieldSpec { exact: String::new(), ..spec.clone() };
        let (composed, decomposed) = ("é".repeat(128), "e\u{301}".repeat(128));
        assert_eq!((composed.len(), decomposed.len()), (256, 384));
        assert!(spec.has_exact(&composed) && spec.has_exact(&decomposed));
        assert!(!spec.has_exact(&format!("{composed}x")) && !spec.has_exact(&format!("{decomposed}x")));
        assert!(old.has_exact(&composed) && !old.has_exact(&decomposed), "as it was");
        // Three Hangul letters of three bytes each are one character of three bytes: nothing shrinks more.
        let letters = "\u{1112}\u{1161}\u{11ab}".repeat(85);
        assert_eq!(letters.len(), 765);
        assert!(spec.has_exact(&letters) && !spec.has_exact(&format!("{letters}xx")));
    }

    #[test]
    fn a_field_without_an_exact_analysis_is_an_old_one() {
        let json =
            r#"{"type":"text","multi":false,"stored":true,"fast":true,"facet":true,"tokenizer":"default"}"#;
        let old: FieldSpec = serde_json::from_str(json).unwrap();
        assert_eq!((old.exact_analysis(), old.tokenizer.as_str()), ("raw", "default"));
        assert_eq!(serde_json::to_string(&old).unwrap(), json, "and stays one");
        let new = FieldSpec::new(FieldKind::Text);
        assert_eq!((new.exact_analysis(), new.tokenizer.as_str()), ("raw+nfc", "words"));
    }

    #[test]
    fn json_goes_both_ways_and_is_checked() {
        let schema =
            schema(&[("t", FieldSpec::new(FieldKind::Text)), ("n", FieldSpec::new(FieldKind::Float))]);
        let schema = schema.unwrap();
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<FieldSchema>(&json).unwrap(), schema);
        assert!(serde_json::from_str::<FieldSchema>(&json.replace("\"t\"", "\"_t\"")).is_err());
    }
}
