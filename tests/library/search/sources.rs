//! Sources of candidates: who is looked at is theirs; who matches, and how a document scores, is not.

use std::sync::{Arc, Mutex};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use uncsm_index::search::{CandidateDocs, Candidates, Fusion, Hit, Probe, Response};
use uncsm_index::{Error, ErrorCode};

use crate::common::{WORDS, bundle, features, random_docs};
use crate::search::world::{engine, ids, spread};

/// Documents of even number, and one that no segment has; what it was asked is kept.
#[derive(Debug, Default)]
struct Even(Mutex<Vec<(usize, bool, usize)>>);

impl Candidates for Even {
    fn exact(&self) -> bool {
        false
    }

    fn of(&self, probe: &Probe<'_>) -> uncsm_index::Result<CandidateDocs> {
        assert_eq!(probe.vectors.uvec().documents(), probe.reader.max_doc());
        self.0.lock().unwrap().push((probe.scorer.parts().len(), probe.filter.is_some(), probe.k));
        // Out of order, and each twice.
        let even = (0..probe.reader.max_doc()).filter(|doc| doc % 2 == 0).rev();
        Ok(CandidateDocs::Only(even.clone().chain(even).chain([u32::MAX]).collect()))
    }
}

#[derive(Debug)]
struct All;

impl Candidates for All {
    fn exact(&self) -> bool {
        false
    }

    fn of(&self, _: &Probe<'_>) -> uncsm_index::Result<CandidateDocs> {
        Ok(CandidateDocs::All)
    }
}

#[derive(Debug)]
struct Broken;

impl Candidates for Broken {
    fn exact(&self) -> bool {
        false
    }

    fn of(&self, _: &Probe<'_>) -> uncsm_index::Result<CandidateDocs> {
        Err(Error::new(ErrorCode::Damaged, "the cells are damaged"))
    }
}

fn scored(hits: &[Hit]) -> Vec<(String, u32)> {
    hits.iter().map(|hit| (hit.id.clone().unwrap(), hit.score.to_bits())).collect()
}

/// What it counts, of (candidates, matched, scored).
fn counts(response: &Response) -> (u64, u64, u64) {
    (response.candidates, response.matched, response.scored)
}

#[test]
fn a_source_cuts_the_media_leg_and_nothing_else() {
    let (bundle, docs) = (bundle(3), random_docs(3, 90));
    let deleted: Vec<String> = docs.iter().step_by(7).map(|doc| doc.id.clone()).collect();
    let apps = spread(&bundle, &docs, 2, 4, &deleted);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(3), 6);
    let media = || engine.request().features("image", &picture).unwrap().k(200).window(200);
    for filter in [None, Some(WORDS[1])] {
        let ask = || filter.map_or_else(media, |filter| media().filter(filter));
        let exact = ask().run().unwrap();
        let even: Vec<Hit> = exact.hits.iter().filter(|hit| hit.address.doc_id % 2 == 0).cloned().collect();
        assert!(!even.is_empty() && even.len() < exact.hits.len() && exact.exact);
        let source = Arc::new(Even::default());
        let found = ask().candidates(source.clone()).run().unwrap();
        assert_eq!(scored(&found.hits), scored(&even));
        assert!(!found.exact && !found.partial);
        let (candidates, matched, scored) = counts(&found);
        assert_eq!((matched, scored), (exact.matched, even.len() as u64));
        assert!(candidates >= scored && candidates < exact.candidates);
        let asked = source.0.lock().unwrap();
        assert!(
            !asked.is_empty() && asked.iter().all(|asked| *asked == (1, filter.is_some(), 200)),
            "{asked:?}"
        );
    }
}

#[test]
fn a_source_of_all_documents_answers_like_none_under_every_fusion() {
    let (bundle, docs) = (bundle(4), random_docs(4, 60));
    let apps = spread(&bundle, &docs, 1, 3, &[]);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(4), 6);
    for fusion in [Fusion::Rrf, Fusion::Linear, Fusion::Product, Fusion::Metric] {
        for keywords in [None, Some(WORDS.join(" "))] {
            let ask = || {
                let request = engine.request().features("image", &picture).unwrap().k(50).fusion(fusion);
                keywords.iter().fold(request, |request, words| request.keywords(words))
            };
            let exact = ask().run().unwrap();
            let found = ask().candidates(Arc::new(All)).run().unwrap();
            assert_eq!(scored(&found.hits), scored(&exact.hits), "{fusion:?}");
            assert_eq!(counts(&found), counts(&exact), "{fusion:?}");
            // What is scored inside its segment with the keywords needs no candidates.
            assert_eq!(found.exact, keywords.is_some() && fusion == Fusion::Product, "{fusion:?}");
        }
    }
}

#[test]
fn a_failing_source_ends_its_query_and_no_other_of_a_batch() {
    let (bundle, docs) = (bundle(5), random_docs(5, 40));
    let apps = spread(&bundle, &docs, 1, 2, &[]);
    let engine = engine(&apps);
    let picture = features(&mut ChaCha8Rng::seed_from_u64(5), 6);
    let media = || engine.request().features("image", &picture).unwrap();
    let mut answers = engine.batch(vec![media(), media().candidates(Arc::new(Broken)), media()]);
    let error = answers.remove(1).unwrap_err();
    assert_eq!((error.code(), error.facts().message.as_str()), (ErrorCode::Damaged, "the cells are damaged"));
    let expected = ids(&media().run().unwrap());
    assert!(answers.into_iter().all(|answer| ids(&answer.unwrap()) == expected));
}
