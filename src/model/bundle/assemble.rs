//! From the two files of a bundle to a bundle, whatever they hold.

use std::collections::BTreeSet;
use std::path::Path;

use super::Bundle;
use super::samples;
use super::stored::{Config, Fingerprints, damaged};
use super::tensors::{Lazy, Reader};
use crate::error::Result;
use crate::limits::{self, BUNDLE_CLASSES, BUNDLE_MEDIA, DIM, HUB_ANCHORS};
use crate::model::calibration::Calibration;
use crate::model::floats::Floats;
use crate::model::hub::Hubs;
use crate::model::metric::{Head, MetricNetwork};
use crate::model::pathway::Pathway;

/// Refuses what would make more tensors, or larger ones, than a bundle has.
fn check_sizes(file: &Path, config: &Config) -> Result<()> {
    let media = config.media.len();
    let classes = config.classes.as_ref().map_or(0, |classes| classes.count);
    for (what, most, got, unit) in [
        ("the bundle has too many media types", BUNDLE_MEDIA, media, "media types"),
        ("the shared vectors of the bundle are too long", DIM, config.dim, "elements"),
        ("the item halves of the bundle are too long", DIM, config.half, "elements"),
        ("the bundle has too many classes", BUNDLE_CLASSES, classes, "classes"),
    ] {
        if got > most {
            return Err(limits::over(what, most, got, unit)
                .file(file)
                .hint("copy or train the bundle again"));
        }
    }
    let twice = |what: &str| damaged(file, format!("{what} stands twice in the bundle"));
    let mut seen = BTreeSet::new();
    if let Some(again) = config.media.iter().find(|media| !seen.insert(&media.name)) {
        return Err(twice(&format!("the media type `{}`", again.name)));
    }
    for (at, target) in config.targets.iter().enumerate() {
        if config.targets[..at].contains(target) {
            return Err(
                twice(&format!("the target `{}`", target.as_str())).hint("copy or train the bundle again")
            );
        }
    }
    // Each pair of media types once in either direction, for each target.
    let most = config.targets.len() * media * media;
    if config.calibration.len() > most {
        let what = "the bundle has too many calibrations";
        return Err(limits::over(what, most, config.calibration.len(), "calibrations")
            .file(file)
            .hint("copy or train the bundle again"));
    }
    Ok(())
}

/// The anchors of the hub terms, where the configuration has their temperature.
fn read_hubs(
    config_file: &Path,
    tensor_file: &Path,
    config: &Config,
    reader: &mut Reader<'_>,
) -> Result<Hubs> {
    let Some(temperature) = config.hub_temperature else { return Ok(Hubs::default()) };
    if !(temperature > 0.0 && temperature.is_finite()) {
        return Err(damaged(config_file, "the temperature of the hub terms is no number above 0"));
    }
    let unit = config.dim - config.classes.as_ref().map_or(0, |classes| classes.count);
    let mut anchors = vec![Floats::default(); config.media.len()];
    for (m, anchors) in anchors.iter_mut().enumerate() {
        let name = format!("metric.hub.{m}");
        if reader.has(&name) {
            let rows = reader.rows(&name)?;
            if rows > HUB_ANCHORS {
                let what = "a media type of the bundle has too many anchors";
                return Err(limits::over(what, HUB_ANCHORS, rows, "anchors")
                    .file(tensor_file)
                    .hint("copy or train the bundle again"));
            }
            *anchors = reader.leave(&name, &[rows, unit])?;
        }
    }
    let hubs = Hubs { unit, temperature, anchors };
    if hubs.is_empty() {
        return Err(damaged(config_file, "the hub terms have a temperature and no anchors"));
    }
    Ok(hubs)
}

/// The bundle of a configuration and the bytes of its tensors; its fingerprints are those that the file names. With `lazy` large
/// tensors are left in the file.
pub(super) fn assemble(
    config_file: &Path,
    tensor_file: &Path,
    config: Config,
    bytes: &[u8],
    lazy: Option<Lazy<'_>>,
) -> Result<Bundle> {
    let bad = |message: &str| damaged(config_file, message);
    let (d, h) = (config.dim, config.half);
    let classes = config.classes.as_ref().map_or(0, |classes| classes.count);
    check_sizes(config_file, &config)?;
    let named = config.classes.as_ref().and_then(|classes| classes.names.as_ref());
    if config.media.is_empty() || config.media.iter().any(|media| media.features == 0) {
        return Err(bad("a bundle has media types with features"));
    }
    if classes >= d || named.is_some_and(|names| names.len() != classes) {
        return Err(bad("dimension, number and names of the classes do not fit"));
    }
    if !config.targets.contains(&config.default_target) {
        return Err(bad("the default target is not among the targets"));
    }
    if config.fusion.is_some_and(|layer| !config.targets.contains(&layer.target())) {
        return Err(bad("the target of the fusion is not among the targets"));
    }
    let Some(Fingerprints { space, model }) = &config.fingerprint else {
        return Err(bad("the fingerprints are missing"));
    };
    let (space, model) = (*space, *model);
    let mut reader = Reader::new(tensor_file, bytes, lazy)?;
    let mut encoder_states = Vec::new();
    let mut pathways = Vec::new();
    let mut halves = Vec::new();
    for (m, media) in config.media.iter().enumerate() {
        let state = if media.state == 0 {
            Vec::new()
        } else {
            reader.take(&format!("encoder.{m}.state"), &[media.state])?
        };
        encoder_states.push(state);
        pathways.push(Pathway::read(&mut reader, m, media, (classes, d - classes))?);
        halves.push(reader.leave(&format!("metric.half.{m}"), &[h, d])?);
    }
    let hubs = read_hubs(config_file, tensor_file, &config, &mut reader)?;
    let mut heads = Vec::new();
    for &target in &config.targets {
        for a in 0..config.media.len() {
            for b in a..config.media.len() {
                let name = |part: &str| format!("metric.{}.{a}.{b}.{part}", target.as_str());
                let fit = |query: usize, item: usize| {
                    config
                        .calibration
                        .iter()
                        .find(|entry| {
                            entry.target == target
                                && entry.query == config.media[query].name
                                && entry.item == config.media[item].name
                        })
                        .and_then(|entry| entry.fit)
                };
                let calibration = [fit(a, b), fit(b, a)];
                if !calibration.iter().flatten().all(Calibration::is_sound) {
                    return Err(bad("a calibration does not ascend"));
                }
                let has_hub = a != b && !hubs.is_empty();
                let hub = if has_hub { reader.take(&name("hub"), &[1])?[0] } else { 0.0 };
                if hub != 0.0 && [a, b].iter().any(|&m| hubs.anchors[m].is_empty()) {
                    return Err(damaged(tensor_file, "a hub term is of a media type without anchors"));
                }
                heads.push(Head {
                    target,
                    a,
                    b,
                    bilinear: reader.leave(&name("bilinear"), &[d, d])?,
                    weights: reader.take(&name("weights"), &[h])?,
                    shift: reader.take(&name("shift"), &[h])?,
                    bias: reader.take(&name("bias"), &[1])?[0],
                    hub,
                    calibration,
                });
            }
        }
    }
    let samples = samples::read(tensor_file, &mut reader, config.media.len(), d)?;
    let known = reader.finish()?;
    let posterior_fits = config.posterior_calibration;
    let pairs = config.media.len() * (config.media.len() + 1) / 2;
    if !posterior_fits.iter().flatten().flatten().all(Calibration::is_sound)
        || ![0, pairs].contains(&posterior_fits.len())
    {
        return Err(bad("a calibration of posteriors does not ascend, or their number is wrong"));
    }
    let version = config.version;
    let bundle = Bundle {
        metric: MetricNetwork { dim: d, half: h, targets: config.targets, halves, hubs, heads },
        media: config.media,
        classes: config.classes,
        default_target: config.default_target,
        posterior_scale: config.posterior_scale,
        encoder_states,
        pathways,
        posterior_fits,
        fusion: config.fusion,
        samples,
        space,
        model,
        known,
    };
    if version != bundle.version() {
        return Err(bad("the bundle has other parts than its version says"));
    }
    Ok(bundle)
}
