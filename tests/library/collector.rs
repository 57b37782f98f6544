//! Collector and query against brute force on the stored values: several segments, deletes, several items per document,
//! missing media types; alone, in a tuple, in `MultiCollector`.

use std::collections::BTreeMap;

use crate::common::{App, Doc, WORDS, brute_force, bundle, features, hub_bundle, random_docs, top};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tantivy::collector::{Count, DocSetCollector, MultiCollector, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{IndexWriter, Searcher, Term};
use uncsm_index::model::Target;
use uncsm_index::search::{CrossMediaQuery, MetricCollector, RankedDoc, Similarity};

fn fill(app: &App, seed: u64, n: usize, segments: usize, deleted: usize) {
    fill_with(app, &random_docs(seed, n), segments, deleted);
}

fn fill_with(app: &App, docs: &[Doc], segments: usize, deleted: usize) {
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for part in docs.chunks(docs.len().div_ceil(segments).max(1)) {
        for doc in part {
            writer.add_document(app.document(doc)).unwrap();
        }
        writer.commit().unwrap();
    }
    for doc in docs.iter().step_by(3).take(deleted) {
        writer.delete_term(Term::from_field_text(app.id, &doc.id));
    }
    writer.commit().unwrap();
}

fn pairs(docs: &[RankedDoc]) -> Vec<(String, f32)> {
    docs.iter().map(|doc| (doc.id.clone().unwrap(), doc.score)).collect()
}

fn matching(searcher: &Searcher, query: &dyn Query, values: &BTreeMap<String, f32>) -> BTreeMap<String, f32> {
    let docs = searcher.search(query, &DocSetCollector).unwrap();
    let mut ids: Vec<String> = docs.into_iter().map(|address| id_of(searcher, address)).collect();
    ids.sort_unstable();
    values.iter().filter(|(id, _)| ids.binary_search(id).is_ok()).map(|(id, v)| (id.clone(), *v)).collect()
}

fn id_of(searcher: &Searcher, address: tantivy::DocAddress) -> String {
    let ids = searcher.segment_reader(address.segment_ord).fast_fields().str("id").unwrap().unwrap();
    let mut id = String::new();
    ids.ord_to_str(ids.ords().first(address.doc_id).unwrap(), &mut id).unwrap();
    id
}

fn word(app: &App, word: &str) -> TermQuery {
    TermQuery::new(Term::from_field_text(app.text, word), IndexRecordOption::WithFreqs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn collector_is_brute_force_alone_in_a_tuple_and_in_multi_collector(
        seed in 0u64..1000, n in 1usize..90, segments in 1usize..5, deleted in 0usize..30, k in 1usize..40,
        wanted in prop::sample::select(vec![vec![0], vec![1], vec![0, 1]]), parts in 1usize..3,
        similarity in prop::sample::select(vec![
            Similarity::Metric(Target::Class), Similarity::Metric(Target::Pair), Similarity::Cosine, Similarity::Posterior,
        ]),
    ) {
        let app = App::in_ram(bundle(seed % 5));
        fill(&app, seed, n, segments, deleted);
        let searcher = app.searcher();
        let mut rng = ChaCha8Rng::seed_from_u64(seed + 1);
        let mut query_parts: Vec<_> = (0..parts).map(|i| app.part(i % 2, &features(&mut rng, [6, 5][i % 2]))).collect();
        query_parts[0].weight = 2.0;
        let expected = brute_force(&app, &searcher, similarity, &query_parts, &wanted);
        let scorer = app.scorer(similarity, &query_parts, &wanted);
        let collector = MetricCollector::new(scorer, app.plugin.cache(), k);
        let queries: [Box<dyn Query>; 2] = [Box::new(AllQuery), Box::new(word(&app, WORDS[0]))];
        for query in &queries {
            let expected = top(&matching(&searcher, query, &expected), k);
            let alone = searcher.search(query, &collector).unwrap();
            prop_assert_eq!(&pairs(&alone.docs), &expected);
            let (in_tuple, count) = searcher.search(query, &(collector.clone(), Count)).unwrap();
            prop_assert_eq!(&in_tuple, &alone);
            prop_assert_eq!(alone.matched as usize, count);
            let mut multi = MultiCollector::new();
            let handle = multi.add_collector(collector.clone());
            let counted = multi.add_collector(Count);
            let mut fruits = searcher.search(query, &multi).unwrap();
            prop_assert_eq!(&handle.extract(&mut fruits), &alone);
            prop_assert_eq!(counted.extract(&mut fruits), count);
        }
    }

    #[test]
    fn cross_media_query_matches_every_live_document_with_an_item(
        seed in 0u64..1000, n in 1usize..90, segments in 1usize..5, deleted in 0usize..30,
        wanted in prop::sample::select(vec![vec![0], vec![1], vec![0, 1]]), minimum in prop::option::of(0.2f32..0.8),
    ) {
        let app = App::in_ram(bundle(seed % 5));
        fill(&app, seed, n, segments, deleted);
        let searcher = app.searcher();
        let part = app.part(0, &features(&mut ChaCha8Rng::seed_from_u64(seed), 6));
        let similarity = Similarity::Metric(Target::Class);
        let parts = [part];
        let mut expected: BTreeMap<String, f32> = brute_force(&app, &searcher, similarity, &parts, &wanted)
            .into_iter().map(|(id, logit)| (id, 1.0 / (1.0 + (-logit).exp()))).collect();
        let mut query = CrossMediaQuery::new(app.scorer(similarity, &parts, &wanted), app.plugin.cache()).unwrap();
        if let Some(minimum) = minimum {
            query = query.min_probability(minimum).unwrap();
            expected.retain(|_, p| *p >= minimum);
        }
        let all = searcher.search(&query, &TopDocs::with_limit(n + 1).order_by_score()).unwrap();
        let got: BTreeMap<String, f32> = all.iter().map(|(s, address)| (id_of(&searcher, *address), *s)).collect();
        prop_assert_eq!(&got, &expected);
        prop_assert_eq!(query.count(&searcher).unwrap(), expected.len());

        // Inside a BooleanQuery: restricted by a keyword (seeks), beside one (advances), boosted.
        let must = |q: &dyn Query| (Occur::Must, q.box_clone());
        let keyword = word(&app, WORDS[1]);
        let boosted = BoostQuery::new(Box::new(query.clone()), 3.0);
        let silent = tantivy::query::ConstScoreQuery::new(Box::new(keyword.clone()), 0.0);
        let both = BooleanQuery::new(vec![must(&boosted), must(&silent)]);
        let hits = searcher.search(&both, &TopDocs::with_limit(n + 1).order_by_score()).unwrap();
        let got: BTreeMap<String, f32> = hits.iter().map(|(s, address)| (id_of(&searcher, *address), *s)).collect();
        let restricted: BTreeMap<String, f32> =
            matching(&searcher, &keyword, &expected).into_iter().map(|(id, p)| (id, p * 3.0)).collect();
        prop_assert_eq!(&got, &restricted);
        let either = BooleanQuery::new(vec![
            (Occur::Should, Box::new(query.clone())), (Occur::Should, Box::new(keyword.clone())),
        ]);
        let union = searcher.search(&either, &Count).unwrap();
        let keyword_only = searcher.search(&keyword, &Count).unwrap();
        prop_assert_eq!(union, expected.len() + keyword_only - restricted.len());
        for (score, address) in hits.iter().take(3) {
            let explanation = boosted.explain(&searcher, *address).unwrap();
            prop_assert!((explanation.value() - score).abs() < 1e-6);
        }
    }
}

/// Documents of one text each, or of none to three items of both media types.
fn of_kind(one_each: bool, seed: u64, n: usize) -> Vec<Doc> {
    let mut docs = random_docs(seed, n);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for doc in docs.iter_mut().filter(|_| one_each) {
        doc.items.retain(|(media, _)| *media == 1);
        doc.items.truncate(1);
        if doc.items.is_empty() {
            doc.items.push((1, features(&mut rng, 5)));
        }
    }
    docs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// More documents than those before the first floor: rows that cannot enter the best k are left out from then on.
    #[test]
    fn rows_that_are_left_out_are_none_of_the_best(
        seed in 0u64..1000, one_each: bool, segments in 1usize..3, deleted in prop::sample::select(vec![0usize, 40]),
        k in prop::sample::select(vec![1usize, 10, 300, 990]), hubs: bool,
        wanted in prop::sample::select(vec![vec![1], vec![0, 1]]),
    ) {
        let app = App::in_ram(if hubs { hub_bundle(seed % 5) } else { bundle(seed % 5) });
        let docs = of_kind(one_each, seed, 1000);
        fill_with(&app, &docs, segments, deleted);
        let searcher = app.searcher();
        let part = app.part(0, &features(&mut ChaCha8Rng::seed_from_u64(seed + 1), 6));
        for similarity in [
            Similarity::Metric(Target::Class), Similarity::Metric(Target::Pair), Similarity::Cosine, Similarity::Posterior,
        ] {
            let parts = [part.clone()];
            let expected = brute_force(&app, &searcher, similarity, &parts, &wanted);
            let scorer = app.scorer(similarity, &parts, &wanted);
            let collector = MetricCollector::new(scorer, app.plugin.cache(), k);
            let queries: [Box<dyn Query>; 2] = [Box::new(AllQuery), Box::new(word(&app, WORDS[0]))];
            for query in &queries {
                let matching = matching(&searcher, query, &expected);
                let (found, count) = searcher.search(query, &(collector.clone(), Count)).unwrap();
                prop_assert_eq!(&pairs(&found.docs), &top(&matching, k));
                prop_assert_eq!((found.matched as usize, found.scored as usize), (count, matching.len()));
            }
        }
    }
}

#[test]
fn answers_do_not_depend_on_the_number_of_segments() {
    let answer = |segments| {
        let app = App::in_ram(bundle(1));
        fill(&app, 5, 80, segments, 0);
        let parts = [app.part(1, &[0.1, -0.4, 0.3, 0.9, -0.2])];
        let scorer = app.scorer(Similarity::Metric(Target::Pair), &parts, &[0, 1]);
        let collector = MetricCollector::new(scorer, app.plugin.cache(), 25);
        pairs(&app.searcher().search(&AllQuery, &collector).unwrap().docs)
    };
    let one = answer(1);
    assert_eq!(one.len(), 25);
    assert_eq!(one, answer(20));
}

#[test]
fn a_similarity_without_probabilities_is_no_cross_media_query() {
    let app = App::in_ram(bundle(1));
    let parts = [app.part(0, &[0.5; 6])];
    let error =
        CrossMediaQuery::new(app.scorer(Similarity::Cosine, &parts, &[1]), app.plugin.cache()).unwrap_err();
    assert_eq!(error.code(), uncsm_index::ErrorCode::BadArgument);
    let query =
        CrossMediaQuery::new(app.scorer(Similarity::Metric(Target::Pair), &parts, &[1]), app.plugin.cache());
    assert_eq!(query.unwrap().min_probability(1.5).unwrap_err().code(), uncsm_index::ErrorCode::BadArgument);
}
