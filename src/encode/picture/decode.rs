//! From the bytes of a picture file to its pixels, within limits.
//!
//! Only the bytes count, never a file name. Limits are checked on the length of the file and on its header, before a
//! pixel is decoded; texts and colour profiles are passed over. Transparent pixels are laid over white, the orientation tag of EXIF is applied, and of an animation
//! the first frame is taken.

use std::borrow::Cow;
use std::io::Cursor;
use std::sync::{Condvar, Mutex, PoisonError};

use ::image::error::LimitErrorKind;
use ::image::metadata::Orientation;
use ::image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Rgb};

use super::container;
use crate::corpus::other_by_bytes;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::limits::{DECODING_BYTES, PICTURE_BYTES, PICTURE_PIXELS};

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
        Self { max_pixels: PICTURE_PIXELS, max_bytes: PICTURE_BYTES }
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
            .hint(Hint::new("save it smaller, or raise the limit with").setting(Setting::MaxBytes)));
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
    if let Some(other) = other_by_bytes(bytes) {
        return Err(not(
            format!("{} is a picture format that is not read", other.name),
            other.name.to_owned(),
        )
        .hint(format!("convert it to one of these formats: `{}`", other.way)));
    }
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
    let bytes = match format {
        ImageFormat::Png => container::plain_png(bytes, limits.max_pixels)?,
        ImageFormat::Jpeg if !container::jpeg_is_whole(bytes)? => {
            return Err(damaged(format, "it ends before its end marker"));
        }
        ImageFormat::WebP if !container::webp_is_whole(bytes) => {
            return Err(damaged(format, "it is shorter than it says"));
        }
        _ => Cow::Borrowed(bytes),
    };
    let slack = slack(bytes.len());
    let open = || {
        let mut reader = ImageReader::with_format(Cursor::new(&*bytes), format);
        reader.limits(memory(slack));
        reader.into_decoder().map_err(|error| from_decoder(format, limits, error))
    };
    // A decoder takes memory before its pixels are known. It goes before the turn for these is taken: whoever holds a turn
    // waits for nothing.
    let (width, height, size) = {
        let _turn = turn(slack);
        let decoder = open()?;
        let (width, height) = decoder.dimensions();
        (width, height, decoder.total_bytes())
    };
    container::check_sides(width, height, limits.max_pixels)?;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(damaged(format, "it has no pixels"));
    }
    // Now that the pixels are known: for the result, and for as much again in between.
    let beside = size.saturating_mul(2).saturating_add(slack);
    let _turn = turn(beside.saturating_add(4 * pixels));
    let mut decoder = open()?;
    let allowed = memory(beside);
    decoder.set_limits(allowed).map_err(|error| from_decoder(format, limits, error))?;
    // A broken orientation tag is no reason to refuse the pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let decoded = DynamicImage::from_decoder(decoder);
    let mut image = decoded.map_err(|error| from_decoder(format, limits, error))?;
    image.apply_orientation(orientation);
    Ok(over_white(image))
}

/// Most memory beside the pixels: rows, tables, metadata, and a frame of a GIF that is larger than its canvas.
const SLACK: u64 = 64 << 20;

/// As much of [`SLACK`] as a file of `bytes` bytes may take: a small one has little beside its pixels.
fn slack(bytes: usize) -> u64 {
    (4 << 20) + (bytes as u64).saturating_mul(16).min(SLACK - (4 << 20))
}

fn memory(bytes: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bytes);
    limits
}

/// Bytes of the pictures that are decoded now.
static DECODING: Mutex<u64> = Mutex::new(0);
static DONE: Condvar = Condvar::new();

/// A share of [`DECODING_BYTES`], given back when it is dropped.
struct Turn(u64);

/// Waits until `bytes` fit beside the pictures that are decoded now, or none is. Whoever holds a turn waits for nothing.
fn turn(bytes: u64) -> Turn {
    let mut used = DECODING.lock().unwrap_or_else(PoisonError::into_inner);
    while *used > 0 && used.saturating_add(bytes) > DECODING_BYTES {
        used = DONE.wait(used).unwrap_or_else(PoisonError::into_inner);
    }
    *used = used.saturating_add(bytes);
    Turn(bytes)
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut used = DECODING.lock().unwrap_or_else(PoisonError::into_inner);
        *used = used.saturating_sub(self.0);
        DONE.notify_all();
    }
}

fn from_decoder(format: ImageFormat, limits: &DecodeLimits, error: ImageError) -> Error {
    match error {
        ImageError::Limits(ref limit) if matches!(limit.kind(), LimitErrorKind::DimensionError) => {
            container::over_pixels(limits.max_pixels).source(error)
        }
        ImageError::Limits(_) => {
            let what = format!("the {} asks for more memory than its pixels take", name_of(format));
            Error::new(ErrorCode::TooLarge, what)
                .expected(format!("at most {SLACK} bytes beside twice its pixels"))
                .got("a frame, tile or chunk of more")
                .hint("save it again, in strips and without metadata")
                .source(error)
        }
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
    fn pictures_wait_for_each_other_and_a_large_one_is_decoded_alone() {
        let first = turn(DECODING_BYTES * 2);
        let waits = std::thread::spawn(|| drop(turn(1)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!waits.is_finished());
        drop(first);
        waits.join().unwrap();
    }

    #[test]
    fn no_decoder_is_opened_before_its_turn() {
        let mut file = Cursor::new(Vec::new());
        RgbImage::new(3, 2).write_to(&mut file, ImageFormat::Png).unwrap();
        let first = turn(DECODING_BYTES);
        // A header that asks for more than its pixels fails when it is opened: not while others take all the memory.
        let cut = file.get_ref()[..20].to_vec();
        let opens = std::thread::spawn(move || decode(&cut, &DecodeLimits::default()).unwrap_err());
        let whole = std::thread::spawn(move || decode(file.get_ref(), &DecodeLimits::default()).unwrap());
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!opens.is_finished() && !whole.is_finished());
        drop(first);
        assert_eq!(opens.join().unwrap().code(), ErrorCode::Damaged);
        assert_eq!(whole.join().unwrap().dimensions(), (3, 2));
    }

    #[test]
    fn the_limit_on_bytes_comes_first() {
        let limits = DecodeLimits { max_pixels: 1, max_bytes: 3 };
        assert_eq!(decode(b"1234", &limits).unwrap_err().code().as_str(), "too_large");
        assert_eq!(decode(b"123", &limits).unwrap_err().code(), ErrorCode::BadValue);
    }
}
