//! Bundles and sources that do not belong together.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use uncsm_index::model::Bundle;

use crate::files::{s, write_lines};
use crate::pictures::support::world;
use crate::run::{code, err, ok};

/// Writes a tensor `name` of `[4, width]` numbers.
fn features(path: &Path, tensors: &[(&str, usize)]) {
    let bytes: Vec<(String, Vec<u8>, usize)> = tensors
        .iter()
        .map(|&(name, width)| {
            let values = (0..4 * width).flat_map(|i| ((i % 13) as f32 / 13.0).to_le_bytes());
            (name.to_owned(), values.collect(), width)
        })
        .collect();
    let views: HashMap<String, TensorView<'_>> = bytes
        .iter()
        .map(|(name, bytes, width)| {
            (name.clone(), TensorView::new(Dtype::F32, vec![4, *width], bytes).unwrap())
        })
        .collect();
    safetensors::serialize_to_file(views, None, path).unwrap();
}

#[test]
fn features_of_another_encoder_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("features.safetensors"), dir.path().join("index"));
    let bundle = &world().bundle;
    let media = Bundle::load(bundle).unwrap().media().to_vec();
    assert_eq!(media[0].name, "image");
    features(&file, &[("vectors", media[0].features), ("narrow", 7)]);
    let build = |pathway: &str, encoder: &str| {
        let base = ["build", "--features", s(&file), "--bundle", s(bundle), "--out", s(&out)];
        let args = [&base[..], &["--pathway", pathway, "--encoder", encoder]].concat();
        args.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let run = |args: &[String]| err(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let error = run(&build("image=vectors", "image=some-clip"));
    assert_eq!(code(&error), "space_mismatch", "{error}");
    assert_eq!((&error["expected"], &error["got"]), (&json!("builtin-image-v1"), &json!("some-clip")));
    let error = run(&build("image=narrow", "image=builtin-image-v1"));
    assert_eq!(code(&error), "bad_dimension", "{error}");
    let error = run(&build("audio=vectors", "audio=some-ears"));
    assert_eq!(code(&error), "unknown_media", "{error}");
    // A corpus may name its encoders too.
    let corpus = s(&world().corpus);
    let args = ["build", corpus, "--bundle", s(bundle), "--out", s(&out), "--encoder", "image=some-clip"];
    assert_eq!(code(&err(&args)), "space_mismatch");
    assert!(!out.exists() && !dir.path().join("index.partial").exists());
    let adds = ["add", s(&world().index), corpus, "--encoder", "text=some-words"];
    assert_eq!(code(&err(&adds)), "space_mismatch");
}

#[test]
fn an_unknown_encoder_is_no_reason_to_train() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("bundle");
    let args = ["train", s(&world().corpus), "--out", s(&out), "--encoder", "image=some-clip"];
    let error = err(&args);
    assert_eq!((code(&error), &error["got"]), ("not_found", &json!("some-clip")), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_bundle_of_features_from_a_file_encodes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (bundle, file, index) =
        (dir.path().join("bundle"), dir.path().join("features.safetensors"), dir.path().join("index"));
    Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 1).save(&bundle).unwrap();
    features(&file, &[("i", 6), ("t", 5)]);
    let corpus = dir.path().join("corpus.jsonl");
    write_lines(&corpus, &[json!({ "id": "a", "text": "words" })]);
    let error = err(&["build", s(&corpus), "--bundle", s(&bundle), "--out", s(&index)]);
    assert_eq!(code(&error), "bad_argument", "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--features"), "{error}");
    assert!(!index.exists());
    let error = err(&["eval", s(&bundle), s(&corpus)]);
    assert_eq!(code(&error), "bad_argument", "{error}");
    let base = ["build", "--features", s(&file), "--bundle", s(&bundle), "--out", s(&index)];
    let pathways = ["--pathway", "image=i", "--pathway", "text=t"];
    let named = ["--encoder", "image=random-image", "--encoder", "text=random-text"];
    assert_eq!(ok(&[&base[..], &pathways, &named].concat())["documents"], 4);
    let sentence = err(&["query", s(&index), "--text", "a red circle"]);
    assert_eq!(code(&sentence), "bad_argument", "{sentence}");
    assert!(sentence["message"].as_str().unwrap().contains("random-text"), "{sentence}");
    let picture = world().corpus.with_file_name("img").join("000-0.png");
    let picture = err(&["query", s(&index), "--image", s(&picture)]);
    assert_eq!(code(&picture), "bad_argument", "{picture}");
    assert!(picture["message"].as_str().unwrap().contains("random-image"), "{picture}");
    let error = err(&["add", s(&index), s(&corpus)]);
    assert_eq!(code(&error), "bad_argument", "{error}");
    // The other way round works: raw features ask.
    let rows = ["--rows", "0..1", "--pathway", "image=i"];
    let found = ok(&[&["query", s(&index), "--features", s(&file)][..], &rows].concat());
    assert_eq!(found["hits"].as_array().unwrap().len(), 4);
}
