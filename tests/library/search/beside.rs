//! What stands beside the hits: facets, aggregations, snippets; budgets and cancellation; several indexes; the fusion that
//! is learned.

use std::time::Duration;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tantivy::TantivyDocument;
use tantivy::schema::{FAST, INDEXED, STORED, STRING, Schema, TEXT};
use uncsm_index::ErrorCode;
use uncsm_index::index::UvecPlugin;
use uncsm_index::model::{FusionLayer, Target};
use uncsm_index::search::{Cancel, Engine, Fusion, Similarity};
use uncsm_index::train::{FusionQuery, FusionRow};

use crate::common::{App, WORDS, bundle, features, in_ram, random_docs};
use crate::search::world::{engine, ids, spread};

/// An app's own index with columns: `colour` (a fast string) and `size` (a fast number).
fn shop(rows: std::ops::Range<u64>) -> (tantivy::Index, UvecPlugin) {
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | FAST | STORED);
    let text = builder.add_text_field("text", TEXT | STORED);
    let colour = builder.add_text_field("colour", STRING | FAST);
    let size = builder.add_u64_field("size", FAST | INDEXED);
    let document = |row: u64| {
        let mut doc = TantivyDocument::new();
        doc.add_text(id, format!("{row:02}"));
        doc.add_text(
            text,
            format!(
                "A <b>thing</b> & its {} number {row}",
                if row.is_multiple_of(2) { "even" } else { "odd" }
            ),
        );
        doc.add_text(colour, ["red", "green", "blue"][row as usize % 3]);
        doc.add_u64(size, row);
        doc
    };
    in_ram(builder, [rows.map(document).collect()])
}

#[test]
fn facets_and_aggregations_count_all_matches_of_all_indexes() {
    let bundle = bundle(1);
    let shops = [shop(0..7), shop(7..20)];
    let hosts =
        shops.iter().map(|(index, plugin)| (index, index.reader().unwrap().searcher(), plugin.cache()));
    let engine = Engine::hosts(hosts, bundle.clone()).unwrap();
    let sizes =
        json!({ "sizes": { "range": { "field": "size", "ranges": [{ "to": 10 }, { "from": 10 }] } } });
    let found = engine
        .request()
        .keywords("even")
        .filter("size:<16")
        .k(2)
        .facet("colour")
        .facet("size")
        .aggregations(sizes)
        .run()
        .unwrap();
    // 0, 2, .. 14: red 0 6 12, blue 2 8 14, green 4 10.
    assert_eq!((found.hits.len(), found.matched), (2, 8));
    let counts: Vec<_> = found.facets["colour"].iter().map(|c| (c.value.clone(), c.count)).collect();
    assert_eq!(counts, [(json!("blue"), 3), (json!("red"), 3), (json!("green"), 2)]);
    assert_eq!(found.facets["size"].len(), 8);
    let buckets = &found.aggregations.unwrap()["sizes"]["buckets"];
    let count = |at: usize| buckets[at]["doc_count"].as_u64().unwrap();
    assert_eq!((count(0), count(1)), (5, 3), "{buckets}");
    let code = |request: uncsm_index::search::Request| request.run().unwrap_err().code();
    assert_eq!(code(engine.request().keywords("even").facet("color")), ErrorCode::UnknownField);
    assert_eq!(code(engine.request().keywords("even").facet("text")), ErrorCode::BadArgument);
    for bad in [json!(3), json!({ "a": { "nothing": {} } }), json!({ "a": { "terms": { "field": "text" } } })]
    {
        assert_eq!(code(engine.request().keywords("even").aggregations(bad)), ErrorCode::BadArgument);
    }
}

#[test]
fn snippets_mark_the_words_and_escape_the_rest() {
    let bundle = bundle(1);
    let (index, plugin) = shop(0..4);
    let engine =
        Engine::host(&index, index.reader().unwrap().searcher(), plugin.cache(), bundle.clone()).unwrap();
    let found = engine.request().keywords("odd^2 thing").snippet("text").k(1).run().unwrap();
    let snippet = &found.hits[0].snippets["text"];
    assert!(
        snippet.contains("<b>odd</b>") && snippet.contains("&lt;b&gt;") && snippet.contains("&amp;"),
        "{snippet}"
    );
    let none = engine.request().filter("size:1").snippet("text").run().unwrap();
    assert!(none.hits[0].snippets.is_empty(), "no keyword, no snippet");
    let code = |field| engine.request().keywords("odd").snippet(field).run().unwrap_err().code();
    assert_eq!((code("txt"), code("size")), (ErrorCode::UnknownField, ErrorCode::BadArgument));
}

#[test]
fn a_spent_budget_is_marked_and_a_cancelled_query_is_an_error() {
    let apps = spread(&bundle(2), &random_docs(7, 60), 1, 3, &[]);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(1), 6);
    for fusion in crate::search::fusion::FUSIONS {
        let ask = || engine.request().features("image", &picture).unwrap().keywords(WORDS[0]).fusion(fusion);
        let none = ask().time_budget(Duration::ZERO).run().unwrap();
        assert!(none.partial && !none.exact && none.hits.is_empty(), "{fusion:?}");
        let whole = ask().time_budget(Duration::from_secs(3600)).run().unwrap();
        assert!(!whole.partial && whole.exact);
        assert_eq!(ids(&whole), ids(&ask().run().unwrap()));
        let cancel = Cancel::new();
        assert_eq!(ask().cancel(cancel.clone()).run().unwrap().hits.len(), whole.hits.len());
        cancel.cancel();
        assert_eq!(ask().cancel(cancel).run().unwrap_err().code(), ErrorCode::Interrupted);
    }
}

#[test]
fn indexes_that_do_not_fit_are_refused() {
    let first = App::in_ram(bundle(1));
    let other = App::in_ram(bundle(2));
    let host = |app: &'static App| (&app.index, app.searcher(), app.plugin.cache());
    let (first, other): (&'static App, &'static App) =
        (Box::leak(Box::new(first)), Box::leak(Box::new(other)));
    let error = Engine::hosts([host(first), host(other)], first.bundle.clone()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::SpaceMismatch);
    let none: [(&tantivy::Index, tantivy::Searcher, &uncsm_index::index::SegmentCache); 0] = [];
    assert_eq!(Engine::hosts(none, first.bundle.clone()).err().unwrap().code(), ErrorCode::BadArgument);
    let bundle = bundle(1);
    let (shop, plugin) = shop(0..2);
    let shop = (&shop, shop.reader().unwrap().searcher(), plugin.cache());
    let error = Engine::hosts([host(first), shop], bundle.clone()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::SchemaConflict);
}

#[test]
fn a_learned_fusion_ranks_by_its_layer_and_learns_what_is_relevant() {
    let apps = spread(&bundle(2), &random_docs(7, 60), 1, 3, &[]);
    let engine = engine(&apps);
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let similarity = Similarity::Metric(Target::Pair);
    let ask = |picture: &[f32], word: usize| {
        engine.request().features("image", picture).unwrap().keywords(WORDS[word % 4]).similarity(similarity)
    };
    // Relevant is what the media leg likes best, whatever the keywords.
    let mut queries = Vec::new();
    for word in 0..24 {
        let rows = ask(&features(&mut rng, 6), word).fusion_features().unwrap();
        let best = rows.iter().map(|(_, x)| x.0[4]).fold(0.0, f32::max);
        let row = |features: uncsm_index::model::FusionFeatures| FusionRow {
            features,
            label: f32::from(features.0[4] == best),
            weight: 1.0,
        };
        queries.push(FusionQuery { rows: rows.into_iter().map(|(_, features)| row(features)).collect() });
    }
    let layer = FusionLayer::fit(Target::Pair, &queries).unwrap();
    let fused = apps[0].bundle.with_fusion(layer).unwrap();
    let hosts = apps.iter().map(|app| (&app.index, app.searcher(), app.plugin.cache()));
    let learned = Engine::hosts(hosts, fused.clone()).unwrap();
    let picture = features(&mut rng, 6);
    let request =
        learned.request().features("image", &picture).unwrap().keywords(WORDS[1]).fusion(Fusion::Learned);
    let found = request.clone().explain().run().unwrap();
    let media =
        engine.request().features("image", &picture).unwrap().similarity(similarity).k(1).run().unwrap();
    assert_eq!(found.hits[0].id, media.hits[0].id);
    for hit in &found.hits {
        let explained = hit.explanation.as_ref().unwrap();
        let legs = explained["legs"].as_object().unwrap().values();
        let sum: f64 = legs.map(|leg| leg["contribution"].as_f64().unwrap()).sum();
        let total = sum + explained["bias"].as_f64().unwrap();
        assert!((total - f64::from(hit.score)).abs() < 1e-4, "{explained}");
    }
    let error = request.similarity(Similarity::Cosine).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}
