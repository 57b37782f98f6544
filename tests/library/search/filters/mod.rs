//! Filters at random against an evaluator that reads the stored JSON and knows nothing of the grammar.
//!
//! `UNCSM_FILTERS=100000 cargo test --test library filters` runs more of them than the 2,000 of a plain run.

pub(crate) mod generate;
mod language;
mod oracle;
mod shelf;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use uncsm_index::ErrorCode;
use uncsm_index::search::Grammar;

use generate::Source;
use shelf::Shelf;

/// Filters that one index is asked.
const PER_INDEX: usize = 500;

#[test]
fn every_filter_keeps_what_the_stored_values_say() {
    let wanted: usize =
        std::env::var("UNCSM_FILTERS").map_or(2_000, |n| n.parse().expect("UNCSM_FILTERS is a number"));
    let (mut taken, mut refused, mut with_hits, mut hits) = (0usize, 0usize, 0usize, 0usize);
    let mut differences = Vec::new();
    for round in 0..wanted.div_ceil(PER_INDEX) {
        let mut rng = ChaCha8Rng::seed_from_u64(round as u64);
        let shelf = Shelf::random(&mut rng);
        let grammar = Grammar::new(shelf.index());
        let documents = shelf.stored();
        for _ in 0..PER_INDEX.min(wanted - round * PER_INDEX) {
            let filter = Source::new(&mut rng).filter();
            let text = filter.to_string();
            let expected = oracle::keeps(&filter, &documents);
            match (grammar.filter(&text), expected) {
                (Ok(query), Some(expected)) => {
                    let found = shelf.find(&*query);
                    taken += 1;
                    with_hits += usize::from(!expected.is_empty() && expected.len() < documents.len());
                    hits += found.len();
                    if found != expected {
                        differences
                            .push(format!("{round}: {text}\n   found {found:?}\n   right {expected:?}"));
                    }
                }
                (Err(error), None) if error.code() == ErrorCode::BadQuery => refused += 1,
                (Err(error), expected) => {
                    differences.push(format!("{round}: {text}\n   {error}\n   right {expected:?}"));
                }
                (Ok(_), None) => {
                    differences.push(format!("{round}: {text}\n   taken, and a clause has no term"))
                }
            }
        }
    }
    eprintln!(
        "{wanted} filters: {taken} taken, {refused} refused, {with_hits} keep a part, {hits} hits, {} differences",
        differences.len()
    );
    differences.truncate(12);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(taken * 10 >= wanted * 9, "{taken} of {wanted} are taken");
    assert!(refused * 100 >= wanted, "{refused} of {wanted} are refused: odd values are asked too");
    assert!(with_hits * 4 >= wanted, "{with_hits} of {wanted} keep a part of the documents");
}
