//! How many terms a text becomes: looked at before the host adds it, since a document that is half added cannot be stopped.

use tantivy::TantivyDocument;
use tantivy::schema::{Document, Field, FieldType, Value};

use crate::error::{Error, Result};
use crate::limits::{self, TEXT_TERMS};

/// Bytes of a text below which it has not too many terms, whatever its analysis: n-grams give fewer than 64 of each byte.
const SHORT: usize = TEXT_TERMS / 64;

/// Why a document is refused that has a text of more than [`TEXT_TERMS`] terms, naming the field; `None` where it has none.
/// Cost: a second analysis of long texts.
///
/// # Errors
/// Those of the host.
pub(crate) fn too_many(index: &tantivy::Index, document: &TantivyDocument) -> Result<Option<Error>> {
    for (field, value) in document.iter_fields_and_values() {
        if let Some(text) = value.as_str().filter(|text| text.len() > SHORT)
            && let Some(error) = in_text(index, field, text)?
        {
            return Ok(Some(error));
        }
    }
    Ok(None)
}

fn in_text(index: &tantivy::Index, field: Field, text: &str) -> Result<Option<Error>> {
    let schema = index.schema();
    let entry = schema.get_field_entry(field);
    let FieldType::Str(options) = entry.field_type() else { return Ok(None) };
    if options.get_indexing_options().is_none() {
        return Ok(None);
    }
    let mut analyzer = index.tokenizer_for_field(field)?;
    let mut terms = analyzer.token_stream(text);
    let mut count = 0;
    while count <= TEXT_TERMS && terms.advance() {
        count += 1;
    }
    if count <= TEXT_TERMS {
        return Ok(None);
    }
    let what = format!("`{}` has a text of too many terms", entry.name());
    let got = format!("more than {TEXT_TERMS}");
    let error = limits::over(what, TEXT_TERMS, got, "terms");
    Ok(Some(error.hint("cut the document into several, or give the field an analysis without n-grams")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use tantivy::schema::{IndexRecordOption, STORED, Schema, TextFieldIndexing, TextOptions};

    #[test]
    fn terms_are_counted_to_the_limit() {
        let mut builder = Schema::builder();
        let indexing = TextFieldIndexing::default()
            .set_tokenizer("whitespace+ngram:1:4")
            .set_index_option(IndexRecordOption::Basic);
        let grams = builder.add_text_field("grams", TextOptions::default().set_indexing_options(indexing));
        let kept = builder.add_text_field("kept", STORED);
        let index = tantivy::Index::create_in_ram(builder.build());
        crate::schema::register_analyses(&index).unwrap();
        // Of n letters with a blank after each hundred: 100 + 99 + 98 + 97 terms for each.
        let hundreds = TEXT_TERMS / 394;
        let code = |field, hundreds: usize| {
            let mut document = TantivyDocument::new();
            document.add_text(field, format!("{} ", "x".repeat(100)).repeat(hundreds));
            too_many(&index, &document).unwrap().map(|error| error.code())
        };
        assert_eq!(code(grams, hundreds), None);
        assert_eq!(code(grams, hundreds + 1), Some(ErrorCode::TooLarge));
        assert_eq!(code(kept, hundreds + 1), None);
    }
}
