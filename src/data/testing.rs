//! Rows that tests make.

use super::{MediaFeatures, TrainingData};
use crate::corpus::Split;

/// Train rows without classes, each with the items that `present` says by number of the media type and of the row.
pub(crate) fn made(
    rows: usize,
    kinds: &[(&str, usize)],
    present: impl Fn(usize, usize) -> bool,
) -> TrainingData {
    let media = kinds.iter().enumerate().map(|(at, &(name, d_in))| MediaFeatures {
        name: name.into(),
        encoder: name.into(),
        encoder_state: Vec::new(),
        fingerprint: None,
        d_in,
        rows: (0..rows * d_in).map(|i| ((i * i + at) as f32 * 0.31).sin()).collect(),
        present: (0..rows).map(|row| present(at, row)).collect(),
    });
    TrainingData {
        media: media.collect(),
        labels: None,
        groups: None,
        split: vec![Split::Train; rows],
        features_name: "f".into(),
        documents: None,
        graded: Vec::new(),
    }
}
