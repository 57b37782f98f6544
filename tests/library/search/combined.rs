//! Queries of several forms by codes: parts, unwanted ones, both targets, posteriors, least probabilities; over items and media types.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tantivy::collector::{Count, DocSetCollector, TopDocs};
use tantivy::{IndexWriter, Term};
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{CrossMediaQuery, Fusion, MediaChoice, QueryPart, Request, Response, Similarity};

use super::cells::{DOCS, app, app_in, around, sampled, share};
use crate::common::{App, Doc};
use crate::search::world::{engine, ids};

const PAIR: Similarity = Similarity::Metric(Target::Pair);
const CLASS: Similarity = Similarity::Metric(Target::Class);

/// Without a hidden layer, as most are: codes do not tell what it adds.
fn plain(seed: u64) -> Bundle {
    Bundle::random(&[("image", 6), ("text", 5)], 12, 0, 3, seed)
}

/// Features of a picture, of a text, and of another one of each.
struct Asked {
    image: Vec<f32>,
    text: Vec<f32>,
    other_image: Vec<f32>,
    other_text: Vec<f32>,
}

impl Asked {
    fn new(bundle: &Bundle, rng: &mut ChaCha8Rng) -> Self {
        let [image, text] = [0, 1].map(|media| bundle.media()[media].features);
        let mut of = |width| around(rng, width, None);
        Self { image: of(image), text: of(text), other_image: of(image), other_text: of(text) }
    }
}

type Shape = fn(Request, &Asked) -> Request;

/// Every form that a query may have but for one part under one target.
const SHAPES: [(&str, Shape); 9] = [
    ("two pictures", |r, q| {
        let r = r.features("image", &q.image).unwrap().features("image", &q.other_image).unwrap();
        r.similarity(PAIR)
    }),
    ("picture and text, unequal", |r, q| {
        let r = r.features("image", &q.image).unwrap().features("text", &q.text).unwrap();
        r.similarity(PAIR).weight("text", 3.0)
    }),
    ("two by class", |r, q| {
        let r = r.features("image", &q.image).unwrap().features("text", &q.text).unwrap();
        r.similarity(CLASS)
    }),
    ("not like another", |r, q| {
        let r = r.features("image", &q.image).unwrap().not_features("image", &q.other_image).unwrap();
        r.similarity(PAIR)
    }),
    ("nothing but unwanted", |r, q| r.not_features("image", &q.image).unwrap().similarity(PAIR)),
    ("both", |r, q| r.features("image", &q.image).unwrap().similarity(Similarity::Both)),
    ("both, but not", |r, q| {
        let r = r.features("image", &q.image).unwrap().not_features("text", &q.other_text).unwrap();
        r.similarity(Similarity::Both)
    }),
    ("cosine", |r, q| {
        let r = r.features("image", &q.image).unwrap().features("text", &q.text).unwrap();
        r.similarity(Similarity::Cosine).not_features("image", &q.other_image).unwrap()
    }),
    ("posterior", |r, q| r.features("image", &q.image).unwrap().similarity(Similarity::Posterior)),
];

/// What both answers must agree on; the share of the exact one that was found.
fn compared(found: &Response, exact: &Response, what: &str) -> f32 {
    assert!(exact.exact && exact.scored >= found.scored, "{what}");
    assert_eq!((found.hits.len(), found.matched), (exact.hits.len(), exact.matched), "{what}");
    for hit in &found.hits {
        if let Some(same) = exact.hits.iter().find(|other| other.id == hit.id) {
            assert_eq!(same.score.to_bits(), hit.score.to_bits(), "{what}");
        }
    }
    if found.exact {
        assert_eq!(ids(found), ids(exact), "{what}");
    }
    share(found, exact)
}

#[test]
fn every_form_of_a_query_keeps_the_promise() {
    let bundle = sampled(&plain(3));
    let apps = [app(&bundle)];
    let engine = engine(&apps);
    for (name, shape) in SHAPES {
        let (mut sum, mut asked, mut by_codes) = (0.0, 0.0, 0);
        for seed in 0..8 {
            let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(100 + seed));
            for filter in [None, Some("w2"), Some("w1000")] {
                for k in [10, 100] {
                    let request =
                        shape(engine.request(), &query).media(MediaChoice::Named("text".into())).k(k);
                    let request = match filter {
                        Some(word) => request.filter(word),
                        None => request,
                    };
                    let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
                    // A thousandth is scored whole.
                    assert!(found.exact || filter != Some("w1000"), "{name}");
                    sum += compared(&found, &exact, name);
                    asked += 1.0;
                    by_codes += usize::from(!found.exact);
                }
            }
        }
        assert!(sum / asked >= 0.985, "{name}: {}", sum / asked);
        // Three parts by cosine of so few elements leave little out.
        let least = if name == "cosine" { 1 } else { 8 };
        assert!(by_codes >= least, "{name}: codes were used {by_codes} times of {asked}");
    }
}

#[test]
fn an_explanation_says_that_codes_were_asked() {
    let bundle = sampled(&plain(3));
    let apps = [app(&bundle)];
    let engine = engine(&apps);
    let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(3));
    let ask = || engine.request().features("image", &query.image).unwrap().explain();
    let shapes: [fn(Request) -> Request; 2] =
        [|r| r.similarity(Similarity::Both), |r| r.similarity(PAIR).min_probability(0.9)];
    for shape in shapes {
        let found = shape(ask()).run().unwrap();
        let look = &found.plan.as_ref().unwrap()["look"];
        assert!(!found.exact && look["by"] == "cells" && look["why"].is_null(), "{look}");
        let [compared, kept] = ["rows_by_code", "rows_scored"].map(|key| look[key].as_u64().unwrap());
        assert!(compared >= DOCS as u64 && found.scored <= kept && kept < compared / 2, "{look}");
        let whole = shape(ask()).exact().run().unwrap();
        let look = &whole.plan.as_ref().unwrap()["look"];
        assert!(whole.exact && look["by"] == "all" && look["why"] == "asked for", "{look}");
    }
}

#[test]
fn a_least_probability_finds_what_reaches_it() {
    let bundle = sampled(&plain(3));
    let apps = [app(&bundle)];
    let engine = engine(&apps);
    type Shape = fn(Request, &Asked) -> Request;
    let shapes: [(&str, Shape); 4] = [
        ("one", |r, q| r.features("image", &q.image).unwrap().similarity(PAIR)),
        ("two", |r, q| {
            let r = r.features("image", &q.image).unwrap().features("image", &q.other_image).unwrap();
            r.similarity(PAIR)
        }),
        ("both", |r, q| r.features("image", &q.image).unwrap().similarity(Similarity::Both)),
        // What ranks is not what is asked for a probability.
        ("cosine", |r, q| r.features("image", &q.image).unwrap().similarity(Similarity::Cosine)),
    ];
    for (name, shape) in shapes {
        let (mut found_all, mut true_all, mut by_codes) = (0, 0, 0);
        for seed in 0..8 {
            let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(200 + seed));
            let ask = || shape(engine.request(), &query).media(MediaChoice::Named("text".into())).k(DOCS);
            let mut probabilities: Vec<f32> =
                ask().exact().run().unwrap().hits.iter().filter_map(|hit| hit.probability).collect();
            probabilities.sort_by(|a, b| b.total_cmp(a));
            for (at, filter) in [(3, None), (60, None), (900, None), (300, Some("w2"))] {
                let request = ask().min_probability(probabilities[at]).facet("id");
                let request = match filter {
                    Some(word) => request.filter(word),
                    None => request,
                };
                let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
                assert!(exact.exact && found.matched <= exact.matched, "{name}");
                assert_eq!(
                    (found.matched as usize, found.candidates as usize),
                    (found.hits.len(), found.hits.len())
                );
                let truth = ids(&exact);
                // Nothing comes that does not reach it, and what comes has its score.
                for hit in &found.hits {
                    assert!(hit.probability.unwrap() >= probabilities[at], "{name}");
                    let same = exact.hits.iter().find(|other| other.id == hit.id).unwrap();
                    assert_eq!(same.score.to_bits(), hit.score.to_bits(), "{name}");
                }
                found_all += found.hits.len();
                true_all += truth.len();
                by_codes += usize::from(!found.exact);
                if found.exact {
                    assert_eq!(ids(&found), truth, "{name}");
                }
            }
        }
        assert!(found_all as f32 >= 0.985 * true_all as f32, "{name}: {found_all} of {true_all}");
        assert!(by_codes >= 8, "{name}: codes were used {by_codes} times");
    }
    // Counts alone and facets are of what was found; a floor below all is reached by all.
    let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(300));
    let ask = || engine.request().features("image", &query.image).unwrap().similarity(PAIR);
    let best = ask().exact().run().unwrap().hits[5].probability.unwrap();
    let (shown, counted) = (ask().min_probability(best), ask().min_probability(best).k(0));
    let (shown, counted) = (shown.run().unwrap(), counted.run().unwrap());
    assert_eq!((shown.matched, shown.exact), (counted.matched, counted.exact));
    assert!(!counted.exact);
    let all = ask().min_probability(0.0).run().unwrap();
    assert!(all.exact && all.matched == DOCS as u64);
    assert_eq!(
        ask().min_probability(1.0).run().unwrap().matched,
        ask().min_probability(1.0).exact().run().unwrap().matched
    );
}

#[test]
fn the_best_item_of_each_part_counts_over_items_and_media_types() {
    let bundle = sampled(&plain(3));
    let app = App::in_ram(bundle.clone());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 200_000_000).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(41);
    let [images, texts] = [0, 1].map(|media| bundle.media()[media].features);
    // Two of three have a picture, some of them three, of places of their own; a tenth has no text.
    for i in 0..6500 {
        let mut items = Vec::new();
        for _ in 0..[1, 0, 3][i % 3] {
            items.push((0, around(&mut rng, images, None)));
        }
        for _ in 0..[0, 1, 1, 2, 1, 1, 3, 1, 1, 1][i % 10] {
            items.push((1, around(&mut rng, texts, None)));
        }
        writer
            .add_document(app.document(&Doc { id: format!("d{i:05}"), text: String::new(), items }))
            .unwrap();
    }
    writer.commit().unwrap();
    for i in (0..6500).step_by(11) {
        writer.delete_term(Term::from_field_text(app.id, &format!("d{i:05}")));
    }
    writer.commit().unwrap();
    let apps = [app];
    let engine = engine(&apps);
    let mut used = 0;
    for media in [MediaChoice::Any, MediaChoice::Named("image".into()), MediaChoice::Named("text".into())] {
        for (name, shape) in SHAPES {
            let (mut sum, mut by_codes) = (0.0, 0);
            for seed in 0..6 {
                let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(400 + seed));
                let request = shape(engine.request(), &query).media(media.clone());
                let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
                sum += compared(&found, &exact, name);
                by_codes += usize::from(!found.exact);
            }
            assert!(sum >= 0.97 * 6.0, "{media:?} {name}: {sum} of 6");
            used += by_codes;
        }
    }
    // Where most documents are alike, scoring them costs no more.
    assert!(used >= 40, "codes were used {used} times of 162");
}

#[test]
fn few_rows_of_a_media_type_are_scored_beside_many_of_another() {
    let bundle = sampled(&plain(3));
    let app = App::in_ram(bundle.clone());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 200_000_000).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(43);
    let [images, texts] = [0, 1].map(|media| bundle.media()[media].features);
    for i in 0..7000 {
        let mut items = vec![(1, around(&mut rng, texts, None))];
        if i % 70 == 0 {
            items.push((0, around(&mut rng, images, None)));
        }
        writer
            .add_document(app.document(&Doc { id: format!("d{i:05}"), text: String::new(), items }))
            .unwrap();
    }
    writer.commit().unwrap();
    let apps = [app];
    let engine = engine(&apps);
    let (mut sum, mut by_codes, mut of_few) = (0.0, 0, 0);
    for seed in 0..10 {
        let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(500 + seed));
        let (_, shape) = SHAPES[0];
        let request = shape(engine.request(), &query).media(MediaChoice::Any);
        let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
        sum += compared(&found, &exact, "any");
        by_codes += usize::from(!found.exact);
        of_few += exact.hits.iter().filter(|hit| hit.items.iter().any(|item| item.media == "image")).count();
    }
    assert!(sum >= 9.7 && by_codes == 10 && of_few > 0, "{sum}, {by_codes} by codes, {of_few} of few");
}

#[test]
fn segments_hybrids_and_hosts_use_codes_too() {
    let bundle = sampled(&plain(3).with_random_hubs(11, 3));
    let app = app_in(&bundle, 13_000, 6_800);
    let searcher = app.searcher();
    assert_eq!(searcher.segment_readers().len(), 2);
    let (mut found_all, mut reached) = ([0, 0], [0, 0]);
    for seed in 0..8 {
        let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(600 + seed));
        let parts: [QueryPart; 2] = [app.part(0, &query.image), app.part(0, &query.other_image).unlike()];
        for (at, (similarity, parts)) in
            [(PAIR, &parts[..]), (Similarity::Both, &parts[..1])].iter().enumerate()
        {
            let scorer = app.scorer(*similarity, parts, &[1]);
            let all = CrossMediaQuery::new(scorer, app.plugin.cache()).unwrap();
            let near = all.clone().nearest(&bundle, 10, 0.99).unwrap();
            let top = TopDocs::with_limit(10).order_by_score();
            let truth = searcher.search(&all, &top).unwrap();
            let (found, matched) = searcher.search(&near, &(top, Count)).unwrap();
            assert!(matched < 6000, "{matched}");
            found_all[at] +=
                found.iter().filter(|(_, address)| truth.iter().any(|(_, other)| other == address)).count();
            if at == 1 {
                // All that reach a minimum, from an app.
                let least = truth[9].0;
                let set = |query: CrossMediaQuery| {
                    searcher.search(&query.min_probability(least).unwrap(), &DocSetCollector).unwrap()
                };
                let (near, all) = (set(near), set(all));
                assert!(near.is_subset(&all));
                reached = [reached[0] + near.len(), reached[1] + all.len()];
            }
        }
    }
    assert!(found_all.iter().all(|found| *found >= 78), "{found_all:?} of 80");
    assert!(reached[0] as f32 >= 0.985 * reached[1] as f32 && reached[1] >= 80, "{reached:?}");
    let apps = [app];
    let engine = engine(&apps);
    let (mut sum, mut by_codes) = (0.0, 0);
    for seed in 0..6 {
        let query = Asked::new(&bundle, &mut ChaCha8Rng::seed_from_u64(700 + seed));
        let request = engine.request().features("image", &query.image).unwrap().similarity(Similarity::Both);
        let request = request.keywords("w10").fusion(Fusion::Rrf).window(50);
        let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
        sum += share(&found, &exact);
        by_codes += usize::from(!found.exact);
    }
    assert!(sum >= 5.8 && by_codes == 6, "{sum} of 6, {by_codes} by codes");
}
