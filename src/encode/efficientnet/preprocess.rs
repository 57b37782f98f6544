//! From a decoded picture to the input of the network.

use super::network::SIDE;
use crate::encode::picture::RgbImage;
use crate::encode::picture::{Filter, resize};
use crate::error::Result;

/// The background beside a picture that is not square.
const WHITE: f32 = (255.0 - MEAN) / SCALE;
const MEAN: f32 = 127.0;
const SCALE: f32 = 128.0;

/// What the fingerprint says of this file.
pub(super) const SETTINGS: &str = r#"{"channels":"rgb","fit":"longest side, centred on white","mean":127,"resample":"bicubic","scale":128,"side":224}"#;

/// The picture with its longest side at 224 pixels, centred on a white square; `(x - 127) / 128`, `[224 * 224 * 3]`.
///
/// # Errors
/// Those of [`resize`].
pub(super) fn input(picture: &RgbImage) -> Result<Vec<f32>> {
    let side = SIDE as u32;
    let longest = picture.width().max(picture.height()).max(1);
    let fit = |len: u32| {
        ((f64::from(len) * f64::from(side) / f64::from(longest)).round_ties_even() as u32).clamp(1, side)
    };
    let (width, height) = (fit(picture.width()), fit(picture.height()));
    let fitted = resize(picture, width, height, Filter::Bicubic)?;
    let (left, top) = ((side - width) as usize / 2, (side - height) as usize / 2);
    let mut out = vec![WHITE; SIDE * SIDE * 3];
    let rows = out.chunks_exact_mut(SIDE * 3).skip(top);
    for (to, from) in rows.zip(fitted.as_raw().chunks_exact(width as usize * 3)) {
        for (to, from) in to[left * 3..].iter_mut().zip(from) {
            *to = (f32::from(*from) - MEAN) / SCALE;
        }
    }
    Ok(out)
}
