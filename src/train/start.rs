//! A warm start: a trained bundle learns further, from feedback or from more rows.

use super::config::TrainConfig;
use crate::data::TrainingData;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::model::{Bundle, Calibration};

/// The settings that `data` are learned with from `start` on, which they must fit.
///
/// # Errors
/// [`ErrorCode::UnknownMedia`] and [`ErrorCode::BadDimension`] for other media types or widths,
/// [`ErrorCode::SpaceMismatch`] for other encoders, [`ErrorCode::BadArgument`] where the hidden layers do not fit.
pub(crate) fn settings(start: &Bundle, data: &TrainingData, mut config: TrainConfig) -> Result<TrainConfig> {
    data.check_fits(start).map_err(|error| {
        let what = "give a source with the media types and encoders of the bundle, or train anew without";
        error.hint(Hint::new(what).setting(Setting::From))
    })?;
    check_encoders(start, data)?;
    if start.posterior_scale.to_bits() != 1.0f32.to_bits() {
        return Err(Error::new(
            ErrorCode::BadArgument,
            "the posteriors of the bundle are scaled, which nothing trains",
        )
        .expected(1.0)
        .got(start.posterior_scale)
        .hint(Hint::new("train anew without").setting(Setting::From)));
    }
    if is_frozen(start) {
        config = over_settled(config);
    } else {
        config.model.members = members(start, &config)?;
    }
    config.default_target = config.default_target.or(Some(start.default_target));
    Ok(config)
}

/// What the rate of a metric network is taken by that learns alone: no pathway moves toward it.
const ALONE: f64 = 10.0;

/// `config` for a metric stage over pathways that stay.
pub(crate) fn over_settled(mut config: TrainConfig) -> TrainConfig {
    config.model.members = 0;
    config.metric.learning_rate = (ALONE * config.metric.learning_rate).min(1.0);
    config
}

fn check_encoders(start: &Bundle, data: &TrainingData) -> Result<()> {
    for ((media, config), state) in data.media.iter().zip(&start.media).zip(&start.encoder_states) {
        let mismatch = |expected: String, got: String| {
            let what =
                format!("the features of `{}` were made by another encoder than the bundle's", media.name);
            Err(Error::new(ErrorCode::SpaceMismatch, what).expected(expected).got(got).hint(
                Hint::new("name the bundle's encoder with")
                    .given(Setting::Encoder, "MEDIA=NAME_OR_DIR")
                    .text(", or train anew without")
                    .setting(Setting::From),
            ))
        };
        if let (Some(wanted), Some(found)) = (config.fingerprint, media.fingerprint)
            && wanted != found
        {
            return mismatch(wanted.to_string(), found.to_string());
        }
        if !media.encoder_state.is_empty() && media.encoder_state != *state {
            return mismatch(
                "what its encoder has learned".to_owned(),
                "what another one has learned".to_owned(),
            );
        }
    }
    Ok(())
}

/// Whether the pathways of `start` stay as they are: those with a kernel member, which is fitted at once or not at all, and those
/// whose unit parts are anchors of a hub term.
pub(crate) fn is_frozen(start: &Bundle) -> bool {
    !start.metric.hubs.is_empty() || start.pathways.iter().any(|pathway| pathway.kernel.is_some())
}

/// How many members the hidden layers of `start` are shared out to.
fn members(start: &Bundle, config: &TrainConfig) -> Result<usize> {
    let deep = || start.pathways.iter().filter_map(|pathway| pathway.deep.as_ref());
    let widths = || deep().map(|deep| deep.hidden_bias.len());
    if let Some(width) =
        widths().find(|width| width % config.model.hidden != 0 || Some(*width) != widths().next())
    {
        return Err(Error::new(
            ErrorCode::BadArgument,
            "the hidden layers of the bundle do not fit the settings",
        )
        .expected(format!("hidden layers of a multiple of `hidden`, {}", config.model.hidden))
        .got(width)
        .hint(
            Hint::new("give a")
                .setting(Setting::Config)
                .text(format_args!(" with `hidden` as the bundle was trained with; it divides {width}")),
        ));
    }
    Ok(widths().next().unwrap_or(config.model.hidden) / config.model.hidden)
}

/// The number of classes of `start`, which the rows that are learned from must fit.
pub(crate) fn classes(start: &Bundle, data: &TrainingData, learned: &[usize]) -> Result<usize> {
    let count = data.class_count(learned)?;
    match (&start.classes, &data.labels) {
        (None, None) => Ok(0),
        (Some(classes), None) => Err(Error::new(
            ErrorCode::BadArgument,
            "the bundle was trained with classes, and the data have none",
        )
        .hint(
            Hint::new("name the key that holds the class with")
                .setting(Setting::Label)
                .text(format_args!("; the bundle's was {:?}", classes.key)),
        )),
        (None, Some(_)) => Err(Error::new(
            ErrorCode::BadArgument,
            "the bundle was trained without classes, and the data have some",
        )
        .hint(
            Hint::new("leave")
                .setting(Setting::Label)
                .text(" out, or train anew without")
                .setting(Setting::From),
        )),
        (Some(classes), Some(labels)) => {
            let differ = |expected: String, got: String| {
                Err(Error::new(
                    ErrorCode::BadValue,
                    format!("the classes in `{}` are not the bundle's", labels.key),
                )
                .expected(expected)
                .got(got)
                .hint(
                    Hint::new("give rows of the bundle's classes, or train anew without")
                        .setting(Setting::From),
                ))
            };
            if let (Some(wanted), Some(found)) = (&classes.names, &labels.names)
                && wanted != found
            {
                return differ(wanted.join(", "), found.join(", "));
            }
            if count > classes.count {
                return differ(format!("{} classes", classes.count), count.to_string());
            }
            Ok(classes.count)
        }
    }
}

/// Gives the finished `bundle` what it keeps of `start`.
pub(crate) fn adopt(start: &Bundle, mut bundle: Bundle) -> Result<Bundle> {
    bundle.media.clone_from(&start.media);
    bundle.encoder_states.clone_from(&start.encoder_states);
    bundle.classes.clone_from(&start.classes);
    let had = start.metric.heads.iter().flat_map(|head| head.calibration).flatten().next();
    match had.as_ref().and_then(Calibration::given_prior) {
        Some(prior) => bundle.with_prior(prior),
        None => Ok(bundle.sealed()),
    }
}
