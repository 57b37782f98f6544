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

/// With one fold, this part, one in so many, of the contrastive epochs is run alone first.
const LOOK: usize = 4;
/// Fewer steps than this tell little of what all would come to, and take little time.
const TELLING: usize = 128;
/// Deep members that lose no more than this in that look go on: the other epochs won .012 on the data set that this was measured on, and
/// what is left of that must be [`LEAST`].
const BEHIND: f64 = 3.0 * LEAST;
/// The same beside kernel members that have learned on: with the same data and three seeds the other epochs won .004 at most.
const BEHIND_LEARNED: f64 = 2.0 * LEAST;

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
    /// Beside kernel members the first runs alone, on all cores. Where the deep members clearly add nothing on its validation rows, it is
    /// the only one. Where it would be the only one in any case, a part of it tells: see [`LOOK`]. Neither is asked where graded pairs
    /// teach deep members what these rows do not show.
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
        if folds.len() > 1 {
            let mut ends = on(&numbered[..1])?;
            // What is lost by less on the first split may be won on others.
            if !may_add(&ends[0], -LEAST)? {
                return Ok(Deep { ends, left_out: true });
            }
            ends.extend(on(&numbered[1..])?);
            return Ok(all(ends));
        }
        let rows = folds[0].fit.len();
        let epochs = Stage::Contrastive.epochs(&self.config, rows) / LOOK;
        let steps = epochs * rows.div_ceil(self.config.batch_for(rows));
        // Without a measure every look would say that they may add.
        if steps >= TELLING && kernels.has_units() && !folds[0].validation.is_empty() {
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
