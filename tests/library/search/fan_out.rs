//! Servers of their own, each with a part of the documents, asked leg by leg and joined by the app: docs/scale.md, "Behind servers of an app".

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query, Weight};
use tantivy::schema::Field;
use tantivy::{Searcher, Term};
use uncsm_index::search::{Engine, Fusion, Grammar, Request};

use crate::common::{App, WORDS, bundle, features, random_docs};
use crate::search::world::{engine, id, spread};

const WINDOW: usize = 30;
const RRF: f64 = 60.0;

/// What BM25 asks of a collection, summed over all servers.
#[derive(Debug, Default)]
struct Shared {
    documents: u64,
    tokens: HashMap<Field, u64>,
    frequencies: HashMap<Term, u64>,
}

impl Shared {
    /// What one server adds for the terms of a query.
    fn add(&mut self, searcher: &Searcher, query: &dyn Query) {
        self.documents += searcher.total_num_docs().unwrap();
        let mut terms = Vec::new();
        query.query_terms(&mut |term, _| terms.push(term.clone()));
        terms.sort();
        terms.dedup();
        let mut fields: Vec<Field> = terms.iter().map(Term::field).collect();
        fields.dedup();
        for field in fields {
            *self.tokens.entry(field).or_default() +=
                Bm25StatisticsProvider::total_num_tokens(searcher, field).unwrap();
        }
        for term in terms {
            let found = Bm25StatisticsProvider::doc_freq(searcher, &term).unwrap();
            *self.frequencies.entry(term).or_default() += found;
        }
    }
}

impl Bm25StatisticsProvider for Shared {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        Ok(self.tokens[&field])
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.documents)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        Ok(self.frequencies[term])
    }
}

/// A query that is scored with the statistics of all servers.
#[derive(Debug)]
struct Everywhere {
    query: Box<dyn Query>,
    shared: Arc<Shared>,
}

impl Clone for Everywhere {
    fn clone(&self) -> Self {
        Self { query: self.query.box_clone(), shared: self.shared.clone() }
    }
}

impl Query for Everywhere {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        match scoring {
            EnableScoring::Enabled { searcher, .. } => {
                self.query.weight(EnableScoring::enabled_from_statistics_provider(&*self.shared, searcher))
            }
            EnableScoring::Disabled { .. } => self.query.weight(scoring),
        }
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.query.query_terms(visitor);
    }
}

/// The best of one leg over all servers: scores descending, then ids.
fn best(servers: &[Engine], ask: impl Fn(&Engine, usize) -> Request) -> Vec<(String, f32)> {
    let answers = servers.iter().enumerate().map(|(at, server)| ask(server, at).k(WINDOW).run().unwrap());
    let mut all: Vec<(String, f32)> =
        answers.flat_map(|answer| answer.hits.into_iter().map(|hit| (id(&hit), hit.score))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(WINDOW);
    all
}

/// The sum of `1 / (60 + rank)` over the legs.
fn joined(legs: &[Vec<(String, f32)>], k: usize) -> Vec<(String, f64)> {
    let mut scores: HashMap<&str, f64> = HashMap::new();
    for leg in legs {
        for (rank, (id, _)) in leg.iter().enumerate() {
            *scores.entry(id).or_default() += 1.0 / (RRF + rank as f64 + 1.0);
        }
    }
    let mut all: Vec<(String, f64)> = scores.into_iter().map(|(id, score)| (id.to_owned(), score)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn bits(hits: &[(String, f32)]) -> Vec<(String, u32)> {
    hits.iter().map(|(id, score)| (id.clone(), score.to_bits())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn servers_that_are_joined_answer_as_one(seed in 0u64..1000, n in 40usize..160, many in 2usize..6) {
        let docs = random_docs(seed, n);
        let (bundle, picture) = (bundle(seed % 5), features(&mut ChaCha8Rng::seed_from_u64(seed), 6));
        let (one, parts) = (spread(&bundle, &docs, 1, 1, &[]), spread(&bundle, &docs, many, 2, &[]));
        let whole = engine(&one);
        let servers: Vec<Engine> = parts.chunks(1).map(engine).collect();
        let words = format!("{} {}^2 \"{} {}\"", WORDS[0], WORDS[1], WORDS[2], WORDS[0]);

        // First round: each server says what it adds to the statistics.
        let mut shared = Shared::default();
        let parsed = |app: &App| Grammar::new(&app.index).keywords(&words).unwrap();
        for app in &parts {
            shared.add(&app.searcher(), &*parsed(app));
        }
        let shared = Arc::new(shared);
        // Second round: the best of each leg.
        let media = |server: &Engine| server.request().features("image", &picture).unwrap().prior(0.01);
        let keywords = |server: &Engine, at: usize| {
            server.request().keywords_query(Box::new(Everywhere { query: parsed(&parts[at]), shared: shared.clone() }))
        };
        let legs = [best(&servers, |server, _| media(server)), best(&servers, keywords)];

        let alone = std::slice::from_ref(&whole);
        prop_assert_eq!(bits(&legs[0]), bits(&best(alone, |server, _| media(server))));
        prop_assert_eq!(bits(&legs[1]), bits(&best(alone, |server, _| server.request().keywords(&words))));
        let expected = media(&whole).keywords(&words).fusion(Fusion::Rrf).window(WINDOW).k(12).run().unwrap();
        let found = joined(&legs, 12);
        prop_assert_eq!(found.len(), expected.hits.len());
        for (hit, (name, score)) in expected.hits.iter().zip(found) {
            prop_assert!((f64::from(hit.score) - score).abs() < 1e-6, "{} {score}", hit.score);
            prop_assert_eq!(id(hit), name);
        }
    }

    #[test]
    fn statistics_of_one_server_alone_give_other_scores(seed in 0u64..20) {
        let docs = random_docs(seed, 90);
        let parts = spread(&bundle(1), &docs, 3, 1, &[]);
        let one = spread(&bundle(1), &docs, 1, 1, &[]);
        let servers: Vec<Engine> = parts.chunks(1).map(engine).collect();
        let ask = |server: &Engine, _| server.request().keywords(WORDS[0]);
        let (apart, whole) = (best(&servers, ask), best(&[engine(&one)], ask));
        prop_assert_ne!(bits(&apart), bits(&whole));
    }
}
