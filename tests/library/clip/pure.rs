//! Features are a function of the item alone, and the fingerprint stands for what they depend on.

use serde_json::json;
use uncsm_index::ErrorCode;
use uncsm_index::encode::{DecodeLimits, Encoder, Item};

use crate::clip::{Copy, clip_image, clip_text, encode, folder, siglip_image, siglip_text};

/// Alone, in a batch in any order, and with any number of threads: the same bits.
fn is_pure(encoder: &dyn Encoder, items: &[Item<'_>]) {
    let alone: Vec<Vec<f32>> = items.iter().map(|item| encode(encoder, *item)).collect();
    let reversed: Vec<Item<'_>> = items.iter().rev().copied().collect();
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (batch, back, one) = pool
            .install(|| (encoder.encode(items), encoder.encode(&reversed), encoder.encode(&reversed[..1])));
        let rows = |rows: Vec<uncsm_index::Result<Vec<f32>>>| -> Vec<Vec<f32>> {
            rows.into_iter().map(|row| row.unwrap()).collect()
        };
        assert_eq!(rows(batch), alone, "{threads} threads");
        assert_eq!(rows(back).into_iter().rev().collect::<Vec<_>>(), alone, "{threads} threads");
        assert_eq!(rows(one)[0], alone[alone.len() - 1], "{threads} threads");
    }
    assert!(encoder.encode(&[]).is_empty());
}

fn texts() -> Vec<String> {
    (0..24).map(|i| format!("a photo of {} boats {}", i, "and a cat ".repeat(i % 9))).collect()
}

fn pictures() -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder().join("pictures")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[test]
fn texts_do_not_depend_on_others() {
    let texts = texts();
    let items: Vec<_> = texts.iter().map(|text| Item::Text(text)).collect();
    is_pure(&clip_text(&folder().join("clip")).unwrap(), &items);
    is_pure(&siglip_text(&folder().join("siglip")).unwrap(), &items);
}

#[test]
fn pictures_do_not_depend_on_others() {
    let pictures = pictures();
    let items: Vec<_> = pictures.iter().map(|bytes| Item::Bytes(bytes)).collect();
    is_pure(&clip_image(&folder().join("clip")).unwrap(), &items);
    is_pure(&siglip_image(&folder().join("siglip")).unwrap(), &items);
}

/// A tower so wide that the products of its matrices are shared among threads.
#[test]
fn wide_towers_do_not_depend_on_threads() {
    let (hidden, inner) = (192, 768);
    let copy = Copy::of("clip").edit("config.json", |value| {
        value["text_config"]["hidden_size"] = json!(hidden);
        value["text_config"]["intermediate_size"] = json!(inner);
    });
    widen(copy.dir(), hidden, inner);
    let encoder = clip_text(copy.dir()).unwrap();
    let texts = texts();
    let items: Vec<_> = texts.iter().map(|text| Item::Text(text)).collect();
    is_pure(&encoder, &items);
}

/// Replaces the tower of texts by a random one of other sizes.
fn widen(dir: &std::path::Path, hidden: usize, inner: usize) {
    use rand::{Rng, SeedableRng};
    use safetensors::tensor::{Dtype, TensorView};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(3);
    let file = dir.join("model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    let old = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
    for (name, view) in old.tensors() {
        if !name.starts_with("text_") {
            continue;
        }
        // 12 and 32 are the sizes of the tiny tower; the projection alone has 12 rows that stay.
        let keep = usize::from(name.starts_with("text_projection"));
        let shape = view.shape().iter().enumerate().map(|(axis, n)| match n {
            12 if axis >= keep => hidden,
            32 => inner,
            n => *n,
        });
        let shape: Vec<usize> = shape.collect();
        let scale = (shape[shape.len() - 1] as f32).powf(-0.5);
        let count: usize = shape.iter().product();
        let data =
            (0..count).flat_map(|_| (scale * random.random_range(-1.7f32..1.7)).to_le_bytes()).collect();
        tensors.push((name, shape, data));
    }
    tensors.sort();
    let views =
        tensors.iter().map(|(n, shape, data)| (n, TensorView::new(Dtype::F32, shape.clone(), data).unwrap()));
    std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
}

#[test]
fn a_bad_item_leaves_the_others() {
    let encoder = clip_image(&folder().join("clip")).unwrap();
    let good = std::fs::read(folder().join("pictures/wide.png")).unwrap();
    let mut line = image::RgbImage::new(1, 40_000);
    line.put_pixel(0, 0, image::Rgb([255; 3]));
    let mut long = std::io::Cursor::new(Vec::new());
    line.write_to(&mut long, image::ImageFormat::Png).unwrap();
    let items = [
        Item::Bytes(&good),
        Item::Bytes(b"no picture"),
        Item::Text("a text"),
        Item::Bytes(long.get_ref()),
        Item::Bytes(&good),
    ];
    let results = encoder.encode(&items);
    let code = |at: usize| results[at].as_ref().map(drop).unwrap_err().code();
    assert_eq!(
        (code(1), code(2), code(3)),
        (ErrorCode::BadValue, ErrorCode::BadArgument, ErrorCode::TooLarge)
    );
    assert_eq!(results[0].as_ref().unwrap(), &encode(&encoder, Item::Bytes(&good)));
    assert_eq!(results[0].as_ref().unwrap(), results[4].as_ref().unwrap());

    let encoder = clip_text(&folder().join("clip")).unwrap();
    let error = encoder.encode(&[Item::Bytes(&good)]).remove(0).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
}

#[test]
fn limits_hold_and_are_no_part_of_the_fingerprint() {
    let dir = folder().join("clip");
    let tight = DecodeLimits { max_pixels: 100, ..DecodeLimits::default() };
    let encoder = uncsm_index::encode::clip::ClipImage::open(&dir, "other name", tight).unwrap();
    let wide = std::fs::read(folder().join("pictures/wide.png")).unwrap();
    let error = encoder.encode(&[Item::Bytes(&wide)]).remove(0).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooLarge);
    assert_eq!(encoder.name(), "other name");
    assert_eq!(encoder.fingerprint(), clip_image(&dir).unwrap().fingerprint());
}

#[test]
fn whatever_changes_features_changes_the_fingerprint() {
    let dir = folder().join("clip");
    let (image, text) = (clip_image(&dir).unwrap().fingerprint(), clip_text(&dir).unwrap().fingerprint());
    assert_ne!(image, text);
    type Edit = fn(&mut serde_json::Value);
    let edits: [(&str, Edit); 4] = [
        ("size", |v| v["size"]["shortest_edge"] = json!(40)),
        ("filter", |v| v["resample"] = json!(2)),
        ("mean", |v| v["image_mean"] = json!([0.5, 0.5, 0.5])),
        ("scale", |v| v["rescale_factor"] = json!(0.01)),
    ];
    for (what, edit) in edits {
        let copy = Copy::of("clip").edit("preprocessor_config.json", edit);
        assert_ne!(clip_image(copy.dir()).unwrap().fingerprint(), image, "{what}");
        assert_eq!(clip_text(copy.dir()).unwrap().fingerprint(), text, "{what}");
    }
    let copy = Copy::of("clip").edit("config.json", |v| {
        v["vision_config"]["num_attention_heads"] = json!(2);
        v["text_config"]["num_attention_heads"] = json!(3);
    });
    assert_ne!(clip_image(copy.dir()).unwrap().fingerprint(), image);
    assert_ne!(clip_text(copy.dir()).unwrap().fingerprint(), text);
    let copy = Copy::of("clip").edit("tokenizer.json", |_| ());
    assert_ne!(clip_text(copy.dir()).unwrap().fingerprint(), text);
    assert_eq!(clip_image(copy.dir()).unwrap().fingerprint(), image);
}
