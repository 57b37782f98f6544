//! Every fusion against the oracle, and what explanations add up to.

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tantivy::DocAddress;
use uncsm_index::model::Target;
use uncsm_index::search::{
    Fusion, Leg, MediaChoice, Normalise, QueryPart, RankedDoc, Request, Response, Similarity, linear, rrf,
};

use crate::common::{WORDS, bundle, features, hub_bundle, random_docs};
use crate::search::oracle::{self, Query};
use crate::search::world::{engine, id, ids, spread};

pub(crate) const FUSIONS: [Fusion; 4] = [Fusion::Rrf, Fusion::Linear, Fusion::Product, Fusion::Metric];
const SCALES: [Normalise; 3] = [Normalise::MinMax, Normalise::ZScore, Normalise::Probability];
const SIMILARITIES: [Similarity; 4] = [
    Similarity::Metric(Target::Class),
    Similarity::Metric(Target::Pair),
    Similarity::Cosine,
    Similarity::Posterior,
];

fn request(mut request: Request, query: &Query, raw: &[(&str, Vec<f32>)]) -> Request {
    for (media, features) in raw {
        request = request.features(media, features).unwrap();
    }
    if let Some(keywords) = &query.keywords {
        request = request.keywords(keywords);
    }
    if let Some(filter) = &query.filter {
        request = request.filter(filter);
    }
    request = match query.wanted.as_slice() {
        [only] => request.media(MediaChoice::Named(["image", "text"][*only].into())),
        _ => request.media(MediaChoice::Any),
    };
    request
        .similarity(query.similarity)
        .fusion(query.fusion)
        .normalise(query.normalise)
        .rrf_k(query.rrf_k)
        .weight("keyword", query.weights.0)
        .weight("media", query.weights.1)
        .window(query.window)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_fusion_is_its_formula(
        seed in 0u64..1000, n in 1usize..70, segments in 1usize..5, deleted in 0usize..20, k in 1usize..30,
        offset in 0usize..12, window in 1usize..60, fusion in prop::sample::select(FUSIONS.to_vec()),
        normalise in prop::sample::select(SCALES.to_vec()), similarity in prop::sample::select(SIMILARITIES.to_vec()),
        legs in 0usize..4, filtered in any::<bool>(), words in 1usize..3, wanted in 0usize..3,
        weights in (0usize..4, 1usize..4), rrf_k in 0usize..3,
    ) {
        let docs = random_docs(seed, n);
        let gone: Vec<String> = docs.iter().step_by(3).take(deleted).map(|doc| doc.id.clone()).collect();
        let bundle = if seed % 2 == 0 { bundle(seed % 5) } else { hub_bundle(seed % 5) };
        let apps = spread(&bundle, &docs, 1, segments, &gone);
        let app = &apps[0];
        let engine = engine(&apps);
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 1);
        let raw = [("image", features(&mut rng, 6)), ("text", features(&mut rng, 5))];
        let raw = if legs == 0 { &raw[..0] } else { &raw[..1 + legs % 2] };
        let parts: Vec<QueryPart> =
            raw.iter().enumerate().map(|(media, (_, x))| app.part(media, x)).collect();
        let query = Query {
            // Two words at most: tantivy's own sums of three depend on the segment.
            keywords: (legs != 1).then(|| WORDS[..words].join(" ")),
            filter: filtered.then(|| WORDS[2].to_owned()),
            parts,
            wanted: [vec![0], vec![1], vec![0, 1]][wanted].clone(),
            similarity,
            fusion,
            normalise,
            rrf_k: [0.0, 1.0, 60.0][rrf_k],
            weights: ([0.0, 0.5, 1.0, 3.0][weights.0], [0.0, 0.5, 1.0, 3.0][weights.1]),
            // What a page needs is always in the window.
            window: window.max(offset + k),
        };
        let expected = oracle::rank(app, &query);
        let found = request(engine.request(), &query, raw).k(k).offset(offset).explain().run().unwrap();
        let page: Vec<&(String, f32)> = expected.iter().skip(offset).take(k).collect();
        prop_assert_eq!(ids(&found), page.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>());
        for (at, (hit, (_, score))) in found.hits.iter().zip(page).enumerate() {
            prop_assert!(close(hit.score, *score), "{} {} {}", id(hit), hit.score, score);
            prop_assert_eq!(hit.rank, offset + at + 1);
        }
        check_sums(&found, fusion)?;
    }

    #[test]
    fn what_a_leg_likes_better_never_falls(
        seed in 0u64..500, n in 2usize..20, m in 1usize..20, raised in 0usize..20, scale in 0usize..3,
        weights in (1usize..4, 1usize..4),
    ) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut leg = |n: usize, from: u32| -> Vec<RankedDoc> {
            let scores = features(&mut rng, n);
            let docs = scores.into_iter().enumerate().map(|(i, score)| doc(from + i as u32, score));
            sorted(docs.collect())
        };
        let (a, b) = (leg(n, 0), leg(m, n as u32 / 2));
        let fused = |a: &[RankedDoc]| {
            let legs = [
                Leg { docs: a, weight: weights.0 as f32, similarity: None },
                Leg { docs: &b, weight: weights.1 as f32, similarity: Some(Similarity::Cosine) },
            ];
            // Not the z-score: a better best document widens the deviation that it is divided by.
            match [Normalise::MinMax, Normalise::Probability].get(scale) {
                Some(normalise) => linear(&legs, *normalise),
                None => rrf(&legs, 60.0),
            }
        };
        let place = |fused: &[uncsm_index::search::FusedDoc], address| {
            fused.iter().position(|f| f.doc.address == address).unwrap()
        };
        let mut better = a.clone();
        let at = raised % n;
        better[at].score = a[0].score + 0.5;
        let address = better[at].address;
        let (before, after) = (place(&fused(&a), address), place(&fused(&sorted(better)), address));
        prop_assert!(after <= before, "{before} {after}");
        // A document that leaves a leg never gains by it.
        let without: Vec<RankedDoc> = a.iter().filter(|doc| doc.address != address).cloned().collect();
        if b.iter().any(|doc| doc.address == address) {
            let left = fused(&without);
            let score = |fused: &[uncsm_index::search::FusedDoc]| fused[place(fused, address)].doc.score;
            prop_assert!(score(&left) <= score(&fused(&a)) + 1e-6);
        }
    }
}

fn doc(id: u32, score: f32) -> RankedDoc {
    RankedDoc { score, address: DocAddress::new(0, id), id: Some(format!("{id:03}")) }
}

fn sorted(mut docs: Vec<RankedDoc>) -> Vec<RankedDoc> {
    docs.sort_by(RankedDoc::order);
    docs
}

fn close(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-5 * a.abs().max(b.abs()).max(1.0)
}

/// The numbers of every explanation give the score.
fn check_sums(found: &Response, fusion: Fusion) -> Result<(), TestCaseError> {
    for hit in &found.hits {
        let explained = hit.explanation.as_ref().unwrap();
        let legs: Vec<&serde_json::Value> = explained["legs"].as_object().unwrap().values().collect();
        let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
        let contributions = legs.iter().map(|leg| number(&leg["contribution"]));
        let total: f32 = match (legs.len(), fusion) {
            (2, Fusion::Product) => contributions.product(),
            _ => contributions.sum(),
        };
        prop_assert!(close(total, hit.score), "{total} {} {explained}", hit.score);
        if let Some(media) = explained.get("media") {
            let parts = media["parts"].as_array().unwrap();
            let sum: f32 = parts.iter().map(|part| number(&part["contribution"])).sum();
            prop_assert!(close(sum, number(&media["value"])), "{sum} {media}");
            for head in parts.iter().filter_map(|part| part["heads"].as_array()).flatten() {
                let hub = head.get("hub").map_or(0.0, number);
                let raw = number(&head["bilinear"]) + number(&head["hidden"]) + number(&head["bias"]) + hub;
                prop_assert!(close(raw, number(&head["raw"])), "{head}");
            }
        }
        if let (Some(tree), Some(leg)) = (explained.get("keyword"), hit.legs.get("keyword")) {
            prop_assert!(close(number(&tree["value"]), leg.score.unwrap()), "{tree}");
        }
    }
    Ok(())
}
