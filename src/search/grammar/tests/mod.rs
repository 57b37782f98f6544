//! What the grammar takes, what it means, and what it refuses; filters at random are tested in `tests/library/search/filters`.

mod clauses;
mod dates;
mod glued;
mod language;
mod limits;
mod messages;
mod values;

use tantivy::collector::{DocSetCollector, TopDocs};
use tantivy::query::Query;
use tantivy::schema::{
    FAST, INDEXED, JsonObjectOptions, STORED, STRING, Schema, TEXT, TextFieldIndexing, TextOptions,
};
use tantivy::{DocId, Index, TantivyDocument, doc};

use super::{Mode, parse};
use crate::error::{Error, ErrorCode};
use crate::schema::register_analyses;

fn index() -> Index {
    let mut builder = Schema::builder();
    let (id, text) = (builder.add_text_field("id", STRING), builder.add_text_field("text", TEXT));
    let title = builder.add_text_field("title", TEXT);
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    for (at, words) in ["red circle", "blue circle", "red square", "blue square"].iter().enumerate() {
        let other = if at == 3 { "circle" } else { "nothing" };
        writer.add_document(doc!(id => at.to_string(), text => *words, title => other)).unwrap();
    }
    writer.commit().unwrap();
    index
}

/// Numbers `n`, floats `x`, booleans `b`, nested values, a text with stop words and one with a column.
fn shop() -> Index {
    let mut builder = Schema::builder();
    let text = |tokenizer: &str| {
        let positions = tantivy::schema::IndexRecordOption::WithFreqsAndPositions;
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(positions);
        TextOptions::default().set_indexing_options(indexing).set_stored()
    };
    let id = builder.add_text_field("id", STRING | FAST | STORED);
    let body = builder.add_text_field("body", text("stop:english"));
    let title = builder.add_text_field("title", text("default").set_fast("raw"));
    let exact = builder.add_text_field("title_exact", STRING | FAST);
    let n = builder.add_i64_field("n", INDEXED | FAST);
    let x = builder.add_f64_field("x", INDEXED | FAST);
    let b = builder.add_bool_field("b", INDEXED | FAST);
    let extra = JsonObjectOptions::default()
        .set_stored()
        .set_indexing_options(
            TextFieldIndexing::default()
                .set_tokenizer("default")
                .set_index_option(tantivy::schema::IndexRecordOption::WithFreqsAndPositions),
        )
        .set_expand_dots_enabled();
    let extra = builder.add_json_field("_extra", extra);
    let index = Index::create_in_ram(builder.build());
    register_analyses(&index).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    let rows: [(&str, &str, i64, f64, bool, i64); 4] = [
        ("the quick fox", "Zebra", -5, -1500.0, true, 1999),
        ("a lazy dog", "apple", 7, 0.5, false, 2005),
        ("state of the art", "Mango", 1, -0.0, true, 0),
        ("state art", "the end", 0, 2.0, false, -5),
    ];
    for (at, (words, name, whole, float, yes, year)) in rows.into_iter().enumerate() {
        let mut document = doc!(
            id => at.to_string(), body => words, title => name, exact => name, n => whole, x => float, b => yes,
        );
        let object = serde_json::json!({ "meta": { "year": year, "kind": "Old Book" } });
        let tantivy::schema::OwnedValue::Object(object) = object.into() else { unreachable!() };
        document.add_object(extra, object.into_iter().collect());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    index
}

fn docs(index: &Index, query: &dyn Query) -> Vec<DocId> {
    let searcher = index.reader().unwrap().searcher();
    let mut docs: Vec<DocId> =
        searcher.search(query, &DocSetCollector).unwrap().iter().map(|a| a.doc_id).collect();
    docs.sort_unstable();
    docs
}

fn found(index: &Index, query: &str) -> Vec<DocId> {
    docs(index, &*parse(index, Mode::Keywords, query).unwrap_or_else(|error| panic!("{query}: {error}")))
}

fn kept(index: &Index, query: &str) -> Vec<DocId> {
    docs(index, &*parse(index, Mode::Filter, query).unwrap_or_else(|error| panic!("{query}: {error}")))
}

fn refused(index: &Index, mode: Mode, query: &str) -> Error {
    let error = parse(index, mode, query).err().unwrap_or_else(|| panic!("{query} is taken"));
    assert_eq!(error.code(), ErrorCode::BadQuery, "{query}: {error}");
    assert!(error.facts().offset.is_some(), "{query}: {error}");
    error
}

fn best(index: &Index, query: &dyn Query) -> (f32, DocId) {
    let searcher = index.reader().unwrap().searcher();
    let top = searcher.search(query, &TopDocs::with_limit(1).order_by_score()).unwrap();
    (top[0].0, top[0].1.doc_id)
}
