//! The numbers of the reference, for every text and picture.

use serde_json::{Value, json};
use uncsm_index::encode::{Encoder, Item};

use crate::clip::{Copy, clip_image, clip_text, encode, folder, siglip_image, siglip_text};
use crate::common::cosine;

/// The entries of `kind` of `family`.
fn entries(family: &str, kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let list = all[family][kind].as_array().unwrap();
    assert!(list.len() >= 7);
    list.clone()
}

fn row(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn texts_agree(family: &str, encoder: &dyn Encoder) {
    for entry in entries(family, "texts") {
        let text = entry["text"].as_str().unwrap();
        let got = cosine(&encode(encoder, Item::Text(text)), &row(&entry["features"]));
        assert!(got >= 0.99999, "{family} {text:?}: {got}");
    }
}

/// Pictures against the reference end to end, with the Pillow that the script names.
///
/// Where that Pillow resizes columns first, the entry has a second row of numbers, of the picture resized rows first, as
/// `resample` does: that one must agree as the others do. End to end such a picture is only near, a known difference.
fn pictures_agree(family: &str, encoder: &dyn Encoder) {
    let mut other_order = Vec::new();
    for entry in entries(family, "images") {
        let file = entry["file"].as_str().unwrap();
        let bytes = std::fs::read(folder().join("pictures").join(file)).unwrap();
        let got = encode(encoder, Item::Bytes(&bytes));
        let whole = cosine(&got, &row(&entry["features"]));
        if entry.get("rows_first").is_none() {
            assert!(whole >= 0.9999, "{family} {file}: {whole}");
            continue;
        }
        let steps = cosine(&got, &row(&entry["rows_first"]));
        assert!(steps >= 0.9999, "{family} {file}, rows first: {steps}");
        assert!(whole >= 0.999, "{family} {file}: {whole}");
        other_order.push(file.to_owned());
    }
    let known: &[&str] = if family == "siglip" { &["tall.png"] } else { &[] };
    assert_eq!(other_order, known, "the exceptions are these alone");
}

#[test]
fn clip_gives_the_numbers_of_the_reference() {
    let dir = folder().join("clip");
    texts_agree("clip", &clip_text(&dir).unwrap());
    pictures_agree("clip", &clip_image(&dir).unwrap());
}

#[test]
fn siglip_gives_the_numbers_of_the_reference() {
    let dir = folder().join("siglip");
    texts_agree("siglip", &siglip_text(&dir).unwrap());
    pictures_agree("siglip", &siglip_image(&dir).unwrap());
}

#[test]
fn older_files_mean_the_same() {
    // Plain sizes, another name of the processor, and keys that were left out.
    let old = Copy::of("clip").edit("preprocessor_config.json", |value| {
        *value = json!({
            "crop_size": 32, "size": 36, "do_center_crop": true, "do_normalize": true, "do_resize": true,
            "resample": 3, "feature_extractor_type": "CLIPFeatureExtractor",
        });
    });
    // The settings under the older key, and an end token that is the highest id.
    let old = old.edit("config.json", |value| {
        for tower in ["text_config", "vision_config"] {
            let settings = value[tower].take();
            value[tower] = json!({ "hidden_size": 999 });
            value[format!("{tower}_dict")] = settings;
        }
        value["text_config_dict"]["eos_token_id"] = json!(2);
    });
    let old = old.remove("tokenizer_config.json");
    let texts = clip_text(old.dir()).unwrap();
    texts_agree("clip", &texts);
    pictures_agree("clip", &clip_image(old.dir()).unwrap());
    // The tower reads the ids by another rule, so that it is another encoder.
    assert_ne!(texts.fingerprint(), clip_text(&folder().join("clip")).unwrap().fingerprint());
}

#[test]
fn absent_keys_have_their_defaults() {
    let copy = Copy::of("clip").edit("config.json", |value| {
        for tower in ["text_config", "vision_config"] {
            for key in ["hidden_act", "layer_norm_eps", "num_channels", "max_position_embeddings"] {
                value[tower].as_object_mut().unwrap().remove(key);
            }
        }
    });
    let dir = folder().join("clip");
    assert_eq!(clip_text(copy.dir()).unwrap().fingerprint(), clip_text(&dir).unwrap().fingerprint());
    assert_eq!(clip_image(copy.dir()).unwrap().fingerprint(), clip_image(&dir).unwrap().fingerprint());
    // A config that says nothing is the published base model, which these weights are not.
    // The end token stays, which the tokenizer must have.
    let bare = copy.edit("config.json", |value| {
        let eos = value["text_config"]["eos_token_id"].take();
        *value = json!({ "model_type": "clip", "text_config": { "eos_token_id": eos } });
    });
    let error = clip_text(bare.dir()).map(drop).unwrap_err();
    assert_eq!(error.facts().expected.as_deref(), Some("[49408, 512]"));
}

#[test]
fn a_text_is_cut_before_its_end_token() {
    let dir = folder().join("clip");
    let encoder = clip_text(&dir).unwrap();
    let long = "cat ".repeat(75);
    let longer = "cat ".repeat(400);
    let short = "cat ".repeat(74);
    let row = encode(&encoder, Item::Text(&long));
    assert_eq!(row, encode(&encoder, Item::Text(&longer)));
    assert_ne!(row, encode(&encoder, Item::Text(&short)));
}
