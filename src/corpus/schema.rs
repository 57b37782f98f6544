//! The fields of a corpus: inferred in one scan, or given in a TOML file.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};

/// Bytes of the longest string that gets into an exact field.
pub const MAX_EXACT: usize = 256;

/// Tokenizers that a field may name.
const TOKENIZERS: [&str; 4] = ["default", "en_stem", "raw", "whitespace"];

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Tokenised strings.
    Text,
    /// Integers of 64 bits with sign.
    Integer,
    /// Floating point numbers of 64 bits; also integers beyond 64 bits with sign.
    Float,
    /// Truth values.
    Bool,
    /// Strings that are stored only, such as the paths of pictures.
    Stored,
}

/// How one field is indexed. What does not apply to its kind is ignored: numbers have no tokenizer, only strings a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSpec {
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: FieldKind,
    /// Tokenizer of a text field: `default`, `en_stem`, `raw` or `whitespace`.
    #[serde(default = "default_tokenizer")]
    pub tokenizer: String,
    /// Whether hits show it.
    #[serde(default = "yes")]
    pub stored: bool,
    /// Whether numbers and truth values have a column, for filters and sorting.
    #[serde(default = "yes")]
    pub fast: bool,
    /// Whether strings of at most [`MAX_EXACT`] bytes also go into the exact field `NAME_exact`: filters, facets, sorting.
    #[serde(default)]
    pub facet: bool,
}

fn default_tokenizer() -> String {
    "default".into()
}

fn yes() -> bool {
    true
}

impl FieldSpec {
    /// A field of this kind as inference makes it.
    pub fn new(kind: FieldKind) -> Self {
        Self { kind, tokenizer: default_tokenizer(), stored: true, fast: true, facet: false }
    }
}

/// The fields of a document by name; `id` and `_extra` are always there and stand in no schema.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldSchema {
    /// By name.
    pub fields: BTreeMap<String, FieldSpec>,
}

impl FieldSchema {
    /// Checks names and tokenizers.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a reserved name, a name that is another field's exact twin, an unknown tokenizer.
    pub fn check(&self) -> Result<()> {
        for (name, spec) in &self.fields {
            let bad = |message: String| Err(Error::new(ErrorCode::BadValue, message));
            if name.is_empty() || name.starts_with('_') || name == "id" {
                return bad(format!("the field name {name:?} is reserved"));
            }
            if let Some(base) = name.strip_suffix("_exact") {
                if self.fields.get(base).is_some_and(|spec| spec.kind == FieldKind::Text && spec.facet) {
                    return bad(format!("the field {name:?} has the name of the exact twin of {base:?}"))
                        .map_err(|e| e.hint(format!("rename one, or set facet = false for {base:?}")));
                }
            }
            if !TOKENIZERS.contains(&spec.tokenizer.as_str()) {
                return Err(Error::new(
                    ErrorCode::BadValue,
                    format!("field {name:?} names an unknown tokenizer"),
                )
                .expected(TOKENIZERS.join(" or "))
                .got(&spec.tokenizer));
            }
        }
        Ok(())
    }

    /// This schema as TOML, which [`FieldSchema::load`] reads.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] never for a checked schema.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(self).map_err(|e| Error::new(ErrorCode::BadValue, format!("schema: {e}")).source(e))
    }

    /// Reads a schema file.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`]; [`ErrorCode::BadValue`] with the line for syntax, unknown keys and the like.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
        let schema: Self = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start].matches('\n').count() as u64 + 1);
            Error::new(ErrorCode::BadValue, format!("the schema file does not parse: {}", e.message()))
                .file(path)
                .line(line)
                .expected("tables [fields.NAME] with type, tokenizer, stored, fast, facet")
                .hint("start from what `uncsm-index schema` prints")
        })?;
        schema.check().map_err(|e| e.file(path))?;
        Ok(schema)
    }

    /// This schema with the fields of `given` in place of its own.
    #[must_use]
    pub fn overridden_by(mut self, given: &Self) -> Self {
        self.fields.extend(given.fields.iter().map(|(name, spec)| (name.clone(), spec.clone())));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_round_trip_and_override() {
        let mut schema = FieldSchema::default();
        schema.fields.insert("size".into(), FieldSpec::new(FieldKind::Integer));
        schema.fields.insert("title".into(), FieldSpec { facet: true, ..FieldSpec::new(FieldKind::Text) });
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, schema.to_toml().unwrap()).unwrap();
        assert_eq!(FieldSchema::load(&path).unwrap(), schema);
        std::fs::write(&path, "[fields.title]\ntype = \"text\"\ntokenizer = \"en_stem\"\n").unwrap();
        let merged = schema.overridden_by(&FieldSchema::load(&path).unwrap());
        assert_eq!((merged.fields.len(), merged.fields["title"].tokenizer.as_str()), (2, "en_stem"));
        assert!(!merged.fields["title"].facet);
    }

    #[test]
    fn a_bad_schema_file_is_refused_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            FieldSchema::load(&path).unwrap_err()
        };
        let error = load("[fields.a]\ntype = \"text\"\ncolour = 1\n");
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(3)));
        assert_eq!(load("[fields.a]\ntype = \"tex\"\n").facts().line, Some(2));
        assert_eq!(load("[fields._a]\ntype = \"text\"\n").code(), ErrorCode::BadValue);
        assert_eq!(load("[fields.id]\ntype = \"text\"\n").code(), ErrorCode::BadValue);
        let twin = load("[fields.a]\ntype = \"text\"\nfacet = true\n[fields.a_exact]\ntype = \"text\"\n");
        assert!(twin.to_string().contains("exact twin"), "{twin}");
        assert!(load("[fields.a]\ntype = \"text\"\ntokenizer = \"x\"\n").to_string().contains("en_stem"));
        assert_eq!(FieldSchema::load(Path::new("absent")).unwrap_err().code(), ErrorCode::NotFound);
    }
}
