//! A warm start: a trained bundle learns further, from feedback or from more rows.

use super::config::TrainConfig;
use super::run::{Progress, Trained, learn};
use crate::data::TrainingData;
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Bundle, Calibration};

/// Trains `start` further on `data`: all its parameters go through the metric stage, with all losses.
///
/// A learned fusion of `start` is left behind: the logits that it was learned on are no more.
///
/// What is learned from, held out and calibrated on is as in [`train`](super::run::train), but the parameters start at the
/// bundle's, and its encoder states, scaling, classes, default target and prior stay. So do its sizes: of `config`,
/// [`TrainConfig::dim`], [`TrainConfig::half`] and [`TrainConfig::head`] do not count, and `members` only where
/// `members * hidden` is the width of the bundle's hidden layers; else there are as many members as `hidden` goes into it.
///
/// Where `data` hold rows that the bundle was trained on, validation splits drawn from them are not unseen: they still
/// stop training and set the calibration, but both see these rows too favourably. Mark held-out rows as `val` to get
/// honest ones. With graded pairs to learn from, validation does not stop the stage, since labels cannot tell what these are
/// to change.
///
/// # Errors
/// Those of [`train`](super::run::train); [`ErrorCode::UnknownMedia`] and [`ErrorCode::BadDimension`] where the media types or
/// widths differ from the bundle's, [`ErrorCode::SpaceMismatch`] where other encoders made the features,
/// [`ErrorCode::BadValue`] where the classes differ, [`ErrorCode::BadArgument`] where one of the two has no classes, or
/// `hidden` does not divide the hidden layers.
pub fn train_from(
    start: &Bundle,
    data: &TrainingData,
    config: &TrainConfig,
    progress: &(dyn Fn(&Progress) + Sync),
) -> Result<Trained> {
    config.check()?;
    data.check_shapes()?;
    data.check_fits(start).map_err(|error| {
        error.hint(
            "give a source with the media types and encoders of the bundle, or train anew without --from",
        )
    })?;
    check_encoders(start, data)?;
    let config = TrainConfig {
        members: members(start, config)?,
        default_target: config.default_target.or(Some(start.default_target)),
        ..config.clone()
    };
    learn(Some(start), data, &config, progress)
}

fn check_encoders(start: &Bundle, data: &TrainingData) -> Result<()> {
    for ((media, config), state) in data.media.iter().zip(&start.media).zip(&start.encoder_states) {
        let mismatch = |expected: String, got: String| {
            let what =
                format!("the features of `{}` were made by another encoder than the bundle's", media.name);
            Err(Error::new(ErrorCode::SpaceMismatch, what).expected(expected).got(got).hint(
                "name the bundle's encoder with --encoder MEDIA=NAME_OR_DIR, or train anew without --from",
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

/// How many members the hidden layers of `start` are shared out to.
fn members(start: &Bundle, config: &TrainConfig) -> Result<usize> {
    let widths = || start.pathways.iter().map(|pathway| pathway.hidden_bias.len());
    if let Some(width) = widths().find(|width| width % config.hidden != 0 || Some(*width) != widths().next())
    {
        return Err(Error::new(
            ErrorCode::BadArgument,
            "the hidden layers of the bundle do not fit the settings",
        )
        .expected(format!("hidden layers of a multiple of `hidden`, {}", config.hidden))
        .got(width)
        .hint(format!("give a --config with `hidden` as the bundle was trained with; it divides {width}")));
    }
    if start.posterior_scale.to_bits() != 1.0f32.to_bits() {
        return Err(Error::new(
            ErrorCode::BadArgument,
            "the posteriors of the bundle are scaled, which nothing trains",
        )
        .expected(1.0)
        .got(start.posterior_scale)
        .hint("train anew without --from"));
    }
    Ok(widths().next().unwrap_or(config.hidden) / config.hidden)
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
        .hint(format!("name the key that holds the class with --label; the bundle's was {:?}", classes.key))),
        (None, Some(_)) => Err(Error::new(
            ErrorCode::BadArgument,
            "the bundle was trained without classes, and the data have some",
        )
        .hint("leave --label out, or train anew without --from")),
        (Some(classes), Some(labels)) => {
            let differ = |expected: String, got: String| {
                Err(Error::new(
                    ErrorCode::BadValue,
                    format!("the classes in `{}` are not the bundle's", labels.key),
                )
                .expected(expected)
                .got(got)
                .hint("give rows of the bundle's classes, or train anew without --from"))
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
    match had {
        Some(Calibration { prior, .. }) => bundle.with_prior(prior),
        None => Ok(bundle.sealed()),
    }
}
