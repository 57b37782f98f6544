//! Training from data to bundle: split, standardise, three stages, shrink, calibrate.

use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::batch::Prepared;
use super::calibrate::{calibrations, posterior_calibrations};
use super::config::{Refit, TrainConfig};
use super::graded::Graded;
use super::network::{Exported, Network};
use super::priors;
use super::scaling::scaling;
use super::select::selection_score;
use super::shrink::{self, ClassShares};
use super::split::{Fold, folds};
use super::stage::{self, Stage};
use crate::corpus::Split;
use crate::data::{Items, TrainingData};
use crate::error::{Error, ErrorCode, Result};
use crate::eval::{Measures, measure};
use crate::media::Fingerprint;
use crate::model::{Bundle, ClassNames, MediaConfig, MetricNetwork, Target};
use crate::parallel as workers;

/// Where training stands, after each epoch of each run; runs on different folds go on side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 0: the runs on folds, and then the one over all train rows, where there is one.
    pub run: usize,
    /// Runs on folds.
    pub runs: usize,
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
/// Without rows marked `val` several validation splits are drawn from the train rows, such that near-duplicates and groups
/// stay on one side. Each gets a model that has not seen it, one per core at a time. They set the numbers of epochs, what
/// [`TrainConfig`] leaves to validation, and the calibration; then a last run learns from all train rows (see
/// [`TrainConfig::refit`]). Stages are reported as the mean over the splits. Rows marked `test` are never read. The same
/// data, configuration, machine, build and number of threads give the same bundle, byte for byte.
///
/// # Errors
/// [`ErrorCode::BadDimension`], [`ErrorCode::BadArgument`], [`ErrorCode::NotFinite`] and [`ErrorCode::BadValue`] for
/// data that do not fit together, [`ErrorCode::Empty`] without train rows, [`ErrorCode::TooFewData`] where there is
/// nothing to learn from: fewer than two rows, one media type without classes, one class only, or no row with two media types.
pub fn train(
    data: &TrainingData,
    config: &TrainConfig,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Trained> {
    config.check()?;
    data.check_shapes()?;
    learn(None, data, config, progress)
}

/// As [`train`], of data and settings that are checked; a `start` that they fit goes through the last stage alone.
pub(crate) fn learn(
    start: Option<&Bundle>,
    data: &TrainingData,
    config: &TrainConfig,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Trained> {
    data.check_graded()?;
    let train_rows = data.rows_of(Split::Train);
    check_rows(data, train_rows.len())?;
    let learned = [train_rows, data.rows_of(Split::Val)].concat();
    data.check_finite(&learned)?;
    let classes = match start {
        None => data.class_count(&learned)?,
        Some(start) => super::from::classes(start, data, &learned)?,
    };
    let folds = folds(data, config);
    for fold in &folds {
        check_enough(data, &fold.fit)?;
    }
    if classes == 0 && config.default_target == Some(Target::Class) {
        return Err(Error::new(ErrorCode::BadArgument, "the default target `class` needs classes")
            .hint("name the key that holds the class with --label, or leave `default_target` out"));
    }

    let stages = if start.is_some() { &[Stage::Metric][..] } else { &Stage::ALL[..] };
    let run = Run { start, stages, data, config, classes, runs: folds.len(), progress };
    let numbered: Vec<(usize, &Fold)> = folds.iter().enumerate().collect();
    let ends: Vec<End> =
        workers::map(&numbered, |&(at, fold)| run.fold(at, fold)).into_iter().collect::<Result<_>>()?;
    let (mut models, mut reports, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for (end, fold) in ends.into_iter().zip(&folds) {
        models.push((end.bundle, fold.validation.clone()));
        reports.push(end.reports);
        kept.push(end.kept);
    }
    let shares = ClassShares::of(data, classes);
    let by_classes = if classes > 0 { Target::Class } else { Target::Pair };
    let whole = taught(data, config).then(|| config.default_target.unwrap_or(by_classes));
    let choice = shrink::choose(&models, data, &shares, whole)?;
    models.iter_mut().for_each(|(bundle, _)| shrink::apply(bundle, &choice, &shares));
    let items: Vec<Items<'_>> =
        models.iter().map(|(bundle, rows)| Items::new(bundle, data, rows)).collect::<Result<_>>()?;
    for (reports, items) in reports.iter_mut().zip(&items) {
        if let Some(last) = reports.last_mut() {
            last.validation = measure(items, data);
        }
    }
    let stages = mean_reports(&reports);
    let fits = calibrations(&items, data);
    let posterior_fits = posterior_calibrations(&items, data);
    drop(items);
    let drawn = data.split.iter().all(|split| *split != Split::Val);
    let mut bundle = if config.refit == Refit::All && drawn && !models[0].1.is_empty() {
        let all = data.rows_of(Split::Train);
        let limits = (0..run.stages.len()).map(|stage| mean_epoch(&kept, stage)).collect();
        let finished = run.stages(models.len(), &all, &[], Some(limits))?;
        let mut bundle = export(&finished.network, data, classes, config)?;
        shrink::apply(&mut bundle, &choice, &shares);
        bundle
    } else {
        models.swap_remove(0).0
    };
    for (head, fit) in bundle.metric.heads.iter_mut().zip(fits) {
        head.calibration = fit;
    }
    bundle.posterior_fits = posterior_fits;
    let bundle = match start {
        None => bundle.sealed(),
        Some(start) => super::from::adopt(start, bundle)?,
    };
    check_finite_parameters(&bundle)?;
    Ok(Trained { bundle, stages })
}

/// Whether graded pairs are learned from.
fn taught(data: &TrainingData, config: &TrainConfig) -> bool {
    config.graded_weight > 0.0 && !Graded::new(data, &data.rows_of(Split::Train)).is_empty()
}

/// The epoch that the models kept after a stage, on average.
fn mean_epoch(kept: &[Vec<usize>], stage: usize) -> usize {
    let sum: usize = kept.iter().map(|kept| kept[stage]).sum();
    (sum + kept.len() / 2) / kept.len().max(1)
}

/// Per stage the mean over the models: epochs, seconds and measures.
fn mean_reports(all: &[Vec<StageReport>]) -> Vec<StageReport> {
    let stages = all.first().map_or(0, Vec::len);
    let mean = |stage: usize| {
        let reports: Vec<&StageReport> = all.iter().map(|reports| &reports[stage]).collect();
        let measures: Vec<Measures> = reports.iter().map(|report| report.validation.clone()).collect();
        let n = reports.len();
        Some(StageReport {
            name: reports.first()?.name,
            epochs: (reports.iter().map(|report| report.epochs).sum::<usize>() + n / 2) / n,
            seconds: reports.iter().map(|report| report.seconds).sum::<f64>() / n as f64,
            validation: Measures::mean(&measures)?,
        })
    };
    (0..stages).filter_map(mean).collect()
}

/// What the runs of the stages over different rows share.
struct Run<'a> {
    /// What networks start from, instead of random ones.
    start: Option<&'a Bundle>,
    stages: &'a [Stage],
    data: &'a TrainingData,
    config: &'a TrainConfig,
    classes: usize,
    /// Runs on folds; one over all rows may follow.
    runs: usize,
    progress: &'a (dyn Fn(&Progress) + Sync),
}

/// A run of the stages.
struct Finished {
    network: Network,
    reports: Vec<StageReport>,
    /// Per stage, the epoch whose parameters were kept.
    kept: Vec<usize>,
}

/// What is left of a run on a fold.
struct End {
    bundle: Bundle,
    reports: Vec<StageReport>,
    kept: Vec<usize>,
}

impl Run<'_> {
    fn fold(&self, at: usize, fold: &Fold) -> Result<End> {
        let Finished { network, reports, kept } = self.stages(at, &fold.fit, &fold.validation, None)?;
        Ok(End { bundle: export(&network, self.data, self.classes, self.config)?, reports, kept })
    }

    /// Trains a new network on the rows `fit`, on one core; `limits` cuts each stage at an epoch of its schedule.
    fn stages(
        &self,
        at: usize,
        fit: &[usize],
        validation: &[usize],
        limits: Option<Vec<usize>>,
    ) -> Result<Finished> {
        workers::alone(|| self.stages_alone(at, fit, validation, limits))
    }

    fn stages_alone(
        &self,
        at: usize,
        fit: &[usize],
        validation: &[usize],
        limits: Option<Vec<usize>>,
    ) -> Result<Finished> {
        let Self { start, stages, data, config, classes, runs, progress } = *self;
        // Runs differ in where they start, too.
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        rng.set_stream(at as u64);
        // Of all train rows in every run, so that one choice fits all of them.
        let weights = priors::weights(data, &data.rows_of(Split::Train), classes, priors::START);
        let network = match start {
            Some(start) => Network::warm(start, &weights, config)?,
            None => {
                let scalings = data.media.iter().map(|media| scaling(media, fit)).collect();
                Network::new(scalings, &weights, config, &mut rng)?
            }
        };
        let taught = taught(data, config);
        let rows = Prepared::new(data, fit, |m, x, out| network.pathways[m].standardise(x, out));
        let (mut reports, mut kept) = (Vec::new(), Vec::new());
        for (number, stage) in stages.iter().copied().enumerate() {
            let begun = Instant::now();
            let limit = limits.as_ref().map(|limits| limits[number]);
            let epochs = limit.unwrap_or_else(|| stage.epochs(config, fit.len()));
            let mut validate = |epoch: usize, loss: f64| -> Result<Option<f64>> {
                let score = if validation.is_empty() {
                    None
                } else {
                    let bundle = network_alone(&network, data, classes, config)?;
                    let project = |m: usize, features: &[f32]| Ok(network.pathways[m].project(features)?);
                    selection_score(&Items::projected(&bundle, data, validation, &project)?, data, stage)
                };
                progress(&Progress { run: at, runs, stage: stage.name(), epoch, epochs, loss, score });
                // Labels cannot tell what graded pairs are to change: the stage that learns them runs to its end.
                Ok(score.filter(|_| !(taught && stage == Stage::Metric)))
            };
            let ran = stage::run(stage, &network, &rows, config, limit, &mut rng, &mut validate)?;
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
        Ok(Finished { network, reports, kept })
    }
}

/// Refuses data of which nothing can be learned, whatever the features are.
fn check_rows(data: &TrainingData, train: usize) -> Result<()> {
    let of = |split: Split| data.rows_of(split).len();
    let got = || format!("{train} train, {} val and {} test rows", of(Split::Val), of(Split::Test));
    if train == 0 {
        return Err(Error::new(ErrorCode::Empty, "no row is marked as train")
            .expected("at least 2 rows to learn from")
            .got(got())
            .hint("check the test mask or the `split` key"));
    }
    if train < 2 {
        return Err(Error::new(ErrorCode::TooFewData, "there are fewer than two rows to learn from")
            .expected("at least 2")
            .got(got())
            .hint("give more documents of the split train"));
    }
    // Graded pairs say what is alike even where nothing else does.
    if let ([only], None, true) = (data.media.as_slice(), &data.labels, data.graded.is_empty()) {
        let what = format!(
            "there is nothing to learn from: all items are of the media type `{}`, and no label is named",
            only.name
        );
        return Err(Error::new(ErrorCode::TooFewData, what)
            .expected("items of two media types in a row, or a class for each row")
            .got(got())
            .hint("name the key that holds the class as the label, or give texts and pictures of the same documents"));
    }
    Ok(())
}

fn check_enough(data: &TrainingData, fit: &[usize]) -> Result<()> {
    for media in &data.media {
        let present = fit.iter().filter(|&&row| media.present[row]).count();
        if present < 2 {
            return Err(Error::new(
                ErrorCode::TooFewData,
                format!("fewer than two train rows have an item of `{}`", media.name),
            )
            .expected("at least 2")
            .got(present));
        }
    }
    let items = |row: usize| data.media.iter().filter(|media| media.present[row]).count();
    if data.media.len() > 1 && !fit.iter().any(|&row| items(row) > 1) {
        return Err(Error::new(ErrorCode::TooFewData, "no train row has items of two media types")
            .expected("rows that pair them"));
    }
    Ok(())
}

/// The metric network as a bundle that cannot project: what scores need, without copies of the pathways.
fn network_alone(
    network: &Network,
    data: &TrainingData,
    classes: usize,
    config: &TrainConfig,
) -> Result<Bundle> {
    bundle(network.export_metric()?, network, data, classes, config)
}

/// The network as a bundle without calibration.
fn export(network: &Network, data: &TrainingData, classes: usize, config: &TrainConfig) -> Result<Bundle> {
    bundle(network.export()?, network, data, classes, config)
}

fn bundle(
    exported: Exported,
    network: &Network,
    data: &TrainingData,
    classes: usize,
    config: &TrainConfig,
) -> Result<Bundle> {
    let Exported { pathways, halves, heads } = exported;
    let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
    Ok(Bundle {
        media: data
            .media
            .iter()
            .enumerate()
            .map(|(m, media)| MediaConfig {
                name: media.name.clone(),
                encoder: media.encoder.clone(),
                features: media.d_in,
                state: media.encoder_state.len(),
                roots: pathways.get(m).is_some_and(|pathway| pathway.roots),
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
        posterior_fits: Vec::new(),
        fusion: None,
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
