//! Rows of features files, which stay there: what learns or measures reads them as it needs them.

use std::path::PathBuf;

use uncsm_index::Result;
use uncsm_index::corpus::{FeatureFiles, PathwayArg};
use uncsm_index::data::{FeatureOptions, TrainingData, from_features};
use uncsm_index::encode::Registry;
use uncsm_index::index::Source;
use uncsm_index::model::Bundle;

use crate::data::encoder_args;

/// Tensors that stand beside the features.
pub(crate) struct Beside<'a> {
    pub(crate) label: Option<&'a str>,
    pub(crate) test_mask: Option<&'a str>,
    pub(crate) group: Option<&'a str>,
}

/// The rows of all files that `paths` name, in their order; with `start` as its pathways take them.
///
/// # Errors
/// Those of [`FeatureFiles::open`] and [`from_features`]; of features that `start` does not fit.
pub(crate) fn open(
    paths: &[PathBuf],
    pathways: &[String],
    beside: &Beside<'_>,
    encoders: &[(String, String)],
    start: Option<&Bundle>,
) -> Result<TrainingData> {
    let files = FeatureFiles::open(paths)?;
    let pathways = pathways.iter().map(|arg| PathwayArg::parse(arg)).collect::<Result<Vec<_>>>()?;
    let encoders = encoder_args(encoders)?;
    let mut paths = Registry::from_env();
    let mut named = encoders.as_slice();
    if let Some(start) = start {
        // All files have the widths and types of the first.
        if let Some(first) = files.files().next() {
            let source = Source::features(first.path(), pathways.clone()).encoders(encoders.clone());
            let fits = source.all_encoders_for(start, &paths.with_named(&encoders));
            fits.map_err(|error| match error.facts().file {
                Some(_) => error,
                None => error.file(first.path()),
            })?;
        }
        // They are its own, so nothing is opened again.
        paths = Registry::default();
        named = &[];
    }
    let Beside { label, test_mask, group } = *beside;
    let options = FeatureOptions { pathways: &pathways, encoders: named, paths, label, test_mask, group };
    let mut data = from_features(&files, &options)?;
    if let Some(start) = start {
        let place = |name: &str| start.media().iter().position(|media| media.name == name);
        data.media.sort_by_key(|media| place(&media.name));
    }
    Ok(data)
}
