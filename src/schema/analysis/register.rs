//! Registers on a tantivy index what its schema names.

use tantivy::schema::FieldType;
use tantivy::tokenizer::TokenizerManager;

use super::Analysis;
use crate::error::Result;

/// Registers the analyses that the text and JSON fields of `index` name, each under its string, so that indexing, queries
/// and snippets have them. Call it when the index is created and again after every `tantivy::Index::open`.
///
/// Names that are registered already stay what they are: tantivy's own, and those of the app, which come first therefore.
///
/// # Errors
/// Those of [`Analysis::parse`] and [`Analysis::analyzer`], with the name of the field.
///
/// # Example
///
/// ```
/// use tantivy::schema::{IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
/// use uncsm_index::schema::register_analyses;
///
/// let mut schema = Schema::builder();
/// let german = TextFieldIndexing::default()
///     .set_tokenizer("stem:german+fold")
///     .set_index_option(IndexRecordOption::WithFreqsAndPositions);
/// let title = schema.add_text_field("title", TextOptions::default().set_indexing_options(german));
/// let index = tantivy::Index::create_in_ram(schema.build());
/// register_analyses(&index)?;
/// let mut analyzer = index.tokenizer_for_field(title)?;
/// assert_eq!(analyzer.token_stream("Häuser").next().map(|token| token.text.as_str()), Some("haus"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn register_analyses(index: &tantivy::Index) -> Result<()> {
    for (_, entry) in index.schema().fields() {
        let (indexed, fast) = match entry.field_type() {
            FieldType::Str(options) => {
                (options.get_indexing_options(), options.get_fast_field_tokenizer_name())
            }
            FieldType::JsonObject(options) => {
                (options.get_text_indexing_options(), options.get_fast_field_tokenizer_name())
            }
            _ => continue,
        };
        let names =
            [(index.tokenizers(), indexed.map(|o| o.tokenizer())), (index.fast_field_tokenizer(), fast)];
        for (manager, name) in names {
            let Some(name) = name else { continue };
            register(manager, name).map_err(|e| e.within(format!("the field `{}`", entry.name())))?;
        }
    }
    Ok(())
}

fn register(manager: &TokenizerManager, name: &str) -> Result<()> {
    if manager.get(name).is_none() {
        manager.register(name, Analysis::parse(name)?.analyzer()?);
    }
    Ok(())
}
