//! Which rows are nearly the same, among some thousands of them: pairs for a union of sets.

use std::collections::HashMap;

use rayon::prelude::*;

use super::planes::{Keys, Planes, units};
use crate::data::{MediaFeatures, Sets};
use crate::model::dot;

/// The limits of the cosine that are tried in turn, from `limit` up; after them rows are near that are byte-equal.
pub(super) fn limits(limit: f64) -> [f64; 4] {
    [limit, 1.0 - (1.0 - limit) / 4.0, 1.0 - (1.0 - limit) / 16.0, 1.0 - (1.0 - limit) / 64.0]
}

/// Pairs of positions in `rows` whose features are equal or nearly so.
pub(super) fn near_pairs(media: &MediaFeatures, rows: &[usize], limit: f64) -> Vec<(usize, usize)> {
    let present: Vec<usize> = (0..rows.len()).filter(|&i| media.present[rows[i]]).collect();
    let content = media.contents(&present.iter().map(|&i| rows[i]).collect::<Vec<_>>());
    let mut first: HashMap<u32, usize> = HashMap::new();
    let mut equal = Vec::new();
    let mut distinct = Vec::new();
    for (&i, &number) in present.iter().zip(&content) {
        let other = *first.entry(number).or_insert(i);
        if other == i {
            distinct.push(i);
        } else {
            equal.push((other, i));
        }
    }
    let candidates = close_pairs(media, rows, &distinct, limit);
    let cap = (rows.len() / 10).max(8);
    for limit in limits(limit) {
        let mut sets = Sets::new(rows.len());
        let near = || candidates.iter().filter(|pair| f64::from(pair.2) >= limit).map(|&(a, b, _)| (a, b));
        near().chain(equal.iter().copied()).for_each(|(a, b)| sets.join(a, b));
        if sets.largest() <= cap {
            return near().chain(equal.iter().copied()).collect();
        }
    }
    equal
}

/// More rows than this are compared only within buckets of equal random signs.
pub(super) const EXHAUSTIVE: usize = 8192;
/// Most partners that one row is compared with in a bucket.
const BUCKET: usize = 256;
/// Rows of buckets whose features are in memory together, for each core.
const TOGETHER: usize = 1024;

/// `(a, b, cosine)` of the pairs of at least `limit`.
///
/// Cost: `n^2 d / 2` up to 8,192 rows; beyond, 12 tables of random hyperplanes, which miss a pair of cosine 0.98 with
/// a probability below 2 %. Memory: features of 8,192 rows, or of some thousand for each core, and 24 bytes a row.
pub(super) fn close_pairs(
    media: &MediaFeatures,
    rows: &[usize],
    at: &[usize],
    limit: f64,
) -> Vec<(usize, usize, f32)> {
    let limit = limit as f32;
    let d = media.d_in;
    let check = |units: &[f32], (i, j): (usize, usize), (a, b): (usize, usize)| {
        let row = |i: usize| &units[i * d..(i + 1) * d];
        let cosine = dot(row(i), row(j));
        (cosine >= limit).then_some((at[a], at[b], cosine))
    };
    let numbers = |places: &[usize]| places.iter().map(|&place| rows[at[place]]).collect::<Vec<_>>();
    let all: Vec<usize> = (0..at.len()).collect();
    if at.len() <= EXHAUSTIVE {
        let units = &units(media, &numbers(&all))[..];
        return (0..at.len())
            .into_par_iter()
            .flat_map_iter(|i| (i + 1..at.len()).filter_map(move |j| check(units, (i, j), (i, j))))
            .collect();
    }
    let mut mean = vec![0.0f32; d];
    for places in all.chunks(TOGETHER) {
        for unit in units(media, &numbers(places)).chunks_exact(d) {
            mean.iter_mut().zip(unit).for_each(|(mean, x)| *mean += x);
        }
    }
    mean.iter_mut().for_each(|x| *x /= at.len() as f32);
    let planes = Planes::draw(&mean);
    let keys: Vec<Keys> = all
        .par_chunks(TOGETHER)
        .flat_map_iter(|places| planes.keys(&units(media, &numbers(places))))
        .collect();
    let mut found = Vec::new();
    (0..Planes::TABLES).for_each(|table| {
        let key = |place: usize| keys[place][table];
        let mut order = all.clone();
        order.sort_by_key(|&i| (key(i), i));
        let starts: Vec<usize> = (0..order.len()).step_by(TOGETHER).collect();
        let pairs = starts.par_iter().flat_map_iter(|&start| {
            let end = (start + TOGETHER).min(order.len());
            let last = key(order[end - 1]);
            let reach = (end + BUCKET).min(order.len());
            let stop = (end..reach).find(|&q| key(order[q]) != last).unwrap_or(reach);
            let units = units(media, &numbers(&order[start..stop]));
            let mut pairs = Vec::new();
            for p in start..end {
                let same = (p + 1..(p + 1 + BUCKET).min(order.len()))
                    .take_while(|&q| key(order[q]) == key(order[p]));
                pairs
                    .extend(same.filter_map(|q| check(&units, (p - start, q - start), (order[p], order[q]))));
            }
            pairs
        });
        found.extend(pairs.collect::<Vec<_>>());
    });
    found
}
