//! The numbers are those of the reference, alone and in any batch.

use std::path::Path;

use serde_json::{Value, json};
use uncsm_index::encode::bert::SentenceEncoder;
use uncsm_index::encode::{Encoder, Item};

use crate::bert::folder::{Folder, encode, tiny};

fn expected() -> Value {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

fn texts() -> Vec<String> {
    serde_json::from_value(expected()["texts"].clone()).unwrap()
}

fn agree(a: &[f32], b: &[f32], most: f32, what: &str) {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(cosine > 0.99999 && difference < most, "{what}: cosine {cosine}, difference {difference}");
}

#[test]
fn features_are_those_of_the_reference() {
    let expected = expected();
    let texts = texts();
    let cases = expected["cases"].as_array().unwrap();
    assert_eq!((cases.len(), texts.len()), (12, 10));
    for case in cases {
        let folder = Folder::new();
        folder.edit("config.json", |config| config["hidden_act"] = case["activation"].clone());
        folder.edit("1_Pooling/config.json", |config| {
            config["pooling_mode_mean_tokens"] = json!(case["pooling"] == "mean");
            config["pooling_mode_cls_token"] = json!(case["pooling"] == "cls");
            config["pooling_mode_max_tokens"] = json!(case["pooling"] == "max");
        });
        if case["normalize"] == false {
            folder.edit("modules.json", |modules| drop(modules.as_array_mut().unwrap().pop()));
        }
        let encoder = folder.open().unwrap();
        assert_eq!((encoder.name(), encoder.features(), encoder.max_tokens()), ("tiny", 16, 12));
        let features = encode(&encoder, &texts);
        let wanted: Vec<Vec<f32>> = serde_json::from_value(case["features"].clone()).unwrap();
        for ((text, got), wanted) in texts.iter().zip(&features).zip(&wanted) {
            let what = format!("{text:?}, {} {} {}", case["activation"], case["pooling"], case["normalize"]);
            agree(got, wanted, 2e-5, &what);
        }
    }
}

/// Texts of every length that fits, from the words of the vocabulary.
fn many() -> Vec<String> {
    let words = ["dog", "runs", "the", "redly", "square", "2", "unred", "!"];
    let text = |i: usize| (0..i * 7 % 13).map(|j| words[(i + j * j) % 8]).collect::<Vec<_>>().join(" ");
    (0..150).map(text).collect()
}

#[test]
fn features_do_not_depend_on_the_batch_nor_on_threads() {
    let encoder = SentenceEncoder::open(&tiny(), "tiny").unwrap();
    pure(&encoder, &many());
}

fn pure(encoder: &SentenceEncoder, texts: &[String]) {
    let together = encode(encoder, texts);
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(encode(encoder, &[text])[0], together[i], "{text:?} alone");
    }
    let backwards: Vec<&String> = texts.iter().rev().collect();
    let mut reversed = encode(encoder, &backwards);
    reversed.reverse();
    assert_eq!(reversed, together);
    for size in [2, 3, 7, 40] {
        let parts: Vec<_> = texts.chunks(size).flat_map(|part| encode(encoder, part)).collect();
        assert_eq!(parts, together, "in batches of {size}");
    }
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| encode(encoder, texts)), together, "{threads} threads");
    }
}

#[test]
fn an_item_of_another_kind_does_not_touch_the_others() {
    let encoder = SentenceEncoder::open(&tiny(), "tiny").unwrap();
    let out = encoder.encode(&[Item::Text("cat"), Item::Bytes(b"x"), Item::Text("dog")]);
    assert_eq!(out[1].as_ref().unwrap_err().code(), uncsm_index::ErrorCode::BadArgument);
    assert_eq!(out[0].as_ref().unwrap(), &encode(&encoder, &["cat"])[0]);
    assert_eq!(out[2].as_ref().unwrap(), &encode(&encoder, &["dog"])[0]);
    assert!(encoder.encode(&[]).is_empty());
}

#[test]
fn names_with_and_without_prefix_and_of_old_are_the_same() {
    let encoder = SentenceEncoder::open(&tiny(), "tiny").unwrap();
    let texts = texts();
    let plain = encode(&encoder, &texts);
    let renames: [fn(&str) -> String; 2] = [
        |name| format!("bert.{name}"),
        |name| {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        },
    ];
    for rename in renames {
        let folder = Folder::new();
        let bytes = std::fs::read(folder.path("model.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let renamed = tensors.iter().map(|(name, view)| (rename(name), view));
        std::fs::write(folder.path("model.safetensors"), safetensors::serialize(renamed, None).unwrap())
            .unwrap();
        let other = folder.open().unwrap();
        assert_eq!(encode(&other, &texts), plain);
        // Another file: the fingerprint does not look inside.
        assert_ne!(other.fingerprint(), encoder.fingerprint());
    }
}

#[test]
fn the_fingerprint_holds_what_features_depend_on() {
    let fingerprint = |folder: &Folder| folder.open().unwrap().fingerprint();
    let same = fingerprint(&Folder::new());
    assert_eq!(same, SentenceEncoder::open(&tiny(), "another name").unwrap().fingerprint());
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("config.json", |v| v["hidden_act"] = json!("relu")),
        ("config.json", |v| v["layer_norm_eps"] = json!(1e-5)),
        ("sentence_bert_config.json", |v| v["max_seq_length"] = json!(11)),
        ("sentence_bert_config.json", |v| v["do_lower_case"] = json!(true)),
        ("modules.json", |v| drop(v.as_array_mut().unwrap().pop())),
        ("tokenizer.json", |v| v["normalizer"]["lowercase"] = json!(false)),
    ];
    for (file, change) in changes {
        let folder = Folder::new();
        folder.edit(file, change);
        assert_ne!(fingerprint(&folder), same, "{file}");
    }
    // What does not matter does not count.
    let folder = Folder::new();
    folder.edit("config.json", |config| config["transformers_version"] = json!("0"));
    assert_eq!(fingerprint(&folder), same);
}

#[test]
fn a_published_model_is_pure_and_finite() {
    let Some(dir) = std::env::var_os("UNCSM_MINILM") else {
        eprintln!("skipped: UNCSM_MINILM names no folder with all-MiniLM-L6-v2");
        return;
    };
    let encoder = SentenceEncoder::open(Path::new(&dir), "minilm").unwrap();
    let word = |i: usize| ["a", "picture", "of", "trees", "in", "unforeseeable", "weather"][i % 7];
    let text = |i: usize| (0..i * i % 97).map(|j| word(i + j * j)).collect::<Vec<_>>().join(" ");
    let mut texts: Vec<String> = (0..60).map(text).collect();
    texts.push((0..400).map(word).collect::<Vec<_>>().join(" "));
    pure(&encoder, &texts);
    for row in encode(&encoder, &texts) {
        assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
    }
}
