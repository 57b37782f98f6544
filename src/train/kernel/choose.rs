//! The settings of the kernel members, chosen on validation rows, and the members that they give.

use super::trial::Trial;
use crate::data::TrainingData;
use crate::error::Result;
use crate::model::Kernel;
use crate::parallel as workers;
use crate::train::config::TrainConfig;
use crate::train::draw::some;
use crate::train::members::alone::shape;
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

/// Chooses settings on the `folds` and fits the members of each.
pub(crate) fn fit_folds(given: Given<'_>, folds: &[Fold]) -> Result<Option<Fitted>> {
    let explored: Vec<(Vec<usize>, &Fold)> =
        folds.iter().map(|fold| (some(&fold.fit, EXPLORED), fold)).collect();
    let Some(explored) = Explored::new(given, &explored)? else { return Ok(None) };
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
    fn new(given: Given<'a>, folds: &'a [(Vec<usize>, &'a Fold)]) -> Result<Option<Self>> {
        let tried = |spread: f32, (rows, fold): &'a (Vec<usize>, &'a Fold)| -> Result<Option<Tried<'a>>> {
            let Given { data, config, classes, .. } = given;
            let trial = Trial::new(data, rows, &fold.validation, (spread, classes), config)?;
            let Some(trial) = trial else { return Ok(None) };
            let units = of_ridge(given, &trial, RIDGES[0])?;
            let classes = of_decay(given, &trial, DECAYS[0])?;
            Ok(Some(Tried { trial, units, classes }))
        };
        let tasks: Vec<_> =
            SPREADS.iter().flat_map(|&spread| folds.iter().map(move |fold| (spread, fold))).collect();
        let all: Vec<Option<Spread<'a>>> = workers::map(&tasks, |&(spread, fold)| -> Result<_> {
            // A trial takes much memory: those of the spread that is preferred are kept.
            Ok(tried(spread, fold)?.map(|tried| match spread == SPREADS[0] {
                true => (tried.units.clone(), tried.classes.clone(), Some(tried)),
                false => (tried.units, tried.classes, None),
            }))
        })
        .into_iter()
        .collect::<Result<_>>()?;
        let Some(mut all) = all.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mut best: Option<(f64, f32)> = None;
        for (&spread, scores) in SPREADS.iter().zip(all.chunks_exact(folds.len().max(1))) {
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
            true => all.drain(..folds.len()).map(|(_, _, tried)| tried).collect(),
            false => {
                drop(all);
                workers::map(&folds.iter().collect::<Vec<_>>(), |fold| tried(spread, fold))
                    .into_iter()
                    .collect::<Result<_>>()?
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
    let shape = shape(given.data, given.config, 0, given.unit);
    POWERS.iter().map(|&power| trial.of_units(&units, power, &shape)).collect()
}

/// Scores of all sharpnesses.
fn of_decay(given: Given<'_>, trial: &Trial<'_>, decay: f64) -> Result<Scores> {
    if given.classes == 0 {
        return Ok(vec![None; SHARPNESS.len()]);
    }
    let classes = trial.classes(decay)?;
    let shape = shape(given.data, given.config, given.classes, 1);
    SHARPNESS.iter().map(|&sharpness| trial.of_classes(&classes, sharpness, &shape)).collect()
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
