//! Query parts: several, weighted, unwanted, taken from a document; both targets; items; probabilities.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::ErrorCode;
use uncsm_index::corpus::Split;
use uncsm_index::data::{MediaFeatures, TrainingData};
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{Engine, Fusion, ListItems, MediaChoice, Request, Response, Similarity};
use uncsm_index::train::calibrate;

use crate::common::{App, bundle, features, random_docs};
use crate::search::world::{engine, id, ids, spread};

const CLASS: Similarity = Similarity::Metric(Target::Class);
const PAIR: Similarity = Similarity::Metric(Target::Pair);

fn world() -> Vec<App> {
    spread(&bundle(2), &random_docs(7, 60), 1, 3, &[])
}

fn picture(seed: u64) -> Vec<f32> {
    features(&mut ChaCha8Rng::seed_from_u64(seed), 6)
}

fn sentence(seed: u64) -> Vec<f32> {
    features(&mut ChaCha8Rng::seed_from_u64(seed), 5)
}

fn run(request: Request) -> Response {
    request.k(1000).run().unwrap()
}

fn value(found: &Response, id: &str, leg: &str) -> f32 {
    let hit = found.hits.iter().find(|hit| hit.id.as_deref() == Some(id)).unwrap();
    hit.legs[leg].score.unwrap()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn weights_mix_the_logits_of_parts() {
    let apps = world();
    let engine = engine(&apps);
    let any = |request: Request| run(request.media(MediaChoice::Named("image".into())).similarity(CLASS));
    let (a, b) = (picture(1), sentence(2));
    let first = any(engine.request().features("image", &a).unwrap());
    let second = any(engine.request().features("text", &b).unwrap());
    let both = || engine.request().features("image", &a).unwrap().features("text", &b).unwrap();
    for (name, weight, expected) in [("image", 3.0, (3.0, 1.0)), ("text[0]", 0.5, (1.0, 0.5))] {
        let mixed = any(both().weight(name, weight));
        for hit in &mixed.hits {
            let (x, y) = (value(&first, &id(hit), "metric"), value(&second, &id(hit), "metric"));
            let mean = (expected.0 * x + expected.1 * y) / (expected.0 + expected.1);
            assert!((hit.score - mean).abs() < 1e-4, "{name}: {} {mean}", hit.score);
            assert!((hit.probability.unwrap() - sigmoid(hit.score)).abs() < 1e-6);
        }
    }
    for name in ["image[1]", "txt", "cosine", "image[", "not-image", "image[x]"] {
        let error = both().weight(name, 1.0).similarity(CLASS).run().unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument, "{name}");
    }
    for weight in [-1.0, 0.0, f32::NAN, f32::INFINITY, 1e7] {
        assert_eq!(both().weight("image", weight).run().unwrap_err().code(), ErrorCode::BadArgument);
    }
    for weight in [-1.0, f32::NAN, f32::INFINITY, 1e7] {
        assert_eq!(both().weight("keyword", weight).run().unwrap_err().code(), ErrorCode::BadArgument);
    }
}

#[test]
fn what_is_not_wanted_costs_by_likeness_and_leaves_the_probability() {
    let apps = world();
    let engine = engine(&apps);
    let (a, b) = (picture(1), picture(9));
    let texts = |request: Request| run(request.media(MediaChoice::Named("text".into())).similarity(CLASS));
    let wanted = texts(engine.request().features("image", &a).unwrap());
    let unwanted = texts(engine.request().features("image", &b).unwrap());
    let ask = || engine.request().features("image", &a).unwrap().not_features("image", &b).unwrap();
    let minus = texts(ask().weight("not-image", 2.0));
    assert_eq!(minus.hits.len(), wanted.hits.len());
    for hit in &minus.hits {
        let (x, y) = (value(&wanted, &id(hit), "metric"), value(&unwanted, &id(hit), "metric"));
        let expected = x - 2.0 * y.exp().ln_1p();
        assert!((hit.score - expected).abs() < 1e-4 * expected.abs().max(1.0), "{} {expected}", hit.score);
        assert!(hit.score <= x, "being unlike is no gain");
        assert!(
            (hit.probability.unwrap() - sigmoid(x)).abs() < 1e-6,
            "only what is wanted has a probability"
        );
        assert_eq!(hit.items.len(), 2);
    }
    // The cut is by what is wanted alone.
    let cut = texts(ask().min_probability(0.5));
    let expected = wanted.hits.iter().filter(|hit| hit.probability.unwrap() >= 0.5).count();
    assert!(expected > 0 && expected < wanted.hits.len());
    assert_eq!(cut.hits.len(), expected);
    // Nothing but what is not wanted: the least like come first, without a probability.
    let only = texts(engine.request().not_features("image", &b).unwrap());
    assert_eq!(only.hits.len(), unwanted.hits.len());
    assert!(only.hits.iter().all(|hit| hit.probability.is_none() && hit.score <= 0.0));
    assert_eq!(only.hits[0].id, unwanted.hits[unwanted.hits.len() - 1].id);
}

/// A bundle that nobody saw pairs of one media type with: their head `pair` has no calibration.
fn calibrated_across() -> Bundle {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut media = |name: &str, d_in: usize| MediaFeatures {
        name: name.into(),
        encoder: name.into(),
        encoder_state: Vec::new(),
        fingerprint: None,
        d_in,
        rows: (0..30 * d_in).map(|_| rng.random::<f32>() - 0.5).collect(),
        present: vec![true; 30],
    };
    let data = TrainingData {
        media: vec![media("image", 6), media("text", 5)],
        labels: None,
        groups: None,
        split: vec![Split::Train; 30],
        features_name: "random".into(),
        documents: None,
        graded: Vec::new(),
    };
    calibrate(&bundle(2), &data, None).unwrap()
}

#[test]
fn nothing_reaches_a_probability_that_nothing_has_and_it_is_said() {
    let bundle = calibrated_across();
    let apps = spread(&bundle, &random_docs(7, 60), 1, 3, &[]);
    let engine = engine(&apps);
    let ask = |media: &str| {
        let request = engine.request().features("text", &sentence(3)).unwrap();
        request.media(MediaChoice::Named(media.into())).similarity(PAIR).min_probability(0.0)
    };
    for request in [ask("text"), ask("text").exact()] {
        let none = run(request);
        assert_eq!((none.hits.len(), none.matched), (0, 0));
        assert!(none.warnings[0].contains("no calibration of metric"), "{:?}", none.warnings);
        assert!(none.warnings[0].contains("for text over text"), "{:?}", none.warnings);
    }
    let some = run(ask("image"));
    assert!(!some.hits.is_empty() && some.warnings.is_empty());
    // Some of what is looked through has a probability.
    let any = run(ask("image").media(MediaChoice::Any));
    assert!(!any.hits.is_empty() && any.warnings.is_empty());
    assert!(any.hits.iter().all(|hit| hit.probability.is_some()));
}

#[test]
fn both_targets_are_the_mean_of_their_probabilities() {
    let apps = world();
    let engine = engine(&apps);
    let ask =
        |similarity| run(engine.request().features("image", &picture(4)).unwrap().similarity(similarity));
    let (class, pair, both) = (ask(CLASS), ask(PAIR), ask(Similarity::Both));
    // Each picks its own best item, so documents of one text tell.
    let single: Vec<_> = both
        .hits
        .iter()
        .filter(|hit| {
            let docs = random_docs(7, 60);
            let doc = docs.iter().find(|doc| Some(&doc.id) == hit.id.as_ref()).unwrap();
            doc.items.iter().filter(|(media, _)| *media == 1).count() == 1
        })
        .collect();
    assert!(single.len() > 5);
    for hit in single {
        let p = |found: &Response| sigmoid(value(found, &id(hit), "metric"));
        let mean = (p(&class) + p(&pair)) / 2.0;
        assert!((hit.probability.unwrap() - mean).abs() < 1e-5, "{hit:?} {mean}");
    }
}

#[test]
fn a_document_as_the_query_and_ids_left_out() {
    let apps = world();
    let engine = engine(&apps);
    let docs = random_docs(7, 60);
    let like = docs.iter().find(|doc| doc.items.len() == 3).unwrap();
    let found = run(engine.request().like(&like.id).unwrap().media(MediaChoice::Any));
    assert!(!ids(&found).contains(&like.id) && found.hits.len() > 10);
    let out = [found.hits[0].id.clone().unwrap(), found.hits[3].id.clone().unwrap()];
    let rest = run(engine
        .request()
        .like(&like.id)
        .unwrap()
        .media(MediaChoice::Any)
        .exclude(&out[0])
        .exclude(&out[1]));
    let expected: Vec<String> = ids(&found).into_iter().filter(|id| !out.contains(id)).collect();
    assert_eq!(ids(&rest), expected);
    assert_eq!(rest.candidates + 2, found.candidates);
    let unlike = engine.request().filter("*").not_like(&like.id).unwrap().media(MediaChoice::Any).k(100);
    let found = run(unlike.explain());
    assert!(!ids(&found).contains(&like.id) && found.hits.iter().all(|hit| hit.probability.is_none()));
    assert!(found.hits.iter().all(|hit| hit.score <= 0.0), "likeness costs");
    assert_eq!(found.plan.unwrap()["parts"][0]["name"], "not-like");
    assert_eq!(engine.request().not_like("nobody").err().unwrap().code(), ErrorCode::UnknownId);
    assert_eq!(engine.request().like("nobody").err().unwrap().code(), ErrorCode::UnknownId);
    // Excluded ids alone are no query.
    assert_eq!(engine.request().exclude(&like.id).run().unwrap_err().code(), ErrorCode::BadArgument);
    assert_eq!(run(engine.request().filter("*").exclude(&like.id)).hits.len(), 59);
}

#[test]
fn items_are_the_best_ones_or_all() {
    let apps = world();
    let engine = engine(&apps);
    let docs = random_docs(7, 60);
    let ask = || engine.request().features("image", &picture(4)).unwrap().similarity(CLASS);
    let (best, all) = (run(ask()), run(ask().items(ListItems::All)));
    for (hit, whole) in best.hits.iter().zip(&all.hits) {
        assert_eq!((hit.id.clone(), hit.score), (whole.id.clone(), whole.score));
        let doc = docs.iter().find(|doc| Some(&doc.id) == hit.id.as_ref()).unwrap();
        assert_eq!(whole.items.len(), doc.items.iter().filter(|(media, _)| *media == 1).count());
        let top = whole.items.iter().map(|item| item.probability.unwrap()).fold(0.0, f32::max);
        assert_eq!(hit.items.len(), 1);
        assert_eq!(hit.items[0].probability, Some(top), "the best item is the one that counts");
        assert!((hit.probability.unwrap() - top).abs() < 1e-6, "the probability is that of one pair");
    }
}

#[test]
fn a_prior_moves_probabilities_and_no_ranks() {
    let apps = world();
    let engine = engine(&apps);
    let ask = || engine.request().features("image", &picture(4)).unwrap();
    let (half, rare) = (run(ask().prior(0.5)), run(ask().prior(0.01)));
    assert_eq!(ids(&half), ids(&rare));
    for (a, b) in half.hits.iter().zip(&rare.hits) {
        let (p, q) = (a.probability.unwrap(), b.probability.unwrap());
        let odds = p / (1.0 - p) * 0.01 / 0.99;
        assert!((q - odds / (1.0 + odds)).abs() < 1e-4, "{p} {q}");
    }
    for bad in [0.0, 1.0, -0.5, f32::NAN] {
        assert_eq!(ask().prior(bad).run().unwrap_err().code(), ErrorCode::BadArgument);
    }
}

#[test]
fn a_missing_leg_never_turns_a_ranking_upside_down() {
    // Half of the documents have no items, so they are in no media leg.
    let docs: Vec<_> = random_docs(5, 40)
        .into_iter()
        .enumerate()
        .map(|(at, mut doc)| {
            doc.text = "red".into();
            if at % 2 == 0 {
                doc.items.clear();
            }
            doc
        })
        .collect();
    let apps = spread(&bundle(2), &docs, 1, 2, &[]);
    let engine = engine(&apps);
    let ask = |fusion: Fusion| {
        run(engine.request().features("image", &picture(4)).unwrap().keywords("red").fusion(fusion))
    };
    for fusion in [Fusion::Rrf, Fusion::Linear, Fusion::Product] {
        let found = ask(fusion);
        assert!(found.hits.iter().all(|hit| hit.score.is_finite()));
        let best_without = found.hits.iter().position(|hit| hit.legs["metric"].score.is_none()).unwrap();
        let with = found.hits.iter().filter(|hit| hit.legs["metric"].score.is_some()).count();
        // All keywords score alike, so what has a media leg as well stands before what has none; in `linear` the last one
        // of a leg gets as little as one outside.
        assert!(best_without + 1 >= with, "{fusion:?}: {best_without} of {with}");
    }
}

#[test]
fn numbers_out_of_range_are_errors() {
    let apps = world();
    let engine: Engine = engine(&apps);
    let ask = || engine.request().features("image", &picture(4)).unwrap().keywords("red");
    let bad = |request: Request| assert_eq!(request.run().unwrap_err().code(), ErrorCode::BadArgument);
    bad(engine.request());
    bad(ask().k(usize::MAX).offset(1));
    bad(ask().rrf_k(-1.0));
    bad(ask().rrf_k(f32::NAN));
    bad(ask().min_probability(1.5));
    bad(ask().weight("keyword", 0.0).weight("metric", 0.0));
    bad(ask().fusion(Fusion::Product).weight("keyword", 9.0));
    bad(ask().fusion(Fusion::Learned));
    bad(ask().boost("text", f32::NAN));
    bad(engine.request().keywords("red").min_probability(0.5));
    let all = engine.request().filter("*").k(1_000_000).run().unwrap();
    assert_eq!(all.hits.len(), 60, "more than there is is all there is");
    let nan = [f32::NAN; 6];
    assert_eq!(engine.request().features("image", &nan).err().unwrap().code(), ErrorCode::NotFinite);
}
