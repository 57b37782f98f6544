//! The kernel members with all landmarks, and a last look at their settings.

use super::choose::{POWERS, SHARPNESS, best_of, mean, score_classes, score_units};
use super::classes::Classes;
use super::learned::Learned;
use super::measured::{Measured, Sample};
use super::settings::{Epochs, Given, Settings};
use super::trial::{Scores, Trial, with_readouts};
use super::units::Units;
use crate::error::Result;
use crate::model::Kernel;
use crate::parallel as workers;
use crate::train::split::Fold;

/// With all landmarks a smaller ridge may be better than with those that settings were explored with: this part of it is tried.
const LESS_RIDGE: f64 = 0.3;
/// The same for the ridge of the classes, whose candidates stand further apart.
const LESS_DECAY: f64 = 0.1;

/// Kernel members, one per media type.
pub(crate) type Members = Vec<Kernel>;

/// The settings, and the members of each fold.
pub(crate) struct Fitted {
    pub(crate) settings: Settings,
    pub(crate) folds: Vec<Members>,
}

impl Fitted {
    /// Whether unit parts have learned on from the closed form.
    pub(crate) fn have_learned(&self) -> bool {
        self.settings.learned.run > 0
    }

    /// Whether the members have unit parts.
    pub(crate) fn has_units(&self) -> bool {
        self.folds.iter().flatten().all(|kernel| !kernel.unit_bias.is_empty())
    }
}

/// A fold with all landmarks: its fits by ridge and by decay, and the scores of candidates.
struct Whole {
    kernels: Vec<Kernel>,
    units: Vec<Option<Units>>,
    classes: Vec<Vec<Option<Classes>>>,
    of_units: Scores,
    of_classes: Scores,
}

/// The members of each fold with all landmarks; `None` where a media type has no two different items.
///
/// `explored` are the trials that the settings were chosen with, where these have all landmarks. Without them a smaller decay and, unless
/// unit parts learn on, a smaller ridge are tried, too, with all powers and sharpnesses, and taken where they do better.
pub(super) fn fit_whole(
    given: Given<'_>,
    settings: Settings,
    folds: &[Fold],
    explored: Option<&[Trial<'_>]>,
) -> Result<Option<Fitted>> {
    let part = explored.is_none();
    let learn = given.config.kernel.steps > 0;
    let tried = if part { 2 } else { 1 };
    // What learns on comes as far from either ridge, and a fit takes long.
    let ridges = &[settings.ridge, settings.ridge * LESS_RIDGE][..if learn { 1 } else { tried }];
    let decays = &[settings.decay, settings.decay * LESS_DECAY][..tried];
    let (powers, sharpnesses) = (first(settings.power, &POWERS), first(settings.sharpness, &SHARPNESS));
    let tasks: Vec<(usize, &Fold)> = folds.iter().enumerate().collect();
    let whole: Vec<Option<Whole>> = workers::map(&tasks, |(at, fold)| -> Result<_> {
        let own;
        let trial = match explored {
            Some(trials) => &trials[*at],
            None => {
                let Some(measured) = of_fold(given, fold)? else { return Ok(None) };
                own = Trial::new(&measured, settings.spread, given.classes)?;
                &own
            }
        };
        let units: Vec<_> =
            ridges.iter().map(|ridge| trial.units(*ridge, given.unit, learn)).collect::<Result<_>>()?;
        let classes: Vec<_> = decays.iter().map(|decay| trial.classes(*decay)).collect::<Result<_>>()?;
        let (mut of_units, mut of_classes) = (Vec::new(), Vec::new());
        if part {
            for units in &units {
                of_units.extend(score_units(given, trial, units.as_ref(), &powers)?);
            }
            for classes in &classes {
                of_classes.extend(score_classes(given, trial, classes, &sharpnesses)?);
            }
        }
        Ok(Some(Whole { kernels: trial.kernels(), units, classes, of_units, of_classes }))
    })
    .into_iter()
    .collect::<Result<_>>()?;
    let Some(whole) = whole.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let best = |of: fn(&Whole) -> &Scores| {
        best_of(&mean(&whole.iter().map(|whole| of(whole).clone()).collect::<Vec<_>>()))
            .map_or(0, |best| best.1)
    };
    let (unit, class) = (best(|whole| &whole.of_units), best(|whole| &whole.of_classes));
    let (ridge, power) = (unit / powers.len(), powers[unit % powers.len()]);
    let (decay, sharpness) = (class / sharpnesses.len(), sharpnesses[class % sharpnesses.len()]);
    let learned = learn_on(given, (folds, &whole), (ridge, power))?;
    let epoch = best_epoch(&learned);
    let settings = Settings {
        ridge: ridges[ridge],
        power,
        decay: decays[decay],
        sharpness,
        learned: learned.iter().flatten().next().map_or(Epochs::default(), |learned| learned.epochs(epoch)),
        ..settings
    };
    tracing::debug!(?settings, "kernel members");
    let each = whole.iter().zip(&learned).map(|(whole, learned)| {
        let units = match learned {
            Some(learned) if epoch > 0 => Some(learned.readouts(epoch)?),
            _ => whole.units[ridge].as_ref().map(|units| units.readouts(power)).transpose()?,
        };
        let kernels = whole.kernels.clone();
        with_readouts(kernels, units, &whole.classes[decay], sharpness, (given.classes, given.unit))
    });
    Ok(Some(Fitted { settings, folds: each.collect::<Result<_>>()? }))
}

/// What the unit parts of the chosen ridge and power learn on each fold; `None` where that is not asked for.
fn learn_on<'w>(
    given: Given<'_>,
    (folds, whole): (&[Fold], &'w [Whole]),
    (ridge, power): (usize, f64),
) -> Result<Vec<Option<Learned<'w>>>> {
    let tasks: Vec<(&Fold, &Whole)> = folds.iter().zip(whole).collect();
    let learned = workers::map(&tasks, |(fold, whole)| -> Result<_> {
        // Without rows to tell what it is worth, nothing that is learned would be kept.
        let learn = given.config.kernel.steps > 0 && !fold.validation.is_empty();
        let Some(units) = whole.units[ridge].as_ref().filter(|_| learn) else { return Ok(None) };
        let Some(measured) = of_fold(given, fold)? else { return Ok(None) };
        Learned::new(given, (&measured, &whole.kernels), (units, power), None).map(Some)
    });
    learned.into_iter().collect()
}

/// The epoch that does best on the rows that each fold has not seen; 0, the closed form, where no other is clearly better.
fn best_epoch(folds: &[Option<Learned<'_>>]) -> usize {
    let scores: Vec<Scores> = folds.iter().flatten().map(|learned| learned.scores.clone()).collect();
    // Folds of a row more may have an epoch less.
    let least = scores.iter().map(Vec::len).min().unwrap_or(0);
    let scores: Vec<Scores> = scores.into_iter().map(|scores| scores[..least].to_vec()).collect();
    best_of(&mean(&scores)).map_or(0, |best| best.1)
}

/// The landmarks of a fold, all of them, and how far its rows are from them.
fn of_fold<'a>(given: Given<'a>, fold: &'a Fold) -> Result<Option<Measured<'a>>> {
    let sample = Sample { fit: &fold.fit, held: &fold.validation, landmarks: given.config.kernel.landmarks };
    Ok(Measured::new(given.data, sample, given.config.seed, false)?)
}

/// Members of these settings on `rows`; `None` where a media type has no two different items.
pub(crate) fn fit(given: Given<'_>, settings: &Settings, rows: &[usize]) -> Result<Option<Members>> {
    let Given { data, config, classes, unit } = given;
    let sample = Sample { fit: rows, held: &[], landmarks: config.kernel.landmarks };
    let Some(measured) = Measured::new(data, sample, config.seed, false)? else { return Ok(None) };
    let trial = Trial::new(&measured, settings.spread, classes)?;
    let Epochs { run, .. } = settings.learned;
    let measured = (run > 0).then_some(measured);
    let units = trial.units(settings.ridge, unit, run > 0)?;
    let of_classes = trial.classes(settings.decay)?;
    let kernels = trial.kernels();
    drop(trial);
    let units = match (&units, &measured) {
        (Some(units), Some(measured)) => {
            let over = (measured, &kernels[..]);
            Some(Learned::new(given, over, (units, settings.power), Some(settings.learned))?.readouts(run)?)
        }
        (Some(units), None) => Some(units.readouts(settings.power)?),
        (None, _) => None,
    };
    with_readouts(kernels, units, &of_classes, settings.sharpness, (classes, unit)).map(Some)
}

/// `chosen`, and after it the others of `all`.
fn first(chosen: f64, all: &[f64]) -> Vec<f64> {
    std::iter::once(chosen).chain(all.iter().copied().filter(|value| *value != chosen)).collect()
}
