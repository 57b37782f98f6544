//! Which rows hold the same bytes.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Numbers `n` rows by content: byte-equal rows get equal numbers, in order of first appearance. `row` puts a row into an empty buffer.
///
/// Rows are told by a hash and compared where hashes agree, so that memory is some 40 bytes a row, however wide. Cost: each row is read once, and
/// once more for each row that equals one before.
pub(crate) fn content_numbers(n: usize, row: impl Fn(usize, &mut Vec<f32>)) -> Vec<u32> {
    let mut of_hash: HashMap<u64, u32> = HashMap::new();
    // By number, the first row.
    let mut firsts: Vec<usize> = Vec::new();
    let (mut this, mut other) = (Vec::new(), Vec::new());
    let same =
        |a: &[f32], b: &[f32]| bytemuck::cast_slice::<f32, u8>(a) == bytemuck::cast_slice::<f32, u8>(b);
    let number = |at: usize| {
        this.clear();
        row(at, &mut this);
        let mut hasher = DefaultHasher::new();
        hasher.write(bytemuck::cast_slice(&this));
        let mut hash = hasher.finish();
        // Other contents of the same hash have the next free ones.
        while let Some(&number) = of_hash.get(&hash) {
            other.clear();
            row(firsts[number as usize], &mut other);
            if same(&this, &other) {
                return number;
            }
            hash = hash.wrapping_add(1);
        }
        let number = firsts.len() as u32;
        of_hash.insert(hash, number);
        firsts.push(at);
        number
    };
    (0..n).map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_get_equal_numbers() {
        let rows: [&[f32]; 5] = [&[1.0, 2.0], &[1.0, 3.0], &[1.0, 2.0], &[1.0], &[1.0, 3.0]];
        assert_eq!(content_numbers(rows.len(), |at, out| out.extend(rows[at])), [0, 1, 0, 2, 1]);
        // By bytes: both zeros, and a number that equals nothing.
        let zeros = [0.0, -0.0, f32::NAN, f32::NAN, 0.0];
        assert_eq!(content_numbers(zeros.len(), |at, out| out.push(zeros[at])), [0, 1, 2, 2, 0]);
    }
}
