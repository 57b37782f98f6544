//! One network through the stages, on the rows of a fold or on all train rows.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::batch::Prepared;
use super::config::TrainConfig;
use super::export::{export, network_alone};
use super::graded::taught;
use super::network::Network;
use super::priors;
use super::report::{Progress, StageReport};
use super::scaling::scaling;
use super::schedule::Stage;
use super::select::selection_score;
use super::split::Fold;
use super::stage::{self, Work};
use crate::corpus::Split;
use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::measure;
use crate::model::Bundle;
use crate::parallel::{self as workers, Crew};

/// What the runs of the stages over different rows share.
pub(crate) struct Run<'a> {
    /// What networks start from, instead of random ones.
    pub(crate) start: Option<&'a Bundle>,
    pub(crate) stages: &'a [Stage],
    pub(crate) data: &'a TrainingData,
    pub(crate) config: &'a TrainConfig,
    pub(crate) classes: usize,
    /// Runs on folds; one over all rows may follow.
    pub(crate) runs: usize,
    /// Cores that a run gets which runs alone.
    pub(crate) threads: usize,
    pub(crate) progress: &'a (dyn Fn(&Progress) + Sync),
}

/// A run of the stages.
struct Finished {
    network: Network,
    reports: Vec<StageReport>,
    /// Per stage, the epoch whose parameters were kept.
    kept: Vec<usize>,
}

/// What is left of a run on a fold.
pub(crate) struct End {
    pub(crate) bundle: Bundle,
    pub(crate) reports: Vec<StageReport>,
    /// Per stage, the epoch whose parameters were kept.
    pub(crate) kept: Vec<usize>,
}

impl Run<'_> {
    /// The run number `at`, on a fold; so many run `side_by_side`.
    pub(crate) fn fold(&self, at: usize, fold: &Fold, side_by_side: usize) -> Result<End> {
        let cores = self.threads / side_by_side.max(1);
        let Finished { network, reports, kept } =
            self.stages(at, (&fold.fit, &fold.validation), None, cores)?;
        Ok(End { bundle: export(&network, self.data, self.classes, self.config)?, reports, kept })
    }

    /// The last run, over all train rows, each stage for as many epochs as the runs on folds `kept` on average.
    pub(crate) fn whole(&self, kept: &[Vec<usize>]) -> Result<Bundle> {
        let limits = (0..self.stages.len()).map(|stage| mean_epoch(kept, stage)).collect();
        let rows = self.data.rows_of(Split::Train);
        let Finished { network, .. } = self.stages(self.runs, (&rows, &[]), Some(limits), self.threads)?;
        export(&network, self.data, self.classes, self.config)
    }

    /// Trains a new network on the first of `rows`, validated on the others; `limits` cuts each stage at an epoch of its
    /// schedule. What the pathways do is shared out to `cores`, one for each member at most; the bits do not depend on them.
    fn stages(
        &self,
        at: usize,
        rows: (&[usize], &[usize]),
        limits: Option<Vec<usize>>,
        cores: usize,
    ) -> Result<Finished> {
        let members = self.data.media.len() * self.config.model.members;
        let crew = Crew::new(cores.min(members));
        workers::alone(|| self.stages_alone(at, rows, limits, &crew))
    }

    fn stages_alone(
        &self,
        at: usize,
        (fit, validation): (&[usize], &[usize]),
        limits: Option<Vec<usize>>,
        crew: &Crew,
    ) -> Result<Finished> {
        let Self { start, stages, data, config, classes, runs, progress, .. } = *self;
        // Runs differ in where they start, too.
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(at as u64);
        // Of all train rows in every run, so that one choice fits all of them.
        let power = priors::first(start, data, classes);
        let weights = priors::weights(data, &data.rows_of(Split::Train), classes, power);
        let network = match start {
            Some(start) => Network::warm(start, &weights, config)?,
            None => {
                let scalings = data.media.iter().map(|media| scaling(media, fit)).collect();
                Network::new(scalings, &weights, config, &mut rng)?
            }
        };
        let taught = taught(data, config);
        let rows = {
            let widths =
                data.media.iter().zip(&network.pathways).map(|(media, pathway)| pathway.width(media.d_in));
            let read = Box::new(|m: usize, x: &[f32]| network.pathways[m].inputs(x));
            Prepared::new(data, fit, widths.collect(), network.is_frozen(), read)
        };
        let (mut reports, mut kept) = (Vec::new(), Vec::new());
        for (number, stage) in stages.iter().copied().enumerate() {
            let begun = Instant::now();
            let limit = limits.as_ref().map(|limits| limits[number]);
            let epochs = limit.unwrap_or_else(|| stage.epochs(config, fit.len()));
            let mut validate = |epoch: usize, loss: f64| -> Result<Option<f64>> {
                data.whole(Ok(()))?;
                let score = if validation.is_empty() {
                    None
                } else {
                    let bundle = network_alone(&network, data, classes, config)?;
                    let project = |m: usize, features: &[f32]| Ok(network.pathways[m].project(features)?);
                    selection_score(&Items::projected(&bundle, data, validation, &project)?, data, stage)
                };
                if epoch > 0 {
                    progress(&Progress { run: at, runs, stage: stage.name(), epoch, epochs, loss, score });
                }
                // Labels cannot tell what graded pairs are to change: the stage that learns them runs to its end.
                Ok(score.filter(|_| !(taught && stage == Stage::Metric)))
            };
            // A bundle that is trained further has seen rows of validation: it would always look better than what it becomes.
            let earns = number > 0 && start.is_none();
            let work = Work { stage, network: &network, rows: &rows, config, limit, earns, crew };
            let ran = stage::run(&work, &mut rng, &mut validate)?;
            kept.push(ran.kept);
            if limits.is_none() {
                let bundle = export(&network, data, classes, config)?;
                reports.push(StageReport {
                    name: stage.name(),
                    epochs: ran.epochs,
                    seconds: begun.elapsed().as_secs_f64(),
                    validation: measure(&Items::new(&bundle, data, validation)?, data),
                });
            }
        }
        drop(rows);
        Ok(Finished { network, reports, kept })
    }
}

/// The epoch that the models kept after a stage, on average.
fn mean_epoch(kept: &[Vec<usize>], stage: usize) -> usize {
    let sum: usize = kept.iter().map(|kept| kept[stage]).sum();
    (sum + kept.len() / 2) / kept.len().max(1)
}
