//! The settings of the kernel members, chosen on validation rows.

use super::classes::Classes;
use super::measured::{Measured, Sample, sizes};
use super::settings::{Epochs, Given, Settings};
use super::trial::{Scores, Trial};
use super::units::Units;
use super::whole::{self, Fitted};
use crate::error::Result;
use crate::parallel as workers;
use crate::train::draw::some;
use crate::train::members::alone;
use crate::train::split::Fold;

/// Candidates: spread of the kernel, ridge and power of the correlations of the units, ridge and sharpness of the classes.
///
/// The first of all are tried together. Of spreads and ridges the last lies beyond the second, and is tried where that is the best of
/// the others.
const SPREADS: [f32; 4] = [2.0, 1.0, 4.0, 0.5];
const RIDGES: [f64; 4] = [1.0, 0.3, 3.0, 0.1];
pub(super) const POWERS: [f64; 4] = [1.0, 0.5, 1.5, 2.0];
const DECAYS: [f64; 4] = [1e-4, 1e-5, 1e-3, 1e-2];
pub(super) const SHARPNESS: [f64; 4] = [10.0, 5.0, 3.0, 15.0];
/// The first candidates are those that do well on several data sets. Others must be better by this much in a measure: what a few hundred
/// rows say beyond it is mostly noise.
const LEAST: f64 = 0.003;
/// Settings are chosen with at most this many landmarks where there are many more: with more, one fit takes long.
const EXPLORED: usize = 1024;
/// Bytes of distances that are kept for all spreads; more are computed again for each.
const KEPT: usize = 256 << 20;

/// Chooses settings on the `folds` and fits the members of each.
pub(crate) fn fit_folds(given: Given<'_>, folds: &[Fold]) -> Result<Option<Fitted>> {
    let drawn: Vec<Drawn> = folds.iter().map(|fold| Drawn::of(given, &fold.fit)).collect();
    let samples: Vec<Sample<'_>> = drawn
        .iter()
        .zip(folds)
        .map(|(drawn, fold)| Sample { fit: &drawn.rows, held: &fold.validation, landmarks: drawn.landmarks })
        .collect();
    let media = given.data.media.len();
    let kept: usize = drawn.iter().map(|drawn| 4 * media * drawn.rows.len() * drawn.landmarks).sum();
    let measured: Option<Vec<Measured<'_>>> = samples
        .iter()
        .map(|sample| Measured::new(given.data, *sample, given.config.seed, kept <= KEPT))
        .collect::<candle_core::Result<_>>()?;
    let Some(measured) = measured else { return Ok(None) };
    let mut explored = Explored::new(given, &measured)?;
    drop(measured);
    let settings = explored.finish(given)?;
    tracing::debug!(?settings, "kernel members, as explored");
    let part = drawn.iter().any(|drawn| drawn.part);
    let trials = (!part).then_some(explored.trials);
    let fitted = whole::fit_whole(given, settings, folds, trials.as_deref())?;
    // Without a pair and without a class there is nothing to read from the responses.
    Ok(fitted.filter(|fitted| given.classes > 0 || fitted.has_units()))
}

/// The rows and landmarks of a fold that settings are chosen with.
#[derive(Debug, PartialEq)]
pub(super) struct Drawn {
    pub(super) rows: Vec<usize>,
    pub(super) landmarks: usize,
    /// Whether the whole fit has more landmarks.
    pub(super) part: bool,
}

impl Drawn {
    /// Of the rows `fit`: as many to a landmark as the whole fit has where items differ. The more these are, the wider a kernel and
    /// the smaller a ridge it takes.
    pub(super) fn of(given: Given<'_>, fit: &[usize]) -> Self {
        let (rows, all) = sizes(fit.len(), given.config.kernel.landmarks, given.data.media.len());
        // A few more cost less than a second look.
        let landmarks = if all <= EXPLORED + EXPLORED / 4 { all } else { EXPLORED };
        Self { rows: some(fit, rows * landmarks / all.max(1)), landmarks, part: landmarks < all }
    }
}

/// The best spread, the trials of all folds with it, and the scores of each fold for the first ridge and for the first decay.
struct Explored<'a> {
    spread: f32,
    trials: Vec<Trial<'a>>,
    units: Vec<Scores>,
    classes: Vec<Scores>,
}

/// A spread, its scores by fold as [`Explored`] has them, and its trials where they are kept.
type Spread<'a> = (f32, Vec<Scores>, Vec<Scores>, Option<Vec<Trial<'a>>>);

impl<'a> Explored<'a> {
    /// Tries the spreads on all folds.
    fn new(given: Given<'_>, folds: &[Measured<'a>]) -> Result<Self> {
        let (last, first) = SPREADS.split_last().expect("several");
        let mut found = spreads(given, folds, first)?;
        let (mut spread, mut units, mut classes, trials) = found.swap_remove(best_spread(&found));
        // Trials of a spread that has lost take much memory.
        drop(found);
        if spread == SPREADS[1] {
            let mut both = vec![(spread, units, classes, None)];
            both.extend(spreads(given, folds, &[*last])?);
            (spread, units, classes, _) = both.swap_remove(best_spread(&both));
        }
        let trials = match trials {
            Some(trials) => trials,
            None => workers::map(folds, |measured| Trial::new(measured, spread, given.classes))
                .into_iter()
                .collect::<Result<_>>()?,
        };
        Ok(Self { spread, trials, units, classes })
    }

    /// Tries the rest of the settings.
    fn finish(&mut self, given: Given<'_>) -> Result<Settings> {
        // Ridges take longest and come first, so that no core waits for one of them at the end.
        let (beyond, ridges) = RIDGES[1..].split_last().expect("several");
        let of_units = ridges.iter().map(|ridge| (Some(*ridge), None));
        self.add(given, of_units.chain(DECAYS[1..].iter().map(|decay| (None, Some(*decay)))).collect())?;
        if best_of(&mean(&self.units)).is_some_and(|best| best.1 / POWERS.len() == 1) {
            self.add(given, vec![(Some(*beyond), None)])?;
        }
        let best = |scores: &[Scores]| best_of(&mean(scores)).map_or(0, |best| best.1);
        let (unit, class) = (best(&self.units), best(&self.classes));
        Ok(Settings {
            spread: self.spread,
            ridge: RIDGES[unit / POWERS.len()],
            power: POWERS[unit % POWERS.len()],
            decay: DECAYS[class / SHARPNESS.len()],
            sharpness: SHARPNESS[class % SHARPNESS.len()],
            learned: Epochs::default(),
        })
    }

    /// Adds the scores of ridges, with all powers, and of decays, with all sharpnesses.
    fn add(&mut self, given: Given<'_>, settings: Vec<(Option<f64>, Option<f64>)>) -> Result<()> {
        let trials = &self.trials;
        let tasks: Vec<_> =
            settings.iter().flat_map(|setting| trials.iter().map(move |trial| (setting, trial))).collect();
        let found = workers::map(&tasks, |((ridge, decay), trial)| -> Result<_> {
            let units = ridge.map(|ridge| of_ridge(given, trial, ridge)).transpose()?;
            let classes = decay.map(|decay| of_decay(given, trial, decay)).transpose()?;
            Ok((units.unwrap_or_default(), classes.unwrap_or_default()))
        });
        let count = trials.len();
        for (at, found) in found.into_iter().enumerate() {
            let (units, classes) = found?;
            self.units[at % count].extend(units);
            self.classes[at % count].extend(classes);
        }
        Ok(())
    }
}

/// Tries these spreads on all folds. A trial takes much memory: those of the spread that is preferred are kept.
fn spreads<'a>(given: Given<'_>, folds: &[Measured<'a>], all: &[f32]) -> Result<Vec<Spread<'a>>> {
    let tasks: Vec<_> = all.iter().flat_map(|&spread| folds.iter().map(move |fold| (spread, fold))).collect();
    let tried = workers::map(&tasks, |(spread, measured)| -> Result<_> {
        let trial = Trial::new(measured, *spread, given.classes)?;
        let units = of_ridge(given, &trial, RIDGES[0])?;
        let classes = of_decay(given, &trial, DECAYS[0])?;
        Ok((units, classes, (*spread == SPREADS[0]).then_some(trial)))
    });
    let mut tried = tried.into_iter();
    let each = all.iter().map(|&spread| {
        let (mut units, mut classes, mut trials) = (Vec::new(), Vec::new(), Vec::new());
        for tried in tried.by_ref().take(folds.len()) {
            let (of_units, of_classes, trial) = tried?;
            units.push(of_units);
            classes.push(of_classes);
            trials.extend(trial);
        }
        Ok((spread, units, classes, (trials.len() == folds.len()).then_some(trials)))
    });
    each.collect()
}

/// The place of the best spread; the first where no other is better by [`LEAST`] in both measures together.
fn best_spread(found: &[Spread<'_>]) -> usize {
    let mut best: Option<(f64, usize)> = None;
    for (at, (_, units, classes, _)) in found.iter().enumerate() {
        let means = [mean(units), mean(classes)];
        let worth = means.iter().filter_map(|scores| best_of(scores)).map(|best| best.0).sum();
        if best.is_none_or(|best| worth >= best.0 + LEAST) {
            best = Some((worth, at));
        }
    }
    best.map_or(0, |best| best.1)
}

/// Scores of all powers.
fn of_ridge(given: Given<'_>, trial: &Trial<'_>, ridge: f64) -> Result<Scores> {
    score_units(given, trial, trial.units(ridge, given.unit, false)?.as_ref(), &POWERS)
}

/// Scores of all sharpnesses.
fn of_decay(given: Given<'_>, trial: &Trial<'_>, decay: f64) -> Result<Scores> {
    // Without classes there is nothing to fit.
    let classes = if given.classes == 0 { Vec::new() } else { trial.classes(decay)? };
    score_classes(given, trial, &classes, &SHARPNESS)
}

/// Scores of units with each of these powers.
pub(super) fn score_units(
    given: Given<'_>,
    trial: &Trial<'_>,
    units: Option<&Units>,
    powers: &[f64],
) -> Result<Scores> {
    let Some(units) = units else { return Ok(vec![None; powers.len()]) };
    let shape = alone::of_units(given.data, given.config, given.unit);
    trial.of_units(units, powers, (&shape, given.config.kernel.hub))
}

/// Scores of class values with each of these sharpnesses.
pub(super) fn score_classes(
    given: Given<'_>,
    trial: &Trial<'_>,
    classes: &[Option<Classes>],
    sharpnesses: &[f64],
) -> Result<Scores> {
    if given.classes == 0 {
        return Ok(vec![None; sharpnesses.len()]);
    }
    let shape = alone::of_posteriors(given.data, given.config, given.classes);
    trial.of_classes(classes, sharpnesses, &shape)
}

/// The mean of each candidate over the folds that measure it.
pub(super) fn mean(each: &[Scores]) -> Scores {
    (0..each.first().map_or(0, Vec::len))
        .map(|at| {
            let found: Vec<f64> = each.iter().filter_map(|scores| scores[at]).collect();
            (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
        })
        .collect()
}

/// The best score and its place; the first candidate where no other is better by [`LEAST`].
pub(super) fn best_of(scores: &[Option<f64>]) -> Option<(f64, usize)> {
    let found = scores.iter().enumerate().filter_map(|(at, score)| Some(((*score)?, at)));
    let best = found.clone().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
    let first = found.clone().next()?;
    Some(if best.0 - first.0 < LEAST { first } else { best })
}
