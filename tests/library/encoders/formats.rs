//! GIF, BMP and TIFF, orientation, CMYK and deep samples: files that the image crate writes, and those of `fixtures.py`.

use image::{
    DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, Rgb32FImage, RgbImage, Rgba, Rgba32FImage,
    RgbaImage,
};
use uncsm_index::encode::{BuiltinImage, DecodeLimits, Encoder, Item, decode};
use uncsm_index::{ErrorCode, Result};

use crate::encoders::draw::{file, jpeg, scene};

macro_rules! fixture {
    ($name:literal) => {
        ($name, include_bytes!(concat!("fixtures/", $name)).as_slice())
    };
}

fn pixels(bytes: &[u8]) -> Result<RgbImage> {
    decode(bytes, &DecodeLimits::default())
}

/// Red, white and blue thirds, or what else is in the middle of each.
fn thirds(bytes: &[u8]) -> [[u8; 3]; 3] {
    let image = pixels(bytes).unwrap();
    assert_eq!(image.dimensions(), (24, 16));
    [4, 12, 20].map(|x| image.get_pixel(x, 8).0)
}

const FLAG: [[u8; 3]; 3] = [[255, 0, 0], [255; 3], [0, 0, 255]];

#[test]
fn every_kind_shows_the_flag() {
    for (name, bytes) in [
        fixture!("cmyk.jpg"),
        fixture!("ycck.jpg"),
        fixture!("cmyk.tif"),
        fixture!("turned.png"),
        fixture!("turned.webp"),
        fixture!("turned.tif"),
        fixture!("palette.bmp"),
        fixture!("palette.png"),
        fixture!("lzw.tif"),
        fixture!("deflate.tif"),
        fixture!("progressive.jpg"),
        fixture!("animated.gif"),
        fixture!("interlaced.gif"),
    ] {
        let got = thirds(bytes);
        let far = got.as_flattened().iter().zip(FLAG.as_flattened()).map(|(a, b)| a.abs_diff(*b)).max();
        let allowed = if name.ends_with("jpg") { 6 } else { 0 };
        assert!(far <= Some(allowed), "{name}: {got:?}");
    }
    assert_eq!(thirds(fixture!("bits.png").1), [[0; 3], [255; 3], [0; 3]]);
}

#[test]
fn kinds_that_are_not_read_say_so() {
    for (name, bytes) in [fixture!("palette.tif"), fixture!("grey-float.tif")] {
        let error = pixels(bytes).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue, "{name}");
        assert!(error.to_string().contains("TIFF that is not read"), "{name}: {error}");
        assert!(error.facts().hint.is_some(), "{name}");
    }
}

#[test]
fn lossless_formats_agree() {
    let scene = scene();
    for format in [ImageFormat::Bmp, ImageFormat::Tiff] {
        assert_eq!(pixels(&file(scene.clone(), format)).unwrap(), scene, "{format:?}");
    }
    let few = RgbImage::from_fn(20, 10, |x, y| Rgb([(x / 4) as u8 * 50, (y / 5) as u8 * 255, 0]));
    assert_eq!(pixels(&file(DynamicImage::from(few.clone()).into_rgba8(), ImageFormat::Gif)).unwrap(), few);
    let grey = GrayImage::from_fn(9, 5, |x, y| Luma([(x * y) as u8 * 6]));
    let wide = DynamicImage::from(grey.clone()).into_rgb8();
    for format in [ImageFormat::Bmp, ImageFormat::Tiff] {
        assert_eq!(pixels(&file(grey.clone(), format)).unwrap(), wide, "{format:?}");
    }
}

#[test]
fn alpha_lies_over_white_in_every_format() {
    let cut = RgbaImage::from_fn(40, 30, |x, _| Rgba([200, 0, 100, if x < 20 { 0 } else { 255 }]));
    let flat = RgbImage::from_fn(40, 30, |x, _| Rgb(if x < 20 { [255; 3] } else { [200, 0, 100] }));
    for format in [ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::Tiff] {
        assert_eq!(pixels(&file(cut.clone(), format)).unwrap(), flat, "{format:?}");
    }
}

#[test]
fn deep_tiffs() {
    let shallow = RgbImage::from_fn(9, 5, |x, y| Rgb([x as u8 * 20, 255, y as u8]));
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(9, 5, |x, y| Rgb([x as u16 * 257 * 20, 65535, y as u16 * 257]));
    assert_eq!(pixels(&file(DynamicImage::ImageRgb16(deep), ImageFormat::Tiff)).unwrap(), shallow);
    let float = Rgb32FImage::from_fn(3, 1, |x, _| {
        Rgb([[-1.0, 0.0, 0.2], [0.4, 1.0, 7.0], [f32::NAN, 0.0, 1.0]][x as usize])
    });
    let got = pixels(&file(DynamicImage::ImageRgb32F(float), ImageFormat::Tiff)).unwrap();
    assert_eq!(got.get_pixel(0, 0).0, [0, 0, 51]);
    assert_eq!(got.get_pixel(1, 0).0, [102, 255, 255]);
    assert_eq!(got.get_pixel(2, 0).0[1..], [0, 255]);
    let veil = Rgba32FImage::from_pixel(2, 2, Rgba([0.0, 100.0 / 255.0, 1.0, 0.2]));
    let got = pixels(&file(DynamicImage::ImageRgba32F(veil), ImageFormat::Tiff)).unwrap();
    assert_eq!(got.get_pixel(1, 1).0, [204, 224, 255]);
}

/// One file of each format, and all its fixtures.
fn all() -> Vec<(String, Vec<u8>)> {
    let scene = scene();
    let small = image::imageops::resize(&scene, 60, 40, image::imageops::FilterType::Nearest);
    let mut all = vec![("jpeg".to_owned(), jpeg(&small, 90))];
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff] {
        all.push((format!("{format:?}"), file(small.clone(), format)));
    }
    all.push(("Gif".into(), file(DynamicImage::from(small).into_rgba8(), ImageFormat::Gif)));
    for (name, bytes) in [
        fixture!("cmyk.jpg"),
        fixture!("ycck.jpg"),
        fixture!("cmyk.tif"),
        fixture!("turned.webp"),
        fixture!("palette.bmp"),
        fixture!("lzw.tif"),
        fixture!("deflate.tif"),
        fixture!("animated.gif"),
        fixture!("interlaced.gif"),
    ] {
        all.push((name.into(), bytes.to_vec()));
    }
    all
}

#[test]
fn a_truncated_file_is_refused_or_whole() {
    for (name, bytes) in all() {
        let whole = pixels(&bytes).unwrap();
        let step = (bytes.len() / 200).max(1);
        let mut refused = 0;
        for len in (0..bytes.len()).step_by(step) {
            match pixels(&bytes[..len]) {
                Ok(part) => {
                    assert!(part == whole, "{name}: other pixels after {len} of {} bytes", bytes.len())
                }
                Err(error) => {
                    assert!(
                        matches!(error.code(), ErrorCode::Damaged | ErrorCode::BadValue),
                        "{name} {len}: {error}"
                    );
                    refused += 1;
                }
            }
        }
        assert!(refused * step > bytes.len() / 3, "{name}: {refused}");
    }
}

#[test]
fn changed_bytes_never_panic_in_any_format() {
    for (name, bytes) in all() {
        let step = (bytes.len() / 60).max(1);
        for at in (0..bytes.len()).step_by(step) {
            for value in [0, 0xff, bytes[at] ^ 0x10] {
                let mut changed = bytes.clone();
                changed[at] = value;
                // Whatever comes out, it is a result, and its features are numbers.
                if let Ok(features) = &BuiltinImage::default().encode(&[Item::Bytes(&changed)])[0] {
                    assert!(features.iter().all(|x| x.is_finite()), "{name} {at}");
                }
            }
        }
    }
}

#[test]
fn limits_hold_in_every_format() {
    for (name, bytes) in all() {
        let (width, height) = pixels(&bytes).unwrap().dimensions();
        let (pixels, len) = (u64::from(width * height), bytes.len() as u64);
        let with = |max_pixels, max_bytes| decode(&bytes, &DecodeLimits { max_pixels, max_bytes });
        assert_eq!(with(pixels, len).unwrap().dimensions(), (width, height), "{name}");
        for (max_pixels, max_bytes) in [(pixels - 1, len), (1, len), (pixels, len - 1)] {
            assert_eq!(with(max_pixels, max_bytes).unwrap_err().code(), ErrorCode::TooLarge, "{name}");
        }
    }
}

#[test]
fn a_giant_decodes_once_the_limit_allows_it() {
    // 60 million pixels of one colour: 180 MB as they are, a small file.
    let mut bytes = std::io::Cursor::new(Vec::new());
    GrayImage::new(10_000, 6_000).write_to(&mut bytes, ImageFormat::Png).unwrap();
    let bytes = bytes.into_inner();
    assert_eq!(pixels(&bytes).unwrap_err().code(), ErrorCode::TooLarge);
    let limits = DecodeLimits { max_pixels: 60_000_000, ..DecodeLimits::default() };
    assert_eq!(decode(&bytes, &limits).unwrap().dimensions(), (10_000, 6_000));
}
