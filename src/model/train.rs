//! Training from data to bundle: split, standardise, three stages, shrink, calibrate.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::batch::Prepared;
use super::bundle::{Bundle, ClassNames, MediaConfig};
use super::calibrate::calibrations;
use super::config::{Refit, TrainConfig};
use super::data::{MediaFeatures, Split, TrainingData};
use super::items::Items;
use super::measures::{Measures, measure, selection_score};
use super::metric::{MetricNetwork, Target};
use super::network::{Exported, Network};
use super::shrink;
use super::split::fit_and_validation;
use super::stage::{self, Stage};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;

/// Where training stands, after each epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// `contrastive`, `double_triplet` or `metric`.
    pub stage: &'static str,
    /// Finished epochs of the stage.
    pub epoch: usize,
    /// Most epochs of the stage.
    pub epochs: usize,
    /// Mean loss of the epoch.
    pub loss: f64,
    /// What early stopping looks at, more is better; `None` without validation rows.
    pub score: Option<f64>,
}

/// What a stage has come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// `contrastive`, `double_triplet` or `metric`.
    pub name: &'static str,
    /// Epochs that ran.
    pub epochs: usize,
    /// Wall time.
    pub seconds: f64,
    /// On the validation rows, with the parameters that the stage leaves.
    pub validation: Measures,
}

/// The result of [`train`].
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model.
    pub bundle: Bundle,
    /// One report per stage.
    pub stages: Vec<StageReport>,
}

/// Trains a model on the rows marked `train`, stopped and calibrated on those marked `val`.
///
/// Without rows marked `val` a validation split is drawn from the train rows, such that near-duplicates and groups stay
/// on one side; it sets the number of epochs and the calibration, and then a second run learns from all train rows (see
/// [`TrainConfig::refit`]). Stages are reported as validated in the first run. Rows marked `test` are never read. The same
/// data, configuration, machine, build and number of threads give the same bundle, byte for byte.
///
/// # Errors
/// [`ErrorCode::BadDimension`], [`ErrorCode::BadArgument`], [`ErrorCode::NotFinite`] and [`ErrorCode::BadValue`] for
/// data that do not fit together, [`ErrorCode::Empty`] without train rows, [`ErrorCode::TooFewData`] where there is
/// nothing to learn from: one class only, or no row with two media types.
pub fn train(data: &TrainingData, config: &TrainConfig, progress: &dyn Fn(&Progress)) -> Result<Trained> {
    config.check()?;
    data.check_shapes()?;
    let train_rows = data.rows_of(Split::Train);
    if train_rows.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no row is marked as train")
            .hint("check the test mask or the `split` key"));
    }
    let learned = [train_rows, data.rows_of(Split::Val)].concat();
    data.check_finite(&learned)?;
    let classes = data.class_count(&learned)?;
    let (fit, validation) = fit_and_validation(data, config);
    check_enough(data, &fit)?;
    if classes == 0 && config.default_target == Some(Target::Class) {
        return Err(Error::new(ErrorCode::BadArgument, "the default target `class` needs classes")
            .hint("name the key that holds the class with --label, or leave `default_target` out"));
    }

    let run = Run { data, config, classes, progress };
    let first = run.stages(&fit, &validation, None)?;
    let mut bundle = export(&first.network, data, classes, config)?;
    let shrinkage = shrink::choose(&bundle, data, &validation)?;
    shrink::apply(&mut bundle, &shrinkage);
    let mut stages = first.reports;
    if let Some(last) = stages.last_mut() {
        last.validation = measure(&Items::new(&bundle, data, &validation)?, data);
    }
    let fits = calibrations(&Items::new(&bundle, data, &validation)?, data);
    let drawn = data.split.iter().all(|split| *split != Split::Val);
    if config.refit == Refit::All && drawn && !validation.is_empty() {
        let all = data.rows_of(Split::Train);
        let limits = first.kept;
        bundle = export(&run.stages(&all, &[], Some(limits))?.network, data, classes, config)?;
        shrink::apply(&mut bundle, &shrinkage);
    }
    for (head, fit) in bundle.metric.heads.iter_mut().zip(fits) {
        head.calibration = fit;
    }
    let bundle = bundle.sealed();
    check_finite_parameters(&bundle)?;
    Ok(Trained { bundle, stages })
}

/// What the runs of the stages over different rows share.
struct Run<'a> {
    data: &'a TrainingData,
    config: &'a TrainConfig,
    classes: usize,
    progress: &'a dyn Fn(&Progress),
}

/// A run of the three stages.
struct Finished {
    network: Network,
    reports: Vec<StageReport>,
    /// Per stage, the epoch whose parameters were kept.
    kept: Vec<usize>,
}

impl Run<'_> {
    /// Trains a new network on the rows `fit`; `limits` cuts each stage at an epoch of its schedule.
    fn stages(&self, fit: &[usize], validation: &[usize], limits: Option<Vec<usize>>) -> Result<Finished> {
        let Self { data, config, classes, progress } = *self;
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let standards = data.media.iter().map(|media| standard(media, fit)).collect();
        let network = Network::new(standards, classes, config, &mut rng)?;
        let rows = Prepared::new(data, fit, |m, x, out| network.pathways[m].standardise(x, out));
        let (mut reports, mut kept) = (Vec::new(), Vec::new());
        for (at, stage) in Stage::ALL.into_iter().enumerate() {
            let start = Instant::now();
            let limit = limits.as_ref().map(|limits| limits[at]);
            let epochs = limit.unwrap_or_else(|| stage.epochs(config, fit.len()));
            let mut validate = |epoch: usize, loss: f64| -> Result<Option<f64>> {
                let score = if validation.is_empty() {
                    None
                } else {
                    let bundle = export(&network, data, classes, config)?;
                    selection_score(&Items::new(&bundle, data, validation)?, data, stage)
                };
                progress(&Progress { stage: stage.name(), epoch, epochs, loss, score });
                Ok(score)
            };
            let ran = stage::run(stage, &network, &rows, config, limit, &mut rng, &mut validate)?;
            kept.push(ran.kept);
            if limits.is_none() {
                let bundle = export(&network, data, classes, config)?;
                reports.push(StageReport {
                    name: stage.name(),
                    epochs: ran.epochs,
                    seconds: start.elapsed().as_secs_f64(),
                    validation: measure(&Items::new(&bundle, data, validation)?, data),
                });
            }
        }
        Ok(Finished { network, reports, kept })
    }
}

fn check_enough(data: &TrainingData, fit: &[usize]) -> Result<()> {
    for media in &data.media {
        if fit.iter().filter(|&&row| media.present[row]).count() < 2 {
            return Err(Error::new(
                ErrorCode::TooFewData,
                format!("fewer than two train rows have an item of `{}`", media.name),
            )
            .expected("at least 2"));
        }
    }
    let items = |row: usize| data.media.iter().filter(|media| media.present[row]).count();
    if data.media.len() > 1 && !fit.iter().any(|&row| items(row) > 1) {
        return Err(Error::new(ErrorCode::TooFewData, "no train row has items of two media types")
            .expected("rows that pair them"));
    }
    Ok(())
}

/// Mean and inverse standard deviation of the features over the rows that have them.
fn standard(media: &MediaFeatures, rows: &[usize]) -> (Vec<f32>, Vec<f32>) {
    let d = media.d_in;
    let (mut sum, mut squares, mut n) = (vec![0.0f64; d], vec![0.0f64; d], 0.0f64);
    let present = || rows.iter().filter(|&&row| media.present[row]).map(|&row| media.row(row));
    for row in present() {
        n += 1.0;
        sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let mean: Vec<f64> = sum.iter().map(|sum| sum / n).collect();
    for row in present() {
        for ((squares, x), mean) in squares.iter_mut().zip(row).zip(&mean) {
            *squares += (f64::from(*x) - mean).powi(2);
        }
    }
    let scale = squares.iter().zip(&mean).map(|(squares, mean)| {
        let deviation = (squares / n).sqrt();
        // A constant feature says nothing, and rounding must not blow it up.
        if deviation > 1e-6 * mean.abs().max(1e-30) { (1.0 / deviation).min(1e30) as f32 } else { 0.0 }
    });
    let scale = scale.collect();
    (mean.iter().map(|x| *x as f32).collect(), scale)
}

/// The network as a bundle without calibration.
fn export(network: &Network, data: &TrainingData, classes: usize, config: &TrainConfig) -> Result<Bundle> {
    let Exported { pathways, halves, heads } = network.export()?;
    let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
    Ok(Bundle {
        media: data
            .media
            .iter()
            .map(|media| MediaConfig {
                name: media.name.clone(),
                encoder: media.encoder.clone(),
                features: media.d_in,
                state: media.encoder_state.len(),
                fingerprint: media.fingerprint,
            })
            .collect(),
        classes: data.labels.as_ref().map(|labels| ClassNames {
            count: classes,
            names: labels.names.clone(),
            key: labels.key.clone(),
        }),
        default_target: config.default_target.unwrap_or(targets[0]),
        posterior_scale: 1.0,
        encoder_states: data.media.iter().map(|media| media.encoder_state.clone()).collect(),
        pathways,
        metric: MetricNetwork { dim: network.dim, half: network.half, targets, halves, heads },
        space: Fingerprint([0; 32]),
        model: Fingerprint([0; 32]),
    })
}

fn check_finite_parameters(bundle: &Bundle) -> Result<()> {
    for tensor in bundle.tensors() {
        if tensor.data.iter().any(|x| !x.is_finite()) {
            return Err(Error::new(
                ErrorCode::Tensor,
                format!("training went out of bounds: tensor `{}` is not finite", tensor.name),
            )
            .hint("lower the learning rates"));
        }
    }
    Ok(())
}
