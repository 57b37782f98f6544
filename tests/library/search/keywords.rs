//! tantivy's own behaviour is untouched: the same documents and scores as plain tantivy on the same texts.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tantivy::collector::TopDocs;
use tantivy::query::QueryParser;
use tantivy::schema::{STORED, STRING, Schema, TEXT, Value};
use tantivy::{IndexWriter, TantivyDocument, doc};

use crate::common::{Doc, WORDS, bundle, random_docs};
use crate::search::world::{engine, ids, spread};

/// id -> score in an index without this crate, with tantivy's own parser and collector.
fn plain(docs: &[Doc], query: &str) -> BTreeMap<String, f32> {
    let mut builder = Schema::builder();
    let (id, text) = (builder.add_text_field("id", STRING | STORED), builder.add_text_field("text", TEXT));
    let index = tantivy::Index::create_in_ram(builder.build());
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for doc in docs {
        writer.add_document(doc!(id => doc.id.as_str(), text => doc.text.as_str())).unwrap();
    }
    writer.commit().unwrap();
    let query = QueryParser::for_index(&index, vec![text]).parse_query(query).unwrap();
    let searcher = index.reader().unwrap().searcher();
    let found = searcher.search(&query, &TopDocs::with_limit(1000).order_by_score()).unwrap();
    let id_of = |doc: TantivyDocument| doc.get_first(id).unwrap().as_str().unwrap().to_owned();
    found.into_iter().map(|(score, at)| (id_of(searcher.doc(at).unwrap()), score)).collect()
}

fn ours(docs: &[Doc], query: &str, segments: usize) -> BTreeMap<String, f32> {
    let apps = spread(&bundle(1), docs, 1, segments, &[]);
    let found = engine(&apps).request().keywords(query).k(1000).run().unwrap();
    found.hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.score)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scores_are_those_of_plain_tantivy(
        seed in 0u64..1000, n in 1usize..80, segments in 1usize..6, shape in 0usize..13,
        pick in (0usize..4, 0usize..4, 0usize..4),
    ) {
        let docs = random_docs(seed, n);
        let (a, b, c) = (WORDS[pick.0], WORDS[pick.1], WORDS[pick.2]);
        let query = match shape {
            0 => a.to_owned(),
            1 => format!("{a} {b}"),
            2 => format!("{a} AND {b}"),
            3 => format!("\"{a} {b}\""),
            4 => format!("\"{a} {b}\"~2^3 {c}"),
            5 => format!("text:{a}^2.5 OR ({b} AND {c})"),
            6 => format!("+{a} -{b}"),
            7 => format!("text:[{a} TO {b}]"),
            8 => format!("({a} {b} {c})^0.5"),
            9 => format!("text: IN [{a} {b}] OR {c}"),
            10 => format!("{a} AND & OR ({b} ;)"),
            11 => format!("\"{a} {}\"* OR {c}", &b[..2]),
            _ => format!("\"{a} {c} {}\"*^2", &b[..3]),
        };
        let (expected, found) = (plain(&docs, &query), ours(&docs, &query, segments));
        prop_assert_eq!(expected.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{}", query);
        for (id, score) in &expected {
            // Sums of two are exact; tantivy adds three in an order that depends on the segment.
            prop_assert!((score - found[id]).abs() <= 1e-6 * score.abs(), "{query}: {id} {score} {}", found[id]);
        }
    }
}

#[test]
fn deletes_are_forgotten_at_a_merge() {
    let docs = random_docs(3, 60);
    let gone: Vec<String> = docs.iter().step_by(2).map(|doc| doc.id.clone()).collect();
    let left: Vec<Doc> = docs.iter().filter(|doc| !gone.contains(&doc.id)).cloned().collect();
    let apps = spread(&bundle(1), &docs, 1, 3, &gone);
    let ask = || -> BTreeMap<String, f32> {
        let found = engine(&apps).request().keywords(WORDS[0]).k(1000).run().unwrap();
        found.hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.score)).collect()
    };
    let expected = plain(&left, WORDS[0]);
    assert_ne!(ask(), expected, "deleted documents still count");
    let mut writer: IndexWriter = apps[0].index.writer_with_num_threads(1, 15_000_000).unwrap();
    let segments = apps[0].index.searchable_segment_ids().unwrap();
    writer.merge(&segments).wait().unwrap();
    assert_eq!(ask(), expected);
}

#[test]
fn ties_are_broken_by_id() {
    let docs: Vec<Doc> =
        ["b", "c", "a"].map(|id| Doc { id: id.into(), text: "red".into(), items: vec![] }).to_vec();
    for segments in [1, 3] {
        let apps = spread(&bundle(1), &docs, 1, segments, &[]);
        assert_eq!(ids(&engine(&apps).request().keywords("red").k(2).run().unwrap()), ["a", "b"]);
    }
}
