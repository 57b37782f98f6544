//! An engine under a required filter answers as one over the documents alone that the filter lets through.

use serde_json::json;
use tantivy::IndexWriter;
use uncsm_index::ErrorCode;
use uncsm_index::search::{Engine, Fusion, MediaChoice, Request};

use crate::common::{App, Doc, bundle, random_docs};
use crate::search::world::{content, engine, ids, spread};

const FILTER: &str = "text:red";

fn is_red(doc: &Doc) -> bool {
    doc.text.split(' ').any(|word| word == "red")
}

/// Random documents, of which some are red and some are not.
fn docs() -> Vec<Doc> {
    let docs = random_docs(9, 90);
    let red = docs.iter().filter(|doc| is_red(doc)).count();
    assert!(red > 10 && red < 80, "{red}");
    docs
}

#[test]
fn media_parts_facets_and_counts_are_those_of_an_index_of_these_documents() {
    let (bundle, docs) = (bundle(4), docs());
    let red: Vec<Doc> = docs.iter().filter(|doc| is_red(doc)).cloned().collect();
    let deleted = [red[1].id.clone(), docs.iter().find(|doc| !is_red(doc)).unwrap().id.clone()];
    for (indexes, segments) in [(1, 1), (1, 3), (2, 2)] {
        let (all, alone) =
            (spread(&bundle, &docs, indexes, segments, &deleted), spread(&bundle, &red, 1, 1, &deleted));
        let bound = engine(&all).with_required_filter(FILTER).unwrap();
        let (open, alone) = (engine(&all), engine(&alone));
        let liked = red[0].id.clone();
        let asked: [&dyn Fn(&Engine) -> Request; 5] = [
            &|engine| engine.request().features("image", &[0.4; 6]).unwrap().k(100),
            &|engine| engine.request().features("text", &[0.2; 5]).unwrap().min_probability(0.01).k(100),
            &|engine| engine.request().filter("*").facet("id").k(100),
            &|engine| engine.request().filter("NOT blue AND *").k(7).offset(2),
            &|engine| engine.request().like(&liked).unwrap().media(MediaChoice::Any).k(100),
        ];
        for ask in asked {
            let [found, expected] = [&bound, &alone].map(|engine| content(&ask(engine).run().unwrap()));
            assert_eq!(found, expected, "{indexes} {segments}");
            assert!(found["hits"].as_array().unwrap().len() > 4);
            assert_ne!(content(&ask(&open).run().unwrap()), found, "the filter changes something");
        }
        // One pass for engines of one state, of which one is bound.
        let mixed = [&bound, &open, &bound, &open].map(|engine| asked[0](engine));
        let found = open.batch(mixed.to_vec());
        for (found, request) in found.into_iter().zip(mixed) {
            assert_eq!(content(&found.unwrap()), content(&request.run().unwrap()));
        }
    }
}

#[test]
fn keywords_find_what_they_find_under_the_same_filter() {
    let docs = docs();
    let apps = spread(&bundle(4), &docs, 2, 2, &[]);
    let (open, bound) = (engine(&apps), engine(&apps).with_required_filter(FILTER).unwrap());
    for fusion in [Fusion::Rrf, Fusion::Linear, Fusion::Product, Fusion::Metric] {
        let ask = |engine: &Engine| {
            let request = engine.request().words("blue green").features("image", &[0.4; 6]).unwrap();
            request.fusion(fusion).k(100)
        };
        let (expected, found) = (ask(&open).filter(FILTER).run().unwrap(), ask(&bound).run().unwrap());
        assert_eq!(ids(&found), ids(&expected), "{fusion:?}");
        assert_eq!((found.matched, found.scored), (expected.matched, expected.scored), "{fusion:?}");
        let red = |id: &String| docs.iter().any(|doc| doc.id == *id && is_red(doc));
        assert!(!found.hits.is_empty() && ids(&found).iter().all(red), "{fusion:?}");
    }
    // What an explanation would tell of other documents.
    let explain = |engine: &Engine| {
        let found = engine.request().words("blue").facet("id").explain().run().unwrap();
        serde_json::to_string(&found).unwrap()
    };
    let hidden = docs.iter().find(|doc| !is_red(doc) && doc.text.contains("blue")).unwrap();
    assert!(explain(&open).contains("TermQuery") && explain(&open).contains(&format!("\"{}\"", hidden.id)));
    assert!(
        !explain(&bound).contains("TermQuery") && !explain(&bound).contains(&format!("\"{}\"", hidden.id))
    );
}

#[test]
fn a_hidden_document_is_not_there() {
    let docs = docs();
    let apps = spread(&bundle(4), &docs, 1, 2, &[]);
    let bound = engine(&apps).with_required_filter(FILTER).unwrap();
    for doc in &docs {
        assert_eq!(bound.find(&doc.id).is_ok(), is_red(doc), "{doc:?}");
        if !is_red(doc) {
            assert_eq!(bound.find(&doc.id).unwrap_err().code(), ErrorCode::UnknownId);
            assert_eq!(bound.request().like(&doc.id).err().unwrap().code(), ErrorCode::UnknownId);
        }
    }
    let twice = bound.clone().with_required_filter("blue").unwrap();
    let both = |doc: &&Doc| is_red(doc) && doc.text.contains("blue");
    assert_eq!(twice.request().filter("*").run().unwrap().matched, docs.iter().filter(both).count() as u64);
    // An engine of another field of ids stays bound.
    assert_eq!(
        twice.id_field("id").unwrap().request().filter("*").k(0).run().unwrap().matched,
        docs.iter().filter(both).count() as u64
    );
    assert_eq!(bound.clone().with_required_filter("nosuch:a").err().unwrap().code(), ErrorCode::UnknownField);
    let lists = json!({ "a": { "range": { "field": "id", "ranges": [] },
        "aggs": { "b": { "terms": { "field": "id", "min_doc_count": 0 } } } } });
    let error = bound.request().filter("*").aggregations(lists).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
    assert!(error.to_string().contains("min_doc_count"), "{error}");
}

#[test]
fn it_binds_what_is_committed_later() {
    let docs = docs();
    let app = App::in_ram(bundle(2));
    let commit = |docs: &[Doc]| {
        let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
        for doc in docs {
            writer.add_document(app.document(doc)).unwrap();
        }
        writer.commit().unwrap();
    };
    commit(&docs[..30]);
    let reader: tantivy::IndexReader =
        app.index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual).try_into().unwrap();
    let engine = Engine::host(&app.index, reader, app.plugin.cache(), app.bundle.clone()).unwrap();
    let bound = engine.with_required_filter(FILTER).unwrap();
    let count = || bound.request().filter("*").k(0).run().unwrap().matched;
    let red = |docs: &[Doc]| docs.iter().filter(|doc| is_red(doc)).count() as u64;
    assert_eq!(count(), red(&docs[..30]));
    commit(&docs[30..]);
    assert!(bound.reload().unwrap());
    assert_eq!(count(), red(&docs));
    assert!(red(&docs) > red(&docs[..30]));
}
