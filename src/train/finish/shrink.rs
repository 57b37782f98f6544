//! How much of what the metric network has learned holds on rows that it has not seen, and what it starts from.
//!
//! A head is `start + t * rest`: its start is a scaled dot product (of the posteriors for `class`, weighted by the shares of
//! the classes; of the unit parts for `pair`), the rest is all else that it has learned. On train rows the rest looks better
//! than it is, since the shared vectors of these rows were fitted too. So `t` in (0, 1] is chosen per target on validation
//! rows, by what the target is for: MAP for `class`, mean recall for `pair`. With it are chosen the power of the class
//! weights, and a temperature that divides the class logits, since the mean logits of several members are less sure than
//! each of them: both by the sum of MAP and Brier skill. Weights help to rank the hits of a query. But then a pair of a rare class scores
//! like a surer pair of a common class, and its probability is worse. A bias does not matter: calibration takes it up.

use crate::corpus::Split;
use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::{One, Own, measure_between};
use crate::model::{Bundle, Head, Target};
use crate::parallel as workers;
use crate::train::calibrate::skill;
use crate::train::candidates::{Each, LEAST, best_with_score};
use crate::train::priors;

/// Scale and bias of the start of every head.
pub(super) const FIXED: (f32, f32) = (8.0, -4.0);

/// Candidates for `t`, in order of preference where they do equally well.
const SHARES: [f32; 9] = [1.0, 0.75, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01];
/// Candidates for the temperature, in order of preference.
const TEMPERATURES: [f32; 3] = [1.0, 0.7, 0.5];

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// Divides the class logits.
    pub(crate) temperature: f32,
    /// Of the class weights.
    pub(crate) power: f32,
    /// One `t` per target.
    pub(crate) shares: Vec<(Target, f32)>,
}

/// Class weights by power, from the train rows; the first are those that the heads were trained from.
pub(crate) struct ClassShares(Vec<(f32, Vec<f32>)>);

impl ClassShares {
    pub(crate) fn of(data: &TrainingData, classes: usize, start: Option<&Bundle>) -> Self {
        let rows = data.rows_of(Split::Train);
        // A bundle that learns further has had its choice.
        let powers = match start {
            Some(_) => vec![priors::first(start, data, classes)],
            None => priors::POWERS.to_vec(),
        };
        Self(powers.into_iter().map(|power| (power, priors::weights(data, &rows, classes, power))).collect())
    }

    fn weights(&self, power: f32) -> &[f32] {
        self.0.iter().find(|entry| entry.0 == power).map_or(&[], |entry| &entry.1)
    }

    fn first(&self) -> f32 {
        self.0.first().map_or(priors::START, |entry| entry.0)
    }
}

/// The best choice over models and the rows that each has not seen; the first candidates where these cannot tell.
///
/// The target `whole` keeps all that it has learned: somebody has taught it what the rows alone do not show. Pathways that
/// are `settled` keep their temperature. The first temperature and power stay unless others are clearly better.
///
/// Cost: per model, temperature and power three scores of all pairs, and a sort per candidate.
pub(crate) fn choose(
    models: &[(Bundle, Vec<usize>)],
    data: &TrainingData,
    weights: &ClassShares,
    whole: Option<Target>,
    settled: bool,
) -> Result<Choice> {
    let classes = models.first().is_some_and(|(bundle, _)| bundle.posterior().is_some());
    let targets = models.first().map_or(&[][..], |(bundle, _)| bundle.metric().targets());
    let shares_of = |target| (target, if whole == Some(target) { &SHARES[..1] } else { &SHARES[..] });
    let mut choice = Choice { temperature: TEMPERATURES[0], power: weights.first(), shares: Vec::new() };
    if classes {
        // A temperature divides the logits of deep members.
        let deep =
            models.iter().flat_map(|(bundle, _)| &bundle.pathways).any(|pathway| pathway.deep.is_some());
        let taught = whole == Some(Target::Class);
        let temperatures = if settled || !deep || taught { &TEMPERATURES[..1] } else { &TEMPERATURES[..] };
        let powers = if taught { &weights.0[..1] } else { &weights.0[..] };
        let alone = temperatures.len() * powers.len() == 1;
        let mut tried: Vec<Tried> = Vec::new();
        for &temperature in temperatures {
            for &(power, _) in powers {
                let choice = Choice { temperature, power, shares: Vec::new() };
                let found = best_share(models, data, weights, &choice, shares_of(Target::Class))?;
                let Some((map, share)) = found else { continue };
                let choice = Choice { shares: vec![(Target::Class, share)], ..choice };
                // Nothing to compare it with.
                let brier = if alone { None } else { skill(&applied(models, &choice, weights), data)? };
                tracing::debug!(temperature, power, share, map, ?brier, "class weights");
                tried.push(Tried { map, brier, choice });
            }
        }
        choice = clearly_best(tried).unwrap_or(choice);
    }
    for &target in targets {
        if !choice.shares.iter().any(|share| share.0 == target) {
            let found = best_share(models, data, weights, &choice, shares_of(target))?;
            let share = found.map_or(SHARES[0], |best| best.1);
            choice.shares.push((target, share));
        }
    }
    Ok(choice)
}

/// A choice for the class, and how it does on validation rows.
struct Tried {
    map: f64,
    brier: Option<f64>,
    choice: Choice,
}

/// The first, unless the best by the sum of both measures is better by [`LEAST`]; by MAP alone where one lacks the other.
fn clearly_best(tried: Vec<Tried>) -> Option<Choice> {
    let both = tried.iter().all(|one| one.brier.is_some());
    let score = |one: &Tried| one.map + one.brier.filter(|_| both).unwrap_or(0.0);
    let first = score(tried.first()?);
    let best = tried.iter().map(score).fold(first, f64::max);
    let noise = best - first < LEAST;
    tried.into_iter().find(|one| noise || score(one) == best).map(|one| one.choice)
}

/// The best of the `candidates` for the share by the mean score over the models, and that score; `None` where these cannot tell.
fn best_share(
    models: &[(Bundle, Vec<usize>)],
    data: &TrainingData,
    weights: &ClassShares,
    tried: &Choice,
    (target, candidates): (Target, &[f32]),
) -> Result<Option<(f64, f32)>> {
    let one = |(bundle, rows): &(Bundle, Vec<usize>)| -> Result<Vec<Option<f64>>> {
        let with = |share: f32| {
            let mut with = bundle.clone();
            apply(&mut with, &Choice { shares: vec![(target, share)], ..tried.clone() }, weights);
            with
        };
        let (start, whole) = (with(0.0), with(1.0));
        let (start, whole) = (Items::new(&start, data, rows)?, Items::new(&whole, data, rows)?);
        // A logit is linear in the share: two of them give all.
        let found = measure_between((&start, &whole), data, (target, Own::Relevant), candidates);
        Ok(found.into_iter().map(|one| score(target, one)).collect())
    };
    let each: Each = workers::map(models, one).into_iter().collect::<Result<_>>()?;
    Ok(best_with_score(candidates, &each))
}

pub(super) fn score(target: Target, one: One) -> Option<f64> {
    match target {
        Target::Class => one.map.map(|map| map.mean),
        Target::Pair => one.recall.map(|recall| recall.mean().iter().sum()),
    }
}

/// The models with this choice.
fn applied(
    models: &[(Bundle, Vec<usize>)],
    choice: &Choice,
    weights: &ClassShares,
) -> Vec<(Bundle, Vec<usize>)> {
    let mut models = models.to_vec();
    models.iter_mut().for_each(|(bundle, _)| apply(bundle, choice, weights));
    models
}

/// Shrinks all heads and sharpens all posteriors.
pub(crate) fn apply(bundle: &mut Bundle, choice: &Choice, weights: &ClassShares) {
    for deep in bundle.pathways.iter_mut().filter_map(|pathway| pathway.deep.as_mut()) {
        deep.class.iter_mut().chain(&mut deep.class_bias).for_each(|x| *x /= choice.temperature);
    }
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let d = bundle.dim();
    let ones = vec![1.0; d - classes];
    for head in &mut bundle.metric.heads {
        if let Some((_, t)) = choice.shares.iter().find(|(target, _)| *target == head.target) {
            let (from, old, new) = match head.target {
                Target::Class => (0, weights.weights(weights.first()), weights.weights(choice.power)),
                Target::Pair => (classes, &ones[..], &ones[..]),
            };
            shrink(head, d, from, (old, new), *t);
        }
    }
}

/// The start of a head is a scaled diagonal over the elements from `from` on: of the `old` weights as it was trained, of the
/// `new` ones in the end.
fn shrink(head: &mut Head, d: usize, from: usize, (old, new): (&[f32], &[f32]), t: f32) {
    let part = from..from + old.len();
    let weights = old.iter().sum::<f32>();
    let sum: f32 = part.clone().map(|i| head.bilinear[i * d + i]).sum();
    let scale = sum / weights.max(f32::MIN_POSITIVE);
    for i in 0..d {
        for j in 0..d {
            let on = i == j && part.contains(&i);
            let (before, after) =
                if on { (scale * old[i - from], scale * new[i - from]) } else { (0.0, 0.0) };
            let value = &mut head.bilinear[i * d + j];
            *value = after + t * (*value - before);
        }
    }
    head.weights.iter_mut().for_each(|w| *w *= t);
    // Every run ends at another scale and bias. A calibration that is fitted on the logits of some models and used on
    // those of another needs one scale; a ranking does not change.
    if scale > 0.0 {
        let (fixed, bias) = FIXED;
        let values = head.bilinear.iter_mut().chain(&mut head.weights);
        values.for_each(|value| *value *= fixed / scale);
        head.hub *= fixed / scale;
        head.bias = bias;
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::data::{Labels, MediaFeatures};

    #[test]
    fn what_is_better_by_noise_does_not_replace_the_first() {
        let of = |scores: &[(f64, Option<f64>)]| {
            let one = |(at, &(map, brier)): (usize, &(f64, Option<f64>))| {
                let choice = Choice { temperature: at as f32, power: 0.5, shares: Vec::new() };
                Tried { map, brier, choice }
            };
            clearly_best(scores.iter().enumerate().map(one).collect()).map(|choice| choice.temperature)
        };
        assert_eq!(of(&[(0.5, Some(0.5)), (0.501, Some(0.501)), (0.5, Some(0.4))]), Some(0.0));
        assert_eq!(of(&[(0.5, Some(0.5)), (0.5, Some(0.501)), (0.49, Some(0.52))]), Some(2.0));
        assert_eq!(of(&[(0.5, Some(-0.5)), (0.49, None), (0.51, Some(-0.6))]), Some(2.0), "by MAP alone");
        assert_eq!(of(&[(0.5, None)]), Some(0.0));
        assert_eq!(of(&[]), None);
    }

    /// Items whose posteriors are exact: the features are a class logit each.
    ///
    /// A feature is `1.5 (e + noise)` plus the logarithm of the class's share, with `e` 1.5 for the class and 0 for others.
    fn exact(counts: [usize; 3]) -> (Bundle, TrainingData) {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let class: Vec<u32> = (0..3).flat_map(|class| vec![class; counts[class as usize]]).collect();
        let shares = counts.map(|count| count as f32 / class.len() as f32);
        // A sum of twelve is near to a normal deviation of 1.
        let mut noise = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
        let mut logit = |of: u32, class: usize| {
            let evidence = if of as usize == class { 1.5 } else { 0.0 };
            1.5 * (evidence + noise()) + shares[class].ln()
        };
        let mut media = |name: &str| MediaFeatures {
            name: name.into(),
            encoder: name.into(),
            encoder_state: Vec::new(),
            fingerprint: None,
            d_in: 3,
            rows: class.iter().flat_map(|&of| [logit(of, 0), logit(of, 1), logit(of, 2)]).collect(),
            present: vec![true; class.len()],
        };
        let data = TrainingData {
            media: vec![media("image"), media("text")],
            split: vec![Split::Train; class.len()],
            labels: Some(Labels {
                class: class.into_iter().map(Some).collect(),
                names: None,
                key: "k".into(),
            }),
            groups: None,
            features_name: "exact".into(),
            documents: None,
            graded: Vec::new(),
        };
        let weights = ClassShares::of(&data, 3, None);
        let mut bundle = Bundle::random(&[("image", 3), ("text", 3)], 5, 1, 3, 5);
        let mut ones = vec![0.0; 9];
        (0..3).for_each(|i| ones[i * 3 + i] = 1.0);
        for deep in bundle.pathways.iter_mut().filter_map(|pathway| pathway.deep.as_mut()) {
            deep.mean.fill(0.0);
            // Above 0 for all features, so that a rectified unit passes them on.
            (deep.hidden, deep.hidden_bias) = (ones.clone().into(), vec![10.0; 3]);
            (deep.class, deep.class_bias) = (ones.clone().into(), vec![0.0; 3]);
            (deep.unit, deep.unit_bias) = (vec![0.0; 6].into(), vec![1.0; 2]);
        }
        for head in bundle.metric.heads.iter_mut().filter(|head| head.target == Target::Class) {
            head.bilinear.fill(0.0);
            head.weights.fill(0.0);
            (0..3).for_each(|i| head.bilinear[i * 5 + i] = 8.0 * weights.0[0].1[i]);
        }
        (bundle.sealed(), data)
    }

    #[test]
    fn weights_go_where_they_spoil_probabilities_more_than_they_help_to_rank() {
        let (bundle, data) = exact([480, 60, 60]);
        let weights = ClassShares::of(&data, 3, None);
        let models = [(bundle, (0..600).collect())];
        let with = |power: f32, brier: bool| {
            let choice = Choice { temperature: 1.0, power, shares: vec![(Target::Class, 1.0)] };
            if brier {
                return skill(&applied(&models, &choice, &weights), &data).unwrap().unwrap();
            }
            best_share(&models, &data, &weights, &choice, (Target::Class, &[1.0])).unwrap().unwrap().0
        };
        // Exact posteriors: their dot product is the probability of a match.
        let (plain, weighted) = ((with(0.0, false), with(0.0, true)), (with(0.5, false), with(0.5, true)));
        assert!(
            weighted.0 > plain.0 && plain.0 + plain.1 > weighted.0 + weighted.1 + LEAST,
            "{plain:?} {weighted:?}"
        );
        let chosen = choose(&models, &data, &weights, None, true).unwrap();
        assert!(chosen.power < 0.5, "{chosen:?}");
        let few = [(models[0].0.clone(), (0..600).step_by(10).collect())];
        let kept = choose(&few, &data, &weights, Some(Target::Class), true).unwrap();
        assert_eq!((kept.power, kept.temperature), (0.5, 1.0), "what is taught keeps its weights");
        let (bundle, data) = exact([20, 20, 20]);
        let models = [(bundle, (0..60).collect())];
        let even = choose(&models, &data, &ClassShares::of(&data, 3, None), None, true).unwrap();
        assert_eq!(even.power, 0.5, "weights are all 1");
    }

    #[test]
    fn one_keeps_all_and_zero_leaves_the_scaled_dot_product() {
        let bundle = Bundle::random(&[("image", 3), ("text", 2)], 8, 4, 3, 5);
        let weights = ClassShares(vec![(0.5, vec![1.0, 2.0, 0.5]), (1.0, vec![1.0, 4.0, 0.25])]);
        let mut same = bundle.clone();
        apply(
            &mut same,
            &Choice { temperature: 1.0, power: 0.5, shares: vec![(Target::Class, 1.0)] },
            &weights,
        );
        let scale = |head: &Head| (0..3).map(|i| head.bilinear[i * 8 + i]).sum::<f32>() / 3.5;
        // All of a head but its bias is brought to one scale, where that is positive.
        let factor = |head: &Head| if scale(head) > 0.0 { 8.0 / scale(head) } else { 1.0 };
        for (head, old) in same.metric.heads.iter().zip(&bundle.metric.heads) {
            if head.target == Target::Class {
                let f = factor(old);
                let near = |a: &[f32], b: &[f32]| {
                    a.iter().zip(b).all(|(a, b)| (a - f * b).abs() < 1e-4 * (1.0 + a.abs()))
                };
                assert!(near(&head.bilinear, &old.bilinear) && near(&head.weights, &old.weights));
                assert_eq!(head.bias, if f == 1.0 { old.bias } else { -4.0 });
            }
        }
        assert_eq!(same.pathways, bundle.pathways);
        let mut bare = bundle.clone();
        apply(
            &mut bare,
            &Choice { temperature: 0.5, power: 1.0, shares: vec![(Target::Class, 0.0)] },
            &weights,
        );
        for (head, old) in bare.metric.heads.iter().zip(&bundle.metric.heads) {
            if head.target == Target::Pair {
                assert_eq!(head, old, "another target is left alone");
                continue;
            }
            let scale = scale(old) * factor(old);
            for (at, value) in head.bilinear.iter().enumerate() {
                let expected =
                    if at / 8 == at % 8 && at / 8 < 3 { scale * [1.0, 4.0, 0.25][at / 8] } else { 0.0 };
                assert!((value - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{at}");
            }
            assert!(head.weights.iter().all(|w| *w == 0.0));
        }
        // Half the temperature: twice the logits, so sharper posteriors and the same unit part.
        let (sharp, soft) =
            (bare.project(0, &[0.3, -0.2, 0.9]).unwrap(), bundle.project(0, &[0.3, -0.2, 0.9]).unwrap());
        let most = |v: &[f32]| v[..3].iter().copied().fold(0.0, f32::max);
        assert!(most(&sharp) > most(&soft));
        assert_eq!(sharp[3..], soft[3..]);
    }
}
