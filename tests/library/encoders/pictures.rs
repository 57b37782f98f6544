//! Picture files: formats, pixel types, damage and limits.

use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use uncsm_index::encode::{BuiltinImage, DecodeLimits, Encoder, Item, decode};
use uncsm_index::{ErrorCode, Result};

use crate::common::cosine;
use crate::encoders::draw::{file, jpeg, scene};
use crate::encoders::encode;

fn features(bytes: &[u8]) -> Vec<f32> {
    encode(&BuiltinImage::default(), Item::Bytes(bytes)).unwrap()
}

fn pixels(bytes: &[u8]) -> Result<RgbImage> {
    decode(bytes, &DecodeLimits::default())
}

fn code(bytes: &[u8]) -> ErrorCode {
    encode(&BuiltinImage::default(), Item::Bytes(bytes)).unwrap_err().code()
}

#[test]
fn one_drawing_in_three_formats() {
    let scene = scene();
    let png = features(&file(scene.clone(), ImageFormat::Png));
    let webp = features(&file(scene.clone(), ImageFormat::WebP));
    assert_eq!(png, webp);
    for quality in [95, 80] {
        let jpeg = features(&jpeg(&scene, quality));
        assert!(cosine(&png, &jpeg) >= 0.98, "{quality} {}", cosine(&png, &jpeg));
    }
    let half = image::imageops::resize(&scene, 128, 128, image::imageops::FilterType::Triangle);
    let half = features(&file(half, ImageFormat::Png));
    assert!(cosine(&png, &half) >= 0.95, "{}", cosine(&png, &half));
}

#[test]
fn alpha_lies_over_white() {
    let cut = RgbaImage::from_fn(40, 30, |x, _| Rgba([200, 0, 100, if x < 20 { 0 } else { 255 }]));
    let flat = RgbImage::from_fn(40, 30, |x, _| Rgb(if x < 20 { [255; 3] } else { [200, 0, 100] }));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        assert_eq!(pixels(&file(cut.clone(), format)).unwrap(), flat);
    }
    let veil = RgbaImage::from_pixel(2, 2, Rgba([0, 100, 255, 51]));
    assert_eq!(pixels(&file(veil, ImageFormat::Png)).unwrap().get_pixel(0, 0).0, [204, 224, 255]);
}

#[test]
fn deep_and_grey_pictures() {
    let deep: ImageBuffer<Rgb<u16>, Vec<u16>> =
        ImageBuffer::from_fn(9, 5, |x, y| Rgb([x as u16 * 257 * 20, 65535, y as u16 * 257]));
    let shallow = RgbImage::from_fn(9, 5, |x, y| Rgb([x as u8 * 20, 255, y as u8]));
    assert_eq!(pixels(&file(DynamicImage::ImageRgb16(deep), ImageFormat::Png)).unwrap(), shallow);
    let grey = GrayImage::from_fn(9, 5, |x, y| Luma([(x * y) as u8 * 6]));
    let wide = RgbImage::from_fn(9, 5, |x, y| Rgb([(x * y) as u8 * 6; 3]));
    assert_eq!(pixels(&file(grey.clone(), ImageFormat::Png)).unwrap(), wide);
    let mut grey_jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut grey_jpeg, 100).encode_image(&grey).unwrap();
    assert_eq!(pixels(&grey_jpeg).unwrap().dimensions(), (9, 5));
}

#[test]
fn the_orientation_tag_turns_the_picture() {
    let picture = RgbImage::from_fn(48, 16, |x, _| if x < 24 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) });
    let plain = jpeg(&picture, 95);
    // APP1: EXIF, big-endian TIFF, one entry: orientation (0x112), a short, 1, value 6 (turn right to show).
    let mut tag = vec![0xff, 0xe1, 0, 34];
    tag.extend(b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0");
    let turned = [&plain[..2], &tag, &plain[2..]].concat();
    let turned = pixels(&turned).unwrap();
    assert_eq!(turned.dimensions(), (16, 48));
    assert!(turned.get_pixel(8, 2).0[0] > 200 && turned.get_pixel(8, 45).0[2] > 200);
}

#[test]
fn an_animation_shows_its_first_frame() {
    let frame = |colour: [u8; 3]| {
        let still = file(RgbImage::from_pixel(8, 8, Rgb(colour)), ImageFormat::WebP);
        // Of RIFF, size, WEBP and the one chunk, the chunk.
        let mut body = vec![0, 0, 0, 0, 0, 0, 7, 0, 0, 7, 0, 0, 100, 0, 0, 2];
        body.extend(&still[12..]);
        chunk(b"ANMF", &body)
    };
    let header = chunk(b"VP8X", &[2, 0, 0, 0, 7, 0, 0, 7, 0, 0]);
    let animation = chunk(b"ANIM", &[0; 6]);
    let body = [b"WEBP".to_vec(), header, animation, frame([250, 10, 20]), frame([0, 0, 255])].concat();
    let picture = pixels(&chunk(b"RIFF", &body)).unwrap();
    assert_eq!((picture.dimensions(), picture.get_pixel(4, 4).0), ((8, 8), [250, 10, 20]));
}

fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut chunk = [name.as_slice(), &(body.len() as u32).to_le_bytes(), body].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

#[test]
fn truncated_and_corrupt_files_are_damaged() {
    let scene = scene();
    let files = [
        ("PNG", file(scene.clone(), ImageFormat::Png)),
        ("JPEG", jpeg(&scene, 90)),
        ("WebP", file(scene.clone(), ImageFormat::WebP)),
    ];
    for (name, bytes) in &files {
        for part in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 20] {
            let error = pixels(&bytes[..part]).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged, "{name} {part}");
            assert!(error.to_string().contains(&format!("damaged {name} file")), "{error}");
        }
        let mut header = bytes.clone();
        header[16..40].fill(0xa5);
        assert!(matches!(code(&header), ErrorCode::Damaged | ErrorCode::TooLarge), "{name}");
    }
    let mut flipped = files[0].1.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    assert_eq!(code(&flipped), ErrorCode::Damaged);
}

#[test]
fn a_header_that_claims_too_much_is_refused_at_once() {
    let mut bomb = file(RgbImage::new(1, 1), ImageFormat::Png);
    bomb[16..20].copy_from_slice(&big_endian(60_000));
    bomb[20..24].copy_from_slice(&big_endian(60_000));
    let crc = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&big_endian(crc));
    let start = Instant::now();
    let error = pixels(&bomb).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooLarge);
    assert!(error.to_string().contains("50000000 pixels"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}

/// The byte order of PNG.
fn big_endian(value: u32) -> [u8; 4] {
    value.swap_bytes().to_le_bytes()
}

/// CRC-32 of a PNG chunk, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn limits_are_exact() {
    let picture = RgbImage::from_fn(30, 20, |x, y| Rgb([x as u8, y as u8, 0]));
    for bytes in [
        file(picture.clone(), ImageFormat::Png),
        jpeg(&picture, 90),
        file(picture.clone(), ImageFormat::WebP),
    ] {
        let len = bytes.len() as u64;
        let with = |max_pixels: u64, max_bytes: u64| decode(&bytes, &DecodeLimits { max_pixels, max_bytes });
        assert_eq!(with(600, len).unwrap().dimensions(), (30, 20));
        assert_eq!(with(599, len).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(with(10, len).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(with(600, len - 1).unwrap_err().code(), ErrorCode::TooLarge);
        let encoder = BuiltinImage::new(DecodeLimits { max_pixels: 599, max_bytes: len });
        assert_eq!(encode(&encoder, Item::Bytes(&bytes)).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(encoder.fingerprint(), BuiltinImage::default().fingerprint());
    }
}

#[test]
fn a_batch_keeps_its_order_and_its_errors() {
    let (scene, plain) = (file(scene(), ImageFormat::Png), file(RgbImage::new(3, 200), ImageFormat::Png));
    let items = [
        Item::Bytes(&scene),
        Item::Text("words"),
        Item::Bytes(b"none"),
        Item::Bytes(&plain),
        Item::Bytes(&scene),
    ];
    let results = BuiltinImage::default().encode(&items);
    assert_eq!(results.len(), 5);
    assert_eq!(results[0].as_ref().unwrap(), &features(&scene));
    assert_eq!(results[1].as_ref().unwrap_err().code(), ErrorCode::BadArgument);
    assert_eq!(results[2].as_ref().unwrap_err().code(), ErrorCode::BadValue);
    assert_eq!(results[3].as_ref().unwrap(), &features(&plain));
    assert_eq!(results[4].as_ref().unwrap(), results[0].as_ref().unwrap());
}

#[test]
fn features_never_change() {
    let features = features(&file(scene(), ImageFormat::Png));
    // Of each block, the largest element.
    let blocks = [41, 164, 176, 144, 576, 41, 88, 99, 99];
    let mut start = 0;
    let got = blocks.map(|len| {
        let range = start..start + len;
        start += len;
        let at = range.max_by(|&a, &b| features[a].total_cmp(&features[b])).unwrap();
        (at, features[at])
    });
    assert_eq!(start, features.len());
    let pinned = [
        (22, 0.381_346),
        (104, 0.402_425),
        (210, 0.201_708),
        (434, 0.194_114),
        (688, 0.151_684),
        (1123, 0.563_558),
        (1147, 0.574_083),
        (1319, 0.598_878),
        (1407, 0.398_197),
    ];
    let same =
        |(got, pinned): (&(usize, f32), &(usize, f32))| got.0 == pinned.0 && (got.1 - pinned.1).abs() < 1e-5;
    assert!(got.iter().zip(&pinned).all(same), "{got:?}");
}

/// Valid beginnings, so that random bytes get past the first check.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR",
    b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    b"RIFF\xff\0\0\0WEBPVP8 ",
    b"RIFF\xff\0\0\0WEBPVP8L",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_bytes_never_panic(start in 0..BEGINNINGS.len(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [BEGINNINGS[start], &bytes].concat();
        let results = BuiltinImage::default().encode(&[Item::Bytes(&bytes)]);
        prop_assert_eq!(results.len(), 1);
    }

    #[test]
    fn changed_bytes_never_panic(kind in 0..3usize, at in 0..10_000usize, value in any::<u8>()) {
        let picture = RgbImage::from_fn(24, 24, |x, y| Rgb([x as u8 * 9, y as u8 * 9, (x * y) as u8]));
        let mut bytes = match kind {
            0 => file(picture, ImageFormat::Png),
            1 => jpeg(&picture, 90),
            _ => file(picture, ImageFormat::WebP),
        };
        let at = at % bytes.len();
        bytes[at] = value;
        if let Ok(features) = &BuiltinImage::default().encode(&[Item::Bytes(&bytes)])[0] {
            prop_assert!(features.iter().all(|x| x.is_finite()));
        }
    }
}
