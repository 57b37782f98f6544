//! The numbers of the network, and that they are a function of the picture alone.

use std::io::Cursor;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uncsm_index::ErrorCode;
use uncsm_index::encode::{DecodeLimits, EfficientNetLite0, Encoder, Item};

use crate::common::cosine;
use crate::efficientnet::reference::Odd;
use crate::efficientnet::{checkpoint, reference};

fn open(path: &Path) -> EfficientNetLite0 {
    EfficientNetLite0::open(path, "net", DecodeLimits::default()).unwrap()
}

/// Noise over a slope: every place matters, the borders too.
fn picture(width: u32, height: u32, seed: u64) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([(x * 255 / width) as u8, random.random(), (y * 255 / height) as u8])
    })
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn as_the_reference() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.safetensors");
    let tensors = checkpoint::random(7);
    checkpoint::write(&tensors, &file);
    let picture = picture(224, 224, 1);
    let got = open(&file).encode_pixels(&picture).unwrap();
    let input: Vec<f32> = picture.as_raw().iter().map(|x| (f32::from(*x) - 127.0) / 128.0).collect();
    let expected = reference::features(&tensors, &input, Odd::Last);
    assert_eq!(got.len(), 1280);
    assert!(cosine(&got, &expected) > 0.999_999_9, "{}", cosine(&got, &expected));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() < 1e-3, "{got} {expected}");
    }
    // The odd element of a padding shows.
    let other = reference::features(&tensors, &input, Odd::First);
    assert!(cosine(&got, &other) < 0.999_99, "{}", cosine(&got, &other));
}

#[test]
fn features_depend_on_the_picture_alone() {
    let dir = tempfile::tempdir().unwrap();
    checkpoint::write(&checkpoint::random(8), &dir.path().join("model.safetensors"));
    let encoder = open(dir.path());
    let files: Vec<Vec<u8>> =
        [(224, 224), (31, 90), (300, 200), (1, 1)].map(|(w, h)| png(&picture(w, h, 3))).into();
    let mut items: Vec<Item<'_>> = files.iter().map(|file| Item::Bytes(file)).collect();
    items.extend([Item::Text("words"), Item::Bytes(b"none"), Item::Bytes(&files[0])]);
    let bits = |row: &[f32]| row.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let all = encoder.encode(&items);
    for threads in [1, 3] {
        for (at, item) in items.iter().enumerate() {
            let alone = pool(threads).install(|| encoder.encode(&[*item])).pop().unwrap();
            match (&all[at], &alone) {
                (Ok(row), Ok(alone)) => assert_eq!(bits(row), bits(alone), "{at}"),
                (Err(error), Err(alone)) => assert_eq!(error.code(), alone.code()),
                _ => panic!("{at}: a result and an error"),
            }
        }
    }
    assert_eq!(all[0].as_ref().unwrap(), all[6].as_ref().unwrap());
    assert_eq!(all[4].as_ref().unwrap_err().code(), ErrorCode::BadArgument);
    assert_eq!(all[5].as_ref().unwrap_err().code(), ErrorCode::BadValue);
    assert!(encoder.encode(&[]).is_empty());
}
