//! A bounded draw of rows.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// All `rows` up to `most` of them, else so many of them, drawn, in order: rows may stand in the order of their classes or kinds.
pub(crate) fn some(rows: &[usize], most: usize) -> Vec<usize> {
    let mut rows = rows.to_vec();
    if rows.len() > most {
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(0x736f_6d65));
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}
