//! The settings of the kernel members, chosen on validation rows, and the members that they give.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::trial::Trial;
use crate::data::TrainingData;
use crate::error::Result;
use crate::model::{Bundle, Kernel};
use crate::parallel as workers;
use crate::train::alone::shape;
use crate::train::config::TrainConfig;
use crate::train::split::Fold;

/// Candidates, the first of which are tried together: spread of the kernel, ridge and power of the correlations of the
/// units, ridge and sharpness of the classes.
const SPREADS: [f32; 3] = [2.0, 1.0, 4.0];
const RIDGES: [f64; 3] = [1.0, 0.3, 3.0];
const POWERS: [f64; 3] = [1.0, 0.5, 1.5];
const DECAYS: [f64; 4] = [1e-4, 1e-5, 1e-3, 1e-2];
const SHARPNESS: [f64; 4] = [10.0, 5.0, 3.0, 15.0];
/// The first candidates are those that do well on several data sets. Others must be better by this much in a measure: what a few hundred
/// rows say beyond it is mostly noise.
const LEAST: f64 = 0.003;
/// Settings are chosen on at most this many rows to fit: with more, one fit takes long.
const EXPLORED: usize = 768;

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    spread: f32,
    ridge: f64,
    power: f64,
    decay: f64,
    sharpness: f64,
}

/// Kernel members, one per media type.
pub(crate) type Members = Vec<Kernel>;

/// The settings, and the members of each fold; `None` where a media type has no two different items.
pub(crate) struct Fitted {
    pub(crate) settings: Settings,
    pub(crate) folds: Vec<Members>,
}

impl Fitted {
    /// Whether the members have unit parts.
    pub(crate) fn has_units(&self) -> bool {
        self.folds.iter().flatten().all(|kernel| !kernel.unit_bias.is_empty())
    }
}

/// Scores of candidates on one fold; `None` where nothing measures them.
type Scores = Vec<Option<f64>>;

/// What the fits of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) data: &'a TrainingData,
    pub(crate) config: &'a TrainConfig,
    pub(crate) classes: usize,
    /// Elements of the unit part.
    pub(crate) unit: usize,
}

impl Given<'_> {
    /// Bundles without members for the two measures: of unit parts alone, and with posteriors.
    fn shapes(&self) -> (Bundle, Bundle) {
        (shape(self.data, self.config, 0, self.unit), shape(self.data, self.config, self.classes, 1))
    }
}

/// Chooses settings on the `folds` and fits the members of each.
pub(crate) fn fit_folds(given: Given<'_>, folds: &[Fold]) -> Result<Option<Fitted>> {
    let explored: Vec<(Vec<usize>, &Fold)> =
        folds.iter().map(|fold| (some(&fold.fit, EXPLORED), fold)).collect();
    let tried = |spread: f32, ridges: &[f64], decays: &[f64]| -> Result<Option<(Scores, Scores)>> {
        let each: Vec<Option<(Scores, Scores)>> = workers::map(&explored, |(rows, fold)| {
            try_fold(given, (rows, &fold.validation), spread, ridges, decays)
        })
        .into_iter()
        .collect::<Result<_>>()?;
        let each: Option<Vec<_>> = each.into_iter().collect();
        Ok(each.map(|each| {
            let (units, classes): (Vec<_>, Vec<_>) = each.into_iter().unzip();
            (mean(&units), mean(&classes))
        }))
    };
    let mut best: Option<(f64, f32)> = None;
    for spread in SPREADS {
        let Some((units, classes)) = tried(spread, &RIDGES[..1], &DECAYS[..1])? else { return Ok(None) };
        let worth = [units, classes].iter().filter_map(|scores| best_of(scores)).map(|best| best.0).sum();
        if best.is_none_or(|best| worth >= best.0 + LEAST) {
            best = Some((worth, spread));
        }
    }
    let spread = best.map_or(SPREADS[0], |best| best.1);
    let Some((units, classes)) = tried(spread, &RIDGES, &DECAYS)? else { return Ok(None) };
    let (unit, class) = (best_of(&units).map_or(0, |x| x.1), best_of(&classes).map_or(0, |x| x.1));
    let settings = Settings {
        spread,
        ridge: RIDGES[unit / POWERS.len()],
        power: POWERS[unit % POWERS.len()],
        decay: DECAYS[class / SHARPNESS.len()],
        sharpness: SHARPNESS[class % SHARPNESS.len()],
    };
    tracing::debug!(?settings, "kernel members");
    let folds: Vec<Option<Members>> =
        workers::map(folds, |fold| fit(given, &settings, &fold.fit)).into_iter().collect::<Result<_>>()?;
    let folds: Option<Vec<Members>> = folds.into_iter().collect();
    // Without a pair and without a class there is nothing to read from the responses.
    Ok(folds.map(|folds| Fitted { settings, folds }).filter(|fitted| given.classes > 0 || fitted.has_units()))
}

/// Members of these settings on `rows`; `None` where a media type has no two different items.
pub(crate) fn fit(given: Given<'_>, settings: &Settings, rows: &[usize]) -> Result<Option<Members>> {
    let Given { data, config, classes, .. } = given;
    let trial = Trial::new(data, rows, &[], (settings.spread, classes), config)?;
    trial.map(|trial| members(given, settings, &trial)).transpose()
}

/// Members of these settings from what was summed up.
fn members(given: Given<'_>, settings: &Settings, trial: &Trial<'_>) -> Result<Members> {
    let Given { classes, unit, .. } = given;
    let units = trial.units(settings.ridge, unit)?;
    let of_classes = trial.classes(settings.decay)?;
    let units = units.as_ref().map(|units| (units, settings.power));
    trial.members(units, &of_classes, settings.sharpness, (classes, unit))
}

/// A draw of the rows, where there are more than are explored: rows may stand in the order of their classes or kinds.
pub(crate) fn some(rows: &[usize], most: usize) -> Vec<usize> {
    let mut rows = rows.to_vec();
    if rows.len() > most {
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(0x736f_6d65));
        rows.truncate(most);
        rows.sort_unstable();
    }
    rows
}

/// Scores of all ridges and powers, and of all decays and sharpnesses, the last of each pair innermost.
fn try_fold(
    given: Given<'_>,
    (rows, held): (&[usize], &[usize]),
    spread: f32,
    ridges: &[f64],
    decays: &[f64],
) -> Result<Option<(Scores, Scores)>> {
    let (of_units, of_classes) = given.shapes();
    let Given { data, config, classes, unit } = given;
    let Some(trial) = Trial::new(data, rows, held, (spread, classes), config)? else { return Ok(None) };
    let (mut units, mut class_scores) = (Vec::new(), Vec::new());
    for &ridge in ridges {
        let found = trial.units(ridge, unit)?;
        for power in POWERS {
            units.push(match &found {
                Some(found) => trial.of_units(found, power, &of_units)?,
                None => None,
            });
        }
    }
    for &decay in decays {
        let found = if classes > 0 { trial.classes(decay)? } else { Vec::new() };
        for sharpness in SHARPNESS {
            class_scores.push(match classes {
                0 => None,
                _ => trial.of_classes(&found, sharpness, &of_classes)?,
            });
        }
    }
    Ok(Some((units, class_scores)))
}

/// The mean of each candidate over the folds that measure it.
fn mean(each: &[Scores]) -> Scores {
    (0..each.first().map_or(0, Vec::len))
        .map(|at| {
            let found: Vec<f64> = each.iter().filter_map(|scores| scores[at]).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        })
        .collect()
}

/// The best score and its place; the first candidate where no other is better by [`LEAST`].
fn best_of(scores: &[Option<f64>]) -> Option<(f64, usize)> {
    let found = scores.iter().enumerate().filter_map(|(at, score)| Some(((*score)?, at)));
    let best = found.clone().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    let first = found.clone().next()?;
    Some(if best.0 - first.0 < LEAST { first } else { best })
}
