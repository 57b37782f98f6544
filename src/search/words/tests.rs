//! Letters that are compared, against a table that is filled by the definition.

use proptest::prelude::*;
use tantivy_fst::Automaton;

use super::typo::{LONGEST, Near};

/// Optimal string alignment, by the whole table.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => {
                    let other = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let least = other.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    if swapped { least.min(table[i - 2][j - 2] + 1) } else { least }
                }
            };
        }
    }
    table[a.len()][b.len()]
}

fn letters() -> impl Strategy<Value = String> {
    prop_oneof!["[abc]{0,8}", "[abé☃𝄞]{0,6}"]
}

proptest! {
    #[test]
    fn distances_are_those_of_the_table(word in letters(), other in letters(), edits in 0u8..=2) {
        let (a, b): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
        let let_through = |errors: usize| u8::try_from(errors).ok().filter(|errors| *errors <= edits);
        let whole = let_through(distance(&a, &b));
        let begins = let_through((0..=b.len()).map(|to| distance(&a, &b[..to])).min().unwrap());
        for beginnings in [false, true] {
            let near = Near::new(&word, edits, beginnings).unwrap();
            prop_assert_eq!(near.distances(&other), (whole, begins));
            let (mut state, mut could) = (near.start(), true);
            for byte in other.bytes() {
                could &= near.can_match(&state);
                state = near.accept(&state, byte);
            }
            let expected = if beginnings { begins.is_some() } else { whole.is_some() };
            prop_assert_eq!(near.is_match(&state), expected);
            prop_assert!(could || !expected, "a word that fits is cut off");
        }
    }
}

#[test]
fn swaps_are_one_error_and_longer_words_are_let_none() {
    let near = |edits| Near::new("birds", edits, false).unwrap();
    for (other, errors) in
        [("birds", Some(0)), ("brids", Some(1)), ("birdss", Some(1)), ("brdis", None), ("b", None)]
    {
        assert_eq!(near(1).distances(other).0, errors, "{other}");
    }
    assert!(
        Near::new(&"x".repeat(LONGEST), 2, true).is_some()
            && Near::new(&"x".repeat(LONGEST + 1), 2, true).is_none()
    );
    let state = near(2).accept(&near(2).start(), 0xff);
    let state = [0xff; 4].iter().fold(state, |state, byte| near(2).accept(&state, *byte));
    assert!(!near(2).can_match(&state) && !near(2).is_match(&state));
}
