//! Rows that a fit has not seen, and what its unit parts are worth on them.

use super::measured::{Distances, Measured};
use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::{One, Own, measure_between};
use crate::model::{Bundle, Kernel, Target};
use crate::train::finish::hub;

/// Weights of the hub term, of which the best counts: it changes which ridge and power find the pair.
const HUBS: [f32; 3] = [0.0, 1.0, 2.0];

/// Responses `[n, m]` by media type.
pub(super) struct Unseen<'a> {
    data: &'a TrainingData,
    rows: &'a [usize],
    /// Of those of `rows` that have an item.
    pub(super) responses: Vec<Vec<f32>>,
    /// Of anchors, rows that were fitted on; none where nothing is held.
    pub(super) anchors: Vec<Vec<f32>>,
}

impl<'a> Unseen<'a> {
    /// By these kernels over the landmarks of `measured`.
    pub(super) fn new<'k>(
        measured: &Measured<'a>,
        kernels: impl Iterator<Item = &'k Kernel> + Clone,
    ) -> Self {
        let respond = |distances: &Distances| -> Vec<Vec<f32>> {
            let each = kernels.clone().zip(distances).map(|(kernel, found)| {
                let mut k = found.clone();
                kernel.respond(&mut k);
                k
            });
            each.collect()
        };
        Self {
            data: measured.data,
            rows: measured.held,
            responses: respond(&measured.of_held),
            anchors: respond(&measured.of_anchors),
        }
    }

    /// Recall at 1 and 10 of the paired item, mean of both, by unit parts `[n, e]` that are not yet of unit length, of the rows and of the
    /// anchors; by the heads of `shape`, with a hub term where it `hubs`; `None` without pairs.
    pub(super) fn recall(
        &self,
        (held, anchors): (&[Vec<f32>], Vec<Vec<f32>>),
        (shape, hubs): (&Bundle, bool),
    ) -> Result<Option<f64>> {
        let anchors =
            anchors.into_iter().enumerate().map(|(m, x)| shared(shape, m, (Vec::new(), x))).collect();
        let whole = hub::with_anchors(shape, anchors, 1.0);
        let project = |m: usize, _: &[f32]| Ok(shared(shape, m, (Vec::new(), held[m].clone())));
        let plain = Items::projected(shape, self.data, self.rows, &project)?;
        let whole = Items::projected(&whole, self.data, self.rows, &project)?;
        let weights = if hubs { &HUBS[..] } else { &HUBS[..1] };
        let found = measure_between((&plain, &whole), self.data, (Target::Pair, Own::Relevant), weights);
        let recall = |one: One| one.recall.map(|recall| recall.criterion());
        Ok(found.into_iter().filter_map(recall).max_by(f64::total_cmp))
    }

    /// The held rows as items of `shape`, read as `project` says by media type.
    pub(super) fn items<'b>(
        &'b self,
        shape: &'b Bundle,
        read: &dyn Fn(usize) -> (Vec<f32>, Vec<f32>),
    ) -> Result<Items<'b>> {
        Items::projected(shape, self.data, self.rows, &|m, _| Ok(shared(shape, m, read(m))))
    }
}

/// The shared vectors `[n, d]` of items of media type `m` from what a kernel member reads of them.
fn shared(shape: &Bundle, m: usize, read: (Vec<f32>, Vec<f32>)) -> Vec<f32> {
    let n = match shape.posterior() {
        Some(classes) => read.0.len() / classes.end,
        None => read.1.len() / shape.dim(),
    };
    let mut out = vec![0.0; n * shape.dim()];
    shape.pathways[m].mix(n, [Some(read), None], 1.0, &mut out);
    out
}
