//! What is refused: data of which nothing can be learned, and a model out of bounds.

use crate::corpus::Split;
use crate::data::TrainingData;
use crate::error::{Error, ErrorCode, Result};
use crate::model::Bundle;

/// Refuses data of which nothing can be learned, whatever the features are.
pub(crate) fn check_rows(data: &TrainingData, train: usize) -> Result<()> {
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

/// Refuses rows to fit that lack a media type, or pair none.
pub(crate) fn check_enough(data: &TrainingData, fit: &[usize]) -> Result<()> {
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

/// Refuses parameters that are no numbers.
pub(crate) fn check_finite_parameters(bundle: &Bundle) -> Result<()> {
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
