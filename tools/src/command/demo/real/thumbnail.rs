//! Small copies of pictures, so that a page of many stays small.

use std::path::Path;

use image::imageops::{FilterType, resize};
use uncsm_index::encode::{DecodeLimits, decode};
use uncsm_index::{Error, ErrorCode, Result};

use crate::demo::corpus::png;

/// The longer side in pixels: what a hit of the widest page takes.
const SIDE: u32 = 180;

/// The picture file as a PNG file of at most [`SIDE`] pixels on its longer side.
///
/// # Errors
/// Those of reading and decoding it.
pub fn thumbnail(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
    let picture = decode(&bytes, &DecodeLimits::default()).map_err(|error| error.file(path))?;
    let (width, height) = picture.dimensions();
    let longer = width.max(height);
    let small = if longer > SIDE {
        let side = |side: u32| (u64::from(side) * u64::from(SIDE) / u64::from(longer)).max(1) as u32;
        resize(&picture, side(width), side(height), FilterType::Triangle)
    } else {
        picture
    };
    png(&small).map_err(|e| Error::new(ErrorCode::Io, "the picture cannot be encoded").file(path).source(e))
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn the_longer_side_is_cut_down_and_the_shape_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        for (size, expected) in [((720, 360), (180, 90)), ((100, 40), (100, 40)), ((2, 900), (1, 180))] {
            RgbImage::from_pixel(size.0, size.1, Rgb([9, 80, 200])).save(&path).unwrap();
            let small = image::load_from_memory(&thumbnail(&path).unwrap()).unwrap().to_rgb8();
            assert_eq!(small.dimensions(), expected, "{size:?}");
            assert_eq!(small.get_pixel(0, 0), &Rgb([9, 80, 200]));
        }
        std::fs::write(&path, "no picture").unwrap();
        assert_eq!(thumbnail(&path).unwrap_err().facts().file.as_deref(), Some(path.as_path()));
        assert_eq!(thumbnail(&dir.path().join("none.png")).unwrap_err().code(), ErrorCode::NotFound);
    }
}
