//! The settings of the kernel members, chosen on validation rows.

use super::trial::{Sample, Trial, sizes};
use super::whole::{self, Fitted};
use crate::data::TrainingData;
use crate::error::Result;
use crate::parallel as workers;
use crate::train::config::TrainConfig;
use crate::train::draw::some;
use crate::train::members::alone;
use crate::train::split::Fold;

/// Candidates, the first of which are tried together: spread of the kernel, ridge and power of the correlations of the
/// units, ridge and sharpness of the classes.
const SPREADS: [f32; 4] = [2.0, 1.0, 4.0, 0.5];
const RIDGES: [f64; 4] = [1.0, 0.3, 3.0, 0.1];
pub(super) const POWERS: [f64; 4] = [1.0, 0.5, 1.5, 2.0];
const DECAYS: [f64; 4] = [1e-4, 1e-5, 1e-3, 1e-2];
pub(super) const SHARPNESS: [f64; 4] = [10.0, 5.0, 3.0, 15.0];
/// The first candidates are those that do well on several data sets. Others must be better by this much in a measure: what a few hundred
/// rows say beyond it is mostly noise.
const LEAST: f64 = 0.003;
/// Settings are chosen with at most this many landmarks: with more, one fit takes long.
const EXPLORED: usize = 1024;

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(super) spread: f32,
    pub(super) ridge: f64,
    pub(super) power: f64,
    pub(super) decay: f64,
    pub(super) sharpness: f64,
}

/// Scores of candidates on one fold; `None` where nothing measures them.
pub(super) type Scores = Vec<Option<f64>>;

/// What the fits of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) data: &'a TrainingData,
    pub(crate) config: &'a TrainConfig,
    pub(crate) classes: usize,
    /// Elements of the unit part.
    pub(crate) unit: usize,
}

/// Chooses settings on the `folds` and fits the members of each.
pub(crate) fn fit_folds(given: Given<'_>, folds: &[Fold]) -> Result<Option<Fitted>> {
    let drawn: Vec<Drawn> = folds.iter().map(|fold| Drawn::of(given, &fold.fit)).collect();
    let samples: Vec<Sample<'_>> = drawn
        .iter()
        .zip(folds)
        .map(|(drawn, fold)| Sample { fit: &drawn.rows, held: &fold.validation, landmarks: drawn.landmarks })
        .collect();
    let Some(explored) = Explored::new(given, &samples)? else { return Ok(None) };
    let spread = explored.spread;
    let (units, classes) = explored.finish(given)?;
    let (unit, class) = (best_of(&units).map_or(0, |x| x.1), best_of(&classes).map_or(0, |x| x.1));
    let settings = Settings {
        spread,
        ridge: RIDGES[unit / POWERS.len()],
        power: POWERS[unit % POWERS.len()],
        decay: DECAYS[class / SHARPNESS.len()],
        sharpness: SHARPNESS[class % SHARPNESS.len()],
    };
    tracing::debug!(?settings, "kernel members, as explored");
    let fitted = whole::fit_whole(given, settings, folds, drawn.iter().any(|drawn| drawn.part))?;
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
        let landmarks = all.min(EXPLORED);
        Self { rows: some(fit, rows * landmarks / all.max(1)), landmarks, part: landmarks < all }
    }
}

/// What is known of a fold: its trial, and the scores of the first ridge and of the first decay.
struct Tried<'a> {
    trial: Trial<'a>,
    units: Scores,
    classes: Scores,
}

/// The best spread, and what is known of each fold with it.
struct Explored<'a> {
    spread: f32,
    folds: Vec<Tried<'a>>,
}

impl<'a> Explored<'a> {
    /// Tries all spreads on all folds; `None` where a media type has no two different items.
    fn new(given: Given<'a>, samples: &'a [Sample<'a>]) -> Result<Option<Self>> {
        let tried = |spread: f32, sample: &Sample<'a>| -> Result<Option<Tried<'a>>> {
            let trial = Trial::new(given.data, *sample, (spread, given.classes), given.config.seed)?;
            let Some(trial) = trial else { return Ok(None) };
            let units = of_ridge(given, &trial, RIDGES[0])?;
            let classes = of_decay(given, &trial, DECAYS[0])?;
            Ok(Some(Tried { trial, units, classes }))
        };
        let tasks: Vec<_> =
            SPREADS.iter().flat_map(|&spread| samples.iter().map(move |sample| (spread, sample))).collect();
        let all: Vec<Option<Spread<'a>>> = workers::map(&tasks, |&(spread, sample)| -> Result<_> {
            // A trial takes much memory: those of the spread that is preferred are kept.
            Ok(tried(spread, sample)?.map(|tried| match spread == SPREADS[0] {
                true => (tried.units.clone(), tried.classes.clone(), Some(tried)),
                false => (tried.units, tried.classes, None),
            }))
        })
        .into_iter()
        .collect::<Result<_>>()?;
        let Some(mut all) = all.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mut best: Option<(f64, f32)> = None;
        for (&spread, scores) in SPREADS.iter().zip(all.chunks_exact(samples.len().max(1))) {
            let (units, classes): (Vec<Scores>, Vec<Scores>) =
                scores.iter().map(|(units, classes, _)| (units.clone(), classes.clone())).unzip();
            let means = [mean(&units), mean(&classes)];
            let worth = means.iter().filter_map(|scores| best_of(scores)).map(|best| best.0).sum();
            if best.is_none_or(|best| worth >= best.0 + LEAST) {
                best = Some((worth, spread));
            }
        }
        let spread = best.map_or(SPREADS[0], |best| best.1);
        let folds: Option<Vec<Tried<'a>>> = match spread == SPREADS[0] {
            true => all.drain(..samples.len()).map(|(_, _, tried)| tried).collect(),
            false => {
                drop(all);
                workers::map(samples, |sample| tried(spread, sample)).into_iter().collect::<Result<_>>()?
            }
        };
        Ok(folds.map(|folds| Self { spread, folds }))
    }

    /// Mean scores of all ridges and powers, and of all decays and sharpnesses, the last of each pair innermost.
    fn finish(self, given: Given<'_>) -> Result<(Scores, Scores)> {
        // The longest first, so that no core waits for one of them at the end.
        let settings = RIDGES[1..].iter().map(|ridge| (Some(*ridge), None));
        let settings: Vec<_> = settings.chain(DECAYS[1..].iter().map(|decay| (None, Some(*decay)))).collect();
        let tasks: Vec<_> =
            settings.iter().flat_map(|setting| self.folds.iter().map(move |fold| (setting, fold))).collect();
        let found: Vec<(Scores, Scores)> = workers::map(&tasks, |((ridge, decay), fold)| -> Result<_> {
            let units = ridge.map(|ridge| of_ridge(given, &fold.trial, ridge)).transpose()?;
            let classes = decay.map(|decay| of_decay(given, &fold.trial, decay)).transpose()?;
            Ok((units.unwrap_or_default(), classes.unwrap_or_default()))
        })
        .into_iter()
        .collect::<Result<_>>()?;
        let count = self.folds.len();
        let (mut units, mut classes): (Vec<Scores>, Vec<Scores>) =
            self.folds.into_iter().map(|fold| (fold.units, fold.classes)).unzip();
        for (at, (of_units, of_classes)) in found.into_iter().enumerate() {
            units[at % count].extend(of_units);
            classes[at % count].extend(of_classes);
        }
        Ok((mean(&units), mean(&classes)))
    }
}

/// Scores of the first ridge and of the first decay, and the trial where it is kept.
type Spread<'a> = (Scores, Scores, Option<Tried<'a>>);

/// Scores of all powers.
fn of_ridge(given: Given<'_>, trial: &Trial<'_>, ridge: f64) -> Result<Scores> {
    let Some(units) = trial.units(ridge, given.unit)? else { return Ok(vec![None; POWERS.len()]) };
    let shape = alone::of_units(given.data, given.config, given.unit);
    POWERS.iter().map(|&power| trial.of_units(&units, power, (&shape, given.config.kernel.hub))).collect()
}

/// Scores of all sharpnesses.
fn of_decay(given: Given<'_>, trial: &Trial<'_>, decay: f64) -> Result<Scores> {
    if given.classes == 0 {
        return Ok(vec![None; SHARPNESS.len()]);
    }
    let classes = trial.classes(decay)?;
    let shape = alone::of_posteriors(given.data, given.config, given.classes);
    SHARPNESS.iter().map(|&sharpness| trial.of_classes(&classes, sharpness, &shape)).collect()
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
