//! Sorting and collapsing against a plain evaluator of the documents: segments, indexes, missing values, ties, deletes.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use tantivy::schema::Schema;
use tantivy::{IndexWriter, TantivyDocument, Term};
use uncsm_index::ErrorCode;
use uncsm_index::corpus::JsonlReader;
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{FieldKind, FieldSchema, FieldSpec, register_analyses, tantivy_schema};
use uncsm_index::search::{Engine, FacetsOver, Fusion, Request, RequestSpec, Response};

use crate::common::calendar::period;
use crate::common::{WORDS, bundle, features};
use crate::search::filters::generate::DATES;
use crate::search::world::ids;

/// Fields that hits are sorted by, and the value of a document that stands for each.
const FIELDS: [&str; 12] = [
    "kind_exact",
    "tag_exact",
    "size",
    "sizes",
    "weight",
    "flag",
    "_extra.meta.year",
    "_extra.meta.deep.name",
    "_extra.meta.nothing",
    "taken",
    "stamps",
    "taken_exact",
];

struct Shop {
    engine: Engine,
    /// By id, the live ones.
    documents: BTreeMap<String, Value>,
}

fn schema() -> FieldSchema {
    let many = |kind| FieldSpec { multi: true, ..FieldSpec::new(kind) };
    let text = FieldSpec { facet: true, multi: true, ..FieldSpec::new(FieldKind::Text) };
    let fields = [
        ("flag", FieldSpec::new(FieldKind::Bool)),
        ("kind", text.clone()),
        ("meta", FieldSpec::new(FieldKind::Extra)),
        ("note", FieldSpec::new(FieldKind::Text)),
        ("size", FieldSpec::new(FieldKind::Integer)),
        ("sizes", many(FieldKind::Integer)),
        ("stamps", many(FieldKind::Date)),
        ("tag", text),
        ("taken", FieldSpec::new(FieldKind::Date)),
        ("weight", FieldSpec::new(FieldKind::Float)),
    ];
    FieldSchema::new(fields.map(|(name, spec)| (name.to_owned(), spec)).into()).unwrap()
}

fn document(rng: &mut ChaCha8Rng, at: usize) -> Value {
    // Ids that do not sort like numbers of documents.
    let mut out = Map::from_iter([("id".to_owned(), json!(format!("{}", (at * 37) % 1000)))]);
    let words = (0..3).map(|_| WORDS[rng.random_range(0..WORDS.len())]).collect::<Vec<_>>().join(" ");
    out.insert("note".into(), words.into());
    let kinds = ["tea", "Tea", "coffee", "Ärger", "", "tea time"];
    let mut put = |rng: &mut ChaCha8Rng, name: &str, value: Value| {
        if rng.random_bool(0.75) {
            out.insert(name.into(), value);
        }
    };
    let kind = kinds[rng.random_range(0..kinds.len())];
    put(rng, "kind", kind.into());
    let tags: Vec<&str> = (0..rng.random_range(1..4)).map(|_| kinds[rng.random_range(0..4)]).collect();
    put(rng, "tag", tags.into());
    let size = [i64::MIN, -3, 0, 2, 2, (1 << 53) + 1, 1 << 53, i64::MAX][rng.random_range(0..8)];
    put(rng, "size", size.into());
    let sizes: Vec<i64> = (0..rng.random_range(1..4)).map(|_| rng.random_range(-4..5)).collect();
    put(rng, "sizes", sizes.into());
    let weight = [-0.0, 0.0, 0.5, -1e300, 7.0][rng.random_range(0..5)];
    put(rng, "weight", weight.into());
    let flag = rng.random_bool(0.5);
    put(rng, "flag", flag.into());
    let taken = DATES[rng.random_range(0..DATES.len())];
    put(rng, "taken", taken.into());
    let stamps: Vec<&str> =
        (0..rng.random_range(1..4)).map(|_| DATES[rng.random_range(0..DATES.len())]).collect();
    put(rng, "stamps", stamps.into());
    let years =
        [json!(1999), json!(-2), json!(0.5), json!("1999"), json!(true), json!([7, "x"]), json!(null)];
    let year = years[rng.random_range(0..years.len())].clone();
    put(rng, "meta", json!({ "year": year, "deep": [{ "name": kind }, { "other": 1 }] }));
    out.into()
}

fn shop(seed: u64, n: usize, indexes: usize, segments: usize, bundle: &Bundle) -> Shop {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let all: Vec<Value> = (0..n).map(|at| document(&mut rng, at)).collect();
    let deleted: Vec<String> = (0..n / 8).map(|at| all[at * 5 % n]["id"].as_str().unwrap().into()).collect();
    let mut made = Vec::new();
    for own in all.chunks(n.div_ceil(indexes).max(1)) {
        let mut builder = Schema::builder();
        let fields = tantivy_schema(&schema(), &mut builder);
        let media = MediaField::add(&mut builder, &bundle.space_spec()).unwrap();
        let plugin = UvecPlugin::new();
        let builder = tantivy::Index::builder().schema(builder.build());
        let index = builder.register_plugin(plugin.registered()).create_in_ram().unwrap();
        register_analyses(&index).unwrap();
        let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
        for part in own.chunks(own.len().div_ceil(segments).max(1)) {
            for value in part {
                let line = value.to_string();
                let read = JsonlReader::new(line.as_bytes(), "documents").next().unwrap().unwrap();
                let mut out = TantivyDocument::new();
                fields.fill(&read, &mut out).unwrap();
                if rng.random_bool(0.8) {
                    let mut items = MediaValue::builder(media.spec());
                    items.features(bundle, "image", 0, &features(&mut rng, 6)).unwrap();
                    items.finish().add_to(&mut out, media.field());
                }
                writer.add_document(out).unwrap();
            }
            writer.commit().unwrap();
        }
        for id in &deleted {
            writer.delete_term(Term::from_field_text(fields.id(), id));
        }
        writer.commit().unwrap();
        made.push((index, plugin));
    }
    let hosts = made.iter().map(|(index, plugin)| (index, index.reader().unwrap(), plugin.cache()));
    let engine = Engine::hosts(hosts, bundle.clone()).unwrap();
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let documents =
        all.iter().map(|value| (id(value), value.clone())).filter(|(id, _)| !deleted.contains(id));
    Shop { engine, documents: documents.collect() }
}

/// All values of a field of a document.
fn values(document: &Value, field: &str) -> Vec<Value> {
    let path = field.strip_prefix("_extra.").unwrap_or(field.trim_end_matches("_exact"));
    let mut found = vec![document.clone()];
    for key in path.split('.') {
        let lists = found.iter().flat_map(flat);
        found = lists.filter_map(|value| value.get(key).cloned()).collect();
    }
    found.iter().flat_map(flat).filter(|value| !value.is_null()).collect()
}

fn flat(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// Dates as what they are compared by, and all else as it is: `2024-05-01` is the same as its first instant in any offset.
fn comparable(field: &str, value: Value) -> Value {
    match value.as_str().filter(|_| ["taken", "stamps"].contains(&field)) {
        Some(date) => json!(i64::try_from(period(date).unwrap().0).unwrap()),
        None => value,
    }
}

/// Booleans before numbers before strings.
fn order(a: &Value, b: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Bool(_) => 0,
        Value::Number(_) => 1,
        _ => 2,
    };
    rank(a).cmp(&rank(b)).then_with(|| match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::String(a), Value::String(b)) => a.as_bytes().cmp(b.as_bytes()),
        _ => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => a.as_f64().unwrap().partial_cmp(&b.as_f64().unwrap()).unwrap(),
        },
    })
}

fn value(document: &Value, field: &str, descending: bool) -> Option<Value> {
    let mut all: Vec<Value> =
        values(document, field).into_iter().map(|value| comparable(field, value)).collect();
    all.sort_by(order);
    if descending { all.pop() } else { all.into_iter().next() }
}

fn sort(shop: &Shop, ids: &mut [String], by: &[(&str, bool)]) {
    ids.sort_by(|a, b| {
        let mut out = Ordering::Equal;
        for &(field, descending) in by {
            let of = |id: &String| value(&shop.documents[id], field, descending);
            out = out.then_with(|| match (of(a), of(b)) {
                (Some(a), Some(b)) if descending => order(&b, &a),
                (Some(a), Some(b)) => order(&a, &b),
                (a, b) => a.is_none().cmp(&b.is_none()),
            });
        }
        out.then_with(|| a.cmp(b))
    });
}

/// The first id of each value with the number of those behind it.
fn collapse(shop: &Shop, ids: &[String], field: &str) -> Vec<(String, u64)> {
    let mut out: Vec<(String, Option<Value>, u64)> = Vec::new();
    for id in ids {
        let own = value(&shop.documents[id], field, false);
        let equal = |other: &Value| own.as_ref().is_some_and(|own| order(own, other).is_eq());
        match out.iter_mut().find(|(_, other, _)| other.as_ref().is_some_and(equal)) {
            Some((.., others)) => *others += 1,
            None => out.push((id.clone(), own, 0)),
        }
    }
    out.into_iter().map(|(id, _, others)| (id, others)).collect()
}

/// What is ranked: by kind of query, nothing sorted.
fn asked(shop: &Shop, kind: usize, picture: &[f32]) -> Request {
    let request = shop.engine.request().k(1000).window(1000);
    let with_picture = |request: Request| request.features("image", picture).unwrap();
    match kind {
        0 => request.filter("*"),
        1 => request.keywords("red OR grey"),
        2 => request.keywords("red OR grey").filter("* AND NOT note:blue"),
        3 => with_picture(request),
        4 => with_picture(request).window(7).k(7),
        5 => with_picture(request).keywords("red"),
        6 => with_picture(request).keywords("red").fusion(Fusion::Metric),
        _ => with_picture(request).keywords("red").fusion(Fusion::Product),
    }
}

fn collapsed(response: &Response) -> Vec<(String, u64)> {
    response.hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.collapsed.unwrap())).collect()
}

/// Values that are equal, whatever the type of the number.
fn same(a: &Value, b: Option<&Value>) -> bool {
    b.map_or(a.is_null(), |b| !a.is_null() && order(a, b).is_eq())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn hits_are_sorted_and_collapsed_as_a_plain_sort_of_the_documents_says(
        seed in 0u64..1000, n in 1usize..70, indexes in 1usize..3, segments in 1usize..4, kind in 0usize..8,
        by in proptest::collection::vec((prop::sample::select(FIELDS.to_vec()), any::<bool>()), 0..3),
        field in prop::option::of(prop::sample::select(FIELDS.to_vec())), k in 1usize..6,
    ) {
        let shop = shop(seed, n, indexes, segments, &bundle(3));
        let picture = features(&mut ChaCha8Rng::seed_from_u64(seed), 6);
        let plain = asked(&shop, kind, &picture).run().unwrap();
        let mut expected = ids(&plain);
        if !by.is_empty() {
            sort(&shop, &mut expected, &by);
        }
        let ask = |mut request: Request| {
            for (name, descending) in &by {
                request = request.sort(&format!("{name}{}", if *descending { ":desc" } else { "" }));
            }
            field.iter().fold(request, |request, field| request.collapse(field))
        };
        let got = ask(asked(&shop, kind, &picture)).run().unwrap();
        let order = match field {
            Some(field) => {
                let expected = collapse(&shop, &expected, field);
                prop_assert_eq!(&collapsed(&got), &expected);
                let total: u64 = expected.iter().map(|(_, others)| others + 1).sum();
                prop_assert_eq!(total, plain.hits.len() as u64);
                expected.into_iter().map(|(id, _)| id).collect()
            }
            None => {
                prop_assert_eq!(&ids(&got), &expected);
                prop_assert!(got.hits.iter().all(|hit| hit.collapsed.is_none()));
                expected
            }
        };
        prop_assert_eq!((got.matched, got.exact), (plain.matched, plain.exact));
        for (rank, hit) in (1..).zip(&got.hits) {
            let id = hit.id.as_ref().unwrap();
            prop_assert_eq!(hit.rank, rank);
            prop_assert_eq!(hit.sort.len(), by.len());
            for ((field, descending), shown) in by.iter().zip(&hit.sort) {
                let own = value(&shop.documents[id], field, *descending);
                let shown = &comparable(field, shown.clone());
                prop_assert!(same(shown, own.as_ref()), "{} {}: {:?} {:?}", id, field, shown, own);
            }
            // Scores are those of the ranking.
            let ranked = plain.hits.iter().find(|hit| hit.id.as_ref() == Some(id)).unwrap();
            prop_assert_eq!((hit.score, hit.probability), (ranked.score, ranked.probability));
            let scores = |hit: &uncsm_index::search::Hit| {
                hit.legs.iter().map(|(name, leg)| (*name, leg.score)).collect::<Vec<_>>()
            };
            prop_assert_eq!(scores(hit), scores(ranked));
        }
        // Pages are pieces of the whole, within the window, and a batch answers as a query alone does.
        let k = if kind == 4 { 1 } else { k };
        let page = |offset: usize| ask(asked(&shop, kind, &picture)).k(k).offset(offset);
        let pages: Vec<Request> = (0..order.len().div_ceil(k)).map(|at| page(at * k)).collect();
        let answers = shop.engine.batch(pages);
        let paged: Vec<String> = answers.into_iter().flat_map(|page| ids(&page.unwrap())).collect();
        prop_assert_eq!(paged, order);
        prop_assert!(page(1000).run().unwrap().hits.is_empty());
    }
}

#[test]
fn what_cannot_be_sorted_by_is_an_error_that_names_the_way() {
    let shop = shop(1, 20, 1, 2, &bundle(3));
    let run = |sort: &str| shop.engine.request().filter("*").sort(sort).run();
    for (sort, code, says) in [
        ("siez", ErrorCode::UnknownField, "did you mean size"),
        ("size:up", ErrorCode::BadArgument, "asc or desc"),
        ("kind", ErrorCode::BadArgument, "name `kind_exact`"),
        ("note", ErrorCode::BadArgument, "has no column to sort by"),
        ("_extra", ErrorCode::BadArgument, "_extra.KEY"),
    ] {
        let error = run(sort).unwrap_err();
        assert_eq!(error.code(), code, "{sort}: {error}");
        assert!(error.to_string().contains(says), "{sort}: {error}");
    }
    let error = shop.engine.request().filter("*").collapse("kidn").run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::UnknownField);
    let error = shop.engine.request().filter("*").collapse("note").run().unwrap_err();
    assert!(error.to_string().contains("to collapse by"), "{error}");
}

#[test]
fn counts_are_of_what_was_there_before_and_explanations_say_what_sorted() {
    let shop = shop(4, 60, 2, 2, &bundle(3));
    let request =
        || shop.engine.request().keywords("red").facet("kind").collapse("kind_exact").sort("size:desc");
    let plain = shop.engine.request().keywords("red").facet("kind").run().unwrap();
    let found = request().explain().run().unwrap();
    assert_eq!((found.matched, &found.facets), (plain.matched, &plain.facets));
    let plan = found.plan.unwrap();
    let level = json!({ "field": "size", "order": "desc", "from": "column", "over": "matches" });
    assert_eq!((&plan["sort"][0], &plan["collapse"]["field"]), (&level, &json!("kind_exact")));
    let keyword = &found.hits[0].explanation.as_ref().unwrap()["legs"]["keyword"];
    assert_eq!(keyword["score"], json!(found.hits[0].score));
    // Over hits: what can be paged through.
    let over = request().facets_over(FacetsOver::Hits).k(1).run().unwrap();
    let counts: Vec<u64> = over.facets["kind"].iter().map(|count| count.count).collect();
    assert!(counts.len() > 2 && counts.iter().all(|count| *count == 1), "{counts:?}");
    let none = request().k(0).run().unwrap();
    assert_eq!((none.hits.len(), none.matched), (0, plain.matched));
    // As plain data it says the same.
    let spec = json!({ "keywords": "red", "sort": ["size:desc"], "collapse": "kind_exact", "facet": "kind" });
    let spec: RequestSpec = serde_json::from_value(spec).unwrap();
    assert_eq!(ids(&shop.engine.run(&spec).unwrap()), ids(&request().run().unwrap()));
    // A page beyond the window is said to be one.
    let picture = features(&mut ChaCha8Rng::seed_from_u64(1), 6);
    let beyond = shop.engine.request().features("image", &picture).unwrap().sort("size").window(5).k(9).run();
    assert!(beyond.unwrap().warnings[0].contains("window"));
}
