//! What facets and aggregations count, and fields that are not there.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tantivy::TantivyDocument;
use tantivy::schema::{FAST, STORED, STRING, Schema, TEXT};
use uncsm_index::index::UvecPlugin;
use uncsm_index::search::{Engine, FacetsOver, Fusion, Request, Response};
use uncsm_index::{Error, ErrorCode};

use crate::common::{App, bundle, features, in_ram, random_docs};
use crate::search::world::{engine, spread};

/// An app's own index whose JSON field has columns; the first segment has no value of `attrs.rare`.
fn app() -> (tantivy::Index, UvecPlugin) {
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | FAST | STORED);
    let text = builder.add_text_field("text", TEXT);
    let kind = builder.add_text_field("kind", TEXT);
    let exact = builder.add_text_field("kind_exact", STRING | FAST);
    let size = builder.add_u64_field("size", FAST);
    let attrs = builder.add_json_field("attrs", FAST | STORED);
    let document = |row: u64| {
        let mut doc = TantivyDocument::new();
        doc.add_text(id, row.to_string());
        doc.add_text(text, "thing");
        doc.add_text(kind, ["tea", "coffee"][row as usize % 2]);
        doc.add_text(exact, ["tea", "coffee"][row as usize % 2]);
        doc.add_u64(size, row);
        let colour = ["red", "blue", "red"][row as usize % 3];
        let mut inside: Value = json!({ "colour": colour });
        if row >= 3 {
            inside["rare"] = json!(row);
        }
        let inside: BTreeMap<String, tantivy::schema::OwnedValue> = serde_json::from_value(inside).unwrap();
        doc.add_object(attrs, inside);
        doc
    };
    in_ram(builder, [0..3, 3..6].map(|rows| rows.map(document).collect()))
}

/// `asked` as aggregations beside the keyword that all documents have.
fn run(asked: &Value) -> Result<Value, Error> {
    let (index, plugin) = app();
    let bundle = bundle(1);
    let engine =
        Engine::host(&index, index.reader().unwrap().searcher(), plugin.cache(), bundle.clone()).unwrap();
    let response = engine.request().keywords("thing").aggregations(asked.clone()).run()?;
    Ok(response.aggregations.unwrap())
}

/// Every kind of aggregation that names a field, with `%` for it.
const KINDS: [&str; 17] = [
    r#"{"terms":{"field":"%"}}"#,
    r#"{"terms":{"field":"%","missing":"none"}}"#,
    r#"{"range":{"field":"%","ranges":[{"to":2}]}}"#,
    r#"{"histogram":{"field":"%","interval":2}}"#,
    r#"{"date_histogram":{"field":"%","fixed_interval":"1d"}}"#,
    r#"{"multi_terms":{"terms":[{"field":"kind_exact"},{"field":"%"}]}}"#,
    r#"{"composite":{"size":9,"sources":[{"a":{"terms":{"field":"%"}}}]}}"#,
    r#"{"avg":{"field":"%"}}"#,
    r#"{"avg":{"field":"%","missing":3}}"#,
    r#"{"value_count":{"field":"%"}}"#,
    r#"{"max":{"field":"%"}}"#,
    r#"{"min":{"field":"%"}}"#,
    r#"{"sum":{"field":"%"}}"#,
    r#"{"stats":{"field":"%"}}"#,
    r#"{"percentiles":{"field":"%"}}"#,
    r#"{"cardinality":{"field":"%"}}"#,
    r#"{"top_hits":{"size":2,"sort":[{"%":"asc"}],"docvalue_fields":["size"]}}"#,
];

fn with_field(kind: &str, field: &str) -> Value {
    serde_json::from_str(&kind.replace('%', field)).unwrap()
}

#[test]
fn a_field_that_is_not_there_is_an_error_in_every_aggregation() {
    for kind in KINDS {
        run(&json!({ "a": with_field(kind, "size") })).unwrap();
        for (field, code, said) in [
            ("siez", ErrorCode::UnknownField, "did you mean size?"),
            ("size.x", ErrorCode::UnknownField, "no field is called `size.x`"),
            ("nothing.x", ErrorCode::UnknownField, "no field is called `nothing.x`"),
            ("kind", ErrorCode::BadArgument, "name `kind_exact`"),
            ("text", ErrorCode::BadArgument, "has no column to count"),
            ("attrs", ErrorCode::BadArgument, "attrs.KEY"),
        ] {
            let bad = with_field(kind, field);
            // Alone, below a bucket, and below a bucket below a bucket.
            for asked in [
                json!({ "good": { "avg": { "field": "size" } }, "a": bad }),
                json!({ "top": { "terms": { "field": "kind_exact" }, "aggs": { "a": bad } } }),
                json!({ "top": { "filter": "*", "aggs": { "next": { "terms": { "field": "size" }, "aggs": { "a": bad } } } } }),
            ] {
                let error = run(&asked).unwrap_err();
                assert_eq!(error.code(), code, "{asked}: {error}");
                let text = error.to_string();
                assert!(text.contains(said) && text.contains("the aggregation `a`"), "{asked}: {text}");
            }
        }
    }
}

#[test]
fn paths_into_a_json_field_count() {
    let found = run(&json!({
        "colours": { "terms": { "field": "attrs.colour" }, "aggs": { "rare": { "max": { "field": "attrs.rare" } } } },
        "none": { "terms": { "field": "attrs.nothing" } },
    }));
    let found = found.unwrap();
    let counts: Vec<u64> = found["colours"]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["doc_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [4, 2], "{found}");
    assert_eq!(found["colours"]["buckets"][0]["rare"]["value"], 5.0);
    // Any key may be absent from all documents: that is data, and no error.
    assert_eq!(found["none"]["buckets"], json!([]));
}

#[test]
fn what_would_make_the_host_panic_is_an_error() {
    let top = |sort: &str, shown: &str| json!({ "a": { "top_hits": { "size": 1, "sort": [{ sort: "asc" }], "docvalue_fields": [shown] } } });
    for good in [top("size", "size"), top("size", "si*"), top("size", "*"), top("size", "attrs.colour")] {
        run(&good).unwrap();
    }
    for (bad, code) in [
        (top("size", "attrs.rare"), ErrorCode::BadArgument),
        (top("attrs.rare", "size"), ErrorCode::BadArgument),
        (top("size", "nothing*"), ErrorCode::UnknownField),
        (top("size", "size*"), ErrorCode::UnknownField),
        (top("size", "nothing"), ErrorCode::UnknownField),
    ] {
        assert_eq!(run(&bad).unwrap_err().code(), code, "{bad}");
    }
}

#[test]
fn what_would_take_all_memory_is_an_error() {
    let top = |size: u64, from: u64| json!({ "a": { "top_hits": { "size": size, "from": from, "sort": [{ "size": "asc" }] } } });
    run(&top(10_000, 0)).unwrap();
    for bad in [top(10_001, 0), top(1, 10_000), top(u64::MAX, 0), top(1 << 40, u64::MAX)] {
        assert_eq!(run(&bad).unwrap_err().code(), ErrorCode::TooLarge, "{bad}");
    }
    let histogram = |more: Value| {
        let mut asked = json!({ "field": "size", "interval": 1e-7 });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "a": { "histogram": asked } })
    };
    for good in [
        json!({ "interval": 1e-5 }),
        json!({ "min_doc_count": 1 }),
        json!({ "hard_bounds": { "min": 1, "max": 1.0 } }),
    ] {
        run(&histogram(good.clone())).unwrap_or_else(|e| panic!("{good}: {e}"));
    }
    for bad in [
        json!({}),
        json!({ "interval": 1e-300 }),
        json!({ "interval": 1, "extended_bounds": { "min": 0, "max": 1e18 } }),
        json!({ "interval": 1, "extended_bounds": { "min": -1e300, "max": 1e300 } }),
    ] {
        assert_eq!(run(&histogram(bad.clone())).unwrap_err().code(), ErrorCode::TooLarge, "{bad}");
    }
    assert_eq!(run(&histogram(json!({ "interval": 0 }))).unwrap_err().code(), ErrorCode::BadArgument);
}

#[test]
fn intervals_have_a_bound_together_and_tell_nothing_of_hidden_documents() {
    let (index, plugin) = app();
    let searcher = index.reader().unwrap().searcher();
    let open = Engine::host(&index, searcher, plugin.cache(), bundle(1)).unwrap();
    let bound = open.clone().with_required_filter("kind_exact:tea").unwrap();
    let run = |engine: &Engine, most: usize, asked: &Value| {
        engine.request().filter("*").max_intervals(most).aggregations(asked.clone()).run()
    };
    let code = |engine, most, asked: &Value| run(engine, most, asked).err().map(|error| error.code());
    let plain = json!({ "histogram": { "field": "size", "interval": 1 } });
    // Sizes from 0 to 5, and one more at an end.
    let two = json!({ "a": plain, "b": plain });
    assert_eq!(code(&open, 14, &two), None);
    assert_eq!(code(&open, 13, &two), Some(ErrorCode::TooLarge));
    let inside = json!({ "a": { "terms": { "field": "kind_exact", "size": 3 }, "aggs": { "b": plain } } });
    assert_eq!(code(&open, 21, &inside), None);
    assert_eq!(code(&open, 20, &inside), Some(ErrorCode::TooLarge));
    assert_eq!(code(&bound, 100, &two), Some(ErrorCode::BadArgument));
    let within = |max: f64| {
        let bounds = json!({ "min": 0, "max": max });
        json!({ "a": { "histogram": { "field": "size", "interval": 1, "hard_bounds": bounds } } })
    };
    assert_eq!(code(&bound, 100, &within(50.0)), None);
    let error = run(&bound, 100_000, &within(1e9)).unwrap_err();
    assert_eq!((error.code(), &error.facts().got), (ErrorCode::TooLarge, &None));
    // As far as no document is, hidden or not: without a filter the column says so.
    assert_eq!(code(&open, 100_000, &within(1e9)), None);
    let filled = json!({ "a": { "histogram": { "field": "size", "interval": 1, "min_doc_count": 1 } } });
    assert_eq!(code(&bound, 0, &filled), None);
}

#[test]
fn what_is_counted_has_a_bound() {
    let (index, plugin) = app();
    let searcher = index.reader().unwrap().searcher();
    let engine = Engine::host(&index, searcher, plugin.cache(), bundle(1)).unwrap();
    let asked = json!({ "a": { "histogram": { "field": "size", "interval": 1e-3 }, "aggs": { "b": { "stats": { "field": "size" } } } } });
    let run = |most: Option<u64>| {
        let request = engine.request().filter("*").facet("kind").aggregations(asked.clone());
        most.map_or(request.clone(), |most| request.max_counting(most)).run()
    };
    let whole = run(None).unwrap();
    let length = serde_json::to_string(&whole.aggregations).unwrap().len() as u64;
    let enough = run(Some(10 * length)).unwrap();
    assert_eq!((&enough.aggregations, &enough.facets), (&whole.aggregations, &whole.facets));
    let refused = |most: u64, what: &str| {
        let error = run(Some(most)).unwrap_err();
        let facts = error.facts();
        assert_eq!(facts.code, ErrorCode::TooLarge, "{error}");
        assert!(facts.message.contains(what) && facts.hint.is_some() && facts.got.is_none(), "{error}");
        assert!(facts.expected.as_deref().unwrap().starts_with("at most "), "{error}");
    };
    refused(100, "too much memory");
    refused(7 * length, "too long");
    // Facets alone have it too.
    let facets = |most: u64| engine.request().filter("*").facet("kind").max_counting(most).run();
    assert_eq!(facets(1 << 20).unwrap().facets, whole.facets);
    assert_eq!(facets(10).unwrap_err().code(), ErrorCode::TooLarge);
}

#[test]
fn what_segments_have_counted_is_bounded_together() {
    // Of as many values as documents, or the same ones in each segment.
    let counted = |segments: u64, alike: bool| {
        let mut builder = Schema::builder();
        let id = builder.add_text_field("id", STRING | FAST | STORED);
        let value = builder.add_text_field("value", STRING | FAST);
        let document = |row: u64| {
            let mut doc = TantivyDocument::new();
            doc.add_text(id, row.to_string());
            doc.add_text(value, format!("{:040}", if alike { row % 400 } else { row }));
            doc
        };
        let part = |at: u64| (at * 400..(at + 1) * 400).map(document).collect();
        in_ram(builder, (0..segments).map(part))
    };
    // All values are counted, and few are in the result.
    let asked = json!({ "a": { "terms": { "field": "value", "size": 100_000, "min_doc_count": 9 } } });
    let run = |(index, plugin): &(tantivy::Index, UvecPlugin), over: FacetsOver| {
        let searcher = index.reader().unwrap().searcher();
        let engine = Engine::host(index, searcher, plugin.cache(), bundle(1)).unwrap();
        let request = engine.request().filter("*").k(4000).facets_over(over).aggregations(asked.clone());
        request.max_counting(260_000).run()
    };
    let [one, alike, many] = [counted(1, true), counted(9, true), counted(9, false)];
    for over in [FacetsOver::Matches, FacetsOver::Hits] {
        let none = json!([]);
        assert_eq!(run(&one, over).unwrap().aggregations.unwrap()["a"]["buckets"], none);
        let buckets = run(&alike, over).unwrap().aggregations.unwrap();
        assert_eq!(buckets["a"]["buckets"].as_array().unwrap().len(), 400);
        let error = run(&many, over).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TooLarge);
        assert!(error.facts().message.contains("too much memory"), "{error}");
        assert_eq!(error.facts().expected.as_deref(), Some("at most 260000 bytes"));
    }
}

#[test]
fn filters_inside_of_aggregations_are_read_as_other_filters() {
    for (filter, count) in [
        ("kind:tea", 3),
        ("*", 6),
        ("thing", 6),
        ("kind:teh~1", 3),
        ("kind:tea AND NOT size:[0 TO 2]", 1),
        ("kind_exact: IN [tea coffee]", 6),
        ("text:thing AND size:>=4", 2),
    ] {
        let found = run(
            &json!({ "a": { "filter": filter, "aggs": { "n": { "value_count": { "field": "size" } } } } }),
        );
        let found = found.unwrap();
        assert_eq!(
            (&found["a"]["doc_count"], &found["a"]["n"]["value"]),
            (&json!(count), &json!(f64::from(count))),
            "{filter}"
        );
    }
    for (bad, code) in
        [("kidn:tea", ErrorCode::UnknownField), ("kind:(", ErrorCode::BadQuery), ("", ErrorCode::BadQuery)]
    {
        let error = run(&json!({ "a": { "filter": bad } })).unwrap_err();
        assert_eq!(error.code(), code, "{bad}: {error}");
    }
}

/// Ids of all hits, and the ids that the facet counts, each once.
fn hits_and_counted(response: &Response) -> (BTreeSet<String>, BTreeSet<String>) {
    let hits = response.hits.iter().map(|hit| hit.id.clone().unwrap()).collect();
    let counted = response.facets["id"].iter().map(|count| {
        assert_eq!(count.count, 1);
        count.value.as_str().unwrap().to_owned()
    });
    (hits, counted.collect())
}

#[test]
fn facets_count_matches_or_hits_and_agree_with_them() {
    let apps = spread(&bundle(2), &random_docs(11, 90), 2, 2, &["074".into(), "111".into()]);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(5), 6);
    let hybrid = |fusion: Fusion| {
        let request = engine.request().features("image", &picture).unwrap();
        request.keywords("red").filter("text:green").fusion(fusion).facet("id").k(1000)
    };
    let matches = engine.request().keywords("red").filter("text:green").facet("id").k(1000).run().unwrap();
    let (matching, counted) = hits_and_counted(&matches);
    assert_eq!(matching, counted);
    assert!(matching.len() > 5);
    for fusion in [Fusion::Rrf, Fusion::Linear, Fusion::Product, Fusion::Metric] {
        // By default: filter AND keywords, whatever is ranked.
        let found = hybrid(fusion).run().unwrap();
        let (hits, counted) = hits_and_counted(&found);
        assert_eq!((&counted, counted.len() as u64), (&matching, found.matched), "{fusion:?}");
        // Over hits: what the hits come from, with as many as there are.
        let found = hybrid(fusion).facets_over(FacetsOver::Hits).run().unwrap();
        let (all, counted) = hits_and_counted(&found);
        assert_eq!((&all, &counted), (&hits, &all), "{fusion:?}");
        let beyond = matches!(fusion, Fusion::Rrf | Fusion::Linear);
        assert_eq!(
            hits.is_subset(&matching),
            !beyond,
            "{fusion:?}: a sentence brings in what no keyword matches"
        );
        // The same for a short page, and hits are what they were.
        let short = hybrid(fusion).facets_over(FacetsOver::Hits).k(3).offset(2).run().unwrap();
        assert_eq!(hits_and_counted(&short).1, counted, "{fusion:?}");
        let plain = hybrid(fusion).k(3).offset(2).run().unwrap();
        let ids = |response: &Response| response.hits.iter().map(|hit| hit.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&short), ids(&plain), "{fusion:?}");
    }
}

#[test]
fn one_leg_counts_its_window() {
    let apps = spread(&bundle(2), &random_docs(12, 80), 1, 3, &[]);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(6), 6);
    let legs: [(&str, Request); 3] = [
        ("media", engine.request().features("image", &picture).unwrap()),
        ("keywords", engine.request().keywords("red")),
        ("filter", engine.request().filter("red")),
    ];
    for (name, request) in legs {
        let request = request.facet("id").facets_over(FacetsOver::Hits);
        for window in [7, 1000] {
            let all = request.clone().window(window).k(window).run().unwrap();
            let (hits, counted) = hits_and_counted(&all);
            assert_eq!(hits, counted, "{name}");
            let page = request.clone().window(window).k(2).run().unwrap();
            assert_eq!((page.hits.len(), &hits_and_counted(&page).1), (2, &hits), "{name}, window {window}");
        }
        // A batch runs media legs together.
        let asked = || request.clone().window(9).k(2);
        let batch = engine.batch(vec![asked(), asked()]);
        let alone = asked().run().unwrap();
        for found in batch {
            assert_eq!(hits_and_counted(&found.unwrap()), hits_and_counted(&alone), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn hits_and_their_facet_agree_for_any_world(seed in 0u64..1000, n in 1usize..60, window in 1usize..40, k in 1usize..8) {
        let apps: Vec<App> = spread(&bundle(seed), &random_docs(seed, n), 2, 2, &[]);
        let engine = engine(&apps);
        let picture = features(&mut ChaCha8Rng::seed_from_u64(seed), 6);
        let request = engine.request().features("image", &picture).unwrap().keywords("red OR blue").window(window);
        let request = request.facet("id").facets_over(FacetsOver::Hits);
        let (hits, counted) = hits_and_counted(&request.k(k).run().unwrap());
        prop_assert!(hits.is_subset(&counted));
        // The best of each leg alone, together.
        let depth = window.max(k);
        let ids = |request: Request| request.k(depth).run().unwrap().hits.into_iter().map(|hit| hit.id.unwrap());
        let media = ids(engine.request().features("image", &picture).unwrap());
        let legs: BTreeSet<String> = ids(engine.request().keywords("red OR blue")).chain(media).collect();
        prop_assert_eq!(counted, legs);
    }
}
