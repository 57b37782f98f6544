//! From the bytes of a picture file to its pixels, within limits.
//!
//! Only the bytes count, never a file name. Limits are checked on the length of the file and on its header, before a
//! pixel is decoded. Transparent pixels are laid over white, the orientation tag of EXIF is applied, and of an animation
//! the first frame is taken.

use std::io::Cursor;

use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb};

use crate::error::{Error, ErrorCode, Result};

pub use ::image::RgbImage;

const ACCEPTED: &str = "PNG, JPEG, WebP, GIF, BMP or TIFF";

/// What a picture file may cost at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Width times height, by the header. Decoding takes up to 8 bytes of memory per pixel (16 for a TIFF of floats, as
    /// much again for a compressed one), and 3 for the result.
    pub max_pixels: u64,
    /// Bytes of the file.
    pub max_bytes: u64,
}

impl Default for DecodeLimits {
    /// 50 million pixels and 64 MiB.
    fn default() -> Self {
        Self { max_pixels: 50_000_000, max_bytes: 64 << 20 }
    }
}

/// Decodes a PNG, JPEG, WebP, GIF, BMP or TIFF file to 8-bit RGB, at least 1 x 1.
///
/// 16-bit samples are rounded to 8 bits, floats are taken as 0 to 1, grey and CMYK become RGB without a colour profile,
/// and alpha is composited over white. A JPEG must be whole up to its end marker; a flipped bit inside its image data
/// cannot be seen, since the format has no checksum. The same holds for BMP, TIFF and GIF.
///
/// # Errors
/// [`ErrorCode::TooLarge`] over a limit; [`ErrorCode::BadValue`] for bytes that are no picture, or one of another format
/// or pixel type; [`ErrorCode::Damaged`] for a file that is truncated or corrupt.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage> {
    let len = bytes.len() as u64;
    if len > limits.max_bytes {
        return Err(Error::new(ErrorCode::TooLarge, "the picture file is over the limit on bytes")
            .expected(format!("at most {} bytes", limits.max_bytes))
            .got(len)
            .hint("save it smaller, or raise the limit with --max-bytes"));
    }
    let format = accepted_format(bytes)?;
    // The decoders are written not to panic; should one do so on a hostile file, that file alone must fail.
    crate::guard::catch(|| decode_as(format, bytes, limits))
        .unwrap_or_else(|_| Err(damaged(format, "the decoder gave up")))
}

fn accepted_format(bytes: &[u8]) -> Result<ImageFormat> {
    let not = |what: String, got: String| {
        Error::new(ErrorCode::BadValue, what)
            .expected(format!("a {ACCEPTED} file"))
            .got(got)
            .hint("convert it to one of these formats")
    };
    match ::image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png
            | ImageFormat::Jpeg
            | ImageFormat::WebP
            | ImageFormat::Gif
            | ImageFormat::Bmp
            | ImageFormat::Tiff),
        ) => Ok(format),
        Ok(other) => {
            let name = other.extensions_str().first().copied().unwrap_or("another format");
            Err(not("a picture format that is not read".into(), name.to_uppercase()))
        }
        Err(_) if bytes.is_empty() => Err(not("not a picture".into(), "no bytes".into())),
        Err(_) => Err(not("not a picture".into(), "bytes of an unknown format".into())),
    }
}

fn decode_as(format: ImageFormat, bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let side = u32::try_from(limits.max_pixels).unwrap_or(u32::MAX);
    let mut allowed = Limits::no_limits();
    allowed.max_image_width = Some(side);
    allowed.max_image_height = Some(side);
    // Enough for every pixel type that is read, twice: the limit on pixels is checked by itself.
    allowed.max_alloc = Some(limits.max_pixels.saturating_mul(32).saturating_add(limits.max_bytes));
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(|error| from_decoder(format, limits, error))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.max_pixels {
        return Err(over_pixels(limits).got(format!("{width} x {height}")));
    }
    if pixels == 0 {
        return Err(damaged(format, "it has no pixels"));
    }
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err(damaged(format, "it ends before its end marker"));
    }
    if format == ImageFormat::WebP && !webp_is_whole(bytes) {
        return Err(damaged(format, "it is shorter than it says"));
    }
    // A broken orientation tag is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder);
    let mut image = decoded.map_err(|error| from_decoder(format, limits, error))?;
    image.apply_orientation(orientation);
    Ok(over_white(image))
}

fn from_decoder(format: ImageFormat, limits: &DecodeLimits, error: ImageError) -> Error {
    match error {
        ImageError::Limits(_) => over_pixels(limits).source(error),
        ImageError::Unsupported(_) => Error::new(
            ErrorCode::BadValue,
            format!("a kind of {} that is not read: {error}", name_of(format)),
        )
        .expected(format!("an 8-bit or 16-bit grey or RGB picture as {ACCEPTED}"))
        .hint("convert it to an 8-bit RGB picture")
        .source(error),
        _ => damaged(format, &error.to_string()).source(error),
    }
}

fn over_pixels(limits: &DecodeLimits) -> Error {
    Error::new(ErrorCode::TooLarge, "the picture is over the limit on pixels")
        .expected(format!("at most {} pixels", limits.max_pixels))
        .hint("save it smaller, or raise the limit with --max-pixels")
}

fn damaged(format: ImageFormat, why: &str) -> Error {
    Error::new(ErrorCode::Damaged, format!("a damaged {} file: {why}", name_of(format)))
        .hint("restore or replace the file")
}

fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        _ => "WebP",
    }
}

/// Whether the markers of a JPEG lead to its end marker: its decoder fills what is missing with grey and says nothing.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Between segments: whatever is no marker, entropy-coded data above all, is passed over.
        match bytes.get(at..at + 2) {
            None => return false,
            Some([0xff, 0xd9]) => return true,
            Some([0xff, 0x00 | 0x01 | 0xd0..=0xd8]) => at += 2,
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, _]) => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + (usize::from(high) << 8 | usize::from(low)),
                _ => return false,
            },
            Some(_) => at += 1,
        }
    }
}

/// Whether a WebP has all the bytes that its RIFF header counts: its decoder does not miss metadata behind the pixels.
fn webp_is_whole(bytes: &[u8]) -> bool {
    match bytes.get(4..8) {
        Some(&[a, b, c, d]) => bytes.len() as u64 >= u64::from(u32::from_le_bytes([a, b, c, d])) + 8,
        _ => false,
    }
}

fn over_white(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    let mut rgb = RgbImage::new(image.width(), image.height());
    for (to, from) in rgb.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let mix = |value: u32| ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        *to = Rgb([mix(red), mix(green), mix(blue)]);
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_named() {
        let error = decode(b"qoif\0\0\0\x01\0\0\0\x01\x03\0", &DecodeLimits::default()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue);
        let text = error.to_string();
        assert!(text.contains(ACCEPTED) && text.contains("got QOI"), "{text}");
        assert_eq!(decode(b"", &DecodeLimits::default()).unwrap_err().code(), ErrorCode::BadValue);
        assert_eq!(decode(b"plain words", &DecodeLimits::default()).unwrap_err().code(), ErrorCode::BadValue);
    }

    #[test]
    fn the_end_marker_of_a_thumbnail_does_not_count() {
        // APP1 of 6 bytes that holds an end marker; then image data with a stuffed and a restart marker.
        let mut jpeg =
            vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 1, 2, 0xff, 0xda, 0, 2, 7, 0xff, 0, 0xff, 0xd0, 9];
        assert!(!jpeg_is_whole(&jpeg));
        jpeg.extend([0xff, 0xd9]);
        assert!(jpeg_is_whole(&jpeg));
        jpeg.extend(b"trailing bytes");
        assert!(jpeg_is_whole(&jpeg));
    }

    #[test]
    fn the_limit_on_bytes_comes_first() {
        let limits = DecodeLimits { max_pixels: 1, max_bytes: 3 };
        assert_eq!(decode(b"1234", &limits).unwrap_err().code().as_str(), "too_large");
        assert_eq!(decode(b"123", &limits).unwrap_err().code(), ErrorCode::BadValue);
    }
}
