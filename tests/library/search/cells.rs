//! Approximate queries: what cells promise, under filters, deletes and several items, and when everything is looked at.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tantivy::collector::{Count, DocSetCollector, TopDocs};
use tantivy::query::{BooleanQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{IndexWriter, Term};
use uncsm_index::ErrorCode;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{CrossMediaQuery, Fusion, MediaChoice, Request, Response, Similarity};

use crate::common::{self, App, Doc, bundle};
use crate::search::world::{engine, ids};

pub(crate) const DOCS: usize = 7000;

/// Sample queries as the queries of [`query`] are.
pub(crate) fn sampled(bundle: &Bundle) -> Bundle {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let of = |media: usize, rng: &mut ChaCha8Rng| -> Vec<f32> {
        let width = bundle.media()[media].features;
        (0..64).flat_map(|_| bundle.project(media, &around(rng, width, None)).unwrap()).collect()
    };
    let samples = (0..bundle.media().len()).map(|media| of(media, &mut rng)).collect();
    bundle.with_samples(samples).unwrap()
}

/// Features near one of 50 places.
pub(crate) fn around(rng: &mut ChaCha8Rng, width: usize, place: Option<u64>) -> Vec<f32> {
    let place = place.unwrap_or_else(|| rng.random_range(0..50));
    let mut centre = ChaCha8Rng::seed_from_u64(place);
    (0..width).map(|_| centre.random_range(-1.0..1.0f32) + rng.random_range(-0.3..0.3f32)).collect()
}

/// Documents in one segment, a few of them with two texts; document i has the word `wI` for i mod 2, 10, 100 and 1000.
pub(crate) fn app(bundle: &Bundle) -> App {
    app_in(bundle, DOCS, DOCS)
}

/// So many documents, in segments of `segment`.
pub(crate) fn app_in(bundle: &Bundle, docs: usize, segment: usize) -> App {
    let app = App::in_ram(bundle.clone());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 200_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let width = bundle.media()[1].features;
    for i in 0..docs {
        let words: Vec<String> =
            [2, 10, 100, 1000].iter().filter(|m| i % **m == 0).map(|m| format!("w{m}")).collect();
        let texts = if i % 50 == 7 { 2 } else { 1 };
        let doc = Doc {
            id: format!("d{i:05}"),
            text: words.join(" "),
            items: (0..texts).map(|_| (1, around(&mut rng, width, None))).collect(),
        };
        writer.add_document(app.document(&doc)).unwrap();
        if (i + 1) % segment == 0 {
            writer.commit().unwrap();
        }
    }
    writer.commit().unwrap();
    app
}

pub(crate) fn share(found: &Response, exact: &Response) -> f32 {
    let found = ids(found);
    let truth = ids(exact);
    truth.iter().filter(|id| found.contains(id)).count() as f32 / truth.len().max(1) as f32
}

#[test]
fn the_promise_holds_whatever_restricts() {
    let bundle = sampled(&bundle(3));
    let app = app(&bundle);
    let apps = [app];
    let engine = engine(&apps);
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let width = bundle.media()[0].features;
    let mut looked = 0;
    for filter in [None, Some("w2"), Some("w10"), Some("w100"), Some("w1000")] {
        for similarity in
            [Similarity::Metric(Target::Pair), Similarity::Metric(Target::Class), Similarity::Cosine]
        {
            let (mut sum, mut asked) = (0.0, 0.0);
            for _ in 0..12 {
                let query = around(&mut rng, width, None);
                let ask = || {
                    let request = engine.request().features("image", &query).unwrap().similarity(similarity);
                    filter.map_or_else(|| request.clone(), |word| request.clone().filter(word))
                };
                let exact = ask().exact().run().unwrap();
                let found = ask().run().unwrap();
                assert!(exact.exact && exact.scored >= found.scored);
                // As many hits, each with the score that it has.
                assert_eq!(found.hits.len(), exact.hits.len());
                assert_eq!(found.matched, exact.matched);
                for hit in &found.hits {
                    if let Some(same) = exact.hits.iter().find(|other| other.id == hit.id) {
                        assert_eq!(same.score.to_bits(), hit.score.to_bits());
                    }
                }
                looked += usize::from(!found.exact);
                if found.exact {
                    assert_eq!(ids(&found), ids(&exact));
                }
                sum += share(&found, &exact);
                asked += 1.0;
            }
            assert!(sum / asked >= 0.95, "{filter:?} {similarity:?}: {}", sum / asked);
        }
    }
    // Where a filter leaves few, they are scored instead.
    assert!(looked >= 36, "cells were used {looked} times");
}

#[test]
fn a_query_of_the_host_finds_the_share_with_the_collector_of_the_host() {
    let bundle = sampled(&bundle(3));
    let app = app(&bundle);
    let searcher = app.searcher();
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    let width = bundle.media()[0].features;
    for target in [Target::Pair, Target::Class] {
        let (mut sum, mut matched) = (0, 0);
        for _ in 0..12 {
            let part = app.part(0, &around(&mut rng, width, None));
            let scorer = app.scorer(Similarity::Metric(target), &[part], &[1]);
            let all = CrossMediaQuery::new(scorer, app.plugin.cache()).unwrap();
            let near = all.clone().nearest(&bundle, 10, 0.99).unwrap();
            let top = TopDocs::with_limit(10).order_by_score();
            let truth = searcher.search(&all, &top).unwrap();
            let (found, count) = searcher.search(&near, &(top, Count)).unwrap();
            assert_eq!(found.len(), 10);
            for (score, address) in &found {
                let same = truth.iter().find(|(_, other)| other == address);
                assert!(same.is_none_or(|(other, _)| other.to_bits() == score.to_bits()));
            }
            sum +=
                found.iter().filter(|(_, address)| truth.iter().any(|(_, other)| other == address)).count();
            matched += count;
            // Beside another clause, which it does not make the other way round.
            let word = TermQuery::new(Term::from_field_text(app.text, "w2"), IndexRecordOption::Basic);
            let both = |media: &CrossMediaQuery| {
                let both = BooleanQuery::intersection(vec![Box::new(media.clone()), Box::new(word.clone())]);
                searcher.search(&both, &DocSetCollector).unwrap()
            };
            let (near, all) = (both(&near), both(&all));
            assert!(!near.is_empty() && near.is_subset(&all) && near.len() < all.len());
        }
        assert!(sum >= 114 && matched < 12 * DOCS / 2, "{target:?}: {sum} of 120, {matched} matched");
    }
    let part = app.part(0, &around(&mut rng, width, None));
    let all =
        CrossMediaQuery::new(app.scorer(Similarity::Metric(Target::Pair), &[part], &[1]), app.plugin.cache());
    let all = all.unwrap();
    let count = |query: &CrossMediaQuery| searcher.search(query, &Count).unwrap();
    assert_eq!(count(&all.clone().nearest(&bundle, 10, 1.0).unwrap()), DOCS);
    // Curves are of heads, not of priors.
    let rare = bundle.clone().with_prior(0.25).unwrap();
    assert!(count(&all.clone().nearest(&rare, 10, 0.9).unwrap()) < DOCS);
    let other = bundle.with_random_heads(4);
    assert_eq!(count(&all.clone().nearest(&other, 10, 0.9).unwrap()), DOCS);
    for recall in [0.0, 1.5, f32::NAN] {
        assert_eq!(all.clone().nearest(&bundle, 10, recall).unwrap_err().code(), ErrorCode::BadArgument);
    }
    let strange = common::bundle(4);
    assert_eq!(all.nearest(&strange, 10, 0.9).unwrap_err().code(), ErrorCode::SpaceMismatch);
}

#[test]
fn segments_find_together_what_one_finds() {
    let bundle = sampled(&bundle(3));
    // One segment is below the number of rows from which there are cells.
    // A scan of fewer would cost less under a filter.
    const MANY: usize = 24_000;
    let app = app_in(&bundle, MANY, 20_500);
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for i in (0..MANY).step_by(9) {
        writer.delete_term(Term::from_field_text(app.id, &format!("d{i:05}")));
    }
    writer.commit().unwrap();
    assert_eq!(app.searcher().segment_readers().len(), 2);
    let apps = [app];
    let engine = engine(&apps);
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let width = bundle.media()[0].features;
    for shape in [
        (|r: Request| r) as fn(Request) -> Request,
        |r| r.filter("w2"),
        |r| r.k(60),
        |r| r.keywords("w10").fusion(Fusion::Rrf).window(50),
        |r| r.keywords("w2").fusion(Fusion::Metric),
    ] {
        let (mut sum, mut exact_answers) = (0.0, 0);
        for _ in 0..8 {
            let query = around(&mut rng, width, None);
            let request = engine.request().features("image", &query).unwrap();
            let request = shape(request.similarity(Similarity::Metric(Target::Pair)));
            let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
            assert_eq!((found.hits.len(), found.matched), (exact.hits.len(), exact.matched));
            assert!(found.scored <= exact.scored);
            if found.exact {
                assert_eq!(ids(&found), ids(&exact));
            }
            exact_answers += usize::from(found.exact);
            sum += share(&found, &exact);
        }
        assert!(sum / 8.0 >= 0.95 && exact_answers < 8, "{sum} of 8, {exact_answers} exact");
    }
}

#[test]
fn deleted_documents_take_no_place() {
    let bundle = sampled(&bundle(3));
    let app = app(&bundle);
    let width = bundle.media()[0].features;
    let query = around(&mut ChaCha8Rng::seed_from_u64(3), width, Some(4));
    let best = {
        let apps = std::slice::from_ref(&app);
        ids(&engine(apps).request().features("image", &query).unwrap().k(300).run().unwrap())
    };
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    for id in &best {
        writer.delete_term(Term::from_field_text(app.id, id));
    }
    writer.commit().unwrap();
    let apps = [app];
    let engine = engine(&apps);
    let ask = || engine.request().features("image", &query).unwrap();
    let (found, exact) = (ask().run().unwrap(), ask().exact().run().unwrap());
    assert_eq!(found.hits.len(), 10);
    assert!(ids(&found).iter().all(|id| !best.contains(id)));
    assert!(share(&found, &exact) >= 0.7, "{}", share(&found, &exact));
}

#[test]
fn other_bundles_and_other_queries_look_at_everything() {
    let bundle = sampled(&bundle(3));
    let app = app(&bundle);
    let other = bundle.clone().with_prior(0.25).unwrap();
    let width = bundle.media()[0].features;
    let query = around(&mut ChaCha8Rng::seed_from_u64(3), width, Some(4));
    let of = |bundle: &Bundle, shape: &dyn Fn(Request) -> Request| {
        let hosts = [(&app.index, app.searcher(), app.plugin.cache())];
        let engine = uncsm_index::search::Engine::hosts(hosts, bundle.clone()).unwrap();
        let request = engine.request().features("image", &query).unwrap();
        shape(request.similarity(Similarity::Metric(Target::Pair))).run().unwrap()
    };
    assert!(!of(&bundle, &|r| r).exact);
    // Calibrations move no document before another; of other heads the curves say nothing.
    assert!(!of(&other, &|r| r).exact);
    let heads = bundle.with_random_heads(4);
    assert_eq!(heads.space(), bundle.space());
    assert!(of(&heads, &|r| r).exact);
    assert!(of(&heads, &|r| r.similarity(Similarity::Both)).exact);
    assert!(of(&bundle, &|r| r.recall(1.0)).exact);
    assert!(of(&bundle, &|r| r.keywords("w2").fusion(Fusion::Product)).exact);
    let hybrid = of(&bundle, &|r| r.keywords("w10").fusion(Fusion::Rrf).window(10));
    assert!(!hybrid.exact && hybrid.scored < DOCS as u64);
    for recall in [0.0, -1.0, 1.5, f32::NAN] {
        let hosts = [(&app.index, app.searcher(), app.plugin.cache())];
        let engine = uncsm_index::search::Engine::hosts(hosts, bundle.clone()).unwrap();
        let error = engine.request().features("image", &query).unwrap().recall(recall).run().unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument);
    }
}

#[test]
fn an_explanation_says_where_it_looked_and_why() {
    let bundle = sampled(&bundle(3));
    let app = app(&bundle);
    let width = bundle.media()[0].features;
    let query = around(&mut ChaCha8Rng::seed_from_u64(3), width, Some(4));
    let look = |bundle: &Bundle, shape: &dyn Fn(Request) -> Request| {
        let hosts = [(&app.index, app.searcher(), app.plugin.cache())];
        let engine = uncsm_index::search::Engine::hosts(hosts, bundle.clone()).unwrap();
        let request = engine.request().features("image", &query).unwrap();
        let found = shape(request.similarity(Similarity::Metric(Target::Pair))).explain().run().unwrap();
        let look = found.plan.as_ref().unwrap()["look"].clone();
        assert_eq!(look["by"] == "cells", look["rows_by_code"] != 0);
        (found, look)
    };
    let (found, by_cells) = look(&bundle, &|r| r);
    let number = |look: &serde_json::Value, key: &str| look[key].as_u64().unwrap();
    assert!(!found.exact && by_cells["by"] == "cells" && by_cells["why"].is_null(), "{by_cells}");
    // Some documents have two texts, and no row is scored that was not compared.
    let (compared, scored) = (number(&by_cells, "rows_by_code"), number(&by_cells, "rows_scored"));
    assert!(found.scored <= scored && scored <= compared && compared <= 2 * DOCS as u64, "{by_cells}");
    assert!((1..=compared).contains(&number(&by_cells, "cells")), "{by_cells}");
    let heads = bundle.with_random_heads(4);
    let samples = bundle.with_samples(vec![Vec::new(); 2]).unwrap();
    assert_eq!(look(&samples, &|r| r).1["by"], "cells", "samples measure, and rank nothing");
    type Shape = &'static dyn Fn(Request) -> Request;
    let whole: [(&Bundle, &str, Shape); 6] = [
        (&bundle, "asked for", &|r| r.exact()),
        (&heads, "no curve for this bundle and query", &|r| r.similarity(Similarity::Both)),
        (&bundle, "cheaper than cells", &|r| r.min_probability(0.0)),
        (&bundle, "cheaper than cells", &|r| r.filter("w1000")),
        (&bundle, "few rows", &|r| r.media(MediaChoice::Named("image".into()))),
        (&heads, "no curve for this bundle and query", &|r| r),
    ];
    for (bundle, why, shape) in whole {
        let (found, look) = look(bundle, shape);
        assert!(found.exact, "{why}");
        assert_eq!((look["by"].as_str(), look["why"].as_str()), (Some("all"), Some(why)), "{look}");
    }
}

#[test]
fn a_filter_that_goes_with_the_media_type_or_with_the_query_keeps_the_promise() {
    let bundle = sampled(&bundle(3));
    let app = App::in_ram(bundle.clone());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 200_000_000).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(23);
    let width = bundle.media()[1].features;
    // Three of four documents have no text, and the word of a text says in which half of the places it lies.
    for i in 0..4 * DOCS {
        let place = rng.random_range(0..50);
        let has = i % 4 == 0;
        writer
            .add_document(app.document(&Doc {
                id: format!("d{i:05}"),
                text: if has { format!("has half{}", place / 25) } else { "none".into() },
                items: has.then(|| (1, around(&mut rng, width, Some(place)))).into_iter().collect(),
            }))
            .unwrap();
    }
    writer.commit().unwrap();
    let apps = [app];
    let engine = engine(&apps);
    let width = bundle.media()[0].features;
    let (mut looked, mut sum) = (0, 0.0);
    for place in 0..24 {
        let query = around(&mut rng, width, Some(place));
        for filter in ["has", "half0"] {
            let request = engine.request().features("image", &query).unwrap().filter(filter);
            let request = request.similarity(Similarity::Metric(Target::Pair));
            let (found, exact) = (request.clone().run().unwrap(), request.exact().run().unwrap());
            assert_eq!((found.hits.len(), found.matched), (exact.hits.len(), exact.matched));
            looked += usize::from(!found.exact);
            sum += share(&found, &exact);
        }
    }
    assert!(sum / 48.0 >= 0.97, "{sum} of 48");
    assert!(looked >= 24, "cells were used {looked} times");
}
