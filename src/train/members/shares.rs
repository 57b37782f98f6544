//! Kernel members and deep members in one bundle.
//!
//! The shared vector of both is `[posteriors; kernel unit part; deep unit part]`. What is kept of each is chosen on validation rows: the
//! share of the kernel member in the posteriors by MAP, that in the unit part by recall. A member without a share is left out, and
//! with the deep unit part all that the metric network has learned on it.

use crate::data::{Items, Similarity, TrainingData};
use crate::error::Result;
use crate::eval::measure_one;
use crate::model::{Bundle, Floats, Head, Hubs, MetricNetwork, Pathway, Shares, Target};
use crate::parallel as workers;
use crate::train::candidates::{Each, best_of, preferred};
use crate::train::kernel::Members;

/// Candidates for the share of the kernel member in the posteriors, in order of preference where they do equally well.
const POSTERIOR: [f32; 5] = [0.75, 1.0, 0.5, 0.25, 0.0];
/// The same in the unit part.
const UNIT: [f32; 4] = [1.0, 0.7, 0.5, 0.3];

/// `deep` with kernel members of these shares beside it.
///
/// Of more than `unit` elements of the unit part, the last of the kernel member are left out: in closed form those with the least correlation,
/// and where it has learned on those that hold least.
pub(crate) fn combined(deep: &Bundle, members: &Members, shares: Shares, unit: usize) -> Bundle {
    let classes = deep.posterior().map_or(0, |range| range.end);
    let of_deep = deep.dim() - classes;
    let kept = if shares.unit < 1.0 { of_deep } else { 0 };
    let of_kernel = if shares.unit > 0.0 { unit - kept.min(unit) } else { 0 };
    let (old, d) = (deep.dim(), classes + of_kernel + kept);
    let pathways = deep.pathways.iter().zip(members).map(|(pathway, kernel)| {
        let mut kernel = kernel.clone();
        let width = kernel.len();
        kernel.unit_bias.truncate(of_kernel);
        kernel.unit.own().truncate(of_kernel * width);
        let mut deep = pathway.deep.clone().filter(|_| kept > 0 || shares.posterior < 1.0);
        if let Some(deep) = deep.as_mut().filter(|_| kept == 0) {
            (deep.unit, deep.unit_bias, deep.skip) = (Floats::default(), Vec::new(), Floats::default());
        }
        // A member without a share is left out, and its landmarks with it.
        if of_kernel == 0 && (classes == 0 || shares.posterior == 0.0) {
            return Pathway { deep: pathway.deep.clone(), kernel: None, shares: Shares::DEEP };
        }
        Pathway { deep, kernel: Some(kernel), shares }
    });
    // Where an element of the old shared vector stands in the new one.
    let place = |i: usize| match i < classes {
        true => Some(i),
        false => (kept > 0).then(|| i + of_kernel),
    };
    let half = if kept > 0 { deep.metric.half } else { 0 };
    let halves = deep.metric.halves.iter().map(|half_of| {
        let mut out = vec![0.0; half * d];
        for (out, row) in out.chunks_exact_mut(d).zip(half_of.chunks_exact(old)) {
            row.iter().enumerate().for_each(|(i, x)| place(i).into_iter().for_each(|i| out[i] = *x));
        }
        Floats::from(out)
    });
    let heads = deep.metric.heads.iter().map(|head| {
        let mut bilinear = vec![0.0; d * d];
        for (i, row) in head.bilinear.chunks_exact(old).enumerate() {
            for (j, x) in row.iter().enumerate() {
                if let (Some(i), Some(j)) = (place(i), place(j)) {
                    bilinear[i * d + j] = *x;
                }
            }
        }
        if head.target == Target::Pair {
            // The scale that the head has for its own unit part.
            let sum: f32 = (classes..old).map(|i| head.bilinear[i * old + i]).sum();
            (classes..classes + of_kernel).for_each(|i| bilinear[i * d + i] = sum / of_deep.max(1) as f32);
        }
        let part = |x: &Vec<f32>| if half > 0 { x.clone() } else { Vec::new() };
        Head {
            bilinear: bilinear.into(),
            weights: part(&head.weights),
            shift: part(&head.shift),
            ..head.clone()
        }
    });
    Bundle {
        pathways: pathways.collect(),
        metric: MetricNetwork {
            dim: d,
            half,
            targets: deep.metric.targets.clone(),
            halves: halves.collect(),
            hubs: Hubs::default(),
            heads: heads.collect(),
        },
        ..deep.clone()
    }
}

/// A deep bundle, the kernel members beside it, and the rows that both have not seen.
pub(crate) type Both = (Bundle, Members, Vec<usize>);

/// The shares that do best on rows that the members of each fold have not seen, on average; kernel members alone where no share of deep
/// ones is better by [`LEAST`](crate::train::candidates::LEAST).
///
/// Deep members that are `taught` graded pairs keep a share of a unit part of more than one element: most of what these teach stands
/// there and in the hidden layer over it, and labels and pairs say nothing of it. So the best shares are taken, by however little.
pub(crate) fn choose_shares(
    folds: &[Both],
    data: &TrainingData,
    unit: usize,
    taught: bool,
) -> Result<Shares> {
    let units = of_taught(unit_candidates(folds, unit), taught);
    let of_unit = of_units(folds, units, data, unit)?;
    let of_posterior = of_posteriors(folds, units[0], data, unit)?;
    tracing::debug!(?of_unit, ?of_posterior, "shares of the kernel member");
    let choose = |candidates: &[f32], each: &Each| match taught {
        true => best_of(candidates, each),
        // 1 are kernel members alone.
        false => preferred(1.0, candidates, each),
    };
    let (by_unit, by_posterior) = (choose(units, &of_unit), choose(&POSTERIOR, &of_posterior));
    // Without classes there are no posteriors to share.
    Ok(Shares { posterior: by_posterior.unwrap_or(1.0), unit: by_unit.unwrap_or(units[0]) })
}

/// Whether the deep members may yet get a share, by the rows of one fold.
///
/// Not where no share of theirs, in the posteriors or in the unit part, adds more than `least` to what the kernel members do alone. True
/// where that cannot be told: without unit parts of kernel members, or where nothing measures either.
pub(crate) fn deep_may_add(fold: &[Both; 1], data: &TrainingData, unit: usize, least: f64) -> Result<bool> {
    let units = unit_candidates(fold, unit);
    if units[0] != 1.0 {
        return Ok(true);
    }
    let parts = [
        (units, of_units(fold, units, data, unit)?),
        (&POSTERIOR[..], of_posteriors(fold, 1.0, data, unit)?),
    ];
    let gains = parts.iter().map(|(shares, each)| gain(shares, &each[0])).collect::<Vec<_>>();
    tracing::debug!(?gains, "deep members on the first fold");
    let mut measured = gains.iter().flatten().peekable();
    Ok(measured.peek().is_none() || measured.any(|gain| *gain > least))
}

/// What the best share below 1 of kernel members adds to them alone; `None` where nothing measures it.
fn gain(shares: &[f32], scores: &[Option<f64>]) -> Option<f64> {
    let of = |chosen: fn(&f32) -> bool| {
        let found = shares.iter().zip(scores).filter(move |(share, _)| chosen(share));
        found.filter_map(|(_, score)| *score).max_by(f64::total_cmp)
    };
    Some(of(|share| *share < 1.0)? - of(|share| *share == 1.0)?)
}

/// Candidates for the share of the kernel members in the unit part.
fn unit_candidates(folds: &[Both], unit: usize) -> &'static [f32] {
    let has_units =
        folds.iter().all(|(_, members, _)| members.iter().all(|kernel| !kernel.unit_bias.is_empty()));
    match has_units {
        // A single element is not shared.
        true if unit < 2 => &UNIT[..1],
        true => &UNIT,
        false => &[0.0],
    }
}

/// The candidates but 1, where deep members are `taught` and there are others.
fn of_taught(units: &'static [f32], taught: bool) -> &'static [f32] {
    if taught && units.len() > 1 { &units[1..] } else { units }
}

/// Recall by the unit part, for each share in it.
fn of_units(folds: &[Both], shares: &[f32], data: &TrainingData, unit: usize) -> Result<Each> {
    scores(folds, shares, |share, (deep, members, rows)| {
        let bundle = combined(deep, members, Shares { posterior: 1.0, unit: share }, unit);
        let recall = measure_one(&Items::new(&bundle, data, rows)?, data, Similarity::Unit).recall;
        Ok(recall.map(|recall| recall.criterion()))
    })
}

/// MAP by the posteriors, for each share in them of [`POSTERIOR`].
fn of_posteriors(folds: &[Both], of_unit: f32, data: &TrainingData, unit: usize) -> Result<Each> {
    scores(folds, &POSTERIOR, |share, (deep, members, rows)| {
        let bundle = combined(deep, members, Shares { posterior: share, unit: of_unit }, unit);
        let map = measure_one(&Items::new(&bundle, data, rows)?, data, Similarity::Posterior).map;
        Ok(map.map(|map| map.mean))
    })
}

fn scores(
    folds: &[Both],
    candidates: &[f32],
    score: impl Fn(f32, &Both) -> Result<Option<f64>> + Sync,
) -> Result<Each> {
    let tasks: Vec<(f32, &Both)> =
        folds.iter().flat_map(|fold| candidates.iter().map(move |&candidate| (candidate, fold))).collect();
    let scores: Vec<Option<f64>> = workers::map(&tasks, |(candidate, fold)| score(*candidate, fold))
        .into_iter()
        .collect::<Result<_>>()?;
    Ok(scores.chunks_exact(candidates.len()).map(<[_]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gain_is_that_of_the_best_share_over_kernel_members_alone() {
        let scores = [Some(0.5), Some(0.625), Some(0.25), None, Some(0.375)];
        assert_eq!(gain(&POSTERIOR, &scores), Some(-0.125));
        assert_eq!(gain(&UNIT, &[Some(0.5), Some(0.25), Some(0.75), None]), Some(0.25));
        assert_eq!(gain(&UNIT, &[None; 4]), None);
        assert_eq!(gain(&UNIT[..1], &[Some(0.5)]), None);
    }

    #[test]
    fn deep_members_that_are_taught_keep_a_share_of_the_unit_part() {
        assert_eq!(of_taught(&UNIT, true), [0.7, 0.5, 0.3]);
        assert_eq!(of_taught(&UNIT, false), UNIT);
        assert_eq!(of_taught(&UNIT[..1], true), [1.0], "a single element is not shared");
        assert_eq!(of_taught(&[0.0], true), [0.0]);
    }
}
