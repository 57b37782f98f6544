//! Training data from features files: row i of every tensor is one document.

use super::rows::{Labels, MediaFeatures, TrainingData};
use crate::corpus::{EncoderArg, FeatureFiles, PathwayArg, Split};
use crate::encode::{Encoder, FeatureRows, Registry};
use crate::error::Result;
use crate::model::maker;

/// Which tensors of features files say what.
#[derive(Debug, Default, Clone)]
pub struct FeatureOptions<'a> {
    /// The features of each media type.
    pub pathways: &'a [PathwayArg],
    /// Who made them, where somebody knows.
    pub encoders: &'a [EncoderArg],
    /// Where those are looked for, so that the bundle can encode queries.
    pub paths: Registry,
    /// The class of each row, from 0; a negative number for none.
    pub label: Option<&'a str>,
    /// 1 for test rows.
    pub test_mask: Option<&'a str>,
    /// Rows of equal value stay on one side of the validation split.
    pub group: Option<&'a str>,
}

/// Takes the rows of all files, which stay there: what learns or measures reads them as it needs them. Memory is some 30 bytes a row, however
/// wide. A row of zeros is no item ([`MediaFeatures::present`]). An encoder that is not in [`FeatureOptions::paths`] gives its name alone, with a warning.
///
/// Where the files name their classes differently, the classes are all of these names, in order. Cost: one pass over the features.
///
/// # Errors
/// Those of [`FeatureRows::find`] and [`FeaturesFile::select`](crate::corpus::FeaturesFile::select), and of opening an encoder that does not fit its features;
/// [`BadDimension`](crate::ErrorCode::BadDimension) and [`BadValue`](crate::ErrorCode::BadValue) for files whose tensors differ in width or type, or of which some name their classes alone;
/// [`Exists`](crate::ErrorCode::Exists) for two files with the same rows; [`BadValue`](crate::ErrorCode::BadValue) for a class above `u32`; [`Changed`](crate::ErrorCode::Changed) for a file that is
/// changed since it was opened, also where rows are read later. Numbers that
/// are not finite are left to whoever reads their row: what stands in a test row does not matter to training.
pub fn from_features(files: &FeatureFiles, options: &FeatureOptions<'_>) -> Result<TrainingData> {
    let rows = FeatureRows::find(files.first(), options.pathways, options.encoders)?;
    let selected = files.select(options.pathways, options.label, options.test_mask, options.group)?;
    let n = selected.rows;
    let mut media = Vec::with_capacity(rows.len());
    for (rows, stored) in rows.iter().zip(selected.pathways) {
        let named = options.encoders.iter().find(|arg| arg.media == rows.encoder.media());
        let (encoder, fingerprint) = match named {
            Some(arg) => maker(&arg.media, &arg.encoder, rows.tensor.cols(), &options.paths)?,
            None => (rows.encoder.name().to_owned(), None),
        };
        let mut row = Vec::with_capacity(stored.cols());
        // Zeros say nothing: a row without an item.
        let mut has_item = |at: usize| {
            row.clear();
            stored.append(at, &mut row);
            row.iter().any(|x| *x != 0.0)
        };
        media.push(MediaFeatures {
            name: rows.encoder.media().into(),
            encoder,
            encoder_state: Vec::new(),
            fingerprint,
            d_in: rows.tensor.cols(),
            present: (0..n).map(&mut has_item).collect(),
            rows: stored.into(),
        });
    }
    let labels = selected.classes.zip(options.label);
    let labels = labels.map(|((class, names), key)| Labels { class, names, key: key.into() });
    let part = |test: bool| if test { Split::Test } else { Split::Train };
    let split = match selected.test {
        None => vec![Split::Train; n],
        Some(mask) => mask.into_iter().map(part).collect(),
    };
    let groups = selected.groups.map(|values| values.into_iter().map(|v| v as u64).collect());
    let names: Vec<&str> = rows.iter().map(|rows| rows.tensor.name()).collect();
    let path = files.first().path();
    let file_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let more = match files.files().len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let data = TrainingData {
        media,
        labels,
        groups,
        split,
        features_name: format!("{} ({file_name}{more})", names.join(", ")),
        documents: None,
        graded: Vec::new(),
    };
    data.whole(Ok(()))?;
    Ok(data)
}
