//! Training data from a features file: row i of every tensor is one document.

use super::rows::{Labels, MediaFeatures, TrainingData};
use crate::corpus::{EncoderArg, FeaturesFile, PathwayArg, Split};
use crate::encode::{Encoder, FeatureRows, Registry};
use crate::error::{Error, ErrorCode, Result};
use crate::model::maker;

/// Which tensors of a features file say what.
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

/// Reads all rows into memory; one of zeros is no item ([`MediaFeatures::present`]). An encoder that is not in [`FeatureOptions::paths`] gives its name alone, with a warning.
///
/// # Errors
/// Those of [`FeatureRows::find`] and [`FeaturesFile::select`], and of opening an encoder that does not fit its features; [`ErrorCode::BadValue`] for a class above `u32`. Numbers that
/// are not finite are left to whoever reads their row: what stands in a test row does not matter to training.
pub fn from_features(file: &FeaturesFile, options: &FeatureOptions<'_>) -> Result<TrainingData> {
    let rows = FeatureRows::find(file, options.pathways, options.encoders)?;
    let selected = file.select(options.pathways, options.label, options.test_mask)?;
    let n = selected.rows;
    let mut media = Vec::with_capacity(rows.len());
    for rows in &rows {
        let named = options.encoders.iter().find(|arg| arg.media == rows.encoder.media());
        let (encoder, fingerprint) = match named {
            Some(arg) => maker(&arg.media, &arg.encoder, rows.tensor.cols(), &options.paths)?,
            None => (rows.encoder.name().to_owned(), None),
        };
        let mut values = Vec::new();
        rows.tensor.read_unchecked(0..n, &mut values)?;
        media.push(MediaFeatures {
            name: rows.encoder.media().into(),
            encoder,
            encoder_state: Vec::new(),
            fingerprint,
            d_in: rows.tensor.cols(),
            // Zeros say nothing: a row without an item.
            present: values
                .chunks_exact(rows.tensor.cols())
                .map(|row| row.iter().any(|x| *x != 0.0))
                .collect(),
            rows: values,
        });
    }
    let labels = match (selected.labels, options.label) {
        (Some(values), Some(name)) => Some(labels(file, name, &values)?),
        _ => None,
    };
    let part = |test: bool| if test { Split::Test } else { Split::Train };
    let split = match selected.test {
        None => vec![Split::Train; n],
        Some(mask) => mask.into_iter().map(part).collect(),
    };
    let groups = match options.group {
        None => None,
        Some(name) => file.select(options.pathways, Some(name), None)?.labels,
    };
    let groups = groups.map(|values| values.into_iter().map(|v| v as u64).collect());
    let names: Vec<&str> = rows.iter().map(|rows| rows.tensor.name()).collect();
    let path = file.path();
    let file_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(TrainingData {
        media,
        labels,
        groups,
        split,
        features_name: format!("{} ({file_name})", names.join(", ")),
        documents: None,
        graded: Vec::new(),
    })
}

fn labels(file: &FeaturesFile, name: &str, values: &[i64]) -> Result<Labels> {
    let class = |(row, &value): (usize, &i64)| {
        if value < 0 {
            return Ok(None);
        }
        u32::try_from(value).map(Some).map_err(|_| {
            Error::new(ErrorCode::BadValue, format!("row {row} of tensor `{name}` is no class"))
                .file(file.path())
                .expected("a number from 0 to the number of classes, or a negative one for none")
                .got(value)
        })
    };
    let class = values.iter().enumerate().map(class).collect::<Result<_>>()?;
    Ok(Labels { class, names: file.class_names()?, key: name.into() })
}
