//! Resizing with antialiasing: the numbers that the Python library Pillow gives, within one grey level.
//!
//! Models were trained on pictures that went through that very filter, so theirs is the reference: a kernel as wide as
//! the scale asks for, first along the rows and then along the columns, with 8-bit samples in between.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::decode::RgbImage;
use crate::error::{Error, ErrorCode, Result};

/// The shape of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
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
pub(super) fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> Result<RgbImage> {
    if [image.width(), image.height(), width, height].contains(&0) {
        return Err(Error::new(ErrorCode::Empty, "resizing from or to a picture without pixels"));
    }
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter.kernel()));
    let mut resizer = Resizer::new();
    // In two steps, since the crate alone would begin with the columns, and a sample that is cut off at 0 or 255 in
    // between makes the order visible.
    let source = ImageRef::new(image.width(), image.height(), image.as_raw(), PixelType::U8x3);
    let source = source.map_err(|error| failed(&error))?;
    let mut rows = Image::new(width, image.height(), PixelType::U8x3);
    resizer.resize(&source, &mut rows, &options).map_err(|error| failed(&error))?;
    if height == image.height() {
        return from_samples(width, height, rows.into_vec());
    }
    let mut out = Image::new(width, height, PixelType::U8x3);
    resizer.resize(&rows, &mut out, &options).map_err(|error| failed(&error))?;
    from_samples(width, height, out.into_vec())
}

fn from_samples(width: u32, height: u32, samples: Vec<u8>) -> Result<RgbImage> {
    RgbImage::from_raw(width, height, samples).ok_or_else(|| failed(&"the samples do not fill the picture"))
}

fn failed(why: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::BadValue, format!("the picture does not resize: {why}"))
}
