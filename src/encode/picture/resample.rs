//! Resizing with antialiasing: the numbers that the Python library Pillow gives, within one grey level.
//!
//! Models were trained on pictures that went through that very filter, so theirs is the reference: a kernel as wide as
//! the scale asks for, first along the rows and then along the columns, with 8-bit samples in between.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::decode::RgbImage;
use crate::error::{Error, ErrorCode, Result};

/// The shape of the kernel.
#[allow(dead_code, reason = "what the published models use differs by build")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// A triangle, 2 pixels wide.
    Bilinear,
    /// A cubic with a = -0.5, 4 pixels wide.
    Bicubic,
    /// A windowed sinc, 6 pixels wide.
    Lanczos3,
}

impl Filter {
    fn kernel(self) -> FilterType {
        match self {
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Lanczos3 => FilterType::Lanczos3,
        }
    }
}

/// Resizes `image` to `width` x `height` pixels, whatever that does to its shape.
///
/// Cost: a few operations per source pixel, and memory for `width` times the height of `image` pixels in between.
///
/// # Errors
/// [`ErrorCode::Empty`] where either picture has no pixels.
pub(crate) fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Result<RgbImage> {
    if [image.width(), image.height(), width, height].contains(&0) {
        return Err(Error::new(ErrorCode::Empty, "resizing from or to a picture without pixels"));
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter.kernel()));
    // In two steps, since the crate alone would begin with the columns, and a sample that is cut off at 0 or 255 in
    // between makes the order visible.
    let rows = step(image.as_raw(), image.dimensions(), (width, image.height()), &options)?;
    let samples = match height == image.height() {
        true => rows,
        false => step(&rows, (width, image.height()), (width, height), &options)?,
    };
    RgbImage::from_raw(width, height, samples).ok_or_else(|| failed(&"the samples do not fill the picture"))
}

/// The samples `[height * width * 3]` of a picture of the size `to`. Of one type of pixels: a call by a type that is known at run time
/// would have all the crate's types compiled, a fifth of this library's code.
fn step(samples: &[u8], from: (u32, u32), to: (u32, u32), options: &ResizeOptions) -> Result<Vec<u8>> {
    let source = TypedImageRef::<'_, U8x3>::from_buffer(from.0, from.1, samples);
    let source = source.map_err(|error| failed(&error))?;
    let mut out = vec![0; to.0 as usize * to.1 as usize * 3];
    let mut view =
        TypedImage::<'_, U8x3>::from_buffer(to.0, to.1, &mut out).map_err(|error| failed(&error))?;
    Resizer::new().resize_typed(&source, &mut view, options).map_err(|error| failed(&error))?;
    Ok(out)
}

fn failed(why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::BadValue, format!("the picture does not resize: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::Rgb;

    /// Noise with hard edges; `resample.py` draws the same.
    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            Rgb(std::array::from_fn(|c| {
                let c = c as u32;
                match (x / 5 + y / 3) % 3 {
                    0 => 255 * ((x + y + c) / 3 % 2) as u8,
                    _ => ((x * x * 31 + y * y * 17 + x * y * 7 + c * 101) % 256) as u8,
                }
            }))
        })
    }

    #[test]
    fn as_pillow_does() {
        let cases: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/library/efficientnet/resample.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let filter = match case["filter"].as_str().unwrap() {
                "bilinear" => Filter::Bilinear,
                "bicubic" => Filter::Bicubic,
                _ => Filter::Lanczos3,
            };
            let size = |key: &str| [0, 1].map(|i| case[key][i].as_u64().unwrap() as u32);
            let ([from_width, from_height], [width, height]) = (size("from"), size("to"));
            let got = resize(&picture(from_width, from_height), width, height, filter).unwrap();
            assert_eq!(got.dimensions(), (width, height));
            let expected = case["samples"].as_array().unwrap();
            assert_eq!(got.as_raw().len(), expected.len());
            for (got, expected) in got.as_raw().iter().zip(expected) {
                let expected = expected.as_i64().unwrap();
                assert!((i64::from(*got) - expected).abs() <= 1, "{filter:?} {got} {expected}");
            }
        }
        assert_eq!(cases.as_array().unwrap().len(), 18);
    }

    #[test]
    fn equal_sizes_change_nothing_and_empty_ones_are_refused() {
        let image = picture(9, 7);
        assert_eq!(resize(&image, 9, 7, Filter::Bicubic).unwrap(), image);
        for (from, to) in [((0, 3), (2, 2)), ((3, 3), (2, 0))] {
            let error = resize(&RgbImage::new(from.0, from.1), to.0, to.1, Filter::Bilinear).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Empty);
        }
    }

    #[test]
    fn a_narrow_giant_shrinks() {
        let image = RgbImage::from_fn(60_000, 40, |x, _| Rgb([(x * 255 / 60_000) as u8, 7, 255]));
        let small = resize(&image, 224, 1, Filter::Bicubic).unwrap();
        for (x, _, pixel) in small.enumerate_pixels() {
            let [red, green, blue] = pixel.0;
            let expected = (f64::from(x) + 0.5) / 224.0 * 255.0;
            assert!(
                (f64::from(red) - expected).abs() < 2.0 && green.abs_diff(7) <= 1 && blue >= 254,
                "{x} {pixel:?}"
            );
        }
    }
}
