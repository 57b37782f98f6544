//! Training from data to bundle: split, three stages on each fold, shrink, calibrate.

use super::calibrate::{Held, calibrations, posterior_calibrations};
use super::check::{check_enough, check_finite_parameters, check_rows};
use super::config::{HeadForm, Refit, TrainConfig};
use super::finish::shrink::{self, ClassShares};
use super::finish::teach::Lesson;
use super::finish::{blend, hidden, hub, sample};
use super::graded::taught;
use super::kernel::{self, Given};
use super::members::plan::{Deep, Plan};
use super::report::{DeepMembers, Progress, StageReport, mean_reports};
use super::run::Run;
use super::schedule::Stage;
use super::split::{Fold, folds};
use super::start;
use crate::corpus::Split;
use crate::data::TrainingData;
use crate::error::{Error, ErrorCode, Result};
use crate::eval::{Measures, measure};
use crate::hint::{Hint, Setting};
use crate::model::{Bundle, Target};

/// The result of training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trained {
    /// The model.
    pub bundle: Bundle,
    /// One report per stage.
    pub stages: Vec<StageReport>,
    /// What came of the deep members beside kernel members; `None` where these are not both trained.
    pub deep: Option<DeepMembers>,
}

/// Trains a model on the rows marked `train`, stopped and calibrated on those marked `val`, of more than 4,096 on a draw.
///
/// Without rows marked `val` several validation splits are drawn from the train rows, such that near-duplicates and groups
/// stay on one side; of large data one, whose model is kept (see [`TrainConfig::for_rows`]). Each gets a model that has not
/// seen it, one per core at a time; a run that is alone shares its work out to all cores. Deep members beside kernel members are
/// tried on the first split for a part of their epochs, unless graded pairs teach them. Of several splits that is an eighth of every stage, and
/// they are left out unless they are ahead by .03 of MAP or recall; of a single one it is a quarter of the first stage, and they are
/// left out where they are behind. They are also left out where no share of theirs adds .003 over all splits. A stage after the first keeps what it
/// started from where no epoch of it does better. They set the numbers of epochs, what [`TrainConfig`] leaves to validation, and the calibration; then a last run learns from all train rows (see
/// [`SelectionConfig::refit`](super::SelectionConfig::refit)). The bundle gets sample queries, up to 256 shared vectors of train rows
/// and of means of some for each media type (see [`Bundle::samples`]). Stages are reported as the mean over the splits that they ran
/// on, the last of them with what the finished models do on all splits. Rows marked
/// `test` are never read. The same data, configuration, machine, build and number of threads give the same bundle, byte for
/// byte.
#[must_use = "nothing is trained before `run`"]
pub struct Trainer<'a> {
    data: &'a TrainingData,
    config: Option<TrainConfig>,
    start: Option<&'a Bundle>,
    progress: Box<dyn Fn(&Progress) + Sync + 'a>,
}

impl<'a> Trainer<'a> {
    /// A trainer with the settings for as many train rows as there are: [`TrainConfig::for_rows`].
    pub fn new(data: &'a TrainingData) -> Self {
        Self { data, config: None, start: None, progress: Box::new(|_| {}) }
    }

    /// Sets all settings.
    pub fn config(mut self, config: TrainConfig) -> Self {
        self.config = Some(config);
        self
    }

    /// Trains `bundle` further: all its parameters go through the metric stage, with all losses.
    ///
    /// A learned fusion of `bundle` is left behind: the logits that it was learned on are no more.
    ///
    /// What is learned from, held out and calibrated on is as without it, but the parameters start at the bundle's, and its
    /// encoder states, scaling, classes, default target and prior stay. So do its sizes: of
    /// [`TrainConfig::model`], `dim`, `item_half` and `head` do not count, and `members` only where `members * hidden` is
    /// the width of the bundle's hidden layers; else there are as many members as `hidden` goes into it.
    ///
    /// The pathways of a bundle with kernel members stay as they are, with their landmarks, and so do its anchors and sample queries:
    /// the metric network alone learns. Where that has no hidden layer, the `space` fingerprint stays, and an index needs no rebuild.
    ///
    /// Where the data hold rows that the bundle was trained on, validation splits drawn from them are not unseen: they still
    /// stop training and set the calibration, but both see these rows too favourably. Mark held-out rows as `val` to get
    /// honest ones. With graded pairs to learn from, validation does not stop the stage, since labels cannot tell what these
    /// are to change.
    pub fn from(mut self, bundle: &'a Bundle) -> Self {
        self.start = Some(bundle);
        self
    }

    /// Is called after each epoch of each run; runs on different folds go on side by side.
    pub fn progress(mut self, hear: impl Fn(&Progress) + Sync + 'a) -> Self {
        self.progress = Box::new(hear);
        self
    }

    /// Trains.
    ///
    /// # Errors
    /// [`ErrorCode::BadDimension`], [`ErrorCode::BadArgument`], [`ErrorCode::NotFinite`] and [`ErrorCode::BadValue`] for
    /// data that do not fit together, [`ErrorCode::Empty`] without train rows, [`ErrorCode::TooFewData`] where there is
    /// nothing to learn from: fewer than two rows, one media type without classes, one class only, or no row with two media
    /// types; [`ErrorCode::Changed`] where a features file was changed meanwhile.
    ///
    /// From a bundle: [`ErrorCode::UnknownMedia`] and [`ErrorCode::BadDimension`] where the media types or widths differ
    /// from the bundle's, [`ErrorCode::SpaceMismatch`] where other encoders made the features, [`ErrorCode::BadValue`]
    /// where the classes differ, [`ErrorCode::BadArgument`] where one of the two has no classes, or `hidden` does not divide
    /// the hidden layers.
    pub fn run(self) -> Result<Trained> {
        let Self { data, config, start, progress } = self;
        data.check_shapes()?;
        let config = config.unwrap_or_else(|| TrainConfig::for_rows(data.rows_of(Split::Train).len()));
        config.check()?;
        let config = match start {
            None => config,
            Some(start) => start::settings(start, data, config)?,
        };
        data.check_graded()?;
        let train_rows = data.rows_of(Split::Train);
        check_rows(data, train_rows.len())?;
        let learned = [train_rows, data.rows_of(Split::Val)].concat();
        data.check_finite(&learned)?;
        let classes = match start {
            None => data.class_count(&learned)?,
            Some(start) => start::classes(start, data, &learned)?,
        };
        let folds = folds(data, &config);
        data.whole(Ok(()))?;
        for fold in &folds {
            check_enough(data, &fold.fit)?;
        }
        if classes == 0 && config.default_target == Some(Target::Class) {
            return Err(Error::new(ErrorCode::BadArgument, "the default target `class` needs classes").hint(
                Hint::new("name the key that holds the class with")
                    .setting(Setting::Label)
                    .text(", or leave `default_target` out"),
            ));
        }
        let stages = if start.is_some() { &[Stage::Metric][..] } else { &Stage::ALL[..] };
        let run = Run {
            start,
            stages,
            data,
            config: &config,
            classes,
            runs: folds.len(),
            threads: rayon::current_num_threads(),
            progress: progress.as_ref(),
        };
        data.whole(learn(&run, &folds))
    }
}

/// Runs on all folds, and what they choose together.
fn learn(run: &Run<'_>, folds: &[Fold]) -> Result<Trained> {
    let Run { start, data, config, classes, .. } = *run;
    let train = data.rows_of(Split::Train);
    let given = Given { data, config, classes, unit: config.unit(classes) };
    // A bundle that learns further keeps its kernel member.
    let kernels = match (config.kernel.member, start) {
        (true, None) => kernel::fit_folds(given, folds)?,
        _ => None,
    };
    let plan = Plan::new(run, kernels.as_ref())?;
    let Deep { ends, left_out } = plan.run_deep(run, kernels.as_ref(), folds, data)?;
    let tried = ends.len();
    let (mut models, mut reports, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for end in ends {
        models.push(end.bundle);
        reports.push(end.reports);
        kept.push(end.kept);
    }
    if left_out {
        models.clear();
    }
    let members = plan.members(models, kernels.as_ref(), folds, data)?;
    let mut models = members.models;
    let shares = ClassShares::of(data, classes, start);
    let by_classes = if classes > 0 { Target::Class } else { Target::Pair };
    let whole = taught(data, config).then(|| config.default_target.unwrap_or(by_classes));
    let lesson = (whole.is_some() && kernels.is_some()).then(|| Lesson::new(config));
    let mut lesson_kept = Vec::new();
    if let Some(lesson) = &lesson {
        let taught = lesson.folds(run, models, folds)?;
        (models, lesson_kept) = (taught.models, taught.kept);
        reports.resize(taught.reports.len(), Vec::new());
        for (reports, last) in reports.iter_mut().zip(taught.reports) {
            reports.pop();
            reports.extend(last);
        }
    }
    let settled = start.is_some_and(start::is_frozen);
    let choice = shrink::choose(&models, data, &shares, whole, settled)?;
    models.iter_mut().for_each(|(bundle, _)| shrink::apply(bundle, &choice, &shares));
    // The head of the paper has its hidden layer alone. A bundle that learns further keeps the weight it has, as a part of what `shrink` scales.
    let bilinear_anew = config.model.head == HeadForm::Bilinear && start.is_none();
    // Labels cannot tell what graded pairs have taught the class, and might undo it.
    let blended = match bilinear_anew && whole != Some(Target::Class) {
        true => blend::choose(&models, data)?,
        false => 0.0,
    };
    models.iter_mut().for_each(|(bundle, _)| blend::apply(bundle, blended));
    let bare = bilinear_anew && whole.is_none() && !hidden::pays(&models, data)?;
    if bare {
        models.iter_mut().for_each(|(bundle, _)| *bundle = hidden::without(bundle));
    }
    let hub = match config.kernel.hub && start.is_none() {
        true => {
            let of_folds: Vec<hub::Fold<'_>> = models
                .iter()
                .zip(folds)
                .map(|((bundle, held), fold)| (bundle, &fold.fit[..], &held[..]))
                .collect();
            hub::choose_weight(&of_folds, data)?
        }
        false => 0.0,
    };
    for ((bundle, _), fold) in models.iter_mut().zip(folds).filter(|_| start.is_none()) {
        *bundle = hub::with_hub(bundle, data, &fold.fit, hub)?;
    }
    let held: Vec<Held<'_>> = models
        .iter()
        .zip(folds)
        .map(|((bundle, rows), fold)| Held::new(bundle, data, rows, &fold.fit, folds.len()))
        .collect::<Result<_>>()?;
    let mut stages = mean_reports(&reports);
    if let Some(last) = stages.last_mut() {
        let measures: Vec<Measures> = held.iter().map(|held| measure(&held.items, data)).collect();
        last.validation = Measures::mean(&measures).unwrap_or_else(|| last.validation.clone());
    }
    let fits = calibrations(&held, data);
    let posterior_fits = posterior_calibrations(&held, data);
    drop(held);
    let drawn = data.split.iter().all(|split| *split != Split::Val);
    let beside = plan.deep && kernels.is_some();
    let mut bundle = if config.selection.refit == Refit::All && drawn && !models[0].1.is_empty() {
        let deep = Run { config: &plan.config, ..*run };
        let whole = if members.deep { Some(deep.whole(&kept)?) } else { None };
        let of_kernels = match kernels {
            Some(fitted) => kernel::fit(given, &fitted.settings, &train)?,
            None => None,
        };
        let mut bundle = plan.join(whole, of_kernels, members.shares, run)?;
        if let Some(lesson) = &lesson {
            bundle = lesson.whole(run, &bundle, &lesson_kept)?;
        }
        shrink::apply(&mut bundle, &choice, &shares);
        blend::apply(&mut bundle, blended);
        if bare {
            bundle = hidden::without(&bundle);
        }
        if start.is_none() {
            bundle = hub::with_hub(&bundle, data, &train, hub)?;
        }
        bundle
    } else {
        models.swap_remove(0).0
    };
    for (head, fit) in bundle.metric.heads.iter_mut().zip(fits) {
        head.calibration = fit;
    }
    bundle.posterior_fits = posterior_fits;
    sample::give(&mut bundle, start, data, config.seed)?;
    let bundle = match start {
        None => bundle.sealed(),
        Some(start) => start::adopt(start, bundle)?,
    };
    check_finite_parameters(&bundle)?;
    let kept = (0..bundle.media().len()).any(|m| bundle.members(m).hidden > 0);
    let deep = beside.then_some(DeepMembers { tried, splits: folds.len(), kept });
    Ok(Trained { bundle, stages, deep })
}
