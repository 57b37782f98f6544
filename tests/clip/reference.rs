//! The numbers of the reference, for every text and picture.

use serde_json::{Value, json};
use uncsm_index::encode::{Encoder, Item};

use crate::{Copy, clip_image, clip_text, cosine, encode, folder, siglip_image, siglip_text};

/// Items of `kind` of `family` with the features that are expected of them.
fn expected(family: &str, kind: &str) -> Vec<(String, Vec<f32>)> {
    let all: Value = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let list = all[family][kind].as_array().unwrap();
    assert!(list.len() >= 5);
    let item = |entry: &Value| {
        let key = entry.get("text").or(entry.get("file")).unwrap().as_str().unwrap();
        let row = entry["features"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32);
        (key.to_owned(), row.collect())
    };
    list.iter().map(item).collect()
}

fn texts_agree(family: &str, encoder: &dyn Encoder) {
    for (text, want) in expected(family, "texts") {
        let got = cosine(&encode(encoder, Item::Text(&text)), &want);
        println!("{family} {text:.30?}: 1 - {:.1e}", 1.0 - got);
        assert!(got >= 0.99999, "{family} {text:?}: {got}");
    }
}

fn pictures_agree(family: &str, encoder: &dyn Encoder) {
    for (file, want) in expected(family, "images") {
        let bytes = std::fs::read(folder().join("pictures").join(&file)).unwrap();
        let got = cosine(&encode(encoder, Item::Bytes(&bytes)), &want);
        println!("{family} {file}: 1 - {:.1e}", 1.0 - got);
        assert!(got >= 0.9999, "{family} {file}: {got}");
    }
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
    let bare = copy.edit("config.json", |value| *value = json!({ "model_type": "clip" }));
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
