//! Which members a model gets, and how they are put together.

use super::alone::alone;
use super::shares::{Both, choose_shares, combined, deep_may_add};
use crate::corpus::Split;
use crate::data::TrainingData;
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Bundle, Shares};
use crate::parallel as workers;
use crate::train::candidates::LEAST;
use crate::train::config::TrainConfig;
use crate::train::graded::taught;
use crate::train::kernel::{Fitted, Members};
use crate::train::priors;
use crate::train::run::{End, Run};
use crate::train::schedule::Stage;
use crate::train::split::Fold;

/// What is trained: the settings of the deep members, and whether there are any.
pub(crate) struct Plan {
    pub(crate) config: TrainConfig,
    pub(crate) deep: bool,
    /// Elements of the whole unit part.
    unit: usize,
    /// Class weights of a bundle of kernel members alone.
    weights: Vec<f32>,
}

/// The models of the folds, and what of them the last one needs.
pub(crate) struct Joined {
    /// A bundle per fold, and the rows that it has not seen.
    pub(crate) models: Vec<(Bundle, Vec<usize>)>,
    pub(crate) shares: Shares,
    /// Whether deep members are among them.
    pub(crate) deep: bool,
}

/// Runs of the deep members on the first fold, or on all.
pub(crate) struct Deep {
    pub(crate) ends: Vec<End>,
    /// Whether these show that kernel members do as well alone.
    pub(crate) left_out: bool,
}

/// With several folds, this part, one in so many, of the epochs of every stage is run on the first of them before all else.
const GLANCE: usize = 8;
/// Contrastive steps that a part of them has at least, where there are as many.
const GLANCE_STEPS: usize = 64;
/// Deep members that are ahead by no more than this after that are left out.
///
/// Small data cannot tell less: on draws of some hundred rows of six data sets they were ahead by up to .024 after all epochs, and on rows held
/// out besides they won eight times and lost five times, by more (`docs/results.md`, "Deep members of small data").
const AHEAD: f64 = 0.03;
/// With one fold, this part, one in so many, of the contrastive epochs is run alone first.
const LOOK: usize = 4;
/// Fewer steps than this tell little of what all would come to, and take little time.
const TELLING: usize = 128;
/// Deep members that lose no more than this in that look go on: the other epochs won .012 on the data set that this was measured on, and
/// what is left of that must be [`LEAST`].
const BEHIND: f64 = 3.0 * LEAST;
/// The same beside kernel members that have learned on: with the same data and three seeds the other epochs won .004 at most.
const BEHIND_LEARNED: f64 = 2.0 * LEAST;

/// The settings of a [`GLANCE`] with so many rows.
fn glance(config: &TrainConfig, rows: usize) -> TrainConfig {
    let steps = rows.div_ceil(config.batch_for(rows)).max(1);
    let of = |stage: Stage| {
        let (all, part) = (stage.epochs(config, rows), stage.epochs(config, rows).div_ceil(GLANCE));
        if stage == Stage::Contrastive { part.max(GLANCE_STEPS.div_ceil(steps)).min(all) } else { part }
    };
    let mut part = config.clone();
    (part.contrastive.epochs, part.double_triplet.epochs, part.metric.epochs) =
        (of(Stage::Contrastive), of(Stage::DoubleTriplet), of(Stage::Metric));
    part.steps.least = 0;
    part
}

impl Plan {
    /// Deep members share the unit part with kernel members, half and half.
    ///
    /// # Errors
    /// [`ErrorCode::TooFewData`] where no member can be had.
    pub(crate) fn new(run: &Run<'_>, kernels: Option<&Fitted>) -> Result<Self> {
        let Run { data, config, classes, .. } = *run;
        let unit = config.unit(classes);
        let mut own = config.clone();
        let units = kernels.is_some_and(|fitted| fitted.has_units());
        if units {
            own.model.unit = Some((unit / 2).max(1));
        }
        let deep = config.model.members > 0 || run.start.is_some();
        if !deep && run.start.is_none() && !units {
            return Err(Error::new(
                ErrorCode::TooFewData,
                "a kernel member alone needs documents with different items of two media types",
            )
            .expected("deep members, or such documents")
            .got("`members = 0`"));
        }
        let weights = priors::weights(data, &data.rows_of(Split::Train), classes, priors::START);
        Ok(Self { config: own, deep, unit, weights })
    }

    /// Runs of the deep members on the folds.
    ///
    /// Beside kernel members a part of the first run is made alone, on all cores: see [`GLANCE`], and [`LOOK`] where there is one fold. Where deep
    /// members add too little on its validation rows by then, it is all that runs. That is not asked where graded pairs teach deep members
    /// what these rows do not show.
    pub(crate) fn run_deep(
        &self,
        run: &Run<'_>,
        kernels: Option<&Fitted>,
        folds: &[Fold],
        data: &TrainingData,
    ) -> Result<Deep> {
        if !self.deep {
            return Ok(Deep { ends: Vec::new(), left_out: true });
        }
        let run = Run { config: &self.config, ..*run };
        let numbered: Vec<(usize, &Fold)> = folds.iter().enumerate().collect();
        let on = |some: &[(usize, &Fold)]| -> Result<Vec<End>> {
            workers::map(some, |&(at, fold)| run.fold(at, fold, some.len())).into_iter().collect()
        };
        let all = |ends: Vec<End>| Deep { ends, left_out: false };
        let kernels = kernels.filter(|_| !taught(data, &self.config));
        let Some(kernels) = kernels else { return Ok(all(on(&numbered)?)) };
        let may_add = |end: &End, least: f64| {
            let both = [(end.bundle.clone(), kernels.folds[0].clone(), folds[0].validation.clone())];
            deep_may_add(&both, data, self.unit, least)
        };
        let rows = folds[0].fit.len();
        // Without a measure every look would say that they may add.
        let measured = kernels.has_units() && !folds[0].validation.is_empty();
        if folds.len() > 1 && measured {
            let config = glance(&self.config, rows);
            let end = Run { config: &config, ..run }.fold(0, &folds[0], 1)?;
            return match may_add(&end, AHEAD)? {
                true => Ok(all(on(&numbered)?)),
                false => Ok(Deep { ends: vec![end], left_out: true }),
            };
        }
        let epochs = Stage::Contrastive.epochs(&self.config, rows) / LOOK;
        let steps = epochs * rows.div_ceil(self.config.batch_for(rows));
        if folds.len() == 1 && steps >= TELLING && measured {
            let mut config = self.config.clone();
            (config.contrastive.epochs, config.steps.least) = (epochs, 0);
            let look = Run { stages: &[Stage::Contrastive], config: &config, ..run };
            let end = look.fold(0, &folds[0], 1)?;
            let behind = if kernels.have_learned() { BEHIND_LEARNED } else { BEHIND };
            if !may_add(&end, -behind)? {
                return Ok(Deep { ends: vec![end], left_out: true });
            }
        }
        Ok(all(on(&numbered)?))
    }

    /// The models of the folds: deep bundles, kernel members, or both with shares that validation chooses; kernel members alone
    /// where there are no `deep` bundles.
    pub(crate) fn members(
        &self,
        deep: Vec<Bundle>,
        kernels: Option<&Fitted>,
        folds: &[Fold],
        data: &TrainingData,
    ) -> Result<Joined> {
        let held = || folds.iter().map(|fold| fold.validation.clone());
        let Some(kernels) = kernels else {
            return Ok(Joined {
                models: deep.into_iter().zip(held()).collect(),
                shares: Shares::DEEP,
                deep: true,
            });
        };
        let kernel_alone = || {
            let all = kernels.folds.iter();
            let models =
                all.map(|members| alone(data, &self.config, &self.weights, members.clone())).zip(held());
            Joined { models: models.collect(), shares: Shares::KERNEL, deep: false }
        };
        if deep.is_empty() {
            return Ok(kernel_alone());
        }
        let both: Vec<Both> = deep
            .into_iter()
            .zip(&kernels.folds)
            .zip(held())
            .map(|((bundle, members), held)| (bundle, members.clone(), held))
            .collect();
        let shares = choose_shares(&both, data, self.unit, taught(data, &self.config))?;
        // Nothing of the deep members is left: what their heads have learned belongs to them.
        if shares == Shares::KERNEL {
            return Ok(kernel_alone());
        }
        let models = both
            .into_iter()
            .map(|(bundle, members, held)| (combined(&bundle, &members, shares, self.unit), held));
        Ok(Joined { models: models.collect(), shares, deep: true })
    }

    /// The last model, of members that were fitted on all train rows.
    pub(crate) fn join(
        &self,
        deep: Option<Bundle>,
        kernels: Option<Members>,
        shares: Shares,
        run: &Run<'_>,
    ) -> Result<Bundle> {
        match (deep, kernels) {
            (Some(deep), Some(kernels)) => Ok(combined(&deep, &kernels, shares, self.unit)),
            (Some(deep), None) if shares == Shares::DEEP => Ok(deep),
            (None, Some(kernels)) => Ok(alone(run.data, run.config, &self.weights, kernels)),
            // The folds had one of them.
            _ => Err(Error::new(ErrorCode::TooFewData, "no member can be fitted on all train rows")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::config::StepConfig;

    #[test]
    fn a_glance_has_a_part_of_every_stage_and_none_of_those_left_out() {
        let mut config = TrainConfig::default();
        (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (30, 8, 0);
        (config.steps.batch, config.steps.least) = (30, 0);
        let epochs = |config: &TrainConfig, rows| {
            let part = glance(config, rows);
            assert_eq!(part.steps.least, 0);
            (part.contrastive.epochs, part.double_triplet.epochs, part.metric.epochs)
        };
        let steps = |rows: usize| rows.div_ceil(config.batch_for(rows));
        assert!(steps(600) * 4 >= 64 && steps(60) * 30 >= 64 && steps(30) * 30 < 64);
        assert_eq!(epochs(&config, 600), (4, 1, 0));
        assert_eq!(epochs(&config, 60), (64_usize.div_ceil(steps(60)), 1, 0), "enough steps");
        assert_eq!(epochs(&config, 30), (30, 1, 0), "no more than there are");
        // A part of as many epochs as few rows are to have.
        let long =
            TrainConfig { steps: StepConfig { least: 4800, ..config.steps.clone() }, ..config.clone() };
        assert_eq!(epochs(&long, 600).0, 4800_usize.div_ceil(steps(600)).div_ceil(8));
    }
}
