//! One stage of training: batches, steps down the losses of the stage, and early stopping on validation.

use rand_chacha::ChaCha8Rng;

use super::batch::Prepared;
use super::config::TrainConfig;
use super::loss::Losses;
use super::network::Network;
use super::optimiser::{Adam, Group};
use super::schedule::{Stage, schedule};
use crate::error::Result;
use crate::parallel::Crew;

/// The optimiser of the variables that a stage learns.
fn optimiser(network: &Network, stage: Stage, config: &TrainConfig) -> Result<Adam> {
    let groups = network.groups();
    let (lr, metric_lr) = (stage.learning_rate(config), config.metric.learning_rate);
    let group = |variables, learning_rate, decay| Group { variables, learning_rate, decay };
    let mut all = vec![
        group(groups.pathway, lr, config.regularisation.weight_decay),
        group(groups.pathway_free, lr, 0.0),
    ];
    if stage == Stage::Metric {
        all.push(group(groups.metric, metric_lr, config.metric.weight_decay));
        // Scales are of the order of ten where matrix entries are of the order of one tenth.
        all.push(group(groups.metric_free, 10.0 * metric_lr, 0.0));
    }
    Ok(Adam::new(all)?)
}

/// How many epochs a stage has run, and after which of them its parameters were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) epochs: usize,
    pub(crate) kept: usize,
}

/// What a stage runs on.
pub(crate) struct Work<'a> {
    pub(crate) stage: Stage,
    pub(crate) network: &'a Network,
    pub(crate) rows: &'a Prepared<'a>,
    pub(crate) config: &'a TrainConfig,
    /// Most epochs that are run of the schedule.
    pub(crate) limit: Option<usize>,
    /// Whether the parameters that it starts from are kept where no epoch does better.
    pub(crate) earns: bool,
    pub(crate) crew: &'a Crew,
}

/// Runs a stage and leaves the best averaged parameters in the network.
///
/// `validate` gets the epoch, 0 before the first, and the mean loss, sees the averaged parameters in the network and returns
/// a score of which more is better. Where it returns `None` there is nothing to choose by: the stage runs for `limit` epochs
/// of its schedule and keeps the last parameters.
pub(crate) fn run(
    work: &Work<'_>,
    rng: &mut ChaCha8Rng,
    validate: &mut dyn FnMut(usize, f64) -> Result<Option<f64>>,
) -> Result<Ran> {
    let Work { stage, network, rows, config, limit, earns, crew } = *work;
    let epochs = stage.epochs(config, rows.len());
    let patience = config.steps.patience.max(epochs / 4);
    let mut optimiser = optimiser(network, stage, config)?;
    let mut best: Option<(f64, usize, Vec<Vec<f32>>)> = None;
    if earns
        && epochs > 0
        && let Some(score) = validate(0, 0.0)?
    {
        best = Some((score, 0, optimiser.values()?));
    }
    let mut done = 0;
    for epoch in 0..limit.unwrap_or(epochs).min(epochs) {
        let batches = rows.batches(config.batch_for(rows.len()), rng);
        let mut sum = 0.0;
        for (at, batch) in batches.iter().enumerate() {
            let losses = Losses { stage, network, rows, config, crew };
            let Some((loss, passes)) = losses.of(batch, rng)? else {
                continue;
            };
            sum += f64::from(loss.to_scalar::<f32>()?);
            let progress = (epoch * batches.len() + at) as f64 / (epochs * batches.len()) as f64;
            let mut gradients = loss.backward()?;
            network.backward(&mut gradients, &passes, crew)?;
            optimiser.step(&gradients, schedule(progress), config.steps.average, crew)?;
        }
        done = epoch + 1;
        optimiser.swap()?;
        let score = validate(done, sum / batches.len().max(1) as f64)?;
        if best.as_ref().is_none_or(|best| score.is_none_or(|score| score > best.0)) {
            best = Some((score.unwrap_or(0.0), done, optimiser.values()?));
        }
        optimiser.swap()?;
        if best.as_ref().is_some_and(|best| done - best.1 >= patience) {
            break;
        }
    }
    let mut kept = 0;
    if let Some((_, epoch, values)) = best {
        optimiser.set(&values)?;
        kept = epoch;
    }
    Ok(Ran { epochs: done, kept })
}
