//! A schema file in TOML: what a user says about fields, over what a scan infers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::analysis::Analysis;
use super::spec::{FieldKind, FieldSchema, FieldSpec, Refused};
use super::synonyms::Synonyms;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::limits::{self, SETTINGS_BYTES};
use crate::media::Fingerprint;

/// What a schema file says about one field; what it leaves out is inferred.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldOverride {
    /// What its values are.
    #[serde(rename = "type")]
    pub kind: Option<FieldKind>,
    /// Whether a document may have several values.
    pub multi: Option<bool>,
    /// Whether values can be printed.
    pub stored: Option<bool>,
    /// Whether values stand in a column.
    pub fast: Option<bool>,
    /// Whether a text field has an exact twin.
    pub facet: Option<bool>,
    /// Tokenizer of a text field as [`Analysis`] reads it.
    pub tokenizer: Option<String>,
    /// Analysis of whole values of a text field, for its exact twin and its column.
    pub exact: Option<String>,
    /// Words of a text field that stand for each other in queries.
    pub synonyms: Option<SynonymsFrom>,
}

/// Where a schema file has the synonyms of a field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
#[non_exhaustive]
pub enum SynonymsFrom {
    /// A file, whose path is relative to the schema file.
    File(PathBuf),
    /// A list of rules, as `FieldSchema::to_toml` writes it.
    Rules(Synonyms),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    File(PathBuf),
    Rules(Vec<String>),
}

impl TryFrom<Written> for SynonymsFrom {
    type Error = Error;

    fn try_from(written: Written) -> Result<Self> {
        Ok(match written {
            Written::File(path) => Self::File(path),
            Written::Rules(rules) => Self::Rules(rules.try_into()?),
        })
    }
}

impl FieldOverride {
    /// The field as this says over `inferred`; `None` where neither knows the type.
    fn apply(&self, inferred: Option<FieldSpec>) -> Option<FieldSpec> {
        let mut spec = match (self.kind, inferred) {
            (Some(kind), Some(spec)) if spec.kind != kind => {
                FieldSpec { multi: spec.multi, ..FieldSpec::new(kind) }
            }
            (_, Some(spec)) => spec,
            (Some(kind), None) => FieldSpec::new(kind),
            (None, None) => return None,
        };
        spec.multi = self.multi.unwrap_or(spec.multi);
        spec.stored = self.stored.unwrap_or(spec.stored);
        spec.fast = self.fast.unwrap_or(spec.fast);
        spec.facet = self.facet.unwrap_or(spec.facet);
        if let Some(tokenizer) = &self.tokenizer {
            spec.tokenizer.clone_from(tokenizer);
        }
        if let Some(exact) = &self.exact {
            spec.exact.clone_from(exact);
        }
        // Files were read with the schema file.
        if let Some(SynonymsFrom::Rules(synonyms)) = &self.synonyms {
            spec.synonyms.clone_from(synonyms);
        }
        Some(spec)
    }
}

/// A schema file:
///
/// ```toml
/// complete = false      # true: all keys are named here, the scan is skipped, others go into `_extra`
///
/// [fields.title]
/// type = "text"         # text, integer, float, bool, date, stored or extra
/// tokenizer = "stem:german+fold" # how text becomes terms
/// ```
///
/// The other keys of a field are `multi`, `stored`, `fast`, `facet` and `exact`. What a `tokenizer` may say is the table of
/// [`Analysis`]: `words` where it is left out, `stem:LANGUAGE`, `stop:LANGUAGE`, `fold` for accents, `cjk_bigram`, `raw`
/// and more, joined by `+`. It is stored in the index, and queries use it too. `exact` is the same for whole values, in
/// facets and filters on NAME_exact: `raw+nfc` where it is left out, or `raw`, `raw+nfc+lower`. `synonyms = "words.txt"` names a file of
/// [`Synonyms`], beside the schema file; a list of such rules may stand in its place. Keywords and plain words are widened by them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SchemaOverrides {
    complete: bool,
    fields: BTreeMap<String, (FieldOverride, u64)>,
    file: std::path::PathBuf,
    /// Of the text that was read.
    fingerprint: Option<Fingerprint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    fields: BTreeMap<String, Spanned<FieldOverride>>,
}

impl SchemaOverrides {
    /// Reads the schema file at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`], [`ErrorCode::Io`], and those of [`SchemaOverrides::parse`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = limits::read_text(path, SETTINGS_BYTES, "the schema file")?;
        Self::parse(&text, path)
    }

    /// Reads a schema file from `text`; `file` is the name in errors.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] with the line, for bad syntax and unknown keys, types or tokenizers;
    /// [`ErrorCode::UnsupportedVersion`] for a tokenizer that this build does not have.
    pub fn parse(text: &str, file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let line = |offset: usize| {
            let end = offset.min(text.len());
            1 + text.as_bytes()[..end].iter().filter(|&&byte| byte == b'\n').count() as u64
        };
        let page: Page = toml::from_str(text).map_err(|error| {
            let bad = Error::new(ErrorCode::BadValue, error.message().replace('\n', " ")).file(file);
            let bad = bad
                .hint(Hint::default().task(Task::InferSchema).text(" prints a correct file to start from"));
            match error.span() {
                Some(span) => bad.line(line(span.start)).offset(span.start as u64),
                None => bad,
            }
        })?;
        let mut fields = BTreeMap::new();
        // What the files of synonyms say is a part of what the schema file says.
        let mut said = vec![text.to_owned()];
        for (name, field) in page.fields {
            let at = line(field.span().start);
            let mut field = field.into_inner();
            if let Some(SynonymsFrom::File(path)) = &field.synonyms {
                let path = file.parent().unwrap_or(Path::new("")).join(path);
                let synonyms = Synonyms::open(path);
                let synonyms = synonyms.map_err(|error| error.within(format!("the field `{name}`")))?;
                said.extend(Vec::from(synonyms.clone()));
                field.synonyms = Some(SynonymsFrom::Rules(synonyms));
            }
            fields.insert(name, (field, at));
        }
        let overrides = Self {
            complete: page.complete,
            fields,
            file: file.to_path_buf(),
            fingerprint: Some(Fingerprint::of(said.iter().map(String::as_bytes))),
        };
        overrides.check()?;
        Ok(overrides)
    }

    /// Checks each field by itself where the file says its type, and its tokenizer in any case.
    fn check(&self) -> Result<()> {
        for (name, (field, line)) in &self.fields {
            let at = |error: Error| error.file(&self.file).line(*line);
            for (analysis, whose) in [(&field.tokenizer, "the"), (&field.exact, "`exact` of the")] {
                let Some(analysis) = analysis.as_ref().filter(|analysis| !analysis.is_empty()) else {
                    continue;
                };
                Analysis::parse(analysis)
                    .and_then(|analysis| analysis.check_features())
                    .map_err(|error| at(error.within(format!("{whose} field `{name}`"))))?;
            }
            match field.apply(None) {
                Some(spec) => drop(FieldSchema::new(BTreeMap::from([(name.clone(), spec)])).map_err(at)?),
                None if self.complete => {
                    let what = format!("the field `{name}` has no type, but the file says `complete = true`");
                    return Err(at(Error::new(ErrorCode::BadValue, what))
                        .hint("add its type, or leave `complete` out so that the corpus is scanned"));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Stands for the text of the schema file; `None` where there is none.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint
    }

    /// The type that the file gives to `name`.
    pub fn kind(&self, name: &str) -> Option<FieldKind> {
        self.fields.get(name).and_then(|(field, _)| field.kind)
    }

    /// Whether the file gives no type to `name`, but settings that only text has.
    pub(super) fn means_text(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|(field, _)| {
            let off = [field.fast, field.facet].contains(&Some(false));
            field.kind.is_none() && (off || field.tokenizer.is_some() || field.exact.is_some())
        })
    }

    /// The whole schema, where the file names all keys (`complete = true`), so that no scan is needed.
    ///
    /// # Errors
    /// Those of [`FieldSchema::new`].
    pub fn complete(&self) -> Result<Option<FieldSchema>> {
        if self.complete { self.apply(FieldSchema::default()).map(Some) } else { Ok(None) }
    }

    /// The inferred schema with what the file says over it.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] for a field that is not inferred and has no type here; those of
    /// [`FieldSchema::new`].
    pub fn apply(&self, inferred: FieldSchema) -> Result<FieldSchema> {
        Ok(self.apply_to(inferred.into_fields())?)
    }

    /// As [`SchemaOverrides::apply`], over fields that need not make a legal schema yet.
    pub(crate) fn apply_to(&self, mut fields: BTreeMap<String, FieldSpec>) -> Result<FieldSchema, Refused> {
        for (name, (field, line)) in &self.fields {
            let Some(spec) = field.apply(fields.remove(name)) else {
                let what = format!("no document has the key `{name}` that the schema file names");
                return Err(Refused::Field(
                    Error::new(ErrorCode::UnknownField, what)
                        .file(&self.file)
                        .line(*line)
                        .hint("correct the name, or add a type to have the field all the same"),
                ));
            };
            // Alone first, so that a bad setting is reported with its line.
            let synonyms = spec.check_synonyms(name);
            let alone = FieldSchema::new(BTreeMap::from([(name.clone(), spec)]));
            let alone = synonyms.and(alone);
            fields.extend(alone.map_err(|error| error.file(&self.file).line(*line))?.into_fields());
        }
        FieldSchema::checked(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str, line: u64) {
        let error = SchemaOverrides::parse(text, "s.toml").unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue, "{error}");
        assert_eq!(error.facts().line, Some(line), "{error}");
    }

    #[test]
    fn refuses_with_the_line() {
        fails("[fields.a]\ntype = \"text\"\nstoerd = true\n", 3);
        fails("complet = true\n", 1);
        fails("\n[fields.a]\ntype = \"txt\"\n", 3);
        fails("[fields.a]\ntype = \n", 2);
        fails("[fields.a]\ntype = \"text\"\n\n[fields.b]\ntype = \"integer\"\nfacet = true\n", 4);
        fails("[fields.a]\ntype = \"text\"\ntokenizer = \"klingon\"\n", 1);
        fails("complete = false\n[fields.a]\ntokenizer = \"klingon\"\n", 2);
        fails("[fields.a]\ntype = \"text\"\nexact = \"words\"\n", 1);
        fails("\n[fields.a]\nexact = \"klingon\"\n", 2);
        fails("[fields._a]\ntype = \"text\"\n", 1);
        fails("complete = true\n[fields.a]\nfast = true\n", 2);
        fails("[fields.a]\ntype = \"text\"\n[fields.a]\ntype = \"text\"\n", 3);
    }

    #[test]
    fn apply_changes_only_what_is_said() {
        let inferred = [
            ("a", FieldSpec { multi: true, ..FieldSpec::new(FieldKind::Text) }),
            ("n", FieldSpec { multi: true, ..FieldSpec::new(FieldKind::Integer) }),
        ];
        let inferred = inferred.map(|(name, spec)| (name.to_owned(), spec)).into();
        let inferred = FieldSchema::new(inferred).unwrap();
        let text = "[fields.a]\ntokenizer = \"en_stem\"\n[fields.n]\ntype = \"text\"\n[fields.new]\ntype = \"bool\"\n";
        let overrides = SchemaOverrides::parse(text, "s.toml").unwrap();
        assert_eq!(overrides.complete().unwrap(), None);
        let schema = overrides.apply(inferred.clone()).unwrap();
        let a = schema.get("a").unwrap();
        assert!(a.multi && a.facet && a.tokenizer == "en_stem" && a.exact == "raw+nfc");
        let n = schema.get("n").unwrap();
        assert_eq!(*n, FieldSpec { multi: true, ..FieldSpec::new(FieldKind::Text) });
        assert_eq!(*schema.get("new").unwrap(), FieldSpec::new(FieldKind::Bool));

        let unknown = SchemaOverrides::parse("[fields.gone]\nfast = true\n", "s.toml").unwrap();
        let error = unknown.apply(inferred).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::UnknownField, Some(1)));
    }

    #[test]
    fn what_schema_prints_is_complete_and_reads_back() {
        let fields = [
            ("a b.c", FieldSpec { tokenizer: "raw".into(), ..FieldSpec::new(FieldKind::Text) }),
            ("m", FieldSpec { exact: "raw+nfc+lower".into(), ..FieldSpec::new(FieldKind::Text) }),
            ("n", FieldSpec { multi: true, ..FieldSpec::new(FieldKind::Float) }),
            ("image", FieldSpec::new(FieldKind::Stored)),
            ("nested", FieldSpec::new(FieldKind::Extra)),
            ("yes", FieldSpec { fast: false, ..FieldSpec::new(FieldKind::Bool) }),
        ];
        let schema = FieldSchema::new(fields.map(|(name, spec)| (name.to_owned(), spec)).into()).unwrap();
        let text = schema.to_toml().unwrap();
        let back = SchemaOverrides::parse(&text, "s.toml").unwrap();
        assert_eq!(back.complete().unwrap(), Some(schema), "{text}");
    }
}
