//! Codes of rows: what they stand for, and comparing a query with them. See "Cells and codes" in `format/SPEC.md`.
//!
//! A row is its numbers along leading directions. A short code has few bits of each, most of the first; a long code has what
//! the short one leaves, so that both together are nearly the row.

use uncsm_format::cells::{Cells, Elements};

use crate::encode::kernel::{
    GROUP, LongQuery, Rows, ShortQuery, dot, long_products, products, short_products,
};

/// The middle of the codes of four bits, and of two.
const FOUR: f32 = 7.5;
const TWO: f32 = 1.5;

/// What codes are relative to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis<'a> {
    pub(crate) elements: Elements,
    /// `[d]`.
    pub(crate) mean: &'a [f32],
    /// `[m, d]`.
    pub(crate) directions: &'a [f32],
    /// `[e]`, above 0.
    pub(crate) steps: &'a [f32],
    /// `[m]`, above 0.
    pub(crate) long_steps: &'a [f32],
}

impl<'a> Basis<'a> {
    pub(crate) fn of(cells: &Cells<'a>) -> Self {
        Self {
            elements: Elements::of(cells.dim),
            mean: cells.mean,
            directions: cells.directions,
            steps: cells.steps,
            long_steps: cells.long_steps,
        }
    }
}

/// The nearest code of `levels` to `z`, and what it leaves of `z`.
fn nearest(z: f32, step: f32, middle: f32) -> (u8, f32) {
    let code = (z / step + middle).round().clamp(0.0, 2.0 * middle) as u8;
    (code, z - (f32::from(code) - middle) * step)
}

/// Codes `z [p]`, the numbers of the fine and coarse directions, as row `at` of `group`, whose bytes of this row are 0; leaves in `z` what
/// the code does not say. Numbers after the p stay as they are.
pub(crate) fn put_short(elements: Elements, steps: &[f32], z: &mut [f32], at: usize, group: &mut [u8]) {
    let Elements { fine, finer, coarse, .. } = elements;
    let (four, two) = group.split_at_mut(elements.fine_bytes());
    let mut put =
        |place: usize, code: u8| four[place / 8 * 64 + 4 * at + place % 4] |= code << (place % 8 / 4 * 4);
    for j in 0..fine {
        let (code, rest) = nearest(z[j], steps[j], FOUR);
        put(j, code);
        z[j] = rest;
    }
    for j in 0..finer {
        let (code, rest) = nearest(z[j], steps[fine + j], FOUR);
        put(fine + j, code);
        z[j] = rest;
    }
    for j in 0..coarse {
        let (code, rest) = nearest(z[fine + j], steps[fine + finer + j], TWO);
        two[j / 16 * 64 + 4 * at + j % 4] |= code << (j % 16 / 4 * 2);
        z[fine + j] = rest;
    }
}

/// Codes what a short code leaves `[m]` into `code`, which is 0.
pub(crate) fn put_long(steps: &[f32], rest: &[f32], code: &mut [u8]) {
    for (j, (rest, step)) in rest.iter().zip(steps).enumerate() {
        let half = code.get_mut(j / 64 * 32 + j % 32);
        if let Some(byte) = half {
            *byte |= nearest(*rest, *step, FOUR).0 << (j % 64 / 32 * 4);
        }
    }
}

/// A linear form `g . x` over coded rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct CodeQuery {
    short: ShortQuery,
    long: LongQuery,
    /// What short codes of 0 say, and what one in a sum stands for.
    base: f32,
    unit: f32,
    /// The same of what long codes add.
    long_base: f32,
    long_unit: f32,
    /// Of what codes are relative to.
    middle: f32,
}

impl CodeQuery {
    /// Of `g [d]`. Cost: `m d`.
    pub(crate) fn new(g: &[f32], basis: Basis<'_>) -> Self {
        let dim = g.len().max(1);
        let mut along = vec![0.0; basis.directions.len() / dim];
        products(Rows::new(&basis.directions[..along.len() * dim], dim), Rows::new(g, dim), &mut along);
        let mut query = Self::along(&along, basis.elements, basis.steps);
        query.middle = dot(g, basis.mean);
        query.base += query.middle;
        let weights: Vec<f32> = along.iter().zip(basis.long_steps).map(|(x, step)| x * step).collect();
        let (numbers, unit) = rounded(&weights);
        query.long_base = -unit * FOUR * sum(&numbers);
        query.long_unit = unit;
        query.long = LongQuery::new(&numbers);
        query
    }

    /// Of its numbers along the directions, for short codes alone.
    pub(crate) fn along(along: &[f32], elements: Elements, steps: &[f32]) -> Self {
        let Elements { fine, finer, coarse, .. } = elements;
        let all = along
            .iter()
            .take(fine)
            .chain(along.iter().take(finer))
            .chain(along.iter().skip(fine).take(coarse));
        let weights: Vec<f32> = all.zip(steps).map(|(x, step)| x * step).collect();
        let (numbers, unit) = rounded(&weights);
        let (four, two) = numbers.split_at((fine + finer).min(numbers.len()));
        let base = -unit * (FOUR * sum(four) + TWO * sum(two));
        Self { short: ShortQuery::new(four, two), base, unit, ..Self::default() }
    }

    /// Integer sums of rows of short codes, whole groups.
    pub(crate) fn sums(&self, codes: &[u8], out: &mut [[i32; GROUP]]) {
        short_products(codes, &self.short, out);
    }

    /// Integer sums of the long codes of rows.
    pub(crate) fn long_sums(&self, codes: &[u8], rows: &[u32], out: &mut [i32]) {
        long_products(codes, &self.long, rows, out);
    }

    /// What the sum of a short code says of `g . x`.
    #[inline]
    pub(crate) fn value(&self, sum: i32) -> f32 {
        self.base + self.unit * sum as f32
    }

    /// The value of what codes are relative to, which is the middle of the rows.
    pub(crate) fn middle(&self) -> f32 {
        self.middle
    }

    /// The sum of which [`CodeQuery::value`] is `value`; the least number where all have one value.
    pub(crate) fn sum_of(&self, value: f32) -> f32 {
        if self.unit > 0.0 { (value - self.base) / self.unit } else { f32::NEG_INFINITY }
    }

    /// What the sum of a long code adds.
    #[inline]
    pub(crate) fn more(&self, sum: i32) -> f32 {
        self.long_base + self.long_unit * sum as f32
    }

    /// [`CodeQuery::value`] of a group, by inverse norms where there are any.
    #[inline]
    pub(crate) fn values(&self, sums: &[i32; GROUP], norms: Option<&[f32; GROUP]>) -> [f32; GROUP] {
        let mut values = [0.0; GROUP];
        for (value, sum) in values.iter_mut().zip(sums) {
            *value = self.value(*sum);
        }
        if let Some(norms) = norms {
            values.iter_mut().zip(norms).for_each(|(value, norm)| *value *= norm);
        }
        values
    }

    /// Bytes of a group of short codes.
    pub(crate) fn group_bytes(&self) -> usize {
        self.short.group_bytes()
    }
}

/// Numbers within -127..=127, and what one stands for.
fn rounded(weights: &[f32]) -> (Vec<i8>, f32) {
    let most = weights.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let unit = if most.is_finite() { most / 127.0 } else { 0.0 };
    let inverse = if unit > 0.0 { 1.0 / unit } else { 0.0 };
    (weights.iter().map(|x| (x * inverse).round() as i8).collect(), unit)
}

fn sum(numbers: &[i8]) -> f32 {
    numbers.iter().map(|&n| i32::from(n)).sum::<i32>() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_codes_together_are_nearly_the_row() {
        let (n, d) = (37, 70);
        let elements = Elements::of(d);
        assert_eq!((elements.fine, elements.finer, elements.coarse, elements.directions), (24, 8, 46, 70));
        let at = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 8) % 2001) as f32 / 1000.0 - 1.0;
        let spread = |j: usize| 2.0 / (1.0 + j as f32 / 8.0);
        let rows: Vec<f32> = (0..n * d).map(|i| at(i) * spread(i % d) + 0.25).collect();
        let mean = vec![0.25; d];
        // Directions that are the elements.
        let directions: Vec<f32> = (0..d * d).map(|i| f32::from(u8::from(i / d == i % d))).collect();
        let mut steps: Vec<f32> = (0..24).map(|j| spread(j) * 2.0 / 15.0).collect();
        steps.extend((0..8).map(|j| spread(j) * 2.0 / 15.0 / 16.0));
        steps.extend((24..70).map(|j| spread(j) * 2.0 / 4.0));
        let rest = |j: usize| {
            if j < 8 {
                0.01
            } else if j < 24 {
                0.13
            } else {
                0.5
            }
        };
        let long_steps: Vec<f32> = (0..d).map(|j| spread(j) * rest(j) / 15.0).collect();
        let basis =
            Basis { elements, mean: &mean, directions: &directions, steps: &steps, long_steps: &long_steps };
        let (w, l) = (elements.group_bytes(), elements.long_bytes());
        let (mut short, mut long) = (vec![0; n.div_ceil(GROUP) * w], vec![0; n * l]);
        for (i, row) in rows.chunks(d).enumerate() {
            let mut z: Vec<f32> = row.iter().map(|x| x - 0.25).collect();
            put_short(elements, &steps, &mut z, i % GROUP, &mut short[i / GROUP * w..][..w]);
            put_long(&long_steps, &z, &mut long[i * l..][..l]);
        }
        let g: Vec<f32> = (0..d).map(|j| at(j + 7_777_777)).collect();
        let query = CodeQuery::new(&g, basis);
        let mut sums = vec![[0; GROUP]; n.div_ceil(GROUP)];
        query.sums(&short, &mut sums);
        let mut more = vec![0; n];
        query.long_sums(&long, &(0..n as u32).collect::<Vec<_>>(), &mut more);
        let (mut off, mut off_both, mut all) = (0.0, 0.0, 0.0);
        for (i, row) in rows.chunks(d).enumerate() {
            let right = dot(&g, row);
            let value = query.value(sums[i / GROUP][i % GROUP]);
            off += (value - right).powi(2);
            off_both += (value + query.more(more[i]) - right).powi(2);
            all += right * right;
        }
        let [off, off_both] = [off, off_both].map(|off: f32| (off / all).sqrt());
        assert!(off < 0.15 && off_both < 0.02, "{off} {off_both}");
    }

    #[test]
    fn what_is_not_finite_has_codes_too() {
        let elements = Elements::of(2);
        let steps = [1.0; 4];
        let mut group = vec![0; elements.group_bytes()];
        put_short(elements, &steps, &mut [f32::NAN, f32::INFINITY], 3, &mut group);
        assert_eq!(group[12..14], [0, 15]);
        let query = CodeQuery::along(&[f32::INFINITY, 1.0], elements, &steps);
        assert_eq!(query.value(12), 0.0);
    }
}
