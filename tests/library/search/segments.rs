//! The same answer whatever the segments and indexes that hold the documents.

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::model::{Bundle, FusionCounts, FusionLayer, Target};
use uncsm_index::search::{Engine, Fusion, Request, Response, Similarity};

use crate::common::{self, WORDS, features, random_docs};
use crate::search::world::{content, engine, ids, spread};

const ALL: [Fusion; 5] = [Fusion::Rrf, Fusion::Linear, Fusion::Product, Fusion::Metric, Fusion::Learned];

const LETTERS: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];

/// A bundle that has learned a fusion too.
fn bundle(seed: u64) -> Bundle {
    let counts = FusionCounts { lines: 20, positives: 20, negatives: 200 };
    let layer = FusionLayer::new(Target::Class, [0.4, 0.8, 0.3, 0.2, 1.1], -2.0, counts).unwrap();
    let bundle = if seed.is_multiple_of(2) { common::bundle(seed) } else { common::hub_bundle(seed) };
    bundle.with_fusion(layer).unwrap()
}

/// Queries of every kind; some with three words and more, whose sums tantivy adds up in an order of its own.
fn ask(engine: &Engine, kind: usize, fusion: Fusion, picture: &[f32]) -> Request {
    let request = engine.request().k(12).fusion(fusion).snippet("text").explain();
    let all = WORDS.join(" ");
    match kind {
        0 => request.keywords(&all),
        1 => request.keywords(&format!("+{} +{} {}", WORDS[0], WORDS[1], WORDS[2])),
        2 => request.features("image", picture).unwrap(),
        3 => request.features("image", picture).unwrap().keywords(&all),
        4 => request.features("image", picture).unwrap().keywords(&all).filter(WORDS[3]),
        5 => request.keywords("\"red gr\"* OR \"blue red gre\"* gray~1 text:/gre.*/ text:[a TO c]"),
        _ => request
            .features("image", picture)
            .unwrap()
            .not_features("image", picture)
            .unwrap()
            .keywords(WORDS[0]),
    }
}

/// Without the plan, which names segments.
fn answer(request: Request) -> serde_json::Value {
    let mut value = content(&request.run().unwrap());
    value.as_object_mut().unwrap().remove("plan");
    value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_segment_twenty_segments_and_four_indexes_answer_alike(
        seed in 0u64..1000, n in 20usize..80, kind in 0usize..7, fusion in prop::sample::select(ALL.to_vec()),
    ) {
        let docs = random_docs(seed, n);
        let bundle = bundle(seed % 5);
        let picture = features(&mut ChaCha8Rng::seed_from_u64(seed), 6);
        let one = spread(&bundle, &docs, 1, 1, &[]);
        let expected = answer(ask(&engine(&one), kind, fusion, &picture));
        for (indexes, segments) in [(1, 20), (4, 1), (4, 5)] {
            let apps = spread(&bundle, &docs, indexes, segments, &[]);
            let found = answer(ask(&engine(&apps), kind, fusion, &picture));
            prop_assert_eq!(&found, &expected, "{} indexes of {} segments", indexes, segments);
        }
    }

    #[test]
    fn sums_of_many_clauses_are_the_same_bits_in_every_segment(seed in 0u64..1000, n in 60usize..140) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut docs = random_docs(seed, n);
        for (at, doc) in docs.iter_mut().enumerate() {
            // Which words are rare changes from one end of the documents to the other, so that segments disagree.
            let favourite = at * LETTERS.len() / n;
            let letter = |rng: &mut ChaCha8Rng| {
                LETTERS[if rng.random_bool(0.3) { favourite } else { rng.random_range(0..LETTERS.len()) }]
            };
            doc.text = (0..12).map(|_| letter(&mut rng)).collect::<Vec<_>>().join(" ");
        }
        let (one, many) = (spread(&bundle(1), &docs, 1, 1, &[]), spread(&bundle(1), &docs, 3, 4, &[]));
        let (one, many) = (engine(&one), engine(&many));
        for query in ["+alpha +beta +gamma", "+alpha +beta +gamma +delta epsilon zeta", "(+beta +zeta +delta)^1.7 alpha"] {
            let ask = |engine: &Engine| {
                let found = engine.request().keywords(query).k(1000).run().unwrap();
                found.hits.iter().map(|hit| (hit.id.clone(), hit.score.to_bits())).collect::<Vec<_>>()
            };
            prop_assert_eq!(ask(&one), ask(&many), "{}", query);
        }
    }

    #[test]
    fn after_deletes_media_legs_are_exact_and_keywords_near(seed in 0u64..1000) {
        let docs = random_docs(seed, 200);
        let bundle = bundle(seed % 5);
        let picture = features(&mut ChaCha8Rng::seed_from_u64(seed), 6);
        // One document in twenty is deleted, and still counted by tantivy.
        let gone: Vec<String> = docs.iter().step_by(20).map(|doc| doc.id.clone()).collect();
        let left: Vec<_> = docs.iter().filter(|doc| !gone.contains(&doc.id)).cloned().collect();
        let (with, without) = (spread(&bundle, &docs, 2, 3, &gone), spread(&bundle, &left, 1, 1, &[]));
        let (with, without) = (engine(&with), engine(&without));
        let media = |engine: &Engine| answer(engine.request().features("image", &picture).unwrap());
        prop_assert_eq!(media(&with), media(&without));
        let scores = |engine: &Engine| -> std::collections::BTreeMap<String, f32> {
            let found = engine.request().keywords(WORDS[0]).k(500).run().unwrap();
            found.hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.score)).collect()
        };
        let (a, b) = (scores(&with), scores(&without));
        prop_assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
        for (id, score) in &a {
            // The tolerance that README states for one deleted document in twenty.
            prop_assert!((score - b[id]).abs() <= 0.15 * b[id], "{id}: {score} {}", b[id]);
        }
    }

    #[test]
    fn a_batch_answers_like_its_queries_one_by_one(seed in 0u64..1000, n in 1usize..60, many in 1usize..40) {
        let docs = random_docs(seed, n);
        let apps = spread(&bundle(seed % 5), &docs, 2, 2, &[]);
        let engine = engine(&apps);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let requests: Vec<Request> = (0..many)
            .map(|at| {
                let picture = features(&mut rng, 6);
                let request = ask(&engine, at % 6, ALL[at % 5], &picture).k(1 + at % 7);
                match at % 5 {
                    0 => request.similarity(Similarity::Cosine),
                    1 => request.similarity(Similarity::Metric(Target::Class)),
                    2 if at % 6 >= 2 => request.min_probability(0.3),
                    3 => request.keywords("("),
                    _ => request,
                }
            })
            .collect();
        let one_by_one: Vec<_> = requests.iter().map(|request| request.clone().run()).collect();
        for (batched, alone) in engine.batch(requests).into_iter().zip(one_by_one) {
            match (batched, alone) {
                (Ok(batched), Ok(alone)) => prop_assert_eq!(content(&batched), content(&alone)),
                (Err(batched), Err(alone)) => prop_assert_eq!(batched.to_string(), alone.to_string()),
                (batched, alone) => prop_assert!(false, "{:?} {:?}", batched, alone),
            }
        }
    }

    #[test]
    fn pages_put_together_are_the_whole(
        seed in 0u64..1000, n in 1usize..80, size in 1usize..9, kind in 0usize..5,
        fusion in prop::sample::select(ALL.to_vec()),
    ) {
        let docs = random_docs(seed, n);
        let apps = spread(&bundle(seed % 5), &docs, 1, 3, &[]);
        let engine = engine(&apps);
        let picture = features(&mut ChaCha8Rng::seed_from_u64(seed), 6);
        let whole = ids(&ask(&engine, kind, fusion, &picture).k(1_000_000).run().unwrap());
        let mut pages = Vec::new();
        for offset in (0..n + size).step_by(size) {
            let page: Response = ask(&engine, kind, fusion, &picture).k(size).offset(offset).run().unwrap();
            pages.extend(ids(&page));
        }
        prop_assert_eq!(pages, whole);
    }
}
