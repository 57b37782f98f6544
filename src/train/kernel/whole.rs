//! The kernel members with all landmarks, and a last look at their settings.

use super::choose::{Given, POWERS, SHARPNESS, Scores, Settings, best_of, mean};
use super::classes::Classes;
use super::trial::{Sample, Trial, with_readouts};
use super::units::Units;
use crate::error::Result;
use crate::model::Kernel;
use crate::parallel as workers;
use crate::train::members::alone;
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

/// Ridge or decay, by its place in a list, and power or sharpness.
type Candidate = (usize, f64);

/// The members of each fold with all landmarks; `None` where a media type has no two different items.
///
/// Where the settings were chosen with a part of these, a smaller ridge and a smaller decay are tried, too, with all powers and
/// sharpnesses, and taken where they do better.
pub(super) fn fit_whole(
    given: Given<'_>,
    settings: Settings,
    folds: &[Fold],
    part: bool,
) -> Result<Option<Fitted>> {
    let tried = if part { 2 } else { 1 };
    let ridges = &[settings.ridge, settings.ridge * LESS_RIDGE][..tried];
    let decays = &[settings.decay, settings.decay * LESS_DECAY][..tried];
    let (powers, sharpnesses) =
        (candidates(tried, settings.power, &POWERS), candidates(tried, settings.sharpness, &SHARPNESS));
    let whole: Vec<Option<Whole>> = workers::map(folds, |fold| -> Result<_> {
        let sample =
            Sample { fit: &fold.fit, held: &fold.validation, landmarks: given.config.kernel.landmarks };
        let trial = Trial::new(given.data, sample, (settings.spread, given.classes), given.config.seed)?;
        let Some(trial) = trial else { return Ok(None) };
        let units: Vec<_> =
            ridges.iter().map(|ridge| trial.units(*ridge, given.unit)).collect::<Result<_>>()?;
        let classes: Vec<_> = decays.iter().map(|decay| trial.classes(*decay)).collect::<Result<_>>()?;
        let (mut of_units, mut of_classes) = (Vec::new(), Vec::new());
        if part {
            let unit = alone::of_units(given.data, given.config, given.unit);
            let unit = (&unit, given.config.kernel.hub);
            for (ridge, power) in &powers {
                let units = units[*ridge].as_ref();
                of_units.push(units.map(|units| trial.of_units(units, *power, unit)).transpose()?.flatten());
            }
            let class = alone::of_posteriors(given.data, given.config, given.classes);
            for (decay, sharpness) in sharpnesses.iter().filter(|_| given.classes > 0) {
                of_classes.push(trial.of_classes(&classes[*decay], *sharpness, &class)?);
            }
        }
        Ok(Some(Whole { kernels: trial.into_kernels(), units, classes, of_units, of_classes }))
    })
    .into_iter()
    .collect::<Result<_>>()?;
    let Some(whole) = whole.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    let best = |of: fn(&Whole) -> &Scores| {
        best_of(&mean(&whole.iter().map(|whole| of(whole).clone()).collect::<Vec<_>>()))
            .map_or(0, |best| best.1)
    };
    let (ridge, power) = powers[best(|whole| &whole.of_units)];
    let (decay, sharpness) = sharpnesses[best(|whole| &whole.of_classes)];
    let settings = Settings { ridge: ridges[ridge], power, decay: decays[decay], sharpness, ..settings };
    tracing::debug!(?settings, "kernel members");
    let folds = whole.into_iter().map(|whole| {
        let units = whole.units[ridge].as_ref().map(|units| (units, power));
        with_readouts(whole.kernels, units, &whole.classes[decay], sharpness, (given.classes, given.unit))
    });
    Ok(Some(Fitted { settings, folds: folds.collect::<Result<_>>()? }))
}

/// Members of these settings on `rows`; `None` where a media type has no two different items.
pub(crate) fn fit(given: Given<'_>, settings: &Settings, rows: &[usize]) -> Result<Option<Members>> {
    let Given { data, config, classes, unit } = given;
    let sample = Sample { fit: rows, held: &[], landmarks: config.kernel.landmarks };
    let Some(trial) = Trial::new(data, sample, (settings.spread, classes), config.seed)? else {
        return Ok(None);
    };
    let units = trial.units(settings.ridge, unit)?;
    let of_classes = trial.classes(settings.decay)?;
    let units = units.as_ref().map(|units| (units, settings.power));
    with_readouts(trial.into_kernels(), units, &of_classes, settings.sharpness, (classes, unit)).map(Some)
}

/// All pairs of one of `count` places and a value of `all`: by place, and within a place `chosen` first.
fn candidates(count: usize, chosen: f64, all: &[f64]) -> Vec<Candidate> {
    let values: Vec<f64> =
        std::iter::once(chosen).chain(all.iter().copied().filter(|value| *value != chosen)).collect();
    (0..count).flat_map(|at| values.iter().map(move |value| (at, *value)).collect::<Vec<_>>()).collect()
}
