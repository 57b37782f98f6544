//! The frames of picture files, walked before a decoder sees them: what a header may ask for, and what is passed over.

use std::borrow::Cow;

use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::limits::{self, JPEG_SCANS, PICTURE_METADATA, PICTURE_SIDE};

/// Refuses a picture above the limits on its sides and on its pixels.
///
/// # Errors
/// [`ErrorCode::TooLarge`].
pub(super) fn check_sides(width: u32, height: u32, max_pixels: u64) -> Result<()> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels > max_pixels {
        return Err(over_pixels(max_pixels).got(format!("{width} x {height}")));
    }
    if width.max(height) > PICTURE_SIDE {
        let what = "a side of the picture is too long";
        return Err(limits::over(what, PICTURE_SIDE, width.max(height), "pixels").hint("cut it into pieces"));
    }
    Ok(())
}

pub(super) fn over_pixels(max_pixels: u64) -> Error {
    Error::new(ErrorCode::TooLarge, "the picture is over the limit on pixels")
        .expected(format!("at most {max_pixels} pixels"))
        .hint(Hint::new("save it smaller, or raise the limit with").setting(Setting::MaxPixels))
}

/// A PNG without its texts, colour profiles and large metadata, none of which is looked at: a decoder would unpack them.
///
/// A file that ends within a chunk keeps what there is of it, for the decoder to refuse.
///
/// # Errors
/// [`ErrorCode::TooLarge`] by the sizes of its header.
pub(super) fn plain_png(bytes: &[u8], max_pixels: u64) -> Result<Cow<'_, [u8]>> {
    const SIGNATURE: usize = 8;
    let mut kept: Vec<std::ops::Range<usize>> = Vec::new();
    let (mut at, mut from) = (SIGNATURE, 0);
    while let Some(&[a, b, c, d, kind @ ..]) = bytes.get(at..at + 8).and_then(|head| head.first_chunk::<8>())
    {
        let length = big_endian([a, b, c, d]) as usize;
        // Of a length that does not fit into the file nothing is believed.
        let Some(end) = at.checked_add(12 + length).filter(|end| *end <= bytes.len()) else { break };
        if &kind == b"IHDR"
            && let Some(&[a, b, c, d, e, f, g, h]) = bytes[at + 8..end].first_chunk::<8>()
        {
            check_sides(big_endian([a, b, c, d]), big_endian([e, f, g, h]), max_pixels)?;
        }
        let large = length > PICTURE_METADATA && kind[0].is_ascii_lowercase() && &kind != b"fdAT";
        if large || matches!(&kind, b"tEXt" | b"zTXt" | b"iTXt" | b"iCCP") {
            kept.push(from..at);
            from = end;
        }
        at = end;
    }
    if kept.is_empty() {
        return Ok(Cow::Borrowed(bytes));
    }
    kept.push(from..bytes.len());
    Ok(Cow::Owned(kept.into_iter().flat_map(|range| bytes[range].iter().copied()).collect()))
}

/// A number whose highest byte comes first.
fn big_endian([a, b, c, d]: [u8; 4]) -> u32 {
    u32::from_le_bytes([d, c, b, a])
}

/// Whether the markers of a JPEG lead to its end marker: its decoder fills what is missing with grey and says nothing.
///
/// # Errors
/// [`ErrorCode::TooLarge`] for one of too many scans, each of which passes over all pixels.
pub(super) fn jpeg_is_whole(bytes: &[u8]) -> Result<bool> {
    let (mut at, mut scans) = (2, 0);
    loop {
        // Between segments: whatever is no marker, entropy-coded data above all, is passed over.
        match bytes.get(at..at + 2) {
            None => return Ok(false),
            Some([0xff, 0xd9]) => return Ok(true),
            Some([0xff, 0x00 | 0x01 | 0xd0..=0xd8]) => at += 2,
            Some([0xff, 0xff]) => at += 1,
            Some([0xff, marker]) => {
                scans += usize::from(*marker == 0xda);
                if scans > JPEG_SCANS {
                    let got = format!("more than {JPEG_SCANS}");
                    return Err(limits::over("the JPEG has too many scans", JPEG_SCANS, got, "scans")
                        .hint("save it again"));
                }
                match bytes.get(at + 2..at + 4) {
                    Some(&[high, low]) => at += 2 + (usize::from(high) << 8 | usize::from(low)),
                    _ => return Ok(false),
                }
            }
            Some(_) => at += 1,
        }
    }
}

/// Whether a WebP has all the bytes that its RIFF header counts, and those of each of its chunks: its decoder does not miss
/// metadata behind the pixels, and takes memory of the length that a chunk claims.
pub(super) fn webp_is_whole(bytes: &[u8]) -> bool {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?.first_chunk::<4>()?;
        usize::try_from(u32::from_le_bytes(*word)).ok()
    };
    let Some(end) = word(4).map(|length| length + 8).filter(|end| *end <= bytes.len()) else { return false };
    let mut at = 12;
    while at + 8 <= end {
        let Some(next) = word(at + 4).and_then(|length| (at + 8).checked_add(length)) else { return false };
        if next > bytes.len() {
            return false;
        }
        at = next + next % 2;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn big(value: u32) -> [u8; 4] {
        let [a, b, c, d] = value.to_le_bytes();
        [d, c, b, a]
    }

    /// A chunk; its checksum is of no account here.
    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&big(body.len() as u32)[..], kind, body, &[7; 4]].concat()
    }

    fn header(width: u32, height: u32) -> Vec<u8> {
        let sizes = [big(width), big(height)].concat();
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &[sizes, vec![8, 2, 0, 0, 0]].concat())].concat()
    }

    #[test]
    fn texts_profiles_and_large_metadata_are_passed_over() {
        let (idat, end) = (chunk(b"IDAT", b"pixels"), chunk(b"IEND", b""));
        let exif = |length: usize| chunk(b"eXIf", &vec![1; length]);
        let plain = [header(3, 2), exif(PICTURE_METADATA), idat.clone(), end.clone()].concat();
        assert!(matches!(plain_png(&plain, 9).unwrap(), Cow::Borrowed(_)));
        let mut full = header(3, 2);
        for part in [
            chunk(b"zTXt", b"a\0\0.."),
            exif(PICTURE_METADATA),
            chunk(b"iTXt", b"b"),
            chunk(b"iCCP", b"c"),
            idat.clone(),
            exif(PICTURE_METADATA + 1),
            chunk(b"tEXt", b"d"),
            end.clone(),
        ] {
            full.extend(part);
        }
        assert_eq!(plain_png(&full, 9).unwrap(), plain);
        // What does not end stays.
        let cut = &full[..full.len() - end.len() - 2];
        let left = plain_png(cut, 9).unwrap();
        assert!(left.ends_with(&chunk(b"tEXt", b"d")[..11]), "{left:?}");
        assert_eq!(plain_png(b"\x89PNG", 9).unwrap(), &b"\x89PNG"[..]);
    }

    #[test]
    fn sides_and_pixels_have_limits() {
        let code = |width, height, pixels| {
            plain_png(&header(width, height), pixels).map(drop).map_err(|error| error.code().as_str())
        };
        assert_eq!(code(1, PICTURE_SIDE, 1 << 20), Ok(()));
        assert_eq!(code(1, PICTURE_SIDE + 1, 1 << 20), Err("too_large"));
        assert_eq!(code(PICTURE_SIDE + 1, 1, 1 << 20), Err("too_large"));
        assert_eq!(code(1024, 1024, 1 << 20), Ok(()));
        assert_eq!(code(1024, 1025, 1 << 20), Err("too_large"));
        let error = check_sides(1, 49_000_000, 50_000_000).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a side of the picture is too long (expected at most 262144 pixels, got 49000000 pixels); cut it into pieces"
        );
    }

    #[test]
    fn scans_are_counted() {
        let jpeg =
            |scans: usize| [vec![0xff, 0xd8], [0xff, 0xda, 0, 2, 7].repeat(scans), vec![0xff, 0xd9]].concat();
        assert!(jpeg_is_whole(&jpeg(JPEG_SCANS)).unwrap());
        assert_eq!(jpeg_is_whole(&jpeg(JPEG_SCANS + 1)).unwrap_err().code(), ErrorCode::TooLarge);
    }

    #[test]
    fn the_end_marker_of_a_thumbnail_does_not_count() {
        // APP1 of 6 bytes that holds an end marker; then image data with a stuffed and a restart marker.
        let mut jpeg =
            vec![0xff, 0xd8, 0xff, 0xe1, 0, 6, 0xff, 0xd9, 1, 2, 0xff, 0xda, 0, 2, 7, 0xff, 0, 0xff, 0xd0, 9];
        assert!(!jpeg_is_whole(&jpeg).unwrap());
        jpeg.extend([0xff, 0xd9]);
        assert!(jpeg_is_whole(&jpeg).unwrap());
        jpeg.extend(b"trailing bytes");
        assert!(jpeg_is_whole(&jpeg).unwrap());
    }

    #[test]
    fn a_chunk_of_a_webp_cannot_claim_more_than_the_file_has() {
        let webp = |riff: u32, exif: u32| {
            [&b"RIFF"[..], &riff.to_le_bytes(), b"WEBPEXIF", &exif.to_le_bytes(), b"abcd"].concat()
        };
        assert!(webp_is_whole(&webp(16, 4)));
        assert!(webp_is_whole(&[&webp(16, 4)[..], b"trailing"].concat()));
        assert!(!webp_is_whole(&webp(17, 4)));
        assert!(!webp_is_whole(&webp(16, 5)));
        assert!(!webp_is_whole(&webp(16, u32::MAX)));
        assert!(!webp_is_whole(b"RIFF"));
    }
}
